// How many files and connections the process may have open, and what becomes of connections beyond that.

import Glibc
import NIOCore

enum OpenFiles {
    /// Descriptors that are kept for the log, the database and the other members, as etcd keeps them.
    static let reserved = 150

    /// Nil if there is none, or it can't be known.
    static var limit: Int? {
        var limits = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0, limits.rlim_cur < rlim_t(Int32.max) else {
            return nil
        }
        return Int(limits.rlim_cur)
    }

    /// As many as the administrator allows: shells give less by default, for programs that go through all numbers.
    static func raiseLimit() {
        var limits = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0, limits.rlim_cur < limits.rlim_max else {
            return
        }
        limits.rlim_cur = limits.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits)
    }
}

/// Counts the connections of clients. Beyond the limit new ones wait in the backlog until others end, so that clients
/// can't take the descriptors that the member itself needs. Confined to the member's loop.
final class ConnectionLimit {
    private let limit: Int?
    private var count = 0
    private var listeners: [any Channel] = []
    private var isFull = false

    init(_ limit: Int?) {
        self.limit = limit
    }

    func add(_ listener: any Channel) { listeners.append(listener) }

    func opened(_ channel: any Channel, _ bound: NIOLoopBound<ConnectionLimit>) {
        count += 1
        if let limit, count >= limit, !isFull { setFull(true) }
        channel.closeFuture.whenComplete { _ in bound.value.closed() }
    }

    private func closed() {
        count -= 1
        if let limit, count < limit, isFull { setFull(false) }
    }

    private func setFull(_ full: Bool) {
        isFull = full
        for listener in listeners { listener.setOption(.autoRead, value: !full).whenComplete { _ in } }
    }
}
