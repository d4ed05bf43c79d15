import Base
import Testing

@testable import Raft

@Suite("Quorums")
struct QuorumTests {
    /// By definition: the highest index that a majority has reached.
    private func definedCommittedIndex(_ voters: MemberSet, _ acknowledged: [MemberID: LogIndex]) -> LogIndex {
        if voters.isEmpty { return .max }
        let indexes = voters.ids.map { acknowledged[$0] ?? 0 }
        return indexes.filter { candidate in indexes.count { $0 >= candidate } > voters.count / 2 }.max() ?? 0
    }

    /// By definition: decided if no way of casting the missing votes changes the majority.
    private func definedResult(_ voters: MemberSet, _ votes: [MemberID: Bool]) -> VoteResult {
        if voters.isEmpty { return .won }
        let missing = voters.ids.filter { votes[$0] == nil }.count
        let granted = voters.ids.filter { votes[$0] == true }.count
        let outcomes = Set((0...missing).map { (granted + $0) * 2 > voters.count })
        return outcomes.count == 2 ? .pending : outcomes.contains(true) ? .won : .lost
    }

    private func voters(_ random: inout SeededRandom) -> MemberSet {
        MemberSet((0..<random.next() % 10).map { _ in 1 + random.next() % 12 })
    }

    @Test("the committed index is the highest that a majority has")
    func committedIndex() {
        var random = SeededRandom(seed: 1)
        for _ in 0..<5_000 {
            let joint = JointVoters(incoming: voters(&random), outgoing: voters(&random))
            var acknowledged: [MemberID: LogIndex] = [:]
            for id in joint.all.ids where random.next() % 4 != 0 { acknowledged[id] = random.next() % 6 }
            let incoming = definedCommittedIndex(joint.incoming, acknowledged)
            #expect(joint.incoming.committedIndex { acknowledged[$0] } == incoming)
            let both = min(incoming, definedCommittedIndex(joint.outgoing, acknowledged))
            #expect(joint.committedIndex { acknowledged[$0] } == both)
        }
    }

    @Test("an election is pending as long as missing votes decide")
    func voteResult() {
        var random = SeededRandom(seed: 2)
        for _ in 0..<5_000 {
            let joint = JointVoters(incoming: voters(&random), outgoing: voters(&random))
            var votes: [MemberID: Bool] = [:]
            for id in joint.all.ids where random.next() % 3 != 0 { votes[id] = random.next() % 2 == 0 }
            let halves = [definedResult(joint.incoming, votes), definedResult(joint.outgoing, votes)]
            let expected: VoteResult =
                halves.contains(.lost) ? .lost : halves.contains(.pending) ? .pending : .won
            #expect(joint.incoming.voteResult { votes[$0] } == halves[0])
            #expect(joint.voteResult { votes[$0] } == expected)
        }
    }

    @Test("a set of members is sorted, without duplicates, and compares as a set")
    func memberSet() {
        var random = SeededRandom(seed: 3)
        var set = MemberSet()
        var model: Set<MemberID> = []
        for _ in 0..<2_000 {
            let id = random.next() % 16
            if random.next() % 2 == 0 {
                set.insert(id)
                model.insert(id)
            } else {
                set.remove(id)
                model.remove(id)
            }
            #expect(set.ids == model.sorted())
            let other = voters(&random)
            #expect(set.union(other).ids == model.union(other.ids).sorted())
            #expect(set.differenceCount(other) == model.symmetricDifference(other.ids).count)
        }
        #expect("\(MemberSet([300, 1, 2]))" == "(1 2 12c)")
    }
}
