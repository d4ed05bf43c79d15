import Base
import RaftWire
import Testing

@testable import Raft

@Suite("Changes of the members")
struct ReconfigurationTests {
    private func tracker(_ state: ConfState) throws -> ProgressTracker {
        var tracker = ProgressTracker(inflightsMax: 10)
        var reconfiguration = Reconfiguration(tracker, lastIndex: 1)
        try reconfiguration.restore(state)
        tracker.adopt(reconfiguration)
        return tracker
    }

    private func changes(_ random: inout SeededRandom, atMost: UInt64) -> [ConfChangeSingle] {
        (0..<1 + random.next() % atMost).map { _ in
            ConfChangeSingle(
                type: ConfChangeType(rawValue: Int(random.next() % 4)) ?? .addNode,
                nodeID: random.next() % 7
            )
        }
    }

    /// What must hold for any members, said once more and differently.
    private func expectSound(_ tracker: ProgressTracker) {
        let members = tracker.members
        let tracked = Set(tracker.progress.ids.ids)
        #expect(
            tracked
                == Set(members.voters.all.ids).union(members.learners.ids).union(members.learnersNext.ids)
        )
        #expect(Set(members.learners.ids).isDisjoint(with: members.voters.all.ids))
        #expect(Set(members.learnersNext.ids).isSubset(of: members.voters.outgoing.ids))
        #expect(Set(members.learnersNext.ids).isDisjoint(with: members.voters.incoming.ids))
        for id in tracked { #expect(tracker.progress[id]?.isLearner == members.learners.contains(id)) }
        if !members.voters.isJoint { #expect(members.learnersNext.isEmpty && !members.autoLeave) }
    }

    @Test("whatever is asked, the members stay sound, and refusals change nothing")
    func randomChanges() throws {
        var random = SeededRandom(seed: 1)
        for _ in 0..<60 {
            var tracker = try tracker(ConfState(voters: [1, 2, 3]))
            for step in 0..<60 {
                let before = tracker.members
                var reconfiguration = Reconfiguration(tracker, lastIndex: LogIndex(step))
                do throws(ConfChangeError) {
                    switch random.next() % 4 {
                    case 0:
                        try reconfiguration.enterJoint(autoLeave: random.next() % 2 == 0, changes(&random, atMost: 4))
                        #expect(reconfiguration.members.voters.outgoing == before.voters.incoming)
                    case 1:
                        try reconfiguration.leaveJoint()
                        #expect(reconfiguration.members.voters.incoming == before.voters.incoming)
                    default:
                        try reconfiguration.changeDirectly(changes(&random, atMost: 2))
                        let after = reconfiguration.members.voters.incoming
                        #expect(after.differenceCount(before.voters.incoming) <= 1)
                    }
                } catch {
                    continue
                }
                tracker.adopt(reconfiguration)
                expectSound(tracker)
                #expect(!tracker.members.voters.incoming.isEmpty)
                // A snapshot taken now leads to the same members.
                #expect(try self.tracker(tracker.members.confState).members == tracker.members)
            }
        }
    }

    @Test("through a joint configuration and by single changes one gets to the same members")
    func jointEqualsSingle() throws {
        var random = SeededRandom(seed: 2)
        for _ in 0..<500 {
            let start = ConfState(voters: [1, 2, 3], learners: [4])
            let wanted = changes(&random, atMost: 5)
            var joint = Reconfiguration(try tracker(start), lastIndex: 1)
            var single = Reconfiguration(try tracker(start), lastIndex: 1)
            do {
                try joint.enterJoint(autoLeave: false, wanted)
                try joint.leaveJoint()
                for change in wanted { try single.changeDirectly([change]) }
            } catch {
                continue
            }
            #expect(joint.members == single.members)
        }
    }

    @Test("illegal changes are refused for the right reason")
    func refusals() throws {
        let plain = try tracker(ConfState(voters: [1, 2]))
        let joint = try tracker(ConfState(voters: [1], votersOutgoing: [1, 2]))
        func error(_ tracker: ProgressTracker, _ change: ConfChangeV2) -> ConfChangeError? {
            var reconfiguration = Reconfiguration(tracker, lastIndex: 1)
            do throws(ConfChangeError) { try reconfiguration.make(change) } catch { return error }
            return nil
        }
        let add3 = ConfChangeSingle(type: .addNode, nodeID: 3)
        let remove = [1, 2].map { ConfChangeSingle(type: .removeNode, nodeID: $0) }
        #expect(error(plain, ConfChangeV2()) == .notJoint)
        #expect(error(joint, ConfChangeV2(changes: [add3])) == .simpleWhileJoint)
        #expect(error(joint, ConfChangeV2(transition: .jointExplicit, changes: [add3])) == .alreadyJoint)
        #expect(error(plain, ConfChangeV2(changes: remove)) == .removedAllVoters)
        #expect(error(ProgressTracker(inflightsMax: 1), ConfChangeV2(transition: .jointImplicit)) == .noVotersToJoin)
        var two = Reconfiguration(plain, lastIndex: 1)
        #expect(throws: ConfChangeError.moreThanOneVoter) {
            try two.changeDirectly([add3, ConfChangeSingle(type: .addNode, nodeID: 4)])
        }
    }

    @Test("a voter that is demoted in a joint configuration waits to become a learner")
    func demotion() throws {
        var tracker = try tracker(ConfState(voters: [1, 2]))
        var entering = Reconfiguration(tracker, lastIndex: 1)
        try entering.enterJoint(
            autoLeave: true,
            [
                ConfChangeSingle(type: .addLearnerNode, nodeID: 2), ConfChangeSingle(type: .addNode, nodeID: 3),
            ]
        )
        #expect("\(entering.members)" == "voters=(1 3)&&(1 2) learners_next=(2) autoleave")
        tracker.adopt(entering)
        var leaving = Reconfiguration(tracker, lastIndex: 1)
        try leaving.leaveJoint()
        #expect("\(leaving.members)" == "voters=(1 3) learners=(2)")
    }
}
