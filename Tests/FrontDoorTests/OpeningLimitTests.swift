// Connections that do not say what they want: on a turned clock, and over real sockets with a limit that is short.

import Foundation
import NIOCore
import NIOEmbedded
import NIOPosix
import Testing
import TransportSecurity

@testable import FrontDoor

/// As the first handler behind TLS: keeps the limit until something can be read.
private final class Opening: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    let limit: OpeningLimit

    init(_ limit: OpeningLimit = OpeningLimit()) { self.limit = limit }

    func handlerAdded(context: ChannelHandlerContext) { limit.begin(context) }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) { limit.end() }
}

@Suite("Connections that say nothing")
struct OpeningLimitTests {
    /// The beginning of a ClientHello: what follows never comes.
    private static let halfHello = ByteBuffer(bytes: [22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3, 1, 2, 3])

    private func withTLS<T>(_ body: (ServerTLS) throws -> T) throws -> T {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("opening-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let files = try SelfSignedCertificate.files(in: folder, hosts: ["127.0.0.1:1"], validYears: 1)
        return try body(ServerTLS(TLSSettings(certificateFile: files.certificate, keyFile: files.key)))
    }

    private func connected(_ handlers: (EmbeddedChannel) throws -> Void) throws -> EmbeddedChannel {
        let channel = EmbeddedChannel()
        try handlers(channel)
        channel.connect(to: try SocketAddress(unixDomainSocketPath: "/test"), promise: nil)
        return channel
    }

    @Test(arguments: [false, true])
    func aHandshakeThatNeverEndsHasTwoMinutes(saysSomething: Bool) throws {
        try withTLS { tls in
            let channel = try connected { channel in
                try tls.secure(channel, named: { _ in }, rejected: { _ in })
                try channel.pipeline.syncOperations.addHandler(Opening())
            }
            channel.embeddedEventLoop.advanceTime(by: .seconds(100))
            if saysSomething { try channel.writeInbound(Self.halfHello) }
            channel.embeddedEventLoop.advanceTime(by: .seconds(19))
            #expect(channel.isActive)
            channel.embeddedEventLoop.advanceTime(by: .seconds(1))
            #expect(!channel.isActive, "however much of it has come")
        }
    }

    @Test func whoHasSpokenMayTakeItsTime() throws {
        let channel = try connected { try $0.pipeline.syncOperations.addHandler(Opening()) }
        try channel.writeInbound(ByteBuffer(string: "GET"))
        channel.embeddedEventLoop.advanceTime(by: .hours(1))
        #expect(channel.isActive)
        _ = try? channel.finish()
    }

    @Test(.timeLimit(.minutes(1)))
    func aSocketIsClosed() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let loop = group.next()
        let tls = try await loop.submit { try self.withTLS { NIOLoopBound($0, eventLoop: loop) } }.get()
        let server = try await ServerBootstrap(group: loop)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try tls.value.secure(channel, named: { _ in }, rejected: { _ in })
                    try channel.pipeline.syncOperations.addHandler(Opening(OpeningLimit(.milliseconds(50))))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let address = try #require(server.localAddress)
        let client = try await ClientBootstrap(group: group).connect(to: address).get()
        // The limit may be over before this is written.
        try? await client.writeAndFlush(Self.halfHello)
        // It is the other side that ends it; without a limit this waits for ever.
        try await client.closeFuture.get()
        try await server.close()
    }
}
