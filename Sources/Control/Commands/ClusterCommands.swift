// member, endpoint, move-leader, defrag, alarm, downgrade.

import CommandLineKit
import EtcdClient
import EtcdWire
import FoundationEssentials
import ServerConfiguration
import SwiftProtobuf

enum ClusterCommands {
    static let all: [Command] = [member, endpoint, moveLeader, defragment, alarm, downgrade]

    // MARK: member

    private static func memberID(_ text: String) throws(CommandExit) -> UInt64 {
        do { return try GoNumber.unsigned(text, base: 16) } catch {
            throw badArguments("bad member ID arg (\(error)), expecting ID in Hex")
        }
    }

    /// The members' addresses, when they are what members take.
    private static func peerURLs(_ call: Invocation) throws(CommandExit) -> [String] {
        let texts = call.list("peer-urls")
        do { _ = try EndpointURL.list(texts) } catch { throw CommandExit(ExitCode.error, error.description) }
        return texts
    }

    private static func wide(_ id: UInt64) -> String { hex(id, width: 16, pad: " ") }

    static let member: Command = {
        var command = Command(
            "member",
            "<subcommand>",
            "Lists, adds, changes and removes members of the cluster",
            long:
                "Lists, adds, changes and removes members of the cluster. Members are known by hexadecimal numbers, see member list.",
            group: "cluster maintenance"
        )
        let urls = Flag("peer-urls", nil, .string, "", "the member's addresses for other members, comma separated")
        command.commands = [
            Command(
                "add",
                "<memberName> [options]",
                "Adds a member to the cluster",
                long: """
                    Makes room for a member: one that is started with what this prints joins the cluster. As a learner it has no vote
                    until it is promoted.
                    """,
                example: """
                      etcdctl member add m4 --peer-urls=http://10.0.0.14:2380
                      etcdctl member add m5 --peer-urls=http://10.0.0.15:2380 --learner
                    """,
                flags: [urls, Flag("learner", nil, .bool, "", "without a vote, for now")]
            ) { call in
                guard let name = call.arguments.first else { throw badArguments("member name not provided") }
                if call.arguments.count > 1 {
                    var message = "too many arguments"
                    for word in call.arguments where word.lowercased().hasPrefix("http") {
                        message += ", did you mean --peer-urls=\(word)"
                    }
                    throw badArguments(message)
                }
                guard !call.list("peer-urls").isEmpty else { throw badArguments("member peer urls not provided") }
                let context = try await connect(call)
                let peers = try peerURLs(call), learner = call.bool("learner")
                let answer = try await Context.or { () async throws(ClientError) in
                    try await context.client.call(
                        .memberAdd,
                        .with {
                            $0.peerUrls = peers
                            $0.isLearner = learner
                        }
                    )
                }
                let new = answer.member
                context.emit(
                    try context.printer.memberChange(
                        answer,
                        simple:
                            "Member \(wide(new.id)) added\(new.isLearner ? " as learner " : " ")to cluster \(wide(answer.header.clusterID))\n",
                        header: answer.header,
                        member: new,
                        members: answer.members
                    )
                )
                guard context.printer.format == .simple else { return }
                var cluster: [String] = []
                for member in answer.members {
                    for url in member.peerUrls { cluster.append("\(member.id == new.id ? name : member.name)=\(url)") }
                }
                Terminal.out(
                    "\nETCD_NAME=\(name.quoted)\nETCD_INITIAL_CLUSTER=\(cluster.joined(separator: ",").quoted)\n"
                        + "ETCD_INITIAL_ADVERTISE_PEER_URLS=\(call.string("peer-urls").quoted)\n"
                        + "ETCD_INITIAL_CLUSTER_STATE=\"existing\"\n"
                )
            },
            Command(
                "list",
                "",
                "Lists the cluster's members",
                long:
                    "Prints of each member: ID, status, name, addresses for members, addresses for clients, whether it is a learner.",
                example: "  etcdctl member list --write-out=table",
                flags: [
                    Flag(
                        "consistency",
                        nil,
                        .string,
                        "l",
                        "l for linearizable, s for serializable",
                        choices: ["l", "s"]
                    )
                ]
            ) { call in
                let consistency = call.string("consistency"), linearizable = consistency != "s"
                guard ["l", "s"].contains(consistency) else {
                    throw CommandExit(ExitCode.badFeature, "unknown consistency flag \(consistency.quoted)")
                }
                let context = try await connect(call)
                let answer = try await Context.or { () async throws(ClientError) in
                    try await context.client.call(.memberList, .with { $0.linearizable = linearizable })
                }
                context.emit(try context.printer.members(answer))
            },
            Command(
                "promote",
                "<memberID>",
                "Gives a learner a vote",
                example: "  etcdctl member promote 8e9e05c52164694d"
            ) { call in
                guard call.arguments.count == 1 else { throw badArguments("member ID is not provided") }
                let id = try memberID(call.arguments[0])
                let context = try await connect(call)
                let answer = try await Context.or { () async throws(ClientError) in
                    try await context.client.call(.memberPromote, .with { $0.id = id })
                }
                context.emit(
                    try context.printer.memberChange(
                        answer,
                        simple: "Member \(wide(id)) promoted in cluster \(wide(answer.header.clusterID))\n",
                        header: answer.header,
                        members: answer.members
                    )
                )
            },
            Command(
                "remove",
                "<memberID>",
                "Removes a member from the cluster",
                example: "  etcdctl member remove 8e9e05c52164694d"
            ) { call in
                guard call.arguments.count == 1 else { throw badArguments("member ID is not provided") }
                let id = try memberID(call.arguments[0])
                let context = try await connect(call)
                let answer = try await Context.or { () async throws(ClientError) in
                    try await context.client.call(.memberRemove, .with { $0.id = id })
                }
                context.emit(
                    try context.printer.memberChange(
                        answer,
                        simple: "Member \(wide(id)) removed from cluster \(wide(answer.header.clusterID))\n",
                        header: answer.header,
                        members: answer.members
                    )
                )
            },
            Command(
                "update",
                "<memberID> [options]",
                "Changes a member's addresses for other members",
                example: "  etcdctl member update 8e9e05c52164694d --peer-urls=http://10.0.0.11:2380",
                flags: [urls]
            ) { call in
                guard call.arguments.count == 1 else { throw badArguments("member ID is not provided") }
                let id = try memberID(call.arguments[0])
                guard !call.list("peer-urls").isEmpty else { throw badArguments("member peer urls not provided") }
                let context = try await connect(call)
                let peers = try peerURLs(call)
                let answer = try await Context.or { () async throws(ClientError) in
                    try await context.client.call(
                        .memberUpdate,
                        .with {
                            $0.id = id
                            $0.peerUrls = peers
                        }
                    )
                }
                context.emit(
                    try context.printer.memberChange(
                        answer,
                        simple: "Member \(wide(id)) updated in cluster \(wide(answer.header.clusterID))\n",
                        header: answer.header,
                        members: answer.members
                    )
                )
            },
        ]
        return command
    }()

