// watch: events as they come, one watch or many at once from lines of input, with a command run for each event.

import CommandLineKit
import EtcdClient
import EtcdWire
import Foundation
import SwiftProtobuf

enum WatchCommand {
    static let flags: [Flag] = [
        Flag("interactive", "i", .bool, "", "Interactive mode"),
        Flag("prefix", nil, .bool, "", "Watch on a prefix if prefix is set"),
        Flag("rev", nil, .int, "0", "Revision to start watching"),
        Flag("prev-kv", nil, .bool, "", "get the previous key-value pair before the event happens"),
        Flag("progress-notify", nil, .bool, "", "get periodic watch progress notification from server"),
    ]

    static let command = Command(
        "watch", "[options] [key or prefix] [range_end] [--] [exec-command arg1 arg2 ...]",
        "Watches events stream on keys or prefixes", flags: flags, group: "kv", run: run)

    private static let run: @Sendable (Invocation) async throws -> Void = { call in
        let environment = ProcessInfo.processInfo.environment
        let key = environment["ETCDCTL_WATCH_KEY"] ?? "", end = environment["ETCDCTL_WATCH_RANGE_END"] ?? ""
        if key.isEmpty, !end.isEmpty {
            throw badArguments("ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END=\(end.quoted)")
        }
        if call.bool("interactive") {
            try await interactive(call, key: key, end: end)
            return
        }
        let (words, program) = try split(call, key: key, end: end)
        let context = try await connect(call)
        let request = try create(words, call)
        try await watch(request, program, context, nil)
        throw CommandExit(ExitCode.interrupted, "watch is canceled by the server")
    }

    /// The watched keys and the command after `--`.
    static func split(_ call: Invocation, key: String, end: String) throws(CommandExit) -> ([String], [String]) {
        var words = call.arguments
        var program: [String] = []
        if let separator = call.raw.firstIndex(of: "--") {
            program = Array(call.raw[(separator + 1)...])
            if program.isEmpty { throw badArguments("bad number of arguments (found separator --, but no commands)") }
            words = Array(words.dropLast(program.count))
        }
        if !key.isEmpty {
            guard words.isEmpty else { throw badArguments("bad number of arguments (found conflicting environment key)") }
            words = end.isEmpty ? [key] : [key, end]
        }
        guard !words.isEmpty else { throw badArguments("bad number of arguments") }
        return (words, program)
    }

    static func create(_ words: [String], _ call: Invocation) throws(CommandExit) -> Etcdserverpb_WatchCreateRequest {
        guard let key = words.first else { throw badArguments("bad number of arguments") }
        var request = Etcdserverpb_WatchCreateRequest()
        request.key = Data(key.utf8)
        if words.count == 2 {
            if call.bool("prefix") { throw badArguments("`range_end` and `--prefix` are mutually exclusive") }
            request.rangeEnd = Data(words[1].utf8)
        }
        if call.bool("prefix") { KeyRequests.setPrefix(&request.key, &request.rangeEnd) }
        request.startRevision = call.int("rev")
        request.prevKv = call.bool("prev-kv")
        request.progressNotify = call.bool("progress-notify")
        return request
    }

    static func watch(
        _ request: Etcdserverpb_WatchCreateRequest, _ program: [String], _ context: Context,
        _ requests: AsyncStream<Etcdserverpb_WatchRequest>?
    ) async throws {
        do {
            try await context.client.watch(request, requests: requests) { answer in
                if answer.canceled { return }
                if answer.events.isEmpty { Terminal.out("progress notify: \(answer.header.revision)\n") }
                context.emit(try context.printer.watch(answer))
                guard !program.isEmpty else { return }
                for event in answer.events { try execute(program, event, revision: answer.header.revision) }
            }
        } catch {
            Terminal.error("watch was canceled (\(error.message))\n")
        }
    }

    private static func execute(_ program: [String], _ event: Mvccpb_Event, revision: Int64) throws {
        var environment = ProcessInfo.processInfo.environment
        environment["ETCD_WATCH_REVISION"] = "\(revision)"
        environment["ETCD_WATCH_EVENT_TYPE"] = (event.type == .delete ? "DELETE" : "PUT").quoted
        environment["ETCD_WATCH_KEY"] = event.kv.key.quoted
        environment["ETCD_WATCH_VALUE"] = event.kv.value.quoted
        let status = try runProgram(program, environment)
        if status != 0 {
            Terminal.error("command \(program) error (exit status \(status))\n")
            throw CommandExit(ExitCode.error)
        }
    }

    private static func interactive(_ call: Invocation, key: String, end: String) async throws {
        let context = try await connect(call)
        let root = Command("etcdctl", "", "", commands: [Command("watch", "", "", flags: flags) { _ in }])
        var continuations: [AsyncStream<Etcdserverpb_WatchRequest>.Continuation] = []
        while true {
            guard let line = await Task.detached(operation: { readLine() }).value else {
                throw CommandExit(ExitCode.invalidInput, "error reading watch request line: EOF")
            }
            let words = TxnText.words(line)
            switch words.first {
            case nil: Terminal.error("Invalid command: \(line) (watch and progress supported)\n")
            case "watch"?:
                if words.count < 2, key.isEmpty {
                    Terminal.error("Invalid command \(line) (command type or key is not provided)\n")
                    continue
                }
                switch Parser.parse(root, words) {
                case .run(let inner):
                    let (watched, program) = try split(inner, key: key, end: end)
                    let request: Etcdserverpb_WatchCreateRequest
                    do { request = try create(watched, inner) } catch {
                        Terminal.error("Invalid command \(line) (\(error.message ?? ""))\n")
                        continue
                    }
                    let (stream, continuation) = AsyncStream<Etcdserverpb_WatchRequest>.makeStream()
                    continuations.append(continuation)
                    Task { try await watch(request, program, context, stream) }
                case .failure(let message, _): throw badArguments(message)
                case .help: continue
                }
            case "progress"?:
                for continuation in continuations { continuation.yield(.with { $0.progressRequest = .init() }) }
            default: Terminal.error("Invalid command \(line) (only support watch)\n")
            }
        }
    }
}

/// Runs a program with our input and outputs.
/// - Returns: its exit code.
func runProgram(_ words: [String], _ environment: [String: String]) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = words
    process.environment = environment
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
}
