// What every command begins with: the global flags, the environment, a client that logs as etcdctl does, the printer.

import CommandLineKit
import EtcdClient
import Foundation

/// Exit codes of etcdctl.
enum ExitCode {
    static let error: Int32 = 1
    static let badConnection: Int32 = 2
    static let invalidInput: Int32 = 3
    static let badFeature: Int32 = 4
    static let interrupted: Int32 = 5
    static let io: Int32 = 6
    static let badArguments: Int32 = 128
}

func badArguments(_ message: String) -> CommandExit { CommandExit(ExitCode.badArguments, message) }

/// What a failed call comes to.
func failed(_ error: ClientError) -> CommandExit {
    // Go's client maps a deadline of its own to the context's text.
    CommandExit(ExitCode.error, error.code == .deadlineExceeded && error.stage == .local ? "context deadline exceeded" : error.message)
}

/// What a failure of any kind comes to; an exit that was decided stays.
func failed(_ error: any Error) -> CommandExit {
    if let error = error as? ClientError { return failed(error) }
    return error as? CommandExit ?? CommandExit(ExitCode.error, "\(error)")
}

/// The global flags.
let globalFlags: [Flag] = [
    Flag("endpoints", nil, .stringList, "127.0.0.1:2379", "gRPC endpoints"),
    Flag("debug", nil, .bool, "", "log what the client does"),
    Flag("write-out", "w", .string, "simple", "output format: fields, json, protobuf, simple or table"),
    Flag("hex", nil, .bool, "", "print byte strings as hexadecimal"),
    Flag("dial-timeout", nil, .duration, "2s", "how long connecting may take"),
    Flag("command-timeout", nil, .duration, "5s", "how long a short command may take, connecting not counted"),
    Flag("keepalive-time", nil, .duration, "2s", "idle time after which a connection is probed"),
    Flag("keepalive-timeout", nil, .duration, "6s", "how long a probe may go unanswered"),
    Flag("max-request-bytes", nil, .int, "0", "largest request in bytes (0: 2 MiB)"),
    Flag("max-recv-bytes", nil, .int, "0", "largest answer in bytes (0: 2147483647)"),
    Flag("insecure-transport", nil, .bool, "true", "connect without TLS"),
    Flag("insecure-discovery", nil, .bool, "true", "accept insecure SRV records of the cluster's endpoints"),
    Flag("insecure-skip-tls-verify", nil, .bool, "", "don't verify the server's certificate (for tests only)"),
    Flag("cert", nil, .string, "", "the client's TLS certificate file"),
    Flag("key", nil, .string, "", "the client's TLS key file"),
    Flag("cacert", nil, .string, "", "verify servers' certificates with this CA bundle"),
    Flag("auth-jwt-token", nil, .string, "", "JWT token to authenticate with (not with --user and --password)"),
    Flag("user", nil, .string, "", "name[:password] to authenticate with (asks if there is no password)"),
    Flag("password", nil, .string, "", "password to authenticate with (then --user holds none)"),
    Flag("discovery-srv", "d", .string, "", "domain whose SRV records name the cluster's endpoints"),
    Flag("discovery-srv-name", nil, .string, "", "service name to ask for in DNS"),
]

/// A command's surroundings.
struct Context: Sendable {
    let invocation: Invocation
    let client: Client
    let printer: Printer

    var timeout: Duration { setting("command-timeout", invocation).1 }

    func emit(_ bytes: [UInt8]) { Terminal.out(bytes: bytes) }

    /// Calls and turns a failure into etcdctl's exit.
    static func or<T>(_ body: () async throws(ClientError) -> T) async throws(CommandExit) -> T {
        do { return try await body() } catch { throw failed(error) }
    }
}

/// A global flag's text: the flag, the environment, or the default.
func text(_ name: String, _ invocation: Invocation) -> String {
    if !invocation.changed.contains(name) {
        let variable = "ETCDCTL_" + name.uppercased().replacingOccurrences(of: "-", with: "_")
        if let value = ProcessInfo.processInfo.environment[variable], !value.isEmpty { return value }
    }
    return invocation.string(name)
}

private func setting(_ name: String, _ invocation: Invocation) -> (String, Duration) {
    let text = text(name, invocation)
    return (text, Duration(goText: text) ?? .zero)
}

private func isOn(_ name: String, _ invocation: Invocation) -> Bool { Flag.bool(text(name, invocation)) ?? false }

func makePrinter(_ invocation: Invocation) throws -> Printer {
    guard let format = Printer.Format(rawValue: text("write-out", invocation)) else {
        throw CommandExit(ExitCode.badFeature, "unsupported output format")
    }
    return Printer(format: format, isHex: isOn("hex", invocation))
}

