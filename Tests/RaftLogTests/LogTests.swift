// Writing, going on, reopening: what a log promises on a disk that does as it is told.

import Base
import FileIO
import RaftWire
import SimulatedDisk
import Testing

@testable import RaftLog

@Suite struct LogTests {
    let disk = SimulatedDisk(seed: 1)
    let small = WriteAheadLog.Options(segmentSizeBytes: 1024)
    let configuration = ConfState(voters: [1])

    @Test func reopenedLogSaysWhatWasSaved() throws {
        var log = try WriteAheadLog.create(disk, "member/wal", metadata: "meta", options: small)
        var random = SeededRandom(seed: 3)
        var saved: [Appended] = []
        for index in 1...60 as ClosedRange<UInt64> {
            let next = entry(index, term: 1 + index / 20, text(Int(index) * 3, &random))
            let state = HardState(term: 1 + index / 20, vote: 9, commit: index - 1)
            try log.save([next], state)
            saved += [.entry(next), .state(state)]
        }
        try log.close()
        #expect(try disk.list("member/wal").count > 5)

        var again = try WriteAheadLog.open(disk, "member/wal", at: origin, options: small)
        let taken = again.takeContents()
        let contents = try #require(taken)
        let secondTime = again.takeContents()
        #expect(secondTime == nil)
        #expect(LogModel(contents) == LogModel(saved))
        #expect(contents.metadata == "meta")
        #expect(contents.tornTail == nil)
        #expect(again.hardState == contents.hardState)
        #expect(again.lastIndex == 60)

        let more = entry(61, term: 4, "more")
        try again.save([more], HardState(term: 4, vote: 0, commit: 60))
        try again.close()
        saved += [.entry(more), .state(HardState(term: 4, vote: 0, commit: 60))]
        #expect(LogModel(try WriteAheadLog.read(disk, "member/wal", at: origin)) == LogModel(saved))
    }

    @Test func laterEntriesReplaceEarlierOnes() throws {
        var log = try WriteAheadLog.create(disk, "wal", metadata: "meta")
        try log.save(
            [entry(1), entry(2), entry(3), entry(4)],
            HardState(term: 1, vote: 1, commit: 1)
        )
        try log.save([entry(3, term: 2, "other")], HardState(term: 2, vote: 2, commit: 1))
        try log.close()
        let contents = try WriteAheadLog.read(disk, "wal", at: origin)
        #expect(contents.entries == [entry(1), entry(2), entry(3, term: 2, "other")])
        #expect(contents.hardState == HardState(term: 2, vote: 2, commit: 1))
    }

    @Test func batchIsOneWriteAndOneSynchronization() throws {
        var log = try WriteAheadLog.create(disk, "wal", metadata: "meta")
        let (writes, synchronizations) = (disk.writeCount, disk.synchronizationCount)
        for index in 1...100 as ClosedRange<UInt64> {
            log.append([entry(index)], HardState(term: 1, vote: 1, commit: index - 1))
        }
        #expect(disk.writeCount == writes)
        let commit = try log.commit()
        #expect(commit.didSynchronize)
        #expect(commit.bytesWritten > 100 * 32)
        #expect(disk.writeCount == writes + 1)
        #expect(disk.synchronizationCount == synchronizations + 1)
        #expect(try log.commit() == .init())
        #expect(disk.writeCount == writes + 1)
    }

    @Test func commitIndexAloneIsNotSynchronized() throws {
        var log = try WriteAheadLog.create(disk, "wal", metadata: "meta")
        try log.save([entry(1)], HardState(term: 1, vote: 1, commit: 0))
        let before = disk.synchronizationCount
        let commit = try log.save([], HardState(term: 1, vote: 1, commit: 1))
        #expect(!commit.didSynchronize)
        #expect(disk.synchronizationCount == before)
        #expect(try log.save([], HardState(term: 1, vote: 2, commit: 1)).didSynchronize)
        #expect(try log.save([], HardState(term: 2, vote: 2, commit: 1)).didSynchronize)
        #expect(disk.synchronizationCount == before + 2)
        try log.save([], HardState())
        #expect(disk.synchronizationCount == before + 2)
    }

    @Test func unsafeLogNeverSynchronizesItsData() throws {
        var log = try WriteAheadLog.create(
            disk,
            "wal",
            metadata: "meta",
            options: .init(segmentSizeBytes: 4096, unsafeNoSynchronization: true)
        )
        let before = disk.synchronizationCount
        try log.save([entry(1)], HardState(term: 1, vote: 1, commit: 0))
        #expect(disk.synchronizationCount == before)
    }

