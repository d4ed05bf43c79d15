// What is not known to be saved yet: entries, and possibly a snapshot in front of them.
//
//     entries[start..<handedOut]   handed out for saving; the answer is awaited
//     entries[handedOut..<end]     to be handed out with the next Ready
//
// `start` may be below the storage's last index: then the next save replaces that tail.

import Base
import RaftWire

struct UnstableLog: Sendable {
    private(set) var snapshot: Snapshot?
    private var isSnapshotHandedOut = false
    private var entries: EntryRun
    /// The index behind the last entry handed out. Invariant: `start` ≤ `handedOut`.
    private(set) var handedOut: LogIndex

    init(start: LogIndex) {
        entries = EntryRun(start: start)
        handedOut = start
    }

    /// The index of the first entry, or of the next one.
    var start: LogIndex { entries.start }
    var hasEntries: Bool { !entries.isEmpty }
    var count: Int { entries.count }

    /// The index that the log begins behind, if a snapshot says so.
    var firstIndex: LogIndex? { snapshot.map { $0.metadata.index + 1 } }

    var lastIndex: LogIndex? {
        entries.isEmpty ? snapshot?.metadata.index : entries.end - 1
    }

    func term(at index: LogIndex) -> Term? {
        if entries.contains(index) { return entries.term(at: index) }
        if let metadata = snapshot?.metadata, metadata.index == index { return metadata.term }
        return nil
    }

    func slice(_ indexes: Range<LogIndex>) -> ArraySlice<Entry> { entries.slice(indexes) }

    // MARK: Handing out

    var hasNextEntries: Bool { handedOut < entries.end }

    /// The entries to be saved next.
    var nextEntries: [Entry] {
        hasNextEntries ? Array(entries.slice(handedOut..<entries.end)) : []
    }

    /// The snapshot to be saved next.
    var nextSnapshot: Snapshot? { isSnapshotHandedOut ? nil : snapshot }

    mutating func handOut() {
        if !entries.isEmpty { handedOut = entries.end }
        if snapshot != nil { isSnapshotHandedOut = true }
    }

    // MARK: Saved

    /// The entries up to (`index`, `term`) are saved, and nothing on its way to the disk can overwrite them.
    mutating func saved(index: LogIndex, term: Term, _ lines: inout RaftLogLines) {
        guard let known = self.term(at: index) else {
            if lines.hasOvertakenStorage { lines.add(.info, "entry at index \(index) missing from unstable log; ignoring") }
            return
        }
        if index < start {
            lines.add(.info, "entry at index \(index) matched unstable snapshot; ignoring")
            return
        }
        if known != term {
            // Replaced since they were handed out.
            lines.add(
                .info,
                "entry at (index,term)=(\(index),\(term)) mismatched with "
                    + "entry at (\(index),\(known)) in unstable log; ignoring"
            )
            return
        }
        entries.removeAll(before: index + 1)
        handedOut = max(handedOut, entries.start)
    }

    mutating func savedSnapshot(_ index: LogIndex) {
        guard snapshot?.metadata.index == index else { return }
        snapshot = nil
        isSnapshotHandedOut = false
    }

    // MARK: New

    /// Begins anew behind the snapshot.
    mutating func restore(_ snapshot: Snapshot) {
        entries.reset(start: snapshot.metadata.index + 1)
        handedOut = entries.start
        self.snapshot = snapshot
        isSnapshotHandedOut = false
    }

    /// Appends, replacing what is there from the first new index on.
    mutating func replaceAndAppend(_ new: ArraySlice<Entry>, _ lines: inout RaftLogLines) {
        guard let from = new.first?.index else { return }
        if from > entries.end { preconditionFailure("a gap in the log") }
        if from < entries.end || from < entries.start {
            if from <= entries.start {
                lines.add(.info, "replace the unstable entries from index \(from)")
                entries.reset(start: from)
                handedOut = from
            } else {
                lines.add(.info, "truncate the unstable entries before index \(from)")
                entries.removeAll(from: from)
                handedOut = min(handedOut, from)
            }
        }
        entries.append(new)
    }
}
