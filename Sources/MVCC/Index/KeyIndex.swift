// The key index: every key with its revisions, in order. A value: a copy is a view that later changes don't touch, made
// in constant time; the first change after that copies the few nodes on its way.

package import Base

package struct KeyIndex: Sendable {
    private(set) var root = IndexNode.emptyLeaf()
    /// Keys, dead ones that compaction has not taken yet included.
    package private(set) var count = 0

    package init() {}

    /// Keys that exist now.
    package var liveCount: Int { root.liveCount }

    func history(of key: Bytes) -> KeyHistory? { key.withUnsafeBytes { IndexNode.find(root, $0) } }

    // MARK: Changes

    /// Gives `change` the key's history, nil if it has none yet; what it leaves there is stored.
    mutating func update(_ key: UnsafeRawBufferPointer, _ change: (inout KeyHistory?) -> Void) {
        IndexNode.makeUnique(&root)
        let place = Self.update(root, key, &count, change).place
        if let place, let (separator, right) = root.split(after: place) {
            var separators = PackedKeys()
            separators.insert(separator, at: 0)
            root = IndexNode(separators: separators, children: [root, right])
        }
    }

    mutating func update(_ key: Bytes, _ change: (inout KeyHistory?) -> Void) {
        key.withUnsafeBytes { update($0, change) }
    }

    /// Changes below `node`, which is ours alone.
    /// - Returns: by how many the live keys grew, and where in `node` something came in, if anything did.
    private static func update(
        _ node: IndexNode, _ key: UnsafeRawBufferPointer, _ count: inout Int, _ change: (inout KeyHistory?) -> Void
    ) -> (grown: Int, place: Int?) {
        if node.isLeaf {
            let (index, isThere) = node.keys.search(key)
            if isThere {
                let wasLive = node.histories[index].isLive
                // Taken out while it changes, so that its arrays are changed in place.
                var history: KeyHistory? = KeyHistory(tombstone: Revision(main: 0))
                swapHistories(&node.histories[index], &history)
                change(&history)
                guard let history else { preconditionFailure("an update does not remove") }
                node.histories[index] = history
                let grown = (history.isLive ? 1 : 0) - (wasLive ? 1 : 0)
                node.liveCount += grown
                return (grown, nil)
            }
            var history: KeyHistory?
            change(&history)
            guard let history else { return (0, nil) }
            node.insert(key, history, at: index)
            count += 1
            let grown = history.isLive ? 1 : 0
            node.liveCount += grown
            return (grown, index)
        }
        let index = node.childIndex(key)
        IndexNode.makeUnique(&node.children[index])
        let (grown, place) = update(node.children[index], key, &count, change)
        node.liveCount += grown
        guard let place, let (separator, right) = node.children[index].split(after: place) else { return (grown, nil) }
        node.children.insert(right, at: index + 1)
        node.keys.insert(separator, at: index)
        return (grown, index + 1)
    }

    private static func swapHistories(_ stored: inout KeyHistory, _ taken: inout KeyHistory?) {
        guard var other = taken else { return }
        swap(&stored, &other)
        taken = other
    }

    // MARK: Reads

    /// Walks the keys of `range` in order until `body` returns false. The key's bytes are valid during the call.
    func forEach(_ range: KeyRange, _ body: (UnsafeRawBufferPointer, KeyHistory) -> Bool) {
        range.key.withUnsafeBytes { start in
            if range.isSingleKey {
                if let history = IndexNode.find(root, start) { _ = body(start, history) }
            } else if range.isUnbounded {
                _ = Self.forEach(root, from: start, below: nil, body)
            } else {
                range.end.withUnsafeBytes { _ = Self.forEach(root, from: start, below: $0, body) }
            }
        }
    }

    private static func forEach(
        _ node: IndexNode, from start: UnsafeRawBufferPointer?, below end: UnsafeRawBufferPointer?,
        _ body: (UnsafeRawBufferPointer, KeyHistory) -> Bool
    ) -> Bool {
        if node.isLeaf {
            let first = start.map { node.keys.search($0).index } ?? 0
            // Where the leaf ends before `end`, its keys need no comparing.
            let last = end.map { node.keys.search($0).index } ?? node.histories.count
            guard first < last else { return last == node.histories.count }
            for index in first..<last {
                if !node.keys.withKey(index, { body($0, node.histories[index]) }) { return false }
            }
            return last == node.histories.count
        }
        let first = start.map { node.childIndex($0) } ?? 0
        for index in first..<node.children.count {
            if index > first, let end, node.keys.withKey(index - 1, { compareBytes($0, end) }) >= 0 { return false }
            if !forEach(node.children[index], from: index == first ? start : nil, below: end, body) { return false }
        }
        return true
    }

    /// Walks all histories, also that of the empty key, which no range holds.
    func forEachHistory(_ body: (KeyHistory) -> Void) {
        _ = Self.forEach(root, from: nil, below: nil) { _, history in
            body(history)
            return true
        }
    }

    /// How many keys of `range` exist now; whole subtrees are counted at once.
    package func liveCount(in range: KeyRange) -> Int {
        if range.isSingleKey { return history(of: range.key)?.isLive == true ? 1 : 0 }
        let below = range.isUnbounded ? root.liveCount : range.end.withUnsafeBytes { Self.liveCount(root, below: $0) }
        return max(0, below - range.key.withUnsafeBytes { Self.liveCount(root, below: $0) })
    }

    private static func liveCount(_ root: IndexNode, below key: UnsafeRawBufferPointer) -> Int {
        var (node, total) = (root, 0)
        while !node.isLeaf {
            let index = node.childIndex(key)
            for child in node.children[..<index] { total += child.liveCount }
            node = node.children[index]
        }
        return total + node.histories[..<node.keys.search(key).index].count { $0.isLive }
    }
}

