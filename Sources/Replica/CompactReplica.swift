// Consensus and apply on one thread: the placement for small machines. Messages between the two lanes are array appends,
// and a linearizable read of a single voter crosses no thread at all.

import Membership
package import BBolt
package import Backend
package import Base
import EtcdWire
package import MVCC
package import Raft
package import RaftWire
package import StateMachine

/// What a turn of the replica asks of its surroundings.
package struct ReplicaOutbox: Sendable {
    package var log: [LogRequest] = []
    package var commit: [CommitRequest] = []
    package var peers: [Message] = []
    package var replies: [AppliedReply] = []
    package var barriers: [(BarrierID, BarrierOutcome)] = []
    package var events: [StateEvent] = []
    package var changes: [StoreRevision] = []
    package var applied: [(request: AppliedRequest, nanoseconds: UInt64)] = []
    package var slowApplies: [SlowApply] = []
    package var raftLines: [RaftLogLine] = []
    package var status: RaftBasicStatus?
    package var droppedProposals = 0
    package var refused: [RefusedProposal] = []
    package var removesLocalMember = false
    /// A snapshot was triggered at this index.
    package var snapshotTriggered: LogIndex?
    package var snapshotSaved: LogIndex?
    package var flushed: [(UInt64, ReadTransaction)] = []
    /// Snapshots to be streamed to followers; how each ended is told with `reportSnapshot`.
    package var snapshots: [OutgoingSnapshot] = []
    /// A leader's snapshot at this index has taken the state's place.
    package var snapshotInstalled: LogIndex?
    /// The member must stop: its log contradicts the cluster's.
    package var failure: RaftError?

    package init() {}
}

package struct ReplicaConfiguration: Sendable {
    package var snapshotCount: UInt64
    package var catchUpEntries: UInt64
    /// Entries applied in one turn, so that ticks and sockets get theirs.
    package static let entriesPerTurn = 4096

    package init(snapshotCount: UInt64, catchUpEntries: UInt64) {
        self.snapshotCount = snapshotCount
        self.catchUpEntries = catchUpEntries
    }
}

