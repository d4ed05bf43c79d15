// The numbers of etcd's write-ahead log format, and the names of its files.
//
// A segment is a run of frames from byte 0 to the first zero length (or the end of the file). A frame is
//
//     8 bytes   length field, little endian: low 56 bits the record's size; top byte 0, or 0x80 | padding (1 to 7)
//     n bytes   record: protobuf {1: type, 2: crc, 3: data}
//     0-7 bytes zero padding to a multiple of 8
//
// so that a length field never straddles a sector. Logs from before etcd 2.x have no padding: top byte 0 for any size.
// `crc` is CRC-32C over the data of all records so far, across files: each file starts with a record that carries it on.

package import Base

enum WALFormat {
    /// Size of the length field in front of each record.
    static let lengthFieldSize = 8
    /// Records are padded to multiples of this.
    static let alignment = 8
    /// What a disk writes as a whole. A torn write shows as sectors that kept the zeroes of preallocation.
    static let sectorSize = 512
    /// Bit 7 of the length field's top byte: the low three bits count the padding.
    static let paddedFlag: UInt8 = 0x80
    /// etcd's segment size: files are preallocated to it and cut once the log has grown past it.
    static let segmentSizeBytes: UInt64 = 64 * 1000 * 1000

    static let fileSuffix = ".wal"
    static let brokenSuffix = ".broken"
    /// Permissions of segments, and of the directory.
    static let fileMode: UInt16 = 0o600
    static let directoryMode: UInt16 = 0o700

    /// The bits of the length field that are the record's size.
    static let sizeMask: UInt64 = 1 << 56 - 1

    /// The padding after a record of `size` bytes.
    static func padding(_ size: Int) -> Int { (alignment - size % alignment) % alignment }
}

/// A segment's name: its place in the sequence, and the index of the first entry that may be in it.
package struct WALFileName: Sendable, Hashable {
    package var sequence: UInt64
    package var firstIndex: LogIndex

    package init(sequence: UInt64, firstIndex: LogIndex) {
        self.sequence = sequence
        self.firstIndex = firstIndex
    }

    /// Nil for anything that is not "%016x-%016x.wal".
    package init?(_ name: String) {
        guard name.hasSuffix(WALFormat.fileSuffix) else { return nil }
        let parts = name.dropLast(WALFormat.fileSuffix.count).split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let sequence = parsePaddedHexadecimal(parts[0]),
            let index = parsePaddedHexadecimal(parts[1])
        else { return nil }
        self.init(sequence: sequence, firstIndex: index)
    }
}

extension WALFileName: CustomStringConvertible {
    package var description: String {
        paddedHexadecimal(sequence) + "-" + paddedHexadecimal(firstIndex) + WALFormat.fileSuffix
    }
}
