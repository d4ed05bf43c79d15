// The past, for watchers that are behind: one walk over the rows serves many of them.

import BBolt
import Backend
package import Base
import EtcdWire
import Wire

/// What a watcher that is behind wants to be told.
package struct HistoryWish: Sendable {
    package var range: KeyRange
    /// From this revision on.
    package var from: Int64
    package var wantsPrevious: Bool
    package var skipsPuts: Bool
    package var skipsDeletes: Bool

    package init(range: KeyRange, from: Int64, wantsPrevious: Bool, skipsPuts: Bool, skipsDeletes: Bool) {
        self.range = range
        self.from = from
        self.wantsPrevious = wantsPrevious
        self.skipsPuts = skipsPuts
        self.skipsDeletes = skipsDeletes
    }
}

/// The answer to one wish.
package struct HistoryPart: Sendable {
    /// Framed events, whole revisions only; `ends` are the positions behind each.
    package var events = Bytes()
    package var ends: [Int] = []
    /// From here on the watcher has not been told.
    package var next: Int64 = 0
    /// What was asked for is compacted.
    package var isCompacted = false
}

extension StoreView {
    /// Revisions that a watcher is told in one answer, as etcd.
    private static let revisionsMax = 1000
    /// Bytes after which a watcher, and the whole walk, stops at the end of the revision.
    private static let partBytesMax = 4 << 20, walkBytesMax = 64 << 20

    private final class Listener: WatchTableMember {
        let range: KeyRange
        let wish: HistoryWish
        var slot = 0
        var writer = WireWriter()
        var ends: [Int] = []
        var lastRevision: Int64 = 0
        var revisions = 0
        /// Where it stopped, having heard enough.
        var next: Int64?

        init(_ wish: HistoryWish) {
            range = wish.range
            self.wish = wish
        }
    }

    /// What happened to the keys of each wish up to the newest revision or as far as one answer goes.
    package func history(_ wishes: [HistoryWish]) throws(MVCCError) -> [HistoryPart] {
        let listeners = wishes.map(Listener.init)
        var table = WatchTable<Listener>()
        var first = Int64.max
        for listener in listeners where listener.wish.from >= compactRevision {
            table.insert(listener)
            first = min(first, listener.wish.from)
        }
        var (bytes, stoppedAt): (Int, Int64?) = (0, nil)
        var failure: MVCCError?
        if !table.isEmpty, first <= latestRevision {
            try onBackend { () throws(BBoltError) in
                try rows.forEachRow(from: RevisionKey(Revision(main: first))) { key, _, row in
                    let main = key.revision.main
                    if main > latestRevision { return false }
                    if bytes > Self.walkBytesMax, stoppedAt == nil { stoppedAt = main + 1 }
                    if let stoppedAt, main >= stoppedAt { return false }
                    guard let pair = StoredPair(row) else {
                        failure = .corruptRow(key.revision)
                        return false
                    }
                    let (isDelete, isCreate) = (key.isTombstone, pair.version == 1)
                    let name = Bytes(copying: pair.key)
                    table.forEach(watching: name) { listener in
                        guard listener.next == nil, main >= listener.wish.from,
                            !(isDelete ? listener.wish.skipsDeletes : listener.wish.skipsPuts)
                        else { return }
                        if main != listener.lastRevision {
                            if listener.revisions == Self.revisionsMax || listener.writer.array.count > Self.partBytesMax {
                                listener.next = main
                                return
                            }
                            listener.revisions += 1
                            listener.lastRevision = main
                        }
                        var previous: Bytes?
                        if listener.wish.wantsPrevious, !isCreate {
                            do throws(MVCCError) { previous = try self.pair(name, before: main) } catch { failure = error }
                        }
                        let before = listener.writer.array.count
                        appendEvent(row: row, isDelete: isDelete, modRevision: main, previous: previous, to: &listener.writer)
                        bytes += listener.writer.array.count - before
                        listener.ends.append(listener.writer.array.count)
                    }
                    return failure == nil
                }
            }
        }
        if let failure { throw failure }
        return listeners.map { listener in
            if listener.wish.from < compactRevision { return HistoryPart(next: listener.wish.from, isCompacted: true) }
            let next = listener.next ?? stoppedAt ?? (latestRevision + 1)
            return HistoryPart(events: listener.writer.bytes, ends: listener.ends, next: max(next, listener.wish.from))
        }
    }
}
