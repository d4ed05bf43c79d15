// The key index: every key with its revisions, in order. A value: a copy is a view that later changes don't touch, made
// in constant time; the first change after that copies the few nodes on its way.

package import Base

package struct KeyIndex: Sendable {
    private var root = IndexNode(entries: [])
    /// Keys, dead ones that compaction has not taken yet included.
    package private(set) var count = 0

    package init() {}

    /// Keys that exist now.
    package var liveCount: Int { root.liveCount }

    func history(of key: Bytes) -> KeyHistory? { root.find(key) }

    // MARK: Changes

    /// Gives `change` the key's history, nil if it has none yet; what it leaves there is stored.
    mutating func update(_ key: Bytes, _ change: (inout KeyHistory?) -> Void) {
        IndexNode.makeUnique(&root)
        Self.update(root, key, &count, change)
        if let (separator, right) = root.split() {
            root = IndexNode(children: [root, right], separators: [separator])
        }
    }

    /// Changes below `node`, which is ours alone. Returns by how many the live keys grew.
    @discardableResult
    private static func update(
        _ node: IndexNode, _ key: Bytes, _ count: inout Int, _ change: (inout KeyHistory?) -> Void
    ) -> Int {
        var grown = 0
        if node.isLeaf {
            let index = node.lowerBound(key)
            if index < node.entries.count, node.entries[index].key == key {
                // Taken out while it changes, so that its arrays are changed in place.
                var history: KeyHistory? = node.entries[index].history
                let wasLive = node.entries[index].history.isLive
                node.entries[index].history = KeyHistory(tombstone: Revision(main: 0))
                change(&history)
                guard let history else { preconditionFailure("an update does not remove") }
                node.entries[index].history = history
                grown = (history.isLive ? 1 : 0) - (wasLive ? 1 : 0)
            } else {
                var history: KeyHistory?
                change(&history)
                guard let history else { return 0 }
                node.entries.insert(IndexEntry(key: key.compacted(), history: history), at: index)
                count += 1
                grown = history.isLive ? 1 : 0
            }
        } else {
            let index = node.childIndex(key)
            IndexNode.makeUnique(&node.children[index])
            grown = update(node.children[index], key, &count, change)
            if let (separator, right) = node.children[index].split() {
                node.children.insert(right, at: index + 1)
                node.separators.insert(separator, at: index)
            }
        }
        node.liveCount += grown
        return grown
    }

    // MARK: Reads

    /// Walks the keys of `range` in order until `body` returns false.
    func forEach(_ range: KeyRange, _ body: (Bytes, KeyHistory) -> Bool) {
        if range.isSingleKey {
            if let history = root.find(range.key) { _ = body(range.key, history) }
            return
        }
        _ = Self.forEach(root, from: range.key, below: range.isUnbounded ? nil : range.end, body)
    }

    private static func forEach(
        _ node: IndexNode, from start: Bytes?, below end: Bytes?, _ body: (Bytes, KeyHistory) -> Bool
    ) -> Bool {
        if node.isLeaf {
            let first = start.map { node.lowerBound($0) } ?? 0
            for index in first..<max(first, node.entries.count) {
                if let end, node.entries[index].key >= end { return false }
                if !body(node.entries[index].key, node.entries[index].history) { return false }
            }
            return true
        }
        let first = start.map { node.childIndex($0) } ?? 0
        for index in first..<node.children.count {
            if index > first, let end, node.separators[index - 1] >= end { return false }
            if !forEach(node.children[index], from: index == first ? start : nil, below: end, body) { return false }
        }
        return true
    }

    /// How many keys of `range` exist now; whole subtrees are counted at once.
    package func liveCount(in range: KeyRange) -> Int {
        if range.isSingleKey { return root.find(range.key)?.isLive == true ? 1 : 0 }
        let below = range.isUnbounded ? root.liveCount : Self.liveCount(root, below: range.end)
        return max(0, below - Self.liveCount(root, below: range.key))
    }

    private static func liveCount(_ root: IndexNode, below key: Bytes) -> Int {
        var (node, total) = (root, 0)
        while !node.isLeaf {
            let index = node.childIndex(key)
            for child in node.children[..<index] { total += child.liveCount }
            node = node.children[index]
        }
        return total + node.entries[..<node.lowerBound(key)].count { $0.history.isLive }
    }

    // MARK: Compaction, a slice at a time

    /// Compacts the next keys from `start` on (nil: from the first) at `main`, about `keysMax` of them.
    /// - Returns: the key to go on from, or nil when the last key is done.
    mutating func compact(
        from start: Bytes?, keysMax: Int, at main: Int64, _ dropped: (RevisionMark) -> Void
    ) -> Bytes? {
        var remaining = keysMax
        IndexNode.makeUnique(&root)
        let next = Self.compact(root, from: start, at: main, &remaining, &count, dropped)
        while !root.isLeaf, root.children.count == 1 { root = root.children[0] }
        return next
    }

    private static func compact(
        _ node: IndexNode, from start: Bytes?, at main: Int64, _ remaining: inout Int, _ count: inout Int,
        _ dropped: (RevisionMark) -> Void
    ) -> Bytes? {
        if node.isLeaf {
            // Whole leaves: the slice may be a few keys longer than asked for.
            remaining -= node.entries.count
            if node.entries.contains(where: { $0.history.isAffected(byCompactionAt: main) }) {
                let before = node.entries.count
                var kept: [IndexEntry] = []
                kept.reserveCapacity(before)
                for var entry in node.entries {
                    if entry.history.compact(at: main, dropped) { kept.append(entry) }
                }
                node.entries = kept
                count -= before - kept.count
            }
            return nil
        }
        var index = start.map { node.childIndex($0) } ?? 0
        while index < node.children.count {
            if remaining <= 0 { return index == 0 ? start : node.separators[index - 1] }
            let child = node.children[index]
            if child.isLeaf, !child.entries.contains(where: { $0.history.isAffected(byCompactionAt: main) }) {
                // Untouched leaves stay shared with the views.
                remaining -= child.entries.count
                index += 1
                continue
            }
            IndexNode.makeUnique(&node.children[index])
            let next = compact(node.children[index], from: start, at: main, &remaining, &count, dropped)
            let isEmpty = node.children[index].isLeaf && node.children[index].entries.isEmpty
            if isEmpty, node.children.count > 1 {
                node.children.remove(at: index)
                node.separators.remove(at: index == 0 ? 0 : index - 1)
                if let next { return next }
                continue
            }
            if let next { return next }
            index += 1
        }
        return nil
    }
}
