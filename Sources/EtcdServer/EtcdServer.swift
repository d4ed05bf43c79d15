// A member from its settings to its end: directories, lanes, listeners, and an orderly stop.

import Base
import BBolt
import Dispatch
import EtcdWire
import FileIO
import FoundationEssentials
import FrontDoor
import HTTP2
import Membership
import NIOCore
import NIOPosix
import PeerTransport
import Profiling
import Replica
import Threads
import TraceExport
import TransportSecurity
package import ServerConfiguration
package import ServerLog

/// Lets connections of other members in, once there is somebody to receive them. Confined to the member's loop.
final class PeerDoor {
    var transport: PeerTransport?

    func open(_ channel: any Channel, isSecure: Bool) throws {
        guard let transport else { throw ChannelError.ioOnClosedChannel }
        if isSecure { try transport.initializeSecure(channel) } else { try transport.initialize(channel) }
    }
}

/// Why a member did not start.
package struct ServerStartError: Error, CustomStringConvertible {
    package let description: String
    /// The message of the log's last line.
    package var message = "discovery failed"
}

package final class EtcdServer {
    let configuration: ServerConfiguration
    let logger: ServerLogger
    private let group: MultiThreadedEventLoopGroup
    let loop: any EventLoop
    private(set) var member: NIOLoopBound<MemberLoop>?
    var listeners: [any Channel] = []
    private var peerListeners: [any Channel] = []
    private let whenRemoved: @Sendable () -> Void
    /// Where connections to other members come from; nil for what the system chooses.
    private var peerAddress: SocketAddress?
    private var exporter: TraceExporter?
    /// How long a collector may take with what is left when the member stops.
    private static let lastSpansTimeout: Duration = .seconds(2)

    /// - Parameter whenRemoved: called once if the cluster goes on without this member, from a thread of the member's: it
    ///   should be stopped then.
    package init(
        configuration: ServerConfiguration, logger: ServerLogger, whenRemoved: @escaping @Sendable () -> Void = {}
    ) {
        self.configuration = configuration
        self.logger = logger
        self.whenRemoved = whenRemoved
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        loop = group.next()
    }

    /// Starts the member. It serves clients as soon as it belongs to a cluster that has a leader, which may take others.
    package func start() throws {
        let isInitialized = FileManager.default.fileExists(atPath: configuration.effectiveWALDirectory)
        let directoryType = try prepareDataDirectory()
        logger.info(
            directoryType == "empty" ? "Initialize and start etcd server" : "server has already been initialized",
            [.string("data-dir", configuration.dataDirectory), .string("dir-type", directoryType)])
        let listen = configuration.listen
        logger.info("configuring peer listeners", [.strings("listen-peer-urls", listen.peerURLs.map(\.description))])
        let peerTLS = try sayingWhatFailed { try self.peerTLS() }
        try checkSettings()
        let door = try loop.submit { [loop] in NIOLoopBound(PeerDoor(), eventLoop: loop) }.wait()
        try bindPeers(door)
        logger.info("configuring client listeners", [.strings("listen-client-urls", listen.clientURLs.map(\.description))])
        let exporter = try traceExporter()
        self.exporter = exporter
        if configuration.monitoring.enablePprof { logger.info("pprof is enabled", [.string("path", ProfilePages.path)]) }
        let localAddress = configuration.inferLocalAddress(logger)
        logger.info(
            "starting an etcd server",
            configuration.startFields(
                build: .init(gitSHA: "Not provided", processors: ProcessInfo.processInfo.activeProcessorCount),
                memberInitialized: isInitialized, localAddress: localAddress))
        peerAddress = try? SocketAddress(ipAddress: localAddress, port: 0)

        let authenticator: Authenticator
        do {
            authenticator = try Authenticator(configuration, logger)
        } catch {
            throw ServerStartError(description: "\(error)")
        }
        var settings = try sayingWhatFailed { try bootstrapSettings(isInitialized: isInitialized, peerTLS) }
        settings.hashPassword = { password, salt in authenticator.hash(password, salt: salt) }
        let ready = DispatchSemaphore(value: 0)
        let (configuration, logger, loop, whenRemoved, chosen) = (configuration, logger, loop, whenRemoved, settings)
        let peerAddress = peerAddress
        let tls = try clientTLSSettings().map { settings in
            try loop.submit { NIOLoopBound(try ServerTLS(settings), eventLoop: loop) }.wait()
        }
        let bootstrapped = try sayingWhatFailed {
            try loop.submit {
                NIOLoopBound(try MemberLoop.bootstrap(chosen, configuration, authenticator, logger, loop), eventLoop: loop)
            }.wait()
        }
        member = try loop.submit {
            let member = bootstrapped.value
            member.whenReady = { ready.signal() }
            member.whenRemoved = whenRemoved
            member.exporter = exporter
            member.start()
            member.startPeers(tls: peerTLS?.value, from: peerAddress, remotes: chosen.existingCluster?.members ?? [])
            door.value.transport = member.transport
            return NIOLoopBound(member, eventLoop: loop)
        }.wait()
        if isInitialized, configuration.featureGates.isEnabled(.initialCorruptCheck) { try checkInitially() }
        _ = try loop.submit { [member] in
            guard let member = member?.value else { return }
            member.announce()
            // The first turn applies the configuration; a single voter then has nobody to wait for.
            member.turn()
            if member.membership.voters.map(\.id) == [member.memberID] {
                member.replica.consensus.campaign()
                member.turn()
            }
            member.advanceTicks()
            member.defragmentAtStart()
        }.wait()
        for channel in peerListeners { try channel.setOption(.autoRead, value: true).wait() }
        try bindClients(tls)
        let service = ClientService(listeners: listeners, configuration: configuration, logger: logger)
        startThread {
            ready.wait()
            service.begin()
        }
    }

    private func checkInitially() throws {
        guard let member else { return }
        let promise = loop.makePromise(of: String?.self)
        loop.execute {
            guard let corruption = member.value.peerSide?.corruption else { return promise.succeed(nil) }
            corruption.checkInitially { promise.succeed($0) }
            member.value.turn()
        }
        guard let reason = try promise.futureResult.wait() else { return }
        logger.error("checkInitialHashKV failed", [.error(reason)])
        throw ServerStartError(description: reason)
    }

    /// Answers nobody any more, makes everything durable and lets go of the files.
    /// - Parameter handsOver: whether another member is to lead from now on; not where this one was removed.
    package func stop(handsOver: Bool = true) {
        let fields: [LogField] = [
            .string("name", configuration.name), .string("data-dir", configuration.dataDirectory),
            .strings("advertise-peer-urls", configuration.listen.advertisePeerURLs.map(\.description)),
            .strings("advertise-client-urls", configuration.listen.advertiseClientURLs.map(\.description)),
        ]
        logger.info("closing etcd server", fields)
        if let member, handsOver {
            let done = DispatchSemaphore(value: 0)
            _ = try? loop.submit { member.value.handOver { done.signal() } }.wait()
            done.wait()
        }
        for channel in listeners + peerListeners { try? channel.close().wait() }
        if let member {
            _ = try? loop.submit { member.value.beginStop() }.wait()
            _ = try? loop.submit { member.value.finishStop() }.wait()
        }
        exporter?.stop(within: Self.lastSpansTimeout)
        logger.info("closed etcd server", fields)
        logger.close()
    }

    // MARK: Directory

    private func prepareDataDirectory() throws -> String {
        do throws(FileError) {
            return try openDataDirectory()
        } catch {
            let failure = DataDirectoryError(cause: error)
            if let advice = failure.advice(for: configuration.dataDirectory) {
                logger.warn(advice, [.string("data-dir", configuration.dataDirectory)])
            }
            throw failure
        }
    }

    private func openDataDirectory() throws(FileError) -> String {
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

    private func bootstrapSettings(isInitialized: Bool, _ tls: NIOLoopBound<PeerTLS>?) throws -> BootstrapSettings {
        let (initial, existing, token) = isInitialized ? ([], nil, "") : try lookUpCluster(tls)
        let members = initial.map { (name: $0.name, peerURLs: $0.peerURLs.map(\.description)) }
        let raft = configuration.raft
        // One and a half election timeouts, in whole seconds.
        let minimumTTL = Int64((3 * raft.electionMilliseconds / 2 + 999) / 1000)
        var settings = BootstrapSettings(
            name: configuration.name, memberDirectory: configuration.memberDirectory,
            walDirectory: configuration.effectiveWALDirectory, snapshotDirectory: configuration.snapshotDirectory,
            initialMembers: members, token: token,
            isNewCluster: configuration.cluster.initialClusterState == .new,
            forcesNewCluster: configuration.cluster.forceNewCluster, electionTicks: raft.electionTicks, preVote: raft.preVote,
            snapshotCount: raft.snapshotCount, catchUpEntries: raft.snapshotCatchUpEntries,
            quotaBytes: UInt64(max(0, configuration.storage.effectiveQuotaBytes ?? 0)),
            learnersMax: Int(configuration.cluster.maxLearners), minimumLeaseTTL: minimumTTL,
            seed: .random(in: 0...UInt64.max), unsafeNoSync: configuration.storage.unsafeNoFsync)
        settings.existingCluster = existing
        let gates = configuration.featureGates
        if gates.isEnabled(.leaseCheckpoint) {
            settings.leaseCheckpointInterval = configuration.storage.leaseCheckpointInterval.duration
        }
        settings.locksDatabaseMemory = configuration.storage.memoryLock
        settings.persistsLeaseCheckpoints = gates.isEnabled(.leaseCheckpointPersist)
        return settings
    }

    /// The members a new log begins with, and the cluster that it joins.
    private func lookUpCluster(
        _ tls: NIOLoopBound<PeerTLS>?
    ) throws -> (members: [InitialMember], cluster: ExistingCluster?, token: String) {
        let loop = loop
        var configuration = configuration
        try findMembers(&configuration)
        let peerAddress = peerAddress
        let client = try loop.submit {
            let dialling = Dialling(tls: tls?.value, localAddress: peerAddress)
            return NIOLoopBound(PeerHTTPClient(eventLoop: loop, dialling: dialling), eventLoop: loop)
        }.wait()
        defer { _ = try? loop.submit { client.value.stop() }.wait() }
        let lookup = ClusterLookup(client, loop, logger)
        let cluster = configuration.cluster
        let election = TimeAmount.milliseconds(Int64(configuration.raft.electionMilliseconds))
        switch cluster.initialClusterState {
        case .existing:
            let members = try configuration.checkedJoinMembers()
            return (
                members,
                try lookup.existingCluster(
                    members, name: configuration.name, learnersMax: Int(cluster.maxLearners),
                    requestTimeout: TimeAmount(configuration.raft.requestTimeout)),
                cluster.initialClusterToken
            )
        case .new:
            let hosts = HostResolution(logger)
            var members = try configuration.checkedBootstrapMembers(resolving: hosts.resolved)
            let urls = members.first { $0.name == configuration.name }?.peerURLs.map(\.description) ?? []
            let id = Member.identifier(peerURLs: urls, token: cluster.initialClusterToken)
            if members.count > 1,
                lookup.isBootstrapped(members, name: configuration.name, id: id, timeout: max(.seconds(1), election))
            {
                throw ServerStartError(description: "member \(hexadecimal(id)) has already been bootstrapped")
            }
            if !cluster.discovery.endpoints.isEmpty {
                logger.info("Bootstrapping cluster using v3 discovery.")
                let discoveryTLS = try discoveryClient(loop)
                defer { _ = try? loop.submit { discoveryTLS.value.stop() }.wait() }
                configuration.cluster.initialCluster = try ClusterDiscovery(
                    discoveryTLS,
                    loop,
                    cluster.discovery,
                    logger
                )
                .join(id, configuration.cluster.initialCluster)
                members = try configuration.checkedBootstrapMembers(resolving: hosts.resolved)
            }
            return (members, nil, cluster.initialClusterToken)
        }
    }

    /// Where the flags name no members but a place that does.
    private func findMembers(_ configuration: inout ServerConfiguration) throws {
        let discovery = configuration.cluster.discovery
        if !discovery.endpoints.isEmpty {
            configuration.cluster.initialCluster = configuration.listen.advertisePeerURLs
                .map { "\(configuration.name)=\($0)" }.joined(separator: ",")
            configuration.cluster.initialClusterToken = discovery.token
        } else if !discovery.srvDomain.isEmpty {
            let nodes = try ServiceRecords.initialCluster(configuration)
            for node in nodes { logger.info("got bootstrap from DNS for etcd-server", [.string("node", node)]) }
            configuration.cluster.initialCluster = nodes.joined(separator: ",")
            if try !configuration.initialMembers().contains(where: { $0.name == configuration.name }) {
                throw ServerStartError(description: "cannot find local etcd member \"\(configuration.name)\" in SRV records")
            }
        }
    }

    private func discoveryClient(_ loop: any EventLoop) throws -> NIOLoopBound<PeerHTTPClient> {
        let discovery = configuration.cluster.discovery
        let settings = ClientTLSSettings(
            certificateFile: discovery.certFile, keyFile: discovery.keyFile, trustedCAFile: discovery.caCertFile,
            skipsVerification: discovery.insecureSkipTLSVerify)
        let dialTimeout = TimeAmount(discovery.dialTimeout)
        let keepAlive = KeepAlive(
            time: TimeAmount(discovery.keepAliveTime),
            timeout: TimeAmount(discovery.keepAliveTimeout)
        )
        return try loop.submit {
            let connecting = try ClientTLS(settings)
            let tls = PeerTLS(client: { host in [try connecting.handler(host: host)] }, server: { _ in })
            let dialling = Dialling(timeout: dialTimeout, tls: tls, keepAlive: keepAlive)
            return NIOLoopBound(PeerHTTPClient(eventLoop: loop, dialling: dialling), eventLoop: loop)
        }.wait()
    }

    // MARK: Listeners

    func bind(_ bootstrap: ServerBootstrap, _ url: EndpointURL) throws -> any Channel {
        do {
            if url.isSocket { return try bootstrap.bind(unixDomainSocketPath: url.socketPath, cleanupExistingSocketFile: true).wait() }
            guard let port = Int(url.port) else { throw ServerStartError(description: "missing port in address \(url)") }
            return try bootstrap.bind(host: url.hostname.isEmpty ? "0.0.0.0" : url.hostname, port: port).wait()
        } catch let error as IOError {
            let reason = String(cString: strerror(error.errnoCode)).lowercased()
            throw ServerStartError(description: "listen tcp \(url.host): bind: \(reason)")
        }
    }

    /// Connections of other members wait in the backlog until this one knows who it is.
    private func bindPeers(_ door: NIOLoopBound<PeerDoor>) throws {
        for url in configuration.listen.peerURLs {
            let isSecure = url.isTLS
            let bootstrap = ServerBootstrap(group: loop)
                .serverChannelOption(.backlog, value: 256)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .serverChannelOption(.autoRead, value: false)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try door.value.open(channel, isSecure: isSecure) }
                }
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            peerListeners.append(try bind(sharingPort(bootstrap, url), url))
        }
    }
}

