// member, endpoint, move-leader, defrag, alarm, downgrade.

import CommandLineKit
import EtcdClient
import EtcdWire
import SwiftProtobuf

enum ClusterCommands {
    static let all: [Command] = [member, endpoint, moveLeader, defragment, alarm, downgrade]

    // MARK: member

    private static func memberID(_ text: String) throws(CommandExit) -> UInt64 {
        guard let id = UInt64(text, radix: 16) else {
            throw badArguments("bad member ID arg (strconv.ParseUint: parsing \(text.quoted): invalid syntax), expecting ID in Hex")
        }
        return id
    }

    private static func wide(_ id: UInt64) -> String { hex(id, width: 16, pad: " ") }

    static let member: Command = {
        var command = Command("member", "<subcommand>", "Membership related commands", group: "cluster maintenance")
        let urls = Flag("peer-urls", nil, .stringList, "", "comma separated peer URLs for the member.")
        command.commands = [
            Command(
                "add", "<memberName> [options]", "Adds a member into the cluster",
                flags: [urls, Flag("learner", nil, .bool, "", "indicates if the new member is raft learner")]
            ) { call in
                guard let name = call.arguments.first else { throw badArguments("member name not provided") }
                if call.arguments.count > 1 {
                    var message = "too many arguments"
                    if call.arguments.contains(where: { $0.lowercased().hasPrefix("http") }) {
                        message += ", did you mean --peer-urls=\(call.arguments[1])"
                    }
                    throw badArguments(message)
                }
                guard call.changed.contains("peer-urls"), !call.list("peer-urls").isEmpty else {
                    throw badArguments("member peer urls not provided")
                }
                let context = try await connect(call)
                let peers = call.list("peer-urls"), learner = call.bool("learner")
                let answer = try await Context.or { () async throws(ClientError) in
                    try await context.client.call(.memberAdd, .with { $0.peerUrls = peers; $0.isLearner = learner })
                }
                let new = answer.member
                context.emit(
                    try context.printer.memberChange(
                        answer,
                        simple: "Member \(wide(new.id)) added\(new.isLearner ? " as learner " : " ")to cluster \(wide(answer.header.clusterID))\n",
                        header: answer.header, member: new, members: answer.members))
                guard context.printer.format == .simple else { return }
                var cluster: [String] = []
                for member in answer.members {
                    for url in member.peerUrls { cluster.append("\(member.id == new.id ? name : member.name)=\(url)") }
                }
                Terminal.out(
                    "\nETCD_NAME=\(name.quoted)\nETCD_INITIAL_CLUSTER=\(cluster.joined(separator: ",").quoted)\n"
                        + "ETCD_INITIAL_ADVERTISE_PEER_URLS=\(new.peerUrls.joined(separator: ",").quoted)\n"
                        + "ETCD_INITIAL_CLUSTER_STATE=\"existing\"\n")
            },
            Command(
                "list", "", "Lists all members in the cluster",
                flags: [Flag("consistency", nil, .string, "l", "Linearizable(l) or Serializable(s)")]
            ) { call in
                let linearizable = call.string("consistency") != "s"
                let context = try await connect(call)
                let answer = try await Context.or { () async throws(ClientError) in
                    try await context.client.call(.memberList, .with { $0.linearizable = linearizable })
                }
                context.emit(try context.printer.members(answer))
            },
            Command("promote", "<memberID>", "Promotes a non-voting member in the cluster") { call in
                guard call.arguments.count == 1 else { throw badArguments("member ID is not provided") }
                let id = try memberID(call.arguments[0])
                let context = try await connect(call)
                let answer = try await Context.or { () async throws(ClientError) in
                    try await context.client.call(.memberPromote, .with { $0.id = id })
                }
                context.emit(
                    try context.printer.memberChange(
                        answer, simple: "Member \(wide(id)) promoted in cluster \(wide(answer.header.clusterID))\n",
                        header: answer.header, members: answer.members))
            },
            Command("remove", "<memberID>", "Removes a member from the cluster") { call in
                guard call.arguments.count == 1 else { throw badArguments("member ID is not provided") }
                let id = try memberID(call.arguments[0])
                let context = try await connect(call)
                let answer = try await Context.or { () async throws(ClientError) in
                    try await context.client.call(.memberRemove, .with { $0.id = id })
                }
                context.emit(
                    try context.printer.memberChange(
                        answer, simple: "Member \(wide(id)) removed from cluster \(wide(answer.header.clusterID))\n",
                        header: answer.header, members: answer.members))
            },
            Command("update", "<memberID> [options]", "Updates a member in the cluster", flags: [urls]) { call in
                guard call.arguments.count == 1 else { throw badArguments("member ID is not provided") }
                let id = try memberID(call.arguments[0])
                guard !call.list("peer-urls").isEmpty else { throw badArguments("member peer urls not provided") }
                let peers = call.list("peer-urls")
                let context = try await connect(call)
                let answer = try await Context.or { () async throws(ClientError) in
                    try await context.client.call(.memberUpdate, .with { $0.id = id; $0.peerUrls = peers })
                }
                context.emit(
                    try context.printer.memberChange(
                        answer, simple: "Member \(wide(id)) updated in cluster \(wide(answer.header.clusterID))\n",
                        header: answer.header, members: answer.members))
            },
        ]
        return command
    }()

