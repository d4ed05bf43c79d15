// How much of what was answered on an HTTP/1 connection the client has not taken yet: what holds back those who produce
// answers without end.

import NIOCore

/// Confined to the connection's event loop.
final class UnsentBytes {
    private let channel: any Channel
    private(set) var count = 0
    private var callback: (() -> Void)?
    /// Below this much a paused producer may go on; as for streams of HTTP/2.
    private static let lowMarkBytes = 256 << 10

    init(_ channel: any Channel) {
        self.channel = channel
    }

    /// Writes and flushes a part that holds `size` bytes of an answer.
    func write(_ part: some Sendable, size: Int) {
        count += size
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        channel.writeAndFlush(part).whenComplete { _ in bound.value.taken(size) }
    }

    private func taken(_ size: Int) {
        count -= size
        guard count <= Self.lowMarkBytes, let callback, channel.isActive else { return }
        self.callback = nil
        callback()
    }

    /// Runs `body` once when most has been taken, never within this call.
    func whenWritable(_ body: @escaping () -> Void) {
        callback = body
        guard count <= Self.lowMarkBytes else { return }
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        channel.eventLoop.execute { bound.value.taken(0) }
    }

    /// Nobody is to be told any more.
    func forget() { callback = nil }
}
