// The checks on settings, derived addresses, and what is refused because it is not built.
import ServerConfiguration
import ServerLog
import Testing

@Suite struct CheckTests {
    @Test(arguments: [
        (["--heartbeat-interval=0"], "--heartbeat-interval must be >0 (set to 0ms)"),
        (["--election-timeout=0"], "--election-timeout must be >0 (set to 0ms)"),
        (
            ["--election-timeout=499"],
            "--election-timeout[499ms] should be at least as 5 times as --heartbeat-interval[100ms]"
        ),
        (
            ["--heartbeat-interval=18446744073709551615"],
            "--election-timeout[1000ms] should be at least as 5 times as --heartbeat-interval[18446744073709551615ms]"
        ),
        (
            ["--election-timeout=50001"],
            "--election-timeout[50001ms] is too long, and should be set less than 50000ms"
        ),
        (
            ["--listen-client-urls", "http://example.com:1", "--advertise-client-urls", "http://x:1"],
            "expected IP in URL for binding (http://example.com:1)"
        ),
        (["--listen-peer-urls", "http://:2380"], "expected IP in URL for binding (http://:2380)"),
        (
            ["--listen-client-urls", "http://127.0.0.1:1"],
            "--advertise-client-urls is required when --listen-client-urls is set explicitly"
        ),
        (
            ["--advertise-client-urls", "http://:1"],
            "--advertise-client-urls \"http://:1\" must be in the format \"host:port\", \"unix:/path/to/socket\" or "
                + "\"unixs:/path/to/socket\" (unexpected empty host (http://:1))"
        ),
        (
            ["--initial-advertise-peer-urls", "http://:1"],
            "--initial-advertise-peer-urls \"http://:1\" must be \"host:port\" (unexpected empty host (http://:1))"
        ),
        (
            ["--discovery-srv", "x", "--initial-cluster", "a=http://b:1"],
            "multiple discovery or bootstrap flags are set. "
                + "Choose one of \"initial-cluster\", \"discovery-endpoints\" or \"discovery-srv\""
        ),
        (["--discovery-token", "x"], "both --discovery-token and --discovery-endpoints must be set"),
        (
            ["--discovery-fallback", "proxy"],
            "v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\""
        ),
        (["--auto-compaction-mode", ""], "undefined auto-compaction-mode"),
        (["--auto-compaction-mode", "x"], "unknown auto-compaction-mode \"x\""),
        (["--auto-compaction-retention", "zz"], "error parsing CompactionRetention: time: invalid duration \"zz\""),
        (["--compact-hash-check-time", "0s"], "--compact-hash-check-time must be >0 (set to 0s)"),
        (
            ["--feature-gates", "LeaseCheckpointPersist=true"],
            "enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint"
        ),
        (["--tls-min-version", "TLS1.1"], "unexpected TLS version \"TLS1.1\" (must be one of: TLS1.2, TLS1.3)"),
        (
            ["--tls-min-version", "TLS1.3", "--tls-max-version", "TLS1.2"],
            "min version (TLS1.3) is greater than max version (TLS1.2)"
        ),
        (
            ["--tls-min-version", "TLS1.3", "--cipher-suites", "TLS_AES_128_GCM_SHA256"],
            "cipher suites cannot be configured when only TLS1.3 is enabled"
        ),
        (["--cipher-suites", "X"], "unexpected TLS cipher suite \"X\""),
        (["--logger", "capnslog"], "--logger=capnslog is removed in v3.5"),
        (["--logger", "x"], "unknown logger option \"x\""),
        (["--log-level", "zzz"], "unrecognized level: \"zzz\""),
        (["--log-format", "x"], "unknown log format: x, supported values json, console"),
        (["--log-outputs", "default,a"], "multi logoutput for \"default\" is not supported yet"),
        (
            ["--enable-log-rotation"],
            "--log-outputs requires a single file path when --log-rotate-config-json is defined"
        ),
        (
            ["--enable-log-rotation", "--log-outputs", "a", "--log-rotation-config-json", ""],
            "improperly formatted log rotation config: unexpected end of JSON input"
        ),
        (
            ["--enable-distributed-tracing", "--distributed-tracing-sampling-rate=-1"],
            "distributed tracing configurition is not valid: (tracing sampling rate must be positive)"
        ),
        (
            ["--enable-distributed-tracing", "--distributed-tracing-sampling-rate=1000001"],
            "distributed tracing configurition is not valid: (tracing sampling rate must be less than 1000000)"
        ),
    ])
    func settingsThatMakeNoSense(arguments: [String], sentence: String) throws {
        let failure = try fail(arguments)
        #expect(failure.message == sentence)
        #expect(failure.exitCode == 1)
        #expect(failure.standardErrorText.isEmpty)
        #expect(failure.logLines.contains { $0.message == "failed to verify flags" && $0.fields == [.error(sentence)] })
    }

