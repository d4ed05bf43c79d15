// A thread of its own for a lane that blocks: the log lane, the commit lane, the chores.

import Dispatch
import Foundation

/// Runs a lane on its own thread: sleeps until its mailbox fills, takes all, hands it to the lane.
final class LaneThread<Message: Sendable>: Sendable {
    private let signal = DispatchSemaphore(value: 0)
    private let finished = DispatchSemaphore(value: 0)
    private let mailbox: Mailbox<Message>

    /// - Parameters:
    ///   - makeLane: runs on the new thread and builds what the thread owns: the function that takes a batch and
    ///     returns false to end the thread, whatever is still queued.
    init(name: String, makeLane: @escaping @Sendable () -> (([Message]) -> Bool)) {
        mailbox = Mailbox { [signal] in signal.signal() }
        let thread = Thread { [signal, finished, mailbox] in
            let receive = makeLane()
            while true {
                signal.wait()
                let batch = mailbox.take()
                if !batch.isEmpty, !receive(batch) { break }
                if mailbox.isClosedAndEmpty { break }
            }
            mailbox.close()
            finished.signal()
        }
        thread.name = name
        thread.stackSize = 1 << 20
        thread.start()
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
