// Against clients that send a request byte by byte and never end it: the head, and the body of a request that is read as a
// whole, must come within the time that etcd's HTTP server gives them.

import NIOCore

final class SlowRequestGuard: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    /// From a request's first byte to its last.
    private static let requestTimeout = TimeAmount.minutes(5)

    /// Since when a request is coming in; nil while none is.
    private var begun: NIODeadline?
    /// One for many requests: it looks whether the present one is late, and comes again when that one would be.
    private var timer: Scheduled<Void>?

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if begun == nil {
            begun = context.eventLoop.now
            if timer == nil { startTimer(context, Self.requestTimeout) }
        }
        context.fireChannelRead(data)
    }

    private func startTimer(_ context: ChannelHandlerContext, _ delay: TimeAmount) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: delay) {
            self.timer = nil
            guard let begun = self.begun else { return }
            let left = begun + Self.requestTimeout - context.eventLoop.now
            if left <= .zero { context.close(promise: nil) } else { self.startTimer(context, left) }
        }
    }

    /// The request is there, or need not end.
    func requestArrived() { begun = nil }

    func handlerRemoved(context: ChannelHandlerContext) {
        begun = nil
        timer?.cancel()
        timer = nil
    }
}
