// A page taken into memory to be changed, and written anew elsewhere at commit.

import Base

/// An element of a node: in a leaf a key and its value or bucket, in a branch a child and its first key.
struct Inode {
    var flags: UInt32 = 0
    var child: PageID = 0
    var key: Bytes
    var value: Bytes = Bytes()

    func size(isLeaf: Bool) -> Int {
        PageLayout.elementSize + key.count + (isLeaf ? value.count : 0)
    }
}

final class Node {
    let isRootAtStart: Bool
    var isLeaf: Bool
    unowned var parent: Node?
    /// The page it came from, 0 for a new one; after spilling, the page it went to.
    var page: PageID
    var pageCount: UInt64
    /// The key under which the parent knows it.
    var key: Bytes?
    var inodes: [Inode]
    /// The children that were taken into memory, too.
    var children: [Node] = []
    /// Elements were removed: at commit it may have to merge with a sibling.
    var isUnbalanced = false
    /// It differs from its page: only such a node is written at commit.
    var isChanged = false
    var isSpilled = false

    init(isLeaf: Bool, parent: Node?, page: PageID = 0, pageCount: UInt64 = 0, inodes: [Inode] = []) {
        self.isLeaf = isLeaf
        self.parent = parent
        self.page = page
        self.pageCount = pageCount
        self.inodes = inodes
        isRootAtStart = parent == nil
        key = inodes.first?.key
    }

    /// The elements of a page: one copy of its bytes, of which keys and values are windows.
    convenience init(view: PageView, pageSize: Int, parent: Node?) throws(PageProblem) {
        // A window on bytes reaches over 4 GiB at most; no page of ours comes near.
        guard view.bytes.count <= Int(UInt32.max) else { throw PageProblem("\(view.bytes.count) bytes are no page") }
        let storage = Array(view.bytes)
        guard let base = view.bytes.baseAddress else { throw PageProblem("an empty page") }
        func window(_ slice: UnsafeRawBufferPointer) -> Bytes {
            guard let start = slice.baseAddress else { return Bytes() }
            return Bytes(storage: storage, lower: start - base, upper: start - base + slice.count)
        }
        var inodes: [Inode] = []
        inodes.reserveCapacity(view.count)
        for index in 0..<view.count {
            if view.isLeaf {
                inodes.append(
                    Inode(flags: view.flags(index), key: window(try view.key(index)), value: window(try view.value(index))))
            } else {
                inodes.append(Inode(child: view.child(index), key: window(try view.key(index))))
            }
        }
        self.init(
            isLeaf: view.isLeaf, parent: parent, page: view.id, pageCount: view.id == 0 ? 0 : UInt64(view.bytes.count / pageSize),
            inodes: inodes)
    }

    // MARK: Elements

    /// The first index whose key is not below `key`.
    func lowerBound(_ key: Bytes) -> Int {
        var (low, high) = (0, inodes.count)
        while low < high {
            let middle = (low + high) >> 1
            if inodes[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// In a branch: the child that would hold `key`.
    func childIndex(for key: Bytes) -> Int {
        let index = lowerBound(key)
        if index < inodes.count, inodes[index].key == key { return index }
        return max(0, index - 1)
    }

    /// Where this child stands among the elements.
    func index(of child: Node) -> Int { child.key.map(lowerBound) ?? 0 }

    /// Replaces the element under `oldKey`, or inserts one there.
    func put(_ oldKey: Bytes, _ inode: Inode) {
        isChanged = true
        let index = lowerBound(oldKey)
        if index < inodes.count, inodes[index].key == oldKey {
            inodes[index] = inode
        } else {
            inodes.insert(inode, at: index)
        }
    }

    func remove(_ key: Bytes) {
        let index = lowerBound(key)
        guard index < inodes.count, inodes[index].key == key else { return }
        removeInode(at: index)
    }

    func removeInode(at index: Int) {
        inodes.remove(at: index)
        isUnbalanced = true
        isChanged = true
    }

    func forget(_ child: Node) {
        children.removeAll { $0 === child }
    }

    // MARK: Size

    var size: Int {
        inodes.reduce(PageLayout.headerSize) { $0 + $1.size(isLeaf: isLeaf) }
    }

    /// Where the elements are cut into pages: the start of every piece, the first of them 0. As bbolt cuts: a piece is
    /// filled to `fillPercent`, keeps at least two keys, and what fits into a page is not cut.
    func pieces(pageSize: Int, fillPercent: Double) -> [Int] {
        let threshold = Int(Double(pageSize) * min(max(fillPercent, 0.1), 1))
        var rest = size - PageLayout.headerSize
        var starts = [0]
        var start = 0
        while inodes.count - start > PageLayout.keysPerPageMin * 2, PageLayout.headerSize + rest >= pageSize {
            var taken = PageLayout.headerSize
            var index = start
            while index < inodes.count - PageLayout.keysPerPageMin {
                let size = inodes[index].size(isLeaf: isLeaf)
                if index - start >= PageLayout.keysPerPageMin, taken + size > threshold { break }
                taken += size
                index += 1
            }
            rest -= taken - PageLayout.headerSize
            start = index
            starts.append(start)
        }
        return starts
    }

    /// The page's bytes, padded to whole pages.
    static func encode(_ inodes: ArraySlice<Inode>, isLeaf: Bool, page: PageID, pageSize: Int) -> [UInt8] {
        let size = inodes.reduce(PageLayout.headerSize) { $0 + $1.size(isLeaf: isLeaf) }
        let pages = max(1, (size + pageSize - 1) / pageSize)
        var output = image(inodes, isLeaf: isLeaf, size: pages * pageSize)
        output.store(page, at: 0)
        output.store(UInt32(pages - 1), at: 12)
        return output
    }

    /// The page's bytes without a number or padding beyond `size`: also what an inline bucket holds.
    static func image(_ inodes: ArraySlice<Inode>, isLeaf: Bool, size: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            let raw = UnsafeMutableRawBufferPointer(buffer)
            raw.initializeMemory(as: UInt8.self, repeating: 0)
            func store<T: FixedWidthInteger>(_ value: T, _ offset: Int) {
                raw.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
            }
            store(isLeaf ? PageLayout.leafFlag : PageLayout.branchFlag, 8)
            store(UInt16(truncatingIfNeeded: inodes.count), 10)
            var element = PageLayout.headerSize
            var data = PageLayout.headerSize + inodes.count * PageLayout.elementSize
            for inode in inodes {
                if isLeaf {
                    store(inode.flags, element)
                    store(UInt32(data - element), element + 4)
                    store(UInt32(inode.key.count), element + 8)
                    store(UInt32(inode.value.count), element + 12)
                } else {
                    store(UInt32(data - element), element)
                    store(UInt32(inode.key.count), element + 4)
                    store(inode.child, element + 8)
                }
                element += PageLayout.elementSize
                inode.key.withUnsafeBytes { raw.baseAddress?.advanced(by: data).copy($0) }
                data += inode.key.count
                if isLeaf {
                    inode.value.withUnsafeBytes { raw.baseAddress?.advanced(by: data).copy($0) }
                    data += inode.value.count
                }
            }
            precondition(data <= size)
            count = size
        }
    }
}

extension UnsafeMutableRawPointer {
    fileprivate func copy(_ bytes: UnsafeRawBufferPointer) {
        if let source = bytes.baseAddress { copyMemory(from: source, byteCount: bytes.count) }
    }
}
