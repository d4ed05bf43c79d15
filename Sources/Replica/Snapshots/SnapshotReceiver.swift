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
    private var writer: SequentialWriter

    /// What has come so far.
    package var sizeBytes: UInt64 { writer.sizeBytes }

    /// - Parameters:
    ///   - directory: the member's snapshot directory.
    ///   - index: the snapshot's, from the message that comes before the database.
    ///   - number: tells apart several receptions at once.
    package init(_ fileSystem: any FileSystem, directory: String, index: LogIndex, number: UInt64) throws(FileError) {
        files = SnapshotFiles(fileSystem, directory: directory)
        temporary = files.temporaryPath(number: number)
        self.index = index
        file = try fileSystem.open(temporary, .createOrTruncate)
        writer = SequentialWriter(file)
    }

    package mutating func append(_ bytes: Bytes) throws(FileError) {
        try writer.append(bytes)
    }

    /// Makes the database durable under its name.
    package consuming func finish() throws(FileError) {
        defer { file.close() }
        try writer.finish()
        try files.installDatabase(from: temporary, index: index)
    }

    /// Forgets what has come: the sender went away.
    package consuming func abandon(_ fileSystem: any FileSystem) {
        file.close()
        try? fileSystem.remove(temporary)
    }
}
