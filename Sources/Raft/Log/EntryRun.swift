// Consecutive entries that grow at one end and are let go of at the other.
//
// An array with a dead part in front: dropping the oldest entries costs nothing but their release, and the dead part is
// removed once it is as long as the rest, so that every entry is moved at most once on average.

import Base
import RaftWire

struct EntryRun: Sendable {
    /// The index of the first entry, or of the next one if there is none.
    private(set) var start: LogIndex
    private var array: [Entry] = []
    /// How many at the front of `array` are dead.
    private var dead = 0
    /// Short runs are not worth moving.
    private static let deadMin = 64
    /// A run that was longer once gives its memory back when it is empty.
    private static let keptCountMax = 4096

    init(start: LogIndex) {
        self.start = start
    }

    var count: Int { array.count - dead }
    var isEmpty: Bool { array.count == dead }
    /// The index behind the last entry.
    var end: LogIndex { start + UInt64(count) }

    func contains(_ index: LogIndex) -> Bool { index >= start && index < end }

    private func position(_ index: LogIndex) -> Int { dead + Int(index - start) }

    subscript(index: LogIndex) -> Entry {
        _read {
            precondition(contains(index), "no such entry")
            yield array[position(index)]
        }
    }

    func term(at index: LogIndex) -> Term { self[index].term }

    /// The entries `indexes`, which must be there, without their neighbours.
    func slice(_ indexes: Range<LogIndex>) -> ArraySlice<Entry> {
        precondition(indexes.lowerBound >= start && indexes.upperBound <= end, "no such entries")
        return array[position(indexes.lowerBound)..<position(indexes.upperBound)]
    }

    /// The entries must follow on the last one.
    mutating func append(_ entries: ArraySlice<Entry>) {
        precondition(entries.isEmpty || entries[entries.startIndex].index == end, "a gap in the log")
        array.append(contentsOf: entries)
    }

    /// Forgets the entries before `index`.
    mutating func removeAll(before index: LogIndex) {
        precondition(index >= start && index <= end, "no such entries")
        let drop = Int(index - start)
        if drop == 0 { return }
        start = index
        if drop == array.count - dead {
            array.removeAll(keepingCapacity: array.count <= Self.keptCountMax)
            dead = 0
            return
        }
        // Their data must not live as long as the array.
        for position in dead..<dead + drop { array[position] = Entry() }
        dead += drop
        if dead >= Self.deadMin && dead >= count {
            array.removeSubrange(0..<dead)
            dead = 0
        }
    }

    /// Forgets the entries from `index` on.
    mutating func removeAll(from index: LogIndex) {
        precondition(index >= start && index <= end, "no such entries")
        array.removeSubrange(position(index)...)
    }

    /// Forgets everything; the next entry is `start`.
    mutating func reset(start: LogIndex) {
        array.removeAll(keepingCapacity: false)
        dead = 0
        self.start = start
    }
}

extension Entry {
    /// The size that the limits on messages and batches count: that of the encoding, in which members since 3.7 leave
    /// the usual type out.
    var limitedSize: UInt64 { UInt64(encodedSize - (type == .normal ? 2 : 0)) }
}

/// The size of the entries as the limits count it.
func limitedSize(_ entries: some Sequence<Entry>) -> UInt64 {
    entries.reduce(0) { $0 + $1.limitedSize }
}

/// The size of the entries' data alone: entries without data cost nothing.
func payloadSize(_ entries: some Sequence<Entry>) -> UInt64 {
    entries.reduce(0) { $0 + UInt64($1.data.count) }
}
