// Many hands that put keys, at a rate or as fast as they can, and how long each put took.

import EtcdClient
import EtcdWire
import FoundationEssentials
import SwiftProtobuf
import Synchronization

final class LoadGenerator: Sendable {
    /// What a load came to.
    struct Result: Sendable {
        var perSecond = 0.0
        /// In seconds.
        var slowest = 0.0
        var deviation = 0.0
        /// How often each message came.
        var failures: [String: Int] = [:]
    }

    private let client: Client
    private let prefix: Data
    private let keySize: Int
    private let value: Data
    private let hands: Int
    private let state = Mutex((next: 0, times: [Double](), failures: [String: Int]()))

    init(client: Client, prefix: String, keySize: Int, valueSize: Int, hands: Int) {
        self.client = client
        self.prefix = Data(word: prefix)
        self.keySize = keySize
        value = Data(count: valueSize)
        self.hands = hands
    }

    /// How many puts have been answered.
    var done: Int { state.withLock { $0.times.count } }

    /// Puts until the time or the number is reached, or the task is cancelled.
    func run(perSecond: Int?, until: ContinuousClock.Instant?, total: Int?) async {
        let start = ContinuousClock.now
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<hands {
                group.addTask {
                    while !Task.isCancelled {
                        let index = self.takeNext()
                        if let total, index >= total { return }
                        if let perSecond {
                            let due = start + .seconds(Double(index) / Double(perSecond))
                            if let until, due >= until { return }
                            try? await Task.sleep(until: due)
                        }
                        await self.put(index)
                    }
                }
            }
        }
    }

    func result(over time: Duration) -> Result {
        let (_, times, failures) = state.withLock { $0 }
        let count = Double(max(1, times.count))
        let mean = times.reduce(0, +) / count
        return Result(
            perSecond: Double(times.count) / max(time / .seconds(1), 1e-9),
            slowest: times.max() ?? 0,
            deviation: (times.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count).squareRoot(),
            failures: failures
        )
    }

    private func takeNext() -> Int {
        state.withLock { state in
            defer { state.next += 1 }
            return state.next
        }
    }

    private func put(_ index: Int) async {
        let begin = ContinuousClock.now
        // Scattered over the range, as keys of many writers are.
        var key = UInt64(index) &* 0x9E37_79B9_7F4A_7C15
        let name = withUnsafeBytes(of: &key) { Data($0) } + Data(count: max(0, keySize - 8))
        do throws(ClientError) {
            _ = try await client.call(
                .put,
                .with {
                    $0.key = prefix + name
                    $0.value = value
                }
            )
            let took = (.now - begin) / .seconds(1)
            state.withLock { $0.times.append(took) }
        } catch {
            // What is cut short by an interrupt has not failed.
            if Task.isCancelled { return }
            state.withLock { $0.failures[error.message, default: 0] += 1 }
        }
    }
}
