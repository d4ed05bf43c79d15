// From global flags and the environment to a client's settings: endpoints (by DNS, too), TLS, credentials, limits.

import CommandLineKit
import EtcdClient
import FoundationEssentials
import NIOSSL
import ServiceLookup

/// The global flags.
let globalFlags: [Flag] = [
    Flag("endpoints", nil, .stringList, "127.0.0.1:2379", "addresses of members, comma separated"),
    Flag("debug", nil, .bool, "", "print the settings that are in effect to standard error"),
    Flag(
        "write-out",
        "w",
        .string,
        "simple",
        "output format: fields, json, protobuf, simple or table",
        choices: ["fields", "json", "protobuf", "simple", "table"]
    ),
    Flag("hex", nil, .bool, "", "print byte strings as hexadecimal"),
    Flag("dial-timeout", nil, .duration, "2s", "how long connecting may take"),
    Flag("command-timeout", nil, .duration, "5s", "how long a short command may take, connecting not counted"),
    Flag("keepalive-time", nil, .duration, "2s", "idle time after which a connection is probed"),
    Flag("keepalive-timeout", nil, .duration, "6s", "how long a probe may go unanswered"),
    Flag("max-request-bytes", nil, .int, "0", "largest request in bytes (0: 2 MiB)"),
    Flag("max-recv-bytes", nil, .int, "0", "largest answer in bytes (0: 2147483647)"),
    Flag("insecure-transport", nil, .bool, "true", "connect without TLS, unless a certificate or CA is given"),
    Flag("insecure-discovery", nil, .bool, "true", "accept endpoints without TLS from SRV records"),
    Flag("insecure-skip-tls-verify", nil, .bool, "", "don't verify the server's certificate (for tests only)"),
    Flag("cert", nil, .string, "", "the client's TLS certificate file"),
    Flag("key", nil, .string, "", "the client's TLS key file"),
    Flag("cacert", nil, .string, "", "verify servers' certificates with this CA bundle"),
    Flag("auth-jwt-token", nil, .string, "", "JWT token to authenticate with (not with --user and --password)"),
    Flag("user", nil, .string, "", "name[:password] to authenticate with (asks if there is no password)"),
    Flag("password", nil, .string, "", "password to authenticate with (then --user holds none)"),
    Flag("discovery-srv", "d", .string, "", "domain whose SRV records name the cluster's endpoints"),
    Flag("discovery-srv-name", nil, .string, "", "suffix of the service's name to ask for in DNS"),
]

enum Settings {
    /// The variable that stands for a flag.
    static func variable(_ flag: String) -> String {
        "ETCDCTL_" + flag.uppercased().replacing("-", with: "_")
    }

    /// A global flag's text: the flag, the environment, or the default. A variable with a value that the flag wouldn't
    /// take is as if it weren't there.
    static func text(_ name: String, _ call: Invocation) -> String {
        isFromEnvironment(name, call) ?? call.string(name)
    }

    private static func isFromEnvironment(_ name: String, _ call: Invocation) -> String? {
        guard !call.changed.contains(name), let value = ProcessInfo.processInfo.environment[variable(name)],
            !value.isEmpty,
            globalFlags.first(where: { $0.name == name })?.problem(with: value) == nil
        else { return nil }
        return value
    }

    /// Whether the flag was given, on the command line or in the environment.
    static func isSet(_ name: String, _ call: Invocation) -> Bool {
        call.changed.contains(name) || isFromEnvironment(name, call) != nil
    }

    static func isOn(_ name: String, _ call: Invocation) -> Bool { Flag.bool(text(name, call)) ?? false }

    static func duration(_ name: String, _ call: Invocation) -> Duration { Duration(goText: text(name, call)) ?? .zero }

    static func int(_ name: String, _ call: Invocation) -> Int {
        (try? GoNumber.int(text(name, call), base: 0)).flatMap { Int(exactly: $0) } ?? 0
    }

