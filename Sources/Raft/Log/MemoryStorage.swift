// The part of the log that is kept in memory: the latest snapshot's position and the entries behind it, as far as
// followers may still need them. The durable half is the write-ahead log; whoever owns the node keeps the two in step.
//
// Invariant: entries follow on the compacted index without gaps.

package import Base
package import RaftWire

/// What a follower is sent that needs entries which are gone.
package enum SnapshotOffer: Sendable {
    /// The storage's own snapshot.
    case stored
    /// This one, newer than the storage's.
    case given(Snapshot)
    /// Nothing now; raft asks again.
    case temporarilyUnavailable
}

package struct MemoryStorage: Sendable {
    /// As it was saved last; where a node starts from.
    package var hardState: HardState
    /// The last snapshot saved or received. Its configuration is where a node starts from.
    package private(set) var snapshot: Snapshot
    package var snapshotOffer = SnapshotOffer.stored
    private var entries: EntryRun
    /// The term of the entry before the first.
    private var compactedTerm: Term

    /// - Parameters:
    ///   - snapshot: what the entries follow on; with index 0 it gives just the first configuration.
    ///   - entries: those behind the snapshot.
    /// - Throws: `gap` if the entries don't follow on the snapshot, or on each other.
    package init(
        hardState: HardState = HardState(),
        snapshot: Snapshot = Snapshot(),
        entries: [Entry] = []
    ) throws(StorageError) {
        self.init(hardState: hardState, snapshot: snapshot)
        for (offset, entry) in entries.enumerated() where entry.index != firstIndex + UInt64(offset) {
            throw .gap(last: firstIndex + UInt64(offset) - 1, appended: entry.index)
        }
        try append(entries)
    }

    package init(hardState: HardState = HardState(), snapshot: Snapshot = Snapshot()) {
        self.hardState = hardState
        self.snapshot = snapshot
        entries = EntryRun(start: snapshot.metadata.index + 1)
        compactedTerm = snapshot.metadata.term
    }

    // MARK: Reading

    /// The first index whose entry is here.
    package var firstIndex: LogIndex { entries.start }
    /// The last index whose entry is here, or the one before `firstIndex`.
    package var lastIndex: LogIndex { entries.end - 1 }

    /// The term of an entry that is here, or of the one before the first.
    package func term(_ index: LogIndex) throws(StorageError) -> Term {
        if index + 1 == entries.start { return compactedTerm }
        if index < entries.start { throw .compacted }
        guard entries.contains(index) else { throw .unavailable }
        return entries.term(at: index)
    }

    /// The entries from `lower` up to, but without, `upper`, cut off where they exceed `sizeMax` bytes; at least one.
    package func entries(
        from lower: LogIndex,
        to upper: LogIndex,
        sizeMax: UInt64 = .max
    ) throws(StorageError) -> [Entry] {
        if lower < firstIndex { throw .compacted }
        guard lower < upper, upper <= entries.end else { throw .unavailable }
        let slice = entries.slice(lower..<upper)
        if sizeMax == .max { return Array(slice) }
        var size: UInt64 = 0
        for (position, entry) in zip(slice.indices, slice) {
            size += entry.limitedSize
            if size > sizeMax && position > slice.startIndex { return Array(slice[..<position]) }
        }
        return Array(slice)
    }

    /// The entries without a copy; they must be there.
    func slice(_ indexes: Range<LogIndex>) -> ArraySlice<Entry> { entries.slice(indexes) }

    func offeredSnapshot() throws(StorageError) -> Snapshot {
        switch snapshotOffer {
        case .stored: return snapshot
        case .given(let snapshot): return snapshot
        case .temporarilyUnavailable: throw .snapshotTemporarilyUnavailable
        }
    }

    // MARK: Writing

    /// Takes entries that were saved. They may replace the tail; what is compacted already is passed over.
    package mutating func append(_ new: [Entry]) throws(StorageError) {
        guard let first = new.first else { return }
        if first.index > entries.end { throw .gap(last: lastIndex, appended: first.index) }
        var rest = new[...]
        if first.index < firstIndex {
            let passed = firstIndex - first.index
            if passed >= UInt64(new.count) { return }
            rest = rest.dropFirst(Int(passed))
        }
        guard let start = rest.first?.index else { return }
        if start < entries.end { entries.removeAll(from: start) }
        entries.append(rest)
    }

    /// Lets go of the entries up to `index`, whose term stays known.
    package mutating func compact(to index: LogIndex) throws(StorageError) {
        if index < firstIndex { throw .compacted }
        guard index <= lastIndex else { throw .unavailable }
        compactedTerm = entries.term(at: index)
        entries.removeAll(before: index + 1)
    }

    /// Starts anew behind a received snapshot.
    package mutating func applySnapshot(_ received: Snapshot) throws(StorageError) {
        // Index 0 is a snapshot that only gives the first configuration.
        if snapshot.metadata.index != 0 && snapshot.metadata.index >= received.metadata.index {
            throw .snapshotOutOfDate
        }
        snapshot = received
        compactedTerm = received.metadata.term
        entries.reset(start: received.metadata.index + 1)
    }

    /// Makes the state at `index` the one that followers are sent. Entries stay until `compact`.
    /// - Parameter confState: the configuration at `index`; nil if it has not changed.
    package mutating func createSnapshot(
        index: LogIndex,
        confState: ConfState?,
        data: Bytes
    ) throws(StorageError) {
        if index <= snapshot.metadata.index { throw .snapshotOutOfDate }
        let term = try term(index)
        snapshot = Snapshot(
            data: data,
            metadata: SnapshotMetadata(confState: confState ?? snapshot.metadata.confState, index: index, term: term)
        )
    }
}
