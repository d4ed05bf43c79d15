// A cluster under a random schedule: messages are delayed, dropped, repeated and reordered, saves take their time,
// nodes crash and lose what was not saved, members come and go. Everything follows from the seed.
//
// Checked all along: one leader a term; a leader has everything that was committed before its term; what is applied at an
// index is the same everywhere; terms and commit indexes never go down; reads see what was committed when they were asked.
// At the end the network heals, and the cluster must make progress.

import Base
import RaftWire

@testable import Raft

struct ScheduleOptions {
    var preVote: Bool
    var checkQuorum: Bool
    var isAsync: Bool
    var changesMembers: Bool
    var maxSizePerMessage: UInt64
    var maxInflightMessages: Int
    /// How much rarer than in a storm crashes and cuts are.
    var calm: Int

    init(_ random: inout SeededRandom) {
        preVote = random.next() % 2 == 0
        checkQuorum = random.next() % 2 == 0
        isAsync = random.next() % 3 != 0
        changesMembers = random.next() % 2 == 0
        maxSizePerMessage = [0, 60, 1 << 20][Int(random.next() % 3)]
        maxInflightMessages = [1, 3, 256][Int(random.next() % 3)]
        calm = [1, 4, 16][Int(random.next() % 3)]
    }
}

/// What must never happen, and did.
struct Violation: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

final class RandomSchedule {
    private static let allIDs: ClosedRange<MemberID> = 1...6

    private var random: SeededRandom
    private let options: ScheduleOptions
    private var nodes: [MemberID: TestNode] = [:]
    private var network: [Message] = []
    private var cuts: Set<[MemberID]> = []

    // What has been seen.
    private var leaders: [Term: MemberID] = [:]
    private var committed: [LogIndex: (entry: Entry, term: Term)] = [:]
    private var checked: [MemberID: LogIndex] = [:]
    private var highest: [MemberID: (term: Term, commit: LogIndex)] = [:]
    private var highestCommit: LogIndex = 0
    private var reads: [Bytes: LogIndex] = [:]
    private var proposals: UInt64 = 0
    private(set) var answeredReads = 0
    private(set) var crashes = 0
    private(set) var jointConfigurations = 0
    var appliedCount: Int { committed.count }
    private(set) var trace: UInt64 = 0

    init(seed: UInt64) throws {
        random = SeededRandom(seed: seed)
        options = ScheduleOptions(&random)
        for id in Self.allIDs {
            var disk = Disk()
            // Those that are not in it begin with nothing, as members that join do. The first configuration stands in
            // no entry, so the log must not begin at 1: who starts with nothing needs the snapshot.
            if id <= 3 {
                disk.snapshot.metadata = SnapshotMetadata(confState: ConfState(voters: [1, 2, 3]), index: 2, term: 1)
                disk.hardState = HardState(term: 1, commit: 2)
            }
            nodes[id] = try TestNode(configuration(id), disk: disk)
        }
    }

    private func configuration(_ id: MemberID) -> RaftConfiguration {
        RaftConfiguration(
            id: id,
            electionTicks: 6,
            heartbeatTicks: 1,
            maxSizePerMessage: options.maxSizePerMessage,
            maxInflightMessages: options.maxInflightMessages,
            checkQuorum: options.checkQuorum,
            preVote: options.preVote,
            asyncStorageWrites: options.isAsync,
            seed: id &* 77,
            minimumLogLevel: .warning
        )
    }

    private func node(_ id: MemberID) -> TestNode {
        guard let node = nodes[id] else { preconditionFailure("no node \(id)") }
        return node
    }

