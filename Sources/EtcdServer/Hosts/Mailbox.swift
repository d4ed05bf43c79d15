// The queue in front of a lane: many writers, one reader that takes everything at once.

import Synchronization

/// Messages for one lane. Appending wakes the reader only when the box was empty: under load, messages that arrive
/// while the reader works are taken together, which is what batches writes to the disk and flushes to the sockets.
final class Mailbox<Message: Sendable>: Sendable {
    private struct State {
        var messages: [Message] = []
        var isClosed = false
    }

    private let state = Mutex(State())
    private let wake: @Sendable () -> Void

    /// - Parameter wake: makes the reader drain soon; called outside the lock.
    init(wake: @escaping @Sendable () -> Void) {
        self.wake = wake
    }

    func post(_ message: Message) {
        let wasEmpty = state.withLock { state in
            if state.isClosed { return false }
            state.messages.append(message)
            return state.messages.count == 1
        }
        if wasEmpty { wake() }
    }

    func post(contentsOf messages: [Message]) {
        if messages.isEmpty { return }
        let wasEmpty = state.withLock { state in
            if state.isClosed { return false }
            let wasEmpty = state.messages.isEmpty
            state.messages.append(contentsOf: messages)
            return wasEmpty
        }
        if wasEmpty { wake() }
    }

    /// All messages so far, in order of arrival.
    func take() -> [Message] {
        state.withLock { state in
            var taken: [Message] = []
            swap(&taken, &state.messages)
            return taken
        }
    }

    /// Nothing more is accepted; the reader is woken to see that.
    func close() {
        state.withLock { $0.isClosed = true }
        wake()
    }

    var isClosedAndEmpty: Bool {
        state.withLock { $0.isClosed && $0.messages.isEmpty }
    }
}

/// Set once, seen by every thread.
final class Flag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { value.load(ordering: .relaxed) }

    func set() { value.store(true, ordering: .relaxed) }

    /// Sets it, unless it is set: then somebody else has it.
    func take() -> Bool { !value.exchange(true, ordering: .acquiring) }

    /// What was done while it was taken is seen by who takes it next.
    func clear() { value.store(false, ordering: .releasing) }
}
