// A position in a bucket's tree. Moving to a neighbour, or seeking a key on the same leaf, costs no new descent.

package import Base

package struct ReadCursor {
    private struct Level {
        var page: PageView
        var index: Int
    }

    private let home: ReadBucket
    private var stack: [Level] = []
    /// The element stood on. The buffers are valid while the cursor's transaction lives.
    package private(set) var key = UnsafeRawBufferPointer(start: nil, count: 0)
    package private(set) var value = UnsafeRawBufferPointer(start: nil, count: 0)
    package private(set) var isBucket = false
    private var holder: PageID = 0

    private var source: PageSource { home.transaction.source }

    init(bucket: ReadBucket) {
        home = bucket
    }

    /// The bucket stood on, where `isBucket`.
    package func bucket() throws(BBoltError) -> ReadBucket {
        // Only buckets of plain keys are kept inline; anything else could nest without end.
        guard home.root.inline == nil else { throw source.problem(holder, "a bucket within an inline bucket") }
        return ReadBucket(transaction: home.transaction, root: try BucketRoot(value: value, in: source, page: holder))
    }

    // MARK: Moves; each says whether it ended on an element

    package mutating func first() throws(BBoltError) -> Bool {
        stack = [Level(page: try home.root.view(in: source), index: 0)]
        try descend { _ in 0 }
        return try settle()
    }

    package mutating func last() throws(BBoltError) -> Bool {
        let page = try home.root.view(in: source)
        stack = [Level(page: page, index: max(0, page.count - 1))]
        try descend { $0.count - 1 }
        if let level = stack.last, level.page.isLeaf { stack[stack.count - 1].index = max(0, level.page.count - 1) }
        if let level = stack.last, level.page.count == 0 { return try previous() }
        return try read()
    }

    /// To the first key not below `wanted`.
    package mutating func seek(_ wanted: UnsafeRawBufferPointer) throws(BBoltError) -> Bool {
        if let leaf = stack.last, leaf.page.isLeaf, leaf.page.count > 0,
            compareBytes(try source.look(leaf.page, { (page) throws(PageProblem) in try page.key(0) }), wanted) <= 0,
            compareBytes(try source.look(leaf.page, { (page) throws(PageProblem) in try page.key(page.count - 1) }), wanted) >= 0
        {
            stack[stack.count - 1].index = try source.look(leaf.page) { (page) throws(PageProblem) in try page.lowerBound(wanted) }
            return try read()
        }
        let root = try home.root.view(in: source)
        stack.removeAll(keepingCapacity: true)
        stack.append(Level(page: root, index: 0))
        while let top = stack.last, !top.page.isLeaf {
            let index = try source.look(top.page) { (page) throws(PageProblem) in try page.childIndex(for: wanted) }
            stack[stack.count - 1].index = index
            try push(top.page.child(index), 0)
        }
        guard let leaf = stack.last else { return false }
        stack[stack.count - 1].index = try source.look(leaf.page) { (page) throws(PageProblem) in try page.lowerBound(wanted) }
        return try settle()
    }

    package mutating func seek(_ wanted: Bytes) throws(BBoltError) -> Bool {
        try wanted.withUnsafeBytes { (bytes) throws(BBoltError) in try seek(bytes) }
    }

    package mutating func next() throws(BBoltError) -> Bool {
        guard !stack.isEmpty else { return false }
        stack[stack.count - 1].index += 1
        return try settle()
    }

    package mutating func previous() throws(BBoltError) -> Bool {
        while let top = stack.last {
            if top.index > 0 {
                stack[stack.count - 1].index -= 1
                if !top.page.isLeaf {
                    try push(top.page.child(top.index - 1), 0)
                    if let page = stack.last?.page { stack[stack.count - 1].index = max(0, page.count - 1) }
                    try descend { $0.count - 1 }
                    if let page = stack.last?.page, page.count == 0 { continue }
                    if let page = stack.last?.page { stack[stack.count - 1].index = page.count - 1 }
                }
                return try read()
            }
            stack.removeLast()
        }
        return false
    }

    // MARK: Steps

    /// Goes down to a leaf, always to the child that `choose` picks.
    private mutating func descend(_ choose: (PageView) -> Int) throws(BBoltError) {
        while let top = stack.last, !top.page.isLeaf {
            let index = choose(top.page)
            stack[stack.count - 1].index = index
            try push(top.page.child(index), 0)
        }
    }

    private mutating func push(_ id: PageID, _ index: Int) throws(BBoltError) {
        guard stack.count < PageLayout.depthMax else { throw source.problem(id, "the tree is too deep: it has a cycle") }
        stack.append(Level(page: try source.page(id), index: index))
    }

    /// If the position is behind its page's end, goes on to the next leaf with an element.
    private mutating func settle() throws(BBoltError) -> Bool {
        while let top = stack.last {
            if top.index < top.page.count {
                if top.page.isLeaf { return try read() }
                try push(top.page.child(top.index), 0)
            } else {
                stack.removeLast()
                guard !stack.isEmpty else { return false }
                stack[stack.count - 1].index += 1
            }
        }
        return false
    }

    private mutating func read() throws(BBoltError) -> Bool {
        guard let top = stack.last, top.index < top.page.count else { return false }
        key = try source.look(top.page) { (page) throws(PageProblem) in try page.key(top.index) }
        value = try source.look(top.page) { (page) throws(PageProblem) in try page.value(top.index) }
        isBucket = top.page.flags(top.index) & PageLayout.bucketElementFlag != 0
        holder = top.page.id
        return true
    }
}
