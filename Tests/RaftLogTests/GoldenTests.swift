// Logs that Go's etcd wrote. They are not part of the repository: ETCD_GOLDEN names the directory that has them.

import Base
import FileIO
import Foundation
import RaftWire
import SimulatedDisk
import Testing

@testable import RaftLog

private let golden = ProcessInfo.processInfo.environment["ETCD_GOLDEN"]

@Suite(.enabled(if: golden != nil)) struct GoldenTests {
    @Test(arguments: ["3.5.1", "3.5.30", "3.6.14", "3.7.1"], ["killed", "stopped"])
    func goLogsAreReadAndWrittenAgainByteForByte(version: String, ending: String) throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("golden-\(version)-\(ending)").path
        try? FileManager.default.removeItem(atPath: root)
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        let unpack = Process()
        unpack.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        unpack.arguments = ["tar", "xzf", "\(golden ?? "")/\(version)/datadir-\(ending).tar.gz", "-C", root]
        try unpack.run()
        unpack.waitUntilExit()

        let disk = POSIXFileSystem()
        let directory = root + "/golden.etcd/member/wal"
        let contents = try WriteAheadLog.read(disk, directory, at: origin)
        #expect(contents.entries.count > 50)
        #expect(contents.entries.map(\.index) == Array(1...UInt64(contents.entries.count)))
        #expect(contents.hardState.commit <= UInt64(contents.entries.count))
        #expect(contents.hardState.term >= 2)
        #expect(contents.tornTail == nil)
        #expect(try WriteAheadLog.validSnapshots(disk, directory).map(\.index) == [0])

        // The same records through our encoder make the same bytes.
        let listing = try WALDirectory(disk, directory)
        let segments = try listing.open(listing.segments[...], in: disk, writing: false)
        var reader = try WALReader(segments)
        var encoder = FrameEncoder(checksum: 0)
        reading: while true {
            switch try reader.next() {
            case .record(let record, _): encoder.append(try #require(WALRecordType(rawValue: record.type)), record.data)
            case .end: break reading
            }
        }
        let written = try segments[0].file.read(count: encoder.count + 8, at: 0)
        try encoder.drain { (frames) throws(FileError) in
            #expect(written.dropLast(8).elementsEqual(frames))
        }
        #expect(written.suffix(8).allSatisfy { $0 == 0 })

        // And it can be gone on with.
        var log = try WriteAheadLog.open(disk, directory, at: origin)
        let lastEntry = log.takeContents()?.entries.last
        let last = try #require(lastEntry)
        try log.save(
            [Entry(term: last.term, index: last.index + 1, type: .normal, data: "ours")],
            HardState()
        )
        try log.close()
        #expect(try WriteAheadLog.read(disk, directory, at: origin).entries.count == contents.entries.count + 1)
    }
}
