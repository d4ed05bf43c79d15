// What is appended in pieces of any size is there whole, in the file of any kind of file system.

import Base
import FileIO
import Foundation
import SimulatedDisk
import Testing

@Suite struct SequentialWriterTests {
    @Test(arguments: [[], [1], [4096], [1 << 20], [(1 << 20) - 1, 2, 1 << 20], [7, 3_000_000, 4095, 5_000_001, 1]])
    func allThatWasAppended(sizes: [Int]) throws {
        for ground in try Ground.both() {
            let file = try ground.fileSystem.open(ground.root + "/long", .createOrTruncate)
            var writer = SequentialWriter(file)
            var expected: [UInt8] = []
            for (number, size) in sizes.enumerated() {
                let piece = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ number) }
                try writer.append(Bytes(piece))
                expected += piece
                #expect(writer.sizeBytes == UInt64(expected.count))
            }
            try writer.finish()
            #expect(try ground.fileSystem.contents(of: ground.root + "/long").array == expected)
            // The file is an ordinary one again.
            try file.write("tail", at: UInt64(expected.count))
            #expect(try file.size() == UInt64(expected.count) + 4)
            if let disk = ground.fileSystem as? SimulatedDisk {
                try disk.syncDirectory(ground.root)
                try disk.syncDirectory(".")
                let survivor = try disk.possibleCrash(seed: 3).contents(of: ground.root + "/long")
                #expect(survivor.array.prefix(expected.count) == expected[...])
            }
            try ground.fileSystem.removeTree(ground.root)
        }
    }

    @Test("a file system that has no direct writes, and one that takes the flag and refuses the writes")
    func shyFileSystems() throws {
        for refuses in [false, true] {
            let file = ShyFile(acceptsFlag: refuses)
            var writer = SequentialWriter(file)
            try writer.append(Bytes([UInt8](repeating: 5, count: 9 << 20)))
            try writer.append("end")
            try writer.finish()
            #expect(file.contents.count == (9 << 20) + 3)
            // 4 MiB, 8 MiB, and the end.
            #expect(file.syncs == 3)
        }
    }
}

/// Has direct writes by its word alone.
private final class ShyFile: File, @unchecked Sendable {
    // SAFETY of @unchecked Sendable: one test's thread uses it.
    let path = "shy"
    let acceptsFlag: Bool
    var isDirect = false
    var contents: [UInt8] = []
    var syncs = 0

    init(acceptsFlag: Bool) { self.acceptsFlag = acceptsFlag }

    func bypassCache(_ bypasses: Bool) -> Bool {
        isDirect = bypasses && acceptsFlag
        return isDirect
    }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
        if isDirect { throw FileError(operation: "write", path: path, number: 22, reason: "invalid argument") }
        #expect(Int(offset) == contents.count)
        contents += buffer
    }

    func synchronizeData() throws(FileError) { syncs += 1 }
    func write(_ pieces: [Bytes], at offset: UInt64) throws(FileError) {}
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int { 0 }
    func size() throws(FileError) -> UInt64 { UInt64(contents.count) }
    func truncate(to size: UInt64) throws(FileError) {}
    func preallocate(to size: UInt64) throws(FileError) {}
    func tryLock() throws(FileError) -> Bool { true }
    func unlock() throws(FileError) {}
    func map(length: Int) throws(FileError) -> MappedRegion {
        throw FileError(operation: "mmap", path: path, number: 22, reason: "invalid argument")
    }
    func close() {}
}
