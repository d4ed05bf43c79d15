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
        if size == 0 {
            if options.readOnly { throw .noValidMeta(path: path, reason: "the file is empty") }
            try initialize(file, path, fileSystem, options)
            size = try onFile { () throws(FileError) in try file.size() }
        }
        let meta = try readMeta(file, path, size)
        guard size >= meta.highWater * UInt64(meta.pageSize) else {
            throw .noValidMeta(path: path, reason: "the file has \(size) bytes, its pages need \(meta.highWater * UInt64(meta.pageSize))")
        }
        let region = try map(file, size, options)
        let source = PageSource(path: path, meta: meta, region: region, limit: Int(size))
        let freelist = options.readOnly ? Freelist() : try loadFreelist(source)
        return Database(path: path, options: options, file: file, source: source, freelist: freelist)
    }

    private static func map(_ file: any File, _ size: UInt64, _ options: DatabaseOptions) throws(BBoltError) -> MappedRegion {
        var length = options.reservedMapBytes
        while length < Int(size) { length *= 2 }
        return try onFile { () throws(FileError) in try file.map(length: length) }
    }

    /// Two metas, an empty freelist and an empty leaf as root, as bbolt begins.
    private static func initialize(
        _ file: any File, _ path: String, _ fileSystem: any FileSystem, _ options: DatabaseOptions
    ) throws(BBoltError) {
        let size = options.pageSize
        var bytes: [UInt8] = []
        for transaction in 0...1 {
            bytes += Meta(
                pageSize: UInt32(size), root: 3, freelist: 2, highWater: 4, transaction: UInt64(transaction)
            ).page(size: size)
        }
        var freelist = [UInt8](repeating: 0, count: size)
        freelist.store(UInt64(2), at: 0)
        freelist.store(PageLayout.freelistFlag, at: 8)
        bytes += freelist + Node.encode([], isLeaf: true, page: 3, pageSize: size)
        try onFile { () throws(FileError) in
            try file.write(Bytes(bytes), at: 0)
            try file.synchronizeData()
            try fileSystem.syncDirectory(parentDirectory(of: path))
        }
    }

    /// The valid meta of the later transaction.
    private static func readMeta(_ file: any File, _ path: String, _ size: UInt64) throws(BBoltError) -> Meta {
        func meta(at offset: UInt64) throws(BBoltError) -> Result<Meta, MetaProblem> {
            let bytes = try onFile { () throws(FileError) in
                try file.read(count: PageLayout.headerSize + PageLayout.metaSize, at: offset)
            }
            return bytes.withUnsafeBytes { Meta.read($0) }
        }
        func isPlausible(_ meta: Meta) -> Bool {
            meta.pageSize >= 512 && meta.pageSize <= 1 << 24 && meta.pageSize.nonzeroBitCount == 1 && meta.highWater >= 3
                && meta.highWater < UInt64(Int.max) / UInt64(meta.pageSize)
        }
        var found: [Meta] = []
        var reason = "invalid database"
        switch try meta(at: 0) {
        case .success(let first): found.append(first)
        case .failure(let problem): reason = problem.reason
        }
        // The second meta is one page in, of a size the first may no longer tell.
        if let first = found.first, isPlausible(first) {
            if case .success(let second) = try meta(at: UInt64(first.pageSize)) { found.append(second) }
        } else {
            var offset: UInt64 = 512
            while offset <= 16 << 20, offset < size {
                if case .success(let second) = try meta(at: offset), UInt64(second.pageSize) == offset {
                    found.append(second)
                    break
                }
                offset *= 2
            }
        }
        guard let latest = found.filter(isPlausible).max(by: { $0.transaction < $1.transaction }) else {
            throw .noValidMeta(path: path, reason: reason)
        }
        return latest
    }

    private static func loadFreelist(_ source: PageSource) throws(BBoltError) -> Freelist {
        if source.meta.freelist == Meta.noFreelist {
            var walk = PageWalk(source)
            return Freelist(free: try walk.unreachablePages())
        }
        let page = source.meta.freelist
        let bytes = try source.bytes(page)
        guard bytes.number(8, as: UInt16.self) & PageLayout.freelistFlag != 0 else {
            throw source.problem(page, "not a freelist page")
        }
        var count = Int(bytes.number(10, as: UInt16.self))
        var offset = PageLayout.headerSize
        if count == Int(PageLayout.manyFreePages) {
            count = Int(clamping: bytes.number(offset, as: UInt64.self))
            offset += 8
        }
        guard count <= (bytes.count - offset) / 8 else { throw source.problem(page, "\(count) free pages do not fit") }
        var ids: [PageID] = []
        ids.reserveCapacity(count)
        for index in 0..<count {
            let id: PageID = bytes.number(offset + index * 8)
            guard id >= 2, id < source.meta.highWater else { throw source.problem(page, "free page \(id) is none of the file's") }
            ids.append(id)
        }
        ids.sort()
        for index in ids.indices.dropFirst() where ids[index] == ids[index - 1] {
            throw source.problem(page, "page \(ids[index]) is free twice")
        }
        return Freelist(free: ids)
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
        var region = state.withLock { $0.source.region }
        if Int(size) > region.bytes.count { region = try Self.map(file, size, options) }
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
