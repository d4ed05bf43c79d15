// A node of the key index: a B+tree whose nodes are copied when a view still holds them, and changed in place when not.

import Base

struct IndexEntry: Sendable {
    let key: Bytes
    var history: KeyHistory
}

// SAFETY of @unchecked Sendable: a node is changed only after `isKnownUniquelyReferenced` has shown that the one owner
// (the apply lane's tree) holds it alone; every view that shares a node holds a reference, so what views see never
// changes. No other code writes to a node.
final class IndexNode: @unchecked Sendable {
    /// Wide enough that a million keys stand three levels high, small enough that copying one for a view is cheap.
    static let widthMax = 64

    /// In a leaf; ascending.
    var entries: [IndexEntry]
    /// In an inner node; never empty there.
    var children: [IndexNode]
    /// The first key of each child but the first: `children[i + 1]` holds keys from `separators[i]` on.
    var separators: [Bytes]
    /// Keys below that exist now.
    var liveCount: Int

    init(entries: [IndexEntry]) {
        self.entries = entries
        children = []
        separators = []
        liveCount = entries.count { $0.history.isLive }
    }

    init(children: [IndexNode], separators: [Bytes]) {
        entries = []
        self.children = children
        self.separators = separators
        liveCount = children.reduce(0) { $0 + $1.liveCount }
    }

    private init(copying node: IndexNode) {
        entries = node.entries
        children = node.children
        separators = node.separators
        liveCount = node.liveCount
    }

    var isLeaf: Bool { children.isEmpty }

    static func makeUnique(_ node: inout IndexNode) {
        if !isKnownUniquelyReferenced(&node) { node = IndexNode(copying: node) }
    }

    /// The first entry whose key is not below `key`.
    func lowerBound(_ key: Bytes) -> Int {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) >> 1
            if entries[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func childIndex(_ key: Bytes) -> Int {
        var (low, high) = (0, separators.count)
        while low < high {
            let middle = (low + high) >> 1
            if separators[middle] <= key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func find(_ key: Bytes) -> KeyHistory? {
        var node = self
        while !node.isLeaf { node = node.children[node.childIndex(key)] }
        let index = node.lowerBound(key)
        guard index < node.entries.count, node.entries[index].key == key else { return nil }
        return node.entries[index].history
    }

    /// Splits an overfull node; the new right sibling and the first key it holds.
    func split() -> (separator: Bytes, right: IndexNode)? {
        if isLeaf {
            guard entries.count > Self.widthMax else { return nil }
            // Keys often arrive in order: leave the left leaf fuller than half, as nothing will come to it any more.
            let middle = entries.count * 3 / 4
            let right = IndexNode(entries: Array(entries[middle...]))
            entries.removeSubrange(middle...)
            liveCount -= right.liveCount
            return (right.entries[0].key, right)
        }
        guard children.count > Self.widthMax else { return nil }
        let middle = children.count * 3 / 4
        let right = IndexNode(children: Array(children[middle...]), separators: Array(separators[middle...]))
        let separator = separators[middle - 1]
        children.removeSubrange(middle...)
        separators.removeSubrange((middle - 1)...)
        liveCount -= right.liveCount
        return (separator, right)
    }
}
