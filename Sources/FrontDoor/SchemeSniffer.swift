// The first handler of a connection to a port that is named with both http and https: TLS begins with a byte that no
// request begins with.

package import NIOCore

package final class SchemeSniffer: ChannelInboundHandler, RemovableChannelHandler {
    package typealias InboundIn = ByteBuffer

    /// A TLS record of a handshake (RFC 8446, section 5.1).
    private static let handshake: UInt8 = 22

    private let decided: (_ isSecure: Bool) throws -> Void
    private let limit = OpeningLimit()

    /// - Parameter decided: adds the handlers for what the connection speaks.
    package init(_ decided: @escaping (_ isSecure: Bool) throws -> Void) { self.decided = decided }

    package func handlerAdded(context: ChannelHandlerContext) { limit.begin(context) }

    package func handlerRemoved(context: ChannelHandlerContext) { limit.end() }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let first = unwrapInboundIn(data).readableBytesView.first else { return }
        do {
            try decided(first == Self.handshake)
        } catch {
            return context.close(promise: nil)
        }
        context.fireChannelRead(data)
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}
