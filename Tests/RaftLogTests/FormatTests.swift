// The bytes on disk, against frames put together by an independent program.

import Base
import FileIO
import RaftWire
import SimulatedDisk
import Testing
import Wire

@testable import RaftLog

@Suite struct FormatTests {
    static let created =
        "040000000000008408041000000000000e0000000000008208011095a19cd8011a046d65746100000e00000000000082080510f2c4f7fa01"
        + "1a04080010000000"
    static let saved =
        "1700000000000081080210f5dac8a4031a0d08001001180122056669727374001000000000000000080210f3e5e89e021a06080010011802"
        + "10000000000000000803108f95cbaa0f1a060801102a1801"
    static let secondSegment =
        "08000000000000000804108f95cbaa0f0e00000000000082080110d6cbdfe40b1a046d65746100001000000000000000080310a6ce96fb01"
        + "1a060801102a1801"

    @Test func createdLogBeginsWithChecksumMetadataAndEmptySnapshot() throws {
        let disk = SimulatedDisk(seed: 1)
        let log = try WriteAheadLog.create(disk, "wal", metadata: "meta")
        #expect(log.offset == 64)
        #expect(hex(try usedBytes(disk, firstSegment())) == Self.created)
        #expect(try disk.status(firstSegment())?.sizeBytes == 64_000_000)
        #expect(try disk.status(firstSegment())?.mode == 0o600)
        #expect(try disk.status("wal")?.mode == 0o700)
        #expect(try disk.list("") == ["wal"])
    }

    @Test func saveWritesEntriesThenState() throws {
        let disk = SimulatedDisk(seed: 1)
        var log = try WriteAheadLog.create(disk, "wal", metadata: "meta")
        try log.save([entry(1, "first"), entry(2, "")], HardState(term: 1, vote: 42, commit: 1))
        #expect(hex(try usedBytes(disk, firstSegment())) == Self.created + Self.saved)
    }

