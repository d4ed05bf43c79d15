import Base
import RaftWire
import Testing

@testable import Raft

func entries(_ terms: [Term], from first: LogIndex = 1) -> [Entry] {
    terms.enumerated().map {
        Entry(term: $1, index: first + LogIndex($0), data: Bytes("\($1)/\(first + LogIndex($0))"))
    }
}

@Suite("Runs of entries")
struct EntryRunTests {
    @Test("a run behaves like an array that loses its front")
    func model() {
        var random = SeededRandom(seed: 1)
        var run = EntryRun(start: 1)
        var model: [Entry] = []
        var next: LogIndex = 1
        for _ in 0..<3_000 {
            switch random.next() % 5 {
            case 0, 1:
                let new = entries([Term](repeating: random.next() % 5, count: Int(random.next() % 40)), from: next)
                run.append(new[...])
                model += new
                next += LogIndex(new.count)
            case 2, 3:
                let index = run.start + random.next() % (UInt64(run.count) + 1)
                run.removeAll(before: index)
                model.removeAll { $0.index < index }
            default:
                let index = run.end - min(UInt64(run.count), random.next() % 10)
                run.removeAll(from: index)
                model.removeAll { $0.index >= index }
                next = index
            }
            #expect(run.count == model.count)
            #expect(run.end == next)
            #expect(Array(run.slice(run.start..<run.end)) == model)
            if let first = model.first { #expect(run[first.index] == first) }
        }
    }
}

@Suite("The log window")
struct MemoryStorageTests {
    private func storage() throws -> MemoryStorage {
        try MemoryStorage(
            snapshot: Snapshot(metadata: SnapshotMetadata(index: 3, term: 3)),
            entries: entries([4, 5, 6], from: 4)
        )
    }

    @Test("terms are known from the compacted entry on")
    func terms() throws {
        let storage = try storage()
        #expect(storage.firstIndex == 4 && storage.lastIndex == 6)
        #expect(throws: StorageError.compacted) { try storage.term(2) }
        #expect(try storage.term(3) == 3)
        #expect(try storage.term(6) == 6)
        #expect(throws: StorageError.unavailable) { try storage.term(7) }
    }

    @Test("entries come up to a size, but at least one")
    func sizes() throws {
        let storage = try storage()
        let size = entries([4], from: 4)[0].limitedSize
        #expect(throws: StorageError.compacted) { try storage.entries(from: 3, to: 5) }
        #expect(throws: StorageError.unavailable) { try storage.entries(from: 4, to: 8) }
        #expect(try storage.entries(from: 4, to: 7).map(\.index) == [4, 5, 6])
        #expect(try storage.entries(from: 4, to: 7, sizeMax: 0).map(\.index) == [4])
        #expect(try storage.entries(from: 4, to: 7, sizeMax: 2 * size).map(\.index) == [4, 5])
        #expect(try storage.entries(from: 4, to: 7, sizeMax: 3 * size - 1).map(\.index) == [4, 5])
        #expect(try storage.entries(from: 4, to: 7, sizeMax: 3 * size).map(\.index) == [4, 5, 6])
    }

    @Test("appended entries replace the tail from their first index on")
    func appending() throws {
        func appended(_ new: [Entry]) throws -> [Entry] {
            var storage = try storage()
            try storage.append(new)
            return try storage.entries(from: 4, to: storage.lastIndex + 1)
        }
        #expect(try appended(entries([7], from: 7)).map(\.term) == [4, 5, 6, 7])
        #expect(try appended(entries([7], from: 5)).map(\.term) == [4, 7])
        #expect(try appended(entries([1, 1], from: 1)).map(\.term) == [4, 5, 6])
        #expect(try appended(entries([3, 7, 7], from: 3)).map(\.term) == [7, 7])
        #expect(throws: StorageError.gap(last: 6, appended: 8)) { try appended(entries([7], from: 8)) }
        #expect(throws: StorageError.gap(last: 1, appended: 3)) {
            try MemoryStorage(entries: entries([1], from: 1) + entries([1], from: 3))
        }
    }

