// A client that writes frames by hand, so that a test can send what no library would.

import Base
import CNGHTTP2
import HTTP2
import NIOCore
import NIOEmbedded
import Testing

struct Frame {
    var type: UInt8
    var flags: UInt8
    var stream: UInt32
    var payload: [UInt8]

    var errorCode: UInt32? {
        switch type {
        case 3: number(at: 0)
        case 7: number(at: 4)
        default: nil
        }
    }

    private func number(at offset: Int) -> UInt32? {
        guard payload.count >= offset + 4 else { return nil }
        return payload[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
}

/// Answers each message with itself; remembers what happened.
final class Recorder: HTTP2ServerApplication {
    var messages: [[UInt8]] = []
    var ends: [StreamEnd] = []
    var requests: [(path: String, body: [UInt8])] = []
    var isClosed = false
    /// Whether messages are answered, and calls ended when the client has.
    var answers = true
    /// Whether calls are ended with the answer, before the client has ended its side.
    var endsEarly = false
    var streams: [ServerStream] = []

    func started(_ stream: ServerStream) { streams.append(stream) }

    func burstBegins() {}

    func received(_ stream: ServerStream, message: UnsafeRawBufferPointer) {
        messages.append(Array(message))
        if answers { stream.send(Bytes(copying: message)) }
        if endsEarly { stream.finish(status: 0) }
    }

    func clientFinished(_ stream: ServerStream) { if answers { stream.finish(status: 0) } }
    func ended(_ stream: ServerStream, _ end: StreamEnd) { ends.append(end) }

    func httpRequest(_ stream: ServerStream, body: Bytes) {
        requests.append((stream.head.path, body.array))
        stream.respond(status: 200, headers: [], body: body)
    }

    func burstEnded() {}
    func connectionClosed() { isClosed = true }
}

final class RawClient {
    let channel = EmbeddedChannel()
    let application = Recorder()
    let handler: HTTP2ServerHandler
    private(set) var frames: [Frame] = []
    private var received: [UInt8] = []
    private var inflater: OpaquePointer?

    init(_ settings: HTTP2ServerSettings = HTTP2ServerSettings(messageBytesMax: 1 << 20), greets: Bool = true) throws {
        handler = HTTP2ServerHandler(application: application, settings: settings)
        try channel.pipeline.syncOperations.addHandler(handler)
        channel.connect(to: try SocketAddress(unixDomainSocketPath: "/test"), promise: nil)
        nghttp2_hd_inflate_new(&inflater)
        if greets { send(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + Self.frame(4, 0, 0, [])) }
    }

    deinit {
        nghttp2_hd_inflate_del(inflater)
        _ = try? channel.finish(acceptAlreadyClosed: true)
    }

    static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
        let size = UInt32(payload.count)
        return [UInt8(size >> 16 & 0xff), UInt8(size >> 8 & 0xff), UInt8(size & 0xff), type, flags]
            + [24, 16, 8, 0].map { UInt8(stream >> $0 & 0xff) } + payload
    }

    static func literal(_ name: String, _ value: String) -> [UInt8] {
        [0, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(value.utf8.count)] + Array(value.utf8)
    }

    /// The head of a gRPC call.
    static func head(path: String = "/svc/Method", fields: [(String, String)] = []) -> [UInt8] {
        var block: [UInt8] = [0x83, 0x86] + literal(":path", path) + literal(":authority", "a") + literal("content-type", "application/grpc")
        for (name, value) in fields { block += literal(name, value) }
        return block
    }

    static func message(_ bytes: [UInt8], flag: UInt8 = 0) -> [UInt8] {
        [flag] + [24, 16, 8, 0].map { UInt8(UInt32(bytes.count) >> $0 & 0xff) } + bytes
    }

    func call(_ stream: UInt32, fields: [(String, String)] = [], ends: Bool = false) {
        send(Self.frame(1, ends ? 5 : 4, stream, Self.head(fields: fields)))
    }

    func data(_ stream: UInt32, _ bytes: [UInt8], ends: Bool = true) {
        send(Self.frame(0, ends ? 1 : 0, stream, bytes))
    }

    func send(_ bytes: [UInt8]) {
        guard channel.isActive else { return }
        _ = try? channel.writeInbound(ByteBuffer(bytes: bytes))
        channel.embeddedEventLoop.run()
        collect()
    }

    func advanceTime(by amount: TimeAmount) {
        channel.embeddedEventLoop.advanceTime(by: amount)
        channel.embeddedEventLoop.run()
        collect()
    }

    func collect() {
        while let buffer = try? channel.readOutbound(as: ByteBuffer.self) { received += Array(buffer.readableBytesView) }
        var at = 0
        while received.count - at >= 9 {
            let size = Int(received[at]) << 16 | Int(received[at + 1]) << 8 | Int(received[at + 2])
            guard received.count - at >= 9 + size else { break }
            let stream = received[at + 5..<at + 9].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            frames.append(
                Frame(
                    type: received[at + 3], flags: received[at + 4], stream: stream,
                    payload: Array(received[at + 9..<at + 9 + size])))
            at += 9 + size
        }
        received.removeFirst(at)
    }

    /// The fields of all HEADERS of a stream, in order.
    func fields(_ stream: UInt32) -> [String: String] {
        var found: [String: String] = [:]
        for frame in frames where frame.type == 1 {
            for (name, value) in inflate(frame.payload) where frame.stream == stream { found[name] = value }
        }
        return found
    }

    private func inflate(_ block: [UInt8]) -> [(String, String)] {
        var found: [(String, String)] = []
        var at = 0
        while true {
            var field = nghttp2_nv()
            var flags: CInt = 0
            let used = block.withUnsafeBufferPointer { buffer in
                nghttp2_hd_inflate_hd2(inflater, &field, &flags, buffer.baseAddress.map { $0 + at }, buffer.count - at, 1)
            }
            guard used >= 0 else { return found }
            at += used
            if flags & CInt(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
                found.append(
                    (
                        String(decoding: UnsafeBufferPointer(start: field.name, count: field.namelen), as: UTF8.self),
                        String(decoding: UnsafeBufferPointer(start: field.value, count: field.valuelen), as: UTF8.self)
                    ))
            }
            if flags & CInt(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 {
                nghttp2_hd_inflate_end_headers(inflater)
                return found
            }
            if used == 0, flags == 0 { return found }
        }
    }

    func dataBytes(_ stream: UInt32) -> [UInt8] {
        frames.filter { $0.type == 0 && $0.stream == stream }.flatMap(\.payload)
    }

    var goAway: UInt32? { frames.last { $0.type == 7 }?.errorCode }
}
