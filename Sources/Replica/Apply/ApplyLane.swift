// The lane that owns the state machine: entries in; replies, batches for the file and news for the others out.

package import BBolt
package import Backend
package import Base
package import EtcdWire
package import MVCC
package import RaftWire
package import StateMachine

/// What leaves the apply lane in one turn.
package struct ApplyOutbox: Sendable {
    package var replies: [AppliedReply] = []
    package var events: [StateEvent] = []
    /// What happened to the keys, in order.
    package var changes: [StoreRevision] = []
    package var batches: [SealedBatch] = []
    /// What was applied, whether it succeeded and how long it took in nanoseconds, for the figures.
    package var applied: [(request: AppliedRequest, nanoseconds: UInt64)] = []
    /// Changes of raft's configuration, in the order in which raft must hear of them.
    package var removesLocalMember = false
    /// Entries that took long.
    package var slow: [SlowApply] = []
    /// Requests to have everything in the file, now fulfilled; the reader shows at least what they asked for.
    package var flushed: [(UInt64, ReadTransaction)] = []

    package init() {}
}

/// One applied entry, as the figures see it.
package struct AppliedRequest: Sendable, Hashable {
    /// Nil for a request that carries nothing.
    package var kind: RaftRequestKind?
    package var succeeded: Bool

    init(_ reply: AppliedReply) {
        kind = reply.kind
        if case .success = reply.outcome { succeeded = true } else { succeeded = false }
    }
}

/// An entry that took long to apply.
package struct SlowApply: Sendable {
    package let data: Bytes
    package let nanoseconds: UInt64
    package let outcome: Result<Reply, EtcdError>
}

