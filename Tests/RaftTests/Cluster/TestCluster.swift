// Some nodes and the messages between them, delivered in order until nothing happens any more.

import Base
import RaftWire
import Testing

@testable import Raft

final class TestCluster {
    private(set) var nodes: [MemberID: TestNode] = [:]
    private(set) var network: [Message] = []
    /// Every message that was sent.
    private(set) var sent: [Message] = []
    /// Pairs that do not hear each other, one way.
    var cuts: Set<[MemberID]> = []

    init(
        voters: [MemberID],
        learners: [MemberID] = [],
        logs: [MemberID: [Term]] = [:],
        terms: [MemberID: Term] = [:],
        configure: (inout RaftConfiguration) -> Void = { _ in }
    ) throws {
        for id in voters + learners {
            var configuration = RaftConfiguration(
                id: id,
                checkQuorum: false,
                preVote: false,
                asyncStorageWrites: false,
                seed: id,
                minimumLogLevel: .debug
            )
            configure(&configuration)
            var disk = Disk()
            disk.snapshot.metadata.confState = ConfState(voters: voters, learners: learners)
            disk.entries = entries(logs[id] ?? [])
            disk.hardState.term = max(terms[id] ?? 0, disk.entries.last?.term ?? 0)
            nodes[id] = try TestNode(configuration, disk: disk)
        }
    }

    subscript(id: MemberID) -> TestNode {
        get {
            guard let node = nodes[id] else { preconditionFailure("no node \(id)") }
            return node
        }
        set { nodes[id] = newValue }
    }

    var ids: [MemberID] { nodes.keys.sorted() }
    var leader: TestNode? { ids.map { self[$0] }.filter(\.isLeader).max { $0.status.term < $1.status.term } }

    func cut(_ one: MemberID, from others: [MemberID]) {
        for other in others { cuts.formUnion([[one, other], [other, one]]) }
    }

    func heal() { cuts = [] }

    /// Handles the node's Readys; its messages are on their way then.
    func pump(_ id: MemberID) {
        while self[id].raft.hasReady { send(self[id].handleReady()) }
        while !self[id].appends.isEmpty || !self[id].applies.isEmpty {
            send(self[id].finishAppend())
            send(self[id].finishApply())
            while self[id].raft.hasReady { send(self[id].handleReady()) }
        }
    }

    private func send(_ messages: [Message]) {
        sent += messages
        network += messages.filter { !cuts.contains([$0.from, $0.to]) && nodes[$0.to] != nil }
    }

    /// Delivers until nothing is on its way.
    func settle() {
        for id in ids { pump(id) }
        while !network.isEmpty {
            let message = network.removeFirst()
            try? self[message.to].step(message)
            pump(message.to)
        }
    }

    /// Drops what is on its way.
    func loseMessages() { network = [] }

    func forgetSent() { sent = [] }

    func elect(_ id: MemberID) throws {
        try self[id].with { try $0.campaign() }
        settle()
        try #require(self[id].isLeader)
    }

    func propose(_ data: Bytes, at id: MemberID) throws {
        try self[id].with { try $0.propose(data) }
        settle()
    }

    func tick(_ id: MemberID, _ count: Int = 1) {
        for _ in 0..<count { self[id].tick() }
    }
}
