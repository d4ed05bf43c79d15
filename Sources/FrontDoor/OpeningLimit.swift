// Against clients that connect and say nothing, or never end their TLS handshake: they would hold a connection for ever.

import NIOCore

/// Closes a connection that has not said in time what it speaks. Confined to the connection's event loop.
final class OpeningLimit {
    /// As long as gRPC's server in Go gives; the TLS handshake is counted.
    static let duration = TimeAmount.seconds(120)

    private let duration: TimeAmount
    private var timeout: Scheduled<Void>?

    init(_ duration: TimeAmount = OpeningLimit.duration) { self.duration = duration }

    /// - Parameter context: of a handler behind that of TLS.
    func begin(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        timeout = context.eventLoop.scheduleTask(in: duration) { bound.value.close(promise: nil) }
    }

    /// It has.
    func end() {
        timeout?.cancel()
        timeout = nil
    }
}
