// The database of an outgoing snapshot, read piece by piece off the loop.

import BBolt
import NIOCore
import NIOPosix
import PeerTransport

/// Confined to one event loop; the pieces are read in a pool.
final class PinnedSnapshot: SnapshotSource {
    let sizeBytes: UInt64
    private var image: DatabaseImage?
    private var position: UInt64 = 0
    private let pool: NIOThreadPool
    private let loop: any EventLoop

    init(_ image: DatabaseImage, pool: NIOThreadPool, eventLoop: any EventLoop) {
        self.image = image
        sizeBytes = image.sizeBytes
        self.pool = pool
        loop = eventLoop
    }

    func next(bytesMax: Int) -> EventLoopFuture<ByteBuffer?> {
        guard let image, position < sizeBytes else { return loop.makeSucceededFuture(nil) }
        let start = position
        position = min(sizeBytes, position + UInt64(bytesMax))
        return pool.runIfActive(eventLoop: loop) { ByteBuffer(bytes: image.read(from: start, count: bytesMax)) }
    }

    /// Lets go of the state of the file, whose pages may then be used again.
    func close() { image = nil }
}
