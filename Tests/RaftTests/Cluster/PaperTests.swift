// The rules of the paper, section by section (Ongaro and Ousterhout, "In Search of an Understandable Consensus
// Algorithm", extended version).

import Base
import RaftWire
import Testing

@testable import Raft

@Suite("The Raft paper")
struct PaperTests {
    // MARK: 5.1 Terms

    @Test("5.1: whoever hears of a higher term follows it", arguments: [RaftRole.follower, .candidate, .leader])
    func higherTerm(role: RaftRole) throws {
        let cluster = try TestCluster(voters: [1, 2, 3])
        switch role {
        case .leader: try cluster.elect(1)
        case .candidate: try cluster[1].with { try $0.campaign() }
        default: break
        }
        #expect(cluster[1].status.role == role)
        try cluster[1].step(Message(type: .append, to: 1, from: 2, term: 7))
        #expect(cluster[1].status.term == 7)
        #expect(cluster[1].status.role == .follower)
        #expect(cluster[1].status.lead == 2)
    }

    @Test("5.1: messages of lower terms change nothing")
    func lowerTerm() throws {
        let cluster = try TestCluster(voters: [1, 2, 3], logs: [1: [4]])
        for type in [MessageType.append, .vote, .heartbeat, .appendResponse, .voteResponse, .snapshot, .timeoutNow] {
            let message = Message(
                type: type,
                to: 1,
                from: 2,
                term: 3,
                entries: type == .append ? entries([3], from: 1) : [],
                commit: 1
            )
            try cluster[1].step(message)
        }
        #expect(cluster[1].status == RaftBasicStatus(id: 1, term: 4))
        #expect(cluster[1].log.map(\.term) == [4])
    }

    // MARK: 5.2 Leader election

    @Test("5.2: everybody begins as a follower, and followers that hear nothing campaign")
    func electionTimeout() throws {
        let cluster = try TestCluster(voters: [1, 2, 3])
        #expect(cluster[1].status.role == .follower)
        cluster.tick(1, 2 * cluster[1].configuration.electionTicks)
        #expect(cluster[1].status.role == .candidate)
        #expect(cluster[1].status.term == 1)
        #expect(cluster[1].status.vote == 1)
        cluster.pump(1)
        #expect(cluster.sent.map(\.type) == [.vote, .vote])
        #expect(cluster.sent.map(\.to) == [2, 3])
        // And again, in the next term, if that leads to nothing.
        cluster.tick(1, 2 * cluster[1].configuration.electionTicks)
        #expect(cluster[1].status.term == 2)
    }

    @Test("5.2: heartbeats keep followers from campaigning; leaders send them")
    func heartbeats() throws {
        let cluster = try TestCluster(voters: [1, 2, 3])
        try cluster.elect(1)
        cluster.forgetSent()
        for _ in 0..<50 {
            for id in cluster.ids { cluster.tick(id) }
            cluster.settle()
        }
        #expect(cluster.leader?.id == 1 && cluster[1].status.term == 1)
        #expect(cluster.sent.count { $0.type == .heartbeat } == 100)
    }

    @Test("5.2: a majority of votes makes a leader")
    func majority() throws {
        // (size, grants, refusals) → role after all these votes.
        let cases: [(MemberID, MemberID, MemberID, RaftRole)] = [
            (1, 0, 0, .leader), (3, 2, 0, .leader), (3, 1, 0, .leader), (3, 0, 1, .candidate), (3, 0, 2, .follower),
            (3, 0, 0, .candidate), (5, 4, 0, .leader), (5, 2, 0, .leader), (5, 1, 2, .candidate), (5, 1, 0, .candidate),
            (5, 1, 3, .follower), (5, 0, 3, .follower),
        ]
        for (size, grants, refusals, role) in cases {
            let cluster = try TestCluster(voters: Array(1...size))
            try cluster[1].with { try $0.campaign() }
            cluster.pump(1)
            for voter in 2..<2 + grants + refusals {
                let isRefusal = voter >= 2 + grants
                try cluster[1].step(Message(type: .voteResponse, to: 1, from: voter, term: 1, reject: isRefusal))
            }
            #expect(cluster[1].status.role == role, "\(size) voters, \(grants) for, \(refusals) against")
        }
    }