    @Test("compaction keeps the last term; a snapshot stands for what is gone")
    func compaction() throws {
        var storage = try storage()
        try storage.createSnapshot(index: 5, confState: ConfState(voters: [1]), data: "state")
        #expect(storage.firstIndex == 4)
        #expect(storage.snapshot.metadata == SnapshotMetadata(confState: ConfState(voters: [1]), index: 5, term: 5))
        #expect(throws: StorageError.snapshotOutOfDate) {
            try storage.createSnapshot(index: 5, confState: nil, data: "")
        }
        try storage.compact(to: 5)
        #expect(storage.firstIndex == 6 && storage.lastIndex == 6)
        #expect(try storage.term(5) == 5)
        #expect(throws: StorageError.compacted) { try storage.compact(to: 5) }
        #expect(throws: StorageError.unavailable) { try storage.compact(to: 7) }
        try storage.createSnapshot(index: 6, confState: nil, data: "later")
        #expect(storage.snapshot.metadata.confState == ConfState(voters: [1]))

        try storage.applySnapshot(Snapshot(metadata: SnapshotMetadata(index: 20, term: 9)))
        #expect(storage.firstIndex == 21 && storage.lastIndex == 20)
        #expect(try storage.term(20) == 9)
        #expect(throws: StorageError.snapshotOutOfDate) {
            try storage.applySnapshot(Snapshot(metadata: SnapshotMetadata(index: 20, term: 9)))
        }
    }
}

@Suite("The replicated log")
struct ReplicatedLogTests {
    private func log(stored: [Term], unsaved: [Term], applyingSizeMax: UInt64 = .max) throws -> ReplicatedLog {
        var log = ReplicatedLog(try MemoryStorage(entries: entries(stored)), applyingSizeMax: applyingSizeMax)
        var lines = RaftLogLines(minimumLevel: .debug)
        log.append(entries(unsaved, from: LogIndex(stored.count) + 1), &lines)
        return log
    }

    @Test("stored and unsaved entries read as one log")
    func seam() throws {
        let log = try log(stored: [1, 1, 2], unsaved: [2, 3, 3])
        #expect(log.last == EntryPosition(term: 3, index: 6))
        #expect((0...7).map { log.term(at: $0) } == [0, 1, 1, 2, 2, 3, 3, nil])
        for from in LogIndex(1)...6 {
            for to in from...7 {
                #expect(log.entries(from: from, to: to, sizeMax: .max)?.map(\.index) == Array(from..<to))
            }
        }
        let size = entries([1])[0].limitedSize
        for count in UInt64(1)...6 {
            #expect(log.entries(from: 1, to: 7, sizeMax: count * size)?.count == Int(count))
            #expect(log.entries(from: 1, to: 7, sizeMax: count * size - 1)?.count == max(1, Int(count) - 1))
        }
    }

    @Test("entries behind a matching position are appended, from the first that differs")
    func appending() throws {
        // (previous term, previous index, new terms, leader's commit) → last index, terms, commit.
        let cases: [(Term, LogIndex, [Term], LogIndex, LogIndex?, [Term], LogIndex)] = [
            (3, 3, [4], 3, 4, [1, 2, 3, 4], 3), (4, 3, [4], 3, nil, [1, 2, 3], 1), (3, 4, [4], 4, nil, [1, 2, 3], 1),
            (3, 3, [], 9, 3, [1, 2, 3], 3), (0, 0, [], 9, 0, [1, 2, 3], 1), (1, 1, [2], 9, 2, [1, 2, 3], 2),
            (1, 1, [4], 1, 2, [1, 4], 1), (1, 1, [4, 4], 9, 3, [1, 4, 4], 3), (2, 2, [3, 4], 3, 4, [1, 2, 3, 4], 3),
        ]
        for (term, index, new, commit, last, terms, committed) in cases {
            var log = try log(stored: [1, 2], unsaved: [3])
            var lines = RaftLogLines(minimumLevel: .debug)
            log.setCommitted(1)
            let result = try log.append(
                entries(new, from: index + 1),
                behind: EntryPosition(term: term, index: index),
                commit: commit,
                &lines
            )
            #expect(result == last)
            #expect(log.entries(from: 1, to: log.lastIndex + 1, sizeMax: .max)?.map(\.term) == terms)
            #expect(log.committed == committed)
        }
    }