// MARK: - Compaction, a slice at a time

extension KeyIndex {
    /// What one slice may do at most, so that it never takes long: leaves are looked at as wholes, so a few more keys.
    struct Slice {
        var keys: Int
        var rows: Int

        var isUsedUp: Bool { keys <= 0 || rows <= 0 }
    }

    enum Progress: Equatable {
        case more(from: Bytes)
        case done
    }

    /// Compacts the next keys at `main`, from `start` on (nil: from the first). Does something unless all is done.
    mutating func compact(
        from start: Bytes?, at main: Int64, _ slice: Slice, _ dropped: (RevisionMark) -> Void
    ) -> Progress {
        var (slice, start) = (slice, start)
        repeat {
            let leaf = leaf(for: start ?? Bytes())
            if leaf.node.histories.contains(where: { $0.isAffected(byCompactionAt: main) }) {
                IndexNode.makeUnique(&root)
                if let rest = Self.compact(root, start ?? Bytes(), at: main, &slice, &count, dropped) {
                    start = rest
                    continue
                }
                while root.children.count == 1 { root = root.children[0] }
            } else {
                // Untouched leaves stay shared with the views.
                slice.keys -= leaf.node.histories.count
            }
            guard let next = leaf.next else { return .done }
            start = next
        } while !slice.isUsedUp
        return .more(from: start ?? Bytes())
    }

    /// The leaf that holds or would hold `key`, and the lowest key that belongs on the leaf behind it.
    private func leaf(for key: Bytes) -> (node: IndexNode, next: Bytes?) {
        var (node, next): (IndexNode, Bytes?) = (root, nil)
        while !node.isLeaf {
            let index = key.withUnsafeBytes { node.childIndex($0) }
            if index < node.keys.count { next = node.keys[index] }
            node = node.children[index]
        }
        return (node, next)
    }

    /// Compacts the leaf for `key` below `node`, which is ours alone, and clears away what is empty after it.
    /// - Returns: the key to go on with on the same leaf if the slice was used up before its end.
    private static func compact(
        _ node: IndexNode, _ key: Bytes, at main: Int64, _ slice: inout Slice, _ count: inout Int,
        _ dropped: (RevisionMark) -> Void
    ) -> Bytes? {
        if node.isLeaf { return compactLeaf(node, at: main, &slice, &count, dropped) }
        let index = key.withUnsafeBytes { node.childIndex($0) }
        IndexNode.makeUnique(&node.children[index])
        let rest = compact(node.children[index], key, at: main, &slice, &count, dropped)
        let child = node.children[index]
        if child.isLeaf ? child.histories.isEmpty : child.children.isEmpty {
            // The last child goes, too: the caller takes an inner node without children away, and of the root an
            // inner node without children is an empty leaf.
            node.removeChild(index)
        } else if rest == nil, child.isLeaf, !node.joinLeaves(index - 1) {
            _ = node.joinLeaves(index)
        }
        return rest
    }

    private static func compactLeaf(
        _ leaf: IndexNode, at main: Int64, _ slice: inout Slice, _ count: inout Int, _ dropped: (RevisionMark) -> Void
    ) -> Bytes? {
        var index = 0
        while index < leaf.histories.count {
            guard leaf.histories[index].isAffected(byCompactionAt: main) else {
                slice.keys -= 1
                index += 1
                continue
            }
            if slice.rows <= 0 { return leaf.keys[index] }
            let (isLeft, isDone) = leaf.histories[index].compact(at: main, limit: slice.rows) { mark in
                slice.rows -= 1
                dropped(mark)
            }
            if !isDone { return leaf.keys[index] }
            slice.keys -= 1
            if isLeft {
                index += 1
            } else {
                leaf.histories.remove(at: index)
                leaf.keys.remove(at: index)
                count -= 1
            }
        }
        return nil
    }
}
