// All flags of the server, in the order of the help text. The set, the defaults and the file keys are etcd 3.7's;
// `cluster-version-ceiling` is the one flag of our own, `lease-checkpoint-interval` one for tests alone.

enum FlagTable {
    static let all: [FlagDefinition] =
        member + clustering + discovery + security + authentication + operations + ignored

    static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// Sentences for flags that are on their way out.
    static let deprecated = [
        "max-snapshots": "--max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8.",
        "v2-deprecation": "--v2-deprecation is deprecated and scheduled for removal in v3.8. "
            + "The default value is enforced, ignoring user input.",
    ]

    private static let member: [FlagDefinition] = [
        .init("name", .string(\.name), .member, "Name of this member, for people."),
        .init("data-dir", .string(\.dataDirectory), .member, shows: "${name}.etcd", "Folder for the member's data."),
        .init("wal-dir", .string(\.walDirectory), .member, "Folder for the write-ahead log, if it has one of its own."),
        .init(
            "snapshot-count",
            .uint64(\.raft.snapshotCount),
            .member,
            "Applied entries after which a snapshot is taken."
        ),
        .init(
            "heartbeat-interval",
            .uint(\.raft.heartbeatMilliseconds),
            .member,
            "Heartbeat interval in milliseconds."
        ),
        .init(
            "election-timeout",
            .uint(\.raft.electionMilliseconds),
            .member,
            "Election timeout in milliseconds; at least five heartbeat intervals."
        ),
        .init(
            "initial-election-tick-advance",
            .bool(\.raft.initialElectionTickAdvance),
            .member,
            "Skip most of the first election timeout when starting, to elect a leader sooner."
        ),
        .init(
            "listen-peer-urls",
            .urls(\.listen.peerURLs),
            .member,
            "URLs to listen on for other members, separated by commas."
        ),
        .init(
            "listen-client-urls",
            .urls(\.listen.clientURLs),
            .member,
            "URLs to listen on for clients: gRPC, and HTTP unless --listen-client-http-urls is set."
        ),
        .init(
            "listen-client-http-urls",
            .urls(\.listen.clientHTTPURLs),
            .member,
            "URLs to listen on for clients that speak HTTP only; HTTP then leaves --listen-client-urls."
        ),
        .init(
            "max-snapshots",
            .uint(\.raft.maxSnapshots),
            .member,
            "Snapshot files to keep (0 keeps all). Deprecated in v3.6, gone in v3.8."
        ),
        .init("max-wals", .uint(\.raft.maxWALs), .member, "Write-ahead log files to keep (0 keeps all)."),
        .init("memory-mlock", .bool(\.storage.memoryLock), .member, "Lock the pages of the database in memory."),
        .init(
            "quota-backend-bytes",
            .int64(\.storage.quotaBackendBytes),
            .member,
            "Size in bytes at which the database raises an alarm and stops accepting writes. 0 means 2 GiB, "
                + "less than 0 means no limit."
        ),
        .init(
            "backend-bbolt-freelist-type",
            .string(\.storage.freelistTypeText),
            .member,
            shows: "map",
            "How the database file keeps track of free pages: array or map."
        ),
        .init(
            "backend-batch-interval",
            .duration(\.storage.batchIntervalSetting),
            .member,
            "Longest time before a database transaction is committed (0 means 100ms)."
        ),
        .init(
            "backend-batch-limit",
            .int(\.storage.batchLimitSetting),
            .member,
            "Operations after which a database transaction is committed (0 means 10000)."
        ),
        .init("max-txn-ops", .uint(\.requests.maxTxnOps), .member, "Most operations one transaction may have."),
        .init(
            "max-request-bytes",
            .uint(\.requests.maxRequestBytes),
            .member,
            "Largest client request that is accepted, in bytes."
        ),
        .init(
            "max-concurrent-streams",
            .uint32(\.requests.maxConcurrentStreams),
            .member,
            "Most streams one client connection may have open."
        ),
        .init(
            "grpc-keepalive-min-time",
            .duration(\.requests.keepAliveMinTime),
            .member,
            "Shortest interval at which a client may ping."
        ),
        .init(
            "grpc-keepalive-interval",
            .duration(\.requests.keepAliveInterval),
            .member,
            "Interval at which the server pings idle clients (0 turns it off)."
        ),
        .init(
            "grpc-keepalive-timeout",
            .duration(\.requests.keepAliveTimeout),
            .member,
            "Time a client has to answer such a ping (0 turns it off)."
        ),
        .init(
            "socket-reuse-port",
            .bool(\.listen.reusePort),
            .member,
            file: .path("socket-options.reuse-port"),
            "Set SO_REUSEPORT on listeners, so that several processes may share a port."
        ),
        .init(
            "socket-reuse-address",
            .bool(\.listen.reuseAddress),
            .member,
            file: .path("socket-options.reuse-address"),
            "Set SO_REUSEADDR on listeners, so that an address in TIME_WAIT may be bound."
        ),
        .init("enable-grpc-gateway", .bool(\.requests.enableGRPCGateway), .member, "Serve the JSON gateway."),
        .init(
            "raft-read-timeout",
            .duration(\.raft.peerReadTimeout),
            .member,
            file: .none,
            "Read timeout of connections to other members."
        ),
        .init(
            "raft-write-timeout",
            .duration(\.raft.peerWriteTimeout),
            .member,
            file: .none,
            "Write timeout of connections to other members."
        ),
        .init(
            "feature-gates",
            .featureGates,
            .member,
            "Switches for features that are not final, as Name=true|false separated by commas:"
        ),
    ]

