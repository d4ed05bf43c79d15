// One page of a member over HTTP/1, on a connection of its own: the proxy's `/metrics` is that of a member.

import NIOCore
import NIOHTTP1
import NIOPosix
import TransportSecurity

struct MemberPage: Sendable {
    let group: any EventLoopGroup
    /// Nil where members are spoken to in plain text.
    let tls: ClientTLSSettings?

    private static let timeout = TimeAmount.seconds(5)
    /// A page of metrics has some hundred kilobytes.
    private static let bytesMax = 16 << 20

    struct Failure: Error {}

    func get(_ path: String, host: String, port: Int, isSecure: Bool) async throws -> [UInt8] {
        let loop = group.next()
        let done = loop.makePromise(of: [UInt8].self)
        let (tls, bytesMax) = (tls, Self.bytesMax)
        let connecting = ClientBootstrap(group: loop).connectTimeout(Self.timeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if isSecure {
                        let security = try ClientTLS(tls ?? ClientTLSSettings())
                        try channel.pipeline.syncOperations.addHandler(try security.handler(host: host))
                    }
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(Collector(done, bytesMax: bytesMax))
                }
            }
            .connect(host: host, port: port)
        connecting.whenFailure { done.fail($0) }
        let channel = try await connecting.get()
        let clock = loop.scheduleTask(in: Self.timeout) { channel.close(promise: nil) }
        defer {
            clock.cancel()
            channel.close(promise: nil)
        }
        let head = HTTPRequestHead(
            version: .http1_1,
            method: .GET,
            uri: path,
            headers: ["host": "\(host):\(port)", "connection": "close"]
        )
        channel.write(HTTPClientRequestPart.head(head), promise: nil)
        channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        return try await done.futureResult.get()
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = HTTPClientResponsePart

        private var done: EventLoopPromise<[UInt8]>?
        private let bytesMax: Int
        private var body: [UInt8] = []
        private var isGood = false

        init(_ done: EventLoopPromise<[UInt8]>, bytesMax: Int) {
            self.done = done
            self.bytesMax = bytesMax
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head): isGood = head.status == .ok
            case .body(let part):
                body.append(contentsOf: part.readableBytesView)
                if body.count > bytesMax { finish(false) }
            case .end: finish(isGood)
            }
        }

        private func finish(_ isGood: Bool) {
            if isGood { done?.succeed(body) } else { done?.fail(Failure()) }
            done = nil
        }

        func channelInactive(context: ChannelHandlerContext) {
            finish(false)
            context.fireChannelInactive()
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            finish(false)
            context.close(promise: nil)
        }
    }
}
