// The first handler of a client connection: HTTP/2 with prior knowledge announces itself in its first bytes, everything
// else is HTTP/1. Both share the port.

import HTTP2
package import NIOCore
import NIOHTTP1

package final class ProtocolSniffer: ChannelInboundHandler, RemovableChannelHandler {
    package typealias InboundIn = ByteBuffer

    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private let frontDoor: FrontDoor
    /// The common name of the client's verified certificate.
    package var certificateName: String?
    private var seen = ByteBuffer()
    private var isDecided = false

    package init(_ frontDoor: FrontDoor) {
        self.frontDoor = frontDoor
    }

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
                try pipeline.addHandler(frontDoor.makeHTTP2Handler(certificateName: certificateName), position: .last)
            } else {
                try pipeline.configureHTTPServerPipeline(position: .last, withErrorHandling: true)
                try pipeline.addHandler(HTTP1Handler(frontDoor), position: .last)
            }
        } catch {
            return context.close(promise: nil)
        }
        context.fireChannelRead(NIOAny(seen))
        context.fireChannelReadComplete()
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

}
