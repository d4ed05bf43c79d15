// A node of the key index: a B+tree whose nodes are copied when a view still holds them, and changed in place when not.
//
// Invariants: keys ascend; a leaf has one history for each key; an inner node has one separator less than children, and
// `children[i + 1]` holds the keys from separator `i` on; `liveCount` is the number of live keys below.

import Base

// SAFETY of @unchecked Sendable: a node is changed only after `isKnownUniquelyReferenced` has shown that the one owner
// (the apply lane's tree) holds it alone; every view that shares a node holds a reference, so what views see never
// changes. No other code writes to a node.
final class IndexNode: @unchecked Sendable {
    /// Wide enough that a million keys stand three levels high, small enough that copying one for a view is cheap.
    static let widthMax = 64
    /// Nodes with more bytes of keys split early, so that copying a node for a view stays cheap with long keys, too.
    static let keyBytesMax = 16 << 10
    /// A leaf that compaction leaves with fewer keys joins its neighbour if both fit well into one.
    static let widthMin = 16

    /// Of a leaf its keys, of an inner node the separators.
    var keys: PackedKeys
    /// In a leaf, beside `keys`.
    var histories: [KeyHistory]
    /// In an inner node; never empty there.
    var children: [IndexNode]
    /// Keys below that exist now.
    var liveCount: Int

    /// A leaf.
    init(keys: PackedKeys, histories: [KeyHistory], liveCount: Int) {
        self.keys = keys
        self.histories = histories
        children = []
        self.liveCount = liveCount
    }

    /// An inner node.
    init(separators: PackedKeys, children: [IndexNode]) {
        keys = separators
        histories = []
        self.children = children
        liveCount = children.reduce(0) { $0 + $1.liveCount }
    }

    /// The copy has room to grow to its full width. Its keys stay shared until one comes or goes.
    private init(copying node: IndexNode) {
        keys = node.keys
        histories = node.isLeaf ? Self.roomy(node.histories[...]) : []
        children = node.isLeaf ? [] : Self.roomy(node.children[...])
        liveCount = node.liveCount
    }

    private static func roomy<Element>(_ elements: ArraySlice<Element>) -> [Element] {
        var array: [Element] = []
        array.reserveCapacity(max(widthMax + 1, elements.count))
        array.append(contentsOf: elements)
        return array
    }

    static func emptyLeaf() -> IndexNode { IndexNode(keys: PackedKeys(), histories: [], liveCount: 0) }

    var isLeaf: Bool { children.isEmpty }

    static func makeUnique(_ node: inout IndexNode) {
        if !isKnownUniquelyReferenced(&node) { node = IndexNode(copying: node) }
    }

    /// In an inner node: the child that holds or would hold `key`.
    func childIndex(_ key: UnsafeRawBufferPointer) -> Int {
        let (index, isEqual) = keys.search(key)
        return isEqual ? index + 1 : index
    }

    /// The history of `key` in the tree below `root`.
    static func find(_ root: IndexNode, _ key: UnsafeRawBufferPointer) -> KeyHistory? {
        // Without counting references on the way: `root` keeps every node of its tree alive.
        withExtendedLifetime(root) {
            var node = Unmanaged.passUnretained(root)
            while true {
                let child: Unmanaged<IndexNode>? = node._withUnsafeGuaranteedRef { node in
                    if node.isLeaf { return nil }
                    let index = node.childIndex(key)
                    return node.children.withUnsafeBufferPointer { Unmanaged.passUnretained($0[index]) }
                }
                guard let child else { break }
                node = child
            }
            return node._withUnsafeGuaranteedRef { leaf in
                let (index, isEqual) = leaf.keys.search(key)
                return isEqual ? leaf.histories[index] : nil
            }
        }
    }

    // MARK: Growing

    func insert(_ key: UnsafeRawBufferPointer, _ history: KeyHistory, at index: Int) {
        if histories.capacity <= Self.widthMax { histories = Self.roomy(histories[...]) }
        keys.insert(key, at: index)
        histories.insert(history, at: index)
    }

    /// Splits an overfull node after something came in at `place`; the new right sibling and the first key it holds.
    func split(after place: Int) -> (separator: Bytes, right: IndexNode)? {
        let isLong = keys.byteCount > Self.keyBytesMax
        if isLeaf {
            guard histories.count > Self.widthMax || (isLong && histories.count > 1) else { return nil }
            // Keys often arrive in order: what was added at the end starts a new leaf, and the full one stays full.
            let middle = place == histories.count - 1 ? place : histories.count / 2
            let moved = histories[middle...]
            let right = IndexNode(
                keys: PackedKeys(copying: keys, middle..<histories.count, room: Self.widthMax + 1),
                histories: Self.roomy(moved), liveCount: moved.count { $0.isLive })
            histories.removeSubrange(middle...)
            keys = PackedKeys(copying: keys, 0..<middle, room: Self.widthMax + 1)
            liveCount -= right.liveCount
            return (right.keys[0], right)
        }
        guard children.count > Self.widthMax || (isLong && children.count > 3) else { return nil }
        let middle = place == children.count - 1 ? children.count - 2 : children.count / 2
        let right = IndexNode(
            separators: PackedKeys(copying: keys, middle..<children.count - 1, room: Self.widthMax),
            children: Self.roomy(children[middle...]))
        let separator = keys[middle - 1]
        children.removeSubrange(middle...)
        keys = PackedKeys(copying: keys, 0..<middle - 1, room: Self.widthMax)
        liveCount -= right.liveCount
        return (separator, right)
    }

    // MARK: Shrinking

    /// In an inner node that is ours alone: takes the child away.
    func removeChild(_ index: Int) {
        children.remove(at: index)
        if keys.count > 0 { keys.remove(at: index == 0 ? 0 : index - 1) }
    }

    /// In an inner node that is ours alone: joins the leaf `index` with its right neighbour if either is small and both
    /// fit into one with room to spare. The result is a new leaf; the old ones may be shared.
    func joinLeaves(_ index: Int) -> Bool {
        guard index >= 0, index + 1 < children.count else { return false }
        let (left, right) = (children[index], children[index + 1])
        guard left.isLeaf, right.isLeaf, min(left.histories.count, right.histories.count) < Self.widthMin,
            left.histories.count + right.histories.count <= Self.widthMax * 3 / 4,
            left.keys.byteCount + right.keys.byteCount <= Self.keyBytesMax / 2
        else { return false }
        var joined = PackedKeys(copying: left.keys, 0..<left.keys.count, room: Self.widthMax + 1)
        for place in 0..<right.keys.count { joined.insert(right.keys[place], at: joined.count) }
        children[index] = IndexNode(
            keys: joined, histories: Self.roomy((left.histories + right.histories)[...]), liveCount: left.liveCount + right.liveCount)
        removeChild(index + 1)
        return true
    }
}
