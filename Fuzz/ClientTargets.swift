// What members send to our client, and what its HTTP/2 library sends to them.

import EtcdClient
import NIOCore
import NIOEmbedded

/// The filter in front of the client's HTTP/2 library, in both directions.
private struct FilteredConnection {
    private(set) var passed: [UInt8] = []
    private(set) var written: [UInt8] = []
    private let channel = EmbeddedChannel(handler: HarmlessFrames())

    mutating func move(_ bytes: ArraySlice<UInt8>, isInbound: Bool) {
        if isInbound {
            _ = try? channel.writeInbound(ByteBuffer(bytes: bytes))
        } else {
            _ = try? channel.writeOutbound(IOData.byteBuffer(ByteBuffer(bytes: bytes)))
        }
        while let buffer = (try? channel.readInbound(as: ByteBuffer.self)) ?? nil { passed += buffer.readableBytesView }
        while case .byteBuffer(let buffer)? = (try? channel.readOutbound(as: IOData.self)) ?? nil { written += buffer.readableBytesView }
    }

    mutating func end() { _ = try? channel.finish(acceptAlreadyClosed: true) }
}

private let (pingFrame, prefaceBytes) = (17, 24)

/// Pieces of the input go one way or the other, whole and cut: it may make no difference, nothing may be added but
/// answers to PINGs, and nothing taken away but those and resets.
func fuzzClientFrames(_ input: UnsafeRawBufferPointer) {
    var choices = Choices(input)
    let cut = Int(choices.byte() % 24) + 1
    var (whole, pieces) = (FilteredConnection(), FilteredConnection())
    let preface = [UInt8](repeating: 0x20, count: prefaceBytes)
    whole.move(preface[...], isInbound: false)
    pieces.move(preface[...], isInbound: false)
    var (received, sent) = (0, prefaceBytes)
    while !choices.isEmpty {
        let step = choices.byte()
        let isInbound = step & 0x80 == 0
        let bytes = (0...Int(step & 0x7f)).map { _ in choices.byte() }
        if isInbound { received += bytes.count } else { sent += bytes.count }
        whole.move(bytes[...], isInbound: isInbound)
        for start in stride(from: 0, to: bytes.count, by: cut) {
            pieces.move(bytes[start..<min(start + cut, bytes.count)], isInbound: isInbound)
        }
    }
    precondition(whole.passed == pieces.passed && whole.written == pieces.written, "where bytes are cut makes a difference")
    let answers = whole.written.count - sent
    precondition(answers >= 0 && answers % pingFrame == 0, "what is sent was changed")
    // Resets, and the part of a last frame that waits for the rest.
    let missing = received - whole.passed.count - answers
    precondition(missing >= 0, "bytes were added")
    whole.end()
    pieces.end()
}
