// Snapshot files: what is saved is found again, newest first; what is broken is moved aside; litter is swept.

import Base
import FileIO
import RaftWire
import SimulatedDisk
import Testing

@testable import RaftLog

@Suite struct SnapshotFilesTests {
    let disk: SimulatedDisk
    let files: SnapshotFiles

    init() throws {
        disk = SimulatedDisk(seed: 1)
        try disk.createDirectory("snap", mode: 0o700)
        try disk.syncDirectory("")
        files = SnapshotFiles(disk, directory: "snap")
    }

    private func snapshot(_ index: LogIndex, term: Term = 2, _ data: Bytes = "{}") -> Snapshot {
        Snapshot(
            data: data,
            metadata: SnapshotMetadata(confState: ConfState(voters: [1, 2]), index: index, term: term)
        )
    }

    private func position(_ index: LogIndex, term: Term = 2) -> WALSnapshot {
        WALSnapshot(index: index, term: term, confState: nil)
    }

    @Test func savedSnapshotIsReadBack() throws {
        let name = try files.save(snapshot(0x1f, term: 3))
        #expect(name == "0000000000000003-000000000000001f.snap")
        #expect(try disk.list("snap") == ["0000000000000003-000000000000001f.snap"])
        #expect(try files.read("0000000000000003-000000000000001f.snap") == snapshot(0x1f, term: 3))
        let bytes = try disk.contents(of: "snap/0000000000000003-000000000000001f.snap")
        let data = snapshot(0x1f, term: 3).encoded()
        #expect(bytes[0] == 0x08)
        #expect(Array(bytes.array.suffix(data.count)) == data.array)
        #expect(try disk.crash().contents(of: "snap/0000000000000003-000000000000001f.snap") == bytes)
    }

    @Test func emptySnapshotIsNotWritten() throws {
        #expect(try files.save(Snapshot()) == nil)
        #expect(try disk.list("snap").isEmpty)
    }

    @Test func newestSoundSnapshotAmongThoseTheLogKnows() throws {
        for (index, term) in [(10, 1), (20, 2), (30, 2), (40, 3)] as [(UInt64, UInt64)] {
            try files.save(snapshot(index, term: term))
        }
        #expect(try files.loadNewest(matching: nil).snapshot == snapshot(40, term: 3))
        let loaded = try files.loadNewest(matching: [position(10, term: 1), position(30), position(40, term: 2)])
        #expect(loaded.snapshot == snapshot(30))
        #expect(loaded.name == "0000000000000002-000000000000001e.snap")
        #expect(loaded.broken.isEmpty)
        #expect(try files.loadNewest(matching: []).snapshot == nil)
    }

    @Test func brokenFilesAreMovedAside() throws {
        try files.save(snapshot(10))
        for (index, contents) in [(20, ""), (30, "no protobuf at all"), (40, "\u{12}\u{01}a")] as [(UInt64, Bytes)] {
            let file = try disk.open("snap/" + SnapshotFiles.name(term: 2, index: index), .createNew)
            try file.write(contents, at: 0)
        }
        let name = try #require(try files.save(snapshot(50)))
        #expect(disk.flipBit(of: "snap/" + name, at: 20, bit: 3))

        let loaded = try files.loadNewest(matching: nil)
        #expect(loaded.snapshot == snapshot(10))
        #expect(loaded.broken.map(\.name) == [50, 40, 30, 20].map { SnapshotFiles.name(term: 2, index: $0) })
        guard case .checksum? = loaded.broken.first?.fault else {
            Issue.record("\(loaded.broken)")
            return
        }
        #expect(loaded.broken.first?.fault.description == "snap: crc mismatch")
        #expect(loaded.broken.last?.fault.description == "snap: empty snapshot")
        #expect(try disk.list("snap").filter { $0.hasSuffix(".broken") }.count == 4)
        #expect(try files.loadNewest(matching: nil).broken.isEmpty)
    }

    @Test func everyFlippedBitOfASnapshotIsNoticedOrChangesNothing() throws {
        let sound = SnapshotFiles.encode(snapshot(77, "some state"))
        for offset in 0..<sound.count {
            for bit in 0..<8 as Range<UInt8> {
                var bytes = sound.array
                bytes[offset] ^= 1 << bit
                guard let decoded = try? SnapshotFiles.decode(Bytes(bytes)) else { continue }
                #expect(decoded == snapshot(77, "some state"), "byte \(offset) bit \(bit)")
            }
        }
    }