/// The endpoints that were asked for.
func endpoints(_ invocation: Invocation) throws -> [String] {
    if !text("discovery-srv", invocation).isEmpty {
        throw CommandExit(ExitCode.error, "discovery through DNS is not available in this build")
    }
    return text("endpoints", invocation).split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
}

func configuration(_ invocation: Invocation, prefix: String = "") throws -> ClientConfiguration {
    var configuration = ClientConfiguration(endpoints: try endpoints(invocation))
    for name in ["cert", "key", "cacert"] where text(name, invocation).isEmpty && invocation.changed.contains(name) {
        throw badArguments("empty string is passed to --\(name) option")
    }
    let certificate = text("cert", invocation), key = text("key", invocation), authority = text("cacert", invocation)
    for path in [certificate, key, authority] where !path.isEmpty && !FileManager.default.fileExists(atPath: path) {
        throw badArguments("open \(path): no such file or directory")
    }
    if certificate.isEmpty != key.isEmpty {
        throw badArguments("KeyFile and CertFile must both be present[key: \(key), cert: \(certificate)]")
    }
    let skips = isOn("insecure-skip-tls-verify", invocation)
    if !certificate.isEmpty || !authority.isEmpty || skips || !isOn("insecure-transport", invocation) {
        configuration.security = TransportSecurity(
            trustedAuthorityFile: authority.isEmpty ? nil : authority, certificateFile: certificate.isEmpty ? nil : certificate,
            keyFile: key.isEmpty ? nil : key, skipsVerification: skips)
    }
    let token = text("auth-jwt-token", invocation), user = text("user", invocation), password = text("password", invocation)
    if !token.isEmpty {
        configuration.credentials = .token(token)
    } else if !user.isEmpty {
        if !password.isEmpty {
            configuration.credentials = .password(user: user, password: password)
        } else if let colon = user.firstIndex(of: ":") {
            configuration.credentials = .password(
                user: String(user[..<colon]), password: String(user[user.index(after: colon)...]))
        } else {
            guard let asked = Terminal.readSecret("Password: ") else { throw CommandExit(ExitCode.error, "EOF") }
            configuration.credentials = .password(user: user, password: asked)
        }
    }
    configuration.dialTimeout = setting("dial-timeout", invocation).1
    configuration.requestTimeout = setting("command-timeout", invocation).1
    configuration.keepaliveTime = setting("keepalive-time", invocation).1
    configuration.keepaliveTimeout = setting("keepalive-timeout", invocation).1
    if let bytes = Int(text("max-request-bytes", invocation)), bytes > 0 { configuration.requestBytesMax = bytes }
    if let bytes = Int(text("max-recv-bytes", invocation)), bytes > 0 { configuration.responseBytesMax = bytes }
    let first = configuration.endpoints.first ?? ""
    configuration.onFailedAttempt = { attempt in
        Terminal.error(
            logLine(
                "warn", logger: "etcd-client", caller: "v3/retry_interceptor.go:68", "retrying of unary invoker failed",
                [
                    ("target", jsonText("etcd-endpoints://0x0/\(first)")), ("peer", jsonText(attempt.endpoint)),
                    ("method", jsonText(attempt.method)), ("attempt", "\(attempt.attempt)"),
                    ("error", jsonText(attempt.error.logDescription)),
                ]))
    }
    return configuration
}

/// A client and the rest, ready.
func connect(_ invocation: Invocation) async throws -> Context {
    let configuration = try configuration(invocation)
    let printer = try makePrinter(invocation)
    if isOn("debug", invocation) {
        for flag in globalFlags.sorted(by: { $0.name < $1.name }) {
            let name = "ETCDCTL_" + flag.name.uppercased().replacingOccurrences(of: "-", with: "_")
            let value = text(flag.name, invocation)
            Terminal.error("\(name)=\(flag.kind == .stringList ? "[\(value)]" : value)\n")
        }
    }
    do {
        let client = try Client(configuration)
        if case .password = configuration.credentials { try await client.authenticate() }
        return Context(invocation: invocation, client: client, printer: printer)
    } catch {
        throw CommandExit(ExitCode.badConnection, failed(error).message)
    }
}

/// A line of the client's log.
func logLine(_ level: String, logger: String?, caller: String, _ message: String, _ fields: [(String, String)]) -> String {
    let formatter = ISO8601DateFormatter()
    formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
    var text = "{\"level\":\"\(level)\",\"ts\":\"\(formatter.string(from: Date()))\""
    if let logger { text += ",\"logger\":\"\(logger)\"" }
    text += ",\"caller\":\"\(caller)\",\"msg\":\(jsonText(message))"
    for (name, value) in fields { text += ",\"\(name)\":\(value)" }
    return text + "}\n"
}