    /// Variables that mean nothing are warned of; one that a flag contradicts ends the command, as it does with Go's.
    static func checkEnvironment(_ call: Invocation) throws(CommandExit) {
        var known = Set(globalFlags.map { variable($0.name) })
        if call.command.name == "watch" { known.formUnion([WatchCommand.keyVariable, WatchCommand.endVariable]) }
        let contradicted = Set(globalFlags.map(\.name).filter(call.changed.contains).map(variable))
        for (name, value) in ProcessInfo.processInfo.environment.sorted(by: { $0.key < $1.key })
        where name.hasPrefix("ETCDCTL_") {
            if contradicted.contains(name) {
                Terminal.error(
                    logLine(
                        "fatal",
                        logger: nil,
                        caller: "flags/flag.go:85",
                        "conflicting environment variable is shadowed by corresponding command-line flag (either unset environment variable or disable flag))",
                        [("environment-variable", jsonText(name))]
                    )
                )
                throw CommandExit(ExitCode.error)
            }
            if !known.contains(name) {
                Terminal.error(
                    logLine(
                        "warn",
                        logger: nil,
                        caller: "flags/flag.go:93",
                        "unrecognized environment variable",
                        [("environment-variable", jsonText("\(name)=\(value)"))]
                    )
                )
            }
        }
    }

    // MARK: Endpoints

    /// The endpoints that were asked for: what DNS tells, or the flag's.
    static func endpoints(_ call: Invocation) throws(CommandExit) -> [String] {
        let domain = text("discovery-srv", call)
        if !domain.isEmpty {
            let found = try discovered(domain, suffix: text("discovery-srv-name", call))
            let accepted =
                isOn("insecure-discovery", call)
                ? found
                : found.filter { endpoint in
                    guard endpoint.hasPrefix("http://") else { return true }
                    Terminal.error("ignoring discovered insecure endpoint \(endpoint.quoted)\n")
                    return false
                }
            if !accepted.isEmpty { return accepted }
        }
        return text("endpoints", call).split(separator: ",").map { trimmed($0) }
    }

    /// The clients' addresses in the domain's SRV records, those with TLS first.
    private static func discovered(_ domain: String, suffix: String) throws(CommandExit) -> [String] {
        var found: [String] = []
        var failures: [String] = []
        for (service, scheme) in [("etcd-client-ssl", "https"), ("etcd-client", "http")] {
            let name = "_\(service)\(suffix.isEmpty ? "" : "-\(suffix)")._tcp.\(domain)"
            do {
                found += try ServiceLookup.look(up: name).map { "\(scheme)://\($0.host):\($0.port)" }
            } catch {
                failures.append(error.description)
            }
        }
        if failures.count == 2 {
            throw CommandExit(ExitCode.error, "dns lookup errors: \(failures.joined(separator: " and "))")
        }
        return found
    }

    // MARK: Transport

    /// - Throws: etcdctl's exit for files that are missing or are not what they should be.
    static func security(
        certificate: String,
        key: String,
        authority: String,
        isInsecure: Bool,
        skipsVerification: Bool,
        serverName: String? = nil
    ) throws(CommandExit) -> TransportSecurity? {
        if certificate.isEmpty != key.isEmpty {
            throw badArguments("KeyFile and CertFile must both be present[key: \(key), cert: \(certificate)]")
        }
        for path in [certificate, key, authority]
        where !path.isEmpty && !FileManager.default.isReadableFile(atPath: path) {
            throw badArguments(
                "open \(path): \(FileManager.default.fileExists(atPath: path) ? "permission denied" : "no such file or directory")"
            )
        }
        if !certificate.isEmpty { try checkPair(certificate, key) }
        guard !certificate.isEmpty || !authority.isEmpty || skipsVerification || !isInsecure else { return nil }
        return TransportSecurity(
            trustedAuthorityFile: authority.isEmpty ? nil : authority,
            certificateFile: certificate.isEmpty ? nil : certificate,
            keyFile: key.isEmpty ? nil : key,
            serverName: serverName,
            skipsVerification: skipsVerification
        )
    }

    private static func checkPair(_ certificate: String, _ key: String) throws(CommandExit) {
        guard let chain = try? NIOSSLCertificate.fromPEMFile(certificate), !chain.isEmpty else {
            throw badArguments("tls: failed to find any PEM data in certificate input")
        }
        guard let own = try? NIOSSLPrivateKey(file: key, format: .pem) else {
            throw badArguments("tls: failed to find any PEM data in key input")
        }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateChain = chain.map { .certificate($0) }
        configuration.privateKey = .privateKey(own)
        guard (try? NIOSSLContext(configuration: configuration)) != nil else {
            throw badArguments("tls: private key does not match public key")
        }
    }

