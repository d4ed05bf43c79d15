// What the HTTP/2 library would take for an attack, and members send at any steady load: a PING for each burst of answers,
// by which Go's members measure the connection, and a RST_STREAM(NO_ERROR) after an answer that was ready before the request
// had formally ended. The library ends a connection at 200 of either in some seconds, and offers no setting for it.

package import NIOCore
import NIOHTTP2

/// Stands between the connection and the HTTP/2 library: answers PING frames, and drops resets of streams that both sides
/// have ended already. Everything else passes unchanged (RFC 9113).
package final class HarmlessFrames: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundIn = IOData
    package typealias OutboundOut = IOData

    private static let prefaceBytes = 24

    /// Bytes of a frame whose beginning has not arrived in full.
    private var rest = ByteBuffer()
    /// Bytes of the current inbound frame that are still to come.
    private var inboundRest = 0
    private var outbound = OutboundScanner(skipping: prefaceBytes)
    private var streams = EndedStreams()

    package init() {}

    /// Puts one in front of the library's handler; on the channel's event loop.
    static func install(on channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        let library = try pipeline.handler(type: NIOHTTP2Handler.self)
        try pipeline.addHandler(HarmlessFrames(), position: .before(library))
    }

    // MARK: From the member

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if rest.readableBytes > 0 {
            rest.writeBuffer(&bytes)
            bytes = rest
            rest = ByteBuffer()
        }
        // What passes, from here on.
        var start = bytes.readerIndex
        var index = start
        let end = bytes.writerIndex
        while index < end {
            if inboundRest > 0 {
                let step = min(inboundRest, end - index)
                inboundRest -= step
                index += step
                continue
            }
            guard let header = FrameHeader(bytes, at: index) else { break }
            guard header.isShort else {
                if header.endsStream { streams.end(header.stream, by: .member) }
                index += FrameHeader.length
                inboundRest = header.payloadBytes
                continue
            }
            let next = index + FrameHeader.length + header.payloadBytes
            if next > end { break }
            if isHarmless(header, bytes, context) {
                pass(bytes, start..<index, context)
                start = next
            }
            index = next
        }
        pass(bytes, start..<index, context)
        if index < end, let remaining = bytes.getSlice(at: index, length: end - index) { rest = remaining }
    }

    private func pass(_ bytes: ByteBuffer, _ range: Range<Int>, _ context: ChannelHandlerContext) {
        guard !range.isEmpty, let slice = bytes.getSlice(at: range.lowerBound, length: range.count) else { return }
        context.fireChannelRead(wrapInboundOut(slice))
    }

    private func isHarmless(_ header: FrameHeader, _ bytes: ByteBuffer, _ context: ChannelHandlerContext) -> Bool {
        let payload = header.index + FrameHeader.length
        switch header.kind {
        case .ping:
            // A connection that takes no more is the library's to judge.
            guard !header.isAcknowledgement, context.channel.isWritable,
                let answer = bytes.getSlice(at: payload, length: FrameHeader.pingBytes)
            else { return false }
            context.writeAndFlush(wrapOutboundOut(.byteBuffer(FrameHeader.acknowledgement(of: answer))), promise: nil)
            return true
        case .reset:
            if bytes.getInteger(at: payload, as: UInt32.self) == 0, streams.isOver(header.stream) { return true }
            streams.forget(header.stream)
            return false
        default: return false
        }
    }

    // MARK: To the member

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .byteBuffer(let bytes) = unwrapOutboundIn(data) {
            outbound.scan(bytes) { header in
                if header.kind == .reset { streams.forget(header.stream) }
                if header.endsStream { streams.end(header.stream, by: .client) }
            }
        }
        context.write(data, promise: promise)
    }
}

/// The first nine bytes of a frame.
private struct FrameHeader {
    static let length = 9
    static let pingBytes = 8
    private static let resetBytes = 4

    enum Kind: UInt8 { case data = 0, headers = 1, reset = 3, ping = 6 }

    let index: Int
    let payloadBytes: Int
    /// Nil for the kinds that are of no interest.
    let kind: Kind?
    private let flags: UInt8
    let stream: UInt32

    /// - Returns: nil if the header is not there in full.
    init?(_ bytes: ByteBuffer, at index: Int) {
        guard let size = bytes.getInteger(at: index, as: UInt32.self),
            let flags = bytes.getInteger(at: index + 4, as: UInt8.self),
            let stream = bytes.getInteger(at: index + 5, as: UInt32.self)
        else { return nil }
        self.index = index
        payloadBytes = Int(size >> 8)
        kind = Kind(rawValue: UInt8(truncatingIfNeeded: size))
        self.flags = flags
        self.stream = stream & 0x7fff_ffff
    }

    /// A PING or a RST_STREAM of the size it must have; one of another size is an error for the library to find.
    var isShort: Bool {
        (kind == .ping && payloadBytes == Self.pingBytes) || (kind == .reset && payloadBytes == Self.resetBytes)
    }

    var isAcknowledgement: Bool { flags & 1 != 0 }
    var endsStream: Bool { (kind == .data || kind == .headers) && flags & 1 != 0 }

    static func acknowledgement(of payload: ByteBuffer) -> ByteBuffer {
        var frame = ByteBuffer()
        frame.writeInteger(UInt32(pingBytes) << 8 | UInt32(Kind.ping.rawValue))
        frame.writeInteger(UInt8(1))
        frame.writeInteger(UInt32(0))
        frame.writeImmutableBuffer(payload)
        return frame
    }
}

/// Finds the headers of frames in what is written, in whatever pieces that comes.
private struct OutboundScanner {
    private var skipping: Int
    private var partial = ByteBuffer()

    init(skipping: Int) { self.skipping = skipping }

    mutating func scan(_ bytes: ByteBuffer, _ found: (FrameHeader) -> Void) {
        var index = bytes.readerIndex
        while index < bytes.writerIndex {
            if skipping > 0 {
                let step = min(skipping, bytes.writerIndex - index)
                skipping -= step
                index += step
                continue
            }
            let wanted = FrameHeader.length - partial.readableBytes
            let step = min(wanted, bytes.writerIndex - index)
            if let piece = bytes.getSlice(at: index, length: step) { partial.writeImmutableBuffer(piece) }
            index += step
            if let header = FrameHeader(partial, at: partial.readerIndex) {
                found(header)
                skipping = header.payloadBytes
                partial.clear()
            }
        }
    }
}

/// Which side has ended which stream. Streams that one side has ended are as many as there are calls under way; of those
/// that are over, the latest are remembered, for a reset follows the end of a stream closely.
private struct EndedStreams {
    enum Side { case client, member }

    private static let remembered = 256
    private var half: [UInt32: Side] = [:]
    private var over: [UInt32] = []
    private var oldest = 0

    mutating func end(_ stream: UInt32, by side: Side) {
        guard let other = half[stream] else {
            half[stream] = side
            return
        }
        guard other != side else { return }
        half[stream] = nil
        if over.count < Self.remembered { return over.append(stream) }
        over[oldest] = stream
        oldest = (oldest + 1) % Self.remembered
    }

    mutating func forget(_ stream: UInt32) { half[stream] = nil }

    func isOver(_ stream: UInt32) -> Bool { over.contains(stream) }
}