    @Test func theMissingAdvertisedURLIsSaidTwice() throws {
        let failure = try fail(["--listen-client-urls", ""])
        #expect(failure.logLines.last?.message == "advertise client URLs are not set")
    }

    @Test func flagsAtTheirDefaultsAreFine() throws {
        _ = try run([
            "--cert-file", "", "--auto-tls=false", "--auth-token", "simple", "--initial-cluster-state", "new",
            "--discovery-dial-timeout", "2s", "--tls-min-version", "TLS1.2", "--socket-reuse-port=false",
            "--initial-cluster", "default=http://localhost:2380,default=http://a:1",
        ])
    }

    @Test func compactionRetention() throws {
        func compaction(_ mode: String, _ retention: String) throws -> AutoCompaction {
            try run(["--auto-compaction-mode", mode, "--auto-compaction-retention", retention])
                .configuration.storage.autoCompaction
        }
        #expect(try compaction("periodic", "0") == .off)
        #expect(try compaction("periodic", "") == .off)
        #expect(try compaction("periodic", "5") == .periodic(.hours(5)))
        #expect(try compaction("periodic", "5m") == .periodic(.minutes(5)))
        #expect(try compaction("revision", "1000") == .revisions(1000))
        #expect(throws: (any Error).self) { try compaction("periodic", "-5m") }
        #expect(throws: (any Error).self) { try compaction("periodic", "9223372036854775807") }
    }

    @Test func zeroMeansTheBuiltInValue() throws {
        let configuration = try run(["--warning-unary-request-duration", "0s"]).configuration
        #expect(configuration.requests.warningUnaryRequestDuration == .milliseconds(300))
        #expect(configuration.requests.watchProgressNotifyInterval == .minutes(10))
        #expect(configuration.storage.batchInterval == .milliseconds(100))
        #expect(configuration.storage.batchLimit == 10_000)
        #expect(configuration.storage.compactionBatchLimit == 1_000)
        #expect(configuration.storage.compactionSleepInterval == .milliseconds(10))
        #expect(configuration.storage.effectiveQuotaBytes == 2_147_483_648)
        #expect(configuration.storage.freelistType == .map)
        let short = try run(["--watch-progress-notify-interval", "1ms"]).configuration
        #expect(short.requests.watchProgressNotifyInterval == .milliseconds(100))
    }

    @Test func peerTimeoutsHaveAFloor() throws {
        let (configuration, lines) = try run(["--raft-read-timeout", "1s", "--raft-write-timeout", "9s"])
        #expect(configuration.raft.peerReadTimeout == .seconds(5))
        #expect(configuration.raft.peerWriteTimeout == .seconds(9))
        #expect(lines.contains { $0.message == "raft-read-timeout increased to minimum value: 5s" })
    }

    @Test func featureGates() throws {
        let gates = try run([
            "--feature-gates", "AllAlpha=true,PriorityRequest=false", "--feature-gates", "AllBeta=false",
        ]).configuration.featureGates
        #expect(gates.isEnabled(.compactHashCheck))
        #expect(!gates.isEnabled(.priorityRequest))
        #expect(!gates.isEnabled(.fastLeaseKeepAlive))
        #expect(ServerConfiguration().featureGates.isEnabled(.txnModeWriteWithSharedBuffer))
        #expect(ServerConfiguration().featureGates.description.isEmpty)
        let some = try run(["--feature-gates", "PriorityRequest=true, CompactHashCheck = F"]).configuration.featureGates
        #expect(some.description == "CompactHashCheck=false,PriorityRequest=true")
    }

    @Test func theVersionCeiling() throws {
        #expect(try run([]).configuration.cluster.versionCeiling == nil)
        #expect(try run(["--cluster-version-ceiling=3.5"]).configuration.cluster.versionCeiling == .v3_5)
        let environment = ["ETCD_CLUSTER_VERSION_CEILING": "3.6"]
        #expect(try run([], environment: environment).configuration.cluster.versionCeiling == .v3_6)
        let file = "cluster-version-ceiling: \"3.7\"\n"
        #expect(try run(["--config-file", "f"], file: file).configuration.cluster.versionCeiling == .v3_7)
        let wrong = try fail(["--config-file", "f"], file: "cluster-version-ceiling: \"4.0\"\n")
        #expect(wrong.message == "--cluster-version-ceiling must be one of 3.5, 3.6 and 3.7 (set to \"4.0\")")
    }