    @Test func readingFromASnapshotSkipsWhatIsBefore() throws {
        var log = try WriteAheadLog.create(disk, "wal", metadata: "meta", options: small)
        for index in 1...50 as ClosedRange<UInt64> {
            try log.save(
                [entry(index, "some text for the entry")],
                HardState(term: 1, vote: 1, commit: index)
            )
            if index == 30 { try log.saveSnapshot(WALSnapshot(index: 30, term: 1, confState: configuration)) }
        }
        try log.saveSnapshot(WALSnapshot(index: 60, term: 1, confState: configuration))
        try log.close()

        let start = WALSnapshot(index: 30, term: 1, confState: nil)
        let contents = try WriteAheadLog.read(disk, "wal", at: start)
        #expect(contents.entries.map(\.index) == Array(31...50))
        #expect(contents.snapshots.map(\.index) == [30, 60])
        #expect(contents.snapshots.first?.confState == configuration)
        // The snapshot at 60 is beyond the commit index: it was never installed.
        #expect(try WriteAheadLog.validSnapshots(disk, "wal").map(\.index) == [0, 30])

        #expect(throws: WALError.snapshotNotFound(.init(WALSnapshot(index: 31, term: 1, confState: nil)))) {
            try WriteAheadLog.read(disk, "wal", at: WALSnapshot(index: 31, term: 1, confState: nil))
        }
        #expect(
            throws: WALError.snapshotMismatch(.init(WALSnapshot(index: 30, term: 2, confState: nil)), recordedTerm: 1)
        ) {
            try WriteAheadLog.read(disk, "wal", at: WALSnapshot(index: 30, term: 2, confState: nil))
        }
    }

    @Test func snapshotAheadOfTheLogNamesTheNextSegment() throws {
        var log = try WriteAheadLog.create(disk, "wal", metadata: "meta", options: .init(segmentSizeBytes: 256))
        try log.saveSnapshot(WALSnapshot(index: 1000, term: 3, confState: configuration))
        try log.save([entry(1001, term: 3, text(300))], HardState(term: 3, vote: 0, commit: 1000))
        #expect(log.tailPath == "wal/0000000000000001-00000000000003ea.wal")
        try log.close()
        let contents = try WriteAheadLog.read(disk, "wal", at: WALSnapshot(index: 1000, term: 3, confState: nil))
        #expect(contents.entries.map(\.index) == [1001])
    }

    @Test func releasedSegmentsCanBePurgedAndTheRestReopened() throws {
        var log = try WriteAheadLog.create(disk, "wal", metadata: "meta", options: small)
        for index in 1...100 as ClosedRange<UInt64> {
            try log.save([entry(index, text(100))], HardState(term: 1, vote: 1, commit: index))
        }
        let purge = FilePurge(directory: "wal", suffix: ".wal", keep: 2, respectsLocks: true)
        let all = try disk.list("wal").filter { $0.hasSuffix(".wal") }
        #expect(try purge.step(disk) == .init(removed: [], locked: all[0]))

        try log.saveSnapshot(WALSnapshot(index: 90, term: 1, confState: configuration))
        log.releaseSegments(before: 90)
        let kept = all.lastIndex { (WALFileName($0)?.firstIndex ?? 0) < 90 } ?? 0
        #expect(kept > 3)
        #expect(try purge.step(disk) == .init(removed: Array(all[..<kept]), locked: all[kept]))
        log.releaseSegments(before: 1_000_000)
        try log.close()

        #expect(throws: WALError.noFile(snapshotIndex: 0)) { try WriteAheadLog.read(disk, "wal", at: origin) }
        let contents = try WriteAheadLog.read(disk, "wal", at: WALSnapshot(index: 90, term: 1, confState: nil))
        #expect(contents.entries.map(\.index) == Array(91...100))
        #expect(try WriteAheadLog.validSnapshots(disk, "wal").map(\.index) == [90])
    }

    @Test func openLogIsLocked() throws {
        let log = try WriteAheadLog.create(disk, "wal", metadata: "meta")
        #expect(throws: WALError.locked(path: firstSegment())) {
            _ = try WriteAheadLog.open(disk, "wal", at: origin)
        }
        #expect(try WriteAheadLog.read(disk, "wal", at: origin).entries.isEmpty)
        try log.close()
        _ = try WriteAheadLog.open(disk, "wal", at: origin)
    }

    @Test func creationRefusesAnExistingLogAndSweepsAnUnfinishedOne() throws {
        try disk.createDirectory("wal.tmp", mode: 0o700)
        _ = try disk.open("wal.tmp/rubbish", .createNew)
        try disk.createDirectory("wal", mode: 0o700)
        try WriteAheadLog.create(disk, "wal", metadata: "meta").close()
        #expect(try disk.list("") == ["wal"])
        #expect(throws: WALError.exists(directory: "wal")) {
            _ = try WriteAheadLog.create(disk, "wal", metadata: "meta")
        }
    }

    @Test func missingFilesAreNamed() throws {
        try disk.createDirectory("wal", mode: 0o700)
        #expect(throws: WALError.noFiles(directory: "wal")) { _ = try WriteAheadLog.open(disk, "wal", at: origin) }
        #expect(throws: WALError.noFiles(directory: "wal")) { try WriteAheadLog.validSnapshots(disk, "wal") }

        var log = try WriteAheadLog.create(disk, "wal", metadata: "meta", options: .init(segmentSizeBytes: 200))
        for index in 1...10 as ClosedRange<UInt64> {
            try log.save([entry(index, text(80))], HardState())
        }
        try log.close()
        let names = try disk.list("wal")
        try disk.remove("wal/" + names[2])
        #expect(throws: WALError.sequenceGap(directory: "wal", from: 0)) {
            try WriteAheadLog.read(disk, "wal", at: origin)
        }
    }

    @Test func metadataMustAgreeInAllSegments() throws {
        for (directory, metadata) in [("one", "meta"), ("two", "beta")] as [(String, Bytes)] {
            var log = try WriteAheadLog.create(
                disk,
                directory,
                metadata: metadata,
                options: .init(segmentSizeBytes: 64)
            )
            try log.save([entry(1)], HardState(term: 1, vote: 1, commit: 0))
            try log.close()
        }
        let second = "0000000000000001-0000000000000002.wal"
        try disk.rename("two/" + second, to: "one/" + second)
        // The foreign segment's own chain of checksums gives it away first.
        let error = #expect(throws: WALError.self) { try WriteAheadLog.read(disk, "one", at: origin) }
        guard case .damaged(let damage)? = error, case .checksum = damage.reason else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(damage.path == "one/" + second)
        #expect(damage.offset == 0)
    }

    @Test func recordsThatCannotBeAreRefused() throws {
        let cases: [(WALRecordType, Bytes, WALDamage.Reason)] = [
            (.metadata, "beta", .conflictingMetadata),
            (.entry, entry(2).encoded(), .entryGap(snapshot: .init(origin), index: 2, term: 1, read: 0)),
            (.entry, entry(1, term: 0).encoded(), .implausible("entry without term or index")),
            (.state, entry(1).encoded(), .implausible("hard state of term 0 after term 0")),
            (.crc, "data", .implausible("checksum record with data")),
        ]
        for (number, (type, data, reason)) in cases.enumerated() {
            var log = try WriteAheadLog.create(disk, "wal\(number)", metadata: "meta")
            let offset = log.offset
            log.encoder.append(type, data)
            try log.commit()
            try log.close()
            let damage = WALDamage(path: firstSegment("wal\(number)"), offset: offset, reason: reason)
            #expect(throws: WALError.damaged(damage)) { try WriteAheadLog.read(disk, "wal\(number)", at: origin) }
        }
    }

    @Test func errorsSpeakAsEtcdDoes() {
        let position = WALSnapshotPosition(WALSnapshot(index: 5, term: 2, confState: nil))
        let sentences: [(WALDamage.Reason, String)] = [
            (.checksum(recorded: 0xab, computed: 0x1), "walpb: crc mismatch: expected: ab computed: 1"),
            (
                .tooLong(record: 900, padding: 4, fileSize: 512, offset: 64),
                "wal: max entry size limit exceeded, recBytes: 900, fileSize(512) - offset(64) - padBytes(4) = entryLimit(444)"
            ),
            (
                .entryGap(snapshot: position, index: 9, term: 3, read: 1),
                "wal: slice bounds out of range, snapshot[Index: 5, Term: 2], current entry[Index: 9, Term: 3], len(ents): 1"
            ),
            (.unknownType(77), "unexpected block type 77"),
            (.conflictingMetadata, "wal: conflicting metadata found"),
        ]
        for (reason, sentence) in sentences {
            #expect(
                WALError.damaged(WALDamage(path: "a.wal", offset: 64, reason: reason)).description
                    == sentence + ": in file 'a.wal' at position: 64"
            )
        }
        #expect(
            WALError.noFile(snapshotIndex: 3).description == "wal: file not found which matches the snapshot index '3'"
        )
        #expect(WALError.snapshotNotFound(position).description == "wal: snapshot not found")
    }

    private func text(_ count: Int) -> Bytes { Bytes([UInt8](repeating: 0x61, count: count)) }

    private func text(_ count: Int, _ random: inout SeededRandom) -> Bytes {
        Bytes((0..<count).map { _ in UInt8(truncatingIfNeeded: random.next() % 94) + 33 })
    }
}
