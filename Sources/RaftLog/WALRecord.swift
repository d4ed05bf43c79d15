// One record of the log as it stands in its frame: protobuf `walpb.Record`, decoded without copying its data.

import Base
import RaftWire
import Wire

/// The field numbers of `walpb.Record`.
enum RecordField {
    static let type = 1
    static let checksum = 2
    static let data = 3
}

struct WALRecord: Equatable {
    /// As recorded: it may be none of `WALRecordType`, for it is not under the checksum.
    var type: Int64 = 0
    /// The rolling checksum after this record.
    var checksum: UInt32 = 0
    var data = Bytes()

    private init() {}

    init(decoding bytes: Bytes) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case RecordField.type: type = try reader.int64(field)
            case RecordField.checksum: checksum = UInt32(truncatingIfNeeded: try reader.uint64(field))
            case RecordField.data: data = try reader.bytes(field)
            default: try reader.skip(field)
            }
        }
    }

    /// The record at the front of `bytes`, whatever its frame says, and its size: up to the end of its data field, as
    /// writers lay records out. Nil if there is none.
    static func atFront(of bytes: Bytes) -> (record: WALRecord, size: Int)? {
        var record = WALRecord()
        var reader = WireReader(bytes)
        do throws(WireError) {
            guard let first = try reader.next(), first.number == RecordField.type else { return nil }
            record.type = try reader.int64(first)
            guard let second = try reader.next(), second.number == RecordField.checksum else { return nil }
            record.checksum = UInt32(truncatingIfNeeded: try reader.uint64(second))
            if record.type != WALRecordType.crc.rawValue {
                guard let third = try reader.next(), third.number == RecordField.data else { return nil }
                record.data = try reader.bytes(third)
            }
        } catch {
            return nil
        }
        return (record, bytes.count - reader.rest.count)
    }
}
