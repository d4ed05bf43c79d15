// A member from its settings to its end: directories, lanes, listeners, and an orderly stop.

import BBolt
import Base
import Dispatch
import EtcdWire
import FileIO
import Foundation
import FrontDoor
import HTTP2
import Membership
import NIOCore
import NIOPosix
import Replica
import TransportSecurity
package import ServerConfiguration
package import ServerLog

/// Why a member did not start.
package struct ServerStartError: Error, CustomStringConvertible {
    package let description: String
}

package final class EtcdServer {
    let configuration: ServerConfiguration
    let logger: ServerLogger
    private let group: MultiThreadedEventLoopGroup
    private let loop: any EventLoop
    private var member: NIOLoopBound<MemberLoop>?
    private var listeners: [any Channel] = []
    private var peerListeners: [any Channel] = []

    package init(configuration: ServerConfiguration, logger: ServerLogger) {
        self.configuration = configuration
        self.logger = logger
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        loop = group.next()
    }

    /// Starts the member and returns when it serves.
    package func start() throws {
        let isInitialized = FileManager.default.fileExists(atPath: configuration.effectiveWALDirectory)
        let directoryType = try prepareDataDirectory()
        logger.info(
            "Initialize and start etcd server",
            [.string("data-dir", configuration.dataDirectory), .string("dir-type", directoryType)])
        let listen = configuration.listen
        logger.info("configuring peer listeners", [.strings("listen-peer-urls", listen.peerURLs.map(\.description))])
        try bindPeers()
        logger.info("configuring client listeners", [.strings("listen-client-urls", listen.clientURLs.map(\.description))])
        logger.info(
            "starting an etcd server",
            configuration.startFields(
                build: .init(gitSHA: "Not provided", processors: ProcessInfo.processInfo.activeProcessorCount),
                memberInitialized: isInitialized))

        let authenticator: Authenticator
        do {
            authenticator = try Authenticator(configuration, logger)
        } catch {
            throw ServerStartError(description: "\(error)")
        }
        let settings = try bootstrapSettings(isInitialized: isInitialized)
        let ready = DispatchSemaphore(value: 0)
        let (configuration, logger, loop) = (configuration, logger, loop)
        let tls = try clientTLSSettings().map { settings in
            try loop.submit { NIOLoopBound(try ServerTLS(settings), eventLoop: loop) }.wait()
        }
        member = try loop.submit {
            let member = try MemberLoop.bootstrap(settings, configuration, authenticator, logger, loop)
            member.whenReady = { ready.signal() }
            member.start()
            member.announce()
            // The first turn applies the configuration; a single voter then has nobody to wait for.
            member.turn()
            member.replica.consensus.campaign()
            member.turn()
            return NIOLoopBound(member, eventLoop: loop)
        }.wait()
        try bindClients(tls)
        ready.wait()
        try resumeListeners()
        for url in listen.clientURLs {
            if url.isTLS {
                logger.info(
                    "serving client traffic securely", [.string("traffic", "grpc+http"), .string("address", url.host)])
                continue
            }
            logger.info(
                "serving client traffic insecurely; this is strongly discouraged!",
                [.string("traffic", "grpc+http"), .string("address", url.host)])
        }
        notifyInit()
    }

    /// Answers nobody any more, makes everything durable and lets go of the files.
    package func stop() {
        logger.info(
            "closing etcd server",
            [
                .string("name", configuration.name), .string("data-dir", configuration.dataDirectory),
                .strings("advertise-peer-urls", configuration.listen.advertisePeerURLs.map(\.description)),
                .strings("advertise-client-urls", configuration.listen.advertiseClientURLs.map(\.description)),
            ])
        for channel in listeners + peerListeners { try? channel.close().wait() }
        if let member {
            _ = try? loop.submit { member.value.beginStop() }.wait()
            _ = try? loop.submit { member.value.finishStop() }.wait()
        }
        logger.info(
            "closed etcd server",
            [.string("name", configuration.name), .string("data-dir", configuration.dataDirectory)])
        logger.close()
    }

    // MARK: Directory

    private func prepareDataDirectory() throws -> String {
        let fileSystem = POSIXFileSystem()
        let path = configuration.dataDirectory
        var type = "empty"
        if let status = try fileSystem.status(path) {
            if status.mode & 0o077 != 0 {
                logger.warn(
                    "check file permission",
                    [
                        .error(
                            "directory \"\(path)\" exist, but the permission is \(String(status.mode, radix: 8)). "
                                + "The recommended permission is \"-rwx------\" to prevent possible unprivileged access to the data")
                    ])
            }
            if try fileSystem.list(path).contains("member") { type = "member" }
        } else {
            try fileSystem.createDirectory(path, mode: 0o700)
            try fileSystem.syncDirectory(parentDirectory(of: path))
        }
        let probe = path + "/.touch"
        let file = try fileSystem.open(probe, OpenOptions(write: true, create: true))
        file.close()
        try fileSystem.remove(probe)
        return type
    }

    private func bootstrapSettings(isInitialized: Bool) throws -> BootstrapSettings {
        let members =
            isInitialized
            ? [] : try configuration.checkedBootstrapMembers().map { ($0.name, $0.peerURLs.map(\.description)) }
        let raft = configuration.raft
        // One and a half election timeouts, in whole seconds.
        let minimumTTL = Int64((3 * raft.electionMilliseconds / 2 + 999) / 1000)
        return BootstrapSettings(
            name: configuration.name, memberDirectory: configuration.memberDirectory,
            walDirectory: configuration.effectiveWALDirectory, snapshotDirectory: configuration.snapshotDirectory,
            initialMembers: members, token: configuration.cluster.initialClusterToken,
            isNewCluster: configuration.cluster.initialClusterState == .new,
            forcesNewCluster: configuration.cluster.forceNewCluster, electionTicks: raft.electionTicks, preVote: raft.preVote,
            snapshotCount: raft.snapshotCount, catchUpEntries: raft.snapshotCatchUpEntries,
            quotaBytes: UInt64(max(0, configuration.storage.effectiveQuotaBytes ?? 0)),
            learnersMax: Int(configuration.cluster.maxLearners), minimumLeaseTTL: minimumTTL,
            seed: .random(in: 0...UInt64.max), unsafeNoSync: configuration.storage.unsafeNoFsync)
    }

    // MARK: Listeners

    private func bindClients(_ tls: NIOLoopBound<ServerTLS>?) throws {
        guard let member else { return }
        for url in configuration.listen.clientURLs + configuration.listen.metricsURLs {
            listeners.append(try bind(clientBootstrap(member, tls, isTLS: url.isTLS), url))
        }
    }

    private func clientBootstrap(
        _ member: NIOLoopBound<MemberLoop>, _ tls: NIOLoopBound<ServerTLS>?, isTLS: Bool
    ) -> ServerBootstrap {
        let logger = logger
        return ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Connections wait in the backlog until the member serves.
            .serverChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try Self.prepare(channel, member.value.door, isTLS ? tls?.value : nil, logger)
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 1)
    }

    private func bind(_ bootstrap: ServerBootstrap, _ url: EndpointURL) throws -> any Channel {
        do {
            if url.isSocket { return try bootstrap.bind(unixDomainSocketPath: url.socketPath, cleanupExistingSocketFile: true).wait() }
            guard let port = Int(url.port) else { throw ServerStartError(description: "missing port in address \(url)") }
            return try bootstrap.bind(host: url.hostname.isEmpty ? "0.0.0.0" : url.hostname, port: port).wait()
        } catch let error as IOError {
            let reason = String(cString: strerror(error.errnoCode)).lowercased()
            throw ServerStartError(description: "listen tcp \(url.host): bind: \(reason)")
        }
    }

    private func resumeListeners() throws {
        for channel in listeners { try channel.setOption(.autoRead, value: true).wait() }
    }

    /// A cluster of one has nobody to talk to; the port is taken, so that the address is known to be free, and answers
    /// that nothing is served there.
    private func bindPeers() throws {
        let bootstrap = ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: 16)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in channel.close() }
        for url in configuration.listen.peerURLs { peerListeners.append(try bind(bootstrap, url)) }
    }

    // MARK: systemd

    private func notifyInit() {
        logger.info("notifying init daemon")
        guard let path = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"], !path.isEmpty else {
            return logger.info("successfully notified init daemon")
        }
        if let reason = sendReady(to: path) {
            logger.error("failed to notify systemd for readiness", [.error(reason)])
        } else {
            logger.info("successfully notified init daemon")
        }
    }

    /// Nil if it went out.
    private func sendReady(to path: String) -> String? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        guard descriptor >= 0 else { return String(cString: strerror(errno)) }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        let length = bytes.count
        // An abstract socket begins with a zero byte.
        if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
        guard length < MemoryLayout.size(ofValue: address.sun_path) else { return "the socket's path is too long" }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let message = Array("READY=1".utf8)
        let sent = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(
                    descriptor, message, message.count, 0, $0,
                    socklen_t(MemoryLayout<sa_family_t>.size + length))
            }
        }
        return sent < 0 ? String(cString: strerror(errno)) : nil
    }
}

