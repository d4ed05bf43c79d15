// The hash of the history: what members compare to find out whether they hold the same.
//
// etcd's rule, which members of every version must agree on: all rows up to the hash revision count; of those at or
// below the compact revision only the ones that a compaction at the *hash* revision would keep, unless that would keep
// nothing at all. So a row that a compaction rightly left but that was overwritten later does not count.

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
    /// CRC-32C over "key" and the rows up to `revision` (0: the newest) that count. Reads everything: a chore.
    package func hashKV(_ revision: Int64) throws(MVCCError) -> HashKVResult {
        var scan = try HashKVScan(self, revision: revision)
        while true {
            if let result = try scan.step(rowsMax: .max) { return result }
        }
    }
}

/// The hash in pieces, for hosts that have no thread to give away for as long as the whole takes.
package struct HashKVScan: Sendable {
    private let rows: BackendView
    private let upTo: Int64
    private let compactRevision: Int64
    private let kept: CompactedRows
    private var crc = CRC32C()
    private var next = RevisionKey(Revision(main: 0))

    /// - Parameter revision: 0: the newest.
    package init(_ view: StoreView, revision: Int64) throws(MVCCError) {
        if revision > 0 && revision < view.compactRevision { throw .compacted }
        if revision > view.latestRevision { throw .futureRevision }
        upTo = revision == 0 ? view.latestRevision : revision
        compactRevision = view.compactRevision
        rows = view.rows
        kept = CompactedRows(view.index, hashRevision: upTo, compactRevision: view.compactRevision)
        crc.update("key")
    }

    /// Goes on for about `rowsMax` rows.
    /// - Returns: the result, once everything is read.
    package mutating func step(rowsMax: Int) throws(MVCCError) -> HashKVResult? {
        var (left, crc, stoppedAt) = (rowsMax, crc, RevisionKey?.none)
        try onBackend { () throws(BBoltError) in
            try rows.forEachRow(from: next) { key, keyBytes, value in
                if key.revision.main > upTo { return false }
                if left == 0 {
                    stoppedAt = key
                    return false
                }
                left -= 1
                if key.revision.main <= compactRevision {
                    if key.isTombstone && key.revision.main == compactRevision { return true }
                    if !kept.contains(key) { return true }
                }
                crc.update(keyBytes)
                crc.update(value)
                return true
            }
        }
        self.crc = crc
        guard let stoppedAt else { return HashKVResult(hash: crc.value, compactRevision: compactRevision, revision: upTo) }
        next = stoppedAt
        return nil
    }
}

/// Which rows at or below the compact revision count.
private struct CompactedRows: Sendable {
    /// Ascending, as rows come in that order; read by binary search, for a scan may start anywhere.
    private let revisions: [Revision]

    init(_ index: KeyIndex, hashRevision: Int64, compactRevision: Int64) {
        guard compactRevision >= 0 else {
            revisions = []
            return
        }
        var (kept, isAnyKept) = ([Revision](), false)
        index.forEachHistory { history in
            guard let revision = history.keptRevision(at: hashRevision) else { return }
            isAnyKept = true
            if revision.main <= compactRevision { kept.append(revision) }
        }
        if !isAnyKept {
            // etcd then skips nothing: what counts is what compaction leaves, here whether it is at its end or not.
            index.forEachHistory { history in
                if let revision = history.keptRevision(at: compactRevision) { kept.append(revision) }
            }
        }
        kept.sort()
        revisions = kept
    }

    func contains(_ key: RevisionKey) -> Bool {
        if key.isTombstone { return false }
        var (low, high) = (0, revisions.count)
        while low < high {
            let middle = (low + high) >> 1
            if revisions[middle] < key.revision { low = middle + 1 } else { high = middle }
        }
        return low < revisions.count && revisions[low] == key.revision
    }
}
