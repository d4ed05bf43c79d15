// The checks etcd makes before it starts, in its order: the first that fails is the one a person is told about.
import Glibc
import ServerLog

struct ConfigurationChecks {
    struct Warning {
        let message: String
        var fields: [LogField] = []
    }

    /// Lines to log whether or not the checks pass.
    private(set) var warnings: [Warning] = []
    /// The log settings are checked first; later sentences go to the configured logger.
    private(set) var loggingPassed = false

    mutating func run(on configuration: ServerConfiguration) throws(ConfigurationError) {
        if configuration.cluster.discovery.fallback == "proxy" {
            throw ConfigurationError(
                "v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\""
            )
        }
        try checkLogging(configuration.logging)
        loggingPassed = true
        try checkURLs(configuration.listen)
        try checkBootstrap(configuration.cluster)
        try checkTiming(configuration.raft)
        if !configuration.listen.clientURLs.isEmpty, configuration.listen.advertiseClientURLs.isEmpty {
            throw .unsetAdvertiseClientURLs
        }
        try checkOperation(configuration)
        try checkTLS(configuration.security)
        _ = try StorageConfiguration.parseAutoCompaction(
            mode: configuration.storage.autoCompactionModeText,
            retention: configuration.storage.autoCompactionRetentionText
        )
    }

    private func checkLogging(_ logging: LoggingConfiguration) throws(ConfigurationError) {
        if logging.logger == "capnslog" { throw ConfigurationError("--logger=capnslog is removed in v3.5") }
        if logging.logger != "zap" { throw ConfigurationError("unknown logger option \(goQuoted(logging.logger))") }
        do throws(LogSetupError) {
            _ = try logging.destinations()
        } catch {
            throw ConfigurationError(error.description)
        }
        if LogLevel(name: logging.levelText) == nil {
            throw ConfigurationError("unrecognized level: \(goQuoted(logging.levelText))")
        }
        if !logging.formatText.isEmpty, LogFormat(rawValue: logging.formatText) == nil {
            throw ConfigurationError("unknown log format: \(logging.formatText), supported values json, console")
        }
    }

    private mutating func checkURLs(_ listen: ListenConfiguration) throws(ConfigurationError) {
        try Self.checkBindable(listen.peerURLs)
        try Self.checkBindable(listen.clientURLs)
        try Self.checkBindable(listen.clientHTTPURLs)
        if listen.clientHTTPURLs.isEmpty {
            warnings.append(
                Warning(
                    message: "Running http and grpc server on single port. This is not recommended for production."
                )
            )
        }
        try Self.checkBindable(listen.metricsURLs)
        if let problem = Self.missingHost(listen.advertisePeerURLs) {
            let urls = goQuoted(listen.advertisePeerURLs.map(\.description).joined(separator: ","))
            throw ConfigurationError("--initial-advertise-peer-urls \(urls) must be \"host:port\" (\(problem))")
        }
        if let problem = Self.missingHost(listen.advertiseClientURLs) {
            let urls = goQuoted(listen.advertiseClientURLs.map(\.description).joined(separator: ","))
            throw ConfigurationError(
                "--advertise-client-urls \(urls) must be in the format \"host:port\", \"unix:/path/to/socket\" or "
                    + "\"unixs:/path/to/socket\" (\(problem))"
            )
        }
        // Go's etcd goes on and fails on the missing listener later; the sentence here is our own.
        if listen.peerURLs.isEmpty { throw ConfigurationError("--listen-peer-urls must not be empty") }
        if listen.clientURLs.isEmpty { throw ConfigurationError("--listen-client-urls must not be empty") }
    }

    /// Listeners bind addresses, not names: a name could stand for several.
    private static func checkBindable(_ urls: [EndpointURL]) throws(ConfigurationError) {
        for url in urls where !url.isSocket && url.hostname != "localhost" && !isAddress(url.hostname) {
            throw ConfigurationError("expected IP in URL for binding (\(url))")
        }
    }

    private static func missingHost(_ urls: [EndpointURL]) -> String? {
        urls.first { !$0.isSocket && $0.hostname.isEmpty }.map { "unexpected empty host (\($0))" }
    }

    private static func isAddress(_ text: String) -> Bool {
        // Room for the longer of the two.
        var bytes = [UInt8](repeating: 0, count: 16)
        return inet_pton(AF_INET, text, &bytes) == 1 || inet_pton(AF_INET6, text, &bytes) == 1
    }

    private func checkBootstrap(_ cluster: ClusterConfiguration) throws(ConfigurationError) {
        let discovery = cluster.discovery
        if InitialClusterState(rawValue: cluster.initialClusterStateText) == nil {
            throw ConfigurationError("unexpected clusterState \(goQuoted(cluster.initialClusterStateText))")
        }
        let ways = [!cluster.initialCluster.isEmpty, !discovery.srvDomain.isEmpty, !discovery.endpoints.isEmpty]
        if ways.count(where: { $0 }) > 1 { throw .conflictingBootstrapFlags }
        if discovery.token.isEmpty != discovery.endpoints.isEmpty {
            throw ConfigurationError("both --discovery-token and --discovery-endpoints must be set")
        }
        if discovery.endpoints.contains(where: { $0.allSatisfy(\.isWhitespace) }) {
            throw ConfigurationError("--discovery-endpoints must not contain empty endpoints")
        }
        if !cluster.versionCeilingText.isEmpty, cluster.versionCeiling == nil {
            throw ConfigurationError(
                "--cluster-version-ceiling must be one of 3.5, 3.6 and 3.7 "
                    + "(set to \(goQuoted(cluster.versionCeilingText)))"
            )
        }
    }