    @Test func cutCarriesChecksumMetadataAndStateOn() throws {
        let disk = SimulatedDisk(seed: 1)
        var log = try WriteAheadLog.create(disk, "wal", metadata: "meta", options: .init(segmentSizeBytes: 128))
        let commit = try log.save(
            [entry(1, "first"), entry(2, "")],
            HardState(term: 1, vote: 42, commit: 1)
        )
        #expect(commit.newSegment == "wal/0000000000000001-0000000000000003.wal")
        #expect(commit.didSynchronize)
        #expect(
            try disk.list("wal") == [
                "0000000000000000-0000000000000000.wal", "0000000000000001-0000000000000003.wal",
            ]
        )
        #expect(hex(try disk.contents(of: firstSegment())) == Self.created + Self.saved)
        #expect(hex(try usedBytes(disk, "wal/0000000000000001-0000000000000003.wal")) == Self.secondSegment)
        #expect(log.offset == UInt64(Self.secondSegment.utf8.count / 2))
    }

    @Test func preparedSegmentsAlternateTheirNames() throws {
        let disk = SimulatedDisk(seed: 1)
        var log = try WriteAheadLog.create(disk, "wal", metadata: "meta", options: .init(segmentSizeBytes: 100))
        try log.prepareNextSegment()
        #expect(try disk.list("wal").first == "0.tmp")
        #expect(try disk.status("wal/0.tmp")?.sizeBytes == 100)
        #expect(log.nextPreparation == nil)
        try log.save(
            [entry(1, "first"), entry(2, "second")],
            HardState(term: 1, vote: 1, commit: 1)
        )
        #expect(try !disk.list("wal").contains("0.tmp"))
        let next = log.nextPreparation
        let preparation = try #require(next)
        log.adopt(try preparation.run())
        #expect(try disk.list("wal").last == "1.tmp")
        try log.close()
        #expect(try !disk.list("wal").contains("1.tmp"))
    }

    @Test func leftoverOfAnInterruptedCutDoesNotShow() throws {
        let disk = SimulatedDisk(seed: 1)
        var log = try WriteAheadLog.create(disk, "wal", metadata: "meta", options: .init(segmentSizeBytes: 100))
        let leftover = try disk.open("wal/0.tmp", .createNew)
        try leftover.write(Bytes([UInt8](repeating: 0xee, count: 5000)), at: 0)
        leftover.close()
        try log.save([entry(1, "first")], HardState(term: 1, vote: 1, commit: 0))
        #expect(try disk.contents(of: "wal/0000000000000001-0000000000000002.wal").count == 100)
        try log.close()
        #expect(try WriteAheadLog.read(disk, "wal", at: origin).entries.count == 1)
    }

    /// Every data size modulo eight, and checksums of all varint lengths.
    @Test func framesAreAlignedAndRoundTrip() throws {
        var encoder = FrameEncoder(checksum: 0)
        var random = SeededRandom(seed: 7)
        var expected: [Bytes] = []
        encoder.appendChecksum()
        encoder.append(.metadata, "m")
        for round in 0..<3000 {
            let data = text(round % 40 + 1, &random)
            expected.append(data)
            encoder.append(.snapshot, data)
            #expect(encoder.count % 8 == 0)
        }
        let disk = SimulatedDisk(seed: 1)
        let file = try disk.open("segment", .createNew)
        try encoder.drain { (frames) throws(FileError) in try file.write(frames, at: 0) }
        let isDrained = encoder.isEmpty
        #expect(isDrained)
        var reader = try WALReader([
            OpenSegment(name: WALFileName(sequence: 0, firstIndex: 0), path: "segment", file: file)
        ])
        var read: [Bytes] = []
        reading: while true {
            switch try reader.next() {
            case .record(let record, _):
                if record.type == WALRecordType.snapshot.rawValue { read.append(record.data) }
            case .end(_, let torn):
                #expect(torn == nil)
                break reading
            }
        }
        #expect(read == expected)
        #expect(reader.checksum == encoder.checksum)
    }

    @Test func unpaddedFramesOfOldVersionsAreRead() throws {
        let disk = SimulatedDisk(seed: 1)
        var bytes: [UInt8] = []
        var checksum = CRC32C()
        func add(_ type: WALRecordType, _ data: Bytes) {
            checksum.update(data)
            var record = WireWriter()
            record.explicit(1, UInt64(type.rawValue))
            record.explicit(2, UInt64(checksum.value))
            record.field(3, data)
            for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: record.count >> (8 * shift))) }
            bytes += record.array
        }
        add(.crc, "")
        add(.metadata, "meta")
        add(.snapshot, origin.encoded())
        add(.entry, entry(1, "one").encoded())
        add(.entry, entry(2, "thirteen").encoded())
        add(.state, HardState(term: 1, vote: 5, commit: 2).encoded())
        try disk.createDirectory("wal", mode: 0o700)
        let file = try disk.open(firstSegment(), .createNew)
        try file.write(Bytes(bytes + [UInt8](repeating: 0, count: 500)), at: 0)
        file.close()

        var log = try WriteAheadLog.open(disk, "wal", at: origin)
        let taken = log.takeContents()
        let contents = try #require(taken)
        #expect(contents.entries == [entry(1, "one"), entry(2, "thirteen")])
        try log.save([entry(3, "new")], HardState())
        try log.close()
        #expect(try WriteAheadLog.read(disk, "wal", at: origin).entries.count == 3)
    }

    @Test func fileNames() {
        #expect(
            WALFileName(sequence: 0x1a, firstIndex: 0xffff_ffff_ffff_ffff).description
                == "000000000000001a-ffffffffffffffff.wal"
        )
        #expect(WALFileName("000000000000001a-00000000000000ff.wal") == WALFileName(sequence: 0x1a, firstIndex: 0xff))
        for wrong in [
            "0.tmp", "000000000000001a-00000000000000ff.wal.broken", "1a-ff.wal", "000000000000001a.wal", ".wal", "",
            "000000000000001a-00000000000000fg.wal", "000000000000001a-00000000000000ff-.wal",
            "+00000000000001a-00000000000000ff.wal",
        ] { #expect(WALFileName(wrong) == nil, "\(wrong)") }
    }
}
