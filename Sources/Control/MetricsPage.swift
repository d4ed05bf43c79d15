// A member's page of metrics, by one plain request over HTTP/1.0, with TLS where the endpoint says so.

import CommandLineKit
import EtcdClient
import FoundationEssentials
import NIOCore
import NIOPosix
import NIOSSL

enum MetricsPage {
    /// A page is some hundred kilobytes; what is much longer is none.
    private static let bytesMax = 16 << 20
    private static let connectTimeout = TimeAmount.seconds(5)

    /// The value of a metric without labels.
    /// - Returns: nil if the page has none of this name.
    static func value(of name: String, at endpoint: String, security: TransportSecurity?) async throws(CommandExit)
        -> Double?
    {
        let text = try await text(at: endpoint, security: security)
        return text.split(whereSeparator: \.isNewline).first { $0.hasPrefix(name + " ") }.flatMap {
            Double($0.dropFirst(name.count + 1))
        }
    }

    private static func text(at endpoint: String, security: TransportSecurity?) async throws(CommandExit) -> String {
        let address = endpoint.contains("://") ? endpoint : (security == nil ? "http://" : "https://") + endpoint
        guard let url = URL(string: address), let host = url.host, let scheme = url.scheme,
            ["http", "https"].contains(scheme)
        else {
            throw CommandExit(ExitCode.error, "fetch error: \(endpoint) is no address of HTTP")
        }
        var received: [UInt8] = []
        do {
            let tls = scheme == "https" ? try (security ?? TransportSecurity()).context(protocols: []) : nil
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connectTimeout(
                connectTimeout
            ).connect(
                host: host,
                port: url.port ?? 2379
            ) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        let isNumeric = (try? SocketAddress(ipAddress: host, port: 0)) != nil
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: isNumeric ? nil : host)
                        )
                    }
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
            try await channel.executeThenClose { inbound, outbound in
                try await outbound.write(ByteBuffer(string: "GET /metrics HTTP/1.0\r\nHost: \(host)\r\n\r\n"))
                for try await chunk in inbound {
                    received += chunk.readableBytesView
                    if received.count > bytesMax { throw CommandExit(ExitCode.error, "the page has no end") }
                }
            }
        } catch {
            // The end of a page may come without TLS's goodbye; a page that was cut lacks what is looked for.
            if received.isEmpty { throw CommandExit(ExitCode.error, "fetch error: \(error)") }
        }
        return String(decoding: received, as: UTF8.self)
    }
}