    @Test("5.2: one vote a term, first come, first served")
    func oneVote() throws {
        for (voted, candidate, isGranted) in [(0, 1, true), (0, 2, true), (1, 1, true), (2, 2, true), (1, 2, false)]
            as [(MemberID, MemberID, Bool)]
        {
            var disk = Disk()
            disk.hardState = HardState(term: 1, vote: voted)
            disk.snapshot.metadata.confState = ConfState(voters: [1, 2, 3])
            let node = try TestNode(
                RaftConfiguration(id: 3, checkQuorum: false, preVote: false, asyncStorageWrites: false),
                disk: disk
            )
            try node.step(Message(type: .vote, to: 3, from: candidate, term: 1))
            #expect(node.handleReady().map(\.reject) == [!isGranted])
        }
    }

    @Test("5.2: a candidate that hears of another leader in its term follows it")
    func candidateFollows() throws {
        let cluster = try TestCluster(voters: [1, 2, 3])
        try cluster[1].with { try $0.campaign() }
        try cluster[1].step(Message(type: .append, to: 1, from: 3, term: 1))
        #expect(cluster[1].status.role == .follower && cluster[1].status.lead == 3)
    }

    @Test("5.2: election timeouts are random, between one and two")
    func randomTimeouts() throws {
        var seen: Set<Int> = []
        for seed in UInt64(0)..<200 {
            let cluster = try TestCluster(voters: [1, 2, 3]) { $0.seed = seed }
            var ticks = 0
            while cluster[1].status.role == .follower {
                cluster[1].tick()
                ticks += 1
            }
            seen.insert(ticks)
        }
        #expect(seen == Set(10..<20))
    }

    // MARK: 5.3 Log replication

    @Test("5.3: the leader appends proposals and sends them with the position before them")
    func replication() throws {
        let cluster = try TestCluster(voters: [1, 2, 3])
        try cluster.elect(1)
        cluster.forgetSent()
        try cluster[1].with { try $0.propose("some data") }
        cluster.pump(1)
        let expected = Entry(term: 1, index: 2, data: "some data")
        #expect(cluster[1].log.last == expected)
        #expect(cluster.sent.map(\.to) == [2, 3])
        for message in cluster.sent {
            #expect(message.index == 1 && message.logTerm == 1 && message.entries == [expected] && message.commit == 1)
        }
        #expect(cluster[1].status.commit == 1)
        cluster.settle()
        #expect(cluster.ids.allSatisfy { cluster[$0].status.commit == 2 })
        #expect(cluster.ids.allSatisfy { cluster[$0].applied.last == expected })
    }

    @Test("5.3: an entry is committed once a majority has saved it")
    func commitment() throws {
        for (size, acknowledging, isCommitted) in [
            (1, 0, true), (3, 0, false), (3, 1, true), (3, 2, true), (5, 1, false), (5, 2, true), (5, 4, true),
        ] as [(MemberID, MemberID, Bool)] {
            let cluster = try TestCluster(voters: Array(1...size))
            try cluster.elect(1)
            let deaf = Array((2 + acknowledging)..<(size + 1))
            cluster.cut(1, from: deaf)
            try cluster.propose("x", at: 1)
            #expect(cluster[1].status.commit == (isCommitted ? 2 : 1), "\(size) voters, \(acknowledging) acknowledging")
        }
    }

    @Test("5.3: committing commits what is before, from earlier terms too")
    func precedingEntries() throws {
        for log in [[], [2], [1, 2], [1]] as [[Term]] {
            let cluster = try TestCluster(voters: [1, 2, 3], logs: [1: log], terms: [1: 2])
            try cluster.elect(1)
            try cluster.propose("x", at: 1)
            #expect(cluster[2].applied.map(\.term) == log + [3, 3])
        }
    }

