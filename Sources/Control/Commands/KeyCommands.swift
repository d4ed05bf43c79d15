// get, put, del, txn, compaction.

import CommandLineKit
import EtcdClient
import EtcdWire
import FoundationEssentials
import SwiftProtobuf

enum KeyCommands {
    static let all: [Command] = [get, put, delete, txn, compaction]

    static let get = Command(
        "get",
        "[options] <key> [range_end]",
        "Reads a key or a range of keys",
        long: """
            Reads a key, the keys from <key> up to but not including [range_end], or all that begin with <key>. In the simple format
            each key is followed by its value on a line of its own; a key that doesn't exist prints nothing and is no error.
            """,
        example: """
              etcdctl get greeting
              etcdctl get --prefix /config/ --keys-only
              etcdctl get a c --sort-by MODIFY --order DESCEND --limit 5
              etcdctl get --prefix '' --count-only --write-out=fields
            """,
        flags: KeyRequests.getFlags,
        group: "kv"
    ) { call in
        let request = try KeyRequests.get(call)
        let context = try await connect(call)
        let answer: Etcdserverpb_RangeResponse
        if call.bool("stream") {
            answer = try await stream(request, context)
        } else {
            answer = try await Context.or { () async throws(ClientError) in
                try await context.client.call(.range, request)
            }
        }
        // The cluster's word counts more than the format's: who can't be reached is told first.
        if call.bool("count-only"), context.printer.format != .fields {
            throw badArguments("--count-only is only for `--write-out=fields`")
        }
        var printer = context.printer
        if call.bool("print-value-only") {
            guard printer.format == .simple else {
                throw badArguments("print-value-only is only for `--write-out=simple`")
            }
            printer.valueOnly = true
        }
        context.emit(try printer.get(answer))
    }

    /// The answer's parts, put together.
    private static func stream(_ request: Etcdserverpb_RangeRequest, _ context: Context) async throws
        -> Etcdserverpb_RangeResponse
    {
        let whole = Answer<Etcdserverpb_RangeResponse>()
        do {
            try await within(context.client.configuration.requestTimeout) {
                try await context.client.stream(
                    .rangeStream,
                    send: { try await $0.write(request) },
                    receive: { part in
                        var sum = whole.value ?? Etcdserverpb_RangeResponse()
                        if part.rangeResponse.hasHeader { sum.header = part.rangeResponse.header }
                        sum.kvs += part.rangeResponse.kvs
                        sum.more = part.rangeResponse.more
                        sum.count = max(sum.count, part.rangeResponse.count)
                        whole.value = sum
                    }
                )
            }
        } catch { throw failed(error) }
        return whole.value ?? Etcdserverpb_RangeResponse()
    }

    static let put = Command(
        "put",
        "[options] <key> <value> (<value> can also be given from stdin)",
        "Stores a value under a key",
        long: """
            Stores <value> under <key>. Without <value> it is read from standard input.

            A value that begins with a dash looks like a flag: put -- before it.
            """,
        example: """
              etcdctl put greeting "hello, world"
              etcdctl put greeting --prev-kv -- -42
              printf 'from a file' | etcdctl put greeting
            """,
        flags: KeyRequests.putFlags,
        group: "kv"
    ) { call in
        let request = try KeyRequests.put(call, readsInput: true)
        let context = try await connect(call)
        let answer = try await Context.or { () async throws(ClientError) in try await context.client.call(.put, request)
        }
        context.emit(try context.printer.put(answer))
    }

