// A bucket being changed: the nodes taken into memory and the buckets opened within it.

package import Base

/// Used only while its transaction is: it doesn't keep it alive.
package final class WriteBucket {
    unowned let transaction: WriteTransaction
    private(set) var root: BucketRoot
    /// How full pages are made when a node is split: 0.9 suits keys that only grow, 0.5 those that come in any order.
    package var fillPercent = PageLayout.fillPercentDefault
    private(set) var rootNode: Node?
    private var nodes: [PageID: Node] = [:]
    private var buckets: [Bytes: WriteBucket] = [:]
    /// The last leaf, while it is known that appending there keeps the order.
    private var appendLeaf: Node?

    init(transaction: WriteTransaction, root: BucketRoot) {
        self.transaction = transaction
        self.root = root
    }

    /// An empty one.
    init(newIn transaction: WriteTransaction) {
        self.transaction = transaction
        root = BucketRoot(page: 0, sequence: 0)
        rootNode = Node(isLeaf: true, parent: nil)
    }

    private var source: PageSource { transaction.source }

    package var sequence: UInt64 {
        get { root.sequence }
        set {
            root.sequence = newValue
            isTouched = true
        }
    }
    /// The sequence changed though no element did.
    private var isTouched = false

    // MARK: Nodes

    private func loadRoot() throws(BBoltError) -> Node {
        if let rootNode { return rootNode }
        let view = try root.view(in: source)
        let node = try load(view, parent: nil)
        rootNode = node
        if root.page != 0 { nodes[root.page] = node }
        return node
    }

    private func load(_ view: PageView, parent: Node?) throws(BBoltError) -> Node {
        do throws(PageProblem) {
            return try Node(view: view, pageSize: source.pageSize, parent: parent)
        } catch {
            throw source.problem(view.id, error.reason)
        }
    }

    private func child(_ index: Int, of parent: Node) throws(BBoltError) -> Node {
        let page = parent.inodes[index].child
        if let node = nodes[page] {
            guard node.parent === parent, node.key == parent.inodes[index].key else {
                throw source.problem(page, "it is reached twice")
            }
            return node
        }
        let node = try load(try source.page(page), parent: parent)
        // The parent's key is the authority: a page whose first key was deleted still stands under its old one.
        node.key = parent.inodes[index].key
        nodes[page] = node
        parent.children.append(node)
        return node
    }

    /// The leaf that holds or would hold `key`, and whether it is the bucket's last.
    private func leaf(for key: Bytes) throws(BBoltError) -> (node: Node, isLast: Bool) {
        var node = try loadRoot()
        var isLast = true
        var depth = 0
        while !node.isLeaf {
            guard depth < PageLayout.depthMax else { throw source.problem(node.page, "the tree is too deep: it has a cycle") }
            depth += 1
            let index = node.childIndex(for: key)
            if index < node.inodes.count - 1 { isLast = false }
            node = try child(index, of: node)
        }
        return (node, isLast)
    }

    // MARK: Elements

    package func get(_ key: Bytes) throws(BBoltError) -> Bytes? {
        let leaf = try leaf(for: key).node
        let index = leaf.lowerBound(key)
        guard index < leaf.inodes.count, leaf.inodes[index].key == key,
            leaf.inodes[index].flags & PageLayout.bucketElementFlag == 0
        else { return nil }
        return leaf.inodes[index].value
    }

    package func put(_ key: Bytes, _ value: Bytes) throws(BBoltError) {
        if key.isEmpty { throw .keyRequired }
        if key.count > PageLayout.keySizeMax { throw .keyTooLarge }
        if value.count > PageLayout.valueSizeMax { throw .valueTooLarge }
        if let leaf = appendLeaf, let last = leaf.inodes.last, last.key < key {
            leaf.inodes.append(Inode(key: key, value: value))
            return
        }
        let (leaf, isLast) = try leaf(for: key)
        let index = leaf.lowerBound(key)
        if index < leaf.inodes.count, leaf.inodes[index].key == key {
            if leaf.inodes[index].flags & PageLayout.bucketElementFlag != 0 { throw .incompatibleValue(key: key) }
            leaf.inodes[index].value = value
            leaf.isChanged = true
        } else {
            leaf.inodes.insert(Inode(key: key, value: value), at: index)
            leaf.isChanged = true
        }
        appendLeaf = isLast ? leaf : nil
    }

    /// Nothing there is no error.
    package func delete(_ key: Bytes) throws(BBoltError) {
        let leaf = try leaf(for: key).node
        let index = leaf.lowerBound(key)
        guard index < leaf.inodes.count, leaf.inodes[index].key == key else { return }
        if leaf.inodes[index].flags & PageLayout.bucketElementFlag != 0 { throw .incompatibleValue(key: key) }
        leaf.removeInode(at: index)
    }

    // MARK: Buckets

    package func bucket(_ name: Bytes) throws(BBoltError) -> WriteBucket? {
        if let open = buckets[name] { return open }
        let leaf = try leaf(for: name).node
        let index = leaf.lowerBound(name)
        guard index < leaf.inodes.count, leaf.inodes[index].key == name,
            leaf.inodes[index].flags & PageLayout.bucketElementFlag != 0
        else { return nil }
        let bucket = try open(leaf.inodes[index].value, under: leaf)
        buckets[name] = bucket
        return bucket
    }

    /// The bucket in an element's value, which has been copied out of the mapping.
    private func open(_ value: Bytes, under leaf: Node) throws(BBoltError) -> WriteBucket {
        guard value.count >= PageLayout.bucketHeaderSize else { throw source.problem(leaf.page, "a bucket's header is cut short") }
        let (page, sequence) = value.withUnsafeBytes { ($0.number(0, as: UInt64.self), $0.number(8, as: UInt64.self)) }
        let bucket = WriteBucket(transaction: transaction, root: BucketRoot(page: page, sequence: sequence))
        if page == 0 {
            let image = value.dropFirst(PageLayout.bucketHeaderSize)
            let size = source.pageSize
            do throws(PageProblem) {
                bucket.rootNode = try image.withUnsafeBytes { (bytes) throws(PageProblem) in
                    guard bytes.count >= PageLayout.headerSize else { throw PageProblem("an inline bucket is cut short") }
                    return try Node(view: try PageView(id: 0, bytes: bytes), pageSize: size, parent: nil)
                }
            } catch {
                throw source.problem(leaf.page, error.reason)
            }
        }
        return bucket
    }

    package func createBucketIfMissing(_ name: Bytes) throws(BBoltError) -> WriteBucket {
        if name.isEmpty { throw .keyRequired }
        if let present = try bucket(name) { return present }
        let leaf = try leaf(for: name).node
        let index = leaf.lowerBound(name)
        if index < leaf.inodes.count, leaf.inodes[index].key == name { throw .incompatibleValue(key: name) }
        appendLeaf = nil
        let empty = Self.value(root: 0, sequence: 0, inline: Node.image([], isLeaf: true, size: PageLayout.headerSize))
        leaf.inodes.insert(Inode(flags: PageLayout.bucketElementFlag, key: name, value: empty), at: index)
        leaf.isChanged = true
        let bucket = WriteBucket(newIn: transaction)
        buckets[name] = bucket
        return bucket
    }

    /// Deletes the bucket, its buckets and all their pages.
    package func deleteBucket(_ name: Bytes) throws(BBoltError) {
        guard let bucket = try bucket(name) else { throw .bucketNotFound(name: name) }
        try bucket.freeEverything()
        buckets[name] = nil
        let leaf = try leaf(for: name).node
        leaf.remove(name)
    }

    private func freeEverything() throws(BBoltError) {
        var names: [Bytes] = []
        try forEachLeaf { leaf in
            names += leaf.inodes.filter { $0.flags & PageLayout.bucketElementFlag != 0 }.map(\.key)
        }
        for name in names { try bucket(name)?.freeEverything() }
        try freePages(under: try loadRoot(), depth: 0)
    }

    private func freePages(under node: Node, depth: Int) throws(BBoltError) {
        guard depth < PageLayout.depthMax else { throw source.problem(node.page, "the tree is too deep: it has a cycle") }
        if !node.isLeaf {
            for index in node.inodes.indices { try freePages(under: try child(index, of: node), depth: depth + 1) }
        }
        free(node)
    }

    private func forEachLeaf(_ body: (Node) -> Void) throws(BBoltError) {
        var open = [try loadRoot()]
        while let node = open.popLast() {
            if node.isLeaf {
                body(node)
            } else {
                for index in node.inodes.indices { open.append(try child(index, of: node)) }
            }
        }
    }

    static func value(root: PageID, sequence: UInt64, inline: [UInt8] = []) -> Bytes {
        var bytes = [UInt8](repeating: 0, count: PageLayout.bucketHeaderSize)
        bytes.store(root, at: 0)
        bytes.store(sequence, at: 8)
        return Bytes(bytes + inline)
    }

    private func free(_ node: Node) {
        guard node.page != 0 else { return }
        transaction.free(node.page, pages: node.pageCount)
        node.page = 0
    }
}

