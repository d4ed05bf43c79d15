// The moment at which a call's message is given to a connection: before it, sending again is always safe; after it, only
// the member knows. The gRPC library asks for a message only when it has a stream on a live connection to write it to, so
// the asking is that moment. Whoever waits for a connection may give up, but never after it: one of both wins.

import Synchronization

/// Whether a call's message was handed over, settled once.
final class Handing: Sendable {
    private enum State { case waiting, handed, abandoned }
    private let state = Mutex(State.waiting)

    /// Called before any byte of the message leaves.
    /// - Throws: if the call was abandoned: then no byte must leave.
    func hand() throws {
        let isAllowed = state.withLock { state in
            if state == .abandoned { return false }
            state = .handed
            return true
        }
        if !isAllowed { throw CancellationError() }
    }

    /// Gives the call up if its message has not been handed over.
    /// - Returns: whether it is given up.
    func abandon() -> Bool {
        state.withLock { state in
            if state == .handed { return false }
            state = .abandoned
            return true
        }
    }

    var wasHanded: Bool { state.withLock { $0 == .handed } }
}
