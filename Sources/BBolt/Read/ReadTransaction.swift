// A view of the file as it was after one commit. It stays whole as long as it lives, whatever is written meanwhile:
// pages it can reach are not given out again before it ends.

package import Base
import FileIO

package final class ReadTransaction: Sendable {
    let source: PageSource
    private let release: @Sendable (TransactionID) -> Void

    init(source: PageSource, release: @escaping @Sendable (TransactionID) -> Void) {
        self.source = source
        self.release = release
    }

    deinit { release(source.meta.transaction) }

    /// Counts commits.
    package var transactionID: UInt64 { source.meta.transaction }
    /// The state's size: all pages up to the highest ever used.
    package var sizeBytes: UInt64 { source.meta.highWater * UInt64(source.meta.pageSize) }
    package var path: String { source.path }

    private var rootBucket: ReadBucket {
        ReadBucket(transaction: self, root: BucketRoot(page: source.meta.root, sequence: source.meta.rootSequence))
    }

    /// The top-level bucket, or nil.
    package func bucket(_ name: Bytes) throws(BBoltError) -> ReadBucket? {
        try rootBucket.bucket(name)
    }

    /// In order.
    package func bucketNames() throws(BBoltError) -> [Bytes] {
        var names: [Bytes] = []
        var cursor = rootBucket.cursor()
        var found = try cursor.first()
        while found {
            if cursor.isBucket { names.append(Bytes(copying: cursor.key)) }
            found = try cursor.next()
        }
        return names
    }

    /// Gives the resident pages of the mapping back to the system: after a scan of everything.
    package func dropResidentPages() {
        source.region.dropResidentPages(0..<source.limit)
    }
}

/// A bucket of a read transaction, which it keeps alive.
package struct ReadBucket: Sendable {
    let transaction: ReadTransaction
    let root: BucketRoot

    package var sequence: UInt64 { root.sequence }

    package func cursor() -> ReadCursor { ReadCursor(bucket: self) }

    /// Gives `body` the value of `key`; false if there is none. A bucket of that name is no value.
    ///
    /// One key and no way on from it: the way down needs no memory of where it came by.
    package func withValue(
        of key: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(BBoltError) -> Bool {
        let source = transaction.source
        var page = try root.view(in: source)
        var depth = 1
        while !page.isLeaf {
            let next = page.child(try source.look(page) { (page) throws(PageProblem) in try page.childIndex(for: key) })
            guard depth < PageLayout.depthMax else { throw source.problem(next, "the tree is too deep: it has a cycle") }
            page = try source.page(next)
            depth += 1
        }
        let index = try source.look(page) { (page) throws(PageProblem) in try page.lowerBound(key) }
        guard index < page.count else { return false }
        let found = try source.look(page) { (page) throws(PageProblem) in try page.key(index) }
        guard compareBytes(found, key) == 0, page.flags(index) & PageLayout.bucketElementFlag == 0 else { return false }
        body(try source.look(page) { (page) throws(PageProblem) in try page.value(index) })
        return true
    }

    /// A copy of the value, or nil; a bucket of that name is no value.
    package func get(_ key: Bytes) throws(BBoltError) -> Bytes? {
        var copy: Bytes?
        _ = try key.withUnsafeBytes { (wanted) throws(BBoltError) in
            try withValue(of: wanted) { copy = Bytes(copying: $0) }
        }
        return copy
    }

    /// The bucket within this one, or nil.
    package func bucket(_ name: Bytes) throws(BBoltError) -> ReadBucket? {
        var cursor = cursor()
        let found = try name.withUnsafeBytes { (wanted) throws(BBoltError) in
            try cursor.seek(wanted) && compareBytes(cursor.key, wanted) == 0
        }
        guard found, cursor.isBucket else { return nil }
        return try cursor.bucket()
    }
}