package struct CompactReplica: ~Copyable {
    package var consensus: ConsensusLane
    package var apply: ApplyLane
    package var outbox = ReplicaOutbox()
    private let configuration: ReplicaConfiguration
    var waiting: [CommittedEntries] = []
    var confState: ConfState
    private var snapshotIndex: LogIndex
    var snapshotProgress = SnapshotProgress.idle
    /// The last entry whose changes are in the file.
    var committedIndex: LogIndex = 0
    var sending = SnapshotSending()
    /// Snapshots from a leader that raft has taken in and whose state does not stand yet, with what raft waits for.
    var installing: [Snapshot] = []
    var installResponses: [Message] = []

    enum SnapshotProgress {
        case idle
        /// Until the file holds everything up to it.
        case waitingForFile(Snapshot)
        /// The log lane has it.
        case saving
    }
    /// Barriers that wait for their index to be applied.
    private var waitingBarriers: [(BarrierID, ReadIndex)] = []

    package init(
        consensus: consuming ConsensusLane, apply: consuming ApplyLane, confState: ConfState, snapshotIndex: LogIndex,
        configuration: ReplicaConfiguration
    ) {
        self.consensus = consensus
        self.apply = apply
        self.confState = confState
        self.snapshotIndex = snapshotIndex
        committedIndex = self.apply.appliedIndex
        self.configuration = configuration
    }

    /// A leader's snapshot is on its way into the state's place.
    package var isInstalling: Bool { !installing.isEmpty }

    /// More is to be done than one turn does: call `process` again soon.
    package var hasMore: Bool { !waiting.isEmpty }

    package mutating func logReplied(_ replies: [LogReply]) {
        for reply in replies {
            switch reply {
            case .appended(let responses): appended(responses)
            case .snapshotSaved(let snapshot):
                snapshotIndex = max(snapshotIndex, snapshot.metadata.index)
                snapshotProgress = .idle
                outbox.snapshotSaved = snapshot.metadata.index
                consensus.snapshotSaved(snapshot)
            case .snapshotRecorded(let snapshot, let responses):
                snapshotIndex = max(snapshotIndex, snapshot.metadata.index)
                appended(responses)
                outbox.commit.append(.install(snapshot))
            }
        }
    }

    private mutating func appended(_ responses: [Message]) {
        if installing.isEmpty { return consensus.appended(responses) }
        // Raft hears of its own storage in the order of its wishes: what comes behind a snapshot waits for its state.
        let local = consensus.status.id
        consensus.appended(responses.filter { $0.to != local })
        installResponses += responses.filter { $0.to == local }
    }

    /// A message of another member. One that brings a snapshot comes only after its database is in place.
    package mutating func receive(_ message: Message) {
        if apply.state.membership.removed.contains(message.from) { return }
        consensus.receive(message)
    }

    package mutating func committed(_ result: CommitResult) {
        if !installing.isEmpty { return }
        apply.committed(result)
        committedIndex = max(committedIndex, result.consistentIndex)
        advanceSnapshot()
    }

    /// Runs both lanes until nothing is left to do in this turn.
    package mutating func process(now: Instant) throws(StateMachineFailure) {
        var budget = ReplicaConfiguration.entriesPerTurn
        repeat {
            consensus.process(now: now)
            takeConsensus()
            try applyWaiting(&budget, now: now)
        } while budget > 0 && consensus.hasWork
        takeConsensus()
        releaseBarriers()
        collectApplied()
        considerSnapshot()
    }

    private mutating func takeConsensus() {
        if consensus.outbox.isEmpty { return }
        var from = ConsensusOutbox()
        swap(&from, &consensus.outbox)
        for append in from.appends {
            if let snapshot = append.snapshot { beginInstall(snapshot) }
            outbox.log.append(.append(append))
        }
        waiting += from.committed
        for message in from.peerMessages where !apply.state.membership.removed.contains(message.to) {
            if message.type == .snapshot { beginSending(message) } else { outbox.peers.append(message) }
        }
        outbox.failure = from.failure ?? outbox.failure
        for (id, outcome) in from.barriers {
            guard case .confirmed(var read) = outcome else {
                outbox.barriers.append((id, outcome))
                continue
            }
            read.applied = apply.appliedIndex
            if read.index > read.applied {
                waitingBarriers.append((id, read))
            } else {
                outbox.barriers.append((id, .confirmed(read)))
            }
        }
        outbox.raftLines += from.logLines
        outbox.status = from.status ?? outbox.status
        outbox.droppedProposals += from.droppedProposals
        outbox.refused += from.refused
    }

    private mutating func applyWaiting(_ budget: inout Int, now: Instant) throws(StateMachineFailure) {
        // What a new state brings waits until the host has heard that it is one: its watchers must be told what lies between.
        while budget > 0, !waiting.isEmpty, installing.isEmpty, outbox.snapshotInstalled == nil {
            let committed = waiting.removeFirst()
            apply.beginsApplying()
            for entry in committed.entries {
                let change = try apply.apply(entry, now: now)
                if let change {
                    confState = consensus.configurationChanged(change)
                    apply.state.setConfState(confState)
                }
            }
            budget -= committed.entries.count
            consensus.entriesApplied(committed.entries.last?.index ?? 0, responses: committed.responses)
        }
    }

    private mutating func releaseBarriers() {
        guard !waitingBarriers.isEmpty else { return }
        let applied = apply.appliedIndex
        waitingBarriers.removeAll { id, read in
            guard read.index <= applied else { return false }
            outbox.barriers.append((id, .confirmed(read)))
            return true
        }
    }

    /// Moves what the apply lane has put out, after compaction slices and seals, too.
    package mutating func collectApplied() {
        var from = ApplyOutbox()
        swap(&from, &apply.outbox)
        outbox.replies += from.replies
        outbox.events += from.events
        outbox.applied += from.applied
        if !from.slow.isEmpty { outbox.slowApplies += from.slow }
        if outbox.changes.isEmpty { outbox.changes = from.changes } else { outbox.changes += from.changes }
        outbox.flushed += from.flushed
        for batch in from.batches { outbox.commit.append(.commit(batch)) }
        outbox.removesLocalMember = outbox.removesLocalMember || from.removesLocalMember
    }

    // MARK: Snapshots

    private mutating func considerSnapshot() {
        guard installing.isEmpty, case .idle = snapshotProgress, apply.appliedIndex > snapshotIndex + configuration.snapshotCount else { return }
        triggerSnapshot()
    }

    /// Takes a snapshot at the applied index, whatever the count says.
    package mutating func triggerSnapshot() {
        let applied = apply.appliedIndex
        guard installing.isEmpty, case .idle = snapshotProgress, applied > snapshotIndex, let term = consensus.term(at: applied) else { return }
        outbox.snapshotTriggered = applied
        snapshotProgress = .waitingForFile(
            Snapshot(
                data: apply.state.membership.v2Snapshot,
                metadata: SnapshotMetadata(confState: confState, index: applied, term: term)))
        apply.seal()
        collectApplied()
        advanceSnapshot()
    }

    /// The promise of a snapshot record: the file holds everything up to it.
    private mutating func advanceSnapshot() {
        guard case .waitingForFile(let snapshot) = snapshotProgress, committedIndex >= snapshot.metadata.index else { return }
        outbox.log.append(.saveSnapshot(snapshot))
        snapshotProgress = .saving
    }
}
