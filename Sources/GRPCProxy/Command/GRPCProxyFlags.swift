// The flags of `etcd grpc-proxy start`.

import CommandLineKit

enum GRPCProxyFlags {
    static let all: [Flag] = listening + members + security + others

    private static let listening = [
        Flag("listen-addr", nil, .string, "127.0.0.1:23790", "listen address"),
        Flag("metrics-addr", nil, .string, "", "listen for endpoint /metrics requests on an additional interface"),
        Flag(
            "advertise-client-url",
            nil,
            .string,
            "127.0.0.1:23790",
            "advertise address to register (must be reachable by client)"
        ),
        Flag(
            "resolver-prefix",
            nil,
            .string,
            "",
            "prefix to use for registering proxy (must be shared with other grpc-proxy members)"
        ),
        Flag("resolver-ttl", nil, .int, "0", "specify TTL, in seconds, when registering proxy endpoints"),
        Flag(
            "max-concurrent-streams",
            nil,
            .uint,
            "4294967295",
            "Maximum concurrent streams that each client may have open at a time."
        ),
        Flag(
            "grpc-keepalive-min-time",
            nil,
            .duration,
            "5s",
            "Minimum interval duration that a client should wait before pinging proxy."
        ),
        Flag(
            "grpc-keepalive-interval",
            nil,
            .duration,
            "2h0m0s",
            "Frequency duration of server-to-client ping to check if a connection is alive (0 to disable)."
        ),
        Flag(
            "grpc-keepalive-timeout",
            nil,
            .duration,
            "20s",
            "Additional duration of wait before closing a non-responsive connection (0 to disable)."
        ),
    ]

    private static let members = [
        Flag("discovery-srv", nil, .string, "", "domain name to query for SRV records describing cluster endpoints"),
        Flag("discovery-srv-name", nil, .string, "", "service name to query when using DNS discovery"),
        Flag("insecure-discovery", nil, .bool, "", "accept insecure SRV records"),
        Flag("endpoints", nil, .stringList, "127.0.0.1:2379", "comma separated etcd cluster endpoints"),
        Flag(
            "endpoints-auto-sync-interval",
            nil,
            .duration,
            "0s",
            "etcd endpoints auto sync interval (disabled by default)"
        ),
        Flag(
            "dial-keepalive-time",
            nil,
            .duration,
            "0s",
            "keepalive time for client(grpc-proxy) connections (default 0, disable)."
        ),
        Flag(
            "dial-keepalive-timeout",
            nil,
            .duration,
            "20s",
            "keepalive timeout for client(grpc-proxy) connections (default 20s)."
        ),
        Flag(
            "permit-without-stream",
            nil,
            .bool,
            "",
            "Enable client(grpc-proxy) to send keepalive pings even with no active RPCs."
        ),
        Flag("namespace", nil, .string, "", "string to prefix to all keys for namespacing requests"),
        Flag("max-send-bytes", nil, .int, "1572864", "message send limits in bytes (default value is 1.5 MiB)"),
        Flag(
            "max-recv-bytes",
            nil,
            .int,
            "2147483647",
            "message receive limits in bytes (default value is math.MaxInt32)"
        ),
    ]

    private static let security = [
        Flag("cert", nil, .string, "", "identify secure connections with etcd servers using this TLS certificate file"),
        Flag("key", nil, .string, "", "identify secure connections with etcd servers using this TLS key file"),
        Flag("cacert", nil, .string, "", "verify certificates of TLS-enabled secure etcd servers using this CA bundle"),
        Flag(
            "insecure-skip-tls-verify",
            nil,
            .bool,
            "",
            "skip authentication of etcd server TLS certificates (CAUTION: this option should be enabled only for testing purposes)"
        ),
        Flag("cert-file", nil, .string, "", "identify secure connections to the proxy using this TLS certificate file"),
        Flag("key-file", nil, .string, "", "identify secure connections to the proxy using this TLS key file"),
        Flag(
            "trusted-ca-file",
            nil,
            .string,
            "",
            "verify certificates of TLS-enabled secure proxy using this CA bundle"
        ),
        Flag(
            "listen-cipher-suites",
            nil,
            .stringList,
            "",
            "Comma-separated list of supported TLS cipher suites between client/proxy (empty will be auto-populated by Go)."
        ),
        Flag("auto-tls", nil, .bool, "", "proxy TLS using generated certificates"),
        Flag("client-crl-file", nil, .string, "", "proxy client certificate revocation list file."),
        Flag(
            "self-signed-cert-validity",
            nil,
            .uint,
            "1",
            "The validity period of the proxy certificates, unit is year"
        ),
        Flag(
            "tls-min-version",
            nil,
            .string,
            "TLS1.2",
            "Minimum TLS version supported by grpc proxy. Possible values: TLS1.2, TLS1.3."
        ),
        Flag(
            "tls-max-version",
            nil,
            .string,
            "",
            "Maximum TLS version supported by grpc proxy. Possible values: TLS1.2, TLS1.3 (empty defers to Go)."
        ),
    ]

    private static let others = [
        Flag("data-dir", nil, .string, "default.proxy", "Data directory for persistent data"),
        Flag(
            "enable-pprof",
            nil,
            .bool,
            "",
            "Enable runtime profiling data via HTTP server. Address is at client URL + \"/debug/pprof/\""
        ),
        Flag(
            "experimental-serializable-ordering",
            nil,
            .bool,
            "",
            "Ensure serializable reads have monotonically increasing store revisions across endpoints."
        ),
        Flag(
            "experimental-leasing-prefix",
            nil,
            .string,
            "",
            "leasing metadata prefix for disconnected linearized reads."
        ),
        Flag("experimental-enable-grpc-logging", nil, .bool, "", "logging all grpc requests and responses"),
        Flag("debug", nil, .bool, "", "Enable debug-level logging for grpc-proxy."),
    ]
}
