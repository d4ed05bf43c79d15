// Building the store from the rows of a file.

package import BBolt
import Backend
package import Base

/// A key that hangs on a lease.
package struct LeaseAttachment: Sendable {
    package var key: Bytes
    package var lease: LeaseID
}

extension Store {
    /// After so many rows the file's pages read so far are let go of, or a restart would take memory for all of them.
    private static let rowsBetweenDrops = 1 << 16

    /// Reads all rows of `reader` in order of revision. A compaction that was begun and not finished goes on.
    /// Into an empty store.
    /// - Returns: which keys hang on which leases.
    package mutating func restore(_ reader: ReadTransaction) throws(MVCCError) -> [LeaseAttachment] {
        try restore(reader, rowsPerChunk: RestoreChunk.rowsMaxDefault)
    }

    mutating func restore(_ reader: ReadTransaction, rowsPerChunk: Int) throws(MVCCError) -> [LeaseAttachment] {
        let meta = try onBackend { () throws(BBoltError) in try StoredMeta(reader) }
        let (finished, scheduled) = (meta.finishedCompactRevision, meta.scheduledCompactRevision)
        var current: Int64 = 1
        var rows = 0
        var chunk = RestoreChunk(rowsMax: rowsPerChunk)
        var leases: [Bytes: LeaseID] = [:]
        guard let bucket = try onBackend({ () throws(BBoltError) in try reader.bucket(Bucket.key.name) }) else { return [] }
        // Opening the file has looked at every page of it.
        reader.dropResidentPages()
        var cursor = bucket.cursor()
        var found = try onBackend { () throws(BBoltError) in try cursor.first() }
        while found {
            if let rowKey = RevisionKey(cursor.key) {
                current = max(current, rowKey.revision.main)
                guard let pair = StoredPair(cursor.value) else { throw .corruptRow(rowKey.revision) }
                // An empty key, as raising the revision by hand leaves one, is a key like others to etcd, too: compaction
                // and hash treat it so, and no range holds it.
                chunk.append(rowKey, pair)
                if chunk.isFull { chunk.drain(into: &index) }
                if !rowKey.isTombstone && pair.lease != 0 {
                    leases[Bytes(copying: pair.key)] = pair.lease
                } else if !leases.isEmpty {
                    leases[Bytes(copying: pair.key)] = nil
                }
            }
            rows += 1
            if rows % Self.rowsBetweenDrops == 0 { reader.dropResidentPages() }
            found = try onBackend { () throws(BBoltError) in try cursor.next() }
        }
        chunk.drain(into: &index)
        reader.dropResidentPages()

        let isCompacted = try onBackend { () throws(BBoltError) in
            // 0 is a compact revision, too: being there is what counts.
            guard let meta = try reader.bucket(Bucket.meta.name) else { return false }
            if try meta.get(MetaKey.finishedCompactRevision) != nil { return true }
            return try meta.get(MetaKey.scheduledCompactRevision) != nil
        }
        restored(
            currentRevision: max(current, finished, scheduled), compactRevision: isCompacted ? max(finished, scheduled) : -1)
        if scheduled > finished { removal = Removal(revision: scheduled) }
        return leases.keys.sorted().compactMap { key in leases[key].map { LeaseAttachment(key: key, lease: $0) } }
    }
}