    private func checkTiming(_ raft: RaftConfiguration) throws(ConfigurationError) {
        let heartbeat = raft.heartbeatMilliseconds
        let election = raft.electionMilliseconds
        if heartbeat == 0 { throw ConfigurationError("--heartbeat-interval must be >0 (set to 0ms)") }
        if election == 0 { throw ConfigurationError("--election-timeout must be >0 (set to 0ms)") }
        let (fiveHeartbeats, overflow) = heartbeat.multipliedReportingOverflow(by: 5)
        if overflow || fiveHeartbeats > election {
            throw ConfigurationError(
                "--election-timeout[\(election)ms] should be at least as 5 times as "
                    + "--heartbeat-interval[\(heartbeat)ms]"
            )
        }
        if election > RaftConfiguration.electionMillisecondsMaximum {
            throw ConfigurationError(
                "--election-timeout[\(election)ms] is too long, and should be set less than "
                    + "\(RaftConfiguration.electionMillisecondsMaximum)ms"
            )
        }
    }

    private mutating func checkOperation(_ configuration: ServerConfiguration) throws(ConfigurationError) {
        switch configuration.storage.autoCompactionModeText {
        case "periodic", "revision": break
        case "": throw ConfigurationError("undefined auto-compaction-mode")
        case let mode: throw ConfigurationError("unknown auto-compaction-mode \(goQuoted(mode))")
        }
        if configuration.tracing.enabled {
            let rate = configuration.tracing.samplingRatePerMillion
            let reason =
                rate < 0
                ? "tracing sampling rate must be positive"
                : rate > 1_000_000 ? "tracing sampling rate must be less than 1000000" : nil
            if let reason {
                throw ConfigurationError("distributed tracing configurition is not valid: (\(reason))")
            }
        }
        let gates = configuration.featureGates
        if gates.isEnabled(.leaseCheckpoint), !gates.isEnabled(.leaseCheckpointPersist) {
            warnings.append(
                Warning(
                    message: "Detected that checkpointing is enabled without persistence. "
                        + "Consider enabling feature gate LeaseCheckpointPersist"
                )
            )
        }
        if gates.isEnabled(.leaseCheckpointPersist), !gates.isEnabled(.leaseCheckpoint) {
            throw ConfigurationError(
                "enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint"
            )
        }
        let hashCheckTime = configuration.monitoring.compactHashCheckTime
        if hashCheckTime <= .zero {
            throw ConfigurationError("--compact-hash-check-time must be >0 (set to \(hashCheckTime))")
        }
        if configuration.name == ServerConfiguration.defaultName {
            warnings.append(
                Warning(
                    message: "it isn't recommended to use default name, please set a value for --name. "
                        + "Note that etcd might run into issue when multiple members have the same default name",
                    fields: [.string("name", configuration.name)]
                )
            )
        }
    }

    private func checkTLS(_ security: SecurityConfiguration) throws(ConfigurationError) {
        for text in [security.tlsMinVersionText, security.tlsMaxVersionText]
        where !text.isEmpty && TLSVersion(rawValue: text) == nil {
            throw ConfigurationError("unexpected TLS version \(goQuoted(text)) (must be one of: TLS1.2, TLS1.3)")
        }
        if let minimum = security.tlsMinVersion, let maximum = security.tlsMaxVersion, minimum > maximum {
            throw ConfigurationError(
                "min version (\(minimum.rawValue)) is greater than max version (\(maximum.rawValue))"
            )
        }
        if security.tlsMinVersion == .tls13, !security.cipherSuites.isEmpty {
            throw ConfigurationError("cipher suites cannot be configured when only TLS1.3 is enabled")
        }
        for suite in security.cipherSuites where !CipherSuites.known.contains(suite) {
            throw ConfigurationError("unexpected TLS cipher suite \(goQuoted(suite))")
        }
    }
}

/// Names of TLS cipher suites as Go's crypto/tls has them, which are IANA's, and two older spellings.
enum CipherSuites {
    static let known: Set<String> = [
        "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
        "TLS_RSA_WITH_RC4_128_SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA", "TLS_RSA_WITH_AES_128_CBC_SHA",
        "TLS_RSA_WITH_AES_256_CBC_SHA", "TLS_RSA_WITH_AES_128_CBC_SHA256", "TLS_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
        "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    ]
}

extension StorageConfiguration {
    /// The meaning of --auto-compaction-mode and --auto-compaction-retention: a bare number counts hours or
    /// revisions, anything else is a duration.
    static func parseAutoCompaction(
        mode: String,
        retention: String
    ) throws(ConfigurationError) -> AutoCompaction {
        let retention = retention.isEmpty ? "0" : retention
        if let count = Int64(retention), count >= 0 {
            if count == 0 { return .off }
            if mode == "revision" { return .revisions(count) }
            let (nanoseconds, overflow) = count.multipliedReportingOverflow(by: GoDuration.hours(1).nanoseconds)
            if overflow {
                throw ConfigurationError(
                    "error parsing CompactionRetention: time: invalid duration \(goQuoted(retention))"
                )
            }
            return .periodic(GoDuration(nanoseconds: nanoseconds))
        }
        do throws(GoDurationError) {
            let duration = try GoDuration(parsing: retention)
            // etcd takes a negative retention and then compacts without pause; nobody means that.
            if duration < .zero {
                throw GoDurationError(description: "negative duration \(goQuoted(retention))")
            }
            if duration == .zero { return .off }
            return mode == "revision" ? .revisions(duration.nanoseconds) : .periodic(duration)
        } catch {
            throw ConfigurationError("error parsing CompactionRetention: \(error.description)")
        }
    }
}
