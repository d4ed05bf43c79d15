// Threads: they run, bear their names, and sleep.

import Dispatch
import Foundation
import Synchronization
import Testing
import Threads

@Suite("Threads")
struct ThreadsTests {
    private static func onThread<T: Sendable>(_ name: String?, _ body: @escaping @Sendable () -> T) async -> T {
        await withCheckedContinuation { continuation in
            startThread(named: name, stackBytes: 1 << 20) { continuation.resume(returning: body()) }
        }
    }

    private static func ownName() -> String {
        ((try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)) ?? "").trimmingCharacters(
            in: .newlines
        )
    }

    @Test(
        "the system shows the name, as much of it as it can",
        arguments: [("etcd-log", "etcd-log"), ("etcd-sixteenbytes", "etcd-sixteenbyt"), ("étéététététét", "étéététét")]
    )
    func names(name: String, shown: String) async {
        #expect(await Self.onThread(name) { Self.ownName() } == shown)
    }

    /// Opens when so many have come.
    private final class Gate: Sendable {
        private let missing: Mutex<Int>
        private let opened = DispatchSemaphore(value: 0)

        init(_ count: Int) { missing = Mutex(count) }

        func pass() {
            let isLast = missing.withLock { missing in
                missing -= 1
                return missing == 0
            }
            if isLast { opened.signal() }
            opened.wait()
            opened.signal()
        }
    }

    @Test("many run at once")
    func many() async {
        let gate = Gate(16)
        let sum = await withTaskGroup(of: Int.self) { group in
            for number in 1...16 {
                group.addTask {
                    await Self.onThread(nil) {
                        gate.pass()
                        return number
                    }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(sum == 136)
    }

    @Test("a thread sleeps as long as it was told")
    func sleeping() async {
        let slept = await Self.onThread(nil) {
            ContinuousClock().measure { sleepThread(.milliseconds(30)) }
        }
        #expect(slept >= .milliseconds(30) && slept < .seconds(20))
    }
}
