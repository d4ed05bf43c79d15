// The members as a domain's SRV records name them (`--discovery-srv`), and whether they show the right certificates.

import CommandLineKit
import NIOCore
import NIOPosix
import NIOTLS
import ServerConfiguration
import ServerLog
import ServiceLookup
import TransportSecurity

struct EndpointDiscovery {
    struct Found: Sendable, Equatable {
        let host: String
        let port: Int
        let priority: UInt16
        let weight: UInt16
        let isSecure: Bool

        var url: String { "\(isSecure ? "https" : "http")://\(host):\(port)" }
    }

    private let domain: String
    private let serviceName: String
    private let acceptsInsecure: Bool
    private let authorityFile: String
    private let logger: ServerLogger

    /// How long a member may take to show its certificate.
    private static let handshakeTimeout = TimeAmount.seconds(5)

    /// - Parameter caFlag: the flag that names the authorities of members' certificates.
    init(_ call: Invocation, caFlag: String, _ logger: ServerLogger) {
        domain = call.string("discovery-srv")
        serviceName = call.string("discovery-srv-name")
        acceptsInsecure = call.bool("insecure-discovery")
        authorityFile = call.string(caFlag)
        self.logger = logger
    }

    /// - Returns: nothing where no domain was named, or nothing there is to be trusted.
    func endpoints() async throws -> [Found] {
        if domain.isEmpty { return [] }
        let suffix = serviceName.isEmpty ? "" : "-\(serviceName)"
        var found: [Found] = []
        var failures: [String] = []
        for (isSecure, service) in [(true, "etcd-client-ssl"), (false, "etcd-client")] {
            do {
                found += try Self.look(up: "_\(service)\(suffix)._tcp.\(domain)", isSecure: isSecure)
            } catch {
                failures.append(error.message ?? "")
            }
        }
        if failures.count == 2 { throw CommandExit(1, "dns lookup errors: \(failures[0]) and \(failures[1])") }
        let place = LogField.string("srv-server", domain)
        logger.info("discovered cluster from SRV", [place, .strings("endpoints", found.map(\.url))])
        if acceptsInsecure { return found }
        logger.info("validating discovered SRV endpoints", [place, .strings("endpoints", found.map(\.url))])
        var good: [Found] = []
        var problems: [String] = []
        for endpoint in found {
            do {
                guard endpoint.isSecure else { throw TLSError("\(endpoint.url) is insecure") }
                try await validate(endpoint)
                good.append(endpoint)
            } catch {
                problems.append(String(describing: error))
            }
        }
        if problems.isEmpty {
            logger.info("using validated discovered SRV endpoints", [place, .strings("endpoints", good.map(\.url))])
        } else {
            logger.warn(
                "failed to validate discovered endpoints",
                [place, .strings("endpoints", good.map(\.url)), .error(problems.joined(separator: ","))]
            )
        }
        return good
    }

    /// Asks the system's resolver. Blocks.
    private static func look(up name: String, isSecure: Bool) throws(CommandExit) -> [Found] {
        do throws(ServiceLookupError) {
            return try ServiceLookup.lookRated(up: name).map {
                Found(
                    host: $0.record.host,
                    port: Int($0.record.port),
                    priority: $0.priority,
                    weight: $0.weight,
                    isSecure: isSecure
                )
            }
        } catch {
            throw CommandExit(1, error.description)
        }
    }

    /// - Throws: unless the member shows a certificate for the domain.
    private func validate(_ endpoint: Found) async throws {
        let settings = ClientTLSSettings(trustedCAFile: authorityFile)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let done = loop.makePromise(of: Void.self)
        let domain = domain
        let connecting = ClientBootstrap(group: loop).connectTimeout(Self.handshakeTimeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = try ClientTLS(settings)
                    try channel.pipeline.syncOperations.addHandler(try tls.handler(host: domain))
                    try channel.pipeline.syncOperations.addHandler(HandshakeObserver(done))
                }
            }
            .connect(host: endpoint.host, port: endpoint.port)
        connecting.whenFailure { done.fail($0) }
        let channel = try await connecting.get()
        let clock = loop.scheduleTask(in: Self.handshakeTimeout) { channel.close(promise: nil) }
        defer {
            clock.cancel()
            channel.close(promise: nil)
        }
        try await done.futureResult.get()
    }

    private final class HandshakeObserver: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let done: EventLoopPromise<Void>

        init(_ done: EventLoopPromise<Void>) { self.done = done }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .handshakeCompleted? = event as? TLSUserEvent { done.succeed() }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            done.fail(error)
            context.close(promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) { done.fail(ChannelError.eof) }
    }
}
