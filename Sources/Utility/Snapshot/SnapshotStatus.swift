// What a snapshot file holds, read in one pass after the file has been checked.

import BBolt
import Backend
import Base
import CommandLineKit
import Wire

struct SnapshotStatus: Sendable, Equatable {
    /// CRC-32C over the buckets' names, keys and values: all of them, so it is not the one that members compare.
    var hash: UInt32 = 0
    /// Of the last row.
    var revision: Int64 = 0
    /// Keys that are there at that revision.
    var keyCount = 0
    /// Of the database; a snapshot's checksum behind it does not count.
    var sizeBytes: UInt64 = 0
    /// The storage version, such as "3.6.0"; empty in a file of 3.5.
    var version = ""

    init() {}

    /// Reads everything.
    /// - Throws: `CommandExit` where the file is damaged.
    init(_ reader: ReadTransaction) throws {
        let problems = reader.check()
        guard problems.isEmpty else {
            throw failure(
                "snapshot file integrity check failed. \(problems.count) errors found.\n"
                    + problems.joined(separator: "\n")
            )
        }
        sizeBytes = reader.sizeBytes
        version = try StoredMeta(reader).storageVersion?.description ?? ""
        var crc = CRC32C()
        var live: Set<Bytes> = []
        for name in try reader.bucketNames() {
            crc.update(name)
            guard var cursor = try reader.bucket(name)?.cursor() else { continue }
            let holdsRows = name == Bucket.key.name
            var found = try cursor.first()
            while found {
                crc.update(cursor.key)
                crc.update(cursor.value)
                if holdsRows { try take(Bytes(copying: cursor.key), Bytes(copying: cursor.value), &live) }
                found = try cursor.next()
            }
        }
        keyCount = live.count
        hash = crc.value
    }

    private mutating func take(_ row: Bytes, _ value: Bytes, _ live: inout Set<Bytes>) throws(CommandExit) {
        guard let key = RevisionKey(row) else {
            throw failure(
                "error during bucket key iteration, name: \"key\" err: cannot parse revision key: \(row.array.quoted)"
            )
        }
        revision = key.revision.main
        guard let name = Self.key(in: value) else {
            throw failure(
                "error during bucket key iteration, name: \"key\" err: cannot unmarshal value, key: \(row.array.quoted)"
            )
        }
        if key.isTombstone { live.remove(name) } else { live.insert(name) }
    }

    /// The key of an encoded `KeyValue`.
    private static func key(in pair: Bytes) -> Bytes? {
        var reader = WireReader(pair)
        var key = Bytes()
        do throws(WireError) {
            while let field = try reader.next() {
                if field.number == 1 { key = try reader.bytes(field) } else { try reader.skip(field) }
            }
        } catch {
            return nil
        }
        // Not a window on the whole row, which would stay in memory with it.
        return key.compacted()
    }
}
