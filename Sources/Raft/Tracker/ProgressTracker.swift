// The active configuration with everybody's progress and the votes of a running election.

package import Base
package import RaftWire

/// Who votes and who learns.
///
/// Invariants: voters, learners and `learnersNext` have a progress; learners are voters of neither half; `learnersNext`
/// are voters of the outgoing half; a configuration that is not joint has no `learnersNext` and no `autoLeave`.
package struct RaftMembers: Sendable, Hashable {
    package internal(set) var voters = JointVoters()
    package internal(set) var learners = MemberSet()
    /// Become learners when the joint configuration is left; until then they vote in its outgoing half.
    package internal(set) var learnersNext = MemberSet()
    /// Whether the leader leaves the joint configuration as soon as it is applied.
    package internal(set) var autoLeave = false

    package init() {}

    package var confState: ConfState {
        ConfState(
            voters: voters.incoming.ids,
            learners: learners.ids,
            votersOutgoing: voters.outgoing.ids,
            learnersNext: learnersNext.ids,
            autoLeave: autoLeave
        )
    }

    /// Whether one voter decides alone.
    package var isSingleton: Bool { voters.incoming.count == 1 && !voters.isJoint }
}

extension RaftMembers: CustomStringConvertible {
    package var description: String {
        var text = "voters=\(voters)"
        if !learners.isEmpty { text += " learners=\(learners)" }
        if !learnersNext.isEmpty { text += " learners_next=\(learnersNext)" }
        if autoLeave { text += " autoleave" }
        return text
    }
}

package struct ProgressTracker: Sendable, Hashable {
    package internal(set) var members = RaftMembers()
    package internal(set) var progress = ProgressMap()
    /// The votes of the running election, by voter. The first vote counts.
    private var votes: [(id: MemberID, granted: Bool)] = []
    /// What each follower's window starts as.
    package let emptyInflights: Inflights

    package init(inflightsMax: Int, inflightsSizeBytesMax: UInt64 = .max) {
        emptyInflights = Inflights(countMax: inflightsMax, sizeBytesMax: inflightsSizeBytesMax)
    }

    /// The highest index that is on a quorum of voters.
    package var committed: LogIndex {
        members.voters.committedIndex { id in progress.position(of: id).map { progress[position: $0].match } }
    }

    /// Whether a quorum of voters has been heard of lately.
    package var isQuorumActive: Bool {
        members.voters.voteResult { id in
            guard let position = progress.position(of: id), !progress[position: position].isLearner else { return nil }
            return progress[position: position].isRecentlyActive
        } == .won
    }

    // MARK: Votes

    package mutating func resetVotes() {
        votes.removeAll(keepingCapacity: true)
    }

    package mutating func record(vote granted: Bool, of id: MemberID) {
        if !votes.contains(where: { $0.id == id }) { votes.append((id, granted)) }
    }

    /// The votes of members that do not just learn, and what they decide.
    package func tally() -> (granted: Int, rejected: Int, result: VoteResult) {
        var (granted, rejected) = (0, 0)
        for vote in votes {
            guard let position = progress.position(of: vote.id), !progress[position: position].isLearner else {
                continue
            }
            if vote.granted { granted += 1 } else { rejected += 1 }
        }
        let result = members.voters.voteResult { id in votes.first { $0.id == id }?.granted }
        return (granted, rejected, result)
    }

    package static func == (left: ProgressTracker, right: ProgressTracker) -> Bool {
        left.members == right.members && left.progress == right.progress
            && left.votes.elementsEqual(right.votes) { $0 == $1 } && left.emptyInflights == right.emptyInflights
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(members)
        hasher.combine(progress)
    }
}

extension ProgressTracker {
    /// Takes the members and their progress from a change that has been made.
    package mutating func adopt(_ reconfiguration: Reconfiguration) {
        members = reconfiguration.members
        progress = reconfiguration.progress
    }
}
