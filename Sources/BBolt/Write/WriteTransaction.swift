// The one transaction that may change the file. Nothing of it reaches the disk before `commit`, which writes all changed
// pages beside the old ones, syncs, and only then switches the meta page: a crash at any point leaves the state before
// or the state after.

package import Base
import FileIO

/// Where a commit has got to; whoever hears of it may have a clock.
package enum CommitPhase: Sendable {
    case begun
    case rebalanced
    case spilled
    case durable
}

package final class WriteTransaction {
    private let database: Database
    let source: PageSource
    private var freelist: Freelist
    private var highWater: PageID
    private let id: TransactionID
    private var rootBucket: WriteBucket!
    private var dirty: [(page: PageID, bytes: [UInt8])] = []
    private var keptAlive: [Node] = []
    private var isDone = false

    init(database: Database, source: PageSource, freelist: Freelist) {
        self.database = database
        self.source = source
        self.freelist = freelist
        highWater = source.meta.highWater
        id = source.meta.transaction + 1
        rootBucket = WriteBucket(
            transaction: self, root: BucketRoot(page: source.meta.root, sequence: source.meta.rootSequence))
    }

    deinit {
        if !isDone { database.abandonWrite(freelist, by: id) }
    }

    package var transactionID: UInt64 { id }

    package func bucket(_ name: Bytes) throws(BBoltError) -> WriteBucket? { try rootBucket.bucket(name) }

    package func createBucketIfMissing(_ name: Bytes) throws(BBoltError) -> WriteBucket {
        try rootBucket.createBucketIfMissing(name)
    }

    package func deleteBucket(_ name: Bytes) throws(BBoltError) { try rootBucket.deleteBucket(name) }

    /// Forgets every change.
    package func rollback() {
        guard !isDone else { return }
        isDone = true
        database.abandonWrite(freelist, by: id)
    }

    /// Makes the changes durable; when it returns, they survive a power cut. After an error the file takes no more
    /// writes: what is on disk is the last state that was committed.
    /// - Parameter reached: called at the end of each phase.
    package func commit(reached: (CommitPhase) -> Void = { _ in }) throws(BBoltError) {
        precondition(!isDone, "a transaction is committed once")
        isDone = true
        reached(.begun)
        do throws(BBoltError) {
            try rootBucket.rebalance()
            reached(.rebalanced)
            try rootBucket.spill()
            reached(.spilled)
            let freelistPage = storeFreelist()
            let meta = Meta(
                pageSize: source.meta.pageSize, root: rootBucket.root.page, rootSequence: rootBucket.sequence,
                freelist: freelistPage, highWater: highWater, transaction: id)
            try database.write(dirty, meta: meta)
            try database.finishWrite(meta: meta, freelist: freelist)
            reached(.durable)
        } catch {
            database.failWrite()
            throw error
        }
    }

    private func storeFreelist() -> PageID {
        if source.meta.freelist != Meta.noFreelist, let bytes = try? source.bytes(source.meta.freelist) {
            freelist.free(source.meta.freelist, pages: UInt64(bytes.count / source.pageSize), by: id)
        }
        guard database.options.storesFreelist else { return Meta.noFreelist }
        // Room for the list as it is before this very allocation shortens it.
        let size = FreelistPage.size(count: freelist.allPages.count)
        let pages = (size + source.pageSize - 1) / source.pageSize
        let page = allocate(pages: UInt64(pages))
        let bytes = FreelistPage.encode(freelist.allPages, page: page, pages: pages, pageSize: source.pageSize)
        write(page, bytes)
        return page
    }

    // MARK: For buckets

    func free(_ page: PageID, pages: UInt64) {
        freelist.free(page, pages: pages, by: id)
    }

    func allocate(pages: UInt64) -> PageID {
        if let page = freelist.allocate(pages, for: id) { return page }
        let page = highWater
        highWater += pages
        freelist.noteAllocation(page, id)
        return page
    }

    func write(_ page: PageID, _ bytes: [UInt8]) {
        dirty.append((page, bytes))
    }

    func keepAlive(_ node: Node) {
        keptAlive.append(node)
    }
}
