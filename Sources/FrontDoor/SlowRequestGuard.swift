// Against clients that send a request byte by byte and never end it: the head, and the body of a request that is read as a
// whole, must come within the time that etcd's HTTP server gives them.

import NIOCore

final class SlowRequestGuard: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// From a request's first byte to its last.
    private static let requestTimeout = TimeAmount.minutes(5)

    private var timeout: Scheduled<Void>?

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if timeout == nil {
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            timeout = context.eventLoop.scheduleTask(in: Self.requestTimeout) { bound.value.close(promise: nil) }
        }
        context.fireChannelRead(data)
    }

    /// The request is there, or need not end.
    func requestArrived() {
        timeout?.cancel()
        timeout = nil
    }

    func handlerRemoved(context: ChannelHandlerContext) { requestArrived() }
}
