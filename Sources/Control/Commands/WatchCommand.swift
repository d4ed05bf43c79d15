// watch: events as they come, one watch or many at once from lines of input, with a command run for each event.

import CommandLineKit
import EtcdClient
import EtcdWire
import FoundationEssentials
import SwiftProtobuf

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

enum WatchCommand {
    /// Variables that stand for the arguments.
    static let keyVariable = "ETCDCTL_WATCH_KEY", endVariable = "ETCDCTL_WATCH_RANGE_END"

    static let flags: [Flag] = [
        Flag("interactive", "i", .bool, "", "read watches from standard input"),
        Flag("prefix", nil, .bool, "", "all keys that begin with the given one"),
        Flag("rev", nil, .int, "0", "begin at this revision, even if it is past"),
        Flag("prev-kv", nil, .bool, "", "print what the key held before, too"),
        Flag("progress-notify", nil, .bool, "", "have the member tell now and then how far it is"),
    ]

    static let command = Command(
        "watch",
        "[options] [key or prefix] [range_end] [--] [exec-command arg1 arg2 ...]",
        "Prints changes of keys as they happen",
        long: """
            Prints every change of a key, a range or a prefix until it is interrupted, and connects again when a member goes away.

            After -- a command may follow that is run for each event; it finds ETCD_WATCH_REVISION, ETCD_WATCH_EVENT_TYPE,
            ETCD_WATCH_KEY and ETCD_WATCH_VALUE in its environment. \(keyVariable) and \(endVariable) may name the keys.

            With --interactive each line of input is "watch [options] <key> [range_end]", or "progress" to ask how far the member is.
            """,
        example: """
              etcdctl watch greeting
              etcdctl watch --prefix /config/ --rev 1
              etcdctl watch greeting -- sh -c 'echo "$ETCD_WATCH_EVENT_TYPE at $ETCD_WATCH_REVISION"'
            """,
        flags: flags,
        group: "kv",
        run: run
    )

    private static let run: @Sendable (Invocation) async throws -> Void = { call in
        let environment = ProcessInfo.processInfo.environment
        let key = environment[keyVariable] ?? "", end = environment[endVariable] ?? ""
        if key.isEmpty, !end.isEmpty {
            throw badArguments("\(keyVariable) is empty but got \(endVariable)=\(end.quoted)")
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
            guard words.isEmpty else {
                throw badArguments("bad number of arguments (found conflicting environment key)")
            }
            words = end.isEmpty ? [key] : [key, end]
        }
        guard !words.isEmpty else { throw badArguments("bad number of arguments") }
        return (words, program)
    }

    static func create(_ words: [String], _ call: Invocation) throws(CommandExit) -> Etcdserverpb_WatchCreateRequest {
        guard let key = words.first else { throw badArguments("bad number of arguments") }
        var request = Etcdserverpb_WatchCreateRequest()
        request.key = Data(word: key)
        if words.count == 2 {
            if call.bool("prefix") { throw badArguments("`range_end` and `--prefix` are mutually exclusive") }
            request.rangeEnd = Data(word: words[1])
        }
        if call.bool("prefix") { KeyRequests.setPrefix(&request.key, &request.rangeEnd) }
        request.startRevision = call.int("rev")
        request.prevKv = call.bool("prev-kv")
        request.progressNotify = call.bool("progress-notify")
        return request
    }

    private static func watch(
        _ request: Etcdserverpb_WatchCreateRequest,
        _ program: [String],
        _ context: Context,
        _ requests: AsyncStream<Etcdserverpb_WatchRequest>?
    ) async throws {
        let last = Answer<Etcdserverpb_WatchResponse>()
        let ending = Answer<CommandExit>()
        do {
            try await context.client.watch(request, requests: requests) { answer in
                if answer.canceled {
                    last.value = answer
                    return
                }
                if answer.events.isEmpty { Terminal.out("progress notify: \(answer.header.revision)\n") }
                do {
                    context.emit(try context.printer.watch(answer))
                    for event in program.isEmpty ? [] : answer.events {
                        try await execute(program, event, revision: answer.header.revision)
                    }
                } catch {
                    // It must not get lost among the ends of the stream.
                    ending.value = error as? CommandExit
                    throw error
                }
            }
        } catch {
            if let ending = ending.value { throw ending }
            Terminal.error("watch was canceled (\(error.message))\n")
            if let last = last.value { context.emit(try context.printer.watch(last)) }
        }
    }

    private static func execute(_ program: [String], _ event: Mvccpb_Event, revision: Int64) async throws(CommandExit) {
        let variables = [
            ("ETCD_WATCH_REVISION", "\(revision)"),
            ("ETCD_WATCH_EVENT_TYPE", (event.type == .delete ? "DELETE" : "PUT").quoted),
            ("ETCD_WATCH_KEY", event.kv.key.quoted), ("ETCD_WATCH_VALUE", event.kv.value.quoted),
        ]
        let problem: String
        do throws(ChildProcessError) {
            let ending = try await runProgram(program, variables)
            if ending == .exited(0) { return }
            problem = ending.description
        } catch {
            problem = error.description
        }
        Terminal.error("command [\(program.map(\.quoted).joined(separator: " "))] error (\(problem))\n")
        throw CommandExit(ExitCode.error)
    }

    private static func interactive(_ call: Invocation, key: String, end: String) async throws {
        let context = try await connect(call)
        let root = Command("etcdctl", "", "", commands: [Command("watch", "", "", flags: flags) { _ in }])
        var continuations: [AsyncStream<Etcdserverpb_WatchRequest>.Continuation] = []
        while true {
            guard let line = await onThread({ Terminal.readLine(unfinished: false) }) else {
                throw CommandExit(ExitCode.invalidInput, "error reading watch request line: EOF")
            }
            let words: [String]
            do { words = try QuotedText.words(line) } catch { throw CommandExit(ExitCode.invalidInput, "\(error)") }
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
                        Terminal.error("Invalid command \(line) (\(failed(error).message ?? ""))\n")
                        continue
                    }
                    let (stream, continuation) = AsyncStream<Etcdserverpb_WatchRequest>.makeStream()
                    continuations.append(continuation)
                    Task {
                        do { try await watch(request, program, context, stream) } catch let error as CommandExit {
                            // A command that fails ends everything, as it would end a single watch.
                            if let message = error.message { Terminal.error("Error: \(message)\n") }
                            exit(error.code)
                        }
                    }
                case .failure(let message, _): throw badArguments(message)
                case .help: throw badArguments("pflag: help requested")
                }
            case "progress"?:
                for continuation in continuations { continuation.yield(.with { $0.progressRequest = .init() }) }
            default: Terminal.error("Invalid command \(line) (only support watch)\n")
            }
        }
    }
}
