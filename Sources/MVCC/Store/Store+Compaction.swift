// Compaction: at once for readers, in slices for the index and the file.

package import Backend
import Base

extension Store {
    /// Keys that one slice looks at: about a millisecond's work.
    package static let keysPerSlice = 4000
    /// Rows that one slice removes: about as much again. Keys with a longer history take several slices.
    package static let rowsPerSlice = 4000

    /// From now on revisions below `revision` cannot be read. The owner then calls `compactionSlice` until it is done.
    package mutating func compact(_ revision: Int64, in backend: inout Backend) throws(MVCCError) {
        // 0 is allowed in a store that was never compacted: etcd takes it, too, and reports 0 afterwards.
        if revision <= compactRevision { throw .compacted }
        if revision > currentRevision { throw .futureRevision }
        compactRevision = revision
        backend.put(.meta, key: MetaKey.scheduledCompactRevision, value: RevisionKey(Revision(main: revision)).bytes)
        // A compaction that was still under way is part of this one: the slices begin anew at the higher revision.
        removal = Removal(revision: revision)
    }

    /// Whether rows wait to be removed.
    package var isCompacting: Bool { removal != nil }

    /// Removes some more of what was compacted.
    /// - Parameter rowsMax: how many rows at most; nil for about a millisecond's work.
    /// - Returns: the revision whose compaction this slice has finished, or nil.
    package mutating func compactionSlice(in backend: inout Backend, rowsMax: Int? = nil) -> Int64? {
        let rows = max(1, rowsMax ?? Self.rowsPerSlice)
        return compactionSlice(KeyIndex.Slice(keys: Self.keysPerSlice, rows: rows), in: &backend)
    }

    mutating func compactionSlice(_ slice: KeyIndex.Slice, in backend: inout Backend) -> Int64? {
        guard var work = removal else { return nil }
        var dropped: [RevisionMark] = []
        let progress = index.compact(from: work.next, at: work.revision, slice) { dropped.append($0) }
        compactedRows += UInt64(dropped.count)
        for mark in dropped {
            backend.removeRevision(RevisionKey(mark.revision, isTombstone: mark.isTombstone))
        }
        if case .more(let next) = progress {
            work.next = next
            removal = work
            return nil
        }
        removal = nil
        backend.put(.meta, key: MetaKey.finishedCompactRevision, value: RevisionKey(Revision(main: work.revision)).bytes)
        return work.revision
    }
}
