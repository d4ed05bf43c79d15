// What a stream has to send and nghttp2 has not taken. Large messages stay as they came, without a copy of their bytes, and
// the five bytes that gRPC puts before a message are made on the way out. Small ones that follow each other are copied
// into one piece: to count references to parts of a hundred bytes costs more than to copy them.

import Base

struct OutgoingQueue {
    private struct Segment {
        var bytes: Bytes
        /// Of the message that begins here, which may go on in the next segments; -1 where none begins.
        var messageSize: Int

        var count: Int { bytes.count + (messageSize < 0 ? 0 : OutgoingQueue.frameSize) }
    }

    /// A byte that says "not compressed", and the size, big endian.
    private static let frameSize = 5

    /// Most streams never have more than one segment, which costs no array.
    private var first: Segment?
    /// Bytes of `first` that are out.
    private var taken = 0
    private var later: [Segment] = []
    /// Where the next of `later` is.
    private var laterStart = 0
    /// Small messages, behind all segments; what of them is out.
    private var joined: [UInt8] = []
    private var joinedTaken = 0
    private(set) var byteCount = 0

    private static let joinedMax = 1024

    /// - Parameter messageSize: of the message that begins with `bytes`; nil where they belong to none, or to the last.
    mutating func append(_ bytes: Bytes, messageSize: Int? = nil) {
        if bytes.count <= Self.joinedMax, first != nil || !joined.isEmpty { return join(bytes, messageSize) }
        let segment = Segment(bytes: bytes, messageSize: messageSize ?? -1)
        if segment.count == 0 { return }
        if !joined.isEmpty { sealJoined() }
        byteCount += segment.count
        push(segment)
    }

    /// One message in three parts.
    mutating func append(_ first: Bytes, _ second: Bytes, _ third: Bytes) {
        let size = first.count + second.count + third.count
        if size <= Self.joinedMax {
            join(first, size)
            join(second, nil)
            join(third, nil)
        } else {
            append(first, messageSize: size)
            append(second)
            append(third)
        }
    }

    private mutating func join(_ bytes: Bytes, _ messageSize: Int?) {
        let before = joined.count
        if let messageSize {
            let frame = UInt64(UInt32(truncatingIfNeeded: messageSize))
            for position in 0..<Self.frameSize { joined.append(Self.frameByte(frame, position)) }
        }
        bytes.withUnsafeBytes { joined.append(contentsOf: $0) }
        byteCount += joined.count - before
    }

    /// Puts an end to the piece that small messages are joined in, so that something else can follow it.
    private mutating func sealJoined() {
        push(Segment(bytes: Bytes(storage: joined, lower: joinedTaken, upper: joined.count), messageSize: -1))
        joined = []
        joinedTaken = 0
    }

    private mutating func push(_ segment: Segment) {
        if first == nil { first = segment } else { later.append(segment) }
    }

    private static func frameByte(_ frame: UInt64, _ position: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: frame >> UInt64((frameSize - 1 - position) * 8))
    }

    /// Moves as much as fits into `buffer`.
    mutating func take(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        var filled = 0
        while filled < buffer.count, let segment = first {
            var position = taken
            if segment.messageSize >= 0, position < Self.frameSize {
                let frame = UInt64(UInt32(truncatingIfNeeded: segment.messageSize))
                while position < Self.frameSize, filled < buffer.count {
                    buffer[filled] = Self.frameByte(frame, position)
                    filled += 1
                    position += 1
                }
            }
            let before = segment.messageSize < 0 ? 0 : Self.frameSize
            if position >= before {
                let count = min(buffer.count - filled, segment.bytes.count - (position - before))
                if count > 0 {
                    segment.bytes.withUnsafeBytes {
                        UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                            .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[(position - before)..<(position - before + count)]))
                    }
                }
                filled += count
                position += count
            }
            if position == segment.count { goOn() } else { taken = position }
        }
        if filled < buffer.count, joinedTaken < joined.count {
            let count = min(buffer.count - filled, joined.count - joinedTaken)
            joined.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[joinedTaken..<joinedTaken + count]))
            }
            filled += count
            joinedTaken += count
            if joinedTaken == joined.count {
                // An idle stream keeps nothing.
                joined = []
                joinedTaken = 0
            }
        }
        byteCount -= filled
        return filled
    }

    private mutating func goOn() {
        taken = 0
        guard laterStart < later.count else {
            first = nil
            return
        }
        first = later[laterStart]
        // Not to keep its bytes longer than they are needed.
        later[laterStart].bytes = Bytes()
        laterStart += 1
        if laterStart == later.count {
            later.removeAll(keepingCapacity: later.count < 64)
            laterStart = 0
        }
    }
}