extension MemberLoop {
    /// Reads the directory and builds the member; blocks.
    static func bootstrap(
        _ settings: BootstrapSettings, _ configuration: ServerConfiguration, _ authenticator: Authenticator, _ logger: ServerLogger,
        _ loop: any EventLoop
    ) throws -> MemberLoop {
        let begun = DispatchTime.now().uptimeNanoseconds
        let meter = DiskMeter()
        let files = MeteredFileSystem(meter: meter, walDirectory: settings.walDirectory)
        let bootstrap = Bootstrap(settings, fileSystem: files) { event in
            Self.write(event, to: logger, begun: begun)
        }
        let member = try bootstrap.run()
        logger.info("bootstrap successfully")
        let statistics = member.statistics
        let identity = (cluster: member.clusterID, member: member.localID)
        return member.split { replica, log, commit in
            MemberLoop(
                replica: replica,
                log: log,
                commit: commit,
                identity: identity,
                statistics: statistics,
                eventLoop: loop,
                configuration: configuration,
                authenticator: authenticator,
                logger: logger,
                diskMeter: meter
            )
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
        trustsCertificates = configuration.security.client.clientCertAuth
        commandLine = CommandLine.arguments
        openFilesMax = UInt64(OpenFiles.limit ?? 0)
        servesProfiles = configuration.monitoring.enablePprof || configuration.logging.level == .debug
    }
}

extension TimeAmount {
    init(_ duration: GoDuration) {
        self = .nanoseconds(duration.nanoseconds)
    }
}
