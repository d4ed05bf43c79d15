// What a stream has to send and nghttp2 has not taken: messages as they came, without a copy of their bytes. The five
// bytes that gRPC puts before a message are made on the way out.

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
    private(set) var byteCount = 0

    /// - Parameter messageSize: of the message that begins with `bytes`; nil where they belong to none, or to the last.
    mutating func append(_ bytes: Bytes, messageSize: Int? = nil) {
        let segment = Segment(bytes: bytes, messageSize: messageSize ?? -1)
        if segment.count == 0 { return }
        byteCount += segment.count
        if first == nil { first = segment } else { later.append(segment) }
    }

    /// Moves as much as fits into `buffer`.
    mutating func take(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        var filled = 0
        while filled < buffer.count, let segment = first {
            var position = taken
            if segment.messageSize >= 0, position < Self.frameSize {
                let frame = UInt64(UInt32(truncatingIfNeeded: segment.messageSize))
                while position < Self.frameSize, filled < buffer.count {
                    buffer[filled] = UInt8(truncatingIfNeeded: frame >> UInt64((Self.frameSize - 1 - position) * 8))
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
