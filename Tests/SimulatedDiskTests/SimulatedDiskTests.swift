// The simulated disk keeps what disks promise to keep and nothing more, and does so again for the same seed.

import Base
import FileIO
import SimulatedDisk
import Testing

@Suite struct SimulatedDiskTests {
    private func pattern(_ count: Int, _ byte: UInt8 = 0x61) -> Bytes { Bytes([UInt8](repeating: byte, count: count)) }

    /// A disk with a durable file "file" of `size` bytes 'a'.
    private func prepared(_ size: Int, _ faults: DiskFaults = DiskFaults()) throws -> (SimulatedDisk, any File) {
        let disk = SimulatedDisk(seed: 1, faults: faults)
        let file = try disk.open("file", .createNew)
        try file.write(pattern(size), at: 0)
        try file.synchronizeData()
        try disk.syncDirectory("")
        return (disk, file)
    }

    @Test func writesAreVisibleAtOnce() throws {
        let disk = SimulatedDisk(seed: 1)
        let file = try disk.open("file", .createNew)
        try file.write("hello", at: 10_000)
        #expect(try file.size() == 10_005)
        #expect(try file.read(count: 100, at: 10_002) == Array("llo".utf8))
        #expect(try disk.contents(of: "file").prefix(10_000) == pattern(10_000, 0))
        try file.write(["ab", "cd", "ef"], at: 4094)
        #expect(try file.read(count: 6, at: 4094) == Array("abcdef".utf8))
        #expect(try file.read(count: 6, at: 20_000) == [])
    }

    @Test func synchronizedDataSurvivesWithItsName() throws {
        let (disk, _) = try prepared(3000)
        for dice in 0..<20 as Range<UInt64> {
            #expect(try disk.possibleCrash(seed: dice).contents(of: "file") == pattern(3000))
        }
    }

    @Test func unsynchronizedSectorsAreKeptOrLostOneByOne() throws {
        let (disk, file) = try prepared(2048)
        try file.write(pattern(2048, 0x62), at: 0)
        var seen: Set<String> = []
        for dice in 0..<200 as Range<UInt64> {
            let after = try disk.possibleCrash(seed: dice).contents(of: "file")
            #expect(after.count == 2048)
            var states = ""
            for sector in 0..<4 {
                let bytes = after[sector * 512..<(sector + 1) * 512]
                #expect(bytes == pattern(512, 0x61) || bytes == pattern(512, 0x62))
                states.append(bytes[0] == 0x61 ? "-" : "+")
            }
            seen.insert(states)
        }
        #expect(seen.count == 16)
    }

    @Test func tornSectorsMixOldAndNew() throws {
        let (disk, file) = try prepared(512, DiskFaults(tearsSectors: true))
        try file.write(pattern(512, 0x62), at: 0)
        var torn = 0
        for dice in 0..<200 as Range<UInt64> {
            let after = try disk.possibleCrash(seed: dice).contents(of: "file").array
            #expect(after.allSatisfy { $0 == 0x61 || $0 == 0x62 })
            if Set(after).count == 2 { torn += 1 }
        }
        #expect(torn > 5)
    }

    @Test func unsynchronizedSizeIsOldOrNewOrBetween() throws {
        let (disk, file) = try prepared(700)
        try file.write(pattern(3000, 0x62), at: 700)
        var sizes: Set<Int> = []
        for dice in 0..<200 as Range<UInt64> {
            let after = try disk.possibleCrash(seed: dice).contents(of: "file")
            sizes.insert(after.count)
            #expect(after.prefix(700) == pattern(700))
        }
        #expect(sizes.contains(700))
        #expect(sizes.contains(3700))
        #expect(sizes.count > 3)
    }

    @Test func truncationMayBeForgotten() throws {
        let (disk, file) = try prepared(3000)
        try file.truncate(to: 100)
        #expect(try file.size() == 100)
        let sizes = try Set(
            (0..<50 as Range<UInt64>).map { try disk.possibleCrash(seed: $0).contents(of: "file").count }
        )
        #expect(sizes == [100, 3000])
        try file.truncate(to: 3000)
        #expect(try disk.contents(of: "file") == Bytes(pattern(100).array + pattern(2900, 0).array))
    }