    private func draw(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
    private func anyNode() -> TestNode { node(1 + random.next() % Self.allIDs.upperBound) }

    /// One of those that fit, or anyone if none does.
    private func anyNode(where fits: (TestNode) -> Bool) -> TestNode {
        let chosen = Self.allIDs.filter { fits(node($0)) }
        return chosen.isEmpty ? anyNode() : node(chosen[draw(chosen.count)])
    }

    // MARK: The schedule

    func run(steps: Int) throws {
        for _ in 0..<steps { try step() }
        try heal()
    }

    private func step() throws {
        switch draw(100) {
        case 0..<30: try deliver()
        case 30..<55: try handleReady(anyNode { $0.hasReady })
        case 55..<67: try send(anyNode { !$0.appends.isEmpty }.finishAppend())
        case 67..<75: try send(anyNode { !$0.applies.isEmpty }.finishApply())
        case 75..<86: if draw(options.calm) < 2 { tick(anyNode()) } else { try handleReady(anyNode()) }
        case 86..<89: propose()
        case 89..<92: if options.changesMembers { changeMembers() } else { propose() }
        case 92..<94: read()
        case 94: if draw(options.calm) == 0 { try crash() }
        case 95: if draw(options.calm) == 0 { toggleCut() }
        case 96: anyNode().compact(keeping: UInt64(draw(5)))
        case 97, 98: anyNode().with { $0.transferLeadership(to: 1 + MemberID(draw(6))) }
        default: if draw(4) == 0 { network.removeAll() } else { try report() }
        }
        try check()
    }

    private func deliver() throws {
        if network.isEmpty { return }
        // Mostly in order, as connections do it; sometimes not.
        let position = draw(3) == 0 ? draw(network.count) : 0
        let message = draw(12) == 0 ? network[position] : network.remove(at: position)
        if draw(12) == 0 || cuts.contains([message.from, message.to]) { return }
        do {
            try node(message.to).step(message)
        } catch RaftError.inconsistentLog(let text) {
            throw Violation(text)
        } catch RaftError.malformedMessage(let text) {
            throw Violation(text)
        } catch {}
    }

    private func send(_ messages: [Message]) throws {
        for message in messages {
            guard nodes[message.to] != nil else { throw Violation("a message to \(message.to)") }
            // Through the codec, as in life.
            network.append(try Message(decoding: message.encoded()))
        }
    }

    private func handleReady(_ node: TestNode) throws {
        if node.raft.hasReady { try send(node.handleReady()) }
        for state in node.takeReadStates() {
            guard let asked = reads[state.context] else { throw Violation("a read nobody asked for") }
            if state.index < asked { throw Violation("a read at \(state.index) missed what was committed at \(asked)") }
            answeredReads += 1
        }
    }

    private func tick(_ node: TestNode) {
        for _ in 0...draw(3) { node.tick() }
    }

    private func propose() {
        proposals += 1
        try? anyNode().with { try $0.propose(Bytes("proposal \(proposals)")) }
    }

    private func read() {
        proposals += 1
        let context = Bytes("read \(proposals)")
        reads[context] = highestCommit
        anyNode().with { $0.readIndex(context: context) }
    }

    private func crash() throws {
        let node = anyNode()
        nodes[node.id] = try node.crashed(saved: draw(node.appends.count + 1))
        // It applies again from its snapshot on.
        checked[node.id] = 0
        // What was not saved is forgotten, the term too.
        highest[node.id] = (nodes[node.id]?.status.term ?? 0, 0)
        crashes += 1
    }

    private func toggleCut() {
        switch draw(4) {
        case 0: cuts.insert([1 + MemberID(draw(6)), 1 + MemberID(draw(6))])
        case 1, 2:
            // Two camps.
            let camp = Set(Self.allIDs.filter { _ in draw(2) == 0 })
            cuts = []
            for one in Self.allIDs {
                for other in Self.allIDs where camp.contains(one) != camp.contains(other) { cuts.insert([one, other]) }
            }
        default: cuts = []
        }
    }

    private func report() throws {
        let peer = 1 + MemberID(draw(6))
        anyNode().with {
            if peer % 2 == 0 { $0.reportUnreachable(peer) } else { $0.reportSnapshot(peer, success: peer % 3 == 0) }
        }
    }

    private func changeMembers() {
        let types: [ConfChangeType] = [.addNode, .addNode, .addLearnerNode, .removeNode]
        let changes = (0...draw(3)).map { _ in
            ConfChangeSingle(type: types[draw(4)], nodeID: 1 + MemberID(draw(6)))
        }
        // Never down to nobody.
        let stays = ConfChangeSingle(type: .addNode, nodeID: 1)
        let change = ConfChangeV2(
            transition: [.auto, .jointImplicit, .jointExplicit][draw(3)],
            changes: changes.count == 1 ? changes : changes + [stays]
        )
        try? anyNode().with { node in
            if draw(4) == 0 { try node.proposeConfChange(ConfChangeV2()) } else { try node.proposeConfChange(change) }
        }
    }

    // MARK: What must hold

    private func check() throws {
        for id in Self.allIDs {
            let node = node(id)
            try checkStatus(node)
            try checkApplied(node)
        }
    }

    private func checkStatus(_ node: TestNode) throws {
        let status = node.status
        let before = highest[node.id] ?? (0, 0)
        if status.term < before.term { throw Violation("\(node.id) went back to term \(status.term)") }
        if status.commit < before.commit { throw Violation("\(node.id) uncommitted down to \(status.commit)") }
        if status.applied > status.commit { throw Violation("\(node.id) applied beyond its commit index") }
        highest[node.id] = (status.term, status.commit)
        highestCommit = max(highestCommit, status.commit)
        guard status.role == .leader else { return }
        guard let known = leaders[status.term] else {
            leaders[status.term] = node.id
            trace = trace &* 31 &+ status.term &* 7 &+ node.id
            return try checkCompleteness(node, status.term)
        }
        if known != node.id { throw Violation("\(known) and \(node.id) lead in term \(status.term)") }
    }

    private func checkCompleteness(_ node: TestNode, _ term: Term) throws {
        for (index, known) in committed where known.term < term && index >= node.raft.log.firstIndex {
            if node.term(at: index) != known.entry.term {
                throw Violation("leader \(node.id) of term \(term) lacks the committed entry \(index)")
            }
        }
    }

    private func checkApplied(_ node: TestNode) throws {
        for entry in node.applied where entry.index > checked[node.id] ?? 0 {
            if let known = committed[entry.index] {
                if known.entry != entry { throw Violation("\(node.id) applied something else at \(entry.index)") }
            } else {
                committed[entry.index] = (entry, node.status.term)
                if node.confState.votersOutgoing != [] && entry.type != .normal { jointConfigurations += 1 }
                trace = trace &* 31 &+ entry.index &+ entry.term
            }
            checked[node.id] = entry.index
        }
    }

    /// Two logs that have an entry of the same index and term agree up to it.
    func checkLogMatching() throws {
        for one in Self.allIDs {
            for other in Self.allIDs where other > one {
                let left = Dictionary(uniqueKeysWithValues: node(one).log.map { ($0.index, $0) })
                let right = node(other).log
                guard let meeting = right.lastIndex(where: { left[$0.index]?.term == $0.term }) else { continue }
                for entry in right[...meeting] where left[entry.index].map({ $0 != entry }) ?? false {
                    throw Violation(
                        "logs of \(one) and \(other) match at \(right[meeting].index), but not at \(entry.index)"
                    )
                }
            }
        }
    }

    // MARK: In the end

    /// Everything gets through again: the members agree on a leader, and a proposal gets to all of them.
    private func heal() throws {
        cuts = []
        try checkLogMatching()
        for round in 0..<400 {
            // A removed leader goes on for a while, so that the others hear of its removal.
            let gone = round < 50 ? [] : Self.allIDs.filter(isGone)
            // An old snapshot may not name the member it is sent to.
            for id in Self.allIDs where node(id).isLeader { node(id).compact(keeping: 3) }
            for id in Self.allIDs where !gone.contains(id) {
                let node = node(id)
                node.tick()
                for peer in Self.allIDs where peer != id { node.with { $0.reportSnapshot(peer, success: false) } }
            }
            for _ in 0..<60 {
                for id in Self.allIDs {
                    while node(id).raft.hasReady { try handleReady(node(id)) }
                    try send(node(id).finishAppend())
                    try send(node(id).finishApply())
                }
                try check()
                if network.isEmpty { break }
                let batch = network
                network = []
                for message in batch where !gone.contains(message.to) { try? node(message.to).step(message) }
            }
            if try hasConverged() { return try checkLogMatching() }
        }
        if isHeldUp { return }
        let states = Self.allIDs.map { id in
            "\(node(id).status) \(node(id).fullStatus.members) last \(node(id).raft.log.last) \(node(id).fullStatus.progress)"
        }
        throw Violation("no progress after everything was healed:\n" + states.joined(separator: "\n"))
    }

    /// Whether a member that no longer votes in its own configuration has a longer log than all that do. Those that do
    /// not know yet that it was demoted need its vote, and do not get it; it may not campaign itself. That is a gap in
    /// the algorithm, not in the code: changes are in force when they are applied, which is not everywhere at once.
    private var isHeldUp: Bool {
        let all = Self.allIDs.map { node($0) }
        let candidates = all.filter { $0.raft.isPromotable }
        return all.contains { member in
            !member.raft.isPromotable && !candidates.contains { member.raft.log.isUpToDate($0.raft.log.last) }
        }
    }

    /// Whether the member leads on although it has been removed: in life its application stops it.
    private func isGone(_ id: MemberID) -> Bool {
        let members = node(id).fullStatus.members
        return node(id).isLeader && !members.voters.all.union(members.learners).contains(id)
    }

    private func hasConverged() throws -> Bool {
        let leading = Self.allIDs.filter { !isGone($0) }.map { node($0) }.filter(\.isLeader)
        guard let leader = leading.max(by: { $0.status.term < $1.status.term }) else { return false }
        let members = leader.raft.status.members
        if members.voters.isJoint {
            // Somebody has to say that it may be left.
            try? leader.with { try $0.proposeConfChange(ConfChangeV2()) }
            return false
        }
        let everybody = members.voters.all.union(members.learners)
        guard let last = leader.applied.last, last.data == "the end" else {
            try? leader.with { try $0.propose("the end") }
            return false
        }
        return everybody.ids.allSatisfy { node($0).appliedIndex >= last.index }
    }
}
