// What the file says of itself: the `meta` bucket, and the rows of the small buckets, read once at start.

package import BBolt
package import Base

package struct StoredMeta: Sendable {
    /// 0 in a new file.
    package var consistentIndex: LogIndex = 0
    package var term: Term = 0
    /// Whether `term` was there at all: a file without it is older than 3.5.
    package var hasTerm = false
    /// JSON, as it stands.
    package var confState: Bytes?
    /// Nil in a file of schema 3.5.
    package var storageVersion: SemanticVersion?
    package var scheduledCompactRevision: Int64 = 0
    package var finishedCompactRevision: Int64 = 0

    package init(_ reader: ReadTransaction) throws(BBoltError) {
        guard let meta = try reader.bucket(Bucket.meta.name) else { return }
        func number(_ key: Bytes) throws(BBoltError) -> UInt64? {
            guard let value = try meta.get(key), value.count == 8 else { return nil }
            return value.withUnsafeBytes { UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)) }
        }
        func revision(_ key: Bytes) throws(BBoltError) -> Int64 {
            try meta.get(key).flatMap { RevisionKey($0) }?.revision.main ?? 0
        }
        consistentIndex = try number(MetaKey.consistentIndex) ?? 0
        let term = try number(MetaKey.term)
        hasTerm = term != nil
        self.term = term ?? 0
        confState = try meta.get(MetaKey.confState)
        storageVersion = try meta.get(MetaKey.storageVersion).flatMap { SemanticVersion($0.description) }
        scheduledCompactRevision = try revision(MetaKey.scheduledCompactRevision)
        finishedCompactRevision = try revision(MetaKey.finishedCompactRevision)
    }
}

/// A number as the `meta` and `auth` buckets keep it: eight bytes, big endian.
package func storedNumber(_ value: UInt64) -> Bytes {
    Bytes(withUnsafeBytes(of: value.bigEndian) { Array($0) })
}

extension ReadTransaction {
    /// All rows of a small bucket, in order.
    package func rows(of bucket: Bucket) throws(BBoltError) -> [(key: Bytes, value: Bytes)] {
        guard var cursor = try self.bucket(bucket.name)?.cursor() else { return [] }
        var rows: [(key: Bytes, value: Bytes)] = []
        var found = try cursor.first()
        while found {
            rows.append((Bytes(copying: cursor.key), Bytes(copying: cursor.value)))
            found = try cursor.next()
        }
        return rows
    }

    /// CRC-32C over all buckets, as Maintenance.Hash answers; what changes without a request is left out.
    package func backendHash() throws(BBoltError) -> UInt32 {
        var crc = CRC32C()
        for name in try bucketNames() {
            crc.update(name)
            guard var cursor = try bucket(name)?.cursor() else { continue }
            let isMeta = name == Bucket.meta.name
            var found = try cursor.first()
            while found {
                let skipped =
                    isMeta
                    && [MetaKey.consistentIndex, MetaKey.term, MetaKey.storageVersion].contains(Bytes(copying: cursor.key))
                if !skipped {
                    crc.update(cursor.key)
                    crc.update(cursor.value)
                }
                found = try cursor.next()
            }
        }
        return crc.value
    }
}