extension MemberLoop {
    /// Reads the directory and builds the member; blocks.
    static func bootstrap(
        _ settings: BootstrapSettings, _ configuration: ServerConfiguration, _ authenticator: Authenticator, _ logger: ServerLogger,
        _ loop: any EventLoop
    ) throws -> MemberLoop {
        let begun = DispatchTime.now().uptimeNanoseconds
        let bootstrap = Bootstrap(settings, fileSystem: POSIXFileSystem()) { event in
            Self.write(event, to: logger, begun: begun)
        }
        let member = try bootstrap.run()
        logger.info("bootstrap successfully")
        let statistics = member.statistics
        let identity = (cluster: member.clusterID, member: member.localID)
        return member.split { replica, log, commit in
            MemberLoop(
                replica: replica, log: log, commit: commit, identity: identity, statistics: statistics, eventLoop: loop,
                configuration: configuration, authenticator: authenticator, logger: logger)
        }
    }

    private static func write(_ event: BootstrapEvent, to logger: ServerLogger, begun: UInt64) {
        switch event {
        case .openedBackend(let path):
            let took = Duration.nanoseconds(Int64(DispatchTime.now().uptimeNanoseconds - begun))
            logger.info("opened backend db", [.string("path", path), .duration("took", took)])
        case .restoredConsistentIndex(let index):
            logger.info("restore consistentIndex", [.uint("index", index)])
            for part in ["cluster", "storage", "raft"] { logger.info("bootstrapping \(part)") }
        case .startingLocalMember(let member, let cluster):
            logger.info(
                "starting local member",
                [.string("local-member-id", hexadecimal(member)), .string("cluster-id", hexadecimal(cluster))])
        case .restartingLocalMember(let member, let cluster, let commit):
            logger.info(
                "restarting local member",
                [
                    .string("cluster-id", hexadecimal(cluster)), .string("local-member-id", hexadecimal(member)),
                    .uint("commit-index", commit),
                ])
        case .forcingRestart(let member, let cluster, let walCommit, let commit):
            logger.info(
                "forcing restart member",
                [
                    .string("cluster-id", hexadecimal(cluster)), .string("local-member-id", hexadecimal(member)),
                    .uint("wal-commit-index", walCommit), .uint("commit-index", commit),
                ])
        case .repairedLog(let reason): logger.info("repaired WAL", [.error(reason)])
        case .storeRestored(let revision):
            logger.info("kvstore restored", [.int("current-rev", revision)])
        case .removedTemporary(let name): logger.warn("removed a file of an interrupted write", [.string("path", name)])
        }
    }

