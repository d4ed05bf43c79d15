// What a node is and knows, for those around it.

package import Base

package enum RaftRole: Sendable, Hashable {
    case follower
    case candidate
    case leader
    /// Asks whether an election could be won.
    case preCandidate
}

extension RaftRole: CustomStringConvertible {
    package var description: String {
        switch self {
        case .follower: "StateFollower"
        case .candidate: "StateCandidate"
        case .leader: "StateLeader"
        case .preCandidate: "StatePreCandidate"
        }
    }
}

/// What need not survive a restart.
package struct SoftState: Sendable, Hashable {
    /// 0: none is known.
    package var lead: MemberID
    package var role: RaftRole

    package init(lead: MemberID, role: RaftRole) {
        self.lead = lead
        self.role = role
    }
}

/// A read may run once this index is applied.
package struct ReadState: Sendable, Hashable {
    package var index: LogIndex
    /// As given to `readIndex`.
    package var context: Bytes

    package init(index: LogIndex, context: Bytes) {
        self.index = index
        self.context = context
    }
}

package struct RaftBasicStatus: Sendable, Hashable {
    package var id: MemberID
    package var term: Term
    package var vote: MemberID
    package var commit: LogIndex
    package var applied: LogIndex
    package var lead: MemberID
    package var role: RaftRole
    /// Whom leadership is being transferred to; 0: nobody.
    package var leadTransferee: MemberID

    package init(
        id: MemberID,
        term: Term = 0,
        vote: MemberID = 0,
        commit: LogIndex = 0,
        applied: LogIndex = 0,
        lead: MemberID = 0,
        role: RaftRole = .follower,
        leadTransferee: MemberID = 0
    ) {
        self.id = id
        self.term = term
        self.vote = vote
        self.commit = commit
        self.applied = applied
        self.lead = lead
        self.role = role
        self.leadTransferee = leadTransferee
    }
}

package struct RaftStatus: Sendable, Hashable {
    package var basic: RaftBasicStatus
    package var members: RaftMembers
    /// Only the leader knows.
    package var progress: ProgressMap
}

extension RaftStatus {
    /// etcd's JSON of it, members in ascending order.
    package var json: String {
        let progress = progress.indices.map { position in
            let one = self.progress[position: position]
            return "\"\(hexadecimal(self.progress.id(at: position)))\":"
                + "{\"match\":\(one.match),\"next\":\(one.next),\"state\":\"\(one.state)\"}"
        }
        return "{\"id\":\"\(hexadecimal(basic.id))\",\"term\":\(basic.term),\"vote\":\"\(hexadecimal(basic.vote))\","
            + "\"commit\":\(basic.commit),\"lead\":\"\(hexadecimal(basic.lead))\",\"raftState\":\"\(basic.role)\","
            + "\"applied\":\(basic.applied),\"progress\":{\(progress.joined(separator: ","))},"
            + "\"leadtransferee\":\"\(hexadecimal(basic.leadTransferee))\"}"
    }
}