    @Test("5.3: an append is refused unless the entry before it is there")
    func consistencyCheck() throws {
        // The follower's log has terms 1, 2.
        for (term, index, isRefused) in [(0, 0, false), (1, 1, false), (2, 2, false), (1, 2, true), (3, 3, true)]
            as [(Term, LogIndex, Bool)]
        {
            let cluster = try TestCluster(voters: [1, 2, 3], logs: [1: [1, 2]])
            try cluster[1].step(Message(type: .append, to: 1, from: 2, term: 4, logTerm: term, index: index))
            cluster.pump(1)
            let answer = try #require(cluster.sent.last)
            #expect(answer.type == .appendResponse && answer.reject == isRefused)
            if isRefused { #expect(answer.rejectHint <= 2) } else { #expect(answer.index == index) }
        }
    }

    @Test("5.3: the leader's log replaces followers' (figure 7)")
    func figure7() throws {
        let leader: [Term] = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6]
        let followers: [[Term]] = [
            [1, 1, 1, 4, 4, 5, 5, 6, 6], [1, 1, 1, 4], leader + [6], leader + [7, 7], [1, 1, 1, 4, 4, 4, 4],
            [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
        ]
        for log in followers {
            let cluster = try TestCluster(voters: [1, 2, 3], logs: [1: leader, 2: log], terms: [1: 7])
            // The third votes for the leader, whose log is not the longest.
            try cluster.elect(1)
            try cluster.propose("x", at: 1)
            #expect(cluster[2].log.map(\.term) == leader + [8, 8])
            #expect(cluster[2].log == cluster[1].log)
        }
    }

    // MARK: 5.4 Safety

    @Test("5.4.1: votes are for logs that are not behind")
    func upToDate() throws {
        // (voter's log, candidate's last term and index) → whether it gets the vote.
        let cases: [([Term], Term, LogIndex, Bool)] = [
            ([1], 1, 1, true), ([1], 1, 2, true), ([1, 1], 1, 1, false), ([1], 2, 1, true), ([1], 2, 2, true),
            ([1, 1], 2, 1, true), ([2], 1, 1, false), ([2], 1, 2, false), ([2, 2], 1, 1, false), ([1, 1], 1, 2, true),
        ]
        for (log, term, index, isGranted) in cases {
            let cluster = try TestCluster(voters: [1, 2], logs: [1: log])
            try cluster[1].step(Message(type: .vote, to: 1, from: 2, term: 3, logTerm: term, index: index))
            cluster.pump(1)
            #expect(cluster.sent.map(\.reject) == [!isGranted])
        }
    }

    @Test("5.4.2: only entries of the leader's own term are committed by counting")
    func commitRule() throws {
        for (index, commit) in [(1, 0), (2, 0), (3, 3)] as [(LogIndex, LogIndex)] {
            let cluster = try TestCluster(voters: [1, 2], logs: [1: [1, 2]], terms: [1: 2])
            try cluster[1].with { try $0.campaign() }
            cluster.pump(1)
            try cluster[1].step(Message(type: .voteResponse, to: 1, from: 2, term: 3))
            cluster.pump(1)
            try cluster[1].step(Message(type: .appendResponse, to: 1, from: 2, term: 3, index: index))
            #expect(cluster[1].status.commit == commit)
        }
    }

    @Test("5.4.2: an entry on a majority is still replaced if it was never committed (figure 8)")
    func figure8() throws {
        let cluster = try TestCluster(
            voters: [1, 2, 3, 4, 5],
            logs: [1: [1, 2], 2: [1, 2], 3: [1, 2], 4: [1], 5: [1, 3]],
            terms: [5: 3]
        )
        // The fifth can win with the votes of logs that end in a lower term.
        try cluster.elect(5)
        #expect(cluster.ids.allSatisfy { cluster[$0].log.map(\.term) == [1, 3, 4] })
    }

    // MARK: Acknowledgements

    @Test("votes and acknowledgements leave only after what they rest on is saved")
    func durability() throws {
        let cluster = try TestCluster(voters: [1, 2, 3]) { $0.asyncStorageWrites = true }
        try cluster[2].step(Message(type: .vote, to: 2, from: 1, term: 1))
        #expect(cluster[2].handleReady() == [])
        #expect(cluster[2].disk.hardState == HardState())
        let granted = cluster[2].finishAppend()
        #expect(granted.map(\.type) == [.voteResponse])
        #expect(cluster[2].disk.hardState == HardState(term: 1, vote: 1))

        try cluster[2].step(Message(type: .append, to: 2, from: 1, term: 1, entries: entries([1])))
        #expect(cluster[2].handleReady() == [])
        let acknowledged = cluster[2].finishAppend()
        #expect(acknowledged.map(\.type) == [.appendResponse] && acknowledged.map(\.index) == [1])
        #expect(cluster[2].disk.entries == entries([1]))
    }
}
