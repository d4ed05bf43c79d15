// lease grant, revoke, timetolive, list, keep-alive.

import CommandLineKit
import EtcdClient
import EtcdWire
import SwiftProtobuf

enum LeaseCommands {
    static let command: Command = {
        var command = Command("lease", "<subcommand>", "Lease related commands", group: "kv")
        command.commands = [grant, keepAlive, list, revoke, timeToLive]
        return command
    }()

    static func id(_ text: String) throws(CommandExit) -> Int64 {
        guard let id = Int64(text, radix: 16) else {
            throw badArguments("bad lease ID arg (strconv.ParseInt: parsing \(text.quoted): invalid syntax), expecting ID in Hex")
        }
        return id
    }

    static let grant = Command("grant", "<ttl>", "Creates leases") { call in
        guard call.arguments.count == 1 else { throw badArguments("lease grant command needs TTL argument") }
        guard let ttl = Int64(call.arguments[0]) else {
            throw badArguments("bad TTL (strconv.ParseInt: parsing \(call.arguments[0].quoted): invalid syntax)")
        }
        let context = try await connect(call)
        do {
            context.emit(try context.printer.grant(try await context.client.call(.leaseGrant, .with { $0.ttl = ttl })))
        } catch {
            throw CommandExit(ExitCode.error, "failed to grant lease (\(failed(error).message ?? ""))")
        }
    }

    static let revoke = Command("revoke", "<leaseID>", "Revokes leases") { call in
        guard call.arguments.count == 1 else { throw badArguments("lease revoke command needs 1 argument") }
        let id = try id(call.arguments[0])
        let context = try await connect(call)
        do {
            let answer = try await context.client.call(.leaseRevoke, .with { $0.id = id })
            context.emit(
                try context.printer.bytes(
                    answer, simple: "lease \(leaseText(id)) revoked\n", fields: { context.printer.header(answer.header) }))
        } catch {
            throw CommandExit(ExitCode.error, "failed to revoke lease (\(failed(error).message ?? ""))")
        }
    }

    static let timeToLive = Command(
        "timetolive", "<leaseID> [options]", "Get lease information",
        flags: [Flag("keys", nil, .bool, "", "Get keys attached to this lease")]
    ) { call in
        guard call.arguments.count == 1 else { throw badArguments("lease timetolive command needs lease ID as argument") }
        let id = try id(call.arguments[0])
        let keys = call.bool("keys")
        let context = try await connect(call)
        let answer = try await Context.or { () async throws(ClientError) in
            try await context.client.call(
                .leaseTimeToLive,
                .with {
                    $0.id = id
                    $0.keys = keys
                })
        }
        context.emit(try context.printer.timeToLive(answer, keys: keys))
    }

    static let list = Command("list", "", "List all active leases") { call in
        let context = try await connect(call)
        let answer = try await Context.or { () async throws(ClientError) in
            try await context.client.call(.leaseLeases, Etcdserverpb_LeaseLeasesRequest())
        }
        context.emit(try context.printer.leases(answer))
    }

    static let keepAlive = Command(
        "keep-alive", "[options] <leaseID>", "Keeps leases alive (renew)",
        flags: [Flag("once", nil, .bool, "", "Resets the keep-alive time to its original value and exits immediately")]
    ) { call in
        guard call.arguments.count == 1 else { throw badArguments("lease keep-alive command needs lease ID as argument") }
        let id = try id(call.arguments[0])
        let context = try await connect(call)
        if call.bool("once") {
            let answer: Etcdserverpb_LeaseKeepAliveResponse
            do { answer = try await context.client.keepAliveOnce(lease: id) } catch {
                throw CommandExit(ExitCode.badConnection, failed(error).message)
            }
            context.emit(try context.printer.keepAlive(answer))
            return
        }
        try await Context.or { () async throws(ClientError) in
            try await context.client.keepAlive(lease: id) { context.emit(try context.printer.keepAlive($0)) }
        }
        Terminal.out("lease \(leaseText(id)) expired or revoked.\n")
    }
}
