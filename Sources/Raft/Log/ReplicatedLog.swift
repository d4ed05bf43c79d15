// The log as raft sees it: storage, then what is not saved yet, and how far it is committed and applied.
//
// Invariants: applied ≤ applying ≤ committed ≤ lastIndex. Committed entries are never replaced.

import Base
import RaftWire

struct EntryPosition: Sendable, Hashable {
    var term: Term
    var index: LogIndex
}

struct ReplicatedLog: Sendable {
    var storage: MemoryStorage
    private(set) var unstable: UnstableLog
    private(set) var committed: LogIndex
    /// Up to here entries have been handed out for applying.
    private(set) var applying: LogIndex
    private(set) var applied: LogIndex
    /// How many bytes of entries may be handed out for applying without an answer.
    private let applyingSizeMax: UInt64
    private var applyingSize: UInt64 = 0
    private var isApplyingPaused = false

    init(_ storage: MemoryStorage, applyingSizeMax: UInt64) {
        unstable = UnstableLog(start: storage.lastIndex + 1)
        committed = storage.firstIndex - 1
        applying = committed
        applied = committed
        self.storage = storage
        self.applyingSizeMax = applyingSizeMax
    }

    // MARK: Extent and terms

    var firstIndex: LogIndex { unstable.firstIndex ?? storage.firstIndex }
    var lastIndex: LogIndex { unstable.lastIndex ?? storage.lastIndex }

    var last: EntryPosition {
        let index = lastIndex
        guard let term = term(at: index) else { preconditionFailure("the log has lost its last entry") }
        return EntryPosition(term: term, index: index)
    }

    /// The entry's term; nil if it is compacted or not there yet.
    func term(at index: LogIndex) -> Term? {
        if let term = unstable.term(at: index) { return term }
        guard index + 1 >= firstIndex, index <= lastIndex else { return nil }
        return try? storage.term(index)
    }

    func matches(_ position: EntryPosition) -> Bool { term(at: position.index) == position.term }

    /// Whether a log that ends there has all that this one might have committed.
    func isUpToDate(_ other: EntryPosition) -> Bool {
        let own = last
        return other.term > own.term || (other.term == own.term && other.index >= own.index)
    }

    // MARK: Entries

    /// The entries from `lower` up to, but without, `upper`, cut off where they exceed `sizeMax`; at least one. Nil if
    /// the first is compacted.
    func entries(from lower: LogIndex, to upper: LogIndex, sizeMax: UInt64) -> [Entry]? {
        if lower >= upper { return [] }
        if lower < firstIndex { return nil }
        precondition(upper <= lastIndex + 1, "entries beyond the log's end")
        let seam = min(max(unstable.start, lower), upper)
        let stored = lower < seam ? storage.slice(lower..<seam) : []
        let unsaved = seam < upper ? unstable.slice(seam..<upper) : []
        guard sizeMax < .max else { return unsaved.isEmpty ? Array(stored) : Array(stored) + unsaved }

        var size: UInt64 = 0
        var count = 0
        func takes(_ entry: Entry) -> Bool {
            size += entry.limitedSize
            if size > sizeMax && count > 0 { return false }
            count += 1
            return true
        }
        scan: do {
            for entry in stored where !takes(entry) { break scan }
            for entry in unsaved where !takes(entry) { break scan }
        }
        var result: [Entry] = []
        result.reserveCapacity(count)
        result.append(contentsOf: stored.prefix(count))
        result.append(contentsOf: unsaved.prefix(count - result.count))
        return result
    }

    /// Whether a committed entry that is not applied yet changes the configuration.
    var hasUnappliedConfChange: Bool {
        if applied >= committed { return false }
        let range = (applied + 1)..<(committed + 1)
        let seam = min(max(unstable.start, range.lowerBound), range.upperBound)
        let stored = range.lowerBound < seam ? storage.slice(range.lowerBound..<seam) : []
        let unsaved = seam < range.upperBound ? unstable.slice(seam..<range.upperBound) : []
        return stored.contains { $0.type != .normal } || unsaved.contains { $0.type != .normal }
    }

    /// The highest index up to `index` at which a log could match this one that has `term` at `index` or before: its
    /// terms never go down, so nothing with a higher term here can match. The term is 0 if it isn't known.
    func lastPossibleMatch(upTo index: LogIndex, term: Term) -> EntryPosition {
        var index = index
        while index > 0 {
            guard let own = self.term(at: index) else { return EntryPosition(term: 0, index: index) }
            if own <= term { return EntryPosition(term: own, index: index) }
            index -= 1
        }
        return EntryPosition(term: 0, index: 0)
    }

    // MARK: Appending

