// Waiting for what blocks, for signals, and with a limit.

import CommandLineKit
import Dispatch
import EtcdClient
import FoundationEssentials
import Synchronization
import Threads

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Runs what blocks on a thread of its own: the threads of tasks are few, and they keep leases alive.
func onThread<T: Sendable>(_ body: @escaping @Sendable () -> T) async -> T {
    await withCheckedContinuation { continuation in
        startThread { continuation.resume(returning: body()) }
    }
}

/// Runs a program with our outputs, no input, and these variables before the environment's.
func runProgram(_ words: [String], _ variables: [(String, String)]) async throws(ChildProcessError)
    -> ChildProcess.Ending
{
    let own = variables.map { "\($0.0)=\($0.1)" }
    let names = Set(variables.map(\.0))
    let environment =
        own + ProcessInfo.processInfo.environment.filter { !names.contains($0.key) }.map { "\($0.key)=\($0.value)" }
    let result = await onThread { () -> Result<ChildProcess.Ending, ChildProcessError> in
        do throws(ChildProcessError) {
            return .success(try ChildProcess.run(words, environment: environment))
        } catch {
            return .failure(error)
        }
    }
    return try result.get()
}

/// Ends the work with Go's words for it when the time is over.
func within<T: Sendable>(_ limit: Duration?, _ body: @escaping @Sendable () async throws -> T) async throws -> T {
    guard let limit else { return try await body() }
    return try await withThrowingTaskGroup(of: T.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            throw CommandExit(ExitCode.error, "context deadline exceeded")
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { throw CancellationError() }
        return first
    }
}

/// Interrupt and terminate, as something to wait for instead of an end.
final class Signals: Sendable {
    let arrived = Latch()
    private let sources = Mutex<[any DispatchSourceSignal]>([])

    init(_ numbers: [Int32] = [SIGINT, SIGTERM]) {
        let arrived = self.arrived
        for number in numbers {
            signal(number, SIG_IGN)
            sources.withLock { sources in
                let source = DispatchSource.makeSignalSource(signal: number)
                source.setEventHandler { arrived.open() }
                source.resume()
                sources.append(source)
            }
        }
    }

    /// What came first.
    enum Outcome<T: Sendable>: Sendable { case value(T), failure(any Error), signal, other }

    /// Runs the work until it ends, a signal comes, or `other` returns; what is not over then is cancelled.
    func race<T: Sendable>(
        or other: (@Sendable () async -> Void)? = nil,
        _ work: @escaping @Sendable () async throws -> T
    ) async -> Outcome<T> {
        let arrived = self.arrived
        return await withTaskGroup(of: Outcome<T>.self) { group in
            group.addTask {
                do { return .value(try await work()) } catch { return .failure(error) }
            }
            group.addTask {
                await arrived.wait()
                return .signal
            }
            if let other {
                group.addTask {
                    await other()
                    return .other
                }
            }
            defer { group.cancelAll() }
            return await group.next() ?? .signal
        }
    }
}

/// A line on standard error that is written anew while long work goes on; nothing where nobody watches.
enum Progress {
    private static let interval = Duration.milliseconds(200)
    /// Back to the line's beginning, and away with what stands there.
    private static let restart = "\r\u{1B}[K"

    static func showing<T>(_ text: @escaping @Sendable () -> String, during body: () async throws -> T) async rethrows
        -> T
    {
        guard Terminal.isErrorTerminal else { return try await body() }
        let line = Task {
            while !Task.isCancelled {
                Terminal.error(restart + text())
                try? await Task.sleep(for: interval)
            }
        }
        defer {
            line.cancel()
            Terminal.error(restart)
        }
        return try await body()
    }

    /// Seconds since an instant, for such lines.
    static func seconds(since start: ContinuousClock.Instant) -> String {
        "\((ContinuousClock.now - start).components.seconds)s"
    }
}