    private static let clustering: [FlagDefinition] = [
        .init(
            "initial-advertise-peer-urls",
            .urls(\.listen.advertisePeerURLs),
            .clustering,
            "This member's peer URLs as the other members reach them."
        ),
        .init(
            "initial-cluster",
            .string(\.cluster.initialCluster),
            .clustering,
            "The members of a new cluster, as name=url separated by commas."
        ),
        .init(
            "initial-cluster-state",
            .choice(\.cluster.initialClusterStateText, ["new", "existing"]),
            .clustering,
            "'new' to bootstrap a cluster, 'existing' to join one. Has no effect once the member has data."
        ),
        .init(
            "initial-cluster-token",
            .string(\.cluster.initialClusterToken),
            .clustering,
            "Word that keeps clusters with equal addresses apart."
        ),
        .init(
            "advertise-client-urls",
            .urls(\.listen.advertiseClientURLs),
            .clustering,
            "This member's client URLs as clients reach them."
        ),
        .init(
            "strict-reconfig-check",
            .bool(\.cluster.strictReconfigCheck),
            .clustering,
            "Refuse membership changes that would cost the quorum."
        ),
        .init(
            "pre-vote",
            .bool(\.raft.preVote),
            .clustering,
            "Ask for votes before raising the term, so that a returning member does not disturb the cluster."
        ),
        .init(
            "auto-compaction-retention",
            .string(\.storage.autoCompactionRetentionText),
            .clustering,
            "History to keep when compacting automatically (0 turns it off)."
        ),
        .init(
            "auto-compaction-mode",
            .string(\.storage.autoCompactionModeText),
            .clustering,
            "Meaning of the retention: 'periodic' is a time (hours if no unit is given), 'revision' a number of "
                + "revisions."
        ),
        .init(
            "v2-deprecation",
            .choices(
                \.cluster.v2Deprecation,
                ["gone", "write-only", "write-only-drop-data", "write-only-skip-check"]
            ),
            .clustering,
            shows: "write-only",
            "Accepted without effect. Deprecated, gone in v3.8."
        ),
        .init(
            "cluster-version-ceiling",
            .choice(\.cluster.versionCeilingText, ["", "3.5", "3.6", "3.7"]),
            .clustering,
            "Never raise cluster and storage version above this one (3.5, 3.6 or 3.7). Not a flag of Go's etcd."
        ),
    ]

    private static let discovery: [FlagDefinition] = [
        .init(
            "discovery-token",
            .string(\.cluster.discovery.token),
            .clustering,
            file: .path("discovery-config.token"),
            "Token of the cluster at the discovery service."
        ),
        .init(
            "discovery-endpoints",
            .uniqueStrings(\.cluster.discovery.endpoints),
            .clustering,
            file: .path("discovery-config.client.endpoints"),
            "gRPC endpoints of the discovery service."
        ),
        .init(
            "discovery-dial-timeout",
            .duration(\.cluster.discovery.dialTimeout),
            .clustering,
            file: .path("discovery-config.client.dial-timeout"),
            "Time to connect to the discovery service."
        ),
        .init(
            "discovery-request-timeout",
            .duration(\.cluster.discovery.requestTimeout),
            .clustering,
            file: .path("discovery-config.client.request-timeout"),
            "Time for one request to the discovery service."
        ),
        .init(
            "discovery-keepalive-time",
            .duration(\.cluster.discovery.keepAliveTime),
            .clustering,
            file: .path("discovery-config.client.keepalive-time"),
            "Ping interval to the discovery service."
        ),
        .init(
            "discovery-keepalive-timeout",
            .duration(\.cluster.discovery.keepAliveTimeout),
            .clustering,
            file: .path("discovery-config.client.keepalive-timeout"),
            "Time the discovery service has for a pong."
        ),
        .init(
            "discovery-insecure-transport",
            .bool(\.cluster.discovery.insecureTransport),
            .clustering,
            file: .path("discovery-config.client.secure.insecure-transport"),
            "Reach the discovery service without TLS."
        ),
        .init(
            "discovery-insecure-skip-tls-verify",
            .bool(\.cluster.discovery.insecureSkipTLSVerify),
            .clustering,
            file: .path("discovery-config.client.secure.insecure-skip-tls-verify"),
            "Do not check the discovery service's certificate (for tests only)."
        ),
        .init(
            "discovery-cert",
            .string(\.cluster.discovery.certFile),
            .clustering,
            file: .path("discovery-config.client.secure.cert"),
            "Client certificate for the discovery service."
        ),
        .init(
            "discovery-key",
            .string(\.cluster.discovery.keyFile),
            .clustering,
            file: .path("discovery-config.client.secure.key"),
            "Client key for the discovery service."
        ),
        .init(
            "discovery-cacert",
            .string(\.cluster.discovery.caCertFile),
            .clustering,
            file: .path("discovery-config.client.secure.cacert"),
            "Certificates the discovery service is checked by."
        ),
        .init(
            "discovery-user",
            .string(\.cluster.discovery.user),
            .clustering,
            file: .path("discovery-config.client.auth.username"),
            "User at the discovery service: name[:password]."
        ),
        .init(
            "discovery-password",
            .string(\.cluster.discovery.password),
            .clustering,
            file: .path("discovery-config.client.auth.password"),
            "Password of that user."
        ),
        .init(
            "discovery-fallback",
            .choice(\.cluster.discovery.fallback, ["exit", "proxy"]),
            .clustering,
            file: .none,
            "What to do when discovery fails; only 'exit' is left."
        ),
        .init(
            "discovery-srv",
            .string(\.cluster.discovery.srvDomain),
            .clustering,
            "Domain whose SRV records name the members of a new cluster."
        ),
        .init(
            "discovery-srv-name",
            .string(\.cluster.discovery.srvServiceName),
            .clustering,
            "Suffix of the service name in those records."
        ),
    ]
}
