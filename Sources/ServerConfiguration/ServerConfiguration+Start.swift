// What a starting member derives from its settings: folders, its logger, and the line that tells all settings.
package import ServerLog

extension ServerConfiguration {
    /// The folder with everything the member keeps.
    package var memberDirectory: String { dataDirectory + "/member" }
    package var snapshotDirectory: String { memberDirectory + "/snap" }
    package var effectiveWALDirectory: String { walDirectory.isEmpty ? memberDirectory + "/wal" : walDirectory }

    /// The machine's part of the start line.
    package struct Build: Sendable {
        package var gitSHA: String
        package var processors: Int

        package init(gitSHA: String, processors: Int) {
            self.gitSHA = gitSHA
            self.processors = processors
        }
    }

    /// The fields of "starting an etcd server", in etcd's order and with its keys; only the two that speak of Go
    /// speak of Swift here.
    package func startFields(build: Build, memberInitialized: Bool, localAddress: String = "") -> [LogField] {
        let process: [LogField] = [
            .string("etcd-version", HelpText.etcdVersion), .string("git-sha", build.gitSHA),
            .string("swift-version", HelpText.swiftVersion), .string("go-os", "linux"),
            .string("go-arch", HelpText.architecture), .int("max-cpu-set", build.processors),
            .int("max-cpu-available", build.processors), .bool("member-initialized", memberInitialized),
        ]
        return process + memberFields + addressFields(memberInitialized, localAddress) + upkeepFields + discoveryFields
            + [
                .duration("downgrade-check-interval", cluster.downgradeCheckTime),
                .int("max-learners", cluster.maxLearners), .string("v2-deprecation", "write-only"),
            ]
    }

    private var memberFields: [LogField] {
        let heartbeat = GoDuration.milliseconds(Int64(clamping: raft.heartbeatMilliseconds))
        let election = GoDuration(nanoseconds: heartbeat.nanoseconds &* Int64(raft.electionTicks))
        return [
            .string("name", name), .string("data-dir", dataDirectory), .string("wal-dir", walDirectory),
            .string("wal-dir-dedicated", walDirectory), .string("member-dir", memberDirectory),
            .bool("force-new-cluster", cluster.forceNewCluster), .duration("heartbeat-interval", heartbeat),
            .duration("election-timeout", election),
            .bool("initial-election-tick-advance", raft.initialElectionTickAdvance),
            .uint("snapshot-count", raft.snapshotCount), .uint("max-wals", raft.maxWALs),
            .uint("max-snapshots", raft.maxSnapshots), .uint("snapshot-catchup-entries", raft.snapshotCatchUpEntries),
        ]
    }

    private func addressFields(_ memberInitialized: Bool, _ localAddress: String) -> [LogField] {
        func texts(_ urls: [EndpointURL]) -> [String] { urls.map(\.description) }
        // A member with data no longer looks at the initial cluster, and etcd doesn't show it then.
        let initialCluster =
            memberInitialized
            ? []
            : ((try? initialMembers()) ?? []).flatMap { member in member.peerURLs.map { "\(member.name)=\($0)" } }
        return [
            .strings("initial-advertise-peer-urls", texts(listen.advertisePeerURLs)),
            .strings("listen-peer-urls", texts(listen.peerURLs)),
            .strings("advertise-client-urls", texts(listen.advertiseClientURLs)),
            .strings("listen-client-urls", texts(listen.clientURLs)),
            .strings("listen-metrics-urls", texts(listen.metricsURLs)), .string("local-address", localAddress),
            .strings("cors", security.cors), .strings("host-whitelist", security.hostWhitelist),
            .string("initial-cluster", initialCluster.sorted().joined(separator: ",")),
            .string("initial-cluster-state", cluster.initialClusterStateText),
            .string("initial-cluster-token", memberInitialized ? "" : cluster.initialClusterToken),
        ]
    }

    private var upkeepFields: [LogField] {
        let retention: GoDuration =
            switch storage.autoCompaction {
            case .off: .zero
            case .periodic(let duration): duration
            // etcd keeps the number of revisions in a duration, and shows it as one.
            case .revisions(let count): GoDuration(nanoseconds: count)
            }
        return [
            .int("quota-backend-bytes", storage.effectiveQuotaBytes ?? storage.quotaBackendBytes),
            .uint("max-request-bytes", requests.maxRequestBytes),
            .uint("max-concurrent-streams", requests.maxConcurrentStreams), .bool("pre-vote", raft.preVote),
            .string("feature-gates", featureGates.description),
            .bool("initial-corrupt-check", false),
            .duration("corrupt-check-time-interval", monitoring.corruptCheckTime),
            .duration("compact-check-time-interval", monitoring.compactHashCheckTime),
            .string("auto-compaction-mode", storage.autoCompactionModeText),
            .duration("auto-compaction-retention", retention), .duration("auto-compaction-interval", retention),
        ]
    }

    private var discoveryFields: [LogField] {
        let discovery = cluster.discovery
        return [
            .string("discovery-token", discovery.token),
            .string("discovery-endpoints", discovery.endpoints.joined(separator: ",")),
            .duration("discovery-dial-timeout", discovery.dialTimeout),
            .duration("discovery-request-timeout", discovery.requestTimeout),
            .duration("discovery-keepalive-time", discovery.keepAliveTime),
            .duration("discovery-keepalive-timeout", discovery.keepAliveTimeout),
            .bool("discovery-insecure-transport", discovery.insecureTransport),
            .bool("discovery-insecure-skip-tls-verify", discovery.insecureSkipTLSVerify),
            .string("discovery-cert", discovery.certFile), .string("discovery-key", discovery.keyFile),
            .string("discovery-cacert", discovery.caCertFile), .string("discovery-user", discovery.user),
        ]
    }
}

extension LoggingConfiguration {
    /// Opens the logger these settings ask for.
    /// - Throws: etcd's sentence if an output cannot be opened.
    package func openLogger(clock: LogClock = .system) throws(LogSetupError) -> ServerLogger {
        try ServerLogger(level: level, format: format, destinations: try destinations(), clock: clock)
    }
}
