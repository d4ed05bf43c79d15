// What raft nodes say to each other, and to their own storage.

package import Base

package enum MessageType: UInt64, Sendable {
    case hup = 0
    case beat = 1
    case propose = 2
    case append = 3
    case appendResponse = 4
    case vote = 5
    case voteResponse = 6
    case snapshot = 7
    case heartbeat = 8
    case heartbeatResponse = 9
    case unreachable = 10
    case snapshotStatus = 11
    case checkQuorum = 12
    case transferLeader = 13
    case timeoutNow = 14
    case readIndex = 15
    case readIndexResponse = 16
    case preVote = 17
    case preVoteResponse = 18
    case storageAppend = 19
    case storageAppendResponse = 20
    case storageApply = 21
    case storageApplyResponse = 22
    case forgetLeader = 23
}

package struct Message: Sendable, Hashable {
    package var type: MessageType
    package var to: MemberID
    package var from: MemberID
    package var term: Term
    package var logTerm: Term = 0
    package var index: LogIndex = 0
    package var entries: [Entry] = []
    package var commit: LogIndex = 0
    package var vote: MemberID = 0
    package var snapshot: Snapshot?
    package var reject = false
    package var rejectHint: LogIndex = 0
    package var context = Bytes()
    /// Delivered when the storage has done what the message asks.
    package var responses: [Message] = []

    package init(type: MessageType, to: MemberID = 0, from: MemberID = 0, term: Term = 0) {
        self.type = type
        self.to = to
        self.from = from
        self.term = term
    }
}

/// Addresses of messages to a node's own storage.
package enum LocalTarget {
    package static let append = MemberID.max
    package static let apply = MemberID.max - 1
}
