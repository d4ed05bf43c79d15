// Changes the members: directly where at most one voter changes, else by entering and leaving a joint configuration, in
// which both the old and the new voters decide (Ongaro's dissertation, section 4.3).
//
// Works on a copy and checks it before and after: a change is made as a whole or not at all.

package import Base
package import RaftWire

package struct Reconfiguration: Sendable {
    package private(set) var members: RaftMembers
    package private(set) var progress: ProgressMap
    private let emptyInflights: Inflights
    private let lastIndex: LogIndex

    /// - Parameter lastIndex: the log's; new members are probed there.
    package init(_ tracker: ProgressTracker, lastIndex: LogIndex) {
        members = tracker.members
        progress = tracker.progress
        emptyInflights = tracker.emptyInflights
        self.lastIndex = lastIndex
    }

    /// Makes the change in the way it asks for.
    package mutating func make(_ change: ConfChangeV2) throws(ConfChangeError) {
        if change.leavesJoint {
            try leaveJoint()
        } else if let autoLeave = change.jointAutoLeave {
            try enterJoint(autoLeave: autoLeave, change.changes)
        } else {
            try changeDirectly(change.changes)
        }
    }

    /// Changes at most one voter, and any number of learners.
    package mutating func changeDirectly(_ changes: [ConfChangeSingle]) throws(ConfChangeError) {
        try checkInvariants()
        if members.voters.isJoint { throw .simpleWhileJoint }
        let before = members.voters.incoming
        try apply(changes)
        if before.differenceCount(members.voters.incoming) > 1 { throw .moreThanOneVoter }
        try checkInvariants()
    }

    /// From now on the voters so far decide together with those that the changes lead to.
    package mutating func enterJoint(autoLeave: Bool, _ changes: [ConfChangeSingle]) throws(ConfChangeError) {
        try checkInvariants()
        if members.voters.isJoint { throw .alreadyJoint }
        if members.voters.incoming.isEmpty { throw .noVotersToJoin }
        members.voters.outgoing = members.voters.incoming
        try apply(changes)
        members.autoLeave = autoLeave
        try checkInvariants()
    }

    /// From now on the incoming voters decide alone.
    package mutating func leaveJoint() throws(ConfChangeError) {
        try checkInvariants()
        if !members.voters.isJoint { throw .notJoint }
        for id in members.learnersNext.ids {
            members.learners.insert(id)
            progress[id]?.isLearner = true
        }
        members.learnersNext = MemberSet()
        for id in members.voters.outgoing.ids
        where !members.voters.incoming.contains(id) && !members.learners.contains(id) {
            progress[id] = nil
        }
        members.voters.outgoing = MemberSet()
        members.autoLeave = false
        try checkInvariants()
    }

    // MARK: Single changes, always to the incoming half

    private mutating func apply(_ changes: [ConfChangeSingle]) throws(ConfChangeError) {
        // etcd puts 0 in the place of a member whose change it has refused.
        for change in changes where change.nodeID != 0 {
            switch change.type {
            case .addNode: makeVoter(change.nodeID)
            case .addLearnerNode: makeLearner(change.nodeID)
            case .removeNode: remove(change.nodeID)
            case .updateNode: break
            }
        }
        if members.voters.incoming.isEmpty { throw .removedAllVoters }
    }

    private mutating func makeVoter(_ id: MemberID) {
        members.voters.incoming.insert(id)
        guard progress.contains(id) else {
            progress[id] = newProgress(isLearner: false)
            return
        }
        progress[id]?.isLearner = false
        members.learners.remove(id)
        members.learnersNext.remove(id)
    }

    private mutating func makeLearner(_ id: MemberID) {
        guard var known = progress[id] else {
            members.learners.insert(id)
            progress[id] = newProgress(isLearner: true)
            return
        }
        if known.isLearner { return }
        remove(id)
        if members.voters.outgoing.contains(id) {
            // It votes in the outgoing half, and nobody is voter and learner at once.
            members.learnersNext.insert(id)
        } else {
            known.isLearner = true
            members.learners.insert(id)
        }
        progress[id] = known
    }

    private mutating func remove(_ id: MemberID) {
        members.voters.incoming.remove(id)
        members.learners.remove(id)
        members.learnersNext.remove(id)
        if !members.voters.outgoing.contains(id) { progress[id] = nil }
    }

    private func newProgress(isLearner: Bool) -> Progress {
        // Counted as active: a quorum check must not fail for a member that nobody could have heard of yet.
        Progress(next: max(lastIndex, 1), inflights: emptyInflights, isLearner: isLearner, isRecentlyActive: true)
    }

    // MARK: Invariants

    private func checkInvariants() throws(ConfChangeError) {
        for set in [members.voters.all, members.learners, members.learnersNext] {
            for id in set.ids where !progress.contains(id) { throw .inconsistent("no progress for \(id)") }
        }
        for id in members.learnersNext.ids {
            if !members.voters.outgoing.contains(id) {
                throw .inconsistent("\(id) is in LearnersNext, but not Voters[1]")
            }
            if progress[id]?.isLearner == true {
                throw .inconsistent("\(id) is in LearnersNext, but is already marked as learner")
            }
        }
        for id in members.learners.ids {
            if members.voters.outgoing.contains(id) { throw .inconsistent("\(id) is in Learners and Voters[1]") }
            if members.voters.incoming.contains(id) { throw .inconsistent("\(id) is in Learners and Voters[0]") }
            if progress[id]?.isLearner == false {
                throw .inconsistent("\(id) is in Learners, but is not marked as learner")
            }
        }
        if !members.voters.isJoint {
            if !members.learnersNext.isEmpty { throw .inconsistent("cfg.LearnersNext must be nil when not joint") }
            if members.autoLeave { throw .inconsistent("AutoLeave must be false when not joint") }
        }
    }
}

extension Reconfiguration {
    /// From nothing to the members that a snapshot names: by changes only, so that the rules above hold for them too.
    ///
    /// A joint configuration is rebuilt by making its outgoing half first and entering the joint state from there.
    package mutating func restore(_ state: ConfState) throws(ConfChangeError) {
        precondition(progress.count == 0, "members are restored into an empty configuration")
        func changes(_ type: ConfChangeType, _ ids: [MemberID]) -> [ConfChangeSingle] {
            ids.map { ConfChangeSingle(type: type, nodeID: $0) }
        }
        let incoming = changes(.addNode, state.voters) + changes(.addLearnerNode, state.learners + state.learnersNext)
        if state.votersOutgoing.isEmpty {
            for change in incoming { try changeDirectly([change]) }
            return
        }
        for change in changes(.addNode, state.votersOutgoing) { try changeDirectly([change]) }
        try enterJoint(autoLeave: state.autoLeave, changes(.removeNode, state.votersOutgoing) + incoming)
    }
}
