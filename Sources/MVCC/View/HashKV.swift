// The hash of the history: what members compare to find out whether they hold the same.

import BBolt
import Backend
import Base

package struct HashKVResult: Sendable, Equatable {
    package var hash: UInt32
    /// -1 if nothing was ever compacted.
    package var compactRevision: Int64
    package var revision: Int64
}

extension StoreView {
    /// CRC-32C over "key" and every row up to `revision` (0: the newest) that a compaction at the compact revision
    /// keeps; tombstones exactly there are left out. Reads everything: a chore.
    package func hashKV(_ revision: Int64) throws(MVCCError) -> HashKVResult {
        if revision > 0 && revision < compactRevision { throw .compacted }
        if revision > latestRevision { throw .futureRevision }
        let upTo = revision <= 0 ? latestRevision : revision
        // Only where rows of the compaction are still to be removed is the index needed to tell which ones stay.
        let kept = pendingRemoval.map { _ in keptRevisions(at: compactRevision) }
        var crc = CRC32C()
        crc.update("key")
        try onBackend { () throws(BBoltError) in
            try rows.forEachRow(from: RevisionKey(Revision(main: 0))) { key, keyBytes, value in
                if key.revision.main > upTo { return false }
                if key.revision.main <= compactRevision {
                    if key.isTombstone { return true }
                    if let kept, !kept.contains(key.revision) { return true }
                }
                crc.update(keyBytes)
                crc.update(value)
                return true
            }
        }
        return HashKVResult(hash: crc.value, compactRevision: compactRevision, revision: upTo)
    }

    private func keptRevisions(at revision: Int64) -> Set<Revision> {
        var kept: Set<Revision> = []
        index.forEach(KeyRange(key: [0], end: [0])) { _, history in
            if let mark = history.keptRevision(at: revision) { kept.insert(mark) }
            return true
        }
        return kept
    }
}
