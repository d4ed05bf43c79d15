// What can be wrong with a log, in etcd's words where etcd has any.

package import Base
package import FileIO
import RaftWire
package import Wire

package enum WALError: Error, Sendable, Equatable {
    /// The disk refused.
    case file(FileError)
    /// The directory to create a log in has one already.
    case exists(directory: String)
    /// The directory has no segment at all.
    case noFiles(directory: String)
    /// Every segment starts after the snapshot.
    case noFile(snapshotIndex: LogIndex)
    /// A segment between two others is missing.
    case sequenceGap(directory: String, from: Int)
    /// Another process has the segment open.
    case locked(path: String)
    /// No record of the snapshot to start from.
    case snapshotNotFound(WALSnapshotPosition)
    /// The log has the snapshot's index with another term.
    case snapshotMismatch(WALSnapshotPosition, recordedTerm: Term)
    /// The bytes are not what was written. Nothing was changed; the file wants an operator.
    case damaged(WALDamage)
    /// An earlier write or synchronization failed: what is on disk is unknown, so the log takes nothing more.
    case unusable(because: FileError)
}

/// A snapshot named in an error.
package struct WALSnapshotPosition: Sendable, Hashable {
    package var index: LogIndex
    package var term: Term

    init(_ snapshot: WALSnapshot) {
        index = snapshot.index
        term = snapshot.term
    }
}

/// Where a log is damaged, and how it shows.
package struct WALDamage: Sendable, Hashable {
    package var path: String
    /// Where the frame with the damage begins.
    package var offset: UInt64
    package var reason: Reason

    package enum Reason: Sendable, Hashable {
        case checksum(recorded: UInt32, computed: UInt32)
        /// The length field says more than the file has.
        case tooLong(record: UInt64, padding: Int, fileSize: UInt64, offset: UInt64)
        /// Fewer than eight bytes, or a length field no writer writes.
        case malformedLength(UInt64)
        /// A sound record stands behind a length field that is zero or wrong.
        case wrongLength(UInt64)
        case undecodable(WireError)
        case unknownType(Int64)
        /// The checksum is right, yet the content cannot have been written: the record's type is not under the checksum.
        case implausible(String)
        /// A file that does not begin with its checksum and metadata records.
        case missingHeader
        case conflictingMetadata
        case entryGap(snapshot: WALSnapshotPosition, index: LogIndex, term: Term, read: Int)
    }
}

extension WALDamage: CustomStringConvertible {
    package var description: String { "\(reason): in file '\(path)' at position: \(offset)" }
}

extension WALDamage.Reason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .checksum(let recorded, let computed):
            return
                "walpb: crc mismatch: expected: \(hexadecimal(UInt64(recorded))) computed: \(hexadecimal(UInt64(computed)))"
        case .tooLong(let record, let padding, let fileSize, let offset):
            let limit = Int64(fileSize) - Int64(offset) - Int64(padding)
            return "wal: max entry size limit exceeded, recBytes: \(record), fileSize(\(fileSize)) - offset(\(offset))"
                + " - padBytes(\(padding)) = entryLimit(\(limit))"
        case .malformedLength(let field):
            return "wal: malformed frame length 0x\(paddedHexadecimal(field))"
        case .wrongLength(let field):
            return "wal: frame length 0x\(paddedHexadecimal(field)) in front of a sound record"
        case .undecodable(let error):
            return "wal: record cannot be decoded (\(error))"
        case .unknownType(let type):
            return "unexpected block type \(type)"
        case .implausible(let what):
            return "wal: \(what)"
        case .missingHeader:
            return "wal: file does not begin with checksum and metadata records"
        case .conflictingMetadata:
            return "wal: conflicting metadata found"
        case .entryGap(let snapshot, let index, let term, let read):
            return "wal: slice bounds out of range, snapshot[Index: \(snapshot.index), Term: \(snapshot.term)],"
                + " current entry[Index: \(index), Term: \(term)], len(ents): \(read)"
        }
    }
}

extension WALError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .file(let error): error.description
        case .exists(let directory): "\(directory): file already exists"
        case .noFiles: "wal: file not found"
        case .noFile(let index): "wal: file not found which matches the snapshot index '\(index)'"
        case .sequenceGap(_, let from):
            "wal: file sequence numbers (starting from \(from)) do not increase continuously"
        case .locked(let path): "fileutil: file already locked: \(path)"
        case .snapshotNotFound: "wal: snapshot not found"
        case .snapshotMismatch: "wal: snapshot mismatch"
        case .damaged(let damage): damage.description
        case .unusable(let cause): "wal: unusable after an error: \(cause)"
        }
    }
}

/// Runs disk calls, whose errors become the log's.
func disk<Result: ~Copyable>(_ body: () throws(FileError) -> Result) throws(WALError) -> Result {
    do throws(FileError) {
        return try body()
    } catch {
        throw .file(error)
    }
}
