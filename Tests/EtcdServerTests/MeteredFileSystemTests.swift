// The stopwatch around the disk: each kind of step is counted where it belongs.

import Base
import FileIO
import Foundation
import Metrics
import Testing

@testable import EtcdServer

@Suite("Figures of the disk")
struct MeteredFileSystemTests {
    @Test("writes and syncs of the WAL, snapshot files, and nothing else")
    func kinds() throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("meter-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: root) }
        let meter = DiskMeter()
        let files = MeteredFileSystem(meter: meter, walDirectory: root + "/wal")
        for directory in ["/wal", "/snap"] { try files.createDirectory(root + directory, mode: 0o700) }
        let log = try files.open(root + "/wal/0.tmp", .createNew)
        try log.write(Bytes([1, 2, 3]), at: 0)
        try log.write([Bytes([1]), Bytes([2])], at: 3)
        try log.synchronizeData()
        let database = try files.open(root + "/snap/db", .createNew)
        try database.write(Bytes([1]), at: 0)
        try database.synchronizeData()
        meter.begins()
        let snapshot = try files.open(root + "/snap/tmp-1.snap", .createNew)
        try snapshot.write(Bytes([1]), at: 0)
        try snapshot.synchronizeData()
        meter.received(finishing: 1_000_000, total: 2_000_000)
        let figures = meter.all
        #expect(figures.walWrite.count == 2)
        #expect(figures.walSync.count == 1)
        #expect(figures.snapshotMarshalling.count == 1)
        #expect(figures.snapshotWrite.count == 1)
        #expect(figures.snapshotTotal.count == 1)
        #expect(figures.databaseSync.count == 1)
        #expect(figures.databaseTotal.count == 1)
        #expect(try files.contents(of: root + "/wal/0.tmp").array == [1, 2, 3, 1, 2])
    }
}
