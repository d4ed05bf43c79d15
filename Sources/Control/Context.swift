// What every command begins with: a client that logs as etcdctl does, the printer, and the ways a command ends.

import CommandLineKit
import EtcdClient
import EtcdWire
import FoundationEssentials

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
func failed(_ error: ClientError, _ code: Int32 = ExitCode.error) -> CommandExit { CommandExit(code, text(of: error)) }

/// An error in the words of Go's client: its own deadline is the context's, etcd's errors are their sentence, and what the
/// client has no name for stays the status that came over the wire.
private func text(of error: ClientError) -> String {
    if error.code == .deadlineExceeded, error.stage == .local { return "context deadline exceeded" }
    // Reasons of cancelled watches are written out already.
    if error.message.hasPrefix("rpc error: ") { return error.message }
    // What the library itself concludes, that an election is lost, is no status; that a message is too large is one.
    let isStatus = error.stage == .answered || error.stage == .underWay || error.code == .resourceExhausted
    guard isStatus, error.code != .aborted else { return error.message }
    guard let known = EtcdError.known(message: error.message), !EtcdError.unknownToClients.contains(known) else {
        return error.logDescription
    }
    return error.message
}

/// What a failure of any kind comes to; an exit that was decided stays.
func failed(_ error: any Error, _ code: Int32 = ExitCode.error) -> CommandExit {
    if let error = error as? ClientError { return failed(error, code) }
    return error as? CommandExit ?? CommandExit(code, "\(error)")
}

/// A command's surroundings.
struct Context: Sendable {
    let invocation: Invocation
    let client: Client
    let printer: Printer

    func emit(_ bytes: [UInt8]) { Terminal.out(bytes: bytes) }

    /// Calls and turns a failure into etcdctl's exit.
    static func or<T>(exit code: Int32 = ExitCode.error, _ body: () async throws(ClientError) -> T)
        async throws(CommandExit) -> T
    {
        do { return try await body() } catch { throw failed(error, code) }
    }

    /// The printer that was asked for.
    static func printer(_ call: Invocation) throws(CommandExit) -> Printer {
        guard let format = Printer.Format(rawValue: Settings.text("write-out", call)) else {
            throw CommandExit(ExitCode.badFeature, "unsupported output format")
        }
        return Printer(format: format, isHex: Settings.isOn("hex", call))
    }
}

/// A client and the rest, ready.
/// - Parameters:
///   - authenticates: whether wrong credentials end the command at once; else the first call shows them.
///   - logger: the name that failed attempts are logged under.
///   - exit: the exit code when there is no connection.
func connect(
    _ call: Invocation,
    authenticates: Bool = true,
    logger: String = "etcd-client",
    exit: Int32 = ExitCode.badConnection
) async throws(CommandExit) -> Context {
    let configuration = try Settings.configuration(call, logger: logger)
    let printer = try Context.printer(call)
    do throws(ClientError) {
        let client = try Client(configuration)
        if authenticates, case .password = configuration.credentials { try await client.authenticate() }
        return Context(invocation: call, client: client, printer: printer)
    } catch {
        throw failed(error, exit)
    }
}

/// A moment as Go's log writes it: UTC, to the microsecond.
private func time(_ secondsSince1970: Double) -> String {
    let microseconds = Int64((secondsSince1970 * 1_000_000).rounded(.down))
    let fraction = "\(microseconds % 1_000_000)"
    let whole = Date(timeIntervalSince1970: Double(microseconds / 1_000_000)).formatted(Date.ISO8601FormatStyle())
    return whole.dropLast() + "." + String(repeating: "0", count: 6 - fraction.count) + fraction + "Z"
}

/// A line of the client's log.
func logLine(_ level: String, logger: String?, caller: String, _ message: String, _ fields: [(String, String)])
    -> String
{
    let now = time(Date().timeIntervalSince1970)
    var text = "{\"level\":\"\(level)\",\"ts\":\"\(now)\""
    if let logger { text += ",\"logger\":\"\(logger)\"" }
    text += ",\"caller\":\"\(caller)\",\"msg\":\(jsonText(message))"
    for (name, value) in fields { text += ",\"\(name)\":\(value)" }
    return text + "}\n"
}
