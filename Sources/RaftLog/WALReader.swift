// Reads frames across segments, checks the chain of checksums, and tells a torn tail from damage.
//
// A torn tail is the unfinished write of a machine that lost power: a last frame some of whose sectors still are the
// zeroes of preallocation, or that runs past the end of the file. It was never acknowledged and may be cut off.
// Damage is everything else. The length field is under no checksum, so a frame that seems torn is looked at once more:
// if a sound record, continuing the chain, stands right behind the length field, it is the field that is wrong.
//
// Disks write sectors whole; a length field in the last eight bytes of a sector may be lost while its record is kept.

import Base
import FileIO
import RaftWire
import Wire

/// One segment to read: where it is, and its open file.
struct OpenSegment {
    var name: WALFileName
    var path: String
    var file: any File
}

struct WALReader {
    /// Where a frame begins.
    struct Position: Equatable {
        var segment: Int
        var offset: UInt64
    }

    enum Event {
        case record(WALRecord, at: Position)
        /// The log ends; `torn` says what an unfinished write left behind the end.
        case end(at: Position, torn: WALDamage?)
    }

    let segments: [OpenSegment]
    private var bytes: SegmentBytes
    private var position = Position(segment: 0, offset: 0)
    private(set) var checksum = CRC32C()
    /// False until the first checksum record: a log read from its middle starts with any value.
    private var chainStarted = false
    private var recordsInSegment = 0

    init(_ segments: [OpenSegment]) throws(WALError) {
        self.segments = segments
        precondition(!segments.isEmpty)
        bytes = try SegmentBytes(segments[0].file)
    }

    private var isLastSegment: Bool { position.segment == segments.count - 1 }

    func damage(_ reason: WALDamage.Reason, at position: Position) -> WALError {
        .damaged(WALDamage(path: segments[position.segment].path, offset: position.offset, reason: reason))
    }

    private func damage(_ reason: WALDamage.Reason) -> WALError { damage(reason, at: position) }

    /// The next record of the log.
    mutating func next() throws(WALError) -> Event {
        while true {
            let rest = bytes.size - position.offset
            if rest > 0 && rest < UInt64(WALFormat.lengthFieldSize) {
                let tail = try bytes.bytes(at: position.offset, count: Int(rest))
                return try tornOrDamaged(.malformedLength(littleEndian(tail)), torn: true)
            }
            let field =
                rest == 0 ? 0 : littleEndian(try bytes.bytes(at: position.offset, count: WALFormat.lengthFieldSize))
            if field != 0 { return try frame(field, rest: rest) }
            if rest > 0 && !mayLoseLengthAlone {
                if try soundRecordSize() != nil { throw damage(.wrongLength(field)) }
            }
            if recordsInSegment < 2 { throw damage(.missingHeader) }
            if isLastSegment { return .end(at: position, torn: nil) }
            position = Position(segment: position.segment + 1, offset: 0)
            bytes = try SegmentBytes(segments[position.segment].file)
            recordsInSegment = 0
        }
    }

    private mutating func frame(_ field: UInt64, rest: UInt64) throws(WALError) -> Event {
        let top = UInt8(truncatingIfNeeded: field >> 56)
        let size = field & WALFormat.sizeMask
        let padding = WALFormat.padding(Int(size))
        let isPadded = top == WALFormat.paddedFlag | UInt8(padding) && padding != 0
        guard size > 0, isPadded || top == 0 else { throw damage(.malformedLength(field)) }
        let whole = size + UInt64(isPadded ? padding : 0)
        guard whole <= rest - UInt64(WALFormat.lengthFieldSize) else {
            let reason = WALDamage.Reason.tooLong(
                record: size,
                padding: isPadded ? padding : 0,
                fileSize: bytes.size,
                offset: position.offset
            )
            return try tornOrDamaged(reason, torn: true)
        }
        let body = try bytes.bytes(at: position.offset + UInt64(WALFormat.lengthFieldSize), count: Int(whole))
        let record: WALRecord
        do throws(WireError) {
            record = try WALRecord(decoding: body.prefix(Int(size)))
        } catch {
            return try tornOrDamaged(.undecodable(error), torn: hasZeroSector(body))
        }
        if let event = try advanceChain(record, body) { return event }
        let start = position
        position.offset += UInt64(WALFormat.lengthFieldSize) + whole
        recordsInSegment += 1
        return .record(record, at: start)
    }

