// lock and elect: held until a signal comes, the command ends, or the session is lost.

import CommandLineKit
import Dispatch
import EtcdClient
import EtcdWire
import Foundation
import SwiftProtobuf
import Synchronization

/// Interrupt and terminate, as something to wait for instead of an end.
final class Signals: Sendable {
    let arrived = Latch()
    private let sources = Mutex<[any DispatchSourceSignal]>([])

    init() {
        let arrived = self.arrived
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            sources.withLock { sources in
                let source = DispatchSource.makeSignalSource(signal: number)
                source.setEventHandler { arrived.open() }
                source.resume()
                sources.append(source)
            }
        }
    }
}

enum ConcurrencyCommands {
    static let all: [Command] = [lock, elect]

    /// What came first: the signal, the work's end, or the loss of the session.
    private enum Outcome<T: Sendable>: Sendable { case value(T), failure(ClientError), signal, expired }

    private static func race<T: Sendable>(
        _ signals: Signals, _ session: Session, _ work: @escaping @Sendable () async throws(ClientError) -> T
    ) async -> Outcome<T> {
        await withTaskGroup(of: Outcome<T>.self) { group in
            group.addTask {
                do throws(ClientError) { return .value(try await work()) } catch { return .failure(error) }
            }
            group.addTask {
                await signals.arrived.wait()
                return .signal
            }
            group.addTask {
                await session.waitUntilExpired()
                return .expired
            }
            let first = await group.next() ?? .signal
            group.cancelAll()
            if case .expired = first, Task.isCancelled { return .signal }
            return first
        }
    }

    static let lock: Command = {
        var command = Command(
            "lock", "<lockname> [exec-command arg1 arg2 ...]", "Acquires a named lock",
            flags: [Flag("ttl", nil, .int, "10", "timeout for session")], group: "concurrency"
        ) { call in
            guard let name = call.arguments.first else { throw badArguments("lock takes one lock name argument and an optional command to execute") }
            let context = try await connect(call)
            let signals = Signals()
            let session = try await Context.or { () async throws(ClientError) in
                try await Session.start(on: context.client, timeToLive: call.int("ttl"))
            }
            let lock = DistributedLock(session: session, name: name)
            switch await race(signals, session, { () async throws(ClientError) in try await lock.lock() }) {
            case .failure(let error): throw failed(error)
            case .signal:
                try? await session.close()
                throw CommandExit(ExitCode.interrupted, "interrupted")
            case .expired: throw CommandExit(ExitCode.error, "session expired")
            case .value(let grip):
                if call.arguments.count > 1 {
                    var environment = ProcessInfo.processInfo.environment
                    environment["ETCD_LOCK_KEY"] = grip.key
                    environment["ETCD_LOCK_REV"] = "\(grip.header.revision)"
                    let words = Array(call.arguments.dropFirst()), surroundings = environment
                    let status = try await Task.detached { try runProgram(words, surroundings) }.value
                    try? await lock.unlock(grip)
                    try? await session.close()
                    if status != 0 { throw CommandExit(status) }
                    return
                }
                let answer = try await Context.or { () async throws(ClientError) in
                    try await context.client.call(.range, .with { $0.key = .init(grip.key.utf8) })
                }
                guard !answer.kvs.isEmpty else { throw CommandExit(ExitCode.error, "lock lost on init") }
                if context.printer.format == .simple { Terminal.out(grip.key + "\n") } else { context.emit(try context.printer.get(answer)) }
                let end = await race(signals, session) { () async throws(ClientError) -> Void in try? await Task.sleep(for: .seconds(1 << 32)) }
                if case .expired = end { throw CommandExit(ExitCode.error, "session expired") }
                try? await lock.unlock(grip)
                try? await session.close()
            }
        }
        command.stopsAtArguments = true
        return command
    }()

    static let elect = Command(
        "elect", "<election-name> [proposal]", "Observes and participates in leader election",
        flags: [Flag("listen", "l", .bool, "", "observation mode")], group: "concurrency"
    ) { call in
        guard call.arguments.count == 1 || call.arguments.count == 2 else {
            throw badArguments("elect takes one election name argument and an optional proposal argument")
        }
        let name = call.arguments[0]
        let context = try await connect(call)
        if call.arguments.count == 1 {
            guard call.bool("listen") else { throw badArguments("no proposal argument but -l not set") }
            try await observe(name, context)
            return
        }
        if call.bool("listen") { throw badArguments("proposal given but -l is set") }
        let signals = Signals()
        let session = try await Context.or { () async throws(ClientError) in try await Session.start(on: context.client) }
        let election = Election(session: session, name: name)
        let proposal = call.arguments[1]
        switch await race(signals, session, { () async throws(ClientError) in try await election.campaign(proposal) }) {
        case .failure(let error): throw failed(error)
        case .signal:
            try? await session.close()
            throw CommandExit(ExitCode.interrupted, "interrupted")
        case .expired: throw CommandExit(ExitCode.error, "elect: session expired")
        case .value(let grip):
            let answer = try await Context.or { () async throws(ClientError) in
                try await context.client.call(.range, .with { $0.key = .init(grip.key.utf8) })
            }
            context.emit(try context.printer.get(answer))
            let end = await race(signals, session) { () async throws(ClientError) -> Void in try? await Task.sleep(for: .seconds(1 << 32)) }
            if case .expired = end { throw CommandExit(ExitCode.error, "elect: session expired") }
            try? await election.resign(grip)
            try? await session.close()
        }
    }

    /// Prints each leader as it comes.
    private static func observe(_ name: String, _ context: Context) async throws {
        let prefix = Array((name + "/").utf8)
        let last = Answer<Int64>()
        @Sendable func show() async throws -> Int64 {
            let answer = try await context.client.call(
                .range,
                .with {
                    $0.key = .init(prefix)
                    $0.rangeEnd = .init(prefixEnd(prefix))
                    $0.sortTarget = .create
                    $0.sortOrder = .ascend
                    $0.limit = 1
                })
            if let leader = answer.kvs.first, leader.modRevision != last.value {
                last.value = leader.modRevision
                context.emit(try context.printer.get(answer))
            }
            return answer.header.revision
        }
        try await {
            do {
                let revision = try await show()
                try await context.client.watch(
                    .with {
                        $0.key = .init(prefix)
                        $0.rangeEnd = .init(prefixEnd(prefix))
                        $0.startRevision = revision + 1
                    }
                ) { _ in _ = try await show() }
            } catch let error as ClientError { throw failed(error) }
        }()
    }
}