    // MARK: endpoints

    private static let clusterFlag = Flag("cluster", nil, .bool, "", "all members of the cluster, not only --endpoints")

    /// The endpoints of the flags, or of the members.
    static func targets(_ call: Invocation, _ context: Context) async throws -> [String] {
        guard call.bool("cluster") else { return context.client.configuration.endpoints }
        do {
            let answer = try await context.client.call(.memberList, .with { $0.linearizable = true })
            return answer.members.flatMap(\.clientUrls)
        } catch {
            throw CommandExit(
                ExitCode.error,
                "failed to fetch endpoints from etcd cluster member list: \(failed(error).message ?? "")"
            )
        }
    }

    /// Whether there is nobody to ask: each member is asked by itself, so that an empty list is no error.
    private static func asksNobody(_ call: Invocation) throws(CommandExit) -> Bool {
        guard !call.bool("cluster") else { return false }
        return try Settings.endpoints(call).isEmpty
    }

    static let endpoint: Command = {
        var command = Command(
            "endpoint",
            "<subcommand>",
            "Asks members one by one how they are",
            group: "cluster maintenance"
        )
        command.persistentFlags = [clusterFlag]
        command.commands = [
            Command(
                "hashkv",
                "",
                "Prints a hash of each member's keys and their history",
                long: "Members whose hash differs at one revision hold different data.",
                example: "  etcdctl endpoint hashkv --cluster --write-out=table",
                flags: [Flag("rev", nil, .int, "0", "hash what there is up to this revision (0: all)")]
            ) { call in
                if try asksNobody(call) { return Terminal.out(try Context.printer(call).hashKV([])) }
                let context = try await connect(call)
                let revision = call.int("rev")
                var rows: [(endpoint: String, answer: Etcdserverpb_HashKVResponse)] = []
                var failure: String?
                for endpoint in try await targets(call, context) {
                    do {
                        rows.append(
                            (
                                endpoint,
                                try await context.client.call(.hashKV, .with { $0.revision = revision }, at: endpoint)
                            )
                        )
                    } catch {
                        failure = failed(error).message ?? ""
                        Terminal.error("Failed to get the hash of endpoint \(endpoint) (\(failure ?? ""))\n")
                    }
                }
                Terminal.out(try context.printer.hashKV(rows))
                if let failure { throw CommandExit(ExitCode.error, failure) }
            },
            Command(
                "health",
                "",
                "Asks each member whether it can serve",
                long: """
                    A member is healthy when it answers a linearizable read and no alarm is raised. Ends with 1 if one is not.
                    """,
                example: "  etcdctl endpoint health --cluster"
            ) { call in
                if try asksNobody(call) { return Terminal.out(try Context.printer(call).health([]).out) }
                let context = try await connect(call, authenticates: false, logger: "client")
                let targets = try await targets(call, context)
                let list = await withTaskGroup(of: (Int, EndpointHealth).self) { group in
                    for (index, target) in targets.enumerated() {
                        group.addTask { (index, await probe(target, context)) }
                    }
                    var found: [(Int, EndpointHealth)] = []
                    for await one in group { found.append(one) }
                    return found.sorted { $0.0 < $1.0 }.map(\.1)
                }
                let text = try context.printer.health(list)
                Terminal.error(text.error)
                Terminal.out(text.out)
                if list.contains(where: { !$0.error.isEmpty }) {
                    throw CommandExit(ExitCode.error, "unhealthy cluster")
                }
            },
            Command(
                "status",
                "",
                "Prints each member's version, sizes, leader and progress",
                long: """
                    The columns are: endpoint, ID, version, storage version, size of the database, how much of it is in use, how much
                    is not, quota, whether it leads, whether it is a learner, term, index, applied index, errors, and the target of a
                    downgrade that is under way.
                    """,
                example: "  etcdctl endpoint status --cluster --write-out=table"
            ) { call in
                if try asksNobody(call) { return Terminal.out(try Context.printer(call).status([])) }
                let context = try await connect(call)
                var rows: [(endpoint: String, answer: Etcdserverpb_StatusResponse)] = []
                var failure = false
                for endpoint in try await targets(call, context) {
                    do {
                        rows.append((endpoint, try await context.client.call(.status, .init(), at: endpoint)))
                    } catch {
                        Terminal.error(
                            "Failed to get the status of endpoint \(endpoint) (\(failed(error).message ?? ""))\n"
                        )
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
            health.took = goText(.now - start)
            do {
                let alarms = try await context.client.call(.alarm, .with { $0.action = .get }, at: endpoint).alarms
                if !alarms.isEmpty {
                    health.isHealthy = false
                    health.error =
                        "Active Alarm(s): "
                        + alarms.map {
                            $0.alarm == .nospace ? "NOSPACE " : $0.alarm == .corrupt ? "CORRUPT " : "UNKNOWN "
                        }.joined()
                }
            } catch {
                health.isHealthy = false
                health.error = "Unable to fetch the alarm list"
            }
        } catch {
            health.error = failed(error).message ?? ""
            health.took = goText(.now - start)
        }
        return health
    }

    static let moveLeader = Command(
        "move-leader",
        "<transferee-member-id>",
        "Hands leadership to another member",
        long:
            "Asks the leader, which must be among --endpoints, to hand leadership to the member with this hexadecimal number.",
        example: "  etcdctl --endpoints=127.0.0.1:2379 move-leader 8e9e05c52164694d",
        group: "cluster maintenance"
    ) { call in
        guard call.arguments.count == 1 else { throw badArguments("move-leader command needs 1 argument") }
        let target: UInt64
        do { target = try GoNumber.unsigned(call.arguments[0], base: 16) } catch { throw badArguments("\(error)") }
        let context = try await connect(call)
        let all = context.client.endpoints
        for endpoint in all {
            let status = try await Context.or { () async throws(ClientError) in
                try await context.client.call(.status, .init(), at: endpoint)
            }
            guard status.leader == status.header.memberID else { continue }
            let answer = try await Context.or { () async throws(ClientError) in
                try await context.client.call(.moveLeader, .with { $0.targetID = target }, at: endpoint)
            }
            context.emit(
                try context.printer.bytes(
                    answer,
                    simple: "Leadership transferred from \(hex(status.leader)) to \(hex(target))\n"
                )
            )
            return
        }
        throw badArguments("no leader endpoint given at [\(all.joined(separator: " "))]")
    }

    static let defragment = Command(
        "defrag",
        "",
        "Gives the free room in members' database files back to the disk",
        long: "Defragments the members at --endpoints one after another. A member may answer slowly meanwhile.",
        example: "  etcdctl defrag --cluster --command-timeout 60s",
        flags: [clusterFlag],
        group: "cluster maintenance"
    ) { call in
        let context = try await connect(call)
        var failures = 0
        for endpoint in try await targets(call, context) {
            let start = ContinuousClock.now
            do {
                try await Progress.showing({ "defragmenting \(endpoint), \(Progress.seconds(since: start))" }) {
                    _ = try await context.client.call(.defragment, .init(), at: endpoint)
                }
                Terminal.out("Finished defragmenting etcd member[\(endpoint)]. took \(goText(.now - start))\n")
            } catch {
                Terminal.error(
                    "Failed to defragment etcd member[\(endpoint)]. took \(goText(.now - start)). (\(failed(error).message ?? ""))\n"
                )
                failures += 1
            }
        }
        if failures > 0 { throw CommandExit(ExitCode.error) }
    }

    static let alarm: Command = {
        var command = Command(
            "alarm",
            "<subcommand>",
            "Lists and ends alarms",
            long:
                "An alarm is raised by a member whose database is full (NOSPACE) or differs from the others' (CORRUPT).",
            group: "cluster maintenance"
        )
        command.commands = [
            Command("disarm", "", "Ends all alarms", example: "  etcdctl alarm disarm") { call in
                guard call.arguments.isEmpty else { throw badArguments("alarm disarm command accepts no arguments") }
                let context = try await connect(call)
                let answer = try await Context.or { () async throws(ClientError) in
                    let raised = try await context.client.call(.alarm, .with { $0.action = .get })
                    // As etcdctl's client puts it together: without a header.
                    var gone = Etcdserverpb_AlarmResponse()
                    for alarm in raised.alarms {
                        let answer = try await context.client.call(
                            .alarm,
                            .with {
                                $0.action = .deactivate
                                $0.memberID = alarm.memberID
                                $0.alarm = alarm.alarm
                            }
                        )
                        gone.alarms += answer.alarms
                    }
                    return gone
                }
                context.emit(try context.printer.alarms(answer))
            },
            Command("list", "", "Lists the alarms that are raised", example: "  etcdctl alarm list") { call in
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
        var command = Command(
            "downgrade",
            "<TARGET_VERSION>",
            "Prepares the cluster for members of the version before",
            long: """
                Prepares the cluster for members of the minor version before: once a downgrade is enabled, members may be replaced one
                by one. Versions are written MAJOR.MINOR.
                """,
            group: "cluster maintenance"
        )
        func one(_ verb: String, _ short: String, _ action: Etcdserverpb_DowngradeRequest.DowngradeAction) -> Command {
            Command(
                verb,
                verb == "cancel" ? "" : "<TARGET_VERSION>",
                short,
                example: "  etcdctl downgrade \(verb)\(verb == "cancel" ? "" : " 3.6")"
            ) { call in
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
                    try await context.client.call(
                        .downgrade,
                        .with {
                            $0.action = action
                            $0.version = target
                        }
                    )
                }
                context.emit(
                    try context.printer.bytes(
                        answer,
                        simple: "Downgrade \(verb) success, cluster version \(answer.version)\n"
                    )
                )
            }
        }
        command.commands = [
            one("cancel", "Ends a downgrade that was enabled", .cancel),
            one("enable", "Allows members of the version before", .enable),
            one("validate", "Tells whether a downgrade could be enabled", .validate),
        ]
        return command
    }()
}
