// A log's records one by one, up to where it is damaged: for looking at a log that a member refuses.

package import Base
package import FileIO
package import RaftWire

/// One record as it stands in the log.
package enum LoggedRecord: Sendable, Equatable {
    /// The bytes given to `create`.
    case metadata(Bytes)
    case entry(Entry)
    case hardState(HardState)
    /// The rolling checksum, carried over from the file before.
    case checksum(UInt32)
    case snapshot(WALSnapshot)
    /// What is none of these; the type is under no checksum.
    case unknown(type: Int64, Bytes)
}

extension WriteAheadLog {
    /// Gives every record of all segments to `body`, in order, without locking or changing anything.
    /// - Returns: the unfinished write at the end, if there is one.
    /// - Throws: `WALError.damaged` at the first damage; the records before it were given.
    package static func forEachRecord(
        _ fileSystem: any FileSystem,
        _ directory: String,
        _ body: (LoggedRecord) -> Void
    ) throws(WALError) -> WALDamage? {
        let listing = try WALDirectory(fileSystem, directory)
        if listing.segments.isEmpty { throw .noFiles(directory: directory) }
        let segments = try listing.open(listing.segments[...], in: fileSystem, writing: false)
        defer {
            for segment in segments { segment.file.close() }
        }
        var reader = try WALReader(segments)
        while true {
            switch try reader.next() {
            case .record(let record, at: _): body(LoggedRecord(record))
            case .end(at: _, let torn): return torn
            }
        }
    }
}

extension LoggedRecord {
    init(_ record: WALRecord) {
        self = .unknown(type: record.type, record.data)
        switch WALRecordType(rawValue: record.type) {
        case .metadata?: self = .metadata(record.data)
        case .entry?: if let entry = try? Entry(decoding: record.data) { self = .entry(entry) }
        case .state?: if let state = try? HardState(decoding: record.data) { self = .hardState(state) }
        case .crc?: self = .checksum(record.checksum)
        case .snapshot?: if let snapshot = try? WALSnapshot(decoding: record.data) { self = .snapshot(snapshot) }
        case nil: break
        }
    }
}
