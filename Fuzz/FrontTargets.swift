// What clients and operators send: HTTP/2 with gRPC in it, flags, environment and files.

import Base
import HTTP2
import NIOCore
import NIOEmbedded
import ServerConfiguration
import ServiceLookup

/// Answers every message with itself, every request with its body.
private final class Echo: HTTP2ServerApplication {
    func burstBegins() {}
    func started(_ stream: ServerStream) {}
    func received(_ stream: ServerStream, message: UnsafeRawBufferPointer) { stream.send(Bytes(copying: message)) }
    func clientFinished(_ stream: ServerStream) { stream.finish(status: 0) }
    func ended(_ stream: ServerStream, _ end: StreamEnd) {}
    func httpRequest(_ stream: ServerStream, body: Bytes) { stream.respond(status: 200, headers: [], body: body) }
    func burstEnded() {}
    func connectionClosed() {}
}

private let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
/// HEADERS of a gRPC call on stream 1: method POST, scheme http, a path, and the content type, none of them indexed.
private let call: [UInt8] = {
    func literal(_ name: String, _ value: String) -> [UInt8] {
        [0, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(value.utf8.count)] + Array(value.utf8)
    }
    let block = [0x83, 0x86] + literal(":path", "/a/b") + literal(":authority", "a") + literal("content-type", "application/grpc")
    return [0, 0, UInt8(block.count), 1, 4, 0, 0, 0, 1] + block
}()

func fuzzHTTP2(_ input: UnsafeRawBufferPointer) {
    var choices = Choices(input)
    let (kind, cut) = (choices.byte(), Int(choices.byte()) * 4 + 1)
    var bytes = kind & 1 == 0 ? preface : []
    if kind & 2 == 0 { bytes += call }
    bytes += choices.remaining()
    let channel = EmbeddedChannel()
    let application = Echo()
    let handler = HTTP2ServerHandler(application: application, settings: HTTP2ServerSettings(messageBytesMax: 1 << 16, concurrentStreamsMax: 16))
    handler.whenDirty = { handler in handler.flushScheduled() }
    guard (try? channel.pipeline.syncOperations.addHandler(handler)) != nil else { preconditionFailure("no handler") }
    try? channel.connect(to: SocketAddress(unixDomainSocketPath: "/fuzz"), promise: nil)
    var at = 0
    while at < bytes.count, channel.isActive {
        let end = min(bytes.count, at + cut)
        _ = try? channel.writeInbound(ByteBuffer(bytes: bytes[at..<end]))
        while (try? channel.readOutbound(as: ByteBuffer.self)) != nil {}
        at = end
    }
    precondition(handler.openStreams <= 17, "more streams than allowed")
    _ = try? channel.finish(acceptAlreadyClosed: true)
}

func fuzzConfiguration(_ input: UnsafeRawBufferPointer) {
    var choices = Choices(input)
    let kind = choices.byte()
    let bytes = choices.remaining()
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    switch kind % 3 {
    case 0:
        _ = ServerConfiguration.parse(arguments: ["etcd", "--config-file", "f"], environment: [:], readFile: { _ in bytes })
    case 1:
        _ = ServerConfiguration.parse(arguments: ["etcd"] + lines, environment: [:], readFile: { _ in [] })
    default:
        var environment: [String: String] = [:]
        for line in lines {
            let parts = line.split(separator: "=", maxSplits: 1)
            if parts.count == 2 { environment["ETCD_" + parts[0]] = String(parts[1]) }
        }
        _ = ServerConfiguration.parse(arguments: ["etcd"], environment: environment, readFile: { _ in [] })
    }
}

func fuzzServiceRecords(_ input: UnsafeRawBufferPointer) {
    _ = try? ServiceRecord.list(inAnswer: Array(input))
}
