import Base
import RaftWire
import Testing

@testable import Raft

@Suite("Linearizable reads")
struct ReadIndexTests {
    @Test("the leader answers when a quorum has confirmed it")
    func leader() throws {
        let cluster = try TestCluster(voters: [1, 2, 3])
        try cluster.elect(1)
        try cluster.propose("x", at: 1)
        cluster.cut(1, from: [2, 3])
        cluster[1].with { $0.readIndex(context: "a") }
        cluster.settle()
        #expect(cluster[1].takeReadStates() == [])
        cluster.heal()
        cluster.cut(1, from: [3])
        // The heartbeat asks again for what is open.
        cluster.tick(1)
        cluster.settle()
        #expect(cluster[1].takeReadStates() == [ReadState(index: 2, context: "a")])
    }

    @Test("a heartbeat's answer confirms everything that was asked before it, and nothing after")
    func batching() throws {
        let cluster = try TestCluster(voters: [1, 2, 3])
        try cluster.elect(1)
        cluster.forgetSent()
        cluster[1].with { $0.readIndex(context: "a") }
        cluster[1].with { $0.readIndex(context: "b") }
        let asked = cluster[1].handleReady().filter { $0.to == 2 }
        #expect(asked.map(\.context) == [[1, 0, 0, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0, 0, 0]])
        cluster[1].with { $0.readIndex(context: "c") }
        try cluster[1].step(
            Message(type: .heartbeatResponse, to: 1, from: 2, term: 1, context: [2, 0, 0, 0, 0, 0, 0, 0])
        )
        _ = cluster[1].handleReady()
        #expect(cluster[1].takeReadStates().map(\.context) == ["a", "b"])
        // What is no answer to anything changes nothing.
        for context in [[9, 0, 0, 0, 0, 0, 0, 0], [3], [1, 0, 0, 0, 0, 0, 0, 0]] as [Bytes] {
            try cluster[1].step(Message(type: .heartbeatResponse, to: 1, from: 3, term: 1, context: context))
        }
        while cluster[1].raft.hasReady { _ = cluster[1].handleReady() }
        #expect(cluster[1].takeReadStates() == [])
    }

    @Test("a follower passes the question on and gets the answer")
    func follower() throws {
        let cluster = try TestCluster(voters: [1, 2, 3], learners: [4])
        try cluster.elect(1)
        for id in [2, 4] as [MemberID] {
            cluster[id].with { $0.readIndex(context: Bytes("from \(id)")) }
            cluster.settle()
            #expect(cluster[id].takeReadStates().map(\.index) == [1])
        }
        #expect(cluster[1].takeReadStates() == [])
    }

    @Test("without a leader the question is lost")
    func noLeader() throws {
        let cluster = try TestCluster(voters: [1, 2, 3])
        cluster[1].with { $0.readIndex(context: "a") }
        #expect(!cluster[1].hasReady)
        #expect(cluster[1].drainLog().last?.text == "1 no leader at term 0; dropping index reading msg")
    }

    @Test("one voter answers itself at once")
    func single() throws {
        let cluster = try TestCluster(voters: [1], learners: [2])
        try cluster.elect(1)
        cluster[1].with { $0.readIndex(context: "a") }
        _ = cluster[1].handleReady()
        #expect(cluster[1].takeReadStates() == [ReadState(index: 1, context: "a")])
    }

    @Test("a removed leader does not answer for the one voter that is left")
    func removed() throws {
        let cluster = try TestCluster(voters: [1, 2])
        try cluster.elect(1)
        try cluster[1].with { try $0.proposeConfChange(ConfChange(type: .removeNode, nodeID: 1)) }
        cluster.settle()
        #expect(cluster[1].isLeader && cluster[1].confState == ConfState(voters: [2]))
        cluster.cut(1, from: [2])
        try cluster.elect(2)
        try cluster.propose("x", at: 2)
        cluster[1].with { $0.readIndex(context: "stale") }
        cluster.settle()
        #expect(cluster[1].takeReadStates() == [])
    }

    @Test("a new leader waits until it has committed something itself")
    func newLeader() throws {
        let cluster = try TestCluster(voters: [1, 2, 3], logs: [1: [1, 1], 2: [1, 1], 3: [1, 1]], terms: [1: 1])
        try cluster[1].with { try $0.campaign() }
        cluster.pump(1)
        try cluster[1].step(Message(type: .voteResponse, to: 1, from: 2, term: 2))
        cluster[1].with { $0.readIndex(context: "early") }
        cluster.pump(1)
        #expect(cluster[1].isLeader)
        #expect(cluster[1].takeReadStates() == [])
        cluster.settle()
        // Not 0, the commit index when it asked.
        #expect(cluster[1].takeReadStates() == [ReadState(index: 3, context: "early")])
    }

    @Test("with a lease nobody is asked")
    func lease() throws {
        let cluster = try TestCluster(voters: [1, 2, 3]) {
            $0.checkQuorum = true
            $0.readOnlyOption = .leaseBased
        }
        try cluster.elect(1)
        cluster.forgetSent()
        cluster[1].with { $0.readIndex(context: "a") }
        cluster.pump(1)
        #expect(cluster.sent == [])
        #expect(cluster[1].takeReadStates() == [ReadState(index: 1, context: "a")])
    }

    @Test("in a joint configuration both halves must confirm")
    func joint() throws {
        var queue = ReadIndexQueue()
        queue.add(Message(type: .readIndex, entries: [Entry(data: "a")]), at: 7)
        let voters = JointVoters(incoming: MemberSet([1, 2, 3]), outgoing: MemberSet([4, 5, 6]))
        let context = queue.heartbeatContext
        for id in [1, 2, 3, 4] as [MemberID] { queue.acknowledge(id, context: context) }
        #expect(queue.takeConfirmed(voters).isEmpty)
        queue.acknowledge(6, context: context)
        #expect(queue.takeConfirmed(voters).map(\.index) == [7])
        #expect(queue.heartbeatContext.isEmpty)
    }
}
