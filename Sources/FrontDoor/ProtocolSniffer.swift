// The first handler of a client connection: HTTP/2 with prior knowledge announces itself in its first bytes, everything
// else is HTTP/1. Both share the port.

import HTTP2
package import NIOCore
import NIOHTTP1

package final class ProtocolSniffer: ChannelInboundHandler, RemovableChannelHandler {
    package typealias InboundIn = ByteBuffer

    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private let frontDoor: FrontDoor
    private let traffic: PortTraffic
    private let isSecure: Bool
    /// The common name of the client's verified certificate.
    package var certificateName: String?
    private var seen = ByteBuffer()
    private var isDecided = false

    private let limit = OpeningLimit()

    private func origin(_ context: ChannelHandlerContext) -> HTTPOrigin {
        HTTPOrigin(
            eventLoop: context.eventLoop, traffic: traffic, isSecure: isSecure, certificateName: certificateName, remote: context.remoteAddress,
            local: context.localAddress)
    }

    package init(_ frontDoor: FrontDoor, traffic: PortTraffic = .everything, isSecure: Bool = false) {
        self.frontDoor = frontDoor
        self.traffic = traffic
        self.isSecure = isSecure
    }

    package func handlerAdded(context: ChannelHandlerContext) { limit.begin(context) }

    package func handlerRemoved(context: ChannelHandlerContext) { limit.end() }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isDecided { return context.fireChannelRead(data) }
        var buffer = unwrapInboundIn(data)
        seen.writeBuffer(&buffer)
        let head = seen.readableBytesView.prefix(Self.preface.count)
        guard head.elementsEqual(Self.preface.prefix(head.count)) else { return decide(context, isHTTP2: false) }
        if head.count == Self.preface.count { decide(context, isHTTP2: true) }
    }

    private func decide(_ context: ChannelHandlerContext, isHTTP2: Bool) {
        isDecided = true
        let pipeline = context.pipeline.syncOperations
        do {
            if isHTTP2 {
                try pipeline.addHandler(
                    frontDoor.makeHTTP2Handler(origin(context)),
                    position: .last)
            } else if traffic.servesHTTP {
                try configureHTTP1(context)
            } else {
                return context.close(promise: nil)
            }
        } catch {
            return context.close(promise: nil)
        }
        context.fireChannelRead(NIOAny(seen))
        context.fireChannelReadComplete()
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func configureHTTP1(_ context: ChannelHandlerContext) throws {
        let pipeline = context.pipeline.syncOperations
        let router = HTTPRouter(frontDoor, origin(context))
        let guardian = SlowRequestGuard()
        let handler = HTTP1Handler(frontDoor, router, guardian)
        let bound = NIOLoopBound((handler, guardian), eventLoop: context.eventLoop)
        try pipeline.addHandler(guardian, position: .last)
        // The handler itself answers one request after the other: NIO's assistance stops and starts reading around each.
        try pipeline.configureHTTPServerPipeline(
            position: .last,
            withPipeliningAssistance: false,
            withServerUpgrade: (
                upgraders: [WebSocketConnection.upgrader(frontDoor, router, context.eventLoop)],
                completionHandler: { context in
                    // What is no HTTP any more may take as long as it likes.
                    context.pipeline.syncOperations.removeHandler(bound.value.0, promise: nil)
                    context.pipeline.syncOperations.removeHandler(bound.value.1, promise: nil)
                }
            ),
            withErrorHandling: true)
        try pipeline.addHandler(handler, position: .last)
        handler.raw = try pipeline.context(handler: guardian)
    }
}
