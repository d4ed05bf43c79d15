// How much of whole answers clients have not taken yet. An answer is made in one piece, and one client that opens no
// window could ask for as many as it likes: calls that read wait while there is too much of it.
//
// Streams of many messages are not counted: their producers stop by themselves when a client does not read, and a
// client may well wait for a call before it reads on.

/// Shared by the connections of one event loop.
package final class AnswerBacklog {
    /// Of one connection.
    static let connectionBytesMax = 64 << 20
    /// Of all connections; beyond it each may have `smallBytes`.
    static let totalBytesMax = 256 << 20
    static let smallBytes = 1 << 20

    private(set) var bytes = 0

    package init() {}

    func note(_ change: Int) { bytes += change }

    func isFull(connectionBytes: Int) -> Bool {
        connectionBytes > Self.smallBytes && (connectionBytes > Self.connectionBytesMax || bytes > Self.totalBytesMax)
    }
}

/// What one connection has of it, and who waits for it to shrink.
struct ConnectionBacklog {
    private let all: AnswerBacklog
    private var bytes = 0
    private var waiting: [() -> Void] = []

    init(_ all: AnswerBacklog) {
        self.all = all
    }

    var isFull: Bool { all.isFull(connectionBytes: bytes) }

    /// - Returns: whether somebody may go on.
    mutating func note(_ change: Int) -> Bool {
        bytes += change
        all.note(change)
        return change < 0 && !waiting.isEmpty && !isFull
    }

    mutating func wait(_ body: @escaping () -> Void) { waiting.append(body) }

    mutating func takeNext() -> (() -> Void)? {
        guard !isFull, !waiting.isEmpty else { return nil }
        return waiting.removeFirst()
    }

    mutating func forgetWaiting() { waiting = [] }
}
