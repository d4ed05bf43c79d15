// A bbolt file: opened once, read by many transactions at a time, written by one.
//
// Readers share a mapping of the file that is reserved far larger than the file, so growth seldom needs a new one; when
// it does, older readers simply keep theirs. The lock inside is held for a look at the registry, never during I/O of
// readers.

import Base
package import FileIO
import Synchronization

package struct DatabaseOptions: Sendable {
    package var readOnly = false
    /// Write the list of free pages at each commit; etcd doesn't, and walks the tree at the next opening instead.
    package var storesFreelist = false
    /// Address space for the mapping; etcd reserves as much.
    package var reservedMapBytes = 10 << 30
    /// Of a new file; an existing one says its own.
    package var pageSize = 4096
    /// Commit without syncing: for files that are thrown away if their making is interrupted.
    package var noSync = false
    /// The file grows in steps of this, so that not every commit changes its size.
    package var growStepBytes: UInt64 = 16 << 20

    /// The file's pages stay in memory. Locked again whenever the file grows: where the system does not allow as much,
    /// opening and writing fail.
    package var locksMemory = false

    package init() {}
}

package struct DatabaseStatistics: Sendable, Equatable {
    /// All pages up to the highest ever used: what etcd reports as the db's size.
    package var sizeBytes: UInt64 = 0
    package var sizeInUseBytes: UInt64 = 0
    package var freePages: UInt64 = 0
    package var pendingPages: Int = 0
    package var openReadTransactions: Int = 0
}

