// The lane that owns the WAL and the snapshot files: what it acknowledges is on disk.
//
// All appends of a drain go to disk with one write and one sync. A failed write or sync is final: the lane keeps the
// error, acknowledges nothing more, and its host stops the member.

import Base
package import RaftLog
package import RaftWire
import FileIO

package enum LogRequest: Sendable {
    case append(LogAppend)
    /// Write `<term>-<index>.snap`, the WAL's snapshot record, and let go of segments before it.
    case saveSnapshot(Snapshot)
}

package enum LogReply: Sendable {
    /// The responses of an append that is durable now.
    case appended([Message])
    case snapshotSaved(Snapshot)
    /// A snapshot from the leader is recorded: its database may take the file's place. The append's responses come with
    /// it, for raft may hear of its own only when the new state stands.
    case snapshotRecorded(Snapshot, [Message])
}

package struct LogLane: ~Copyable {
    private var log: WriteAheadLog
    private let snapshots: SnapshotFiles
    /// Bytes written to the WAL since the start.
    package private(set) var bytesWritten: UInt64 = 0

    package init(log: consuming WriteAheadLog, snapshots: SnapshotFiles) {
        self.log = log
        self.snapshots = snapshots
    }

    /// Carries out the requests in order; when it returns, everything it answers is durable.
    package mutating func receive(_ batch: [LogRequest]) throws(WALError) -> [LogReply] {
        var replies: [LogReply] = []
        replies.reserveCapacity(batch.count)
        for request in batch {
            switch request {
            case .append(let append):
                if let snapshot = append.snapshot {
                    try commit()
                    // The file first: a record in the WAL promises that the file is there.
                    try write(snapshot)
                    log.append(snapshot.metadata.record)
                }
                log.append(append.entries, append.hardState ?? HardState())
                if let snapshot = append.snapshot {
                    try commit()
                    log.releaseSegments(before: snapshot.metadata.index)
                    replies.append(.snapshotRecorded(snapshot, append.responses))
                } else if !append.responses.isEmpty {
                    replies.append(.appended(append.responses))
                }
            case .saveSnapshot(let snapshot):
                try commit()
                try save(snapshot)
                replies.append(.snapshotSaved(snapshot))
            }
        }
        try commit()
        return replies
    }

    private mutating func commit() throws(WALError) {
        bytesWritten += UInt64(try log.commit().bytesWritten)
    }

    private mutating func save(_ snapshot: Snapshot) throws(WALError) {
        // The file first: a record in the WAL promises that the file is there.
        try write(snapshot)
        try log.saveSnapshot(snapshot.metadata.record)
        log.releaseSegments(before: snapshot.metadata.index)
    }

    private func write(_ snapshot: Snapshot) throws(WALError) {
        do throws(FileError) {
            try snapshots.save(snapshot)
        } catch {
            throw .file(error)
        }
    }

    /// Makes the next segment ready while nobody waits. A failure is no harm yet: the cut tries again.
    package mutating func prepareNextSegment() {
        try? log.prepareNextSegment()
    }

    package consuming func close() throws(WALError) {
        try log.close()
    }
}

extension SnapshotMetadata {
    /// The snapshot's record in the WAL.
    fileprivate var record: WALSnapshot { WALSnapshot(index: index, term: term, confState: confState) }
}