    static let delete = Command(
        "del",
        "[options] <key> [range_end]",
        "Deletes a key or the keys of a range",
        long: """
            Deletes a key, the keys from <key> up to but not including [range_end], or all that begin with <key>, and prints how many
            there were. A range given by two words is deleted after two seconds, in which it can still be thought over, unless
            --range says that it is meant.
            """,
        example: """
              etcdctl del greeting --prev-kv
              etcdctl del --prefix /config/
              etcdctl del --range a c
            """,
        flags: KeyRequests.deleteFlags,
        group: "kv"
    ) { call in
        let request = try KeyRequests.delete(call)
        if call.arguments.count == 2, !call.bool("range") {
            Terminal.error(
                "Warning: Keys between \(call.arguments[0].quoted) and \(call.arguments[1].quoted) will be deleted. Please interrupt the command within next 2 seconds to cancel. You can provide `--range` flag to avoid the delay.\n"
            )
            try await Task.sleep(for: .seconds(2))
        }
        let context = try await connect(call)
        let answer = try await Context.or { () async throws(ClientError) in
            try await context.client.call(.deleteRange, request)
        }
        context.emit(try context.printer.delete(answer))
    }

    static let txn = Command(
        "txn",
        "[options]",
        "Runs compares and requests as one transaction",
        long: """
            Reads three blocks from standard input, each ended by an empty line: compares, the requests for when all of them hold, and
            the requests for when one doesn't. All happens in one revision, or not at all.

            A compare is TARGET("key") OP "value". Targets are create, mod, version, value and lease (c, m, ver and val for short), and
            OP is =, !=, < or >. Requests are written like the commands get, put and del.
            """,
        example: """
              printf 'version("greeting") > "0"\\n\\nput greeting changed\\n\\nput greeting new\\n\\n' | etcdctl txn
            """,
        flags: [Flag("interactive", "i", .bool, "", "print what is to be typed next")],
        group: "kv"
    ) { call in
        guard call.arguments.isEmpty else { throw badArguments("txn command does not accept argument") }
        let context = try await connect(call)
        func prompt(_ text: String) { if call.bool("interactive") { Terminal.out(text + "\n") } }
        func block() throws(CommandExit) -> [String] {
            var lines: [String] = []
            while true {
                // A line without an end is as good as none, as the input may have been cut there.
                guard let line = Terminal.readLine(unfinished: false) else {
                    throw CommandExit(ExitCode.invalidInput, "EOF")
                }
                let trimmed = trimmed(line)
                if trimmed.isEmpty { return lines }
                lines.append(trimmed)
            }
        }
        var request = Etcdserverpb_TxnRequest()
        prompt("compares:")
        request.compare = try block().map { try TxnText.compare($0) }
        prompt("success requests (get, put, del):")
        request.success = try block().map { try TxnText.request($0) }
        prompt("failure requests (get, put, del):")
        request.failure = try block().map { try TxnText.request($0) }
        let whole = request
        let answer = try await Context.or { () async throws(ClientError) in try await context.client.call(.txn, whole) }
        context.emit(try context.printer.txn(answer))
    }

    /// A compaction that is waited for to its end ends with the deletions, not with the usual time.
    private static let physicalCompactionTimeout = Duration.seconds(86_400)

    static let compaction = Command(
        "compaction",
        "[options] <revision>",
        "Discards the history before a revision",
        long: """
            Makes all revisions before <revision> unreadable and lets the members free their room. What keys hold at <revision> and
            later stays.
            """,
        example: """
              etcdctl compaction 2
              etcdctl compaction --physical 3
            """,
        flags: [Flag("physical", nil, .bool, "", "wait until the old revisions are gone from the members' files")],
        group: "kv"
    ) { call in
        guard call.arguments.count == 1 else { throw badArguments("compaction command needs 1 argument") }
        let revision: Int64
        do { revision = try GoNumber.int(call.arguments[0]) } catch { throw CommandExit(ExitCode.error, "\(error)") }
        let context = try await connect(call)
        let physical = call.bool("physical")
        _ = try await Context.or { () async throws(ClientError) in
            try await context.client.call(
                .compact,
                .with {
                    $0.revision = revision
                    $0.physical = physical
                },
                timeout: physical && !Settings.isSet("command-timeout", call) ? physicalCompactionTimeout : nil
            )
        }
        Terminal.out("compacted revision \(revision)\n")
    }
}