    @Test func powerFailureLeavesAWholeSnapshotOrNone() throws {
        let whole = disk.copy()
        try SnapshotFiles(whole, directory: "snap").save(snapshot(9, "contents of some length"))
        for operation in 1...whole.operationCount {
            for dice in 0..<4 as Range<UInt64> {
                let unlucky = disk.copy()
                unlucky.plan(DiskFaults(powerFailsAtOperation: operation))
                #expect(throws: FileError.self) {
                    try SnapshotFiles(unlucky, directory: "snap").save(snapshot(9, "contents of some length"))
                }
                let after = unlucky.crash(seed: dice)
                let left = SnapshotFiles(after, directory: "snap")
                let loaded = try left.loadNewest(matching: nil)
                #expect(loaded.broken.isEmpty)
                #expect(loaded.snapshot == nil || loaded.snapshot == snapshot(9, "contents of some length"))
                _ = try left.removeTemporaries()
                #expect(try after.list("snap").allSatisfy { $0.hasSuffix(".snap") })
            }
        }
    }

    @Test func receivedDatabases() throws {
        func receive(_ number: UInt64, _ index: LogIndex, _ contents: Bytes) throws {
            let path = files.temporaryPath(number: number)
            let file = try disk.open(path, .createOrTruncate)
            try file.write(contents, at: 0)
            try file.synchronizeData()
            file.close()
            try files.installDatabase(from: path, index: index)
        }
        try receive(1, 0x10, "sixteen")
        try receive(2, 0x10, "sixteen again")
        try receive(3, 0x20, "thirty-two")
        #expect(try disk.list("snap") == ["0000000000000010.snap.db", "0000000000000020.snap.db"])
        #expect(try disk.contents(of: files.databasePath(index: 0x10)) == "sixteen")
        #expect(try files.hasDatabase(index: 0x20))
        #expect(try !files.hasDatabase(index: 0x21))

        #expect(try files.removeDatabases(before: 0x20) == ["0000000000000010.snap.db"])
        try files.adoptDatabase(index: 0x20, as: "snap/db")
        let after = disk.crash()
        #expect(try after.list("snap") == ["db"])
        #expect(try after.contents(of: "snap/db") == "thirty-two")
    }

    @Test func litterIsSwept() throws {
        for name in ["db", "tmp123", "db.tmp.7", "0000000000000010.snap.db", "nonsense.snap.db", "other"] {
            try disk.open("snap/" + name, .createNew).close()
        }
        #expect(try files.removeTemporaries() == ["db.tmp.7", "tmp123"])
        #expect(try files.removeDatabases(before: 1000) == ["0000000000000010.snap.db"])
        #expect(try disk.list("snap") == ["db", "nonsense.snap.db", "other"])
    }
}

@Suite struct FilePurgeTests {
    @Test func surplusIsTheOldest() {
        let names = ["c.snap", "a.snap", "b.snap", "a.snap.db", "d.wal"]
        func purge(_ suffix: String, _ keep: Int) -> [String] {
            FilePurge(directory: "", suffix: suffix, keep: keep, respectsLocks: false).surplus(names)
        }
        #expect(purge(".snap", 1) == ["a.snap", "b.snap"])
        #expect(purge(".snap", 3).isEmpty)
        #expect(purge(".snap", 9).isEmpty)
        #expect(purge(".snap", 0).isEmpty)
        #expect(purge(".wal", 0).isEmpty)
    }

    @Test func stepStopsAtALockedFile() throws {
        let disk = SimulatedDisk(seed: 1)
        for name in ["1.wal", "2.wal", "3.wal", "4.wal", "5.wal"] { try disk.open(name, .createNew).close() }
        let holder = try disk.open("3.wal", .readWrite)
        #expect(try holder.tryLock())
        let purge = FilePurge(directory: "", suffix: ".wal", keep: 1, respectsLocks: true)
        #expect(try purge.step(disk) == .init(removed: ["1.wal", "2.wal"], locked: "3.wal"))
        #expect(try purge.step(disk) == .init(removed: [], locked: "3.wal"))
        holder.close()
        #expect(try purge.step(disk) == .init(removed: ["3.wal", "4.wal"], locked: nil))
        #expect(try disk.list("") == ["5.wal"])
    }
}
