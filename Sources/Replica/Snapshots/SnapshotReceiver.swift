// A database on its way in: collected beside the live one under a name of its own, and given the name
// `<index>.snap.db` only when it is complete and durable. Only then may raft hear of the snapshot.
//
// Whoever drops a receiver without `finish` leaves a `tmp` file; the next start removes it.

package import Base
package import FileIO
import RaftLog

package struct SnapshotReceiver: ~Copyable {
    private let files: SnapshotFiles
    private let temporary: String
    private let file: any File
    private let index: LogIndex
    /// Written back this often, so that each sync is short: members on the same disk, and their logs, wait for it.
    private static let syncIntervalBytes: UInt64 = 4 << 20
    private var syncedBytes: UInt64 = 0
    /// What has been written so far.
    package private(set) var sizeBytes: UInt64 = 0

    /// - Parameters:
    ///   - directory: the member's snapshot directory.
    ///   - index: the snapshot's, from the message that comes before the database.
    ///   - number: tells apart several receptions at once.
    package init(_ fileSystem: any FileSystem, directory: String, index: LogIndex, number: UInt64) throws(FileError) {
        files = SnapshotFiles(fileSystem, directory: directory)
        temporary = files.temporaryPath(number: number)
        self.index = index
        file = try fileSystem.open(temporary, .createOrTruncate)
    }

    package mutating func append(_ bytes: Bytes) throws(FileError) {
        try file.write(bytes, at: sizeBytes)
        sizeBytes += UInt64(bytes.count)
        if sizeBytes - syncedBytes >= Self.syncIntervalBytes {
            try file.synchronizeData()
            syncedBytes = sizeBytes
        }
    }

    /// Makes the database durable under its name.
    package consuming func finish() throws(FileError) {
        defer { file.close() }
        try file.synchronizeData()
        try files.installDatabase(from: temporary, index: index)
    }

    /// Forgets what has come: the sender went away.
    package consuming func abandon(_ fileSystem: any FileSystem) {
        file.close()
        try? fileSystem.remove(temporary)
    }
}
