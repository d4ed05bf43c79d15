// The lane that owns the WAL and the snapshot files: what it acknowledges is on disk.
//
// All appends of a drain go to disk with one write and one sync. A failed write or sync is final: the lane keeps the
// error, acknowledges nothing more, and its host stops the member.

package import Base
package import RaftLog
package import RaftWire
package import FileIO

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

    package init(log: consuming WriteAheadLog, snapshots: SnapshotFiles) {
        self.log = log
        self.snapshots = snapshots
    }

    /// Carries out the requests in order; when it returns, everything it answers is durable.
    package mutating func receive(_ batch: [LogRequest]) throws(WALError) -> [LogReply] {
        var replies: [LogReply] = []
        replies.reserveCapacity(batch.count)
        var entries: [Entry] = []
        var hardState: HardState?
        var mustSync = false

        for request in batch {
            switch request {
            case .append(let append):
                if entries.isEmpty {
                    entries = append.entries
                } else {
                    entries.append(contentsOf: append.entries)
                }
                hardState = append.hardState ?? hardState
                mustSync = mustSync || append.mustSync
                if !append.responses.isEmpty { replies.append(.appended(append.responses)) }
            case .saveSnapshot(let snapshot):
                try save(entries, hardState, mustSync)
                (entries, hardState, mustSync) = ([], nil, false)
                try save(snapshot)
                replies.append(.snapshotSaved(snapshot))
            }
        }
        try save(entries, hardState, mustSync)
        return replies
    }

    private mutating func save(_ entries: [Entry], _ hardState: HardState?, _ mustSync: Bool) throws(WALError) {
        if entries.isEmpty && hardState == nil { return }
        try log.save(entries: entries, hardState: hardState ?? HardState(), mustSync: mustSync)
    }

    private mutating func save(_ snapshot: Snapshot) throws(WALError) {
        let metadata = snapshot.metadata
        // The file first: a record in the WAL promises that the file is there.
        try snapshots.save(snapshot)
        try log.saveSnapshot(WALSnapshot(index: metadata.index, term: metadata.term, confState: metadata.confState))
        try log.releaseLocks(upTo: metadata.index)
    }

    /// Makes the next segment ready while nobody waits.
    package mutating func prepareNextSegment() throws(WALError) {
        try log.prepareNextSegment()
    }

    package consuming func close() {
        log.close()
    }
}