    // MARK: endpoints

    private static let clusterFlag = Flag("cluster", nil, .bool, "", "use all endpoints from the cluster member list")

    /// The endpoints of the flags, or of the members.
    static func targets(_ call: Invocation, _ context: Context) async throws -> [String] {
        guard call.bool("cluster") else { return try endpoints(call) }
        do {
            let answer = try await context.client.call(.memberList, .with { $0.linearizable = true })
            return answer.members.flatMap(\.clientUrls)
        } catch {
            throw CommandExit(ExitCode.error, "failed to fetch endpoints from etcd cluster member list: \(failed(error).message ?? "")")
        }
    }

    static let endpoint: Command = {
        var command = Command("endpoint", "<subcommand>", "Endpoint related commands", group: "cluster maintenance")
        command.persistentFlags = [clusterFlag]
        command.commands = [
            Command(
                "hashkv", "", "Prints the KV history hash for each endpoint in --endpoints",
                flags: [Flag("rev", nil, .int, "0", "maximum revision to hash (default: latest revision)")]
            ) { call in
                let context = try await connect(call)
                let revision = call.int("rev")
                var rows: [(endpoint: String, answer: Etcdserverpb_HashKVResponse)] = []
                var failure = false
                for endpoint in try await targets(call, context) {
                    do {
                        rows.append((endpoint, try await context.client.call(.hashKV, .with { $0.revision = revision }, at: endpoint)))
                    } catch {
                        Terminal.error("Failed to get the hash of endpoint \(endpoint) (\(failed(error).message ?? ""))\n")
                        failure = true
                    }
                }
                Terminal.out(try context.printer.hashKV(rows))
                if failure { throw CommandExit(ExitCode.error) }
            },
            Command("health", "", "Checks the healthiness of endpoints specified in `--endpoints` flag") { call in
                let context = try await connect(call)
                let targets = try await targets(call, context)
                let list = await withTaskGroup(of: (Int, EndpointHealth).self) { group in
                    for (index, target) in targets.enumerated() { group.addTask { (index, await probe(target, context)) } }
                    var found: [(Int, EndpointHealth)] = []
                    for await one in group { found.append(one) }
                    return found.sorted { $0.0 < $1.0 }.map(\.1)
                }
                let text = try context.printer.health(list)
                Terminal.error(text.error)
                Terminal.out(text.out)
                if list.contains(where: { !$0.error.isEmpty }) { throw CommandExit(ExitCode.error, "unhealthy cluster") }
            },
            Command("status", "", "Prints out the status of endpoints specified in `--endpoints` flag") { call in
                let context = try await connect(call)
                var rows: [(endpoint: String, answer: Etcdserverpb_StatusResponse)] = []
                var failure = false
                for endpoint in try await targets(call, context) {
                    do {
                        rows.append((endpoint, try await context.client.call(.status, .init(), at: endpoint)))
                    } catch {
                        Terminal.error("Failed to get the status of endpoint \(endpoint) (\(failed(error).message ?? ""))\n")
                        failure = true
                    }
                }
                Terminal.out(try context.printer.status(rows))
                if failure { throw CommandExit(ExitCode.error) }
            },
        ]
        return command
    }()

    private static func probe(_ endpoint: String, _ context: Context) async -> EndpointHealth {
        let start = ContinuousClock.now
        var health = EndpointHealth(endpoint: endpoint, isHealthy: false, took: "", error: "")
        do {
            do {
                _ = try await context.client.call(.range, .with { $0.key = .init("health".utf8) }, at: endpoint)
            } catch let error where error.message == "etcdserver: permission denied" {
                // A member that refuses has agreed on who may read: it works.
            }
            health.isHealthy = true
            if let alarms = try? await context.client.call(.alarm, .with { $0.action = .get }, at: endpoint).alarms, !alarms.isEmpty {
                health.isHealthy = false
                health.error = "Active Alarm(s): " + alarms.map { $0.alarm == .nospace ? "NOSPACE" : "CORRUPT" }.joined(separator: ", ")
            }
        } catch {
            health.error = failed(error).message ?? ""
        }
        health.took = goText(.now - start)
        return health
    }

