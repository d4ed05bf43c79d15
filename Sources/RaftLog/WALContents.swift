// What a log says from a snapshot on, gathered record by record.
//
// Neither a record's type nor its length is under the checksum. A wrong length shows in the frames (`WALReader`); a
// wrong type shows here, where a record would have to mean something no Raft member ever writes.

package import Base
import FileIO
package import RaftWire
import Wire

/// The result of reading a log from a snapshot.
package struct WALContents: Sendable {
    /// As given to `create`; etcd keeps its encoded `walpb.Metadata` here.
    package fileprivate(set) var metadata = Bytes()
    /// The last recorded one; empty if none is.
    package fileprivate(set) var hardState = HardState()
    /// The entries after the snapshot, without gaps; later records have replaced earlier ones of the same index.
    /// Those beyond `hardState.commit` may still be replaced by the leader.
    package fileprivate(set) var entries: [Entry] = []
    /// Every snapshot record read, in order.
    package fileprivate(set) var snapshots: [WALSnapshot] = []
    /// The unfinished write found at the log's end, if any. Opening for append has cut it off.
    package fileprivate(set) var tornTail: WALDamage?
    /// Where opening for append put a copy of the segment as it was before the cut.
    package internal(set) var brokenCopy: String?

    /// The index that the next segment's name continues from.
    fileprivate(set) var lastIndex: LogIndex = 0
    /// Where the log ends.
    fileprivate(set) var end = WALReader.Position(segment: 0, offset: 0)
    /// The rolling checksum at the end.
    fileprivate(set) var checksum: UInt32 = 0

    /// Reads to the log's end.
    /// - Parameter start: the snapshot to read from; the log must have its record. Nil reads no entries and wants no
    ///   snapshot: the log may begin anywhere.
    /// - Parameter wantsRecord: false reads the entries after the start's index whether a snapshot was recorded there or not.
    init(_ segments: [OpenSegment], from start: WALSnapshot?, wantsRecord: Bool = true) throws(WALError) {
        var gathering = WALGathering(start: start, wantsRecord: wantsRecord)
        var reader = try WALReader(segments)
        reading: while true {
            switch try reader.next() {
            case .record(let record, let position):
                do throws(WALGathering.Fault) {
                    try gathering.take(record)
                } catch {
                    throw error.error(reader, position)
                }
            case .end(let position, let torn):
                gathering.contents.end = position
                gathering.contents.tornTail = torn
                break reading
            }
        }
        if wantsRecord, let start, !gathering.foundStart { throw .snapshotNotFound(WALSnapshotPosition(start)) }
        gathering.contents.checksum = reader.checksum.value
        self = gathering.contents
    }

    fileprivate init() {}

    /// The snapshot records that the log has committed: a crash may leave one of a snapshot that was never installed.
    package var committedSnapshots: [WALSnapshot] {
        snapshots.filter { $0.index <= hardState.commit }
    }
}

/// The contents so far, and the rules by which a record adds to them.
private struct WALGathering {
    enum Fault: Error {
        case damage(WALDamage.Reason)
        case mismatch(WALError)

        func error(_ reader: borrowing WALReader, _ position: WALReader.Position) -> WALError {
            switch self {
            case .damage(let reason): reader.damage(reason, at: position)
            case .mismatch(let error): error
            }
        }
    }

    let start: WALSnapshot?
    let wantsRecord: Bool
    var contents = WALContents()
    var foundStart = false
    private var hasMetadata = false

    init(start: WALSnapshot?, wantsRecord: Bool) {
        self.start = start
        self.wantsRecord = wantsRecord
    }

    mutating func take(_ record: WALRecord) throws(Fault) {
        let data = record.data
        switch WALRecordType(rawValue: record.type) {
        case .metadata?: try takeMetadata(data)
        case .entry?: try takeEntry(decode { () throws(WireError) in try Entry(decoding: data) })
        case .state?: try takeHardState(decode { () throws(WireError) in try HardState(decoding: data) }, data)
        case .crc?: break
        case .snapshot?: try takeSnapshot(decode { () throws(WireError) in try WALSnapshot(decoding: data) })
        case nil: throw .damage(.unknownType(record.type))
        }
    }

    private func decode<Message>(_ body: () throws(WireError) -> Message) throws(Fault) -> Message {
        do throws(WireError) {
            return try body()
        } catch {
            throw .damage(.undecodable(error))
        }
    }

    private mutating func takeMetadata(_ data: Bytes) throws(Fault) {
        guard !hasMetadata || data == contents.metadata else { throw .damage(.conflictingMetadata) }
        hasMetadata = true
        contents.metadata = data
    }

    private mutating func takeEntry(_ entry: Entry) throws(Fault) {
        if entry.term == 0 || entry.index == 0 { throw .damage(.implausible("entry without term or index")) }
        if entry.type == .confChange && entry.data.isEmpty {
            throw .damage(.implausible("configuration change without content"))
        }
        contents.lastIndex = entry.index
        guard let start, entry.index > start.index else { return }
        let slot = entry.index - start.index - 1
        guard slot <= UInt64(contents.entries.count) else {
            throw .damage(
                .entryGap(
                    snapshot: WALSnapshotPosition(start),
                    index: entry.index,
                    term: entry.term,
                    read: contents.entries.count
                )
            )
        }
        contents.entries.removeLast(contents.entries.count - Int(slot))
        if let previous = contents.entries.last, previous.term > entry.term {
            throw .damage(.implausible("entry \(entry.index) of term \(entry.term) after one of term \(previous.term)"))
        }
        contents.entries.append(entry)
    }

    private mutating func takeHardState(_ state: HardState, _ data: Bytes) throws(Fault) {
        guard state.term > 0, state.term >= contents.hardState.term, hasOnlyVarints(data) else {
            throw .damage(.implausible("hard state of term \(state.term) after term \(contents.hardState.term)"))
        }
        contents.hardState = state
    }

    /// A hard state is three numbers; an entry read as one has its data besides.
    private func hasOnlyVarints(_ data: Bytes) -> Bool {
        var reader = WireReader(data)
        do throws(WireError) {
            while let field = try reader.next() {
                guard field.type == .varint else { return false }
                try reader.skip(field)
            }
            return true
        } catch {
            return false
        }
    }

    private mutating func takeSnapshot(_ snapshot: WALSnapshot) throws(Fault) {
        contents.snapshots.append(snapshot)
        contents.lastIndex = max(contents.lastIndex, snapshot.index)
        guard wantsRecord, let start, snapshot.index == start.index else { return }
        guard snapshot.term == start.term else {
            throw .mismatch(.snapshotMismatch(WALSnapshotPosition(start), recordedTerm: snapshot.term))
        }
        foundStart = true
    }
}
