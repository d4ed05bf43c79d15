// A client's end of a stream: what the member's front lane has sent and the client has not read yet.

import Base
import EtcdAPI
import EtcdWire

final class ClientStream: ReplySink {
    /// As many bytes as no member keeps for a client that does not read.
    private static let tooManyBytes = 2 << 20

    private var unread: [Bytes] = []
    private(set) var ending: EtcdError?
    private(set) var isOpen = true
    /// The client does not read while it is set, and the member learns of it.
    var isStalled = false
    private var writable: (() -> Void)?
    private var ended: (() -> Void)?

    func send(_ message: Bytes) {
        if isOpen { unread.append(message) }
    }

    func finish(_ error: EtcdError?) {
        isOpen = false
        ending = error
        ended = nil
        writable = nil
    }

    var queuedBytes: Int { isStalled && !unread.isEmpty ? Self.tooManyBytes : 0 }

    func whenWritable(_ body: @escaping () -> Void) { writable = body }
    func whenEnded(_ body: @escaping () -> Void) { ended = body }

    // MARK: The client's side

    /// What came since it read last.
    func read() -> [Bytes] {
        if isStalled { return [] }
        defer { unread = [] }
        return unread
    }

    /// The client reads on; the member hears that there is room, if it wanted to.
    func readOn() {
        isStalled = false
        let body = writable
        writable = nil
        if isOpen { body?() }
    }

    /// The client goes away.
    func hangUp() {
        guard isOpen else { return }
        isOpen = false
        writable = nil
        let body = ended
        ended = nil
        body?()
    }
}
