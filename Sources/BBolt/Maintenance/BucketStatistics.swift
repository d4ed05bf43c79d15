// How pages are used: the figures of `bbolt stats`.

import Base
import FileIO

package struct BucketStatistics: Sendable, Equatable {
    package var branchPages = 0
    package var branchOverflowPages = 0
    package var leafPages = 0
    package var leafOverflowPages = 0
    /// Bucket elements included.
    package var keys = 0
    /// Pages from a root to a leaf; with buckets in buckets, of both.
    package var depth = 0
    /// Bytes, as all below.
    package var branchBytesAllocated = 0
    package var branchBytesUsed = 0
    package var leafBytesAllocated = 0
    package var leafBytesUsed = 0
    package var buckets = 0
    package var inlineBuckets = 0
    package var inlineBytesUsed = 0

    package init() {}

    package mutating func add(_ other: BucketStatistics) {
        branchPages += other.branchPages
        branchOverflowPages += other.branchOverflowPages
        leafPages += other.leafPages
        leafOverflowPages += other.leafOverflowPages
        keys += other.keys
        depth = max(depth, other.depth)
        branchBytesAllocated += other.branchBytesAllocated
        branchBytesUsed += other.branchBytesUsed
        leafBytesAllocated += other.leafBytesAllocated
        leafBytesUsed += other.leafBytesUsed
        buckets += other.buckets
        inlineBuckets += other.inlineBuckets
        inlineBytesUsed += other.inlineBytesUsed
    }
}

extension ReadBucket {
    package func statistics() throws(BBoltError) -> BucketStatistics {
        try statistics(nesting: 0)
    }

    private func statistics(nesting: Int) throws(BBoltError) -> BucketStatistics {
        let source = transaction.source
        guard nesting < PageLayout.depthMax else { throw source.problem(root.page, "buckets nest too deeply") }
        var sum = BucketStatistics()
        sum.buckets = 1
        if root.inline != nil { sum.inlineBuckets = 1 }
        var inner = BucketStatistics()
        var open: [(page: PageView, depth: Int)] = [(try root.view(in: source), 1)]
        while let (page, depth) = open.popLast() {
            guard depth < PageLayout.depthMax else {
                throw source.problem(page.id, "the tree is too deep: it has a cycle")
            }
            sum.depth = max(sum.depth, depth)
            let used = try bytesUsed(page)
            if !page.isLeaf {
                sum.branchPages += 1
                sum.branchBytesUsed += used
                sum.branchOverflowPages += page.bytes.count / source.pageSize - 1
                for index in 0..<page.count { open.append((try source.page(page.child(index)), depth + 1)) }
                continue
            }
            sum.keys += page.count
            if root.inline != nil {
                sum.inlineBytesUsed += used
                continue
            }
            sum.leafPages += 1
            sum.leafBytesUsed += used
            sum.leafOverflowPages += page.bytes.count / source.pageSize - 1
            for index in 0..<page.count where page.flags(index) & PageLayout.bucketElementFlag != 0 {
                let value = try source.look(page) { (page) throws(PageProblem) in try page.value(index) }
                let bucket = ReadBucket(
                    transaction: transaction,
                    root: try BucketRoot(value: value, in: source, page: page.id)
                )
                inner.add(try bucket.statistics(nesting: nesting + 1))
            }
        }
        sum.branchBytesAllocated = (sum.branchPages + sum.branchOverflowPages) * source.pageSize
        sum.leafBytesAllocated = (sum.leafPages + sum.leafOverflowPages) * source.pageSize
        sum.depth += inner.depth
        sum.add(inner)
        return sum
    }

    private func bytesUsed(_ page: PageView) throws(BBoltError) -> Int {
        var used = PageLayout.headerSize + page.count * PageLayout.elementSize
        for index in 0..<page.count {
            used += try transaction.source.look(page) { (page) throws(PageProblem) in
                try page.key(index).count + (page.isLeaf ? page.value(index).count : 0)
            }
        }
        return used
    }
}

/// A page in the table of all pages.
package struct PageListing: Sendable, Equatable {
    package var id: UInt64
    package var isFree: Bool
    package var kind: InspectedPage.Kind
    package var count: Int
    package var overflow: UInt32
}

extension ReadTransaction {
    /// Every page up to the highest ever used; overflow pages are counted with theirs. The tree says which are free.
    package func pages() throws(BBoltError) -> [PageListing] {
        var walk = PageWalk(source)
        let free = Set(try walk.unreachablePages())
        var pages: [PageListing] = []
        var id: UInt64 = 0
        while id < source.meta.highWater {
            let start = Int(id) * source.pageSize
            guard start + source.pageSize <= source.limit else { throw source.problem(id, "beyond the file's end") }
            let page = InspectedPage(
                bytes: Array(UnsafeRawBufferPointer(rebasing: source.region.bytes[start..<start + source.pageSize]))
            )
            let isFree = free.contains(id)
            pages.append(
                PageListing(id: id, isFree: isFree, kind: page.kind, count: page.count, overflow: page.overflow)
            )
            id += isFree ? 1 : UInt64(page.overflow) + 1
        }
        return pages
    }

    package var pageSize: Int { source.pageSize }
    /// Whether the list of free pages is stored.
    package var storesFreelist: Bool { source.meta.freelist != Meta.noFreelist }
}
