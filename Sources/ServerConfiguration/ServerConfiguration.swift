// Every setting of a member, typed, with etcd's defaults. Produced by `ServerConfiguration.parse`, which also checks
// it; the rest of the member only reads it. Settings are grouped by the part of the member that reads them.
// Settings with a fixed set of words are kept as text (flags and files check them at different moments) and read
// through a typed property, which is exact once the configuration has passed its checks.
package import ServerLog

package struct ServerConfiguration: Sendable, Equatable {
    /// Picks this member's entry in the initial cluster; also the prefix of the default data folder.
    package var name = ServerConfiguration.defaultName
    package var dataDirectory = ""
    /// Empty: `<data>/member/wal`.
    package var walDirectory = ""
    package var listen = ListenConfiguration()
    package var cluster = ClusterConfiguration()
    package var raft = RaftConfiguration()
    package var storage = StorageConfiguration()
    package var requests = RequestConfiguration()
    package var security = SecurityConfiguration()
    package var auth = AuthConfiguration()
    package var monitoring = MonitoringConfiguration()
    package var tracing = TracingConfiguration()
    package var logging = LoggingConfiguration()
    package var featureGates = FeatureGates()
    /// Flags set by the command line or the environment, or keys of the configuration file.
    package var explicitlySet: Set<String> = []

    package static let defaultName = "default"

    package init() {}
}

/// Where the member listens and which addresses it tells others.
package struct ListenConfiguration: Sendable, Equatable {
    package var peerURLs = [EndpointURL.localPeer]
    package var clientURLs = [EndpointURL.localClient]
    /// If not empty, HTTP is served here only and `clientURLs` are for gRPC alone.
    package var clientHTTPURLs: [EndpointURL] = []
    package var metricsURLs: [EndpointURL] = []
    package var advertisePeerURLs = [EndpointURL.localPeer]
    package var advertiseClientURLs = [EndpointURL.localClient]
    package var reusePort = false
    package var reuseAddress = false
}

package enum InitialClusterState: String, Sendable {
    case new, existing
}

/// Bootstrap and membership.
package struct ClusterConfiguration: Sendable, Equatable {
    /// `name=url[,name=url…]`; a name may repeat.
    package var initialCluster = "default=http://localhost:2380"
    package var initialClusterStateText = InitialClusterState.new.rawValue
    package var initialClusterToken = "etcd-cluster"
    package var strictReconfigCheck = true
    package var maxLearners: Int64 = 1
    package var forceNewCluster = false
    package var downgradeCheckTime = GoDuration.seconds(5)
    package var discovery = DiscoveryConfiguration()
    /// Accepted and without effect; etcd enforces its default.
    package var v2Deprecation: [String] = []
    /// Text of `--cluster-version-ceiling`, empty if not set.
    package var versionCeilingText = ""

    package var initialClusterState: InitialClusterState {
        InitialClusterState(rawValue: initialClusterStateText) ?? .new
    }

    /// The member never raises cluster and storage version above this one; nil: the program's own.
    package var versionCeiling: ClusterVersionCeiling? { ClusterVersionCeiling(rawValue: versionCeilingText) }
}

/// The minor versions a member can be held at.
package enum ClusterVersionCeiling: String, Sendable, CaseIterable {
    case v3_5 = "3.5"
    case v3_6 = "3.6"
    case v3_7 = "3.7"
}

package struct DiscoveryConfiguration: Sendable, Equatable {
    package var srvDomain = ""
    package var srvServiceName = ""
    package var fallback = "exit"
    package var token = ""
    package var endpoints: [String] = []
    package var dialTimeout = GoDuration.seconds(2)
    package var requestTimeout = GoDuration.seconds(5)
    package var keepAliveTime = GoDuration.seconds(2)
    package var keepAliveTimeout = GoDuration.seconds(6)
    package var insecureTransport = true
    package var insecureSkipTLSVerify = false
    package var certFile = ""
    package var keyFile = ""
    package var caCertFile = ""
    package var user = ""
    package var password = ""
}

