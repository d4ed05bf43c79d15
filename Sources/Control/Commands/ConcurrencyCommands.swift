// lock and elect: held until a signal comes, the command ends, or the session is lost.

import CommandLineKit
import EtcdClient
import EtcdWire
import FoundationEssentials
import SwiftProtobuf

enum ConcurrencyCommands {
    static let all: [Command] = [lock, elect]

    /// Holding something takes as long as nobody ends it.
    private static let forever = Duration.seconds(1 << 32)

    /// Waits for a place in a queue, as long as no signal comes and the session lives.
    private static func obtain(
        _ signals: Signals,
        _ session: Session,
        expired: String,
        _ work: @escaping @Sendable () async throws -> DistributedLock.Grip
    ) async throws(CommandExit) -> DistributedLock.Grip {
        switch await signals.race(or: { await session.waitUntilExpired() }, work) {
        case .value(let grip): return grip
        case .failure(let error): throw failed(error)
        case .signal:
            try? await session.close()
            throw CommandExit(ExitCode.error, "context canceled")
        case .other: throw CommandExit(ExitCode.error, expired)
        }
    }

    /// Returns when a signal comes.
    private static func hold(_ signals: Signals, _ session: Session, expired: String) async throws(CommandExit) {
        let end = await signals.race(or: { await session.waitUntilExpired() }) { try await Task.sleep(for: forever) }
        if case .other = end { throw CommandExit(ExitCode.error, expired) }
    }

    static let lock = Command(
        "lock",
        "<lockname> [exec-command arg1 arg2 ...]",
        "Waits for a lock and holds it",
        long: """
            Waits for the lock, prints its key and holds it until a signal comes. With a command it holds the lock as long as the
            command runs, and ends with its exit code; the command finds ETCD_LOCK_KEY and ETCD_LOCK_REV in its environment.

            Put -- before a command whose arguments begin with a dash.
            """,
        example: """
              etcdctl lock deployment -- sh -c 'echo "holding $ETCD_LOCK_KEY"'
            """,
        flags: [Flag("ttl", nil, .int, "10", "seconds after which the lock of a holder that vanished is free")],
        group: "concurrency"
    ) { call in
        guard let name = call.arguments.first else {
            throw badArguments("lock takes a lock name argument and an optional command to execute")
        }
        let context = try await connect(call)
        let signals = Signals()
        let session = try await Context.or { () async throws(ClientError) in
            try await Session.start(on: context.client, timeToLive: call.int("ttl"))
        }
        let lock = DistributedLock(session: session, name: name)
        let grip = try await obtain(signals, session, expired: "session expired") { try await lock.lock() }
        if call.arguments.count > 1 {
            let result: Result<ChildProcess.Ending, ChildProcessError>
            do throws(ChildProcessError) {
                result = .success(
                    try await runProgram(
                        Array(call.arguments.dropFirst()),
                        [("ETCD_LOCK_KEY", grip.key), ("ETCD_LOCK_REV", "\(grip.header.revision)")]
                    )
                )
            } catch {
                result = .failure(error)
            }
            let released: CommandExit?
            do throws(ClientError) {
                try await lock.unlock(grip)
                released = nil
            } catch {
                released = failed(error)
            }
            try? await session.close()
            switch result {
            case .failure(let error): throw CommandExit(ExitCode.error, error.description)
            case .success(let ending) where ending != .exited(0): throw CommandExit(ending.code, ending.description)
            case .success: if let released { throw released }
            }
            return
        }
        let answer = try await Context.or { () async throws(ClientError) in
            try await context.client.call(.range, .with { $0.key = Data(word: grip.key) })
        }
        guard !answer.kvs.isEmpty else { throw CommandExit(ExitCode.error, "lock lost on init") }
        context.emit(try context.printer.get(answer))
        try await hold(signals, session, expired: "session expired")
        try await Context.or { () async throws(ClientError) in try await lock.unlock(grip) }
        try? await session.close()
    }

    static let elect = Command(
        "elect",
        "<election-name> [proposal]",
        "Takes part in an election, or watches it",
        long: """
            Stands for election with a proposal, prints the key when elected, and leads until a signal comes. With --listen it prints
            each leader in turn.
            """,
        example: """
              etcdctl elect --listen chair
              etcdctl elect chair "$(hostname)"
            """,
        flags: [Flag("listen", "l", .bool, "", "only watch who leads")],
        group: "concurrency"
    ) { call in
        guard call.arguments.count == 1 || call.arguments.count == 2 else {
            throw badArguments("elect takes one election name argument and an optional proposal argument")
        }
        let name = call.arguments[0]
        let context = try await connect(call)
        let signals = Signals()
        if call.arguments.count == 1 {
            guard call.bool("listen") else { throw badArguments("no proposal argument but -l not set") }
            switch await signals.race({ try await observe(name, context) }) {
            case .failure(let error): throw failed(error)
            case .value, .other: throw CommandExit(ExitCode.error, "elect: observer lost")
            case .signal: return
            }
        }
        if call.bool("listen") { throw badArguments("proposal given but -l is set") }
        let session = try await Context.or { () async throws(ClientError) in try await Session.start(on: context.client)
        }
        let election = Election(session: session, name: name)
        let proposal = call.arguments[1]
        let grip = try await obtain(signals, session, expired: "elect: session expired") {
            try await election.campaign(proposal)
        }
        let answer = try await Context.or { () async throws(ClientError) in
            try await context.client.call(.range, .with { $0.key = Data(word: grip.key) })
        }
        context.emit(try context.printer.get(answer))
        try await hold(signals, session, expired: "elect: session expired")
        try await Context.or { () async throws(ClientError) in try await election.resign(grip) }
        try? await session.close()
    }

    /// Prints each leader as it comes.
    private static func observe(_ name: String, _ context: Context) async throws {
        let prefix = (name + "/").rawBytes
        let last = Answer<Int64>()
        @Sendable func show() async throws -> Int64 {
            var answer = try await context.client.call(
                .range,
                .with {
                    $0.key = .init(prefix)
                    $0.rangeEnd = .init(prefixEnd(prefix))
                    $0.sortTarget = .create
                    $0.sortOrder = .ascend
                    $0.limit = 1
                }
            )
            if let leader = answer.kvs.first, leader.modRevision != last.value {
                last.value = leader.modRevision
                // How many stand behind the leader is not told.
                answer.count = 0
                answer.more = false
                context.emit(try context.printer.get(answer))
            }
            return answer.header.revision
        }
        let revision = try await show()
        try await context.client.watch(
            .with {
                $0.key = .init(prefix)
                $0.rangeEnd = .init(prefixEnd(prefix))
                $0.startRevision = revision + 1
            }
        ) { _ in _ = try await show() }
    }
}
