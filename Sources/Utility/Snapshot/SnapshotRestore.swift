// snapshot restore: a data directory for one member of a new cluster that begins with a snapshot's keys.
//
// The cluster's identity is new, so the file's members go, and a log is written as if a leader of term 1 had added the
// new ones. Every member of the cluster is restored from the same file with its own name, and all come to the same log.

import BBolt
import Backend
import Base
import CommandLineKit
import Crypto
import EtcdWire
import FileIO
import Membership
import RaftLog
import RaftWire
import ServerConfiguration

struct SnapshotRestore {
    /// etcd's: far beyond any database, for nothing but addresses is taken.
    static let mapBytesDefault: UInt64 = 10 << 30
    /// More would leave nothing of the address space.
    private static let mapBytesMax: UInt64 = 1 << 44
    private static let pieceBytes = 1 << 20
    /// Of the SHA-256 behind a snapshot's database.
    private static let digestBytes: UInt64 = 32
    /// Databases are whole multiples of this, snapshots have a digest more.
    private static let sectorBytes: UInt64 = 512

    private let source: String
    private let name: String
    private let dataDirectory: DataDirectory
    private let walDirectory: String
    private let skipsHashCheck: Bool
    private let mapBytes: UInt64
    private let bump: UInt64
    private let token: String
    private let members: [Member]
    private let call: Invocation

    /// Checks what the call says.
    init(_ call: Invocation, bump: UInt64) throws(CommandExit) {
        self.call = call
        self.bump = bump
        source = call.arguments[0]
        name = call.string("name")
        token = call.string("initial-cluster-token")
        skipsHashCheck = call.bool("skip-hash-check")
        let wanted = UInt64(call.string("initial-memory-map-size")) ?? 0
        mapBytes = wanted == 0 ? Self.mapBytesDefault : min(wanted, Self.mapBytesMax)
        let directory = call.string("data-dir")
        dataDirectory = DataDirectory(directory.isEmpty ? name + ".etcd" : directory)
        walDirectory = call.string("wal-dir").isEmpty ? dataDirectory.wal : call.string("wal-dir")
        let token = token
        members = try Self.members(call).map { member in
            let urls = member.peerURLs.map(\.description)
            return Member(id: Member.identifier(peerURLs: urls, token: token), name: member.name, peerURLs: urls)
        }.sorted { $0.id < $1.id }
    }

    private static func members(_ call: Invocation) throws(CommandExit) -> [InitialMember] {
        var configuration = ServerConfiguration()
        configuration.name = call.string("name")
        configuration.cluster.initialCluster = call.string("initial-cluster")
        configuration.cluster.initialClusterToken = call.string("initial-cluster-token")
        do throws(EndpointURLError) {
            configuration.listen.advertisePeerURLs = try EndpointURL.list(call.string("initial-advertise-peer-urls"))
        } catch {
            throw failure(error.description)
        }
        do throws(ConfigurationError) {
            return try configuration.checkedBootstrapMembers()
        } catch {
            // What a server says in front of it is not said here.
            let prefix = "error setting up initial cluster: "
            throw failure(
                error.description.hasPrefix(prefix)
                    ? String(error.description.dropFirst(prefix.count)) : error.description
            )
        }
    }

    func run() throws {
        try checkPlaces()
        let fields: KeyValuePairs<String, ConsoleLog.Value> = [
            "path": .text(source), "wal-dir": .text(walDirectory), "data-dir": .text(dataDirectory.path),
            "snap-dir": .text(dataDirectory.snapshots), "initial-memory-map-size": .number(Int64(mapBytes)),
        ]
        ConsoleLog.info("restoring snapshot", fields)
        try onFiles {
            try copyDatabase()
            try changeDatabase()
            try writeLog()
        }
        ConsoleLog.info("restored snapshot", fields)
    }

    private func checkPlaces() throws(CommandExit) {
        let path = dataDirectory.path
        do throws(FileError) {
            if try disk.exists(path) {
                guard try disk.list(path).isEmpty else {
                    throw FileError(operation: "", path: path, number: 0, reason: "")
                }
            }
        } catch {
            throw failure("data-dir \"\(path)\" not empty or could not be read")
        }
        if (try? disk.exists(walDirectory)) != false { throw failure("wal-dir \"\(walDirectory)\" exists") }
    }

    // MARK: The database

    /// Copies the file without its digest, which must be right.
    private func copyDatabase() throws {
        let input = try disk.open(source, .read)
        defer { input.close() }
        let size = try input.size()
        guard size >= Self.digestBytes else { throw failure("seek \(source): invalid argument") }
        let hasDigest = size % Self.sectorBytes == Self.digestBytes
        let end = hasDigest ? size - Self.digestBytes : size

        try disk.createDirectory(dataDirectory.snapshots, mode: 0o700)
        let output = try disk.open(
            dataDirectory.database,
            OpenOptions(write: true, create: true, truncate: true, mode: 0o600)
        )
        defer { output.close() }
        var hash = SHA256()
        var offset: UInt64 = 0
        while offset < end {
            let piece = try input.read(count: Int(min(UInt64(Self.pieceBytes), end - offset)), at: offset)
            guard !piece.isEmpty else { throw failure("read \(source): unexpected EOF") }
            hash.update(data: piece)
            try output.write(Bytes(piece), at: offset)
            offset += UInt64(piece.count)
        }
        try output.synchronizeData()
        try disk.syncDirectory(dataDirectory.snapshots)

        if skipsHashCheck { return }
        guard hasDigest else { throw failure("snapshot missing hash but --skip-hash-check=false") }
        let expected = try input.read(count: Int(Self.digestBytes), at: end)
        let computed = Array(hash.finalize())
        guard expected == computed else {
            throw failure("expected sha256 \(Self.list(expected)), got \(Self.list(computed))")
        }
    }

