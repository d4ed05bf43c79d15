// One request on a connection, as the application sees it. Confined to the connection's event loop; calls on a stream
// that has ended do nothing.

package import Base
package import NIOCore

package enum StreamEnd: Sendable {
    /// The client reset the stream.
    case cancelled
    case connectionLost
    case deadlineExceeded
}

package final class ServerStream {
    package let head: RequestHead
    /// When the client stops waiting; nil for never.
    package let deadline: NIODeadline?
    /// The application's own state for the stream.
    package var context: AnyObject?

    let id: Int32
    /// Nil once the stream is closed: what cuts the circle of the two.
    private var handler: HTTP2ServerHandler?
    /// Where the handler's list has the stream.
    var place = 0

    // In: bytes that are no whole message yet.
    var incoming: [UInt8] = []
    var isClientFinished = false
    /// Of the body; counted where the client has said how long it is.
    var receivedBytes = 0
    var hasWholeMessage = false
    // Out: messages that nghttp2 has not taken.
    private var outgoing = OutgoingQueue()
    private(set) var trailers: Trailers?
    private(set) var isHeadSent = false
    private(set) var isFinished = false
    /// nghttp2 has asked for bytes when there were none, and waits to be told of more.
    private var isDeferred = false
    private(set) var isClosed = false
    private var writableCallback: (() -> Void)?
    /// Of a whole answer, what is not out yet.
    private var unsentAnswer = 0
    /// Below this much a paused producer may go on.
    private static let lowMarkBytes = 256 << 10

    enum Trailers {
        case success
        case fields([(String, String)])
    }

    init(id: Int32, head: RequestHead, deadline: NIODeadline?, handler: HTTP2ServerHandler) {
        self.id = id
        self.head = head
        self.deadline = deadline
        self.handler = handler
    }

    var isGRPC: Bool { head.isGRPC }
    /// Whether anything sent could still arrive.
    package var isOpen: Bool { !isClosed && !isFinished }
    package var queuedBytes: Int { outgoing.byteCount }

    /// Sends one gRPC message; the 5-byte frame around it is added here.
    package func send(_ message: Bytes) {
        guard isOpen else { return }
        startIfNeeded()
        outgoing.append(message, messageSize: message.count)
        noteQueued()
    }

    /// Sends one gRPC message in three parts.
    package func send(_ first: Bytes, _ second: Bytes, _ third: Bytes) {
        guard isOpen else { return }
        startIfNeeded()
        outgoing.append(first, second, third)
        noteQueued()
    }

    /// Ends the call with a gRPC status.
    package func finish(status: Int, message: String = "") {
        guard isOpen else { return }
        isFinished = true
        noteAnswer()
        if isHeadSent, status == 0, message.isEmpty {
            trailers = .success
            return noteQueued()
        }
        var trailers = [("grpc-status", String(status))]
        if !message.isEmpty { trailers.append(("grpc-message", percentEncoded(message))) }
        if isHeadSent {
            self.trailers = .fields(trailers)
            noteQueued()
        } else {
            isHeadSent = true
            handler?.submitHead(self, [(":status", "200"), ("content-type", "application/grpc")] + trailers, endsStream: true)
        }
    }

    /// Answers a request that is no gRPC call.
    package func respond(status: Int, headers: [(String, String)], body: Bytes) {
        guard isOpen else { return }
        startHTTP(status: status, headers: headers)
        sendHTTP(body)
        finishHTTP()
    }

    package func startHTTP(status: Int, headers: [(String, String)]) {
        guard isOpen, !isHeadSent else { return }
        isHeadSent = true
        handler?.submitHead(self, [(":status", String(status))] + headers, endsStream: false)
    }

    package func sendHTTP(_ bytes: Bytes) {
        guard isOpen else { return }
        outgoing.append(bytes)
        noteQueued()
    }

    package func finishHTTP() {
        guard isOpen else { return }
        isFinished = true
        noteAnswer()
        noteQueued()
    }

    package func reset(errorCode: UInt32) {
        guard !isClosed else { return }
        isFinished = true
        handler?.reset(self, errorCode)
    }

    /// Runs `body` once when most of what was sent has gone out.
    package func whenWritable(_ body: @escaping () -> Void) {
        writableCallback = body
        if queuedBytes <= Self.lowMarkBytes { handler?.runSoon { self.noteTaken() } }
    }

    /// Whether the client has so many answers to take that it should get no more for now.
    package var isBacklogFull: Bool { handler?.isBacklogFull ?? false }

    /// Runs `body` once when the client has taken enough of them; never if the connection ends before.
    package func whenBacklogShrinks(_ body: @escaping () -> Void) { handler?.whenBacklogShrinks(body) }

    /// Counts an answer that is still to be made among those that the client has not taken, whatever becomes of the
    /// stream meanwhile.
    /// - Parameter bytes: how large it will be, about.
    /// - Returns: what ends that, to be called once.
    package func expectAnswer(_ bytes: Int) -> () -> Void { handler?.expectAnswer(bytes) ?? {} }

    private func noteAnswer() {
        unsentAnswer = outgoing.byteCount
        if unsentAnswer > 0 { handler?.noteUnsentAnswer(unsentAnswer) }
    }

    private func startIfNeeded() {
        guard !isHeadSent else { return }
        isHeadSent = true
        handler?.submitHead(self, nil, endsStream: false)
    }

    /// There are more bytes, or there will be no more.
    private func noteQueued() {
        guard let handler else { return }
        if isDeferred {
            isDeferred = false
            handler.resume(self)
        } else {
            handler.becomeDirty()
        }
    }

    // MARK: For the handler

    /// Moves queued bytes into nghttp2's frame.
    func take(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = outgoing.take(into: buffer)
        if unsentAnswer > 0 {
            unsentAnswer -= count
            handler?.noteUnsentAnswer(-count)
        }
        return count
    }

    func noteDeferred() { isDeferred = true }

    func noteTaken() {
        guard let callback = writableCallback, queuedBytes <= Self.lowMarkBytes, !isClosed else { return }
        writableCallback = nil
        callback()
    }

    func closed() {
        isClosed = true
        if unsentAnswer > 0 { handler?.noteUnsentAnswer(-unsentAnswer) }
        unsentAnswer = 0
        handler = nil
        writableCallback = nil
        outgoing = OutgoingQueue()
        incoming = []
    }
}

/// gRPC's percent encoding of status messages: printable ASCII but `%` stays.
func percentEncoded(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 <= 0x7e && $0 != UInt8(ascii: "%") }) { return text }
    var output = ""
    for byte in text.utf8 {
        if byte >= 0x20, byte <= 0x7e, byte != UInt8(ascii: "%") {
            output.unicodeScalars.append(Unicode.Scalar(byte))
        } else {
            let digits = String(byte, radix: 16, uppercase: true)
            output += "%" + (digits.count == 1 ? "0" : "") + digits
        }
    }
    return output
}
