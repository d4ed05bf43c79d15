// Torn tails are cut, damage is refused, nothing is invented: byte by byte over small logs.

import Base
import FileIO
import RaftWire
import SimulatedDisk
import Testing

@testable import RaftLog

@Suite struct DamageTests {
    let options = WriteAheadLog.Options(segmentSizeBytes: 8192)

    /// A log with a few saves; the records of each, and where each ends.
    private func build(_ disk: SimulatedDisk, lastBatch: Int = 1) throws -> (saves: [[Appended]], ends: [Int]) {
        var random = SeededRandom(seed: 11)
        var log = try WriteAheadLog.create(disk, "wal", metadata: "meta", options: options)
        var saves: [[Appended]] = []
        var ends: [Int] = [Int(log.offset)]
        var index: UInt64 = 0
        for round in 0..<5 {
            var entries: [Entry] = []
            for _ in 0..<(round == 4 ? lastBatch : 2) {
                index += 1
                entries.append(entry(index, term: 3, text(20 + Int(random.next() % 30), &random)))
            }
            let state = HardState(term: 3, vote: 0x1234_5678_9abc, commit: index - 1)
            try log.save(entries, state)
            saves.append(entries.map { .entry($0) } + [.state(state)])
            ends.append(Int(log.offset))
        }
        try log.close()
        return (saves, ends)
    }

    /// Opens, checks the contents against every front part of the records that keeps the first `kept` saves, goes on,
    /// and reads it all again.
    private func openAndGoOn(_ disk: SimulatedDisk, _ saves: [[Appended]], keeping kept: Int) throws {
        var log = try WriteAheadLog.open(disk, "wal", at: origin, options: options)
        let taken = log.takeContents()
        let contents = try #require(taken)
        let found = LogModel(contents)
        let sure = saves[..<kept].flatMap { $0 }
        let all = saves.flatMap { $0 }
        #expect((sure.count...all.count).contains { LogModel(all[..<$0]) == found })
        let next = entry(UInt64(found.entries.count) + 1, term: 9, "after the accident")
        let state = HardState(term: 9, vote: 1, commit: 0)
        try log.save([next], state)
        try log.close()
        let again = LogModel(try WriteAheadLog.read(disk, "wal", at: origin))
        #expect(again.entries == found.entries + [next])
        #expect(again.hardState == state)
    }

