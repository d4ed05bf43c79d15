// The window of the log that is in memory: a snapshot's position and the entries behind it. The durable half is
// RaftLog's; this one is what raft reads.

package import Base
package import RaftWire

package enum StorageError: Error, Sendable, Equatable {
    /// The entries asked for are behind the window.
    case compacted
    /// They are not there yet.
    case unavailable
    case snapshotOutOfDate
}

package struct MemoryStorage: Sendable {
    package var hardState: HardState
    /// Raft's configuration at `snapshot`'s index.
    package private(set) var snapshot: Snapshot
    /// The first stands for the position before the window and carries only index and term.
    private var entries: [Entry]

    package init(hardState: HardState = HardState(), snapshot: Snapshot = Snapshot()) {
        self.hardState = hardState
        self.snapshot = snapshot
        entries = [Entry(term: snapshot.metadata.term, index: snapshot.metadata.index)]
    }

    package var firstIndex: LogIndex { entries[0].index + 1 }
    package var lastIndex: LogIndex { entries[0].index + LogIndex(entries.count) - 1 }

    package func term(_ index: LogIndex) throws(StorageError) -> Term {
        if index < entries[0].index { throw .compacted }
        if index > lastIndex { throw .unavailable }
        return entries[Int(index - entries[0].index)].term
    }

    /// `[low, high)`, cut to about `sizeMax` bytes but at least one entry.
    package func entries(_ low: LogIndex, _ high: LogIndex, sizeMax: Int = .max) throws(StorageError) -> [Entry] {
        if low <= entries[0].index { throw .compacted }
        if high > lastIndex + 1 { throw .unavailable }
        let offset = entries[0].index
        let slice = entries[Int(low - offset)..<Int(high - offset)]
        if sizeMax == .max { return Array(slice) }
        var size = 0
        var end = slice.startIndex
        for entry in slice {
            size += entry.encodedSize
            if size > sizeMax, end > slice.startIndex { break }
            end += 1
        }
        return Array(slice[..<end])
    }

    /// Appends, replacing what stands at the same indexes and everything behind.
    package mutating func append(_ new: [Entry]) throws(StorageError) {
        guard let last = new.last, last.index >= firstIndex else { return }
        let fresh = new.drop { $0.index < firstIndex }
        guard let first = fresh.first else { return }
        if first.index > lastIndex + 1 { throw .unavailable }
        entries.removeSubrange(Int(first.index - entries[0].index)...)
        entries.append(contentsOf: fresh)
    }

    package mutating func compact(to index: LogIndex) throws(StorageError) {
        if index <= entries[0].index { throw .compacted }
        if index > lastIndex { throw .unavailable }
        let keep = Int(index - entries[0].index)
        entries.removeSubrange(0..<keep)
        entries[0].data = Bytes()
        entries[0].type = .normal
    }

    package mutating func createSnapshot(index: LogIndex, confState: ConfState, data: Bytes) throws(StorageError) {
        if index <= snapshot.metadata.index { throw .snapshotOutOfDate }
        snapshot = Snapshot(
            data: data, metadata: SnapshotMetadata(confState: confState, index: index, term: try term(index)))
    }

    package mutating func applySnapshot(_ new: Snapshot) throws(StorageError) {
        if new.metadata.index <= snapshot.metadata.index { throw .snapshotOutOfDate }
        snapshot = new
        entries = [Entry(term: new.metadata.term, index: new.metadata.index)]
    }
}