// MARK: - At commit: merging what became too small

extension WriteBucket {
    func rebalance() throws(BBoltError) {
        appendLeaf = nil
        for page in nodes.keys.sorted() {
            if let node = nodes[page] { try rebalance(node) }
        }
        if let rootNode, nodes[rootNode.page] == nil { try rebalance(rootNode) }
        for name in buckets.keys.sorted() { try buckets[name]?.rebalance() }
    }

    private func rebalance(_ node: Node) throws(BBoltError) {
        guard node.isUnbalanced else { return }
        node.isUnbalanced = false
        let keysMin = node.isLeaf ? 1 : 2
        if node.size > source.pageSize / 4, node.inodes.count > keysMin { return }

        guard let parent = node.parent else {
            // A root with one child gives way to it.
            if !node.isLeaf, node.inodes.count == 1 {
                let child = try child(0, of: node)
                node.isLeaf = child.isLeaf
                node.inodes = child.inodes
                node.children = child.children
                node.isChanged = true
                for grandchild in node.children { grandchild.parent = node }
                nodes[child.page] = nil
                free(child)
            }
            return
        }
        if node.inodes.isEmpty {
            if let key = node.key { parent.remove(key) }
            parent.forget(node)
            nodes[node.page] = nil
            free(node)
            return try rebalance(parent)
        }
        guard parent.inodes.count > 1 else { return }

        let place = parent.index(of: node)
        let (left, right) =
            place == 0 ? (node, try child(1, of: parent)) : (try child(place - 1, of: parent), node)
        guard left.isLeaf == right.isLeaf else {
            throw source.problem(right.page, "a leaf and a branch are side by side")
        }
        for child in right.children {
            child.parent = left
            left.children.append(child)
        }
        left.inodes += right.inodes
        left.isChanged = true
        if let key = right.key { parent.remove(key) }
        parent.forget(right)
        nodes[right.page] = nil
        free(right)
        try rebalance(parent)
    }
}

