// The lane that owns the file's write transaction: batches in, states of the file out. It may wait for the disk as long
// as it takes; nobody waits for it but snapshots and physical compactions.

package import BBolt
package import Backend
import Base
package import FileIO
import RaftLog
package import RaftWire

package enum CommitRequest: Sendable {
    case commit(SealedBatch)
    /// Rewrite the file densely; the number goes back with the answer.
    case defragment(UInt64)
    /// Show the file as it is after the batches before, for a snapshot; the number goes back with the answer.
    case pin(UInt64)
    /// Put the database received for this snapshot in the file's place.
    case install(Snapshot)
}

package enum CommitReply: Sendable {
    case committed(CommitResult)
    case defragmented(UInt64, CommitResult)
    case defragmentationFailed(UInt64, BBoltError)
    case pinned(UInt64, CommitResult)
    case installed(Snapshot, CommitResult)
}

package struct CommitLane: ~Copyable {
    private var committer: Committer
    private let path: String
    private let fileSystem: any FileSystem
    private let options: DatabaseOptions

    /// - Parameters:
    ///   - path: the file's; databases that leaders send arrive beside it.
    package init(committer: consuming Committer, path: String, fileSystem: any FileSystem, options: DatabaseOptions) {
        self.committer = committer
        self.path = path
        self.fileSystem = fileSystem
        self.options = options
    }

    /// One write transaction for all batches that stand together.
    /// - Parameter reached: called at the end of each phase of each commit.
    package mutating func receive(
        _ requests: [CommitRequest],
        reached: (CommitPhase) -> Void = { _ in }
    ) throws(BBoltError) -> [CommitReply] {
        var replies: [CommitReply] = []
        var batches: [SealedBatch] = []
        for request in requests {
            switch request {
            case .commit(let batch): batches.append(batch)
            case .defragment(let id):
                if !batches.isEmpty { replies.append(.committed(try committer.commit(batches, reached: reached))) }
                batches = []
                do throws(BBoltError) {
                    replies.append(.defragmented(id, try committer.defragment()))
                } catch {
                    // The old file is untouched and goes on being written.
                    replies.append(.defragmentationFailed(id, error))
                }
            case .pin(let token):
                let result = try committer.commit(batches, reached: reached)
                if !batches.isEmpty { replies.append(.committed(result)) }
                batches = []
                replies.append(.pinned(token, result))
            case .install(let snapshot):
                // What is still to be written belongs to the state that goes.
                batches = []
                try adopt(snapshot.metadata.index)
                replies.append(.installed(snapshot, try committer.commit([])))
            }
        }
        if !batches.isEmpty { replies.append(.committed(try committer.commit(batches, reached: reached))) }
        return replies
    }

    private mutating func adopt(_ index: LogIndex) throws(BBoltError) {
        let files = SnapshotFiles(fileSystem, directory: parentDirectory(of: path))
        do throws(FileError) {
            try files.adoptDatabase(index: index, as: path)
            // Older ones were overtaken on their way in.
            _ = try files.removeDatabases(before: index)
        } catch {
            throw .file(error)
        }
        // The old file has no name any more; it lives until its last reader lets go.
        var other = try Committer(path: path, fileSystem: fileSystem, options: options)
        swap(&committer, &other)
        other.close()
    }

    package consuming func close() {
        committer.close()
    }
}
