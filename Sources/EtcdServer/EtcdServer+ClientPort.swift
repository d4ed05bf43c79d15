// The listening ports of clients: where they are, what each is for, and how many connections they take.

import FrontDoor
import NIOCore
import NIOPosix
import ServerConfiguration
import ServerLog
import TransportSecurity

extension EtcdServer {
    /// The client ports and what each is for.
    static func clientPorts(_ listen: ListenConfiguration) -> [(url: EndpointURL, traffic: PortTraffic)] {
        let isSplit = !listen.clientHTTPURLs.isEmpty
        return listen.clientURLs.map { ($0, isSplit ? .grpc : .everything) } + listen.clientHTTPURLs.map { ($0, .http) }
    }

    func bindClients(_ tls: NIOLoopBound<ServerTLS>?) throws {
        guard let member else { return }
        let listen = configuration.listen
        OpenFiles.raiseLimit()
        let limit = try loop.submit { [loop] in
            NIOLoopBound(ConnectionLimit(OpenFiles.limit.map { max(1, $0 - OpenFiles.reserved) }), eventLoop: loop)
        }.wait()
        let ports = Self.joined(Self.clientPorts(listen)) + Self.joined(listen.metricsURLs.map { ($0, .metrics) })
        for (url, traffic, schemes) in ports {
            let channel = try bind(clientBootstrap(member, url, tls, schemes, traffic, limit), url)
            listeners.append(channel)
            if traffic != .metrics { _ = try loop.submit { limit.value.add(channel) }.wait() }
        }
    }

    /// What may be spoken on a port.
    private enum Schemes { case plain, secure, both }

    /// Each address once: http and https may share a port, as etcd has it.
    private static func joined(
        _ ports: [(url: EndpointURL, traffic: PortTraffic)]
    ) -> [(url: EndpointURL, traffic: PortTraffic, schemes: Schemes)] {
        var joined: [(url: EndpointURL, traffic: PortTraffic, schemes: Schemes)] = []
        for (url, traffic) in ports {
            let schemes: Schemes = url.isTLS ? .secure : .plain
            if let place = joined.firstIndex(where: { $0.url.host == url.host && $0.url.isSocket == url.isSocket }) {
                if joined[place].schemes != schemes { joined[place].schemes = .both }
            } else {
                joined.append((url, traffic, schemes))
            }
        }
        return joined
    }

    private func clientBootstrap(
        _ member: NIOLoopBound<MemberLoop>, _ url: EndpointURL, _ tls: NIOLoopBound<ServerTLS>?, _ schemes: Schemes,
        _ traffic: PortTraffic, _ limit: NIOLoopBound<ConnectionLimit>
    ) -> ServerBootstrap {
        let logger = logger
        let bootstrap = ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Connections wait in the backlog until the member serves.
            .serverChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in
                if traffic != .metrics { limit.value.opened(channel, limit) }
                return channel.eventLoop.makeCompletedFuture {
                    let prepare = { isSecure in
                        try Self.prepare(channel, member.value.door, isSecure ? tls?.value : nil, traffic, logger)
                    }
                    switch schemes {
                    case .plain: try prepare(false)
                    case .secure: try prepare(true)
                    case .both: try channel.pipeline.syncOperations.addHandler(SchemeSniffer(prepare))
                    }
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 1)
        return sharingPort(bootstrap, url)
    }

    /// Lets other processes listen on the same port where that is asked for; sockets of the file system have none.
    func sharingPort(_ bootstrap: ServerBootstrap, _ url: EndpointURL) -> ServerBootstrap {
        guard configuration.listen.reusePort, !url.isSocket else { return bootstrap }
        return bootstrap.serverChannelOption(.socketOption(NIOBSDSocket.Option(rawValue: SO_REUSEPORT)), value: 1)
    }

    /// Prepares a connection of a client port; on the member's loop.
    private static func prepare(
        _ channel: any Channel, _ door: FrontDoor, _ tls: ServerTLS?, _ traffic: PortTraffic, _ logger: ServerLogger
    ) throws {
        let sniffer = ProtocolSniffer(door, traffic: traffic, isSecure: tls != nil)
        if let tls {
            let remote = channel.remoteAddress.map(Self.describe) ?? ""
            try tls.secure(
                channel, named: { [weak sniffer] name in sniffer?.certificateName = name },
                rejected: { reason in
                    logger.warn(
                        "rejected connection on client endpoint",
                        [.string("remote-addr", remote), .string("server-name", ""), .error(reason)])
                })
        }
        try channel.pipeline.syncOperations.addHandler(sniffer)
    }

    private static func describe(_ address: SocketAddress) -> String {
        "\(address.ipAddress ?? address.pathname ?? ""):\(address.port ?? 0)"
    }
}