    /// The lines between bootstrap and the first election.
    func announce() {
        let id = LogField.string("local-member-id", hexadecimal(memberID))
        let quota = configuration.storage.effectiveQuotaBytes ?? 0
        if quota == StorageConfiguration.defaultQuotaBytes, configuration.storage.quotaBackendBytes == 0 {
            logger.info(
                "enabled backend quota with default value",
                [
                    .string("quota-name", "v3-applier"), .int("quota-size-bytes", quota),
                    .string("quota-size", humanizedBytes(UInt64(quota))),
                ])
        } else if quota > 0 {
            logger.info(
                "enabled backend quota",
                [
                    .string("quota-name", "v3-applier"), .int("quota-size-bytes", quota),
                    .string("quota-size", humanizedBytes(UInt64(quota))),
                ])
        } else {
            logger.info("disabled backend quota", [.string("quota-name", "v3-applier"), .int("quota-size-bytes", quota)])
        }
        logger.info(
            "starting etcd server",
            [
                id, .string("local-server-version", SemanticVersion.server.description),
                .string("cluster-version", membership.clusterVersion?.minorDescription ?? "to_be_decided"),
            ])
        func texts(_ urls: [EndpointURL]) -> [String] { urls.map(\.description) }
        let listen = configuration.listen
        logger.info(
            "now serving peer/client/metrics",
            [
                id, .strings("initial-advertise-peer-urls", texts(listen.advertisePeerURLs)),
                .strings("listen-peer-urls", texts(listen.peerURLs)),
                .strings("advertise-client-urls", texts(listen.advertiseClientURLs)),
                .strings("listen-client-urls", texts(listen.clientURLs)),
                .strings("listen-metrics-urls", texts(listen.metricsURLs)),
            ])
        let ticks = configuration.raft.electionTicks
        let heartbeat = Duration.milliseconds(Int64(configuration.raft.heartbeatMilliseconds))
        logger.info(
            "started as single-node; fast-forwarding election ticks",
            [
                id, .int("forward-ticks", ticks - 1), .duration("forward-duration", heartbeat * (ticks - 1)),
                .int("election-ticks", ticks), .duration("election-timeout", heartbeat * ticks),
            ])
        for url in listen.peerURLs {
            logger.info("serving peer traffic", [.string("address", url.host)])
            logger.info("cmux::serve", [.string("address", url.host)])
        }
        for (directory, suffix, keep) in [
            (configuration.snapshotDirectory, "snap.db", configuration.raft.maxSnapshots),
            (configuration.snapshotDirectory, "snap", configuration.raft.maxSnapshots),
            (configuration.effectiveWALDirectory, "wal", configuration.raft.maxWALs),
        ] where keep > 0 {
            logger.info(
                "started to purge file",
                [
                    .string("dir", directory), .string("suffix", suffix), .uint("max", keep),
                    .duration("interval", Duration.seconds(30)),
                ])
        }
    }
}

extension FrontDoorSettings {
    init(_ configuration: ServerConfiguration) {
        let requests = configuration.requests
        self.init(
            http2: HTTP2ServerSettings(
                // What a message may weigh around the largest request.
                messageBytesMax: Int(requests.maxRequestBytes) + 512 << 10,
                concurrentStreamsMax: requests.maxConcurrentStreams,
                pingIntervalMin: TimeAmount(requests.keepAliveMinTime), keepaliveInterval: TimeAmount(requests.keepAliveInterval),
                keepaliveTimeout: TimeAmount(requests.keepAliveTimeout)),
            servesGateway: requests.enableGRPCGateway, corsOrigins: Set(configuration.security.cors),
            hostNames: Set(configuration.security.hostWhitelist))
    }
}

extension TimeAmount {
    init(_ duration: GoDuration) {
        self = .nanoseconds(duration.nanoseconds)
    }
}