/// Consensus timing and the retention of its log.
package struct RaftConfiguration: Sendable, Equatable {
    /// Length of one tick.
    package var heartbeatMilliseconds: UInt64 = 100
    package var electionMilliseconds: UInt64 = 1000
    package var initialElectionTickAdvance = true
    package var preVote = true
    package var peerReadTimeout = RaftConfiguration.peerTimeoutFloor
    package var peerWriteTimeout = RaftConfiguration.peerTimeoutFloor
    /// Applied entries between two snapshots.
    package var snapshotCount: UInt64 = 10_000
    /// Entries kept behind a snapshot for slow followers.
    package var snapshotCatchUpEntries: UInt64 = 5_000
    /// Files kept; zero keeps all.
    package var maxSnapshots: UInt64 = 5
    package var maxWALs: UInt64 = 5

    /// Peer connections never time out faster than this.
    package static let peerTimeoutFloor = GoDuration.seconds(5)
    /// Longest election timeout that makes sense for a cluster around the globe.
    package static let electionMillisecondsMaximum: UInt64 = 50_000

    /// How long a request may take: etcd's formula, with room for two elections.
    package var requestTimeout: GoDuration {
        .milliseconds(5_000 + 2 * Int64(clamping: electionMilliseconds))
    }

    package var electionTicks: Int {
        heartbeatMilliseconds == 0 ? 0 : Int(clamping: electionMilliseconds / heartbeatMilliseconds)
    }
}

package enum BackendFreelistType: String, Sendable {
    case map, array
}

/// When old revisions are dropped without being asked.
package enum AutoCompaction: Sendable, Equatable {
    case off
    /// Keep this span of history.
    case periodic(GoDuration)
    /// Keep this many revisions.
    case revisions(Int64)
}

/// The backend file and compaction.
package struct StorageConfiguration: Sendable, Equatable {
    /// As given: zero means the default, negative means no quota. See `effectiveQuotaBytes`.
    package var quotaBackendBytes: Int64 = 0
    package var batchIntervalSetting = GoDuration.zero
    package var batchLimitSetting: Int64 = 0
    package var freelistTypeText = ""
    package var compactionBatchLimitSetting: Int64 = 0
    package var compactionSleepIntervalSetting = GoDuration.zero
    package var autoCompactionModeText = "periodic"
    package var autoCompactionRetentionText = "0"
    package var bootstrapDefragThresholdMegabytes: UInt64 = 0
    package var memoryLock = false
    package var unsafeNoFsync = false
    /// How often a leader tells what leases have left, where the gate LeaseCheckpoint is on.
    package var leaseCheckpointInterval = GoDuration.minutes(5)

    package static let defaultQuotaBytes: Int64 = 2 << 30
    /// Above this a warning is logged at start.
    package static let suggestedQuotaBytesMaximum: Int64 = 8 << 30

    /// Nil: no quota.
    package var effectiveQuotaBytes: Int64? {
        if quotaBackendBytes < 0 { return nil }
        return quotaBackendBytes == 0 ? Self.defaultQuotaBytes : quotaBackendBytes
    }
    package var batchInterval: GoDuration {
        batchIntervalSetting == .zero ? .milliseconds(100) : batchIntervalSetting
    }
    package var batchLimit: Int64 { batchLimitSetting == 0 ? 10_000 : batchLimitSetting }
    package var compactionBatchLimit: Int64 {
        compactionBatchLimitSetting == 0 ? 1_000 : compactionBatchLimitSetting
    }
    package var compactionSleepInterval: GoDuration {
        compactionSleepIntervalSetting == .zero ? .milliseconds(10) : compactionSleepIntervalSetting
    }
    package var freelistType: BackendFreelistType { freelistTypeText == "array" ? .array : .map }
    package var autoCompaction: AutoCompaction {
        (try? Self.parseAutoCompaction(mode: autoCompactionModeText, retention: autoCompactionRetentionText)) ?? .off
    }
}