    @Test func addressesFollowTheNameAndTheHost() throws {
        let named = try run(["--name", "m1"]).configuration
        #expect(named.cluster.initialCluster == "m1=http://localhost:2380")
        #expect(named.dataDirectory == "m1.etcd")

        let open = [
            "--listen-peer-urls", "http://0.0.0.0:3380", "--listen-client-urls", "http://0.0.0.0:3379",
            "--advertise-client-urls", "http://localhost:2379", "--name", "m1",
        ]
        let (configuration, lines) = try run(open, defaultHost: .address("10.1.2.3"))
        #expect(configuration.listen.advertisePeerURLs.map(\.description) == ["http://10.1.2.3:3380"])
        #expect(configuration.listen.advertiseClientURLs.map(\.description) == ["http://10.1.2.3:3379"])
        #expect(configuration.cluster.initialCluster == "m1=http://10.1.2.3:3380")
        #expect(lines.contains { $0.message == "detected default host for advertise" })

        let failed = try run(open, defaultHost: .failed("could not find default route"))
        #expect(failed.configuration.listen.advertisePeerURLs == [.localPeer])
        #expect(failed.lines.contains { $0.message == "failed to detect default host" })
    }

    @Test func bootstrapMembers() throws {
        func members(_ arguments: [String]) throws -> [InitialMember] {
            try run(arguments).configuration.checkedBootstrapMembers()
        }
        #expect(try members([]).map(\.name) == ["default"])
        #expect(throws: ConfigurationError("couldn't find local name \"b\" in the initial cluster configuration")) {
            try members(["--name", "b", "--initial-cluster", "a=http://a:1"])
        }
        #expect(
            throws: ConfigurationError(
                "--initial-cluster has a=http://a:1 but missing from "
                    + "--initial-advertise-peer-urls=http://localhost:2380 "
                    + "(resolved urls: \"http://localhost:2380\" != \"http://a:1\")"
            )
        ) {
            try members(["--name", "a", "--initial-cluster", "a=http://a:1"])
        }
        #expect(
            throws: ConfigurationError(
                "--initial-advertise-peer-urls has http://b:1 but missing from "
                    + "--initial-cluster=a=http://a:1,a=http://b:1"
            )
        ) {
            try members([
                "--name", "a", "--initial-cluster", "a=http://a:1",
                "--initial-advertise-peer-urls", "http://a:1,http://b:1",
            ])
        }
        #expect(
            throws: ConfigurationError(
                "error setting up initial cluster: URL scheme must be http, https, unix, or unixs: "
            )
        ) {
            try members(["--initial-cluster", "default"])
        }
    }

    private static let startKeys = """
        etcd-version git-sha swift-version go-os go-arch max-cpu-set max-cpu-available member-initialized
        name data-dir wal-dir wal-dir-dedicated member-dir force-new-cluster heartbeat-interval
        election-timeout initial-election-tick-advance snapshot-count max-wals max-snapshots
        snapshot-catchup-entries initial-advertise-peer-urls listen-peer-urls advertise-client-urls
        listen-client-urls listen-metrics-urls local-address cors host-whitelist initial-cluster
        initial-cluster-state initial-cluster-token quota-backend-bytes max-request-bytes
        max-concurrent-streams pre-vote feature-gates initial-corrupt-check corrupt-check-time-interval
        compact-check-time-interval auto-compaction-mode auto-compaction-retention auto-compaction-interval
        discovery-token discovery-endpoints discovery-dial-timeout discovery-request-timeout
        discovery-keepalive-time discovery-keepalive-timeout discovery-insecure-transport
        discovery-insecure-skip-tls-verify discovery-cert discovery-key discovery-cacert discovery-user
        downgrade-check-interval max-learners v2-deprecation
        """

    @Test func theStartLineTellsAllSettings() throws {
        let configuration = try run(["--name", "golden", "--initial-cluster-token", "golden"]).configuration
        let build = ServerConfiguration.Build(gitSHA: "abc", processors: 2)
        let fields = configuration.startFields(build: build, memberInitialized: false)
        #expect(fields.map(\.key) == Self.startKeys.split(whereSeparator: \.isWhitespace).map(String.init))
        #expect(fields.contains(.string("member-dir", "golden.etcd/member")))
        #expect(fields.contains(.duration("election-timeout", GoDuration.seconds(1))))
        #expect(fields.contains(.string("initial-cluster", "golden=http://localhost:2380")))
        #expect(fields.contains(.int("quota-backend-bytes", 2_147_483_648)))
        let later = configuration.startFields(build: build, memberInitialized: true)
        #expect(later.contains(.string("initial-cluster", "")))
        #expect(configuration.effectiveWALDirectory == "golden.etcd/member/wal")
        #expect(configuration.snapshotDirectory == "golden.etcd/member/snap")
    }
}
