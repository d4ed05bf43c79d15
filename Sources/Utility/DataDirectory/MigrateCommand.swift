// migrate: a stopped member's directory made ready for another version of etcd.
//
// All that 3.6 added to 3.5's database is the row `storageVersion`; 3.7 only changes it. Before a step down the log is
// looked through for requests that the older version would not understand.

import BBolt
import Backend
import Base
import CommandLineKit
import EtcdWire
import RaftLog
import RaftWire
import SwiftProtobuf

enum MigrateCommand {
    private static let oldest = SemanticVersion(3, 5)
    /// The first that has a storage version.
    private static let firstWithVersion = SemanticVersion(3, 6)

    static let command = Command(
        "migrate",
        "",
        "Migrates schema of etcd data dir files to make them compatible with different etcd version",
        flags: [
            Flag("data-dir", nil, .string, "", "Path to the etcd data dir"),
            Flag(
                "target-version",
                nil,
                .string,
                "",
                "Target etcd version to migrate contents of data dir. Minimal value 3.5. Format \"X.Y\" for example 3.6."
            ),
            Flag(
                "force",
                nil,
                .bool,
                "",
                "Ignore migration failure and forcefully override storage version. Not recommended."
            ),
        ]
    ) { call in
        try require(["data-dir", "target-version"], call)
        let target = try target(call.string("target-version"))
        try run(DataDirectory(call.string("data-dir")), to: target, isForced: call.bool("force"), call)
    }

    static func target(_ text: String) throws(CommandExit) -> SemanticVersion {
        guard text.count(where: { $0 == "." }) == 1 else {
            throw badArguments("wrong target version format, expected \"X.Y\", got \(text.quoted)")
        }
        guard let version = SemanticVersion(text + ".0") else {
            for part in text.split(separator: ".", omittingEmptySubsequences: false) {
                do throws(NumberError) {
                    _ = try GoNumber.int(String(part))
                } catch {
                    throw badArguments("failed to parse target version: \(error)")
                }
            }
            throw badArguments("failed to parse target version: \(text).0 is not in dotted-tri format")
        }
        guard version >= oldest else {
            throw badArguments("target version \"\(version.minorDescription)\" not supported. Minimal \"3.5\"")
        }
        return version
    }

    private static func run(
        _ directory: DataDirectory,
        to target: SemanticVersion,
        isForced: Bool,
        _ call: Invocation
    ) throws(CommandExit) {
        try requireFile(directory.database)
        let database = try openBackend(directory.database, call) { () throws(BBoltError) in
            try Database.open(directory.database, fileSystem: disk)
        }
        defer { database.close() }
        try onFiles {
            let current = try version(of: try StoredMeta(database.beginRead()))
            if current == target {
                ConsoleLog.info("storage version up-to-date", ["storage-version": .text(current.minorDescription)])
                return
            }
            do {
                try check(from: current, to: target, oldestReader(of: directory))
            } catch let error as UnsupportedMigration {
                guard isForced else { throw failure(error.reason) }
                ConsoleLog.info("normal migrate failed, trying with force", ["error": .text(error.reason)])
                try store(target, in: database)
                if target < firstWithVersion {
                    ConsoleLog.warn("forcefully cleared storage version")
                } else {
                    ConsoleLog.warn(
                        "forcefully set storage version",
                        ["storage-version": .text(target.minorDescription)]
                    )
                }
                return
            }
            try store(target, in: database)
            var step = current
            while step != target {
                step.minor += step < target ? 1 : -1
                ConsoleLog.info("updated storage version", ["new-storage-version": .text(step.description)])
            }
        }
    }

    private static func version(of meta: StoredMeta) throws(CommandExit) -> SemanticVersion {
        if let version = meta.storageVersion { return version.withoutPatch }
        // 3.5 writes the term with its first snapshot; before that nothing tells it from older versions.
        guard meta.term > 0 else {
            ConsoleLog.error(
                "failed to detect storage version. Please make sure you are using data dir from etcd v3.5 and older"
            )
            throw failure("missing term information")
        }
        return oldest
    }

    /// Why a migration may not be made, unless it is forced.
    struct UnsupportedMigration: Error, Equatable {
        var reason: String
    }

    /// - Parameter reader: the oldest version that understands the log.
    static func check(
        from current: SemanticVersion,
        to target: SemanticVersion,
        _ reader: SemanticVersion
    ) throws(UnsupportedMigration) {
        guard current.major == target.major else {
            throw UnsupportedMigration(
                reason: "cannot create migration plan: changing major storage version is not supported"
            )
        }
        // What is not known cannot be stepped to, nor from.
        for unknown in [current, target] where unknown > SemanticVersion.server.withoutPatch {
            let named = unknown == current ? unknown : SemanticVersion(3, SemanticVersion.server.minor + 1)
            throw UnsupportedMigration(reason: "cannot create migration plan: version \"\(named)\" is not supported")
        }
        if target < current, target < reader {
            throw UnsupportedMigration(
                reason:
                    "cannot downgrade storage, WAL contains newer entries, as the target version (\(target)) is lower "
                    + "than the version (\(reader)) detected from WAL logs"
            )
        }
    }

    private static func oldestReader(of directory: DataDirectory) throws(CommandExit) -> SemanticVersion {
        func stop(_ what: String, _ error: WALError) -> CommandExit {
            ConsoleLog.error("Failed to finalize config", ["error": .text("\(what): \(error)")])
            return failure("\(what): \(error)")
        }
        let start: WALSnapshot
        do throws(WALError) {
            start = try WriteAheadLog.validSnapshots(disk, directory.wal).last ?? WALSnapshot(index: 0, term: 0)
        } catch {
            throw stop("failed to get the lastest snapshot", error)
        }
        do throws(WALError) {
            return oldestReader(of: try WriteAheadLog.read(disk, directory.wal, at: start).entries)
        } catch {
            throw stop("failed to read wal", error)
        }
    }

    /// The only request that a version from 3.6 on added is one for tests, which says the version itself.
    static func oldestReader(of entries: [Entry]) -> SemanticVersion {
        var oldest = oldest
        for entry in entries where entry.type == .normal {
            guard let request = try? Etcdserverpb_InternalRaftRequest(serializedBytes: entry.data.array),
                request.hasDowngradeVersionTest
            else { continue }
            let named = SemanticVersion(request.downgradeVersionTest.ver, minorIsEnough: true)
            oldest = max(oldest, firstWithVersion, named ?? firstWithVersion)
        }
        return oldest
    }

    private static func store(_ target: SemanticVersion, in database: Database) throws(BBoltError) {
        let transaction = try database.beginWrite()
        let meta = try transaction.createBucketIfMissing(Bucket.meta.name)
        if target < firstWithVersion {
            try meta.delete(MetaKey.storageVersion)
        } else {
            try meta.put(MetaKey.storageVersion, Bytes(target.description))
        }
        try transaction.commit()
    }
}
