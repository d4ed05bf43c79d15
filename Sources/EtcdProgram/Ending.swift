// What ends the program: a signal, or a cluster that goes on without this member.

import Dispatch
import Synchronization
import Threads

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

enum EndReason: Sendable {
    case signal(Int32)
    case removed
}

/// Waits on a thread for signals; the first reason counts.
final class Ending: Sendable {
    private let reason = Mutex<EndReason?>(nil)
    private let happened = DispatchSemaphore(value: 0)

    func end(_ why: EndReason) {
        reason.withLock { if $0 == nil { $0 = why } }
        happened.signal()
    }

    /// The signals must be blocked in all threads.
    func watch(_ signals: sigset_t) {
        startThread { [self] in
            var signals = signals
            var received: Int32 = 0
            sigwait(&signals, &received)
            end(.signal(received))
        }
    }

    func wait() -> EndReason {
        happened.wait()
        return reason.withLock { $0 } ?? .removed
    }
}
