// The store at one moment, immutable: what every read works on, from any thread.

import BBolt
import Backend
package import Base

package struct StoreView: Sendable {
    let index: KeyIndex
    let rows: BackendView
    /// What a read without a revision sees; inside a transaction its own changes, too.
    package let currentRevision: Int64
    /// The revision of the last transaction that has ended.
    package let latestRevision: Int64
    package let compactRevision: Int64

    /// Keys of the index, dead ones that compaction has not taken yet included.
    package var keyCount: Int { index.count }

    /// The encoded `KeyValue` of a key, or nil if it does not exist now.
    package func pair(_ key: Bytes) throws(MVCCError) -> Bytes? {
        guard let revision = index.history(of: key)?.revision(at: currentRevision) else { return nil }
        return try row(revision)
    }

    /// How many keys of `range` exist now, without looking at each.
    package func liveCount(_ range: KeyRange) -> Int { index.liveCount(in: range) }

    /// Whether the key exists now.
    package func contains(_ key: Bytes) -> Bool {
        index.history(of: key)?.revision(at: currentRevision) != nil
    }

    func row(_ revision: Revision) throws(MVCCError) -> Bytes {
        var value: Bytes?
        _ = try onBackend { () throws(BBoltError) in
            try rows.withValue(at: revision) { value = Bytes(copying: $0) }
        }
        guard let value else { throw .corruptRow(revision) }
        return value
    }

    /// The revision a request means: 0 and below the newest; refused if compacted or still to come.
    package func resolve(_ revision: Int64) throws(MVCCError) -> Int64 {
        if revision <= 0 { return currentRevision }
        if revision > currentRevision { throw .futureRevision }
        if revision < compactRevision { throw .compacted }
        return revision
    }

    /// The revisions to read of `range` at `revision`, at most `limit` (0: all), and how many keys there are in all.
    /// - Parameter countsAll: false where nobody asks for the count, which past the limit may cost a long walk.
    func revisions(
        _ range: KeyRange, at revision: Int64, limit: Int, countsAll: Bool = true
    ) -> (found: [Revision], count: Int) {
        var found: [Revision] = []
        var isCutOff = false
        index.forEach(range) { _, history in
            guard let mark = history.revision(at: revision) else { return true }
            if limit > 0 && found.count == limit {
                isCutOff = true
                return false
            }
            found.append(mark)
            return true
        }
        return (found, isCutOff && countsAll ? count(range, at: revision) : found.count)
    }

    /// How many keys of `range` exist at `revision`.
    func count(_ range: KeyRange, at revision: Int64) -> Int {
        if revision >= currentRevision { return index.liveCount(in: range) }
        var count = 0
        index.forEach(range) { _, history in
            if history.revision(at: revision) != nil { count += 1 }
            return true
        }
        return count
    }
}
