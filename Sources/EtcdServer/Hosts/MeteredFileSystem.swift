// The system's files with a stopwatch: how long writes and syncs of the WAL take, and what a snapshot's file costs. The
// rooms that write them know no clock.

import Base
import Dispatch
import FileIO
import Metrics
import Synchronization

/// What the stopwatch has seen. Written on the threads that work on the disk, read where the page is made.
final class DiskMeter: Sendable {
    struct Figures: Sendable {
        // Bounds as etcd's.
        var walWrite = Histogram(start: 0.001, factor: 2, count: 14)
        var walSync = Histogram(start: 0.001, factor: 2, count: 14)
        var snapshotMarshalling = Histogram(start: 0.001, factor: 2, count: 14)
        var snapshotWrite = Histogram(start: 0.001, factor: 2, count: 14)
        var snapshotTotal = Histogram(start: 0.001, factor: 2, count: 14)
        var databaseSync = Histogram(start: 0.001, factor: 2, count: 14)
        var databaseTotal = Histogram(start: 0.1, factor: 2, count: 10)
        /// When the log's work, or its last step on the disk, ended: what comes before the next is computation.
        fileprivate var idleSince: UInt64 = 0
    }

    private let figures = Mutex(Figures())

    /// All that was measured so far.
    var all: Figures { figures.withLock { $0 } }

    /// The log's owner takes up its next requests.
    func begins() {
        let now = DispatchTime.now().uptimeNanoseconds
        figures.withLock { $0.idleSince = now }
    }

    /// A database from a leader is durable.
    /// - Parameters: nanoseconds, of the last step and of all.
    func received(finishing: UInt64, total: UInt64) {
        figures.withLock { figures in
            figures.databaseSync.observe(Double(finishing) / 1e9)
            figures.databaseTotal.observe(Double(total) / 1e9)
        }
    }

    fileprivate func wrote(_ kind: MeteredFile.Kind, _ seconds: Double) {
        figures.withLock { figures in
            // A snapshot's write is part of what its sync ends.
            guard kind == .log else { return }
            figures.walWrite.observe(seconds)
            figures.idleSince = DispatchTime.now().uptimeNanoseconds
        }
    }

    fileprivate func synchronized(_ kind: MeteredFile.Kind, opened: UInt64, _ seconds: Double) {
        let now = DispatchTime.now().uptimeNanoseconds
        figures.withLock { figures in
            switch kind {
            case .log: figures.walSync.observe(seconds)
            case .snapshot:
                let whole = Double(now - opened) / 1e9
                let before =
                    opened > figures.idleSince && figures.idleSince > 0 ? Double(opened - figures.idleSince) / 1e9 : 0
                figures.snapshotMarshalling.observe(before)
                figures.snapshotWrite.observe(whole)
                figures.snapshotTotal.observe(before + whole)
            }
            figures.idleSince = now
        }
    }
}

struct MeteredFileSystem: FileSystem {
    let meter: DiskMeter
    /// Whose files are the WAL's.
    let walDirectory: String
    private let base = POSIXFileSystem()

    init(meter: DiskMeter, walDirectory: String) {
        self.meter = meter
        self.walDirectory = walDirectory
    }

    func open(_ path: String, _ options: OpenOptions) throws(FileError) -> any File {
        let file = try base.open(path, options)
        guard options.write else { return file }
        if path.hasSuffix(".snap") { return MeteredFile(file, .snapshot, meter) }
        // A new log is made beside its place, and renamed.
        let directory = parentDirectory(of: path)
        return directory == walDirectory || directory == walDirectory + ".tmp" ? MeteredFile(file, .log, meter) : file
    }

    func createDirectory(_ path: String, mode: UInt16) throws(FileError) { try base.createDirectory(path, mode: mode) }
    func list(_ path: String) throws(FileError) -> [String] { try base.list(path) }
    func status(_ path: String) throws(FileError) -> FileStatus? { try base.status(path) }
    func rename(_ source: String, to target: String) throws(FileError) { try base.rename(source, to: target) }
    func remove(_ path: String) throws(FileError) { try base.remove(path) }
    func removeTree(_ path: String) throws(FileError) { try base.removeTree(path) }
    func syncDirectory(_ path: String) throws(FileError) { try base.syncDirectory(path) }
}

private final class MeteredFile: File {
    enum Kind {
        case log
        case snapshot
    }

    private let base: any File
    private let kind: Kind
    private let meter: DiskMeter
    private let opened = DispatchTime.now().uptimeNanoseconds

    init(_ base: any File, _ kind: Kind, _ meter: DiskMeter) {
        self.base = base
        self.kind = kind
        self.meter = meter
    }

    private func timed(_ body: () throws(FileError) -> Void) throws(FileError) -> Double {
        let begun = DispatchTime.now().uptimeNanoseconds
        try body()
        return Double(DispatchTime.now().uptimeNanoseconds - begun) / 1e9
    }

    var path: String { base.path }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
        meter.wrote(kind, try timed { () throws(FileError) in try base.write(buffer, at: offset) })
    }

    func write(_ pieces: [Bytes], at offset: UInt64) throws(FileError) {
        meter.wrote(kind, try timed { () throws(FileError) in try base.write(pieces, at: offset) })
    }

    func synchronizeData() throws(FileError) {
        meter.synchronized(kind, opened: opened, try timed { () throws(FileError) in try base.synchronizeData() })
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int {
        try base.read(into: buffer, at: offset)
    }
    func size() throws(FileError) -> UInt64 { try base.size() }
    func truncate(to size: UInt64) throws(FileError) { try base.truncate(to: size) }
    func preallocate(to size: UInt64) throws(FileError) { try base.preallocate(to: size) }
    func tryLock() throws(FileError) -> Bool { try base.tryLock() }
    func unlock() throws(FileError) { try base.unlock() }
    func map(length: Int) throws(FileError) -> MappedRegion { try base.map(length: length) }
    func close() { base.close() }
}
