// What goes into a raft node and comes out of it.

package import Base
package import RaftWire

package enum RaftRole: Sendable, Equatable {
    case follower, preCandidate, candidate, leader
}

package enum RaftError: Error, Sendable, Equatable {
    /// There is no leader to take the proposal.
    case proposalDropped
    case unsupportedConfiguration(String)
}

package struct RaftConfiguration: Sendable {
    package var id: MemberID
    package var electionTicks: Int
    package var heartbeatTicks: Int
    package var preVote: Bool
    package var seed: UInt64
    /// Entries up to it are not handed out again.
    package var applied: LogIndex

    package init(id: MemberID, electionTicks: Int, heartbeatTicks: Int = 1, preVote: Bool = true, seed: UInt64, applied: LogIndex = 0) {
        self.id = id
        self.electionTicks = electionTicks
        self.heartbeatTicks = heartbeatTicks
        self.preVote = preVote
        self.seed = seed
        self.applied = applied
    }
}

package struct RaftBasicStatus: Sendable, Equatable {
    package var id: MemberID
    package var term: Term
    package var vote: MemberID
    package var commit: LogIndex
    package var applied: LogIndex
    /// 0 without one.
    package var lead: MemberID
    package var role: RaftRole
}

package struct ReadState: Sendable, Equatable {
    package var index: LogIndex
    package var context: Bytes
}

package struct RaftLogLine: Sendable, Equatable {
    package enum Level: Sendable { case debug, info, warning, error }

    package var level: Level
    package var text: String
}

package struct Ready: Sendable {
    package var readStates: [ReadState] = []
    /// To other members, and to the storage (`LocalTarget`).
    package var messages: [Message] = []
    /// The append must be synced before its responses are delivered.
    package var mustSync = false
}