    @Test("committed entries are never replaced, and nothing is committed that is not there")
    func contradictions() throws {
        var log = try log(stored: [1, 2], unsaved: [3])
        var lines = RaftLogLines(minimumLevel: .debug)
        log.setCommitted(3)
        #expect(throws: RaftError.inconsistentLog("entry 2 conflict with committed entry [committed(3)]")) {
            try log.append(entries([9], from: 2), behind: EntryPosition(term: 1, index: 1), commit: 0, &lines)
        }
        #expect(throws: RaftError.self) { try log.commit(to: 4) }
        #expect(log.committed == 3)
        try log.commit(to: 1)
        #expect(log.committed == 3)
    }

    @Test("where logs can match follows from their terms alone")
    func lastPossibleMatch() throws {
        let log = try log(stored: [2, 2, 5, 5], unsaved: [5])
        #expect(log.lastPossibleMatch(upTo: 5, term: 5) == EntryPosition(term: 5, index: 5))
        #expect(log.lastPossibleMatch(upTo: 5, term: 4) == EntryPosition(term: 2, index: 2))
        #expect(log.lastPossibleMatch(upTo: 5, term: 1) == EntryPosition(term: 0, index: 0))
        #expect(log.lastPossibleMatch(upTo: 9, term: 1) == EntryPosition(term: 0, index: 9))
    }

    @Test("saved entries leave the unsaved part, unless they have been replaced")
    func saving() throws {
        var log = try log(stored: [1], unsaved: [2, 2])
        var lines = RaftLogLines(minimumLevel: .debug)
        log.handOutUnstable()
        #expect(!log.unstable.hasNextEntries)
        log.saved(index: 3, term: 9, &lines)
        log.saved(index: 7, term: 2, &lines)
        #expect(log.unstable.count == 2)
        log.saved(index: 2, term: 2, &lines)
        #expect(log.unstable.start == 3)
        log.append(entries([5], from: 3), &lines)
        #expect(log.unstable.nextEntries.map(\.term) == [5])
        #expect(
            lines.drain().map(\.text) == [
                "entry at (index,term)=(3,9) mismatched with entry at (3,2) in unstable log; ignoring",
                "entry at index 7 missing from unstable log; ignoring",
                "replace the unstable entries from index 3",
            ]
        )
    }

    @Test("applying is handed out in pieces of limited size, and paused until it is answered")
    func applying() throws {
        let size = entries([1])[0].limitedSize
        var log = try log(stored: [1, 1, 1], unsaved: [1, 1], applyingSizeMax: 2 * size)
        log.setCommitted(5)
        let first = log.nextCommitted(allowUnstable: false)
        #expect(first.map(\.index) == [1, 2])
        log.handOutCommitted(first, allowUnstable: false)
        #expect(!log.hasNextCommitted(allowUnstable: false))
        log.setApplied(2, size: 2 * size)
        let second = log.nextCommitted(allowUnstable: false)
        #expect(second.map(\.index) == [3])
        log.handOutCommitted(second, allowUnstable: false)
        // What is not saved here is not applied here.
        #expect(!log.hasNextCommitted(allowUnstable: false))
        #expect(log.nextCommitted(allowUnstable: true).map(\.index) == [4])
    }

    @Test("behind a snapshot the log begins anew, and nothing is applied before it")
    func restoring() throws {
        var log = try log(stored: [1, 1], unsaved: [1])
        var lines = RaftLogLines(minimumLevel: .debug)
        log.restore(Snapshot(metadata: SnapshotMetadata(index: 9, term: 4)), &lines)
        #expect(log.firstIndex == 10 && log.last == EntryPosition(term: 4, index: 9))
        #expect(!log.hasNextCommitted(allowUnstable: true))
        log.savedSnapshot(9)
        try log.storage.applySnapshot(Snapshot(metadata: SnapshotMetadata(index: 9, term: 4)))
        #expect(log.last == EntryPosition(term: 4, index: 9))
    }
}