package struct ApplyLane: ~Copyable {
    /// As etcd: the file is written every 100 ms or this many changes.
    package var batchOperationsMax = 10_000
    /// Entries that take longer are told of one by one.
    package var slowNanoseconds = UInt64.max
    /// Rows that a slice of a compaction removes at most; nil for what is quick enough.
    package var compactionRowsMax: Int?
    /// Physical compactions whose rows are gone but not yet out of the file.
    private var finishedCompaction: (revision: Int64, batch: BatchNumber)?
    private var compactionWaiters: [AppliedReply] = []

    package var state: StateMachine
    package var outbox = ApplyOutbox()
    private let localPrefix: UInt64
    /// The host's clock, for figures alone; without one everything takes no time.
    package var clock: (@Sendable () -> Instant)?
    /// When the first of the entries that were applied last was begun, and the last of them done.
    package private(set) var begunApplying = Instant(nanoseconds: 0)
    package private(set) var lastApplied = Instant(nanoseconds: 0)
    /// Set while a leader's snapshot is on its way into the state's place.
    package private(set) var isReplaced = false
    private var flushWaiters: [(token: UInt64, batch: BatchNumber)] = []
    private var lastBatch: BatchNumber = 0
    private var committedBatch: BatchNumber = 0

    /// - Parameter localPrefix: the upper 16 bits of identifiers of requests that this member proposes.
    package init(state: consuming StateMachine, localPrefix: UInt64) {
        self.state = state
        self.localPrefix = localPrefix
    }

    package var appliedIndex: LogIndex { state.appliedIndex }

    /// Before the first of entries that follow each other.
    package mutating func beginsApplying() {
        guard let clock else { return }
        begunApplying = clock()
        lastApplied = begunApplying
    }

    private mutating func timeSinceLast() -> UInt64 {
        guard let clock else { return 0 }
        let now = clock()
        defer { lastApplied = now }
        return now.nanoseconds &- lastApplied.nanoseconds
    }

    /// Applies one entry.
    /// - Returns: a change of raft's configuration that raft must hear of before it goes on.
    package mutating func apply(_ entry: Entry, now: Instant) throws(StateMachineFailure) -> ConfChangeV2? {
        let applied = try state.apply(entry, wantsReply: true, now: now)
        if !applied.events.isEmpty { outbox.events += applied.events }
        if let changes = applied.changes { outbox.changes.append(changes) }
        if applied.removesLocalMember { outbox.removesLocalMember = true }
        if let reply = applied.reply {
            let took = timeSinceLast()
            outbox.applied.append((AppliedRequest(reply), took))
            if took > slowNanoseconds, reply.kind != nil {
                outbox.slow.append(SlowApply(data: entry.data, nanoseconds: took, outcome: reply.outcome))
            }
        }
        if var reply = applied.reply, reply.requestID >> 48 == localPrefix {
            if reply.awaitsCompaction != nil, case .success = reply.outcome {
                reply.decidedAt = lastApplied
                compactionWaiters.append(reply)
            } else {
                outbox.replies.append(reply)
            }
        }
        if state.backend.pendingOperations >= batchOperationsMax { seal() }
        return applied.configurationChange
    }

    /// Hands what has gathered to the commit lane.
    package mutating func seal() {
        // A state that is about to go must not be written over the one that comes.
        guard !isReplaced, let batch = state.backend.seal() else { return }
        lastBatch = batch.number
        outbox.batches.append(batch)
    }

    /// Asks for a state of the file that holds all that is applied now; it comes out of the outbox under `token`.
    package mutating func flush(_ token: UInt64) {
        seal()
        flushWaiters.append((token, lastBatch))
        answerFlushes()
    }

    private mutating func answerFlushes() {
        flushWaiters.removeAll { token, batch in
            guard committedBatch >= batch else { return false }
            outbox.flushed.append((token, state.backend.fileReader))
            return true
        }
    }

    package var hasUnsealedChanges: Bool { !isReplaced && state.backend.hasPendingChanges }

    // MARK: A leader's snapshot

    /// Nothing more is applied to this state, nor written: another takes its place.
    package mutating func beginReplacement() {
        isReplaced = true
    }

    /// Puts the state of the file that `result` shows in the place of the old one. What waited for the old one's file
    /// is answered: the new one holds more.
    ///
    /// - Parameter data: the snapshot's own, a tree of the v2 store.
    package mutating func replace(_ result: CommitResult, data: Bytes, isLast: Bool) throws(StateLoadError) {
        var successor = try state.successor(result.reader)
        successor.adoptV2Store(data)
        successor.databaseSizeBytes = result.statistics.sizeBytes
        // Clients stay logged in.
        successor.tokens = state.tokens
        state = successor
        isReplaced = !isLast
        lastBatch = 0
        committedBatch = 0
        finishedCompaction = nil
        outbox.batches = []
        outbox.replies += compactionWaiters
        compactionWaiters = []
        for (token, _) in flushWaiters { outbox.flushed.append((token, result.reader)) }
        flushWaiters = []
    }

    package mutating func committed(_ result: CommitResult) {
        // Of the old state's last batches.
        if isReplaced { return }
        committedBatch = max(committedBatch, result.through)
        state.backend.committed(through: result.through, reader: result.reader)
        state.databaseSizeBytes = result.statistics.sizeBytes
        answerCompactions()
        answerFlushes()
    }

    // MARK: Compaction

    /// Rows that compactions have removed since the start.
    package var compactedRows: UInt64 { state.store.compactedRows }
    package var isCompacting: Bool { !isReplaced && state.store.isCompacting }

    /// A bounded piece of removing compacted rows.
    package mutating func compactionSlice() {
        guard let finished = state.store.compactionSlice(in: &state.backend, rowsMax: compactionRowsMax) else { return }
        outbox.events.append(.compacted(revision: finished))
        // Whoever asked for a physical compaction hears of it when a crash cannot undo it.
        seal()
        finishedCompaction = (finished, lastBatch)
        answerCompactions()
    }

    private mutating func answerCompactions() {
        guard let finished = finishedCompaction, committedBatch >= finished.batch, !compactionWaiters.isEmpty else { return }
        compactionWaiters.removeAll { waiter in
            guard let revision = waiter.awaitsCompaction, revision <= finished.revision else { return false }
            outbox.replies.append(waiter)
            return true
        }
    }
}
