// A raft node: ticks, proposals and messages in; a `Ready` with what to store, to apply and to send out.
//
// Complete for a group of one voter: it elects itself, counts its own durable log as the quorum, and answers reads from
// its own commit index. The interface is that of larger groups; messages of other members are refused until then.

package import Base
package import RaftWire

package struct RaftNode: ~Copyable {
    package var storage: MemoryStorage
    private let configuration: RaftConfiguration
    private var random: SeededRandom
    private var term: Term
    private var vote: MemberID
    private var commit: LogIndex
    /// Handed out to be applied, and confirmed as applied.
    private var applying: LogIndex
    private var applied: LogIndex
    private var role = RaftRole.follower
    private var lead: MemberID = 0
    private var confState: ConfState
    /// Entries of the log that no Ready has carried yet.
    private var unsent: [Entry] = []
    private var lastIndex: LogIndex
    /// Up to where the log is durable.
    private var stable: LogIndex
    private var savedState: HardState
    private var elapsed = 0
    private var randomizedTimeout: Int
    private var readStates: [ReadState] = []
    private var waitingReads: [Bytes] = []
    private var pendingVote: (isPreVote: Bool, isSent: Bool)?
    private var pendingConfigurationIndex: LogIndex = 0
    private var lines: [RaftLogLine] = []

    package init(_ configuration: RaftConfiguration, storage: MemoryStorage) throws(RaftError) {
        self.configuration = configuration
        self.storage = storage
        random = SeededRandom(seed: configuration.seed)
        let state = storage.hardState
        term = state.term
        vote = state.vote
        commit = max(state.commit, storage.snapshot.metadata.index)
        savedState = state
        confState = storage.snapshot.metadata.confState
        lastIndex = storage.lastIndex
        stable = storage.lastIndex
        applied = max(configuration.applied, storage.firstIndex - 1)
        applying = applied
        randomizedTimeout = configuration.electionTicks
        guard commit <= lastIndex, applied <= commit else {
            throw .unsupportedConfiguration(
                "state.commit \(commit) is out of range [\(storage.firstIndex - 1), \(lastIndex)], applied \(applied)")
        }
        let others = confState.voters + confState.votersOutgoing + confState.learners
        if others.contains(where: { $0 != configuration.id }) {
            throw .unsupportedConfiguration("groups of several members are not built yet")
        }
        logConfiguration()
        becomeFollower(term, lead: 0)
        let peers = confState.voters.map(hexadecimal).joined(separator: ",")
        log(
            "newRaft \(name) [peers: [\(peers)], term: \(term), commit: \(commit), applied: \(applied), "
                + "lastindex: \(lastIndex), lastterm: \((try? storage.term(lastIndex)) ?? 0)]")
    }

    private var name: String { hexadecimal(configuration.id) }
    private var isVoter: Bool { confState.voters.contains(configuration.id) }

    private mutating func log(_ text: String) {
        lines.append(RaftLogLine(level: .info, text: text))
    }

    private mutating func logConfiguration() {
        log("\(name) switched to configuration voters=(\(confState.voters.map(hexadecimal).joined(separator: " ")))")
    }

    package var basicStatus: RaftBasicStatus {
        RaftBasicStatus(id: configuration.id, term: term, vote: vote, commit: commit, applied: applied, lead: lead, role: role)
    }

    package mutating func drainLog() -> [RaftLogLine] {
        var drained: [RaftLogLine] = []
        swap(&drained, &lines)
        return drained
    }

    // MARK: Roles

    private mutating func reset(_ newTerm: Term) {
        if term != newTerm {
            term = newTerm
            vote = 0
        }
        lead = 0
        elapsed = 0
        randomizedTimeout = configuration.electionTicks + Int.random(in: 0..<configuration.electionTicks, using: &random)
        pendingVote = nil
        pendingConfigurationIndex = 0
    }

    private mutating func becomeFollower(_ term: Term, lead: MemberID) {
        reset(term)
        role = .follower
        self.lead = lead
        log("\(name) became follower at term \(term)")
    }

    package mutating func tick() {
        elapsed += 1
        guard role != .leader, elapsed >= randomizedTimeout else { return }
        elapsed = 0
        try? campaign()
    }

    package mutating func campaign() throws(RaftError) {
        guard role != .leader, isVoter else { return }
        // A change of the configuration that is committed but not applied could have made us no voter.
        if let waiting = try? storage.entries(applied + 1, commit + 1), waiting.contains(where: { $0.type != .normal }) { return }
        log("\(name) is starting a new election at term \(term)")
        if configuration.preVote {
            role = .preCandidate
            lead = 0
            log("\(name) became pre-candidate at term \(term)")
            pendingVote = (true, false)
        } else {
            becomeCandidate()
        }
    }

    private mutating func becomeCandidate() {
        reset(term + 1)
        role = .candidate
        vote = configuration.id
        log("\(name) became candidate at term \(term)")
        pendingVote = (false, false)
    }

    /// Our own vote counts when it is durable.
    private mutating func receiveOwnVote(isPreVote: Bool) {
        let kind = isPreVote ? "MsgPreVoteResp" : "MsgVoteResp"
        log("\(name) received \(kind) from \(name) at term \(term)")
        log("\(name) has received 1 \(kind) votes and 0 vote rejections")
        if isPreVote { becomeCandidate() } else { becomeLeader() }
    }

    private mutating func becomeLeader() {
        reset(term)
        role = .leader
        lead = configuration.id
        // Changes of the configuration may be among the entries that are not applied yet.
        pendingConfigurationIndex = lastIndex
        append([Entry(term: term, index: 0)])
        log("\(name) became leader at term \(term)")
        log("raft.node: \(name) elected leader \(name) at term \(term)")
    }

    // MARK: Proposals

    private mutating func append(_ entries: [Entry]) {
        unsent.reserveCapacity(unsent.count + entries.count)
        for var entry in entries {
            lastIndex += 1
            entry.term = term
            entry.index = lastIndex
            unsent.append(entry)
        }
    }

    package mutating func propose(_ data: Bytes) throws(RaftError) {
        try propose([Entry(type: .normal, data: data)])
    }

    /// Appends the entries together; terms and indexes are given here.
    package mutating func propose(_ entries: [Entry]) throws(RaftError) {
        guard role == .leader, isVoter else { throw .proposalDropped }
        var checked = entries
        for position in checked.indices where checked[position].type != .normal {
            if pendingConfigurationIndex > applied {
                // One change at a time: a second one becomes an entry that changes nothing.
                log("\(name) ignoring conf change at config \(confState.voters.map(hexadecimal)): possible unapplied conf change at index \(pendingConfigurationIndex) (applied to \(applied))")
                checked[position] = Entry(type: .normal)
            } else {
                pendingConfigurationIndex = lastIndex + LogIndex(position) + 1
            }
        }
        append(checked)
    }

    package mutating func applyConfChange(_ change: ConfChangeV2) -> ConfState {
        for single in change.changes where single.nodeID != 0 {
            switch single.type {
            case .addNode:
                confState.learners.removeAll { $0 == single.nodeID }
                if !confState.voters.contains(single.nodeID) { confState.voters.append(single.nodeID) }
            case .addLearnerNode:
                if !confState.voters.contains(single.nodeID), !confState.learners.contains(single.nodeID) {
                    confState.learners.append(single.nodeID)
                }
            case .removeNode:
                confState.voters.removeAll { $0 == single.nodeID }
                confState.learners.removeAll { $0 == single.nodeID }
            case .updateNode: break
            }
        }
        confState.voters.sort()
        confState.learners.sort()
        logConfiguration()
        return confState
    }

    // MARK: Reads

    package mutating func readIndex(context: Bytes) {
        guard role == .leader else { return }
        if (try? termOf(commit)) == term {
            readStates.append(ReadState(index: commit, context: context))
        } else {
            // Answered when the first entry of this term is committed.
            waitingReads.append(context)
        }
    }

    private func termOf(_ index: LogIndex) throws(StorageError) -> Term {
        if let first = unsent.first, index >= first.index { return term }
        return try storage.term(index)
    }

    // MARK: Messages

    package mutating func step(_ message: Message) throws(RaftError) {
        switch message.type {
        case .storageAppendResponse:
            // Only what is still our log counts: the response names the last entry and its term.
            if message.index > stable, (try? storage.term(message.index)) == message.logTerm { stable = message.index }
            advanceCommit()
        case .storageApplyResponse:
            applied = max(applied, message.index)
        case .voteResponse where message.from == configuration.id && role == .candidate && message.term == term:
            receiveOwnVote(isPreVote: false)
        case .preVoteResponse where message.from == configuration.id && role == .preCandidate:
            receiveOwnVote(isPreVote: true)
        default:
            throw .unsupportedConfiguration("messages of other members are not handled yet")
        }
    }

    private mutating func advanceCommit() {
        guard role == .leader, isVoter, stable > commit, (try? storage.term(stable)) == term else { return }
        commit = stable
        for context in waitingReads { readStates.append(ReadState(index: commit, context: context)) }
        waitingReads = []
    }

    // MARK: Ready

    private var hardState: HardState { HardState(term: term, vote: vote, commit: commit) }

    package var hasReady: Bool {
        !unsent.isEmpty || !readStates.isEmpty || hardState != savedState || applying < applicable
            || pendingVote?.isSent == false
    }

    /// Only durable entries are applied.
    private var applicable: LogIndex { min(commit, stable) }

    package mutating func ready() -> Ready {
        var ready = Ready()
        swap(&ready.readStates, &readStates)
        let state = hardState
        ready.mustSync = !unsent.isEmpty || state.term != savedState.term || state.vote != savedState.vote
        if !unsent.isEmpty || state != savedState || pendingVote?.isSent == false {
            var append = Message(type: .storageAppend, to: LocalTarget.append, from: configuration.id, term: state.term)
            append.vote = state.vote
            append.commit = state.commit
            swap(&append.entries, &unsent)
            if let last = append.entries.last {
                var response = Message(type: .storageAppendResponse, to: configuration.id, from: LocalTarget.append, term: term)
                response.index = last.index
                response.logTerm = last.term
                append.responses.append(response)
            }
            if let vote = pendingVote, !vote.isSent {
                pendingVote?.isSent = true
                append.responses.append(
                    Message(
                        type: vote.isPreVote ? .preVoteResponse : .voteResponse, to: configuration.id, from: configuration.id,
                        term: vote.isPreVote ? term + 1 : term))
            }
            savedState = state
            ready.messages.append(append)
        }
        if applying < applicable, let entries = try? storage.entries(applying + 1, applicable + 1) {
            var apply = Message(type: .storageApply, to: LocalTarget.apply, from: configuration.id)
            apply.entries = entries
            var response = Message(type: .storageApplyResponse, to: configuration.id, from: LocalTarget.apply)
            response.index = applicable
            apply.responses = [response]
            applying = applicable
            ready.messages.append(apply)
        }
        return ready
    }
}