    /// Appends the leader's own entries.
    mutating func append(_ entries: [Entry], _ lines: inout RaftLogLines) {
        guard let first = entries.first else { return }
        precondition(first.index > committed, "committed entries are never replaced")
        unstable.replaceAndAppend(entries[...], &lines)
    }

    /// Appends what a leader sent behind `previous`, if the logs match there, and commits up to `commit`.
    /// - Returns: the index of the last new entry; nil if the logs don't match.
    mutating func append(
        _ entries: [Entry],
        behind previous: EntryPosition,
        commit: LogIndex,
        _ lines: inout RaftLogLines
    ) throws(RaftError) -> LogIndex? {
        guard matches(previous) else { return nil }
        let lastNew = previous.index + UInt64(entries.count)
        if let position = entries.firstIndex(where: { !matches(EntryPosition(term: $0.term, index: $0.index)) }) {
            let entry = entries[position]
            if entry.index <= lastIndex {
                lines.add(
                    .info,
                    "found conflict at index \(entry.index) [existing term: \(term(at: entry.index) ?? 0), "
                        + "conflicting term: \(entry.term)]"
                )
            }
            if entry.index <= committed {
                throw .inconsistentLog(
                    "entry \(entry.index) conflict with committed entry [committed(\(committed))]"
                )
            }
            unstable.replaceAndAppend(entries[position...], &lines)
        }
        try self.commit(to: min(commit, lastNew))
        return lastNew
    }

    mutating func commit(to index: LogIndex) throws(RaftError) {
        guard index > committed else { return }
        if index > lastIndex {
            throw .inconsistentLog(
                "tocommit(\(index)) is out of range [lastIndex(\(lastIndex))]. "
                    + "Was the raft log corrupted, truncated, or lost?"
            )
        }
        committed = index
    }

    /// Commits the bootstrap's entries, or what the hard state says.
    mutating func setCommitted(_ index: LogIndex) {
        precondition(index >= committed && index <= lastIndex)
        committed = index
    }

    /// Begins anew behind a received snapshot.
    mutating func restore(_ snapshot: Snapshot, _ lines: inout RaftLogLines) {
        let metadata = snapshot.metadata
        lines.add(
            .info,
            "log [\(self)] starts to restore snapshot [index: \(metadata.index), term: \(metadata.term)]"
        )
        committed = metadata.index
        unstable.restore(snapshot)
    }

    // MARK: Saving

    mutating func handOutUnstable() {
        unstable.handOut()
    }

    mutating func saved(index: LogIndex, term: Term, _ lines: inout RaftLogLines) {
        unstable.saved(index: index, term: term, &lines)
    }

    mutating func savedSnapshot(_ index: LogIndex) {
        unstable.savedSnapshot(index)
    }

    // MARK: Applying

    /// The last index that may be applied now. Without `allowUnstable` only what is saved here counts.
    private func lastAppliable(allowUnstable: Bool) -> LogIndex {
        allowUnstable ? committed : min(committed, unstable.start - 1)
    }

    /// Whether there is anything to apply. A snapshot on its way goes first.
    func hasNextCommitted(allowUnstable: Bool) -> Bool {
        !isApplyingPaused && unstable.snapshot == nil && applying < lastAppliable(allowUnstable: allowUnstable)
    }

    /// The entries to apply next, as many as the limit leaves room for.
    func nextCommitted(allowUnstable: Bool) -> [Entry] {
        guard hasNextCommitted(allowUnstable: allowUnstable) else { return [] }
        let upper = lastAppliable(allowUnstable: allowUnstable) + 1
        guard let entries = entries(from: applying + 1, to: upper, sizeMax: applyingSizeMax - applyingSize) else {
            preconditionFailure("entries that are not applied yet were compacted")
        }
        return entries
    }

    mutating func handOutCommitted(_ entries: [Entry], allowUnstable: Bool) {
        guard let last = entries.last else { return }
        precondition(last.index <= committed, "only committed entries are applied")
        applying = last.index
        applyingSize += limitedSize(entries)
        // Also if the limit is not reached but cut these entries off: the next one does not fit.
        isApplyingPaused =
            applyingSize >= applyingSizeMax || applying < lastAppliable(allowUnstable: allowUnstable)
    }

    /// - Parameter size: of the entries applied with this, as it was counted when they were handed out.
    mutating func setApplied(_ index: LogIndex, size: UInt64) {
        precondition(index <= committed && index >= applied, "applied is out of range")
        applied = index
        applying = max(applying, index)
        applyingSize -= min(size, applyingSize)
        isApplyingPaused = applyingSize >= applyingSizeMax
    }
}

extension ReplicatedLog: CustomStringConvertible {
    var description: String {
        "committed=\(committed), applied=\(applied), applying=\(applying), unstable.offset=\(unstable.start), "
            + "unstable.offsetInProgress=\(unstable.handedOut), len(unstable.Entries)=\(unstable.count)"
    }
}
