// A thread of its own for a lane that blocks: the log lane, the commit lane, the chores.

import Dispatch
import Synchronization
import Threads

/// A lane together with its lock: the lane's thread takes it for each batch; others only while it is free, or when the
/// thread has ended, so the lock is never waited for.
final class Guarded<Value: ~Copyable>: Sendable {
    fileprivate let mutex: Mutex<Value?>

    init(_ value: consuming sending Value) {
        mutex = Mutex(value)
    }

    /// Nil if another thread has it, or the value was taken.
    func useIfFree<R: Sendable, E: Error>(_ body: (inout Value) throws(E) -> R) throws(E) -> R? {
        try mutex.withLockIfAvailable { (held: inout sending Value?) throws(E) -> R? in try Self.lend(&held, body) }
            ?? nil
    }

    /// Nil once the value was taken.
    func use<R: Sendable, E: Error>(_ body: (inout Value) throws(E) -> R) throws(E) -> R? {
        try mutex.withLock { (held: inout sending Value?) throws(E) -> R? in
            try Self.lend(&held, body)
        }
    }

    private static func lend<R: Sendable, E: Error>(
        _ held: inout sending Value?,
        _ body: (inout Value) throws(E) -> R
    ) throws(E) -> R? {
        guard var value = held.take() else { return nil }
        do throws(E) {
            let result = try body(&value)
            held = consume value
            return result
        } catch {
            held = consume value
            throw error
        }
    }
}

extension Guarded where Value: ~Copyable {
    /// The value, for its end.
    func take() -> sending Value? {
        mutex.withLock { (held: inout sending Value?) -> sending Value? in held.take() }
    }
}

/// Runs a lane on its own thread: sleeps until its mailbox fills, takes all, hands it to the lane.
final class LaneThread<Message: Sendable>: Sendable {
    private let signal = DispatchSemaphore(value: 0)
    private let finished = DispatchSemaphore(value: 0)
    private let mailbox: Mailbox<Message>

    /// - Parameter receive: takes a batch on the thread; returns false to end it, whatever is still queued.
    init(name: String, receive: @escaping @Sendable ([Message]) -> Bool) {
        mailbox = Mailbox { [signal] in signal.signal() }
        // A tree's recursion is bounded; a megabyte is plenty.
        startThread(named: name, stackBytes: 1 << 20) { [signal, finished, mailbox] in
            while true {
                signal.wait()
                let batch = mailbox.take()
                if !batch.isEmpty, !receive(batch) { break }
                if mailbox.isClosedAndEmpty { break }
            }
            mailbox.close()
            finished.signal()
        }
    }

    func post(_ message: Message) {
        mailbox.post(message)
    }

    func post(contentsOf messages: [Message]) {
        mailbox.post(contentsOf: messages)
    }

    /// Lets the thread finish what is queued and waits for its end.
    func stop() {
        mailbox.close()
        finished.wait()
        finished.signal()
    }
}
