// The lane that owns raft: proposals and read barriers in, log appends, committed entries and peer messages out.
//
// It decides nothing about requests; it orders them. Durability sits in the messages: what must wait for the disk
// (votes, acknowledgements, our own vote for an entry) travels with the append and comes back when it is synced.

package import Base
package import Raft
package import RaftWire

/// A wish to change the state, on its way into the log.
package struct Proposal: Sendable {
    /// Its proposer's, who hears of it where raft refuses; 0 where nobody does.
    package var requestID: UInt64
    /// The encoded `InternalRaftRequest`.
    package var data: Bytes

    package init(requestID: UInt64 = 0, data: Bytes) {
        self.requestID = requestID
        self.data = data
    }
}

/// A wish that raft did not take: there is no leader, or leadership is on its way to another member. It is in no log.
package struct RefusedProposal: Sendable {
    package var requestID: UInt64
    var entry: Entry
}

/// A read that waits for its barrier.
package struct BarrierID: Sendable, Hashable {
    package var value: UInt64

    package init(_ value: UInt64) {
        self.value = value
    }
}

/// One write of the log lane: entries and hard state first, then the messages that wait for the sync.
package struct LogAppend: Sendable {
    package var entries: [Entry]
    package var hardState: HardState?
    package var snapshot: Snapshot?
    package var mustSync: Bool
    /// Delivered to raft once the append is durable; the ones for other members are sent then.
    package var responses: [Message]
}

/// Entries for the apply lane, with what raft wants to hear when they are applied.
package struct CommittedEntries: Sendable {
    package var entries: [Entry]
    package var responses: [Message]
}

/// How a barrier ended.
package enum BarrierOutcome: Sendable {
    /// Reads may run once this index is applied.
    case confirmed(ReadIndex)
    case leaderChanged
}

/// Raft's answer to a barrier.
package struct ReadIndex: Sendable {
    package let index: LogIndex
    package let receivedAt: Instant
    /// What was applied when the answer came.
    package internal(set) var applied: LogIndex = 0
}

/// What leaves the consensus lane in one turn.
package struct ConsensusOutbox: Sendable {
    package var appends: [LogAppend] = []
    package var committed: [CommittedEntries] = []
    package var peerMessages: [Message] = []
    package var barriers: [(BarrierID, BarrierOutcome)] = []
    package var logLines: [RaftLogLine] = []
    /// Set when leader, term or role changed.
    package var status: RaftBasicStatus?
    /// Proposals raft refused: there is no leader, or it is being transferred.
    package var droppedProposals: Int = 0
    /// Those of them that have a proposer.
    package var refused: [RefusedProposal] = []
    /// This member's log contradicts what others know of it: the member must stop.
    package var failure: RaftError?

    package init() {}

    package var isEmpty: Bool {
        appends.isEmpty && committed.isEmpty && peerMessages.isEmpty && barriers.isEmpty && logLines.isEmpty && status == nil
            && droppedProposals == 0 && refused.isEmpty && failure == nil
    }
}

