// One request on a connection, as the application sees it. Confined to the connection's event loop; calls on a stream
// that has ended do nothing.

package import NIOCore

/// What a client sent in front of its messages.
package struct RequestHead {
    package var method: String
    package var path: String
    /// Lower-case names, as on the wire; without pseudo headers.
    package var fields: [(name: String, value: String)]
    package var authority: String

    package subscript(name: String) -> String? { fields.first { $0.name == name }?.value }
}

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
    package let isGRPC: Bool
    /// The application's own state for the stream.
    package var context: AnyObject?

    let id: Int32
    private weak var handler: HTTP2ServerHandler?
    let usesGzip: Bool
    let hasUnknownEncoding: Bool

    // In: bytes that are no whole message yet.
    var incoming = ByteBuffer()
    var isClientFinished = false
    // Out: framed messages that nghttp2 has not taken.
    private(set) var outgoing = ByteBuffer()
    private(set) var trailers: [(String, String)]?
    private(set) var isHeadSent = false
    private(set) var isFinished = false
    var isClosed = false
    private var writableCallback: (() -> Void)?
    /// Below this much a paused producer may go on.
    private static let lowMarkBytes = 256 << 10

    init(
        id: Int32, head: RequestHead, deadline: NIODeadline?, isGRPC: Bool, usesGzip: Bool, hasUnknownEncoding: Bool,
        handler: HTTP2ServerHandler
    ) {
        self.id = id
        self.head = head
        self.deadline = deadline
        self.isGRPC = isGRPC
        self.usesGzip = usesGzip
        self.hasUnknownEncoding = hasUnknownEncoding
        self.handler = handler
    }

    /// Whether anything sent could still arrive.
    package var isOpen: Bool { !isClosed && !isFinished }
    package var queuedBytes: Int { outgoing.readableBytes }

    /// Sends one gRPC message; the 5-byte frame around it is added here.
    package func send(message size: Int, _ write: (inout ByteBuffer) -> Void) {
        guard isOpen else { return }
        startIfNeeded()
        if outgoing.readableBytes == 0 { outgoing.clear() }
        outgoing.reserveCapacity(minimumWritableBytes: size + 5)
        outgoing.writeInteger(UInt8(0))
        outgoing.writeInteger(UInt32(size))
        write(&outgoing)
        handler?.resume(self)
    }

    /// Ends the call with a gRPC status.
    package func finish(status: Int, message: String = "") {
        guard isOpen else { return }
        isFinished = true
        var trailers = [("grpc-status", String(status))]
        if !message.isEmpty { trailers.append(("grpc-message", percentEncoded(message))) }
        if isHeadSent {
            self.trailers = trailers
            handler?.resume(self)
        } else {
            isHeadSent = true
            handler?.submitHead(self, [(":status", "200"), ("content-type", "application/grpc")] + trailers, endsStream: true)
        }
    }

    /// Answers a request that is no gRPC call.
    package func respond(status: Int, headers: [(String, String)], body: ByteBuffer) {
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

    package func sendHTTP(_ bytes: ByteBuffer) {
        guard isOpen else { return }
        outgoing.writeImmutableBuffer(bytes)
        handler?.resume(self)
    }

    package func finishHTTP() {
        guard isOpen else { return }
        isFinished = true
        handler?.resume(self)
    }

    package func reset(errorCode: UInt32) {
        guard !isClosed else { return }
        isFinished = true
        handler?.reset(self, errorCode)
    }

    /// Runs `body` once when most of what was sent has gone out.
    package func whenWritable(_ body: @escaping () -> Void) {
        writableCallback = body
        if queuedBytes <= Self.lowMarkBytes { handler?.runSoon { [weak self] in self?.noteTaken() } }
    }

    private func startIfNeeded() {
        guard !isHeadSent else { return }
        isHeadSent = true
        handler?.submitHead(self, nil, endsStream: false)
    }

    // MARK: For the handler

    /// Moves queued bytes into nghttp2's frame.
    func take(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, outgoing.readableBytes)
        outgoing.readWithUnsafeReadableBytes { readable in
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: readable[..<count]))
            return count
        }
        return count
    }

    func noteTaken() {
        guard queuedBytes <= Self.lowMarkBytes, let callback = writableCallback, !isClosed else { return }
        writableCallback = nil
        callback()
    }

    func closed() {
        isClosed = true
        writableCallback = nil
        outgoing = ByteBuffer()
        incoming = ByteBuffer()
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
