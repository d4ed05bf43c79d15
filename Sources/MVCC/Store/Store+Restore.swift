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
    /// Reads all rows of `reader` in order of revision. A compaction that was begun and not finished goes on.
    /// Into an empty store.
    /// - Returns: which keys hang on which leases.
    package mutating func restore(_ reader: ReadTransaction) throws(MVCCError) -> [LeaseAttachment] {
        let meta = try onBackend { () throws(BBoltError) in try StoredMeta(reader) }
        var current: Int64 = 1
        var leases: [Bytes: LeaseID] = [:]
        let finished = meta.finishedCompactRevision
        guard let bucket = try onBackend({ () throws(BBoltError) in try reader.bucket(Bucket.key.name) }) else { return [] }
        var cursor = bucket.cursor()
        var found = try onBackend { () throws(BBoltError) in try cursor.first() }
        while found {
            if let rowKey = RevisionKey(cursor.key) {
                current = max(current, rowKey.revision.main)
                guard let pair = StoredPair(cursor.value) else { throw .corruptRow(rowKey.revision) }
                if !pair.key.isEmpty {
                    let key = Bytes(copying: pair.key)
                    restore(rowKey, key, pair)
                    if rowKey.isTombstone || pair.lease == 0 {
                        if !leases.isEmpty { leases[key] = nil }
                    } else {
                        leases[key] = pair.lease
                    }
                }
            }
            found = try onBackend { () throws(BBoltError) in try cursor.next() }
        }
        reader.dropResidentPages()

        let scheduled = meta.scheduledCompactRevision
        restored(
            currentRevision: max(current, finished, scheduled),
            compactRevision: max(finished, scheduled) > 0 ? max(finished, scheduled) : -1)
        if scheduled > finished { removal = Removal(revision: scheduled) }
        return leases.keys.sorted().compactMap { key in leases[key].map { LeaseAttachment(key: key, lease: $0) } }
    }

    private mutating func restore(_ rowKey: RevisionKey, _ key: Bytes, _ pair: StoredPair) {
        let revision = rowKey.revision
        index.update(key) { history in
            switch (history == nil, rowKey.isTombstone) {
            case (true, true): history = KeyHistory(tombstone: revision)
            case (true, false):
                history = KeyHistory(restoring: revision, createRevision: pair.createRevision, version: pair.version)
            case (false, true): history?.delete(revision)
            case (false, false):
                history?.restorePut(revision, createRevision: pair.createRevision, version: pair.version)
            }
        }
    }
}
