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
                log.append(append.entries, append.hardState ?? HardState())
                if !append.responses.isEmpty { replies.append(.appended(append.responses)) }
            case .saveSnapshot(let snapshot):
                bytesWritten += UInt64(try log.commit().bytesWritten)
                try save(snapshot)
                replies.append(.snapshotSaved(snapshot))
            }
        }
        bytesWritten += UInt64(try log.commit().bytesWritten)
        return replies
    }

    private mutating func save(_ snapshot: Snapshot) throws(WALError) {
        let metadata = snapshot.metadata
        do throws(FileError) {
            // The file first: a record in the WAL promises that the file is there.
            try snapshots.save(snapshot)
        } catch {
            throw .file(error)
        }
        try log.saveSnapshot(WALSnapshot(index: metadata.index, term: metadata.term, confState: metadata.confState))
        log.releaseSegments(before: metadata.index)
    }

    /// Makes the next segment ready while nobody waits. A failure is no harm yet: the cut tries again.
    package mutating func prepareNextSegment() {
        try? log.prepareNextSegment()
    }

    package consuming func close() throws(WALError) {
        try log.close()
    }
}
