// lease grant, revoke, timetolive, list, keep-alive.

import CommandLineKit
import EtcdClient
import EtcdWire
import SwiftProtobuf

enum LeaseCommands {
    static let command: Command = {
        var command = Command(
            "lease",
            "<subcommand>",
            "Grants, renews, lists and revokes leases",
            long: """
                A lease lives for a number of seconds from its last renewal; keys that are attached to it (put --lease) vanish with it.
                Leases are known by hexadecimal numbers.
                """,
            group: "kv"
        )
        command.commands = [grant, keepAlive, list, revoke, timeToLive]
        return command
    }()

    static func id(_ text: String) throws(CommandExit) -> Int64 {
        do { return try GoNumber.int(text, base: 16) } catch {
            throw badArguments("bad lease ID arg (\(error)), expecting ID in Hex")
        }
    }

    static let grant = Command(
        "grant",
        "<ttl>",
        "Grants a lease of so many seconds",
        example: "  etcdctl lease grant 60"
    ) { call in
        guard call.arguments.count == 1 else { throw badArguments("lease grant command needs TTL argument") }
        let ttl: Int64
        do { ttl = try GoNumber.int(call.arguments[0]) } catch { throw badArguments("bad TTL (\(error))") }
        let context = try await connect(call)
        do {
            context.emit(try context.printer.grant(try await context.client.call(.leaseGrant, .with { $0.ttl = ttl })))
        } catch let error as ClientError {
            throw CommandExit(ExitCode.error, "failed to grant lease (\(failed(error).message ?? ""))")
        }
    }

    static let revoke = Command(
        "revoke",
        "<leaseID>",
        "Revokes a lease, and deletes the keys that are attached to it",
        example: "  etcdctl lease revoke 694d5765fc71500b"
    ) { call in
        guard call.arguments.count == 1 else { throw badArguments("lease revoke command needs 1 argument") }
        let id = try id(call.arguments[0])
        let context = try await connect(call)
        do {
            let answer = try await context.client.call(.leaseRevoke, .with { $0.id = id })
            context.emit(
                try context.printer.bytes(
                    answer,
                    simple: "lease \(leaseText(id)) revoked\n",
                    fields: { context.printer.header(answer.header) }
                )
            )
        } catch let error as ClientError {
            throw CommandExit(ExitCode.error, "failed to revoke lease (\(failed(error).message ?? ""))")
        }
    }

    static let timeToLive = Command(
        "timetolive",
        "<leaseID> [options]",
        "Tells how long a lease lives, and which keys are attached to it",
        example: "  etcdctl lease timetolive 694d5765fc71500b --keys",
        flags: [Flag("keys", nil, .bool, "", "list the attached keys, too")]
    ) { call in
        guard call.arguments.count == 1 else {
            throw badArguments("lease timetolive command needs lease ID as argument")
        }
        let id = try id(call.arguments[0])
        let keys = call.bool("keys")
        let context = try await connect(call)
        let answer = try await Context.or(exit: ExitCode.badConnection) { () async throws(ClientError) in
            try await context.client.call(
                .leaseTimeToLive,
                .with {
                    $0.id = id
                    $0.keys = keys
                }
            )
        }
        context.emit(try context.printer.timeToLive(answer, keys: keys))
    }

    static let list = Command("list", "", "Lists the leases that live", example: "  etcdctl lease list") { call in
        let context = try await connect(call)
        let answer = try await Context.or(exit: ExitCode.badConnection) { () async throws(ClientError) in
            try await context.client.call(.leaseLeases, Etcdserverpb_LeaseLeasesRequest())
        }
        context.emit(try context.printer.leases(answer))
    }

    static let keepAlive = Command(
        "keep-alive",
        "[options] <leaseID>",
        "Renews a lease again and again until it is revoked or a signal comes",
        example: "  etcdctl lease keep-alive --once 694d5765fc71500b",
        flags: [Flag("once", nil, .bool, "", "renew it once")]
    ) { call in
        guard call.arguments.count == 1 else {
            throw badArguments("lease keep-alive command needs lease ID as argument")
        }
        let id = try id(call.arguments[0])
        let context = try await connect(call)
        if call.bool("once") {
            let answer = try await Context.or(exit: ExitCode.badConnection) { () async throws(ClientError) in
                try await context.client.keepAliveOnce(lease: id)
            }
            context.emit(try context.printer.keepAlive(answer))
            return
        }
        try await Context.or(exit: ExitCode.badConnection) { () async throws(ClientError) in
            try await context.client.keepAlive(lease: id) { context.emit(try context.printer.keepAlive($0)) }
        }
        if context.printer.format == .simple { Terminal.out("lease \(leaseText(id)) expired or revoked.\n") }
    }
}
