// Half of a connection through the gateway: what one side sends is written to the other, and no more is read than the
// other side takes. The end of one direction is passed on as such; the other direction lives on.

import NIOCore

/// Two of these, one on each channel, both on one event loop.
final class GlueHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Nil once the pair is over: what cuts the circle of the two.
    private var partner: GlueHandler?
    private var context: ChannelHandlerContext?
    /// The channel asked to read while the other side was full.
    private var hasPendingRead = false

    private init() {}

    static func pair() -> (GlueHandler, GlueHandler) {
        let (first, second) = (GlueHandler(), GlueHandler())
        first.partner = second
        second.partner = first
        return (first, second)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        partner = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        partner?.write(unwrapInboundIn(data))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        partner?.context?.flush()
        context.fireChannelReadComplete()
    }

    private func write(_ buffer: ByteBuffer) {
        context?.write(wrapOutboundOut(buffer), promise: nil)
    }

    /// Reads only while the other side takes what is read.
    func read(context: ChannelHandlerContext) {
        if let partner, partner.isWritable { context.read() } else { hasPendingRead = true }
    }

    private var isWritable: Bool { context?.channel.isWritable ?? false }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { partner?.resumeReading() }
        context.fireChannelWritabilityChanged()
    }

    private func resumeReading() {
        guard hasPendingRead else { return }
        hasPendingRead = false
        context?.read()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { partner?.endOutput() }
        context.fireUserInboundEventTriggered(event)
    }

    /// After what is written already.
    private func endOutput() {
        guard let context else { return }
        context.flush()
        context.close(mode: .output, promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        let other = partner
        partner = nil
        other?.finish()
        context.fireChannelInactive()
    }

    /// The other side is gone altogether.
    private func finish() {
        partner = nil
        guard let context else { return }
        context.flush()
        context.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