    // MARK: Credentials

    /// `name`, `name:password`, or a name and a password of its own; asks for what is missing. Where the name or the
    /// password turns out empty, the client says nothing of who it is.
    static func credentials(user: String, password: String, prompt: String) -> ClientConfiguration.Credentials
    {
        var user = user, password = password
        if password.isEmpty {
            if let colon = user.firstIndex(of: ":") {
                password = String(user[user.index(after: colon)...])
                user = String(user[..<colon])
            } else {
                password = Terminal.readSecret(prompt)
            }
        }
        return user.isEmpty || password.isEmpty ? .none : .password(user: user, password: password)
    }

    // MARK: All of it

    /// Members end connections that probe more often; Go's client keeps to this whatever its flag says.
    private static let keepaliveTimeMin = Duration.seconds(10)

    /// The limits that every client of this command has.
    static func limits(_ configuration: inout ClientConfiguration, _ call: Invocation) {
        // Zero is no limit to others, whose attempts at the next member do not wait for it; here it would keep from that.
        let dialTimeout = duration("dial-timeout", call)
        if dialTimeout > .zero { configuration.dialTimeout = dialTimeout }
        configuration.keepaliveTime = max(duration("keepalive-time", call), keepaliveTimeMin)
        configuration.keepaliveTimeout = duration("keepalive-timeout", call)
        let requestBytes = int("max-request-bytes", call), responseBytes = int("max-recv-bytes", call)
        if requestBytes > 0 { configuration.requestBytesMax = requestBytes }
        if responseBytes > 0 { configuration.responseBytesMax = responseBytes }
    }

    /// Who did not answer as it should, in the words of Go's library. The own end of the connection is not known here.
    private static func peer(_ attempt: ClientConfiguration.FailedAttempt) -> String {
        guard attempt.isConnected else { return "Peer{Addr: <nil>, LocalAddr: <nil>, AuthInfo: <nil>}" }
        return "Peer{Addr: '\(attempt.endpoint)', LocalAddr: <nil>, AuthInfo: '\(attempt.isSecure ? "tls" : "insecure")'}"
    }

    /// - Parameter logger: the name that failed attempts are logged under.
    static func configuration(_ call: Invocation, logger: String = "etcd-client") throws(CommandExit)
        -> ClientConfiguration
    {
        try checkEnvironment(call)
        if isOn("debug", call) {
            for flag in globalFlags.sorted(by: { $0.name < $1.name }) {
                let value = text(flag.name, call)
                Terminal.error("\(variable(flag.name))=\(flag.kind == .stringList ? "[\(value)]" : value)\n")
            }
        }
        var configuration = ClientConfiguration(endpoints: try endpoints(call))
        for name in ["cert", "key", "cacert"] where text(name, call).isEmpty && call.changed.contains(name) {
            throw badArguments("empty string is passed to --\(name) option")
        }
        let domain = text("discovery-srv", call)
        configuration.security = try security(
            certificate: text("cert", call),
            key: text("key", call),
            authority: text("cacert", call),
            isInsecure: isOn("insecure-transport", call),
            skipsVerification: isOn("insecure-skip-tls-verify", call),
            serverName: domain.isEmpty || isOn("insecure-discovery", call) ? nil : domain
        )
        let token = text("auth-jwt-token", call), user = text("user", call)
        if !token.isEmpty {
            configuration.credentials = .token(token)
        } else if !user.isEmpty {
            configuration.credentials = credentials(
                user: user,
                password: text("password", call),
                prompt: "Password: "
            )
        }
        configuration.requestTimeout = duration("command-timeout", call)
        limits(&configuration, call)
        configuration.onFailedAttempt = { attempt in
            Terminal.error(
                logLine(
                    "warn",
                    logger: logger,
                    caller: "v3/retry_interceptor.go:68",
                    "retrying of unary invoker failed",
                    [
                        ("target", jsonText("etcd-endpoints://0x0/\(attempt.target)")),
                        ("peer", "\"\(peer(attempt))\""),
                        ("method", jsonText(attempt.method)), ("attempt", "\(attempt.attempt)"),
                        ("error", jsonText(attempt.error.logDescription)),
                    ]
                )
            )
        }
        return configuration
    }
}