/// Limits and thresholds of client requests.
package struct RequestConfiguration: Sendable, Equatable {
    package var maxTxnOps: UInt64 = 128
    package var maxRequestBytes: UInt64 = 1_572_864
    package var maxConcurrentStreams: UInt32 = .max
    package var keepAliveMinTime = GoDuration.seconds(5)
    package var keepAliveInterval = GoDuration.hours(2)
    package var keepAliveTimeout = GoDuration.seconds(20)
    package var watchProgressNotifyIntervalSetting = GoDuration.zero
    package var warningApplyDuration = GoDuration.milliseconds(100)
    package var warningUnaryRequestDuration = GoDuration.milliseconds(300)
    package var enableGRPCGateway = true

    package static let watchProgressNotifyIntervalFloor = GoDuration.milliseconds(100)

    package var watchProgressNotifyInterval: GoDuration {
        watchProgressNotifyIntervalSetting == .zero
            ? .minutes(10) : max(watchProgressNotifyIntervalSetting, Self.watchProgressNotifyIntervalFloor)
    }
}

/// Certificates of one side, clients or peers.
package struct TLSConfiguration: Sendable, Equatable {
    package var certFile = ""
    package var keyFile = ""
    package var clientCertFile = ""
    package var clientKeyFile = ""
    package var clientCertAuth = false
    package var crlFile = ""
    package var trustedCAFile = ""
    package var allowedCommonNames: [String] = []
    package var allowedHostnames: [String] = []
    package var skipClientSANVerification = false
    package var autoTLS = false
}

package enum TLSVersion: String, Sendable, Comparable {
    case tls12 = "TLS1.2"
    case tls13 = "TLS1.3"

    package static func < (left: TLSVersion, right: TLSVersion) -> Bool { left.rawValue < right.rawValue }
}

package struct SecurityConfiguration: Sendable, Equatable {
    package var client = TLSConfiguration()
    package var peer = TLSConfiguration()
    package var selfSignedCertValidityYears: UInt64 = 1
    package var cipherSuites: [String] = []
    package var tlsMinVersionText = TLSVersion.tls12.rawValue
    package var tlsMaxVersionText = ""
    /// Allowed origins, sorted; `*` allows all.
    package var cors = ["*"]
    /// Allowed host names of plain HTTP requests, sorted; `*` allows all.
    package var hostWhitelist = ["*"]

    /// Nil: the implementation's own choice.
    package var tlsMinVersion: TLSVersion? { TLSVersion(rawValue: tlsMinVersionText) }
    package var tlsMaxVersion: TLSVersion? { TLSVersion(rawValue: tlsMaxVersionText) }
}

package struct AuthConfiguration: Sendable, Equatable {
    package var token = "simple"
    package var bcryptCost: UInt64 = 10
    package var tokenTTLSeconds: UInt64 = 300
}

package struct MonitoringConfiguration: Sendable, Equatable {
    package var enablePprof = false
    package var metrics = "basic"
    /// Zero: no periodic check across members.
    package var corruptCheckTime = GoDuration.zero
    package var compactHashCheckTime = GoDuration.minutes(1)

    package var extensiveMetrics: Bool { metrics == "extensive" }
}

package struct TracingConfiguration: Sendable, Equatable {
    package var enabled = false
    package var address = "localhost:4317"
    package var serviceName = "etcd"
    package var instanceID = ""
    package var samplingRatePerMillion: Int64 = 0
}

package struct LoggingConfiguration: Sendable, Equatable {
    package var logger = "zap"
    package var outputs = [LogDestination.defaultOutput]
    package var levelText = "info"
    package var formatText = "json"
    package var enableRotation = false
    package var rotationJSON = LogRotation.defaultJSON

    package var level: LogLevel { LogLevel(name: levelText) ?? .info }
    package var format: LogFormat { LogFormat(rawValue: formatText) ?? .json }

    /// - Throws: etcd's sentence if the outputs or the rotation settings don't make sense.
    package func destinations() throws(LogSetupError) -> [LogDestination] {
        let destinations = try LogDestination.parse(
            outputs: outputs,
            rotation: enableRotation ? LogRotation() : nil
        )
        if !enableRotation { return destinations }
        let rotation = try LogRotation(json: rotationJSON)
        return destinations.map { destination in
            if case .rotatingFile(let path, _) = destination { .rotatingFile(path, rotation) } else { destination }
        }
    }
}