    @Test func fileThatEndsAnywhereInTheLastBatchIsCut() throws {
        let disk = SimulatedDisk(seed: 1)
        let (saves, ends) = try build(disk, lastBatch: 12)
        for size in ends[4]..<ends[5] {
            let copy = disk.copy()
            try copy.truncate(firstSegment(), to: size)
            try openAndGoOn(copy, saves, keeping: 4)
            // Cutting leaves a copy of what was there, unless the file ended between two frames.
            if size % 8 != 0 { #expect(try copy.contents(of: firstSegment() + ".broken").count == size) }
        }
    }

    @Test func anySectorsOfTheLastBatchMayBeMissing() throws {
        let disk = SimulatedDisk(seed: 1)
        let (saves, ends) = try build(disk, lastBatch: 60)
        let before = try disk.contents(of: firstSegment())
        let sectors = Array(ends[4] / 512...(ends[5] - 1) / 512)
        #expect(sectors.count > 5)
        for subset in 1..<(1 << sectors.count) {
            let copy = disk.copy()
            for (bit, sector) in sectors.enumerated() where subset >> bit & 1 == 1 {
                let start = max(sector * 512, ends[4])
                let length = min((sector + 1) * 512, before.count) - start
                try copy.overwrite(firstSegment(), at: start, with: Bytes([UInt8](repeating: 0, count: length)))
            }
            try openAndGoOn(copy, saves, keeping: 4)
        }
    }

    /// A tear within a sector is more than disks do. It may be refused, never misread.
    @Test func zeroesFromAnyByteOnAreCutOrRefused() throws {
        let disk = SimulatedDisk(seed: 1)
        let (saves, ends) = try build(disk, lastBatch: 20)
        var refused = 0
        for start in ends[4]..<ends[5] {
            let copy = disk.copy()
            try copy.overwrite(firstSegment(), at: start, with: Bytes([UInt8](repeating: 0, count: ends[5] - start)))
            do {
                try openAndGoOn(copy, saves, keeping: 4)
            } catch let error as WALError {
                guard case .damaged(let damage) = error else { throw error }
                #expect(damage.path == firstSegment())
                #expect(Int(damage.offset) >= ends[4] && Int(damage.offset) <= start)
                refused += 1
            }
        }
        #expect(refused < ends[5] - ends[4])
    }

    @Test func everyFlippedBitIsRefusedOrHarmless() throws {
        let disk = SimulatedDisk(seed: 1)
        let (saves, ends) = try build(disk, lastBatch: 12)
        let whole = LogModel(saves.flatMap { $0 })
        var refused = 0
        for offset in 0..<ends[5] + 600 {
            for bit in 0..<8 {
                let copy = disk.copy()
                #expect(copy.flipBit(of: firstSegment(), at: UInt64(offset), bit: bit))
                do {
                    let contents = try WriteAheadLog.read(copy, "wal", at: origin)
                    #expect(LogModel(contents) == whole, "byte \(offset) bit \(bit)")
                    #expect(contents.metadata == "meta", "byte \(offset) bit \(bit)")
                } catch {
                    guard case .damaged(let damage) = error else {
                        // The empty snapshot's record read as another index: not the one asked for.
                        if case .snapshotNotFound = error { continue }
                        Issue.record("byte \(offset) bit \(bit): \(error)")
                        continue
                    }
                    #expect(damage.path == firstSegment())
                    // Found in the frame itself, or in the next one at the latest.
                    #expect(Int(damage.offset) <= offset + 80)
                    #expect(offset < ends[5] + 8, "zeroes behind the log are none of its business")
                    refused += 1
                }
            }
        }
        // Nearly all bits matter: only the paddings don't.
        #expect(refused > ends[5] * 8 * 8 / 10)
    }

    /// A length field in a sector's last eight bytes may be lost while its record, in the next sector, is not.
    @Test func lengthLostAloneAtASectorsEndIsATornWrite() throws {
        let disk = SimulatedDisk(seed: 1)
        var log = try WriteAheadLog.create(disk, "wal", metadata: "meta", options: options)
        var random = SeededRandom(seed: 4)
        var index: UInt64 = 0
        while log.offset % 512 != 504 {
            index += 1
            try log.save([entry(index, text(Int(random.next() % 64), &random))], HardState())
        }
        let place = Int(log.offset)
        try log.save([entry(index + 1, text(100, &random))], HardState())
        try log.close()
        try disk.overwrite(firstSegment(), at: place, with: Bytes([UInt8](repeating: 0, count: 8)))
        log = try WriteAheadLog.open(disk, "wal", at: origin, options: options)
        let taken = log.takeContents()
        #expect(taken?.entries.count == Int(index))
        let offset = log.offset
        #expect(Int(offset) == place)
    }

    @Test func damageInAnEarlierSegmentIsNeverATornTail() throws {
        let disk = SimulatedDisk(seed: 1)
        var log = try WriteAheadLog.create(disk, "wal", metadata: "meta", options: .init(segmentSizeBytes: 2048))
        var random = SeededRandom(seed: 2)
        for index in 1...10 as ClosedRange<UInt64> {
            try log.save(
                [entry(index, text(1500, &random))],
                HardState(term: 1, vote: 1, commit: index - 1)
            )
        }
        try log.close()
        let size = try disk.contents(of: firstSegment()).count
        #expect(size > 2048)
        for cut in stride(from: 8, to: size, by: 13) {
            let copy = disk.copy()
            try copy.truncate(firstSegment(), to: cut)
            #expect(throws: WALError.self, "\(cut)") { try WriteAheadLog.read(copy, "wal", at: origin) }
        }
        let copy = disk.copy()
        try copy.overwrite(firstSegment(), at: 512, with: Bytes([UInt8](repeating: 0, count: 512)))
        let error = #expect(throws: WALError.self) { _ = try WriteAheadLog.open(copy, "wal", at: origin) }
        guard case .damaged(let damage)? = error, case .checksum = damage.reason else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(damage.offset == 64)
        #expect(try !copy.list("wal").contains { $0.hasSuffix(".broken") })
    }

    @Test func oldBytesBehindTheEndAreCleared() throws {
        let disk = SimulatedDisk(seed: 1)
        let (saves, ends) = try build(disk)
        try disk.overwrite(firstSegment(), at: ends[5] + 700, with: "something a lost sector left behind")
        try openAndGoOn(disk, saves, keeping: 5)
        let contents = try disk.contents(of: firstSegment())
        #expect(isZero(contents.dropFirst(ends[5] + 600)))
        #expect(try !disk.list("wal").contains { $0.hasSuffix(".broken") })
    }

    @Test func tornTailIsReportedWithItsCopy() throws {
        let disk = SimulatedDisk(seed: 1)
        let (_, ends) = try build(disk, lastBatch: 60)
        let last = ends[4] / 512 * 512 + 512
        try disk.overwrite(firstSegment(), at: last, with: Bytes([UInt8](repeating: 0, count: 512)))
        let before = try disk.contents(of: firstSegment())
        let contents = try WriteAheadLog.read(disk, "wal", at: origin)
        #expect(contents.tornTail?.path == firstSegment())
        #expect(contents.brokenCopy == nil)
        #expect(try disk.contents(of: firstSegment()) == before)

        var log = try WriteAheadLog.open(disk, "wal", at: origin, options: options)
        let taken = log.takeContents()
        #expect(taken?.brokenCopy == firstSegment() + ".broken")
        #expect(taken?.tornTail == contents.tornTail)
        #expect(try disk.contents(of: firstSegment() + ".broken") == before)
        #expect(try disk.contents(of: firstSegment()).count == before.count)
    }

    /// Random harm of all kinds: reading ends, in an error or with entries that were written.
    @Test(arguments: 0..<8)
    func mutatedLogsAreReadWithoutAccident(seed: UInt64) throws {
        let disk = SimulatedDisk(seed: 1)
        let (saves, ends) = try build(disk, lastBatch: 12)
        let written = saves.flatMap { $0 }
        let sound = try disk.contents(of: firstSegment()).prefix(ends[5] + 64).array
        var random = SeededRandom(seed: seed)
        for _ in 0..<400 {
            var bytes = sound
            for _ in 0...random.next() % 4 { mutate(&bytes, &random) }
            let file = try disk.open(firstSegment(), .createOrTruncate)
            try file.write(Bytes(bytes), at: 0)
            file.close()
            guard let contents = try? WriteAheadLog.read(disk, "wal", at: origin) else { continue }
            for entry in contents.entries { #expect(written.contains(.entry(entry))) }
        }
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
        guard !bytes.isEmpty else { return }
        let place = Int(random.next() % UInt64(bytes.count))
        let length = min(Int(random.next() % 64), bytes.count - place)
        switch random.next() % 6 {
        case 0: bytes[place] ^= 1 << UInt8(random.next() % 8)
        case 1: bytes[place] = UInt8(truncatingIfNeeded: random.next())
        case 2: bytes.removeSubrange(place..<place + length)
        case 3:
            bytes.insert(contentsOf: repeatElement(UInt8(truncatingIfNeeded: random.next()), count: length), at: place)
        case 4: bytes.removeLast(bytes.count - place)
        default:
            // A length field gone wild.
            let field = place / 8 * 8
            for byte in field..<min(field + 8, bytes.count) { bytes[byte] = UInt8(truncatingIfNeeded: random.next()) }
        }
    }
}
