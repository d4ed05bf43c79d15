// A member's part in the Raft algorithm (Ongaro and Ousterhout 2014; Ongaro's dissertation 2014).
//
// Pure: ticks, messages and proposals in, `Ready` values out. Behaves like etcd's implementation, message for message
// and log line for log line. It never waits, reads no clock and touches no disk; its only randomness is seeded.
//
// Invariants: at most one leader a term; term, commit and applied never go down; what others may rely on (a vote, an
// acknowledgement) is in a message that leaves only after the state behind it is saved.
//
//     RaftNode+Step            a message's term; votes
//     RaftNode+Election        ticks, campaigns, changes of role
//     RaftNode+Leader          what the leader does with messages; proposals; leadership transfer
//     RaftNode+Replication     sending entries and snapshots; committing
//     RaftNode+Follower        what followers and candidates do
//     RaftNode+ReadIndex       linearizable reads
//     RaftNode+Configuration   changes of the members
//     RaftNode+Ready           handing out what is to be done

package import Base
package import RaftWire

package struct RaftNode: ~Copyable {
    let configuration: RaftConfiguration
    var log: ReplicatedLog
    var tracker: ProgressTracker
    var reads = ReadIndexQueue()
    /// Requests to read that a new leader cannot answer before it has committed an entry of its term.
    var postponedReads: [Message] = []
    var outbox = Outbox()
    var handedOut: HandedOut
    var timers: Timers
    var lines: RaftLogLines

    var term: Term = 0
    var vote: MemberID = 0
    var lead: MemberID = 0
    var role = RaftRole.follower
    var leadership = Leadership()

    /// What has happened and is not handed out yet.
    struct Outbox: Sendable {
        var messages: [Message] = []
        /// Leave only when everything that is unsaved now has been saved.
        var messagesAfterSaving: [Message] = []
        var readStates: [ReadState] = []
    }

    /// What was handed out last.
    struct HandedOut: Sendable {
        var softState: SoftState
        var hardState: HardState
        /// Without `asyncStorageWrites`: what `advance` takes as done.
        var stepsOnAdvance: [Message] = []
    }

    struct Timers: Sendable {
        /// Ticks since the last election timeout, or since the leader was heard of.
        var election = 0
        var heartbeat = 0
        /// The election timeout drawn for this round.
        var electionTimeout = 0
        var random: SeededRandom
    }

    /// What only a leader keeps.
    struct Leadership: Sendable {
        /// Whom leadership is being transferred to; 0: nobody.
        var transferee: MemberID = 0
        /// The last change of the configuration in the log is not behind this index. Another one may be proposed only
        /// once this is applied.
        var pendingConfIndex: LogIndex = 0
        /// The data of the entries that are not committed, in bytes.
        var uncommittedSize: UInt64 = 0
    }

    /// Starts from what the storage has.
    package init(_ configuration: RaftConfiguration, storage: MemoryStorage) throws(RaftError) {
        let configuration = configuration.resolved()
        self.configuration = configuration
        log = ReplicatedLog(storage, applyingSizeMax: configuration.maxCommittedSizePerReady)
        tracker = ProgressTracker(
            inflightsMax: configuration.maxInflightMessages,
            inflightsSizeBytesMax: configuration.maxInflightBytes
        )
        timers = Timers(random: SeededRandom(seed: configuration.seed))
        lines = RaftLogLines(
            minimumLevel: configuration.minimumLogLevel, hasOvertakenStorage: configuration.logsOvertakenStorage)
        handedOut = HandedOut(softState: SoftState(lead: 0, role: .follower), hardState: HardState())

        // Only now: a value that cannot be copied is thrown away only as a whole.
        try configuration.validate()
        try restoreMembers(storage.snapshot.metadata.confState)
        try load(storage.hardState)
        if configuration.applied > 0 {
            guard configuration.applied <= log.committed, configuration.applied >= log.applied else {
                throw .invalidConfiguration(
                    "applied(\(configuration.applied)) is out of range [prevApplied(\(log.applied)), "
                        + "committed(\(log.committed))]"
                )
            }
            log.setApplied(configuration.applied, size: 0)
        }
        becomeFollower(term, lead: 0)
        handedOut = HandedOut(softState: softState, hardState: currentHardState)
        let peers = tracker.members.voters.all.ids.map(hexadecimal).joined(separator: ",")
        let last = log.last
        note(
            .info,
            "newRaft \(hexadecimal(id)) [peers: [\(peers)], term: \(term), commit: \(log.committed), "
                + "applied: \(log.applied), lastindex: \(last.index), lastterm: \(last.term)]"
        )
    }

    private mutating func load(_ state: HardState) throws(RaftError) {
        if state.isEmpty { return }
        guard state.commit >= log.committed, state.commit <= log.lastIndex else {
            throw .inconsistentLog(
                "\(hexadecimal(id)) state.commit \(state.commit) is out of range [\(log.committed), \(log.lastIndex)]"
            )
        }
        log.setCommitted(state.commit)
        term = state.term
        vote = state.vote
    }

    /// Gives a new cluster its first members: one entry each, committed and in force at once. The entries come with the
    /// first Ready like any others.
    /// - Parameter peers: everybody, with what the application wants to know of them; in the same order everywhere.
    package mutating func bootstrap(_ peers: [(id: MemberID, context: Bytes)]) throws(RaftError) {
        if peers.isEmpty { throw .invalidConfiguration("must provide at least one peer to Bootstrap") }
        if log.lastIndex != 0 { throw .invalidConfiguration("can't bootstrap a nonempty Storage") }
        handedOut.hardState = HardState()
        becomeFollower(1, lead: 0)
        var entries: [Entry] = []
        for (offset, peer) in peers.enumerated() {
            let change = ConfChange(type: .addNode, nodeID: peer.id, context: peer.context)
            entries.append(
                Entry(term: 1, index: LogIndex(offset) + 1, type: .confChange, data: change.encoded())
            )
        }
        log.append(entries, &lines)
        log.setCommitted(LogIndex(entries.count))
        for peer in peers { applyConfChange(ConfChange(type: .addNode, nodeID: peer.id).asV2) }
    }

    // MARK: What is to be known

    var id: MemberID { configuration.id }

    /// The log window: its owner saves, compacts and makes snapshots through it.
    package var storage: MemoryStorage {
        _read { yield log.storage }
        _modify { yield &log.storage }
    }

    var softState: SoftState { SoftState(lead: lead, role: role) }
    var currentHardState: HardState { HardState(term: term, vote: vote, commit: log.committed) }

    /// Costs nothing.
    package var basicStatus: RaftBasicStatus {
        RaftBasicStatus(
            id: id,
            term: term,
            vote: vote,
            commit: log.committed,
            applied: log.applied,
            lead: lead,
            role: role,
            leadTransferee: leadership.transferee
        )
    }

    package var status: RaftStatus {
        RaftStatus(
            basic: basicStatus,
            members: tracker.members,
            progress: role == .leader ? tracker.progress : ProgressMap()
        )
    }

    /// The log lines since the last call.
    package mutating func drainLog() -> [RaftLogLine] { lines.drain() }

    mutating func note(_ level: RaftLogLine.Level, _ text: String) {
        lines.add(level, text)
    }

    // MARK: What may be asked

    /// Starts an election, if this member may.
    package mutating func campaign() throws(RaftError) {
        try receive(Message(type: .hup))
    }

    /// - Throws: `proposalDropped` if there is no leader to give it to. Otherwise it may get lost all the same.
    package mutating func propose(_ data: Bytes) throws(RaftError) {
        try propose([Entry(data: data)])
    }

    /// Proposes several entries in one message; only their types and data count.
    package mutating func propose(_ entries: [Entry]) throws(RaftError) {
        try receive(Message(type: .propose, from: id, entries: entries))
    }

    package mutating func proposeConfChange(_ change: ConfChange) throws(RaftError) {
        try receive(Message(type: .propose, entries: [Entry(type: .confChange, data: change.encoded())]))
    }

    package mutating func proposeConfChange(_ change: ConfChangeV2) throws(RaftError) {
        try receive(Message(type: .propose, entries: [Entry(type: .confChangeV2, data: change.encoded())]))
    }

    /// Asks for the index from which a read is linearizable. The answer is a `ReadState` with the same context; there
    /// may be none, if the leader changes or nobody leads.
    package mutating func readIndex(context: Bytes) {
        ignoringErrors(Message(type: .readIndex, entries: [Entry(data: context)]))
    }

    package mutating func transferLeadership(to target: MemberID) {
        ignoringErrors(Message(type: .transferLeader, from: target))
    }

    /// A follower no longer counts on its leader, and so may vote for another.
    package mutating func forgetLeader() throws(RaftError) {
        try receive(Message(type: .forgetLeader))
    }

    /// The last message to the member did not get there.
    package mutating func reportUnreachable(_ peer: MemberID) {
        ignoringErrors(Message(type: .unreachable, from: peer))
    }

    /// How sending a snapshot to the member ended.
    package mutating func reportSnapshot(_ peer: MemberID, success: Bool) {
        ignoringErrors(Message(type: .snapshotStatus, from: peer, reject: !success))
    }

    private mutating func ignoringErrors(_ message: Message) {
        // These messages have no errors that mean anything to the caller.
        do throws(RaftError) { try receive(message) } catch {}
    }

    /// Takes a message from another member, or an answer from local storage.
    /// - Throws: why the message was ignored. Only `inconsistentLog` is this member's own trouble.
    package mutating func step(_ message: Message) throws(RaftError) {
        let isFromStorage = LocalTarget.isLocal(message.from)
        if message.type.isLocal && !isFromStorage { throw .localMessage }
        if message.type.isResponse && !isFromStorage && !tracker.progress.contains(message.from) { throw .peerNotFound }
        try receive(message)
    }

    /// Sets the election timeout of this round, instead of the one drawn: for tests.
    package mutating func setElectionTimeout(ticks: Int) {
        timers.electionTimeout = ticks
    }
}
