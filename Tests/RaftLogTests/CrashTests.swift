// The power fails at every single operation of a workload, with several dice: what was acknowledged is there, and
// nothing that was never appended.

import Base
import FileIO
import RaftWire
import SimulatedDisk
import Testing

@testable import RaftLog

/// Saves, snapshots, cuts and purges, noting what is promised.
private struct Workload {
    var records: [Appended] = []
    /// How many of the records were acknowledged as durable.
    var durable = 0
    var created = false
    var failure: WALError?

    static let options = WriteAheadLog.Options(segmentSizeBytes: 2048)
    static let configuration = ConfState(voters: [1, 2, 3])

    mutating func run(_ disk: SimulatedDisk, seed: UInt64, rounds: Int = 24) {
        do throws(WALError) {
            try runThrowing(disk, seed: seed, rounds: rounds)
        } catch {
            failure = error
        }
    }

    private mutating func runThrowing(_ disk: SimulatedDisk, seed: UInt64, rounds: Int) throws(WALError) {
        var random = SeededRandom(seed: seed)
        try prepareDirectories(disk)
        var log = try WriteAheadLog.create(disk, "data/member/wal", metadata: "meta", options: Self.options)
        created = true
        var index: UInt64 = 0
        var term: Term = 1
        for round in 1...rounds {
            if random.next() % 5 == 0 { term += 1 }
            // A new leader may replace what is not committed.
            if random.next() % 4 == 0 && index > 2 { index -= random.next() % 2 }
            for _ in 0..<1 + random.next() % 3 {
                var entries: [Entry] = []
                for _ in 0..<random.next() % 4 {
                    index += 1
                    entries.append(entry(index, term: term, text(Int(random.next() % 700), &random)))
                }
                let state = HardState(term: term, vote: term % 3 + 1, commit: index > 4 ? index - 4 : 0)
                records += entries.map { .entry($0) } + [.state(state)]
                log.append(entries, state)
            }
            if try log.commit().didSynchronize { durable = records.count }
            if round % 7 == 0, index > 10 {
                let snapshot = WALSnapshot(
                    index: index - 6,
                    term: self.term(of: index - 6),
                    confState: Self.configuration
                )
                records.append(.snapshot(snapshot))
                try log.saveSnapshot(snapshot)
                durable = records.count
                log.releaseSegments(before: snapshot.index)
                let purge = FilePurge(directory: "data/member/wal", suffix: ".wal", keep: 2, respectsLocks: true)
                do throws(FileError) {
                    _ = try purge.step(disk)
                } catch {
                    throw .file(error)
                }
                if round % 14 == 0 { try log.prepareNextSegment() }
            }
        }
        try log.close()
        durable = records.count
    }

    /// Whoever creates the data directory makes it durable; the log sees to its own directory only.
    private func prepareDirectories(_ disk: SimulatedDisk) throws(WALError) {
        do throws(FileError) {
            try disk.createDirectory("data/member", mode: 0o700)
            try disk.syncDirectory("")
            try disk.syncDirectory("data")
        } catch {
            throw .file(error)
        }
    }

    private func term(of index: LogIndex) -> Term {
        LogModel(records).entries.last { $0.index == index }?.term ?? 0
    }

    /// Restarts on what the accident left, judges it, and goes on.
    func verify(_ disk: SimulatedDisk) throws {
        guard try WALDirectory.holdsLog(disk, "data/member/wal") else {
            #expect(!created)
            try WriteAheadLog.create(disk, "data/member/wal", metadata: "meta").close()
            return
        }
        let snapshots = try WriteAheadLog.validSnapshots(disk, "data/member/wal")
        let start = try #require(snapshots.last)
        var log = try WriteAheadLog.open(disk, "data/member/wal", at: start, options: Self.options)
        let taken = log.takeContents()
        let contents = try #require(taken)
        #expect(contents.metadata == "meta")
        let found = LogModel(contents)
        let possible = durable...records.count
        #expect(possible.contains { LogModel(records[..<$0], from: start.index) == found })
        let promised = records[..<durable].compactMap { record -> LogIndex? in
            if case .snapshot(let snapshot) = record { snapshot.index } else { nil }
        }
        #expect(start.index >= promised.max() ?? 0)

        let last = found.entries.last?.index ?? start.index
        let more = entry(last + 1, term: 99, "after the accident")
        let state = HardState(term: 99, vote: 1, commit: found.hardState.commit)
        try log.save([more], state)
        try log.close()
        let again = try WriteAheadLog.read(disk, "data/member/wal", at: start)
        #expect(again.entries == found.entries + [more])
        #expect(again.hardState == state)
        #expect(again.tornTail == nil)
    }
}

@Suite struct CrashTests {
    @Test func undisturbedWorkloadKeepsEverything() throws {
        let disk = SimulatedDisk(seed: 1)
        var workload = Workload()
        workload.run(disk, seed: 1)
        #expect(workload.failure == nil)
        #expect(workload.durable == workload.records.count)
        disk.startTrace()
        try workload.verify(disk.crash())
        #expect(disk.operationCount > 100)
    }

