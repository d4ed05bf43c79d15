// The lane that owns the file's write transaction: batches in, states of the file out. It may wait for the disk as long
// as it takes; nobody waits for it but snapshots and physical compactions.

package import BBolt
package import Backend

package enum CommitRequest: Sendable {
    case commit(SealedBatch)
    /// Rewrite the file densely; the number goes back with the answer.
    case defragment(UInt64)
}

package enum CommitReply: Sendable {
    case committed(CommitResult)
    case defragmented(UInt64, CommitResult)
    case defragmentationFailed(UInt64, BBoltError)
}

package struct CommitLane: ~Copyable {
    private var committer: Committer

    package init(committer: consuming Committer) {
        self.committer = committer
    }

    /// One write transaction for all batches that stand together.
    package mutating func receive(_ requests: [CommitRequest]) throws(BBoltError) -> [CommitReply] {
        var replies: [CommitReply] = []
        var batches: [SealedBatch] = []
        for request in requests {
            switch request {
            case .commit(let batch): batches.append(batch)
            case .defragment(let id):
                if !batches.isEmpty { replies.append(.committed(try committer.commit(batches))) }
                batches = []
                do throws(BBoltError) {
                    replies.append(.defragmented(id, try committer.defragment()))
                } catch {
                    // The old file is untouched and goes on being written.
                    replies.append(.defragmentationFailed(id, error))
                }
            }
        }
        if !batches.isEmpty { replies.append(.committed(try committer.commit(batches))) }
        return replies
    }

    package consuming func close() {
        committer.close()
    }
}