// MARK: - At commit: writing the nodes to new pages

extension WriteBucket {
    /// After it, `root` is where the bucket now starts.
    func spill() throws(BBoltError) {
        for name in buckets.keys.sorted() {
            guard let bucket = buckets[name], bucket.hasChanges else { continue }
            let value: Bytes
            if let inline = bucket.inlineImage {
                if let node = bucket.rootNode { bucket.free(node) }
                value = Self.value(root: 0, sequence: bucket.root.sequence, inline: inline)
            } else {
                // An image that is to stay inline no more needs a page, changed or not.
                if bucket.root.page == 0 { bucket.rootNode?.isChanged = true }
                try bucket.spill()
                value = Self.value(root: bucket.root.page, sequence: bucket.root.sequence)
            }
            let leaf = try leaf(for: name).node
            leaf.put(name, Inode(flags: PageLayout.bucketElementFlag, key: name, value: value))
        }
        guard let node = rootNode else { return }
        try spill(node)
        var top = node
        while let parent = top.parent { top = parent }
        root.page = top.page
        root.inline = nil
    }

    /// The page image to keep inside the parent, if the bucket is a small leaf without buckets.
    private var inlineImage: [UInt8]? {
        guard let rootNode, rootNode.isLeaf, buckets.isEmpty,
            !rootNode.inodes.contains(where: { $0.flags & PageLayout.bucketElementFlag != 0 }),
            rootNode.size <= source.pageSize / 4
        else { return nil }
        return Node.image(rootNode.inodes[...], isLeaf: true, size: rootNode.size)
    }

    private var hasChanges: Bool {
        isTouched || rootNode?.isChanged == true || nodes.values.contains { $0.isChanged }
            || buckets.values.contains { $0.hasChanges }
    }

    private func spill(_ node: Node) throws(BBoltError) {
        if node.isSpilled { return }
        node.children.sort { ($0.inodes.first?.key ?? Bytes()) < ($1.inodes.first?.key ?? Bytes()) }
        for child in node.children { try spill(child) }
        node.children = []
        // What was only looked at stays where it is.
        guard node.isChanged else { return }

        let starts = node.pieces(pageSize: source.pageSize, fillPercent: fillPercent)
        free(node)
        if starts.count > 1, node.parent == nil {
            // The root is split: a new one takes its place.
            let above = Node(isLeaf: false, parent: nil)
            transaction.keepAlive(above)
            node.parent = above
        }
        node.isSpilled = true
        guard let parent = node.parent else {
            node.page = write(node.inodes[...], isLeaf: node.isLeaf)
            return
        }
        for (number, start) in starts.enumerated() {
            let end = number + 1 < starts.count ? starts[number + 1] : node.inodes.count
            let piece = node.inodes[start..<end]
            let page = write(piece, isLeaf: node.isLeaf)
            // Rebalancing took the empty ones away; to skip one would leave its parent with a page that is free.
            guard let first = piece.first?.key else { throw source.problem(page, "an empty page below a branch") }
            parent.put(number == 0 ? node.key ?? first : first, Inode(child: page, key: first))
        }
        if parent.page == 0, !parent.isSpilled, parent.parent == nil, parent.isRootAtStart, starts.count > 1 { try spill(parent) }
    }

    private func write(_ inodes: ArraySlice<Inode>, isLeaf: Bool) -> PageID {
        let size = inodes.reduce(PageLayout.headerSize) { $0 + $1.size(isLeaf: isLeaf) }
        let pages = UInt64((size + source.pageSize - 1) / source.pageSize)
        let page = transaction.allocate(pages: max(1, pages))
        transaction.write(page, Node.encode(inodes, isLeaf: isLeaf, page: page, pageSize: source.pageSize))
        return page
    }
}