package struct ConsensusLane: ~Copyable {
    /// How many applied entries stay in memory for followers that lag; etcd's `snapshot-catchup-entries`.
    private let catchUpEntries: UInt64
    /// The window is shortened in steps of at least this many entries.
    private static let compactionStep: UInt64 = 100
    /// A barrier that raft has not answered is asked for again after this long.
    private static let barrierRetry: Duration = .milliseconds(500)

    private var raft: RaftNode
    private var proposals: [Entry] = []
    /// The proposers of `proposals`, in the same order.
    private var proposers: [UInt64] = []
    /// Proposals of followers that wait for the end of a transfer, and for how many ticks they do.
    private var parked: [Entry] = []
    private var parkedTicks = 0
    private static let parkedMax = 4096
    /// A transfer is given up after an election timeout; a proposer waits not much longer.
    private static let parkedTicksMax = 50
    /// Barriers that wait for the next request to raft.
    private var waitingBarriers: [BarrierID] = []
    /// The one request on its way through raft, and whom its answer serves.
    private var openBarrier: (request: UInt64, ids: [BarrierID], askedAt: Instant)?
    private var nextBarrierRequest: UInt64
    /// When what is under way began.
    private var processedAt = Instant(nanoseconds: 0)
    private var lastStatus: RaftBasicStatus
    private var confState: ConfState
    package private(set) var applied: LogIndex
    /// Set while a snapshot is on its way to a follower, who will need the entries behind it.
    package var keepsLog = false
    package var outbox = ConsensusOutbox()

    /// - Parameter barrierSeed: drawn anew for every start. The contexts of its reads must be those of no other member,
    ///   and of no earlier life of this one: an answer to such a read would confirm a wrong index.
    package init(raft: consuming RaftNode, applied: LogIndex, catchUpEntries: UInt64, barrierSeed: UInt64) {
        self.catchUpEntries = catchUpEntries
        self.applied = applied
        var random = SeededRandom(seed: barrierSeed ^ raft.basicStatus.id)
        nextBarrierRequest = random.next()
        lastStatus = raft.basicStatus
        confState = raft.storage.snapshot.metadata.confState
        self.raft = raft
    }

    package var status: RaftBasicStatus { raft.basicStatus }
    /// With the followers' progress, on the leader.
    package var fullStatus: RaftStatus { raft.status }
    /// The first entry that is still in memory, and the last.
    package var window: (first: LogIndex, last: LogIndex) { (raft.storage.firstIndex, raft.storage.lastIndex) }

    // MARK: In

    package mutating func tick(now: Instant) {
        raft.tick()
        unpark()
        if let open = openBarrier, now - open.askedAt >= Self.barrierRetry {
            askForBarrier(open.request, now: now)
            openBarrier?.askedAt = now
        }
    }

    /// Queued; all proposals of a turn enter the log together.
    package mutating func propose(_ proposal: Proposal) {
        proposals.append(Entry(term: 0, index: 0, type: .normal, data: proposal.data))
        proposers.append(proposal.requestID)
    }

    /// What raft has refused before.
    package mutating func propose(_ refused: RefusedProposal) {
        proposals.append(refused.entry)
        proposers.append(refused.requestID)
    }

    package mutating func proposeConfigurationChange(_ change: ConfChange) {
        proposals.append(Entry(term: 0, index: 0, type: .confChange, data: change.encoded()))
        proposers.append(change.id)
    }

    package mutating func barrier(_ id: BarrierID) {
        waitingBarriers.append(id)
    }

    package mutating func receive(_ message: Message) {
        // What raft refuses (a message from a removed member, a forwarded proposal without a leader) is lost, as on
        // a bad line; the sender retries. Only a contradiction to our own log is our trouble.
        do throws(RaftError) {
            try raft.step(message)
        } catch {
            if case .inconsistentLog = error { outbox.failure = error }
            if message.type == .propose, raft.basicStatus.leadTransferee != 0 { park(message.entries) }
        }
    }

    /// Followers' proposals that came while leadership is on its way wait for the outcome; raft would lose them.
    private mutating func park(_ entries: [Entry]) {
        guard parked.count + entries.count <= Self.parkedMax else { return }
        parked += entries
    }

    private mutating func unpark() {
        guard !parked.isEmpty else { return }
        parkedTicks += 1
        let status = raft.basicStatus
        if status.lead != 0, status.leadTransferee == 0 {
            proposals += parked
            proposers += Array(repeating: 0, count: parked.count)
        } else if parkedTicks < Self.parkedTicksMax {
            return
        }
        parked = []
        parkedTicks = 0
    }

    package mutating func campaign() {
        try? raft.campaign()
    }

    package mutating func transferLeadership(to target: MemberID) {
        raft.transferLeadership(to: target)
    }

    /// The line to the member is broken: what was sent last may be lost.
    package mutating func reportUnreachable(_ peer: MemberID) {
        raft.reportUnreachable(peer)
    }

    package mutating func reportSnapshot(_ peer: MemberID, success: Bool) {
        raft.reportSnapshot(peer, success: success)
    }

    /// The answers of an append that is durable now.
    package mutating func appended(_ responses: [Message]) {
        for message in responses {
            if message.to == raft.basicStatus.id {
                receive(message)
            } else {
                outbox.peerMessages.append(message)
            }
        }
    }

    package mutating func configurationChanged(_ change: ConfChangeV2) -> ConfState {
        confState = raft.applyConfChange(change)
        return confState
    }

    /// The state of a leader's snapshot stands, and is applied.
    package mutating func snapshotInstalled(_ snapshot: Snapshot) {
        applied = max(applied, snapshot.metadata.index)
    }

    /// Everything up to `index` has been applied; `responses` came with the entries.
    package mutating func entriesApplied(_ index: LogIndex, responses: [Message]) {
        for message in responses { receive(message) }
        applied = max(applied, index)
        shortenWindow(atLeast: Self.compactionStep)
    }

    /// A snapshot at `metadata.index` is durable: the window may start behind it.
    package mutating func snapshotSaved(_ snapshot: Snapshot) {
        try? raft.storage.createSnapshot(
            index: snapshot.metadata.index, confState: snapshot.metadata.confState, data: snapshot.data)
        shortenWindow(atLeast: 1)
    }

    /// - Parameter entries: fewer are not worth it.
    private mutating func shortenWindow(atLeast entries: UInt64) {
        guard !keepsLog, applied > catchUpEntries else { return }
        let keepFrom = applied - catchUpEntries
        guard keepFrom >= raft.storage.firstIndex + entries, let term = term(at: applied) else { return }
        // Whoever needs what goes now is offered what is applied. The replica makes the snapshot when raft sends it.
        raft.storage.snapshotOffer = .given(
            Snapshot(metadata: SnapshotMetadata(confState: confState, index: applied, term: term)))
        try? raft.storage.compact(to: keepFrom)
    }

    package func term(at index: LogIndex) -> Term? {
        try? raft.storage.term(index)
    }

    /// The entries from `lower` through `upper` that are still in memory.
    package func entries(from lower: LogIndex, through upper: LogIndex) -> [Entry] {
        let lower = max(lower, raft.storage.firstIndex)
        let upper = min(upper, raft.storage.lastIndex)
        guard lower <= upper else { return [] }
        return (try? raft.storage.entries(from: lower, to: upper + 1)) ?? []
    }

    // MARK: Out

    /// Whether `process` would put anything out.
    package var hasWork: Bool {
        raft.hasReady || !proposals.isEmpty || (openBarrier == nil && !waitingBarriers.isEmpty)
    }

    /// Turns what came in into what must go out.
    package mutating func process(now: Instant) {
        processedAt = now
        if !proposals.isEmpty {
            let batch = proposals
            proposals.removeAll(keepingCapacity: true)
            do throws(RaftError) {
                try raft.propose(batch)
            } catch {
                outbox.droppedProposals += batch.count
                for (entry, id) in zip(batch, proposers) where id != 0 {
                    outbox.refused.append(RefusedProposal(requestID: id, entry: entry))
                }
            }
            proposers.removeAll(keepingCapacity: true)
        }
        if openBarrier == nil, !waitingBarriers.isEmpty {
            startBarrier(now: now)
        }
        while raft.hasReady {
            let ready = raft.ready()
            take(ready)
        }
        let status = raft.basicStatus
        if status.lead != lastStatus.lead || status.term != lastStatus.term || status.role != lastStatus.role {
            // Who waits while there is no leader is served by the next one, or gives up in time.
            if status.lead != lastStatus.lead, status.lead != 0 { abandonBarriers() }
            lastStatus = status
            outbox.status = status
        }
        let lines = raft.drainLog()
        if !lines.isEmpty { outbox.logLines += lines }
    }

    private mutating func take(_ ready: Ready) {
        for message in ready.messages {
            switch message.type {
            case .storageAppend:
                let hardState = HardState(term: message.term, vote: message.vote, commit: message.commit)
                outbox.appends.append(
                    LogAppend(
                        entries: message.entries,
                        hardState: hardState.isEmpty ? nil : hardState,
                        snapshot: message.snapshot,
                        mustSync: ready.mustSync,
                        responses: message.responses
                    )
                )
                // The window takes the entries at once; only their acknowledgement waits for the disk.
                if !hardState.isEmpty { raft.storage.hardState = hardState }
                if let snapshot = message.snapshot {
                    try? raft.storage.applySnapshot(snapshot)
                    confState = snapshot.metadata.confState
                    raft.storage.snapshotOffer = .stored
                }
                do throws(StorageError) {
                    try raft.storage.append(message.entries)
                } catch {
                    outbox.failure = .inconsistentLog("\(error)")
                }
            case .storageApply:
                outbox.committed.append(CommittedEntries(entries: message.entries, responses: message.responses))
            default:
                outbox.peerMessages.append(message)
            }
        }
        for state in ready.readStates { finishBarrier(state) }
    }

    // MARK: Barriers: one request at a time serves all that asked meanwhile

    private mutating func startBarrier(now: Instant) {
        let request = nextBarrierRequest
        nextBarrierRequest &+= 1
        openBarrier = (request, waitingBarriers, now)
        waitingBarriers.removeAll(keepingCapacity: true)
        askForBarrier(request, now: now)
    }

    private mutating func askForBarrier(_ request: UInt64, now: Instant) {
        raft.readIndex(context: Bytes(withUnsafeBytes(of: request.bigEndian) { Array($0) }))
    }

    private mutating func finishBarrier(_ state: ReadState) {
        guard let open = openBarrier,
            state.context == Bytes(withUnsafeBytes(of: open.request.bigEndian) { Array($0) })
        else { return }
        openBarrier = nil
        let read = ReadIndex(index: state.index, receivedAt: processedAt)
        for id in open.ids { outbox.barriers.append((id, .confirmed(read))) }
    }

    private mutating func abandonBarriers() {
        guard let open = openBarrier else { return }
        openBarrier = nil
        for id in open.ids { outbox.barriers.append((id, .leaderChanged)) }
    }
}
