// The flags of etcd 3.7.1 as data of our own: name, variable, type, default, place in a configuration file.
// Written apart from the table in the sources, so that a slip in one shows against the other.

struct FlagRow: Sendable {
    let name: String
    let variable: String
    let type: String
    let defaultText: String
    let fileKey: String?
}

let flagRows: [FlagRow] = [
    .init(name: "name", variable: "ETCD_NAME", type: "string", defaultText: "default", fileKey: "name"),
    .init(name: "data-dir", variable: "ETCD_DATA_DIR", type: "string", defaultText: "", fileKey: "data-dir"),
    .init(name: "wal-dir", variable: "ETCD_WAL_DIR", type: "string", defaultText: "", fileKey: "wal-dir"),
    .init(
        name: "snapshot-count",
        variable: "ETCD_SNAPSHOT_COUNT",
        type: "uint64",
        defaultText: "10000",
        fileKey: "snapshot-count"
    ),
    .init(
        name: "heartbeat-interval",
        variable: "ETCD_HEARTBEAT_INTERVAL",
        type: "uint (ms)",
        defaultText: "100",
        fileKey: "heartbeat-interval"
    ),
    .init(
        name: "election-timeout",
        variable: "ETCD_ELECTION_TIMEOUT",
        type: "uint (ms)",
        defaultText: "1000",
        fileKey: "election-timeout"
    ),
    .init(
        name: "initial-election-tick-advance",
        variable: "ETCD_INITIAL_ELECTION_TICK_ADVANCE",
        type: "bool",
        defaultText: "true",
        fileKey: "initial-election-tick-advance"
    ),
    .init(
        name: "listen-peer-urls",
        variable: "ETCD_LISTEN_PEER_URLS",
        type: "url list",
        defaultText: "http://localhost:2380",
        fileKey: "listen-peer-urls"
    ),
    .init(
        name: "listen-client-urls",
        variable: "ETCD_LISTEN_CLIENT_URLS",
        type: "url list",
        defaultText: "http://localhost:2379",
        fileKey: "listen-client-urls"
    ),
    .init(
        name: "listen-client-http-urls",
        variable: "ETCD_LISTEN_CLIENT_HTTP_URLS",
        type: "url list",
        defaultText: "",
        fileKey: "listen-client-http-urls"
    ),
    .init(
        name: "max-snapshots",
        variable: "ETCD_MAX_SNAPSHOTS",
        type: "uint",
        defaultText: "5",
        fileKey: "max-snapshots"
    ),
    .init(name: "max-wals", variable: "ETCD_MAX_WALS", type: "uint", defaultText: "5", fileKey: "max-wals"),
    .init(
        name: "quota-backend-bytes",
        variable: "ETCD_QUOTA_BACKEND_BYTES",
        type: "int64",
        defaultText: "0",
        fileKey: "quota-backend-bytes"
    ),
    .init(
        name: "backend-bbolt-freelist-type",
        variable: "ETCD_BACKEND_BBOLT_FREELIST_TYPE",
        type: "string",
        defaultText: "",
        fileKey: "backend-bbolt-freelist-type"
    ),
    .init(
        name: "backend-batch-interval",
        variable: "ETCD_BACKEND_BATCH_INTERVAL",
        type: "duration",
        defaultText: "0s",
        fileKey: "backend-batch-interval"
    ),
    .init(
        name: "backend-batch-limit",
        variable: "ETCD_BACKEND_BATCH_LIMIT",
        type: "int",
        defaultText: "0",
        fileKey: "backend-batch-limit"
    ),
    .init(name: "max-txn-ops", variable: "ETCD_MAX_TXN_OPS", type: "uint", defaultText: "128", fileKey: "max-txn-ops"),
    .init(
        name: "max-request-bytes",
        variable: "ETCD_MAX_REQUEST_BYTES",
        type: "uint",
        defaultText: "1572864",
        fileKey: "max-request-bytes"
    ),
    .init(
        name: "max-concurrent-streams",
        variable: "ETCD_MAX_CONCURRENT_STREAMS",
        type: "uint32",
        defaultText: "4294967295",
        fileKey: "max-concurrent-streams"
    ),
    .init(
        name: "grpc-keepalive-min-time",
        variable: "ETCD_GRPC_KEEPALIVE_MIN_TIME",
        type: "duration",
        defaultText: "5s",
        fileKey: "grpc-keepalive-min-time"
    ),
    .init(
        name: "grpc-keepalive-interval",
        variable: "ETCD_GRPC_KEEPALIVE_INTERVAL",
        type: "duration",
        defaultText: "2h0m0s",
        fileKey: "grpc-keepalive-interval"
    ),
    .init(
        name: "grpc-keepalive-timeout",
        variable: "ETCD_GRPC_KEEPALIVE_TIMEOUT",
        type: "duration",
        defaultText: "20s",
        fileKey: "grpc-keepalive-timeout"
    ),
    .init(
        name: "socket-reuse-port",
        variable: "ETCD_SOCKET_REUSE_PORT",
        type: "bool",
        defaultText: "false",
        fileKey: "socket-options.reuse-port"
    ),
    .init(
        name: "socket-reuse-address",
        variable: "ETCD_SOCKET_REUSE_ADDRESS",
        type: "bool",
        defaultText: "false",
        fileKey: "socket-options.reuse-address"
    ),
    .init(
        name: "raft-read-timeout",
        variable: "ETCD_RAFT_READ_TIMEOUT",
        type: "duration",
        defaultText: "5s",
        fileKey: nil
    ),
    .init(
        name: "raft-write-timeout",
        variable: "ETCD_RAFT_WRITE_TIMEOUT",
        type: "duration",
        defaultText: "5s",
        fileKey: nil
    ),
    .init(
        name: "memory-mlock",
        variable: "ETCD_MEMORY_MLOCK",
        type: "bool",
        defaultText: "false",
        fileKey: "memory-mlock"
    ),
    .init(
        name: "snapshot-catchup-entries",
        variable: "ETCD_SNAPSHOT_CATCHUP_ENTRIES",
        type: "uint64",
        defaultText: "5000",
        fileKey: "snapshot-catchup-entries"
    ),
    .init(
        name: "compaction-batch-limit",
        variable: "ETCD_COMPACTION_BATCH_LIMIT",
        type: "int",
        defaultText: "0",
        fileKey: "compaction-batch-limit"
    ),
    .init(
        name: "compaction-sleep-interval",
        variable: "ETCD_COMPACTION_SLEEP_INTERVAL",
        type: "duration",
        defaultText: "0s",
        fileKey: "compaction-sleep-interval"
    ),
    .init(
        name: "watch-progress-notify-interval",
        variable: "ETCD_WATCH_PROGRESS_NOTIFY_INTERVAL",
        type: "duration",
        defaultText: "0s",
        fileKey: "watch-progress-notify-interval"
    ),
    .init(
        name: "warning-apply-duration",
        variable: "ETCD_WARNING_APPLY_DURATION",
        type: "duration",
        defaultText: "100ms",
        fileKey: "warning-apply-duration"
    ),
    .init(
        name: "warning-unary-request-duration",
        variable: "ETCD_WARNING_UNARY_REQUEST_DURATION",
        type: "duration",
        defaultText: "300ms",
        fileKey: "warning-unary-request-duration"
    ),
    .init(
        name: "bootstrap-defrag-threshold-megabytes",
        variable: "ETCD_BOOTSTRAP_DEFRAG_THRESHOLD_MEGABYTES",
        type: "uint",
        defaultText: "0",
        fileKey: "bootstrap-defrag-threshold-megabytes"
    ),
    .init(name: "max-learners", variable: "ETCD_MAX_LEARNERS", type: "int", defaultText: "1", fileKey: "max-learners"),
    .init(
        name: "downgrade-check-time",
        variable: "ETCD_DOWNGRADE_CHECK_TIME",
        type: "duration",
        defaultText: "5s",
        fileKey: "downgrade-check-time"
    ),
    .init(
        name: "initial-advertise-peer-urls",
        variable: "ETCD_INITIAL_ADVERTISE_PEER_URLS",
        type: "url list",
        defaultText: "http://localhost:2380",
        fileKey: "initial-advertise-peer-urls"
    ),
    .init(
        name: "initial-cluster",
        variable: "ETCD_INITIAL_CLUSTER",
        type: "string",
        defaultText: "default=http://localhost:2380",
        fileKey: "initial-cluster"
    ),
    .init(
        name: "initial-cluster-state",
        variable: "ETCD_INITIAL_CLUSTER_STATE",
        type: "string",
        defaultText: "new",
        fileKey: "initial-cluster-state"
    ),
    .init(
        name: "initial-cluster-token",
        variable: "ETCD_INITIAL_CLUSTER_TOKEN",
        type: "string",
        defaultText: "etcd-cluster",
        fileKey: "initial-cluster-token"
    ),
    .init(
        name: "advertise-client-urls",
        variable: "ETCD_ADVERTISE_CLIENT_URLS",
        type: "url list",
        defaultText: "http://localhost:2379",
        fileKey: "advertise-client-urls"
    ),
    .init(
        name: "discovery-srv",
        variable: "ETCD_DISCOVERY_SRV",
        type: "string",
        defaultText: "",
        fileKey: "discovery-srv"
    ),
    .init(
        name: "discovery-srv-name",
        variable: "ETCD_DISCOVERY_SRV_NAME",
        type: "string",
        defaultText: "",
        fileKey: "discovery-srv-name"
    ),
    .init(
        name: "discovery-fallback",
        variable: "ETCD_DISCOVERY_FALLBACK",
        type: "string",
        defaultText: "exit",
        fileKey: nil
    ),
    .init(
        name: "discovery-token",
        variable: "ETCD_DISCOVERY_TOKEN",
        type: "string",
        defaultText: "",
        fileKey: "discovery-config.token"
    ),
    .init(
        name: "discovery-endpoints",
        variable: "ETCD_DISCOVERY_ENDPOINTS",
        type: "string list",
        defaultText: "",
        fileKey: "discovery-config.client.endpoints"
    ),
    .init(
        name: "discovery-dial-timeout",
        variable: "ETCD_DISCOVERY_DIAL_TIMEOUT",
        type: "duration",
        defaultText: "2s",
        fileKey: "discovery-config.client.dial-timeout"
    ),
    .init(
        name: "discovery-request-timeout",
        variable: "ETCD_DISCOVERY_REQUEST_TIMEOUT",
        type: "duration",
        defaultText: "5s",
        fileKey: "discovery-config.client.request-timeout"
    ),
    .init(
        name: "discovery-keepalive-time",
        variable: "ETCD_DISCOVERY_KEEPALIVE_TIME",
        type: "duration",
        defaultText: "2s",
        fileKey: "discovery-config.client.keepalive-time"
    ),
    .init(
        name: "discovery-keepalive-timeout",
        variable: "ETCD_DISCOVERY_KEEPALIVE_TIMEOUT",
        type: "duration",
        defaultText: "6s",
        fileKey: "discovery-config.client.keepalive-timeout"
    ),
    .init(
        name: "discovery-insecure-transport",
        variable: "ETCD_DISCOVERY_INSECURE_TRANSPORT",
        type: "bool",
        defaultText: "true",
        fileKey: "discovery-config.client.secure.insecure-transport"
    ),
    .init(
        name: "discovery-insecure-skip-tls-verify",
        variable: "ETCD_DISCOVERY_INSECURE_SKIP_TLS_VERIFY",
        type: "bool",
        defaultText: "false",
        fileKey: "discovery-config.client.secure.insecure-skip-tls-verify"
    ),
    .init(
        name: "discovery-cert",
        variable: "ETCD_DISCOVERY_CERT",
        type: "string",
        defaultText: "",
        fileKey: "discovery-config.client.secure.cert"
    ),
    .init(
        name: "discovery-key",
        variable: "ETCD_DISCOVERY_KEY",
        type: "string",
        defaultText: "",
        fileKey: "discovery-config.client.secure.key"
    ),
    .init(
        name: "discovery-cacert",
        variable: "ETCD_DISCOVERY_CACERT",
        type: "string",
        defaultText: "",
        fileKey: "discovery-config.client.secure.cacert"
    ),
    .init(
        name: "discovery-user",
        variable: "ETCD_DISCOVERY_USER",
        type: "string",
        defaultText: "",
        fileKey: "discovery-config.client.auth.username"
    ),
    .init(
        name: "discovery-password",
        variable: "ETCD_DISCOVERY_PASSWORD",
        type: "string",
        defaultText: "",
        fileKey: "discovery-config.client.auth.password"
    ),
    .init(
        name: "strict-reconfig-check",
        variable: "ETCD_STRICT_RECONFIG_CHECK",
        type: "bool",
        defaultText: "true",
        fileKey: "strict-reconfig-check"
    ),
    .init(name: "pre-vote", variable: "ETCD_PRE_VOTE", type: "bool", defaultText: "true", fileKey: "pre-vote"),
    .init(
        name: "auto-compaction-retention",
        variable: "ETCD_AUTO_COMPACTION_RETENTION",
        type: "string",
        defaultText: "0",
        fileKey: "auto-compaction-retention"
    ),
    .init(
        name: "auto-compaction-mode",
        variable: "ETCD_AUTO_COMPACTION_MODE",
        type: "string",
        defaultText: "periodic",
        fileKey: "auto-compaction-mode"
    ),
    .init(
        name: "v2-deprecation",
        variable: "ETCD_V2_DEPRECATION",
        type: "string",
        defaultText: "",
        fileKey: "v2-deprecation"
    ),
    .init(
        name: "cert-file",
        variable: "ETCD_CERT_FILE",
        type: "string",
        defaultText: "",
        fileKey: "client-transport-security.cert-file"
    ),
    .init(
        name: "key-file",
        variable: "ETCD_KEY_FILE",
        type: "string",
        defaultText: "",
        fileKey: "client-transport-security.key-file"
    ),
    .init(
        name: "client-cert-file",
        variable: "ETCD_CLIENT_CERT_FILE",
        type: "string",
        defaultText: "",
        fileKey: "client-transport-security.client-cert-file"
    ),
    .init(
        name: "client-key-file",
        variable: "ETCD_CLIENT_KEY_FILE",
        type: "string",
        defaultText: "",
        fileKey: "client-transport-security.client-key-file"
    ),
    .init(
        name: "client-cert-auth",
        variable: "ETCD_CLIENT_CERT_AUTH",
        type: "bool",
        defaultText: "false",
        fileKey: "client-transport-security.client-cert-auth"
    ),
    .init(name: "client-crl-file", variable: "ETCD_CLIENT_CRL_FILE", type: "string", defaultText: "", fileKey: nil),
    .init(
        name: "client-cert-allowed-hostname",
        variable: "ETCD_CLIENT_CERT_ALLOWED_HOSTNAME",
        type: "string list",
        defaultText: "",
        fileKey: "client-transport-security.allowed-hostname"
    ),
    .init(
        name: "trusted-ca-file",
        variable: "ETCD_TRUSTED_CA_FILE",
        type: "string",
        defaultText: "",
        fileKey: "client-transport-security.trusted-ca-file"
    ),
    .init(
        name: "auto-tls",
        variable: "ETCD_AUTO_TLS",
        type: "bool",
        defaultText: "false",
        fileKey: "client-transport-security.auto-tls"
    ),
    .init(
        name: "peer-cert-file",
        variable: "ETCD_PEER_CERT_FILE",
        type: "string",
        defaultText: "",
        fileKey: "peer-transport-security.cert-file"
    ),
    .init(
        name: "peer-key-file",
        variable: "ETCD_PEER_KEY_FILE",
        type: "string",
        defaultText: "",
        fileKey: "peer-transport-security.key-file"
    ),
    .init(
        name: "peer-client-cert-file",
        variable: "ETCD_PEER_CLIENT_CERT_FILE",
        type: "string",
        defaultText: "",
        fileKey: "peer-transport-security.client-cert-file"
    ),
    .init(
        name: "peer-client-key-file",
        variable: "ETCD_PEER_CLIENT_KEY_FILE",
        type: "string",
        defaultText: "",
        fileKey: "peer-transport-security.client-key-file"
    ),
    .init(
        name: "peer-client-cert-auth",
        variable: "ETCD_PEER_CLIENT_CERT_AUTH",
        type: "bool",
        defaultText: "false",
        fileKey: "peer-transport-security.client-cert-auth"
    ),
    .init(
        name: "peer-trusted-ca-file",
        variable: "ETCD_PEER_TRUSTED_CA_FILE",
        type: "string",
        defaultText: "",
        fileKey: "peer-transport-security.trusted-ca-file"
    ),
    .init(
        name: "peer-auto-tls",
        variable: "ETCD_PEER_AUTO_TLS",
        type: "bool",
        defaultText: "false",
        fileKey: "peer-transport-security.auto-tls"
    ),
    .init(name: "peer-crl-file", variable: "ETCD_PEER_CRL_FILE", type: "string", defaultText: "", fileKey: nil),
    .init(
        name: "peer-cert-allowed-cn",
        variable: "ETCD_PEER_CERT_ALLOWED_CN",
        type: "string list",
        defaultText: "",
        fileKey: "peer-transport-security.allowed-cn"
    ),
    .init(
        name: "peer-cert-allowed-hostname",
        variable: "ETCD_PEER_CERT_ALLOWED_HOSTNAME",
        type: "string list",
        defaultText: "",
        fileKey: "peer-transport-security.allowed-hostname"
    ),
    .init(
        name: "peer-skip-client-san-verification",
        variable: "ETCD_PEER_SKIP_CLIENT_SAN_VERIFICATION",
        type: "bool",
        defaultText: "false",
        fileKey: "peer-transport-security.skip-client-san-verification"
    ),
    .init(
        name: "self-signed-cert-validity",
        variable: "ETCD_SELF_SIGNED_CERT_VALIDITY",
        type: "uint (years)",
        defaultText: "1",
        fileKey: "self-signed-cert-validity"
    ),
    .init(
        name: "cipher-suites",
        variable: "ETCD_CIPHER_SUITES",
        type: "string list",
        defaultText: "",
        fileKey: "cipher-suites"
    ),
    .init(
        name: "tls-min-version",
        variable: "ETCD_TLS_MIN_VERSION",
        type: "string",
        defaultText: "TLS1.2",
        fileKey: "tls-min-version"
    ),
    .init(
        name: "tls-max-version",
        variable: "ETCD_TLS_MAX_VERSION",
        type: "string",
        defaultText: "",
        fileKey: "tls-max-version"
    ),
    .init(name: "cors", variable: "ETCD_CORS", type: "string", defaultText: "*", fileKey: "cors"),
    .init(
        name: "host-whitelist",
        variable: "ETCD_HOST_WHITELIST",
        type: "string",
        defaultText: "*",
        fileKey: "host-whitelist"
    ),
    .init(
        name: "auth-token",
        variable: "ETCD_AUTH_TOKEN",
        type: "string",
        defaultText: "simple",
        fileKey: "auth-token"
    ),
    .init(name: "bcrypt-cost", variable: "ETCD_BCRYPT_COST", type: "uint", defaultText: "10", fileKey: "bcrypt-cost"),
    .init(
        name: "auth-token-ttl",
        variable: "ETCD_AUTH_TOKEN_TTL",
        type: "uint (s)",
        defaultText: "300",
        fileKey: "auth-token-ttl"
    ),
    .init(
        name: "enable-pprof",
        variable: "ETCD_ENABLE_PPROF",
        type: "bool",
        defaultText: "false",
        fileKey: "enable-pprof"
    ),
    .init(name: "metrics", variable: "ETCD_METRICS", type: "string", defaultText: "basic", fileKey: "metrics"),
    .init(
        name: "listen-metrics-urls",
        variable: "ETCD_LISTEN_METRICS_URLS",
        type: "url list",
        defaultText: "",
        fileKey: "listen-metrics-urls"
    ),
    .init(name: "logger", variable: "ETCD_LOGGER", type: "string", defaultText: "zap", fileKey: "logger"),
    .init(
        name: "log-outputs",
        variable: "ETCD_LOG_OUTPUTS",
        type: "string list",
        defaultText: "default",
        fileKey: "log-outputs"
    ),
    .init(name: "log-level", variable: "ETCD_LOG_LEVEL", type: "string", defaultText: "info", fileKey: "log-level"),
    .init(name: "log-format", variable: "ETCD_LOG_FORMAT", type: "string", defaultText: "json", fileKey: "log-format"),
    .init(
        name: "enable-log-rotation",
        variable: "ETCD_ENABLE_LOG_ROTATION",
        type: "bool",
        defaultText: "false",
        fileKey: "enable-log-rotation"
    ),
    .init(
        name: "log-rotation-config-json",
        variable: "ETCD_LOG_ROTATION_CONFIG_JSON",
        type: "string",
        defaultText: #"{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}"#,
        fileKey: "log-rotation-config-json"
    ),
    .init(
        name: "enable-distributed-tracing",
        variable: "ETCD_ENABLE_DISTRIBUTED_TRACING",
        type: "bool",
        defaultText: "false",
        fileKey: "enable-distributed-tracing"
    ),
    .init(
        name: "distributed-tracing-address",
        variable: "ETCD_DISTRIBUTED_TRACING_ADDRESS",
        type: "string",
        defaultText: "localhost:4317",
        fileKey: "distributed-tracing-address"
    ),
    .init(
        name: "distributed-tracing-service-name",
        variable: "ETCD_DISTRIBUTED_TRACING_SERVICE_NAME",
        type: "string",
        defaultText: "etcd",
        fileKey: "distributed-tracing-service-name"
    ),
    .init(
        name: "distributed-tracing-instance-id",
        variable: "ETCD_DISTRIBUTED_TRACING_INSTANCE_ID",
        type: "string",
        defaultText: "",
        fileKey: "distributed-tracing-instance-id"
    ),
    .init(
        name: "distributed-tracing-sampling-rate",
        variable: "ETCD_DISTRIBUTED_TRACING_SAMPLING_RATE",
        type: "int",
        defaultText: "0",
        fileKey: "distributed-tracing-sampling-rate"
    ),
    .init(
        name: "enable-grpc-gateway",
        variable: "ETCD_ENABLE_GRPC_GATEWAY",
        type: "bool",
        defaultText: "true",
        fileKey: "enable-grpc-gateway"
    ),
    .init(
        name: "corrupt-check-time",
        variable: "ETCD_CORRUPT_CHECK_TIME",
        type: "duration",
        defaultText: "0s",
        fileKey: "corrupt-check-time"
    ),
    .init(
        name: "compact-hash-check-time",
        variable: "ETCD_COMPACT_HASH_CHECK_TIME",
        type: "duration",
        defaultText: "1m0s",
        fileKey: "compact-hash-check-time"
    ),
    .init(
        name: "unsafe-no-fsync",
        variable: "ETCD_UNSAFE_NO_FSYNC",
        type: "bool",
        defaultText: "false",
        fileKey: "unsafe-no-fsync"
    ),
    .init(
        name: "force-new-cluster",
        variable: "ETCD_FORCE_NEW_CLUSTER",
        type: "bool",
        defaultText: "false",
        fileKey: "force-new-cluster"
    ),
    .init(
        name: "feature-gates",
        variable: "ETCD_FEATURE_GATES",
        type: "k=v list",
        defaultText: "",
        fileKey: "feature-gates"
    ),
    .init(
        name: "cluster-active-size",
        variable: "ETCD_CLUSTER_ACTIVE_SIZE",
        type: "ignored",
        defaultText: "",
        fileKey: nil
    ),
    .init(
        name: "cluster-remove-delay",
        variable: "ETCD_CLUSTER_REMOVE_DELAY",
        type: "ignored",
        defaultText: "",
        fileKey: nil
    ),
    .init(
        name: "cluster-sync-interval",
        variable: "ETCD_CLUSTER_SYNC_INTERVAL",
        type: "ignored",
        defaultText: "",
        fileKey: nil
    ),
    .init(name: "config", variable: "ETCD_CONFIG", type: "ignored", defaultText: "", fileKey: nil),
    .init(name: "force", variable: "ETCD_FORCE", type: "ignored", defaultText: "", fileKey: nil),
    .init(
        name: "max-result-buffer",
        variable: "ETCD_MAX_RESULT_BUFFER",
        type: "ignored",
        defaultText: "",
        fileKey: nil
    ),
    .init(
        name: "max-retry-attempts",
        variable: "ETCD_MAX_RETRY_ATTEMPTS",
        type: "ignored",
        defaultText: "",
        fileKey: nil
    ),
    .init(
        name: "peer-heartbeat-interval",
        variable: "ETCD_PEER_HEARTBEAT_INTERVAL",
        type: "ignored",
        defaultText: "",
        fileKey: nil
    ),
    .init(
        name: "peer-election-timeout",
        variable: "ETCD_PEER_ELECTION_TIMEOUT",
        type: "ignored",
        defaultText: "",
        fileKey: nil
    ),
    .init(name: "retry-interval", variable: "ETCD_RETRY_INTERVAL", type: "ignored", defaultText: "", fileKey: nil),
    .init(name: "snapshot", variable: "ETCD_SNAPSHOT", type: "ignored", defaultText: "", fileKey: nil),
    .init(name: "v", variable: "ETCD_V", type: "ignored", defaultText: "", fileKey: nil),
    .init(name: "vv", variable: "ETCD_VV", type: "ignored", defaultText: "", fileKey: nil),
]