package final class Database: Sendable {
    package let path: String
    let options: DatabaseOptions
    private let file: any File

    private struct State {
        var source: PageSource
        /// How many transactions read each state.
        var readers: [TransactionID: Int] = [:]
        /// Nil while a write transaction has it.
        var freelist: Freelist?
        var statistics = DatabaseStatistics()
        var hasFailed = false
        var isClosed = false
    }

    private let state: Mutex<State>

    private init(path: String, options: DatabaseOptions, file: any File, source: PageSource, freelist: Freelist) {
        self.path = path
        self.options = options
        self.file = file
        var state = State(source: source, freelist: freelist)
        state.statistics = Self.statistics(source, freelist)
        self.state = Mutex(state)
    }

    private static func statistics(_ source: PageSource, _ freelist: Freelist) -> DatabaseStatistics {
        let pageSize = UInt64(source.meta.pageSize)
        return DatabaseStatistics(
            sizeBytes: source.meta.highWater * pageSize,
            sizeInUseBytes: (source.meta.highWater - min(freelist.freeCount, source.meta.highWater)) * pageSize,
            freePages: freelist.freeCount,
            pendingPages: freelist.pendingCount
        )
    }

    // MARK: Opening

    /// Opens or creates the file and takes its lock.
    package static func open(
        _ path: String, fileSystem: any FileSystem, options: DatabaseOptions = DatabaseOptions()
    ) throws(BBoltError) -> Database {
        let file = try onFile { () throws(FileError) in
            try fileSystem.open(path, options.readOnly ? .read : .createOrOpen)
        }
        do throws(BBoltError) {
            return try open(file, path, fileSystem, options)
        } catch {
            file.close()
            throw error
        }
    }

    private static func open(
        _ file: any File, _ path: String, _ fileSystem: any FileSystem, _ options: DatabaseOptions
    ) throws(BBoltError) -> Database {
        if !options.readOnly {
            let isLocked = try onFile { () throws(FileError) in try file.tryLock() }
            if !isLocked { throw .locked(path: path) }
        }
        var size = try onFile { () throws(FileError) in try file.size() }
        if try isUnbegun(file, size, options) {
            if options.readOnly { throw .noValidMeta(path: path, reason: "the file is empty") }
            try initialize(file, options)
            size = try onFile { () throws(FileError) in try file.size() }
        }
        if !options.readOnly {
            // Whoever created it may not have got so far as to make its name durable.
            try onFile { () throws(FileError) in try fileSystem.syncDirectory(parentDirectory(of: path)) }
        }
        let meta = try MetaPages.current(file, path, size)
        guard size >= meta.highWater * UInt64(meta.pageSize) else {
            throw .noValidMeta(path: path, reason: "the file has \(size) bytes, its pages need \(meta.highWater * UInt64(meta.pageSize))")
        }
        let region = try map(file, size, options)
        try lockMemory(region, size, path, options)
        let source = PageSource(path: path, meta: meta, region: region, limit: Int(size))
        // The tree itself says which pages are free, whatever list is stored; the walk also finds the damage that would
        // make writing dangerous.
        var freelist = Freelist()
        if !options.readOnly {
            var walk = PageWalk(source)
            freelist = Freelist(free: try walk.unreachablePages())
        }
        return Database(path: path, options: options, file: file, source: source, freelist: freelist)
    }

    private static func map(_ file: any File, _ size: UInt64, _ options: DatabaseOptions) throws(BBoltError) -> MappedRegion {
        var length = max(options.reservedMapBytes, options.pageSize)
        while length < Int(size) { length *= 2 }
        return try onFile { () throws(FileError) in try file.map(length: length) }
    }

    /// The pages that the file has; those that it may have one day cost nothing.
    private static func lockMemory(
        _ region: MappedRegion, _ size: UInt64, _ path: String, _ options: DatabaseOptions
    ) throws(BBoltError) {
        guard options.locksMemory else { return }
        do throws(FileError) {
            try region.lockInMemory(Int(size))
        } catch {
            throw .memoryLock(path: path, reason: error.reason)
        }
    }

    /// Of a new file: two metas, the freelist, the root.
    private static let initialPages: UInt64 = 4

    /// Empty, or left behind by a creation that a crash interrupted before there was a meta.
    private static func isUnbegun(_ file: any File, _ size: UInt64, _ options: DatabaseOptions) throws(BBoltError) -> Bool {
        if size == 0 { return true }
        if size > initialPages * UInt64(options.pageSize) { return false }
        return try onFile { () throws(FileError) in
            try file.read(count: 2 * options.pageSize, at: 0).allSatisfy { $0 == 0 }
        }
    }

    /// Two metas, an empty freelist and an empty leaf as root, as bbolt begins. The metas come last, so that there is
    /// either none or one with all it needs.
    private static func initialize(_ file: any File, _ options: DatabaseOptions) throws(BBoltError) {
        let size = options.pageSize
        var metas: [UInt8] = []
        for transaction in 0...1 {
            metas += Meta(
                pageSize: UInt32(size), root: 3, freelist: 2, highWater: initialPages, transaction: UInt64(transaction)
            ).page(size: size)
        }
        let pages = FreelistPage.encode([], page: 2, pages: 1, pageSize: size) + Node.encode([], isLeaf: true, page: 3, pageSize: size)
        try onFile { () throws(FileError) in
            try file.write(Bytes(pages), at: 2 * UInt64(size))
            try file.synchronizeData()
            try file.write(Bytes(metas), at: 0)
            try file.synchronizeData()
        }
    }

    // MARK: Transactions

    /// The state after the last commit. From any thread.
    package func beginRead() -> ReadTransaction {
        let source = state.withLock { state in
            state.readers[state.source.meta.transaction, default: 0] += 1
            return state.source
        }
        return ReadTransaction(source: source) { [self] in endRead($0) }
    }

    private func endRead(_ transaction: TransactionID) {
        state.withLock { state in
            let left = (state.readers[transaction] ?? 1) - 1
            state.readers[transaction] = left == 0 ? nil : left
        }
    }

    /// One at a time: the caller's thread owns it until commit or rollback.
    package func beginWrite() throws(BBoltError) -> WriteTransaction {
        if options.readOnly { throw .readOnly }
        let begun: Result<(PageSource, Freelist), BBoltError> = state.withLock { state in
            if state.hasFailed || state.isClosed { return .failure(.failedBefore(path: path)) }
            guard var freelist = state.freelist.take() else { preconditionFailure("one write transaction at a time") }
            freelist.release(readers: state.readers.keys.sorted())
            return .success((state.source, freelist))
        }
        let (source, freelist) = try begun.get()
        return WriteTransaction(database: self, source: source, freelist: freelist)
    }

    /// A transaction that changed nothing on disk is over.
    func abandonWrite(_ freelist: Freelist, by transaction: TransactionID) {
        var freelist = freelist
        freelist.undo(transaction)
        state.withLock { $0.freelist = freelist }
    }

    func failWrite() {
        state.withLock { $0.hasFailed = true }
    }

    func finishWrite(meta: Meta, freelist: Freelist) throws(BBoltError) {
        let size = try onFile { () throws(FileError) in try file.size() }
        var (region, limit) = state.withLock { ($0.source.region, $0.source.limit) }
        if Int(size) > region.bytes.count {
            // Readers may keep the old one for long.
            if options.locksMemory { region.unlockFromMemory() }
            region = try Self.map(file, size, options)
            limit = 0
        }
        if Int(size) > limit { try Self.lockMemory(region, size, path, options) }
        let source = PageSource(path: path, meta: meta, region: region, limit: Int(size))
        state.withLock { state in
            state.source = source
            state.freelist = freelist
            state.statistics = Self.statistics(source, freelist)
        }
    }

    /// Writes the pages, syncs, writes the meta, syncs.
    func write(_ dirty: [(page: PageID, bytes: [UInt8])], meta: Meta) throws(BBoltError) {
        let pageSize = UInt64(meta.pageSize)
        let needed = meta.highWater * pageSize
        try onFile { () throws(FileError) in
            let size = try file.size()
            if needed > size {
                let step = options.growStepBytes
                try file.truncate(to: (needed + step - 1) / step * step)
            }
            // Neighbouring pages in one write each, up to a bounded buffer.
            let sorted = dirty.sorted { $0.page < $1.page }
            var buffer: [UInt8] = []
            var start: UInt64 = 0
            for (page, bytes) in sorted {
                if start + UInt64(buffer.count) != page * pageSize || buffer.count >= Self.writeBufferSize {
                    try flush(&buffer, at: start)
                    start = page * pageSize
                }
                buffer += bytes
            }
            try flush(&buffer, at: start)
            if !options.noSync { try file.synchronizeData() }
            try file.write(Bytes(meta.page(size: Int(pageSize))), at: meta.transaction % 2 * pageSize)
            if !options.noSync { try file.synchronizeData() }
        }
    }

    /// Large enough that the system call's cost is lost in the copying.
    private static let writeBufferSize = 1 << 20

    private func flush(_ buffer: inout [UInt8], at offset: UInt64) throws(FileError) {
        if buffer.isEmpty { return }
        try file.write(Bytes(buffer), at: offset)
        buffer.removeAll(keepingCapacity: true)
    }

    // MARK: The rest

    package var statistics: DatabaseStatistics {
        state.withLock { state in
            var statistics = state.statistics
            statistics.openReadTransactions = state.readers.values.reduce(0, +)
            return statistics
        }
    }

    /// Makes everything written so far durable, after commits without sync.
    package func synchronize() throws(BBoltError) {
        try onFile { () throws(FileError) in try file.synchronizeData() }
    }

    /// Reads the file itself, past the mapping: for copies of the whole.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(BBoltError) -> Int {
        try onFile { () throws(FileError) in try file.read(into: buffer, at: offset) }
    }

    /// Lets go of the lock. Read transactions that are still open stay readable.
    package func close() {
        state.withLock { $0.isClosed = true }
        // A mapping that is still read keeps the file's description, and with it the lock, alive: let go of it first.
        try? file.unlock()
        file.close()
    }
}
