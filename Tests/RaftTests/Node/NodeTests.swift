import Base
import RaftWire
import Testing

@testable import Raft

@Suite("A node")
struct NodeTests {
    private func configuration(_ id: MemberID = 1) -> RaftConfiguration {
        RaftConfiguration(id: id, checkQuorum: false, preVote: false, asyncStorageWrites: false)
    }

    private func storage(voters: [MemberID], learners: [MemberID] = []) -> MemoryStorage {
        MemoryStorage(
            snapshot: Snapshot(metadata: SnapshotMetadata(confState: ConfState(voters: voters, learners: learners)))
        )
    }

    private func carryOut(_ node: inout RaftNode) throws {
        while node.hasReady {
            let ready = node.ready()
            try node.storage.append(ready.entries)
            node.advance(ready)
        }
    }

    // MARK: Starting

    @Test("unusable settings are refused")
    func settings() {
        func refusal(_ change: (inout RaftConfiguration) -> Void) -> String? {
            var settings = configuration()
            change(&settings)
            do throws(RaftError) { try settings.validate() } catch { return "\(error)" }
            return nil
        }
        #expect(refusal { _ in } == nil)
        #expect(refusal { $0.id = 0 } == "cannot use none as id")
        #expect(refusal { $0.id = LocalTarget.apply } == "cannot use local target as id")
        #expect(refusal { $0.heartbeatTicks = 0 } == "heartbeat tick must be greater than 0")
        #expect(refusal { $0.electionTicks = 1 } == "election tick must be greater than heartbeat tick")
        #expect(refusal { $0.maxInflightMessages = 0 } == "max inflight messages must be greater than 0")
        #expect(refusal { $0.maxInflightBytes = 5 } == "max inflight bytes must be >= max message size")
        #expect(
            refusal { $0.readOnlyOption = .leaseBased }
                == "CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased"
        )
    }

    @Test("what is on disk must fit together")
    func contradictions() throws {
        func start(_ storage: MemoryStorage, applied: LogIndex = 0) throws(RaftError) {
            var settings = configuration()
            settings.applied = applied
            _ = try RaftNode(settings, storage: storage)
        }
        var storage = storage(voters: [1])
        storage.hardState = HardState(term: 1, commit: 1)
        #expect(throws: RaftError.inconsistentLog("1 state.commit 1 is out of range [0, 0]")) { try start(storage) }
        storage.hardState = HardState()
        #expect(throws: RaftError.self) { try start(storage, applied: 1) }
        #expect(throws: RaftError.self) { try start(self.storage(voters: [1], learners: [1])) }
        #expect(throws: RaftError.self) { try start(self.storage(voters: [], learners: [1])) }
    }

    @Test("a new cluster begins with its members in the log, committed and in force")
    func bootstrap() throws {
        var node = try RaftNode(configuration(), storage: MemoryStorage())
        try node.bootstrap([(id: 1, context: "one"), (id: 2, context: "two")])
        let ready = node.ready()
        #expect(ready.hardState == HardState(term: 1, commit: 2))
        #expect(ready.entries == ready.committedEntries)
        #expect(
            try ready.entries.map { try ConfChange(decoding: $0.data) } == [
                ConfChange(nodeID: 1, context: "one"), ConfChange(nodeID: 2, context: "two"),
            ]
        )
        let members = node.status.members
        #expect(members.confState == ConfState(voters: [1, 2]))
        #expect(throws: RaftError.self) { try node.bootstrap([(id: 1, context: "")]) }
    }

    @Test("after a restart committed entries are handed out again, from where they were applied")
    func restart() throws {
        for (applied, expected) in [(0, [1, 2]), (1, [2]), (2, [])] as [(LogIndex, [LogIndex])] {
            let storage = try MemoryStorage(
                hardState: HardState(term: 1, commit: 2),
                snapshot: Snapshot(metadata: SnapshotMetadata(confState: ConfState(voters: [1]))),
                entries: entries([1, 1, 1])
            )
            var settings = configuration()
            settings.applied = applied
            var node = try RaftNode(settings, storage: storage)
            let hasReady = node.hasReady
            #expect(hasReady == !expected.isEmpty)
            let ready = node.ready()
            #expect(ready.committedEntries.map(\.index) == expected)
            #expect(ready.entries.isEmpty && ready.hardState.isEmpty && !ready.mustSync)
        }
    }

    @Test("the log lines are values, of the levels asked for")
    func logLines() throws {
        var settings = configuration()
        settings.minimumLogLevel = .warning
        var quiet = try RaftNode(settings, storage: storage(voters: [1]))
        try quiet.campaign()
        let silence = quiet.drainLog()
        #expect(silence == [])
        var node = try RaftNode(configuration(), storage: storage(voters: [1]))
        let first = node.drainLog().map(\.text)
        #expect(
            first == [
                "1 switched to configuration voters=(1)", "1 became follower at term 0",
                "newRaft 1 [peers: [1], term: 0, commit: 0, applied: 0, lastindex: 0, lastterm: 0]",
            ]
        )
        let nothing = node.drainLog()
        #expect(nothing == [])
        try node.campaign()
        try carryOut(&node)
        let second = node.drainLog()
        #expect(second.contains { $0.text == "raft.node: 1 elected leader 1 at term 1" })
    }

    // MARK: Proposals

    @Test("entries of one proposal stay together, in order, and get the leader's term")
    func batch() throws {
        let cluster = try TestCluster(voters: [1, 2, 3])
        try cluster.elect(1)
        let batch = (0..<300).map { Entry(term: 99, index: 7, data: Bytes("\($0)")) }
        try cluster[1].with { try $0.propose(batch) }
        let ready = cluster[1].with { $0.ready() }
        #expect(ready.entries.map(\.data) == batch.map(\.data))
        #expect(ready.entries.map(\.index) == Array(2...301))
        #expect(ready.entries.allSatisfy { $0.term == 1 })
        #expect(ready.messages.count == 2)
    }

    @Test("a Ready's entries share their data with what was proposed")
    func sharing() throws {
        var node = try RaftNode(configuration(), storage: storage(voters: [1]))
        try node.campaign()
        try carryOut(&node)
        let data: Bytes = "not to be copied"
        try node.propose(data)
        let ready = node.ready()
        let isShared = data.storage.withUnsafeBufferPointer { proposed in
            ready.entries[0].data.storage.withUnsafeBufferPointer { $0.baseAddress == proposed.baseAddress }
        }
        #expect(isShared)
    }

    @Test("proposals need a leader; followers pass them on, unless told not to")
    func forwarding() throws {
        let cluster = try TestCluster(voters: [1, 2, 3])
        #expect(throws: RaftError.proposalDropped) { try cluster[2].with { try $0.propose("x") } }
        try cluster.elect(1)
        try cluster.propose("x", at: 2)
        #expect(cluster[3].applied.last?.data == "x")

        let proud = try TestCluster(voters: [1, 2, 3]) { $0.disableProposalForwarding = true }
        try proud.elect(1)
        #expect(throws: RaftError.proposalDropped) { try proud[2].with { try $0.propose("x") } }
    }

    @Test("too much that is uncommitted is refused, but never a single or an empty proposal")
    func uncommittedSize() throws {
        let cluster = try TestCluster(voters: [1, 2, 3]) { $0.maxUncommittedEntriesSize = 10 }
        try cluster.elect(1)
        cluster.cut(1, from: [2, 3])
        try cluster[1].with { try $0.propose("more than ten bytes") }
        #expect(throws: RaftError.proposalDropped) { try cluster[1].with { try $0.propose("x") } }
        try cluster[1].with { try $0.propose("") }
        cluster.settle()
        cluster.heal()
        cluster.tick(1)
        cluster.settle()
        try cluster[1].with { try $0.propose("x") }
    }

    @Test("appends hold as many entries as fit, but at least one")
    func messageSize() throws {
        let cluster = try TestCluster(voters: [1, 2], logs: [1: [Term](repeating: 1, count: 20)]) {
            $0.maxSizePerMessage = 40
            $0.maxInflightMessages = 256
        }
        try cluster.elect(1)
        let appends = cluster.sent.filter { $0.type == .append && !$0.entries.isEmpty }
        #expect(appends.count > 5)
        #expect(appends.allSatisfy { $0.entries.count == 1 || limitedSize($0.entries) <= 40 })
        #expect(cluster[2].log == cluster[1].log)
    }

    @Test("no more bytes are on their way to a follower than allowed")
    func inflightBytes() throws {
        let cluster = try TestCluster(voters: [1, 2]) {
            $0.maxSizePerMessage = 10
            $0.maxInflightBytes = 30
        }
        try cluster.elect(1)
        cluster.cut(1, from: [2])
        cluster.forgetSent()
        for _ in 0..<10 { try cluster.propose("0123456789", at: 1) }
        #expect(cluster.sent.filter { $0.type == .append && !$0.entries.isEmpty }.count == 3)
        cluster.heal()
        cluster.tick(1)
        cluster.settle()
        #expect(cluster[2].applied.count == 11)
    }

    // MARK: What others might send

    @Test("messages that only oneself may send are refused from others")
    func localMessages() throws {
        let cluster = try TestCluster(voters: [1, 2, 3])
        for type in MessageType.allCases where type.isLocal {
            #expect(throws: RaftError.localMessage) {
                try cluster[1].step(Message(type: type, to: 1, from: 2, term: 1))
            }
        }
        #expect(throws: RaftError.peerNotFound) {
            try cluster[1].step(Message(type: .appendResponse, to: 1, from: 9, term: 1))
        }
    }

    @Test("messages that no member sends are refused and change nothing")
    func malformedMessages() throws {
        let cluster = try TestCluster(voters: [1, 2, 3], logs: [1: [1, 1]], terms: [1: 1])
        let huge = UInt64.max - 5
        let cases: [Message] = [
            Message(type: .append, to: 1, from: 2), Message(type: .vote, to: 1, from: 2),
            Message(type: .heartbeat, to: 1, from: 2, term: huge),
            Message(type: .append, to: 1, from: 2, term: 1, index: huge),
            Message(type: .append, to: 1, from: 2, term: 1, commit: huge),
            Message(
                type: .snapshot,
                to: 1,
                from: 2,
                term: 1,
                snapshot: Snapshot(metadata: SnapshotMetadata(index: huge))
            ),
            Message(type: .append, to: 1, from: 2, term: 1, logTerm: 1, index: 1, entries: entries([1], from: 7)),
            Message(type: .append, to: 1, from: 2, term: 1, logTerm: 1, index: 1, entries: entries([2], from: 2)),
            Message(type: .append, to: 1, from: 2, term: 2, logTerm: 2, index: 1, entries: entries([1], from: 2)),
            Message(type: .heartbeat, to: 1, from: 2, term: 2, commit: 3),
        ]
        for message in cases {
            #expect(throws: RaftError.self) { try cluster[1].step(message) }
        }
        #expect(cluster[1].status.commit == 0)
        #expect(cluster[1].log.map(\.term) == [1, 1])

        try cluster.elect(1)
        let term = cluster[1].status.term
        let toLeader: [Message] = [
            Message(type: .propose, to: 1, from: 2), Message(type: .readIndex, to: 1, from: 2),
            Message(type: .appendResponse, to: 1, from: 2, term: term, index: 99),
            Message(type: .propose, to: 1, from: 2, entries: [Entry(type: .confChange, data: [0xff])]),
        ]
        let before = cluster[1].status
        for message in toLeader {
            #expect(throws: RaftError.self) { try cluster[1].step(message) }
        }
        #expect(cluster[1].status == before)
    }

    @Test("a snapshot with members that cannot be is refused before anything is given up")
    func malformedSnapshot() throws {
        let cluster = try TestCluster(voters: [1, 2, 3], logs: [1: [1, 1]], terms: [1: 1])
        let state = ConfState(voters: [1], learners: [1])
        let snapshot = Snapshot(metadata: SnapshotMetadata(confState: state, index: 9, term: 1))
        #expect(throws: RaftError.self) {
            try cluster[1].step(Message(type: .snapshot, to: 1, from: 2, term: 1, snapshot: snapshot))
        }
        #expect(cluster[1].log.count == 2)
        #expect(cluster[1].fullStatus.members.confState == ConfState(voters: [1, 2, 3]))
    }

    @Test("whatever comes, nothing traps", arguments: [false, true])
    func noise(isLeader: Bool) throws {
        var random = SeededRandom(seed: isLeader ? 1 : 2)
        for _ in 0..<40 {
            let cluster = try TestCluster(voters: [1, 2, 3], learners: [4], logs: [1: [1, 1, 1]]) {
                $0.asyncStorageWrites = true
            }
            if isLeader { try cluster.elect(1) }
            for _ in 0..<150 {
                func small() -> UInt64 { random.next() % 20 == 0 ? random.next() : random.next() % 6 }
                let first = small()
                var message = Message(
                    type: MessageType(rawValue: Int(random.next() % 24)) ?? .hup,
                    to: 1,
                    from: random.next() % 6,
                    term: small(),
                    logTerm: small(),
                    index: small(),
                    commit: small(),
                    vote: small(),
                    reject: random.next() % 2 == 0,
                    rejectHint: small(),
                    context: Bytes([UInt8](repeating: 1, count: Int(random.next() % 10)))
                )
                for offset in 0..<random.next() % 3 {
                    message.entries.append(
                        Entry(
                            term: small(),
                            index: first &+ offset,
                            type: EntryType(rawValue: Int(random.next() % 3)) ?? .normal,
                            data: "?"
                        )
                    )
                }
                if random.next() % 4 == 0 {
                    message.snapshot = Snapshot(
                        metadata: SnapshotMetadata(
                            confState: ConfState(voters: [1, random.next() % 4], learners: [random.next() % 5]),
                            index: small(),
                            term: small()
                        )
                    )
                }
                try? cluster[1].step(message)
                while cluster[1].raft.hasReady { _ = cluster[1].handleReady() }
                if random.next() % 3 == 0 { _ = cluster[1].finishAppend() }
                if random.next() % 3 == 0 { _ = cluster[1].finishApply() }
                cluster[1].tick()
            }
        }
    }

    // MARK: Snapshots and status

    @Test("a snapshot that is not ready yet is asked for again")
    func snapshotLater() throws {
        let cluster = try TestCluster(voters: [1, 2, 3])
        try cluster.elect(1)
        cluster.cut(1, from: [3])
        for _ in 0..<5 { try cluster.propose("x", at: 1) }
        cluster[1].compact(keeping: 0)
        cluster[1].with { $0.storage.snapshotOffer = .temporarilyUnavailable }
        cluster.heal()
        for _ in 0..<3 {
            cluster.tick(1)
            cluster.settle()
        }
        #expect(cluster[3].status.commit == 1)
        cluster[1].with { $0.storage.snapshotOffer = .stored }
        cluster.tick(1)
        cluster.settle()
        #expect(cluster[3].status.commit == 6)
        #expect(cluster[3].disk.snapshot.metadata.index == 6)
        try cluster.propose("y", at: 1)
        #expect(cluster[3].applied.map(\.data) == ["y"])
    }

    @Test("no snapshot is sent to somebody who has not been heard of")
    func snapshotToTheSilent() throws {
        let cluster = try TestCluster(voters: [1, 2, 3])
        cluster.cut(3, from: [1, 2])
        try cluster.elect(1)
        for _ in 0..<5 { try cluster.propose("x", at: 1) }
        cluster[1].compact(keeping: 0)
        for _ in 0..<3 {
            cluster.tick(1)
            cluster.settle()
        }
        #expect(cluster.sent.allSatisfy { $0.type != .snapshot })
    }

    @Test("the status is etcd's JSON")
    func json() throws {
        let cluster = try TestCluster(voters: [1, 2])
        #expect(
            cluster[1].fullStatus.json
                == "{\"id\":\"1\",\"term\":0,\"vote\":\"0\",\"commit\":0,\"lead\":\"0\",\"raftState\":\"StateFollower\","
                + "\"applied\":0,\"progress\":{},\"leadtransferee\":\"0\"}"
        )
        try cluster.elect(1)
        #expect(
            cluster[1].fullStatus.json
                == "{\"id\":\"1\",\"term\":1,\"vote\":\"1\",\"commit\":1,\"lead\":\"1\",\"raftState\":\"StateLeader\","
                + "\"applied\":1,\"progress\":{\"1\":{\"match\":1,\"next\":2,\"state\":\"StateReplicate\"},"
                + "\"2\":{\"match\":1,\"next\":2,\"state\":\"StateReplicate\"}},\"leadtransferee\":\"0\"}"
        )
    }

    @Test("an impossible change of the members is noted and changes nothing")
    func impossibleChange() throws {
        var node = try RaftNode(configuration(), storage: storage(voters: [1]))
        let state = node.applyConfChange(ConfChange(type: .removeNode, nodeID: 1))
        #expect(state == ConfState(voters: [1]))
        let lines = node.drainLog()
        #expect(lines.last?.level == .error)
    }
}

@Suite("Text")
struct QuotedTests {
    @Test("bytes are quoted as Go's %q does")
    func quoting() {
        #expect(quoted("plain") == "\"plain\"")
        #expect(quoted("a\"b\\c\n\t") == "\"a\\\"b\\\\c\\n\\t\"")
        #expect(quoted([0x00, 0x7f, 0xff, 0xc3]) == "\"\\x00\\x7f\\xff\\xc3\"")
        #expect(quoted("grün 日本") == "\"grün 日本\"")
        #expect(quoted("\u{a0}\u{2028}\u{e0001}") == "\"\\u00a0\\u2028\\U000e0001\"")
    }
}
