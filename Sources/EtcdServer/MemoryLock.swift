// `--memory-mlock`: nothing of the member is ever swapped out.

import Glibc

enum MemoryLock {
    /// Pages are locked when they are first used, so that what is only mapped costs nothing. That goes for all to come,
    /// too: a system that allows less than a member needs says so here, and not in the middle of its work.
    static func lock() throws(ServerStartError) {
        guard mlockall(currentPages | futurePages | onFault) != 0 else { return }
        let reason = String(cString: strerror(errno)).lowercased()
        throw ServerStartError(
            description: "failed to open database: mlock error: \(reason) (RLIMIT_MEMLOCK is \(limitText); "
                + "it must be unlimited, or the process needs CAP_IPC_LOCK)")
    }

    // Of `mlockall`'s flags Swift sees some as enumerations and some not at all.
    private static let currentPages: Int32 = 1
    private static let futurePages: Int32 = 2
    private static let onFault: Int32 = 4
    /// `RLIMIT_MEMLOCK`.
    private static let lockedMemory: __rlimit_resource_t = 8

    private static var limitText: String {
        var limits = rlimit()
        guard getrlimit(lockedMemory, &limits) == 0 else { return "unknown" }
        return limits.rlim_cur == rlim_t.max ? "unlimited" : "\(limits.rlim_cur) bytes"
    }
}
