// The flags of certificates, of who may call, and of tokens.

extension FlagTable {
    static let security: [FlagDefinition] = [
        .init(
            "cert-file",
            .string(\.security.client.certFile),
            .security,
            file: .path("client-transport-security.cert-file"),
            "Certificate shown to clients."
        ),
        .init(
            "key-file",
            .string(\.security.client.keyFile),
            .security,
            file: .path("client-transport-security.key-file"),
            "Key of that certificate."
        ),
        .init(
            "client-cert-auth",
            .bool(\.security.client.clientCertAuth),
            .security,
            file: .path("client-transport-security.client-cert-auth"),
            "Demand certificates of clients."
        ),
        .init(
            "client-cert-file",
            .string(\.security.client.clientCertFile),
            .security,
            file: .path("client-transport-security.client-cert-file"),
            "Certificate the server shows when it is its own client."
        ),
        .init(
            "client-key-file",
            .string(\.security.client.clientKeyFile),
            .security,
            file: .path("client-transport-security.client-key-file"),
            "Key of that certificate."
        ),
        .init(
            "client-crl-file",
            .string(\.security.client.crlFile),
            .security,
            file: .none,
            "List of revoked client certificates."
        ),
        .init(
            "client-cert-allowed-hostname",
            .strings(\.security.client.allowedHostnames),
            .security,
            file: .path("client-transport-security.allowed-hostname"),
            "Host names of which a client certificate must have one."
        ),
        .init(
            "trusted-ca-file",
            .string(\.security.client.trustedCAFile),
            .security,
            file: .path("client-transport-security.trusted-ca-file"),
            "Certificates clients are checked by."
        ),
        .init(
            "auto-tls",
            .bool(\.security.client.autoTLS),
            .security,
            file: .path("client-transport-security.auto-tls"),
            "TLS for clients with a certificate the server makes for itself."
        ),
        .init(
            "peer-cert-file",
            .string(\.security.peer.certFile),
            .security,
            file: .path("peer-transport-security.cert-file"),
            "Certificate shown to other members."
        ),
        .init(
            "peer-key-file",
            .string(\.security.peer.keyFile),
            .security,
            file: .path("peer-transport-security.key-file"),
            "Key of that certificate."
        ),
        .init(
            "peer-client-cert-auth",
            .bool(\.security.peer.clientCertAuth),
            .security,
            file: .path("peer-transport-security.client-cert-auth"),
            "Demand certificates of other members."
        ),
        .init(
            "peer-client-cert-file",
            .string(\.security.peer.clientCertFile),
            .security,
            file: .path("peer-transport-security.client-cert-file"),
            "Certificate shown when connecting to other members."
        ),
        .init(
            "peer-client-key-file",
            .string(\.security.peer.clientKeyFile),
            .security,
            file: .path("peer-transport-security.client-key-file"),
            "Key of that certificate."
        ),
        .init(
            "peer-trusted-ca-file",
            .string(\.security.peer.trustedCAFile),
            .security,
            file: .path("peer-transport-security.trusted-ca-file"),
            "Certificates other members are checked by."
        ),
        .init(
            "peer-cert-allowed-cn",
            .strings(\.security.peer.allowedCommonNames),
            .security,
            file: .path("peer-transport-security.allowed-cn"),
            "Common names other members may have."
        ),
        .init(
            "peer-cert-allowed-hostname",
            .strings(\.security.peer.allowedHostnames),
            .security,
            file: .path("peer-transport-security.allowed-hostname"),
            "Host names other members may have."
        ),
        .init(
            "peer-auto-tls",
            .bool(\.security.peer.autoTLS),
            .security,
            file: .path("peer-transport-security.auto-tls"),
            "TLS between members with certificates they make for themselves."
        ),
        .init(
            "self-signed-cert-validity",
            .uint(\.security.selfSignedCertValidityYears),
            .security,
            "Years for which such certificates are valid."
        ),
        .init(
            "peer-crl-file",
            .string(\.security.peer.crlFile),
            .security,
            file: .none,
            "List of revoked certificates of members."
        ),
        .init(
            "cipher-suites",
            .strings(\.security.cipherSuites),
            .security,
            "TLS cipher suites to offer, separated by commas (empty leaves the choice to the library)."
        ),
        .init("cors", .origins(\.security.cors), .security, "Origins browsers may call from (* means all)."),
        .init(
            "host-whitelist",
            .uniqueStrings(\.security.hostWhitelist),
            .security,
            "Host names plain HTTP requests may carry (empty or * means all)."
        ),
        .init(
            "tls-min-version",
            .string(\.security.tlsMinVersionText),
            .security,
            "Oldest TLS version: TLS1.2 or TLS1.3."
        ),
        .init(
            "tls-max-version",
            .string(\.security.tlsMaxVersionText),
            .security,
            "Newest TLS version: TLS1.2 or TLS1.3 (empty leaves the choice to the library)."
        ),
        .init(
            "peer-skip-client-san-verification",
            .bool(\.security.peer.skipClientSANVerification),
            .features,
            file: .path("peer-transport-security.skip-client-san-verification"),
            "Do not compare the names in a member's certificate with its address."
        ),
    ]

    static let authentication: [FlagDefinition] = [
        .init("auth-token", .string(\.auth.token), .auth, "Kind of tokens and their options ('simple' or 'jwt,…')."),
        .init("bcrypt-cost", .uint(\.auth.bcryptCost), .auth, "Cost of hashing passwords, from 4 to 31."),
        .init("auth-token-ttl", .uint(\.auth.tokenTTLSeconds), .auth, "Seconds a token is valid."),
    ]
}
