// The database of an incoming snapshot on its way to the disk. Disks are slow: each step runs in a pool of threads.

import Base
import Dispatch
import FileIO
import NIOCore
import NIOPosix
import PeerTransport
import Replica
import Synchronization

/// Takes the pieces from the event loop to a thread pool, one behind the other; on the loop.
final class SnapshotFileSink: SnapshotSink {
    /// What the pool's threads share: one step at a time has it.
    private final class Shared: Sendable {
        let receiver = Mutex<SnapshotReceiver?>(nil)
    }

    private let pool: NIOThreadPool
    private let loop: any EventLoop
    private let shared = Shared()
    private let meter: DiskMeter
    private let begun = DispatchTime.now().uptimeNanoseconds
    /// The last step; each begins after the one before, and not at all if that failed.
    private var last: EventLoopFuture<Void>

    /// - Parameters:
    ///   - pool: has been started.
    ///   - open: makes the file; runs in `pool`.
    init(
        pool: NIOThreadPool,
        eventLoop: any EventLoop,
        meter: DiskMeter,
        open: @escaping @Sendable () throws -> SnapshotReceiver
    ) {
        self.pool = pool
        self.meter = meter
        loop = eventLoop
        last = eventLoop.makeSucceededVoidFuture()
        then { shared in
            // Nobody else holds the lock: steps follow each other.
            try shared.receiver.withLock { (held: inout sending SnapshotReceiver?) in held = try open() }
        }
    }

    func write(_ bytes: ByteBuffer) -> EventLoopFuture<Void> {
        let piece = Bytes(Array(bytes.readableBytesView))
        return then { shared in
            try shared.receiver.withLock { (held: inout sending SnapshotReceiver?) in try held?.append(piece) }
        }
    }

    func finish() -> EventLoopFuture<Void> {
        then { [meter, begun] shared in
            let finishing = DispatchTime.now().uptimeNanoseconds
            try shared.receiver.withLock { (held: inout sending SnapshotReceiver?) in try held.take()?.finish() }
            let now = DispatchTime.now().uptimeNanoseconds
            meter.received(finishing: now - finishing, total: now - begun)
        }
    }

    func cancel() {
        last = last.flatMapError { [loop] _ in loop.makeSucceededVoidFuture() }
        then { shared in
            shared.receiver.withLock { (held: inout sending SnapshotReceiver?) in held.take()?.abandon(POSIXFileSystem()) }
        }
    }

    @discardableResult
    private func then(_ step: @escaping @Sendable (Shared) throws -> Void) -> EventLoopFuture<Void> {
        last = last.flatMap { [pool, loop, shared] in
            pool.runIfActive(eventLoop: loop) { try step(shared) }
        }
        return last
    }
}
