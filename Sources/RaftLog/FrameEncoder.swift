// Encodes records into frames, one behind the other in one buffer that a whole drained batch shares.
//
// An entry is encoded where it will be written from: no temporary for its message, none for its record.

import Base
import RaftWire
import Wire

/// The writing half of the format: frames and the rolling checksum.
struct FrameEncoder: ~Copyable {
    /// A record starts 08 type 10 crc: two one-byte tags, a one-byte type, and a checksum of at most five bytes.
    private static let fixedFieldsSizeMax = 8
    /// A larger buffer is given back once it is written: one huge batch must not cost memory for ever.
    private static let keptCapacityMax = 4 << 20

    private var writer = WireWriter(capacity: 64 << 10)
    private(set) var checksum: CRC32C

    /// Continues the chain of a log whose last checksum is `checksum`.
    init(checksum: UInt32) {
        self.checksum = CRC32C(checksum)
    }

    var isEmpty: Bool { writer.array.isEmpty }
    var count: Int { writer.array.count }

    mutating func append(_ entry: Entry) {
        let frame = begin(dataSize: entry.encodedSize)
        entry.encode(into: &writer)
        end(frame, .entry)
    }

    mutating func append(_ hardState: HardState) {
        let frame = begin(dataSize: hardState.encodedSize)
        hardState.encode(into: &writer)
        end(frame, .state)
    }

    mutating func append(_ type: WALRecordType, _ data: Bytes) {
        let frame = begin(dataSize: data.count)
        writer.append(data)
        end(frame, type)
    }

    /// The record that carries the checksum on, at the beginning of a file.
    mutating func appendChecksum() {
        append(.crc, Bytes())
    }

    /// Gives the frames to `write` and forgets them.
    mutating func drain<E: Error>(_ write: (UnsafeRawBufferPointer) throws(E) -> Void) throws(E) {
        try writer.array.withUnsafeBufferPointer { (buffer) throws(E) in try write(UnsafeRawBufferPointer(buffer)) }
        if writer.array.capacity > Self.keptCapacityMax {
            writer = WireWriter(capacity: 64 << 10)
        } else {
            writer.array.removeAll(keepingCapacity: true)
        }
    }

    /// A frame whose data is being written.
    private struct OpenFrame {
        var start: Int
        var dataStart: Int
        var dataSize: Int
    }

    /// Leaves room for the longest possible head; the data follows.
    private mutating func begin(dataSize: Int) -> OpenFrame {
        let start = writer.count
        let dataHead = dataSize == 0 ? 0 : 1 + varintSize(dataSize)
        writer.array.append(
            contentsOf: repeatElement(0, count: WALFormat.lengthFieldSize + Self.fixedFieldsSizeMax + dataHead)
        )
        return OpenFrame(start: start, dataStart: writer.count, dataSize: dataSize)
    }

    private mutating func end(_ frame: OpenFrame, _ type: WALRecordType) {
        precondition(writer.count - frame.dataStart == frame.dataSize, "a message is not as long as it said")
        writer.array.withUnsafeBytes { checksum.update(UnsafeRawBufferPointer(rebasing: $0[frame.dataStart...])) }
        // Of sixteen checksums fifteen take the full five bytes; the sixteenth moves its data down.
        let slack = 5 - varintSize(UInt64(checksum.value))
        if slack > 0 { writer.array.removeSubrange(frame.start..<frame.start + slack) }

        let bodyStart = frame.start + WALFormat.lengthFieldSize
        let size = writer.count - bodyStart
        let padding = WALFormat.padding(size)
        writer.array.append(contentsOf: repeatElement(0, count: padding))
        var field = UInt64(size)
        if padding != 0 { field |= UInt64(WALFormat.paddedFlag | UInt8(padding)) << 56 }
        writer.array.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: field.littleEndian, toByteOffset: frame.start, as: UInt64.self)
            var position = bodyStart
            func put(_ value: UInt64) {
                var rest = value
                while rest >= 0x80 {
                    bytes[position] = UInt8(truncatingIfNeeded: rest) | 0x80
                    position += 1
                    rest >>= 7
                }
                bytes[position] = UInt8(truncatingIfNeeded: rest)
                position += 1
            }
            put(UInt64(RecordField.type) << 3)
            put(UInt64(type.rawValue))
            put(UInt64(RecordField.checksum) << 3)
            put(UInt64(checksum.value))
            if frame.dataSize > 0 {
                put(UInt64(RecordField.data) << 3 | UInt64(WireType.lengthDelimited.rawValue))
                put(UInt64(frame.dataSize))
            }
        }
    }
}
