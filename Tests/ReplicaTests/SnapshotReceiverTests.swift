// A received database on the disk: whole and durable, or not there.

import Base
import FileIO
import Replica
import SimulatedDisk
import Testing

@Suite("Snapshot receiver")
struct SnapshotReceiverTests {
    @Test("the file is there under its name only when it is whole, and survives a power cut then")
    func file() throws {
        let disk = SimulatedDisk(seed: 7)
        try disk.createDirectory("/snap", mode: 0o700)
        try disk.syncDirectory("/")
        var file = try SnapshotReceiver(disk, directory: "/snap", index: 500, number: 1)
        try file.append(Bytes([UInt8](repeating: 7, count: 3000)))
        try file.append(Bytes([UInt8](repeating: 8, count: 3000)))
        #expect(try !disk.exists("/snap/00000000000001f4.snap.db"))
        try file.finish()
        let contents = try disk.possibleCrash(seed: 11).contents(of: "/snap/00000000000001f4.snap.db")
        #expect(contents.array == [UInt8](repeating: 7, count: 3000) + [UInt8](repeating: 8, count: 3000))
        let other = try SnapshotReceiver(disk, directory: "/snap", index: 501, number: 2)
        other.abandon(disk)
        #expect(try disk.list("/snap") == ["00000000000001f4.snap.db"])
    }
}