    static let moveLeader = Command(
        "move-leader", "<transferee-member-id>", "Transfers leadership to another etcd cluster member.", group: "cluster maintenance"
    ) { call in
        guard call.arguments.count == 1 else { throw badArguments("move-leader command needs 1 argument") }
        guard let target = UInt64(call.arguments[0], radix: 16) else {
            throw badArguments("strconv.ParseUint: parsing \(call.arguments[0].quoted): invalid syntax")
        }
        let context = try await connect(call)
        let all = try endpoints(call)
        for endpoint in all {
            let status = try await Context.or { () async throws(ClientError) in
                try await context.client.call(.status, .init(), at: endpoint)
            }
            guard status.leader == status.header.memberID else { continue }
            let answer = try await Context.or { () async throws(ClientError) in
                try await context.client.call(.moveLeader, .with { $0.targetID = target }, at: endpoint)
            }
            context.emit(
                try context.printer.bytes(answer, simple: "Leadership transferred from \(hex(status.leader)) to \(hex(target))\n"))
            return
        }
        throw badArguments("no leader endpoint given at [\(all.joined(separator: " "))]")
    }

    static let defragment = Command(
        "defrag", "", "Defragments the storage of the etcd members with given endpoints", flags: [clusterFlag],
        group: "cluster maintenance"
    ) { call in
        let context = try await connect(call)
        var failures = 0
        for endpoint in try await targets(call, context) {
            let start = ContinuousClock.now
            do {
                _ = try await context.client.call(.defragment, .init(), at: endpoint)
                Terminal.out("Finished defragmenting etcd member[\(endpoint)]. took \(goText(.now - start))\n")
            } catch {
                Terminal.error(
                    "Failed to defragment etcd member[\(endpoint)]. took \(goText(.now - start)). (\(failed(error).message ?? ""))\n")
                failures += 1
            }
        }
        if failures > 0 { throw CommandExit(ExitCode.error) }
    }

    static let alarm: Command = {
        var command = Command("alarm", "<subcommand>", "Alarm related commands", group: "cluster maintenance")
        command.commands = [
            Command("disarm", "", "Disarms all alarms") { call in
                guard call.arguments.isEmpty else { throw badArguments("alarm disarm command accepts no arguments") }
                let context = try await connect(call)
                let answer = try await Context.or { () async throws(ClientError) in
                    let raised = try await context.client.call(.alarm, .with { $0.action = .get })
                    var gone = Etcdserverpb_AlarmResponse()
                    gone.header = raised.header
                    for alarm in raised.alarms {
                        let answer = try await context.client.call(
                            .alarm,
                            .with {
                                $0.action = .deactivate
                                $0.memberID = alarm.memberID
                                $0.alarm = alarm.alarm
                            })
                        gone.header = answer.header
                        gone.alarms += answer.alarms
                    }
                    return gone
                }
                context.emit(try context.printer.alarms(answer))
            },
            Command("list", "", "Lists all alarms") { call in
                guard call.arguments.isEmpty else { throw badArguments("alarm list command accepts no arguments") }
                let context = try await connect(call)
                let answer = try await Context.or { () async throws(ClientError) in
                    try await context.client.call(.alarm, .with { $0.action = .get })
                }
                context.emit(try context.printer.alarms(answer))
            },
        ]
        return command
    }()

    static let downgrade: Command = {
        var command = Command("downgrade", "<TARGET_VERSION>", "Downgrade related commands", group: "cluster maintenance")
        func one(_ verb: String, _ short: String, _ action: Etcdserverpb_DowngradeRequest.DowngradeAction) -> Command {
            Command(verb, verb == "cancel" ? "" : "<TARGET_VERSION>", short) { call in
                var version = ""
                if verb != "cancel" {
                    guard let first = call.arguments.first else { throw badArguments("TARGET_VERSION not provided") }
                    guard call.arguments.count == 1 else { throw badArguments("too many arguments") }
                    version = first
                    if version.isEmpty { throw badArguments("target version not provided") }
                }
                let target = version
                let context = try await connect(call)
                let answer = try await Context.or { () async throws(ClientError) in
                    try await context.client.call(.downgrade, .with { $0.action = action; $0.version = target })
                }
                context.emit(
                    try context.printer.bytes(answer, simple: "Downgrade \(verb) success, cluster version \(answer.version)\n"))
            }
        }
        command.commands = [
            one("cancel", "Cancel the ongoing downgrade action to cluster", .cancel),
            one("enable", "Start a downgrade action to cluster", .enable),
            one("validate", "Validate downgrade capability before starting downgrade", .validate),
        ]
        return command
    }()
}
