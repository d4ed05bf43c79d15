// What a majority has agreed on: of one set of voters, or of both sets of a joint configuration at once.

package import Base

package enum VoteResult: Sendable, Hashable {
    /// The votes that are missing decide.
    case pending
    case lost
    case won
}

extension MemberSet {
    /// How many of these voters make a majority.
    package var majority: Int { count / 2 + 1 }

    /// The highest index that a majority has acknowledged. Nobody's majority agrees to everything: `LogIndex.max`, so
    /// that an empty half of a joint configuration leaves the decision to the other half.
    /// - Parameter acknowledged: a voter's index; nil if it has not been heard of, which counts as 0.
    package func committedIndex(_ acknowledged: (MemberID) -> LogIndex?) -> LogIndex {
        switch count {
        case 0: return .max
        case 1: return acknowledged(ids[0]) ?? 0
        default:
            return withUnsafeTemporaryAllocation(of: LogIndex.self, capacity: count) { buffer in
                var indexes = buffer
                for (position, id) in ids.enumerated() {
                    indexes.initializeElement(at: position, to: acknowledged(id) ?? 0)
                }
                indexes.sort()
                return indexes[count - majority]
            }
        }
    }

    /// How the election stands. Nobody's majority is always won, for the same reason.
    /// - Parameter vote: a voter's vote; nil while it has not voted.
    package func voteResult(_ vote: (MemberID) -> Bool?) -> VoteResult {
        if isEmpty { return .won }
        var (granted, missing) = (0, 0)
        for id in ids {
            switch vote(id) {
            case true?: granted += 1
            case false?: break
            case nil: missing += 1
            }
        }
        if granted >= majority { return .won }
        return granted + missing >= majority ? .pending : .lost
    }
}

/// The voters: the incoming half, and, while the configuration is joint, those it comes from.
package struct JointVoters: Sendable, Hashable {
    package var incoming: MemberSet
    /// Empty unless the configuration is joint.
    package var outgoing: MemberSet

    package init(incoming: MemberSet = MemberSet(), outgoing: MemberSet = MemberSet()) {
        self.incoming = incoming
        self.outgoing = outgoing
    }

    package var isJoint: Bool { !outgoing.isEmpty }
    package var all: MemberSet { incoming.union(outgoing) }

    package func contains(_ id: MemberID) -> Bool { incoming.contains(id) || outgoing.contains(id) }

    package func committedIndex(_ acknowledged: (MemberID) -> LogIndex?) -> LogIndex {
        min(incoming.committedIndex(acknowledged), outgoing.committedIndex(acknowledged))
    }

    package func voteResult(_ vote: (MemberID) -> Bool?) -> VoteResult {
        switch (incoming.voteResult(vote), outgoing.voteResult(vote)) {
        case (.won, .won): .won
        case (.lost, _), (_, .lost): .lost
        default: .pending
        }
    }
}

extension JointVoters: CustomStringConvertible {
    /// "(1 2 3)", or "(1 2 3)&&(2 3 4)" while joint.
    package var description: String { isJoint ? "\(incoming)&&\(outgoing)" : "\(incoming)" }
}
