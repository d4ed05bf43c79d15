// The snapshot directory: `.snap` files (Raft's metadata and the v2 store's text), and beside them the databases that
// were received from a leader.
//
//     %016x-%016x.snap   term and index; protobuf {1: CRC-32C of data, 2: data}, data an encoded raftpb.Snapshot
//     %016x.snap.db      a received database, by snapshot index, until it takes the place of `db`
//     tmp*, db.tmp.*     unfinished files of receiving and of defragmenting; garbage after a crash
//
// A file gets its name only when it is complete and durable.

package import Base
package import FileIO
package import RaftWire
package import Wire

package struct SnapshotFiles: Sendable {
    static let suffix = ".snap"
    static let databaseSuffix = ".snap.db"
    static let brokenSuffix = ".broken"
    static let temporaryPrefix = "tmp"
    static let defragmentationPrefix = "db.tmp"
    /// The permissions etcd asks for; the process's mask usually leaves 0644.
    static let fileMode: UInt16 = 0o666

    let fileSystem: any FileSystem
    package let directory: String

    package init(_ fileSystem: any FileSystem, directory: String) {
        self.fileSystem = fileSystem
        self.directory = directory
    }

    /// The name of a snapshot's file.
    package static func name(term: Term, index: LogIndex) -> String {
        paddedHexadecimal(term) + "-" + paddedHexadecimal(index) + suffix
    }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    // MARK: Snapshots

    /// Writes a snapshot; durable when this returns. An empty one is not written. Returns the file's name.
    @discardableResult
    package func save(_ snapshot: Snapshot) throws(FileError) -> String? {
        if snapshot.isEmpty { return nil }
        let name = Self.name(term: snapshot.metadata.term, index: snapshot.metadata.index)
        let temporary = path(Self.temporaryPrefix + "-" + name)
        do throws(FileError) {
            try write(Self.encode(snapshot), to: temporary)
            try fileSystem.rename(temporary, to: path(name))
            try fileSystem.syncDirectory(directory)
        } catch {
            try? fileSystem.remove(temporary)
            throw error
        }
        return name
    }

    private func write(_ bytes: Bytes, to path: String) throws(FileError) {
        let file = try fileSystem.open(
            path,
            OpenOptions(write: true, create: true, truncate: true, mode: Self.fileMode)
        )
        defer { file.close() }
        try file.write(bytes, at: 0)
        try file.synchronizeData()
    }

    static func encode(_ snapshot: Snapshot) -> Bytes {
        let data = snapshot.encoded()
        var writer = WireWriter(capacity: data.count + 16)
        writer.explicit(1, UInt64(CRC32C.checksum(data)))
        writer.explicit(2, data)
        return writer.bytes
    }

    /// Why a file is no snapshot.
    package enum Fault: Error, Sendable, Equatable, CustomStringConvertible {
        case file(FileError)
        case empty
        case checksum(recorded: UInt32, computed: UInt32)
        case undecodable(WireError)

        package var description: String {
            switch self {
            case .file(let error): error.description
            case .empty: "snap: empty snapshot"
            case .checksum: "snap: crc mismatch"
            case .undecodable(let error): "snap: cannot be decoded (\(error))"
            }
        }
    }

    /// Reads and checks one snapshot file.
    package func read(_ name: String) throws(Fault) -> Snapshot {
        let contents: Bytes
        do throws(FileError) {
            contents = try fileSystem.contents(of: path(name))
        } catch {
            throw .file(error)
        }
        return try Self.decode(contents)
    }

    static func decode(_ contents: Bytes) throws(Fault) -> Snapshot {
        var recorded: UInt32 = 0
        var data = Bytes()
        do throws(WireError) {
            var reader = WireReader(contents)
            while let field = try reader.next() {
                switch field.number {
                case 1: recorded = UInt32(truncatingIfNeeded: try reader.uint64(field))
                case 2: data = try reader.bytes(field)
                default: try reader.skip(field)
                }
            }
        } catch {
            throw .undecodable(error)
        }
        if data.isEmpty || recorded == 0 { throw .empty }
        let computed = CRC32C.checksum(data)
        if computed != recorded { throw .checksum(recorded: recorded, computed: computed) }
        do throws(WireError) {
            return try Snapshot(decoding: data)
        } catch {
            throw .undecodable(error)
        }
    }

    /// The newest sound snapshot, and what was in the way.
    package struct Loaded: Sendable {
        package var snapshot: Snapshot?
        package var name: String?
        /// Files that are no snapshots, with the reason; they were renamed to `.broken`.
        package var broken: [(name: String, fault: Fault)] = []
    }

    /// The newest sound snapshot whose term and index are among `positions` (nil: any). Broken files on the way there
    /// are renamed aside.
    package func loadNewest(matching positions: [WALSnapshot]?) throws(FileError) -> Loaded {
        var loaded = Loaded()
        for name in try fileSystem.list(directory).reversed() where name.hasSuffix(Self.suffix) {
            do throws(Fault) {
                let snapshot = try read(name)
                let (index, term) = (snapshot.metadata.index, snapshot.metadata.term)
                if positions.map({ $0.contains { $0.index == index && $0.term == term } }) ?? true {
                    loaded.snapshot = snapshot
                    loaded.name = name
                    return loaded
                }
            } catch {
                loaded.broken.append((name, error))
                try fileSystem.rename(path(name), to: path(name + Self.brokenSuffix))
            }
        }
        return loaded
    }
}
