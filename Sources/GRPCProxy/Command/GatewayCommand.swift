// `etcd gateway start`.

import CommandLineKit
import FoundationEssentials
import NIOCore
import ServerLog
import TCPGateway

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

enum GatewayCommand {
    static let start = Command(
        "start",
        "",
        "start the gateway",
        flags: [
            Flag("listen-addr", nil, .string, "127.0.0.1:23790", "listen address"),
            Flag("discovery-srv", nil, .string, "", "DNS domain used to bootstrap initial cluster"),
            Flag("discovery-srv-name", nil, .string, "", "service name to query when using DNS discovery"),
            Flag("insecure-discovery", nil, .bool, "", "accept insecure SRV records"),
            Flag(
                "trusted-ca-file",
                nil,
                .string,
                "",
                "path to the client server TLS CA file for verifying the discovered endpoints when discovery-srv is provided."
            ),
            Flag("endpoints", nil, .stringList, "127.0.0.1:2379", "comma separated etcd cluster endpoints"),
            Flag("retry-delay", nil, .duration, "1m0s", "duration of delay before retrying failed endpoints"),
        ],
        run: run
    )

    private static func run(_ call: Invocation) async throws {
        let logger = ServerLogger.standard()
        logger.info("Running: ", [.strings("args", CommandLine.arguments)])
        let found = try await EndpointDiscovery(call, caFlag: "trusted-ca-file", logger).endpoints()
        let remotes: [RemoteTable.Remote]
        if found.isEmpty {
            remotes = try call.list("endpoints").map { text in
                guard let endpoint = HostAndPort(endpoint: text) else {
                    Terminal.out("error parsing endpoint \(text.quoted)")
                    throw CommandExit(1)
                }
                return RemoteTable.Remote(host: endpoint.host, port: endpoint.port)
            }
        } else {
            remotes = found.map {
                RemoteTable.Remote(host: $0.host, port: $0.port, priority: $0.priority, weight: $0.weight)
            }
        }
        let address = call.string("listen-addr")
        guard let listen = HostAndPort(address) else {
            Terminal.out("failed to validate listen address: \(address)\n")
            throw CommandExit(1)
        }
        try check(remotes, against: listen, address)
        guard !remotes.isEmpty else {
            Terminal.out("no endpoints found\n")
            throw CommandExit(1)
        }
        let delay = call.duration("retry-delay")
        let gateway = TCPGateway(remotes, retryDelay: TimeAmount(delay)) { event in write(event, delay, to: logger) }
        let channel: any Channel
        do {
            channel = try await gateway.start(host: listen.listeningHost, port: listen.port)
        } catch {
            throw CommandExit(1, "listen tcp \(address): bind: \(ListenFailure.reason(error))")
        }
        logger.info("ready to proxy client requests", [.strings("endpoints", remotes.map(\.address))])
        try await channel.closeFuture.get()
    }

    /// A gateway that connects to itself would do so for ever.
    private static func check(_ remotes: [RemoteTable.Remote], against listen: HostAndPort, _ address: String) throws {
        let own = addresses(listen.host)
        if own.isEmpty, !listen.host.isEmpty {
            Terminal.out("failed to resolve listen host: \(listen.host)\n")
            throw CommandExit(1)
        }
        for remote in remotes {
            let reached = addresses(remote.host)
            if reached.isEmpty {
                Terminal.out("failed to resolve endpoint host: \(remote.host)\n")
                throw CommandExit(1)
            }
            guard remote.port == listen.port, let same = reached.first(where: own.contains) else { continue }
            Terminal.out(
                "SRV or endpoint (\(remote.host):\(remote.port)->\(same):\(remote.port)) should not resolve to the gateway listen addr (\(address))\n"
            )
            throw CommandExit(1)
        }
    }

    private static func addresses(_ host: String) -> [String] {
        guard !host.isEmpty, let address = try? SocketAddress.makeAddressResolvingHost(host, port: 0) else { return [] }
        return address.ipAddress.map { [$0] } ?? []
    }

    private static func write(_ event: TCPGateway.Event, _ delay: Duration, to logger: ServerLogger) {
        let interval = LogField.duration("interval", delay)
        switch event {
        case .deactivated(let address, let reason):
            logger.warn("deactivated endpoint", [.string("address", address), interval, .error(reason)])
        case .stillInactive(let address, let reason):
            logger.warn(
                "failed to activate endpoint (stay inactive for another interval)",
                [.string("address", address), interval, .error(reason)]
            )
        case .activated(let address): logger.info("activated", [.string("address", address)])
        }
    }
}

/// Why a port could not be had.
enum ListenFailure {
    static func reason(_ error: any Error) -> String {
        guard let error = error as? IOError else { return String(describing: error) }
        return String(cString: strerror(error.errnoCode)).lowercased()
    }
}
