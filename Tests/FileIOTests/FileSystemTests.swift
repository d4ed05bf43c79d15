// The seam's contract, held against the operating system and against the simulated disk alike.

import Base
import FileIO
import Foundation
import SimulatedDisk
import Testing

/// A file system and an empty directory on it.
struct Ground: CustomTestStringConvertible {
    var name: String
    var fileSystem: any FileSystem
    var root: String
    var testDescription: String { name }

    static func both() throws -> [Ground] {
        let simulated = SimulatedDisk(seed: 1)
        try simulated.createDirectory("root", mode: 0o700)
        let real = FileManager.default.temporaryDirectory.appendingPathComponent("fileio-\(UUID().uuidString)").path
        try POSIXFileSystem().createDirectory(real, mode: 0o700)
        return [
            Ground(name: "simulated", fileSystem: simulated, root: "root"),
            Ground(name: "POSIX", fileSystem: POSIXFileSystem(), root: real),
        ]
    }
}

@Suite struct FileSystemTests {
    private func onBoth(_ body: (any FileSystem, String) throws -> Void) throws {
        for ground in try Ground.both() {
            try body(ground.fileSystem, ground.root)
            try ground.fileSystem.removeTree(ground.root)
            #expect(try !ground.fileSystem.exists(ground.root))
        }
    }

    @Test func readsWhatWasWritten() throws {
        try onBoth { disk, root in
            let file = try disk.open(root + "/file", .createNew)
            try file.write("hello", at: 4090)
            try file.write([" ", "wor", "ld"], at: 4095)
            try file.synchronizeData()
            #expect(try file.size() == 4101)
            #expect(try file.read(count: 100, at: 4090) == Array("hello world".utf8))
            #expect(try file.read(count: 2, at: 0) == [0, 0])
            #expect(try file.read(count: 2, at: 5000) == [])
            file.close()
            file.close()
            #expect(try disk.contents(of: root + "/file").count == 4101)
            #expect(throws: FileError.self) { try file.size() }
        }
    }

    @Test func optionsOfOpening() throws {
        try onBoth { disk, root in
            let path = root + "/file"
            let missing = #expect(throws: FileError.self) { try disk.open(path, .read) }
            #expect(missing?.description == "open \(path): no such file or directory")
            #expect(missing?.number == 2)
            let file = try disk.open(path, OpenOptions(write: true, create: true, exclusive: true, mode: 0o640))
            try file.write("text", at: 0)
            let taken = #expect(throws: FileError.self) { try disk.open(path, .createNew) }
            #expect(taken?.description == "open \(path): file exists")
            #expect(try disk.open(path, .createOrOpen).size() == 4)
            let reading = try disk.open(path, .read)
            #expect(throws: FileError.self) { try reading.write("x", at: 0) }
            #expect(try disk.status(path) == FileStatus(isDirectory: false, sizeBytes: 4, mode: 0o640))
            #expect(try disk.open(path, .createOrTruncate).size() == 0)
            let directory = #expect(throws: FileError.self) { try disk.open(root, .readWrite) }
            #expect(directory?.reason == "is a directory")
        }
    }

    @Test func sizes() throws {
        try onBoth { disk, root in
            let file = try disk.open(root + "/file", .createNew)
            try file.preallocate(to: 10_000)
            #expect(try file.size() == 10_000)
            try file.preallocate(to: 100)
            #expect(try file.size() == 10_000)
            #expect(try file.read(count: 10_000, at: 0).allSatisfy { $0 == 0 })
            try file.write("abc", at: 0)
            try file.truncate(to: 2)
            try file.truncate(to: 4)
            #expect(try file.read(count: 10, at: 0) == [0x61, 0x62, 0, 0])
        }
    }

    @Test func directories() throws {
        try onBoth { disk, root in
            try disk.createDirectory(root + "/a/b/c", mode: 0o700)
            try disk.createDirectory(root + "/a/b", mode: 0o700)
            #expect(try disk.status(root + "/a/b")?.isDirectory == true)
            #expect(try disk.status(root + "/a/b")?.mode == 0o700)
            for name in ["two", "one", "three"] { try disk.open(root + "/a/" + name, .createNew).close() }
            #expect(try disk.list(root + "/a") == ["b", "one", "three", "two"])
            #expect(throws: FileError.self) { try disk.remove(root + "/a/b") }
            #expect(throws: FileError.self) { try disk.createDirectory(root + "/a/one", mode: 0o700) }
            #expect(throws: FileError.self) { try disk.list(root + "/nowhere") }
            #expect(try disk.status(root + "/a/one/below") == nil)
            try disk.syncDirectory(root + "/a")
            try disk.removeTree(root + "/a")
            try disk.removeTree(root + "/a")
            #expect(try disk.list(root) == [])
        }
    }

    @Test func renamingReplaces() throws {
        try onBoth { disk, root in
            for name in ["old", "new"] {
                let file = try disk.open(root + "/" + name, .createNew)
                try file.write(Bytes(name), at: 0)
                file.close()
            }
            try disk.rename(root + "/new", to: root + "/old")
            #expect(try disk.list(root) == ["old"])
            #expect(try disk.contents(of: root + "/old") == "new")
            let missing = #expect(throws: FileError.self) { try disk.rename(root + "/new", to: root + "/old") }
            #expect(missing?.number == 2)
            #expect(missing?.operation == "rename")

            try disk.createDirectory(root + "/dir.tmp", mode: 0o700)
            try disk.rename(root + "/old", to: root + "/dir.tmp/file")
            try disk.rename(root + "/dir.tmp", to: root + "/dir")
            #expect(try disk.list(root + "/dir") == ["file"])
            try disk.createDirectory(root + "/other", mode: 0o700)
            #expect(throws: FileError.self) { try disk.rename(root + "/other", to: root + "/dir") }
        }
    }

    @Test func locks() throws {
        try onBoth { disk, root in
            let first = try disk.open(root + "/file", .createNew)
            let second = try disk.open(root + "/file", .readWrite)
            #expect(try first.tryLock())
            #expect(try !second.tryLock())
            try first.unlock()
            #expect(try second.tryLock())
            second.close()
            #expect(try first.tryLock())
            // A lock goes with a renamed file.
            try disk.rename(root + "/file", to: root + "/renamed")
            #expect(try !disk.open(root + "/renamed", .readWrite).tryLock())
        }
    }

    @Test func mappings() throws {
        try onBoth { disk, root in
            let file = try disk.open(root + "/file", .createNew)
            try file.write("mapped", at: 0)
            try file.truncate(to: 4096)
            let region = try file.map(length: 1 << 16)
            #expect(Array(region.bytes[0..<6]) == Array("mapped".utf8))
            try file.write("later", at: 4000)
            #expect(Array(region.bytes[4000..<4005]) == Array("later".utf8))
            try file.truncate(to: 8192)
            try file.write("grown", at: 8000)
            #expect(Array(region.bytes[8000..<8005]) == Array("grown".utf8))
            region.dropResidentPages(0..<8192)
            #expect(Array(region.bytes[4000..<4005]) == Array("later".utf8))
            file.close()
            #expect(region.bytes[0] == UInt8(ascii: "m"))
        }
    }

    @Test func parents() {
        #expect(parentDirectory(of: "a/b/c") == "a/b")
        #expect(parentDirectory(of: "/a") == "/")
        #expect(parentDirectory(of: "a") == ".")
    }
}