    /// The workload of the crash enumeration meets every kind of step that can be interrupted.
    @Test func workloadTakesEveryStep() {
        let disk = SimulatedDisk(seed: 1)
        disk.startTrace()
        var workload = Workload()
        workload.run(disk, seed: 1)
        let steps = Set(disk.trace.map { $0.prefix { $0 != " " } })
        #expect(
            steps == ["mkdir", "create", "truncate", "fallocate", "write", "fdatasync", "fsync", "rename", "remove"]
        )
    }

    @Test(arguments: [1, 2, 3, 4])
    func powerFailureAtEveryOperation(seed: UInt64) throws {
        let whole = SimulatedDisk(seed: seed)
        var complete = Workload()
        complete.run(whole, seed: seed)
        for operation in 1...whole.operationCount {
            let disk = SimulatedDisk(seed: seed, faults: DiskFaults(powerFailsAtOperation: operation))
            var workload = Workload()
            workload.run(disk, seed: seed)
            for dice in 0..<3 as Range<UInt64> { try workload.verify(disk.crash(seed: seed * 1000 + dice)) }
        }
    }

    /// The machine fails again while it recovers, at every operation of recovering.
    @Test func powerFailureDuringRecovery() throws {
        for first in 40..<70 {
            let disk = SimulatedDisk(seed: 5, faults: DiskFaults(powerFailsAtOperation: first))
            var workload = Workload()
            workload.run(disk, seed: 5)
            for second in 1..<40 {
                let between = disk.crash(seed: UInt64(first))
                between.plan(DiskFaults(powerFailsAtOperation: second))
                do {
                    let start = try #require(try WriteAheadLog.validSnapshots(between, "data/member/wal").last)
                    try WriteAheadLog.open(between, "data/member/wal", at: start, options: Workload.options).close()
                    break
                } catch is WALError {
                    try workload.verify(between.crash(seed: UInt64(second)))
                }
            }
        }
    }

    /// Sectors torn within: the log opens with all that was promised, or says where it is damaged.
    @Test func tornSectorsAreNeverMisread() throws {
        var refused = 0
        var opened = 0
        for operation in stride(from: 30, to: 150, by: 1) {
            let disk = SimulatedDisk(seed: 6, faults: DiskFaults(powerFailsAtOperation: operation, tearsSectors: true))
            var workload = Workload()
            workload.run(disk, seed: 6)
            for dice in 0..<4 as Range<UInt64> {
                do {
                    try workload.verify(disk.crash(seed: dice))
                    opened += 1
                } catch WALError.damaged {
                    refused += 1
                }
            }
        }
        #expect(opened > refused * 4, "opened \(opened), refused \(refused)")
    }

    @Test func failedSynchronizationEndsTheLog() throws {
        let whole = SimulatedDisk(seed: 1)
        var complete = Workload()
        complete.run(whole, seed: 1)
        for number in 1...whole.synchronizationCount {
            let disk = SimulatedDisk(seed: 1, faults: DiskFaults(failingSynchronization: number))
            var workload = Workload()
            workload.run(disk, seed: 1)
            guard case .file(let error)? = workload.failure else {
                Issue.record("synchronization \(number): \(String(describing: workload.failure))")
                continue
            }
            #expect(error.reason == "input/output error")
            try workload.verify(disk.crash())
        }
    }

    @Test func unusableLogTouchesTheDiskNoMore() throws {
        let disk = SimulatedDisk(seed: 1)
        var log = try WriteAheadLog.create(disk, "wal", metadata: "meta")
        try log.save([entry(1)], HardState(term: 1, vote: 1, commit: 0))
        disk.plan(DiskFaults(failingSynchronization: disk.synchronizationCount + 1))
        #expect(throws: WALError.self) { try log.save([entry(2)], HardState()) }
        let operations = disk.operationCount
        let cause = FileError(
            operation: "fdatasync",
            path: "wal.tmp/0000000000000000-0000000000000000.wal",
            number: 5,
            reason: "input/output error"
        )
        #expect(throws: WALError.unusable(because: cause)) { try log.save([entry(3)], HardState()) }
        #expect(throws: WALError.unusable(because: cause)) { try log.commit() }
        #expect(throws: WALError.unusable(because: cause)) { try log.synchronizeAll() }
        let preparation = log.nextPreparation
        #expect(preparation == nil)
        try log.close()
        #expect(disk.operationCount == operations)
    }

    @Test func failedWriteIsCutOff() throws {
        let whole = SimulatedDisk(seed: 2)
        var complete = Workload()
        complete.run(whole, seed: 2)
        for number in 1...whole.writeCount {
            let disk = SimulatedDisk(seed: 2, faults: DiskFaults(failingWrite: number))
            var workload = Workload()
            workload.run(disk, seed: 2)
            #expect(workload.failure != nil)
            // The process ends, the machine doesn't.
            try workload.verify(disk.copy())
            try workload.verify(disk.crash())
        }
    }

    @Test func fullDiskIsAnErrorThatSaysSo() throws {
        for capacity in stride(from: 1000, to: 12_000, by: 250) as StrideTo<UInt64> {
            let disk = SimulatedDisk(seed: 3, faults: DiskFaults(capacityBytes: capacity))
            var workload = Workload()
            workload.run(disk, seed: 3)
            guard case .file(let error)? = workload.failure else { continue }
            #expect(error.reason == "no space left on device")
            let later = disk.copy()
            later.plan(DiskFaults())
            try workload.verify(later)
        }
    }
}
