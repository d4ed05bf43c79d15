// Who watches a key: watchers of one key by hash, watchers of a range by a search tree over the ranges.
//
// Watchers of the same range share a group, so that a change costs one look-up however many there are. The tree is an
// array sorted by the ranges' beginnings with the furthest end of each subtree beside it; new ranges wait in a short
// list until it is worth sorting them in, and ranges that nobody watches any more leave when that happens.

package import Base

/// A watcher that a table holds; it remembers where.
package protocol WatchTableMember: AnyObject {
    var range: KeyRange { get }
    /// The table's own.
    var slot: Int { get set }
}

package struct WatchTable<Watcher: WatchTableMember> {
    private final class Group {
        let range: KeyRange
        var watchers: [Watcher] = []

        init(_ range: KeyRange) { self.range = range }
    }

    private var keys: [Bytes: Group] = [:]
    private var ranges: [KeyRange: Group] = [:]
    private var sorted: [Group] = []
    /// For the subtree whose root stands at an index: the furthest end; nil for no end.
    private var furthestEnds: [Bytes?] = []
    private var recent: [Group] = []
    package private(set) var count = 0

    /// Ranges that may wait unsorted: a walk over so many costs about what the tree costs.
    private static var recentMax: Int { 32 }

    package init() {}

    package var isEmpty: Bool { count == 0 }

    package mutating func insert(_ watcher: Watcher) {
        let range = watcher.range
        let group: Group
        if range.isSingleKey {
            group = keys[range.key] ?? Group(range)
            if group.watchers.isEmpty { keys[range.key] = group }
        } else if let known = ranges[range] {
            group = known
        } else {
            group = Group(range)
            ranges[range] = group
            recent.append(group)
            if recent.count > Self.recentMax + sorted.count / 8 { sortIn() }
        }
        watcher.slot = group.watchers.count
        group.watchers.append(watcher)
        count += 1
    }

    package mutating func remove(_ watcher: Watcher) {
        guard let group = watcher.range.isSingleKey ? keys[watcher.range.key] : ranges[watcher.range],
            group.watchers.indices.contains(watcher.slot), group.watchers[watcher.slot] === watcher
        else { return }
        let last = group.watchers.removeLast()
        if last !== watcher {
            group.watchers[watcher.slot] = last
            last.slot = watcher.slot
        }
        count -= 1
        // An empty range stays for a returning watcher until the next sorting.
        if group.watchers.isEmpty, watcher.range.isSingleKey { keys[watcher.range.key] = nil }
    }

    /// Every watcher whose range holds `key`, once.
    package func forEach(watching key: Bytes, _ body: (Watcher) -> Void) {
        if let group = keys[key] { for watcher in group.watchers { body(watcher) } }
        for group in recent where group.range.contains(key) { for watcher in group.watchers { body(watcher) } }
        visit(0, sorted.count, key, body)
    }

    private func visit(_ low: Int, _ high: Int, _ key: Bytes, _ body: (Watcher) -> Void) {
        guard low < high else { return }
        let middle = (low + high) >> 1
        if let end = furthestEnds[middle], end <= key { return }
        visit(low, middle, key, body)
        let group = sorted[middle]
        guard group.range.key <= key else { return }
        if group.range.contains(key) { for watcher in group.watchers { body(watcher) } }
        visit(middle + 1, high, key, body)
    }

    private mutating func sortIn() {
        for (range, group) in ranges where group.watchers.isEmpty && group !== recent.last { ranges[range] = nil }
        sorted = ranges.values.sorted { ($0.range.key, $0.range.end) < ($1.range.key, $1.range.end) }
        recent = []
        furthestEnds = Array(repeating: Bytes(), count: sorted.count)
        _ = measure(0, sorted.count)
    }

    /// Fills in the furthest ends of a subtree.
    private mutating func measure(_ low: Int, _ high: Int) -> Bytes? {
        guard low < high else { return Bytes() }
        let middle = (low + high) >> 1
        let range = sorted[middle].range
        var furthest: Bytes? = range.isUnbounded ? nil : range.end
        for end in [measure(low, middle), measure(middle + 1, high)] {
            guard let known = furthest else { continue }
            if let end { furthest = max(known, end) } else { furthest = nil }
        }
        furthestEnds[middle] = furthest
        return furthest
    }
}
