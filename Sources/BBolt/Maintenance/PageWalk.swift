// A walk over every page that a state can reach: finds the free ones, and in a check what is wrong.

import Base

struct PageWalk {
    let source: PageSource
    private var reached: [UInt64]

    init(_ source: PageSource) {
        self.source = source
        reached = [UInt64](repeating: 0, count: Int(source.meta.highWater) / 64 + 1)
    }

    private mutating func mark(_ page: PageID, _ bytes: Int) throws(BBoltError) {
        for id in page..<page + UInt64(bytes / source.pageSize) {
            let (word, bit) = (Int(id) / 64, UInt64(1) << (id % 64))
            guard reached[word] & bit == 0 else { throw source.problem(id, "it is reached twice") }
            reached[word] |= bit
        }
    }

    func isReached(_ page: PageID) -> Bool { reached[Int(page) / 64] & (1 << (page % 64)) != 0 }

    /// Ascending.
    mutating func unreachablePages() throws(BBoltError) -> [PageID] {
        try walk()
        return (2..<max(2, source.meta.highWater)).filter { !isReached($0) }
    }

    /// Marks all the pages of the tree; a page reached twice, or one that is none, is an error.
    mutating func walk() throws(BBoltError) {
        if source.meta.freelist != Meta.noFreelist {
            try mark(source.meta.freelist, try source.bytes(source.meta.freelist).count)
        }
        var open: [(page: PageID, depth: Int)] = [(source.meta.root, 0)]
        while let (id, depth) = open.popLast() {
            guard depth < PageLayout.depthMax * 2 else { throw source.problem(id, "the tree is too deep: it has a cycle") }
            let page = try source.page(id)
            try mark(id, page.bytes.count)
            if page.isLeaf {
                try addBuckets(of: page, depth, &open)
            } else {
                for index in 0..<page.count { open.append((page.child(index), depth + 1)) }
            }
        }
    }

    /// The roots of the buckets on a leaf. Inline ones hold no buckets: nobody writes such.
    private func addBuckets(
        of page: PageView, _ depth: Int, _ open: inout [(page: PageID, depth: Int)]
    ) throws(BBoltError) {
        for index in 0..<page.count where page.flags(index) & PageLayout.bucketElementFlag != 0 {
            let value = try source.look(page) { (page) throws(PageProblem) in try page.value(index) }
            let root = try BucketRoot(value: value, in: source, page: page.id)
            if root.inline == nil {
                open.append((root.page, depth + 1))
            } else {
                let image = try root.view(in: source)
                for index in 0..<image.count where image.flags(index) & PageLayout.bucketElementFlag != 0 {
                    throw source.problem(page.id, "a bucket within an inline bucket")
                }
            }
        }
    }
}
