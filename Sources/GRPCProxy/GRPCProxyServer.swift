// A proxy that speaks gRPC: one port for clients, a client library towards the members, and in between the services that
// cache ranges, share watches and lease renewals, and keep a namespace apart.

import EtcdClient
import EtcdWire
import FoundationEssentials
import HTTP2
import NIOCore
import NIOHTTP1
import NIOPosix
import ServerLog
import TransportSecurity

/// Listens until the process ends. Clients' connections live on one event loop; calls are served by tasks.
final class GRPCProxyServer: Sendable {
    struct Settings: Sendable {
        var http2: HTTP2ServerSettings
        /// The prefix of all keys; empty for none.
        var namespace = ""
        /// Where the keys are by which keys are kept in memory; empty for none.
        var leasingPrefix = ""
        /// Serializable reads never go back in time.
        var isOrdered = false
        var cluster = ClusterService.Settings()
        /// For the page of a member's metrics.
        var memberTLS: ClientTLSSettings?
        /// Of the port for clients; nil for plain text.
        var clientTLS: TLSSettings?
        /// On the port for clients.
        var servesProfiles = false
    }

    private let settings: Settings
    private let services: ProxyServices
    private let leasing: LeasingKV?
    private let pages: ProxyPages
    private let logger: ServerLogger
    private let loop: any EventLoop

    /// Connections that may wait to be accepted.
    private static let backlog: Int32 = 1024

    init(_ client: Client, _ settings: Settings, _ logger: ServerLogger) {
        self.settings = settings
        self.logger = logger
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        loop = group.next()
        let upstream = Upstream(client: client)
        let namespace = KeyNamespace(settings.namespace)
        leasing =
            settings.leasingPrefix.isEmpty
            ? nil : LeasingKV(client, prefix: settings.leasingPrefix, within: settings.namespace)
        services = ProxyServices(
            upstream: upstream,
            keys: KeyService(upstream, namespace, isOrdered: settings.isOrdered, leasing: leasing),
            leases: LeaseService(upstream),
            watches: WatchService(upstream, namespace),
            cluster: ClusterService(upstream, namespace, settings.cluster, logger),
            namespace: namespace
        )
        let memberTLS = settings.memberTLS
        pages = ProxyPages(
            services: services,
            memberMetrics: {
                let text = client.endpoints.randomElement() ?? ""
                guard let endpoint = HostAndPort(endpoint: text) else { throw MemberPage.Failure() }
                let isSecure = text.contains("://") ? text.hasPrefix("https") : memberTLS != nil
                return try await MemberPage(group: group, tls: memberTLS)
                    .get("/metrics", host: endpoint.host, port: endpoint.port, isSecure: isSecure)
            },
            isAdvertised: !settings.cluster.advertisedAddress.isEmpty
        )
    }

    /// Begins to register the proxy, if it is to be known to others, and to have a session, if it keeps keys.
    func register() {
        services.cluster.start()
        if let leasing { Task { await leasing.keepSession() } }
    }

    /// Waits for the members where order across them is promised.
    func waitForMembers() async {
        guard settings.isOrdered else { return }
        logger.info("waiting for linearized read from cluster to recover ordering")
        while true {
            do {
                return try await services.probe(timeout: .seconds(5))
            } catch {
                if error == .permissionDenied { return }
                logger.warn("ordering recovery failed, retrying in 1s", [.error(error)])
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// Takes connections of clients, of gRPC and for pages.
    func listen(_ address: HostAndPort) async throws -> any Channel {
        try await bind(address, isSecure: settings.clientTLS != nil, pagesOnly: false)
    }

    /// Takes connections for pages alone.
    func listenForMetrics(_ address: HostAndPort, isSecure: Bool) async throws -> any Channel {
        try await bind(address, isSecure: isSecure && settings.clientTLS != nil, pagesOnly: true)
    }

    private func bind(_ address: HostAndPort, isSecure: Bool, pagesOnly: Bool) async throws -> any Channel {
        let (services, logger, loop) = (services, logger, loop)
        var pages = pages
        pages.servesProfiles = settings.servesProfiles && !pagesOnly
        let http2 = settings.http2
        let clientTLS = isSecure ? settings.clientTLS : nil
        // Files that don't fit are an error now, not with the first connection.
        let tls = try await loop.submit { NIOLoopBound(try clientTLS.map { try ServerTLS($0) }, eventLoop: loop) }.get()
        return try await ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: Self.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelInitializer { [pages] channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls = tls.value {
                        let remote = channel.remoteAddress.map(String.init(describing:)) ?? ""
                        try tls.secure(
                            channel,
                            named: { _ in },
                            rejected: { reason in
                                logger.warn("rejected connection", [.string("remote-addr", remote), .error(reason)])
                            }
                        )
                    }
                    if pagesOnly {
                        try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
                        return try channel.pipeline.syncOperations.addHandler(PageHandler(pages))
                    }
                    let sniffer = ProtocolSniffer(pages: pages) {
                        HTTP2ServerHandler(application: ProxyConnection(services, pages, loop), settings: http2)
                    }
                    try channel.pipeline.syncOperations.addHandler(sniffer)
                }
            }
            .bind(host: address.listeningHost, port: address.port).get()
    }
}
