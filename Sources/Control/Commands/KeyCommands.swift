// get, put, del, txn, compaction.

import CommandLineKit
import EtcdClient
import EtcdWire
import Foundation
import SwiftProtobuf

enum KeyCommands {
    static let all: [Command] = [get, put, delete, txn, compaction]

    static let get = Command(
        "get", "[options] <key> [range_end]", "Gets the key or a range of keys", flags: KeyRequests.getFlags, group: "kv"
    ) { call in
        let request = try KeyRequests.get(call)
        let context = try await connect(call)
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
        if call.bool("stream") {
            let whole = Answer<Etcdserverpb_RangeResponse>()
            try await Context.or { () async throws(ClientError) in
                try await context.client.stream(
                    .rangeStream, send: { try await $0.write(request) },
                    receive: { part in
                        var sum = whole.value ?? Etcdserverpb_RangeResponse()
                        if part.rangeResponse.hasHeader { sum.header = part.rangeResponse.header }
                        sum.kvs += part.rangeResponse.kvs
                        sum.more = part.rangeResponse.more
                        sum.count = max(sum.count, part.rangeResponse.count)
                        whole.value = sum
                    })
            }
            context.emit(try printer.get(whole.value ?? Etcdserverpb_RangeResponse()))
            return
        }
        let answer = try await Context.or { () async throws(ClientError) in try await context.client.call(.range, request) }
        context.emit(try printer.get(answer))
    }

    static let put = Command(
        "put", "[options] <key> <value> (<value> can also be given from stdin)", "Puts the given key into the store",
        flags: KeyRequests.putFlags, group: "kv"
    ) { call in
        let request = try KeyRequests.put(call, readsInput: true)
        let context = try await connect(call)
        let answer = try await Context.or { () async throws(ClientError) in try await context.client.call(.put, request) }
        context.emit(try context.printer.put(answer))
    }

    static let delete = Command(
        "del", "[options] <key> [range_end]", "Removes the specified key or range of keys [key, range_end)",
        flags: KeyRequests.deleteFlags, group: "kv"
    ) { call in
        let request = try KeyRequests.delete(call)
        if call.arguments.count == 2, !call.bool("range") {
            Terminal.error(
                "Warning: Deleting range of keys without --range flag is deprecated, deletion begins in 2 seconds\n")
            try await Task.sleep(for: .seconds(2))
        }
        let context = try await connect(call)
        let answer = try await Context.or { () async throws(ClientError) in try await context.client.call(.deleteRange, request) }
        context.emit(try context.printer.delete(answer))
    }

    static let txn = Command(
        "txn", "[options]", "Txn processes all the requests in one transaction",
        flags: [Flag("interactive", "i", .bool, "", "Input transaction in interactive mode")], group: "kv"
    ) { call in
        guard call.arguments.isEmpty else { throw badArguments("txn command does not accept argument") }
        let context = try await connect(call)
        func prompt(_ text: String) { if call.bool("interactive") { Terminal.out(text + "\n") } }
        func block() throws -> [String] {
            var lines: [String] = []
            while true {
                guard let line = readLine() else { throw CommandExit(ExitCode.invalidInput, "EOF") }
                let trimmed = line.trimmingCharacters(in: .whitespaces)
                if trimmed.isEmpty { return lines }
                lines.append(trimmed)
            }
        }
        var request = Etcdserverpb_TxnRequest()
        prompt("compares:")
        request.compare = try block().map { try TxnText.compare($0) }
        prompt("success requests (get, put, del):")
        request.success = try block().map(TxnText.request)
        prompt("failure requests (get, put, del):")
        request.failure = try block().map(TxnText.request)
        let whole = request
        let answer = try await Context.or { () async throws(ClientError) in try await context.client.call(.txn, whole) }
        context.emit(try context.printer.txn(answer))
    }

    static let compaction = Command(
        "compaction", "[options] <revision>", "Compacts the event history in etcd",
        flags: [Flag("physical", nil, .bool, "", "'true' to wait for compaction to physically remove all old revisions")], group: "kv"
    ) { call in
        guard call.arguments.count == 1 else { throw badArguments("compaction command needs 1 argument") }
        guard let revision = Int64(call.arguments[0]) else {
            throw CommandExit(ExitCode.error, "strconv.ParseInt: parsing \(call.arguments[0].quoted): invalid syntax")
        }
        let context = try await connect(call)
        let physical = call.bool("physical")
        _ = try await Context.or { () async throws(ClientError) in
            try await context.client.call(
                .compact,
                .with {
                    $0.revision = revision
                    $0.physical = physical
                }, timeout: physical ? .seconds(86_400) : nil)
        }
        Terminal.out("compacted revision \(revision)\n")
    }
}