    private static func list(_ bytes: [UInt8]) -> String {
        "[" + bytes.map { "\($0)" }.joined(separator: " ") + "]"
    }

    /// Puts the new members in the old ones' place, and the log's end that the file is to stand for.
    private func changeDatabase() throws {
        var options = DatabaseOptions()
        options.reservedMapBytes = Int(mapBytes)
        let database = try openBackend(dataDirectory.database, call) { () throws(BBoltError) in
            try Database.open(dataDirectory.database, fileSystem: disk, options: options)
        }
        defer { database.close() }
        let transaction = try database.beginWrite()
        ConsoleLog.info("Trimming membership information from the backend...")
        for bucket in [Bucket.members, .membersRemoved] {
            if try transaction.bucket(bucket.name) != nil { try transaction.deleteBucket(bucket.name) }
            _ = try transaction.createBucketIfMissing(bucket.name)
        }
        let rows = try transaction.createBucketIfMissing(Bucket.members.name)
        for member in members {
            try rows.put(member.rowKey, member.rowValue)
            ConsoleLog.info(
                "added member",
                [
                    "cluster-id": .text(hexadecimal(clusterID)), "local-member-id": .text("0"),
                    "added-peer-id": .text(hexadecimal(member.id)), "added-peer-peer-urls": .texts(member.peerURLs),
                    "added-peer-is-learner": .flag(false),
                ]
            )
        }
        if bump > 0 { try raiseRevision(transaction, from: try latestRevision(database.beginRead())) }
        let meta = try transaction.createBucketIfMissing(Bucket.meta.name)
        try meta.put(MetaKey.consistentIndex, storedNumber(LogIndex(members.count)))
        try meta.put(MetaKey.term, storedNumber(Self.term))
        try transaction.commit()
    }

    private func latestRevision(_ reader: ReadTransaction) throws -> Int64 {
        guard var cursor = try reader.bucket(Bucket.key.name)?.cursor(), try cursor.last() else { return 0 }
        return RevisionKey(cursor.key)?.revision.main ?? 0
    }

    /// Adds an empty row at the raised revision and declares everything before it compacted: watches from before are told
    /// so, instead of missing what the old cluster did after the snapshot.
    private func raiseRevision(_ transaction: WriteTransaction, from latest: Int64) throws {
        let (raised, overflows) = UInt64(latest).addingReportingOverflow(bump)
        guard !overflows, let revision = Int64(exactly: raised) else {
            throw failure("revision \(latest) cannot be raised by \(bump)")
        }
        ConsoleLog.info(
            "bumping latest revision",
            [
                "latest-revision": .number(latest), "bump-amount": .number(Int64(bump)),
                "new-latest-revision": .number(revision),
            ]
        )
        let key = RevisionKey(Revision(main: revision)).bytes
        try transaction.createBucketIfMissing(Bucket.key.name).put(key, Bytes())
        ConsoleLog.info("marking revision compacted", ["revision": .number(revision)])
        try transaction.createBucketIfMissing(Bucket.meta.name).put(MetaKey.scheduledCompactRevision, key)
    }

    // MARK: The log

    private static let term: Term = 1

    private var clusterID: ClusterID { Member.clusterIdentifier(of: members.map(\.id)) }

    private func writeLog() throws {
        guard let local = members.first(where: { $0.name == name }), let first = members.first else {
            throw failure("couldn't find local name \(name.quoted) in the initial cluster configuration")
        }
        try disk.createDirectory(parentDirectory(of: walDirectory), mode: 0o700)
        var log = try WriteAheadLog.create(
            disk,
            walDirectory,
            metadata: LogMetadata(memberID: local.id, clusterID: clusterID).encoded()
        )
        let entries = members.enumerated().map { position, member in
            let change = ConfChange(type: .addNode, nodeID: member.id, context: Bytes(member.json.encoded))
            return Entry(term: Self.term, index: LogIndex(position) + 1, type: .confChange, data: change.encoded())
        }
        let commit = LogIndex(entries.count)
        try log.save(entries, HardState(term: Self.term, vote: first.id, commit: commit))
        let confState = ConfState(voters: members.map(\.id))
        // For members of 3.6 and before, which begin at this file.
        let membership = Membership(clusterID: clusterID, localID: local.id, members: members)
        try SnapshotFiles(disk, directory: dataDirectory.snapshots).save(
            Snapshot(
                data: membership.v2Snapshot,
                metadata: SnapshotMetadata(confState: confState, index: commit, term: Self.term)
            )
        )
        try log.saveSnapshot(WALSnapshot(index: commit, term: Self.term, confState: confState))
        try log.close()
        for directory in [dataDirectory.path + "/member", dataDirectory.path, parentDirectory(of: dataDirectory.path)] {
            try disk.syncDirectory(directory)
        }
    }
}