    @Test func unsynchronizedNamesAreKeptOrLostInOrder() throws {
        let (disk, _) = try prepared(10)
        try disk.rename("file", to: "second")
        try disk.open("third", .createNew).close()
        try disk.remove("second")
        var seen: Set<[String]> = []
        for dice in 0..<100 as Range<UInt64> { seen.insert(try disk.possibleCrash(seed: dice).list("")) }
        #expect(seen == [["file"], ["second"], ["second", "third"], ["third"]])
        try disk.syncDirectory("")
        #expect(try disk.crash().list("") == ["third"])
    }

    @Test func directorySynchronizationCoversOnlyThatDirectory() throws {
        let disk = SimulatedDisk(seed: 1)
        try disk.createDirectory("a/b", mode: 0o700)
        try disk.open("a/b/file", .createNew).close()
        try disk.syncDirectory("a/b")
        var found: Set<Bool> = []
        for dice in 0..<100 as Range<UInt64> { found.insert(try disk.possibleCrash(seed: dice).exists("a/b/file")) }
        #expect(found == [true, false])
        try disk.syncDirectory("a")
        try disk.syncDirectory("")
        for dice in 0..<20 as Range<UInt64> { #expect(try disk.possibleCrash(seed: dice).exists("a/b/file")) }
    }

    @Test func sameSeedSameDisk() throws {
        func accident(_ seed: UInt64) throws -> [String: Bytes] {
            let disk = SimulatedDisk(seed: seed, faults: DiskFaults(powerFailsAtOperation: 40, tearsSectors: true))
            var random = SeededRandom(seed: 9)
            do {
                for number in 0..<20 {
                    let file = try disk.open("file\(number % 5)", .createOrOpen)
                    try file.write(pattern(Int(random.next() % 5000), UInt8(number)), at: random.next() % 3000)
                    if number % 3 == 0 { try file.synchronizeData() }
                    if number % 4 == 0 { try disk.syncDirectory("") }
                }
            } catch {}
            let after = disk.crash()
            var contents: [String: Bytes] = [:]
            for name in try after.list("") { contents[name] = try after.contents(of: name) }
            return contents
        }
        #expect(try accident(1) == accident(1))
        #expect(try (2..<10 as Range<UInt64>).contains { try accident($0) != accident(1) })
    }

    @Test func powerFailsAtTheOperationAsked() throws {
        let disk = SimulatedDisk(seed: 1, faults: DiskFaults(powerFailsAtOperation: 3))
        disk.startTrace()
        let file = try disk.open("file", .createNew)
        try file.write("one", at: 0)
        #expect(throws: FileError.self) { try file.write("two", at: 3) }
        #expect(throws: FileError.self) { try file.size() }
        #expect(throws: FileError.self) { try disk.list("") }
        #expect(disk.trace == ["create file", "write file", "write file"])
        #expect(disk.operationCount == 3)
        let after = disk.crash()
        #expect(try after.list("") == [] || after.list("") == ["file"])
    }

    @Test func failedSynchronizationLosesTheDataForGood() throws {
        let (disk, file) = try prepared(512)
        disk.plan(DiskFaults(failingSynchronization: disk.synchronizationCount + 1))
        try file.write(pattern(512, 0x62), at: 0)
        let error = #expect(throws: FileError.self) { try file.synchronizeData() }
        #expect(error?.description == "fdatasync file: input/output error")
        // The system believes the page clean: the retry that must not be made succeeds, and saves nothing.
        try file.synchronizeData()
        let survivors = try Set(
            (0..<50 as Range<UInt64>).map { try disk.possibleCrash(seed: $0).contents(of: "file")[0] }
        )
        #expect(survivors == [0x61, 0x62])
        // Written again it is dirty again.
        try file.write(pattern(512, 0x63), at: 0)
        try file.synchronizeData()
        for dice in 0..<20 as Range<UInt64> {
            #expect(try disk.possibleCrash(seed: dice).contents(of: "file")[0] == 0x63)
        }
    }

    @Test func fullDiskStopsWritesMidway() throws {
        let disk = SimulatedDisk(seed: 1, faults: DiskFaults(capacityBytes: 1000))
        let file = try disk.open("file", .createNew)
        try file.write(pattern(600), at: 0)
        let error = #expect(throws: FileError.self) { try file.write(pattern(600), at: 600) }
        #expect(error?.number == 28)
        #expect(error?.reason == "no space left on device")
        #expect(try file.size() == 1000)
        try file.write(pattern(1000, 0x62), at: 0)
        #expect(throws: FileError.self) { try file.preallocate(to: 1001) }
        #expect(try file.size() == 1000)
        try file.truncate(to: 10)
        try file.write(pattern(990), at: 10)
    }

    @Test func failingWriteWritesAPart() throws {
        let (disk, file) = try prepared(100, DiskFaults(failingWrite: 2))
        #expect(throws: FileError.self) { try file.write(pattern(100, 0x62), at: 0) }
        let contents = try disk.contents(of: "file")
        #expect(contents.count == 100)
        #expect(contents[99] == 0x61)
        try file.write(pattern(100, 0x62), at: 0)
    }

    @Test func flippedBitStays() throws {
        let (disk, file) = try prepared(1000)
        #expect(disk.flipBit(of: "file", at: 600, bit: 1))
        #expect(!disk.flipBit(of: "file", at: 1000, bit: 1))
        #expect(!disk.flipBit(of: "other", at: 0, bit: 1))
        #expect(try file.read(count: 1, at: 600) == [0x63])
        for dice in 0..<10 as Range<UInt64> {
            #expect(try disk.possibleCrash(seed: dice).contents(of: "file")[600] == 0x63)
        }
    }

    @Test func mappingShowsLaterWritesAndGrowth() throws {
        let (_, file) = try prepared(1000)
        let region = try file.map(length: 10_000)
        #expect(region.bytes[999] == 0x61)
        try file.write("xyz", at: 998)
        #expect(Array(region.bytes[997..<1001]) == Array("axyz".utf8))
        try file.preallocate(to: 8192)
        #expect(region.bytes[1001..<8192].allSatisfy { $0 == 0 })
        try file.write("end", at: 9998)
        #expect(Array(region.bytes[9998..<10_000]) == Array("en".utf8))
        file.close()
        #expect(region.bytes[0] == 0x61)
    }

    @Test func locksExcludeOtherHandles() throws {
        let (disk, file) = try prepared(1)
        let other = try disk.open("file", .readWrite)
        #expect(try file.tryLock())
        #expect(try file.tryLock())
        #expect(try !other.tryLock())
        try other.unlock()
        #expect(try !other.tryLock())
        file.close()
        #expect(try other.tryLock())
        #expect(try disk.crash().open("file", .readWrite).tryLock())
    }

    @Test func removedFileLivesOnForItsHandle() throws {
        let (disk, file) = try prepared(10)
        try disk.remove("file")
        try disk.syncDirectory("")
        #expect(try !disk.exists("file"))
        #expect(try file.read(count: 3, at: 0) == Array("aaa".utf8))
        file.close()
        #expect(throws: FileError.self) { try file.read(count: 3, at: 0) }
    }

    @Test func copyIsADiskOfItsOwn() throws {
        let disk = SimulatedDisk(seed: 1)
        let file = try disk.open("file", .createNew)
        try file.write("one", at: 0)
        let copy = disk.copy()
        try file.write("two", at: 0)
        #expect(try copy.contents(of: "file") == "one")
        #expect(try copy.crash().contents(of: "file") == "one")
        #expect(try disk.contents(of: "file") == "two")
    }
}