    /// Checks a record against the chain and the order of a file's beginning; an event only if the log ends here.
    private mutating func advanceChain(_ record: WALRecord, _ body: Bytes) throws(WALError) -> Event? {
        if record.type == WALRecordType.crc.rawValue {
            guard record.data.isEmpty else { throw damage(.implausible("checksum record with data")) }
            guard !chainStarted || record.checksum == checksum.value else {
                throw damage(.checksum(recorded: record.checksum, computed: checksum.value))
            }
            chainStarted = true
            checksum = CRC32C(record.checksum)
        } else {
            var next = checksum
            next.update(record.data)
            guard record.checksum == next.value else {
                return try tornOrDamaged(
                    .checksum(recorded: record.checksum, computed: next.value),
                    torn: hasZeroSector(body)
                )
            }
            checksum = next
        }
        switch recordsInSegment {
        case 0: if record.type != WALRecordType.crc.rawValue { throw damage(.missingHeader) }
        case 1: if record.type != WALRecordType.metadata.rawValue { throw damage(.missingHeader) }
        default: break
        }
        return nil
    }

    // MARK: Torn or damaged

    /// The end of the log if this can be an unfinished write, an error if it cannot.
    private mutating func tornOrDamaged(_ reason: WALDamage.Reason, torn: Bool) throws(WALError) -> Event {
        guard torn && isLastSegment && recordsInSegment >= 2 else { throw damage(reason) }
        if let size = try soundRecordSize() {
            let field = littleEndian(try bytes.bytes(at: position.offset, count: WALFormat.lengthFieldSize))
            // With the right length it is but the padding that the file's end cut off.
            if field & WALFormat.sizeMask != UInt64(size) { throw damage(.wrongLength(field)) }
        }
        return .end(
            at: position,
            torn: WALDamage(path: segments[position.segment].path, offset: position.offset, reason: reason)
        )
    }

    /// The size of the record that stands right behind the length field, if one does that continues the chain.
    private mutating func soundRecordSize() throws(WALError) -> Int? {
        let start = position.offset + UInt64(WALFormat.lengthFieldSize)
        guard start < bytes.size else { return nil }
        // The head first: it says how much data to look at, and in a preallocated tail it is zero.
        let headSize = Int(min(bytes.size - start, 32))
        var reader = WireReader(try bytes.bytes(at: start, count: headSize))
        var size = headSize
        do throws(WireError) {
            while let field = try reader.next(), field.number <= RecordField.data {
                if field.number < RecordField.data {
                    _ = try reader.uint64(field)
                    continue
                }
                guard field.type == .lengthDelimited else { return nil }
                let length = try reader.varint()
                let head = UInt64(headSize - reader.rest.count)
                guard length <= bytes.size - start - head else { return nil }
                size = max(size, Int(head + length))
                break
            }
        } catch {
            return nil
        }
        guard let (record, found) = WALRecord.atFront(of: try bytes.bytes(at: start, count: size)),
            WALRecordType(rawValue: record.type) != nil
        else { return nil }
        var next = checksum
        next.update(record.data)
        return next.value == record.checksum ? found : nil
    }

    private var mayLoseLengthAlone: Bool {
        isLastSegment
            && position.offset % UInt64(WALFormat.sectorSize)
                == UInt64(WALFormat.sectorSize - WALFormat.lengthFieldSize)
    }

    /// Whether the part of the frame in some sector is all zeroes.
    private func hasZeroSector(_ body: Bytes) -> Bool {
        var start = 0
        var room =
            WALFormat.sectorSize
            - Int((position.offset + UInt64(WALFormat.lengthFieldSize)) % UInt64(WALFormat.sectorSize))
        while start < body.count {
            let end = min(start + room, body.count)
            if isZero(body[start..<end]) { return true }
            start = end
            room = WALFormat.sectorSize
        }
        return false
    }
}

func isZero(_ bytes: Bytes) -> Bool {
    bytes.withUnsafeBytes { isZero($0) }
}

/// Eight bytes at a time: a start-up reads up to a whole segment of zeroes.
func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var position = 0
    while position + 8 <= bytes.count {
        if bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self) != 0 { return false }
        position += 8
    }
    return bytes[position...].allSatisfy { $0 == 0 }
}

/// Up to eight bytes as a little-endian number.
func littleEndian(_ bytes: Bytes) -> UInt64 {
    bytes.withUnsafeBytes { $0.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) } }
}
