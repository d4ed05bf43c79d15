// The database of an incoming snapshot on its way to the disk: written under a passing name, made durable, renamed to the
// name under which a restart finds it.
//
// Disks are slow: `SnapshotFile` works on a thread of its own choosing, `SnapshotFileSink` brings it there.

package import Base
package import FileIO
package import NIOCore
package import NIOPosix
import Synchronization

/// Blocks; belongs on a thread for chores.
package struct SnapshotFile: Sendable {
    private let fileSystem: any FileSystem
    private let directory: String
    private let temporaryPath: String
    private let index: LogIndex
    private let file: any File
    private var sizeBytes: UInt64 = 0

    /// What is left of files under this name is nobody's: removed at the next start.
    package static let temporaryPrefix = "tmp"

    /// - Parameters:
    ///   - index: the last log index that the snapshot contains.
    ///   - serial: different for each file of this process, so that two senders don't share one.
    package init(_ fileSystem: any FileSystem, directory: String, index: LogIndex, serial: UInt64) throws(FileError) {
        self.fileSystem = fileSystem
        self.directory = directory
        self.index = index
        temporaryPath = "\(directory)/\(Self.temporaryPrefix)\(paddedHexadecimal(index))-\(serial)"
        file = try fileSystem.open(temporaryPath, .createOrTruncate)
    }

    /// `<index, 16 digits>.snap.db`
    package static func name(_ index: LogIndex) -> String { "\(paddedHexadecimal(index)).snap.db" }

    package mutating func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        try file.write(bytes, at: sizeBytes)
        sizeBytes += UInt64(bytes.count)
    }

    /// The file is durable under its name when this returns.
    package func finish() throws(FileError) {
        try file.synchronizeData()
        file.close()
        let path = "\(directory)/\(Self.name(index))"
        if try fileSystem.exists(path) {
            // The same snapshot has come before; etcd keeps the first.
            try fileSystem.remove(temporaryPath)
        } else {
            try fileSystem.rename(temporaryPath, to: path)
        }
        try fileSystem.syncDirectory(directory)
    }

    package func abandon() {
        file.close()
        try? fileSystem.remove(temporaryPath)
    }
}

/// Takes the pieces from the event loop to a thread pool, one behind the other; on the loop.
package final class SnapshotFileSink: SnapshotSink {
    /// What the pool's threads share: one step at a time has it.
    private final class Shared: Sendable {
        let file = Mutex<SnapshotFile?>(nil)
    }

    private let pool: NIOThreadPool
    private let loop: any EventLoop
    private let shared = Shared()
    /// The last step; each begins after the one before, and not at all if that failed.
    private var last: EventLoopFuture<Void>

    /// - Parameters:
    ///   - pool: has been started.
    ///   - open: makes the file; runs in `pool`.
    package init(pool: NIOThreadPool, eventLoop: any EventLoop, open: @escaping @Sendable () throws -> SnapshotFile) {
        self.pool = pool
        loop = eventLoop
        last = eventLoop.makeSucceededVoidFuture()
        _ = then { file in file = try open() }
    }

    package func write(_ bytes: ByteBuffer) -> EventLoopFuture<Void> {
        then { file in
            try bytes.withUnsafeReadableBytes { try file?.append($0) }
        }
    }

    package func finish() -> EventLoopFuture<Void> {
        then { file in
            try file?.finish()
            file = nil
        }
    }

    package func cancel() {
        last = last.flatMapError { [loop] _ in loop.makeSucceededVoidFuture() }
        _ = then { file in
            file?.abandon()
            file = nil
        }
    }

    private func then(_ step: @escaping @Sendable (inout SnapshotFile?) throws -> Void) -> EventLoopFuture<Void> {
        last = last.flatMap { [pool, loop, shared] in
            pool.runIfActive(eventLoop: loop) { try shared.file.withLock { try step(&$0) } }
        }
        return last
    }
}
