// The event loop that owns a member on a small machine: replica, front lane and client connections, all on one thread;
// the log, the file and the chores on threads of their own.
//
// Everything happens in turns. A turn takes what has come in, runs the lanes until they are quiet, hands out what they
// ask for, and writes each connection's answers with one system call.

import Auth
import Backend
import Base
import BBolt
import Credentials
import Dispatch
import EtcdAPI
import EtcdWire
import FoundationEssentials
import FrontDoor
import Lease
import Membership
import Metrics
import MVCC
import NIOCore
import NIOPosix
import PeerTransport
import Raft
import Replica
import ServerConfiguration
import ServerLog
import StateMachine
import Threads
import TraceExport
import Tracing

/// What other threads tell the loop.
enum LoopMessage: Sendable {
    /// - Parameter requests: how many are done.
    case log([LogReply], requests: Int, fsyncSeconds: Double, bytesWritten: UInt64)
    case committed([CommitReply], [CommitTimes], seconds: Double)
    case chore(UInt64, ChoreResult, seconds: Double)
    /// The member can't go on: its log or its file failed.
    case failed(String)
}

final class MemberLoop {
    let eventLoop: any EventLoop
    let configuration: ServerConfiguration
    let logger: ServerLogger
    let raftLogger: ServerLogger
    let clusterID: ClusterID
    let memberID: MemberID
    var replica: CompactReplica
    private(set) var lane: FrontLane!
    private(set) var door: FrontDoor!
    let metrics = MemberMetrics()
    let diskMeter: DiskMeter
    let authenticator: Authenticator
    var verifiedTokens = VerifiedTokens()
    private var inbox: Mailbox<LoopMessage>!
    private(set) var logThread: LaneThread<LogRequest>!
    private var commitThread: LaneThread<CommitRequest>!
    private var choreThread: LaneThread<(UInt64, Chore)>!
    private var passwordThread: LaneThread<(UInt64, Chore)>!
    private var tokenThread: LaneThread<(UInt64, Chore)>!
    private let isEnding = Flag()
    let logLane: Guarded<LogLane>
    private let commitLane: Guarded<CommitLane>
    var deferredLog: [LogRequest] = []
    var isLogFlushScheduled = false
    var quiet = QuietHours()
    private var isTurnScheduled = false
    private var isInTurn = false
    /// In a turn: the answers are going out.
    private var isFlushing = false
    private var isCompactionScheduled = false
    private(set) var isStopping = false
    private var timers: [RepeatedTask] = []
    var statistics: DatabaseStatistics
    var monitors = MonitorState()
    var whenReady: (() -> Void)?
    /// Called when the cluster goes on without this member.
    var whenRemoved: (() -> Void)?
    var isLeaving = false
    var peerSide: PeerSide?
    /// Where spans go; set before the start.
    var exporter: TraceExporter?

    init(
        replica: consuming CompactReplica,
        log: consuming sending LogLane,
        commit: consuming sending CommitLane,
        identity: (cluster: ClusterID, member: MemberID),
        statistics: DatabaseStatistics,
        eventLoop: any EventLoop,
        configuration: ServerConfiguration,
        authenticator: Authenticator,
        logger: ServerLogger,
        diskMeter: DiskMeter
    ) {
        self.diskMeter = diskMeter
        self.authenticator = authenticator
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.logger = logger
        raftLogger = logger.named("raft")
        clusterID = identity.cluster
        memberID = identity.member
        self.statistics = statistics
        self.replica = replica
        logLane = Guarded(log)
        commitLane = Guarded(commit)
    }

    private func seconds(since begun: Instant) -> Double { Double(Self.now().nanoseconds &- begun.nanoseconds) / 1e9 }

    static func now() -> Instant { Instant(nanoseconds: DispatchTime.now().uptimeNanoseconds) }

    // MARK: Start

    /// On the event loop.
    func start() {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let loop = eventLoop
        inbox = Mailbox { loop.execute { bound.value.turn() } }
        let inbox: Mailbox<LoopMessage> = inbox
        logThread = LaneThread(name: "etcd-log") { [logLane, diskMeter] batch in
            diskMeter.begins()
            let begun = DispatchTime.now().uptimeNanoseconds
            do {
                let (replies, written) =
                    try logLane.use { (lane: inout LogLane) in (try lane.receive(batch), lane.bytesWritten) } ?? ([], 0)
                let seconds = Double(DispatchTime.now().uptimeNanoseconds - begun) / 1e9
                inbox.post(.log(replies, requests: batch.count, fsyncSeconds: seconds, bytesWritten: written))
                logLane.use { (lane: inout LogLane) in lane.prepareNextSegment() }
                return true
            } catch {
                inbox.post(.failed("failed to write the WAL: \(error)"))
                return false
            }
        }
        commitThread = LaneThread(name: "etcd-commit") { [commitLane] batch in
            let begun = DispatchTime.now().uptimeNanoseconds
            let stopwatch = CommitStopwatch()
            do {
                let replies =
                    try commitLane.use { (lane: inout CommitLane) in try lane.receive(batch, reached: stopwatch.reached)
                    } ?? []
                inbox.post(
                    .committed(
                        replies,
                        stopwatch.commits,
                        seconds: Double(DispatchTime.now().uptimeNanoseconds - begun) / 1e9
                    )
                )
                return true
            } catch {
                inbox.post(.failed("failed to commit to the backend: \(error)"))
                return false
            }
        }
        choreThread = LaneThread(name: "etcd-chores") { [authenticator] batch in
            for (token, chore) in batch {
                let begun = DispatchTime.now().uptimeNanoseconds
                let result = chore.run(authenticator)
                inbox.post(.chore(token, result, seconds: Double(DispatchTime.now().uptimeNanoseconds - begun) / 1e9))
            }
            return true
        }
        passwordThread = LaneThread(name: "etcd-passwords") { [authenticator, isEnding] batch in
            // Nobody waits for the many that may be queued when the member stops.
            for (token, chore) in batch where !isEnding.isSet { inbox.post(.chore(token, chore.run(authenticator), seconds: 0)) }
            return true
        }
        tokenThread = LaneThread(name: "etcd-tokens") { [authenticator] batch in
            for (token, chore) in batch { inbox.post(.chore(token, chore.run(authenticator), seconds: 0)) }
            return true
        }
        let requests = configuration.requests
        let election = Duration.milliseconds(Int64(configuration.raft.electionMilliseconds))
        var settings = FrontSettings(
            clusterID: clusterID, memberID: memberID, requestBytesMax: Int(requests.maxRequestBytes),
            transactionOperationsMax: Int(requests.maxTxnOps), requestTimeout: configuration.raft.requestTimeout.duration,
            quotaBytes: UInt64(max(0, configuration.storage.effectiveQuotaBytes ?? 0)),
            electionTimeout: election,
            watchProgressInterval: .nanoseconds(requests.watchProgressNotifyInterval.nanoseconds),
            startMilliseconds: UInt64(Date().timeIntervalSince1970 * 1000),
            checksReconfiguration: configuration.cluster.strictReconfigCheck)
        settings.slowReadNanoseconds = UInt64(max(0, requests.warningApplyDuration.nanoseconds))
        settings.tracedNanoseconds = RequestTrace.threshold
        settings.renewsBeforeApplied = configuration.featureGates.isEnabled(.fastLeaseKeepAlive)
        settings.prefersRevocations = configuration.featureGates.isEnabled(.priorityRequest)
        settings.stopsServingOnDefragmentation = configuration.featureGates.isEnabled(.stopGRPCServiceOnDefrag)
        lane = FrontLane(settings, member: self)
        lane.wake = { [unowned self] in scheduleTurn() }
        lane.clock = Self.now
        replica.apply.clock = { Self.now() }
        let storage = configuration.storage
        replica.apply.batchOperationsMax = Int(clamping: max(1, storage.batchLimit))
        if storage.compactionBatchLimitSetting > 0 {
            replica.apply.compactionRowsMax = Int(clamping: storage.compactionBatchLimitSetting)
        }
        door = FrontDoor(
            lane: lane,
            settings: FrontDoorSettings(configuration),
            clock: { Self.now() },
            metrics: { [unowned self] in metrics.page(self) }
        )
        if configuration.monitoring.extensiveMetrics {
            door.statistics.handlingTook = { [metrics] rpc, took in metrics.handling.observe(rpc, Double(took) / 1e9) }
        }
        door.requestsArrived = { [unowned self] in scheduleTurn() }
        // A turn ends with writing all there is to write.
        door.outputArrived = { [unowned self] in if !isInTurn || isFlushing { scheduleTurn() } }
        let date = HTTPDate()
        door.date = { date.now }
        door.hostRefused = { [logger] host in
            logger.warn("rejecting HTTP request to prevent DNS rebinding attacks", [.string("host", host)])
        }
        door.healthNews = { [logger] news in logger.write(news) }
        watchSlowRequests()
        startTracing()
        replica.apply.state.tokens = SimpleTokens(lifetime: authenticator.tokenLifetime)
        startTimers()
    }

    private func startTimers() {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        func every(_ amount: TimeAmount, _ body: @escaping @Sendable (MemberLoop) -> Void) {
            timers.append(
                eventLoop.scheduleRepeatedTask(initialDelay: amount, delay: amount) { _ in body(bound.value) })
        }
        every(.milliseconds(Int64(configuration.raft.heartbeatMilliseconds))) { loop in
            let now = Self.now()
            loop.replica.consensus.tick(now: now)
            loop.lane.expire(now: now)
            loop.turn()
        }
        every(TimeAmount(configuration.storage.batchInterval)) { loop in
            guard loop.replica.apply.hasUnsealedChanges else { return }
            loop.replica.apply.seal()
            loop.turn()
        }
        every(.milliseconds(500)) { $0.monitorHalfSecond() }
        every(VersionMonitor.interval) { $0.peerSide?.versions.settleClusterVersion() }
        let downgradeCheck = TimeAmount(configuration.cluster.downgradeCheckTime)
        let corruptCheck = TimeAmount(configuration.monitoring.corruptCheckTime)
        if corruptCheck > .zero { every(corruptCheck) { $0.peerSide?.corruption.checkPeriodically() } }
        let compactCheck = TimeAmount(configuration.monitoring.compactHashCheckTime)
        if configuration.featureGates.isEnabled(.compactHashCheck), compactCheck > .zero {
            every(compactCheck) { $0.peerSide?.corruption.checkCompactions() }
        }
        if downgradeCheck > .zero { every(downgradeCheck) { $0.peerSide?.versions.endDowngrade() } }
        let housekeeper = Housekeeper(configuration, logger)
        let keeper = NIOLoopBound(housekeeper, eventLoop: eventLoop)
        every(Housekeeper.interval) { keeper.value.step(requests: $0.door.messages) }
        if door.tracer != nil { every(Self.spanDelay) { $0.flushSpans() } }
    }

    /// While nothing is to be compacted nothing wakes the loop for it.
    private func scheduleCompactionSlice() {
        guard replica.apply.isCompacting, !isCompactionScheduled, !isStopping else { return }
        isCompactionScheduled = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        // Between the slices others get their turns.
        eventLoop.scheduleTask(in: TimeAmount(configuration.storage.compactionSleepInterval)) { bound.value.compactionSlice() }
    }

    private func compactionSlice() {
        isCompactionScheduled = false
        guard replica.apply.isCompacting, !isStopping else { return }
        let begun = Self.now()
        if metrics.compactionBegun == nil { metrics.compactionBegun = begun }
        replica.apply.compactionSlice()
        let took = seconds(since: begun) * 1000
        metrics.compactionPause.observe(took)
        metrics.indexCompactionPause.observe(took)
        if !replica.apply.isCompacting, let start = metrics.compactionBegun {
            metrics.compactionTotal.observe(seconds(since: start) * 1000)
            metrics.compactedAt = Date().timeIntervalSince1970.rounded(.down)
            metrics.compactionBegun = nil
        }
        turn()
    }

    // MARK: Turns

    func scheduleTurn() {
        guard !isTurnScheduled else { return }
        isTurnScheduled = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute { bound.value.turn() }
    }

    func turn() {
        if isInTurn { return scheduleTurn() }
        isInTurn = true
        isTurnScheduled = false
        let now = Self.now()
        lane.now = now
        for message in inbox.take() { receive(message) }
        takePeerNews()
        do throws(StateMachineFailure) {
            repeat {
                passRequests()
                try replica.process(now: now)
                let applied = replica.outbox.applied
                if !applied.isEmpty { metrics.note(applied) }
                passResults()
            } while lane.hasRequests || (replica.consensus.hasWork && !replica.hasMore)
            noteFirstCommit()
        } catch {
            fail("failed to apply an entry: \(error)")
        }
        isFlushing = true
        door.flush()
        isFlushing = false
        noteTally()
        isInTurn = false
        if replica.hasMore { scheduleTurn() }
        scheduleCompactionSlice()
    }

    private func noteTally() {
        let tally = lane.takeTally()
        metrics.note(tally)
        for slow in tally.slowBarriers { write(slow) }
        for (number, slow) in tally.slowReads.enumerated() { write(slow, withSteps: number < FrontTally.slowMax) }
        for slow in tally.slowWrites { write(slow) }
    }

    private func receive(_ message: LoopMessage) {
        switch message {
        case .log(let replies, let requests, let seconds, let written):
            quiet.requestsOutstanding -= requests
            logged(replies, seconds: seconds, bytesWritten: written)
        case .committed(let replies, let commits, let seconds):
            for commit in commits { metrics.note(commit) }
            for reply in replies { committed(reply, commitSeconds: seconds) }
        case .chore(let token, let result, let seconds):
            switch result {
            case .hashKV: metrics.hashAtRevision.observe(seconds)
            case .backendHash: metrics.hash.observe(seconds)
            default: break
            }
            lane.choreDone(token, result)
        case .failed(let reason): fail(reason)
        }
    }

    private func committed(_ reply: CommitReply, commitSeconds: Double) {
        switch reply {
        case .committed(let result):
            statistics = result.statistics
            replica.committed(result)
        case .pinned(let token, let result): replica.pinned(token, result)
        case .installed(let snapshot, let result):
            statistics = result.statistics
            do throws(StateLoadError) {
                try replica.installed(snapshot, result)
            } catch {
                fail("failed to recover from a received snapshot: \(error)")
            }
        case .defragmented(let token, let result):
            metrics.isDefragmenting = false
            metrics.defragmentation.observe(commitSeconds)
            statistics = result.statistics
            // The file that was has no name any more: whoever lets go of it last waits while the system frees all of it.
            let last = Guarded(replica.apply.state.backend.fileReader)
            replica.committed(result)
            startThread { _ = last.take() }
            lane.defragmented(token, nil)
            logger.info(
                "finished defragmentation",
                [.uint("current-db-size-bytes", statistics.sizeBytes), .uint("current-db-size-in-use-bytes", statistics.sizeInUseBytes)])
        case .defragmentationFailed(let token, let error):
            metrics.isDefragmenting = false
            logger.error("failed to defragment", [.error(error.description)])
            lane.defragmented(token, EtcdError(code: .unknown, message: error.description))
        }
    }

    /// From the front lane into the replica and to the threads.
    private func passRequests() {
        guard lane.hasRequests else { return }
        let out = lane.takeRequests()
        metrics.proposalsPending += out.proposals.count
        quiet.note(proposals: out.proposals.count, messages: door.messages)
        for proposal in out.proposals { replica.consensus.propose(proposal) }
        for proposal in out.again { replica.consensus.propose(proposal) }
        for change in out.configurationChanges { replica.consensus.proposeConfigurationChange(change) }
        for target in out.leaderTransfers { replica.consensus.transferLeadership(to: target) }
        for (token, errand) in out.errands { peerSide?.errands.run(token, errand) }
        for id in out.barriers { replica.consensus.barrier(id) }
        for token in out.flushes { replica.apply.flush(token) }
        for (token, chore) in out.chores { thread(for: chore).post((token, chore)) }
        for token in out.defragmentations { defragment(token) }
    }

    private func defragment(_ token: UInt64) {
        logger.info("defragmenting", [.uint("current-db-size-bytes", statistics.sizeBytes)])
        metrics.isDefragmenting = true
        replica.apply.seal()
        replica.collectApplied()
        replica.outbox.commit.append(.defragment(token))
    }

    /// `--bootstrap-defrag-threshold-megabytes`: gives back what is free of the file if that is enough. The member serves
    /// meanwhile.
    func defragmentAtStart() {
        let (threshold, overflow) = configuration.storage.bootstrapDefragThresholdMegabytes
            .multipliedReportingOverflow(by: 1 << 20)
        guard threshold > 0 else { return }
        let free = statistics.sizeBytes - min(statistics.sizeBytes, statistics.sizeInUseBytes)
        if overflow || free < threshold {
            return logger.info(
                "Skipping defragmentation",
                [
                    .uint("current-db-size-bytes", statistics.sizeBytes),
                    .string("current-db-size", humanizedBytes(statistics.sizeBytes)),
                    .uint("current-db-size-in-use-bytes", statistics.sizeInUseBytes),
                    .string("current-db-size-in-use", humanizedBytes(statistics.sizeInUseBytes)),
                    .uint("bootstrap-defrag-threshold-bytes", overflow ? .max : threshold),
                    .string("bootstrap-defrag-threshold", humanizedBytes(overflow ? .max : threshold)),
                ])
        }
        // Nobody waits under this token.
        defragment(0)
        turn()
    }

    private func thread(for chore: Chore) -> LaneThread<(UInt64, Chore)> {
        // Nobody's token waits behind a password, nor behind a large range.
        if case .judgeToken = chore { return tokenThread }
        return chore.isCostly ? passwordThread : choreThread
    }

    /// From the replica to the front lane, the threads and the log.
    private func passResults() {
        replica.collectApplied()
        var out = ReplicaOutbox()
        swap(&out, &replica.outbox)
        for line in out.raftLines { write(line) }
        for slow in out.slowApplies { write(slow) }
        for event in out.events { handle(event) }
        if let status = out.status { statusChanged(status) }
        if !out.log.isEmpty { passToLog(out.log) }
        passToPeers(out)
        if !out.commit.isEmpty { commitThread.post(contentsOf: out.commit) }
        if !out.changes.isEmpty {
            metrics.note(out.changes)
            let (begun, sent) = (Self.now(), lane.watches.eventsSent)
            lane.watches.applied(out.changes)
            let told = lane.watches.eventsSent - sent
            if told > 0 {
                let took = seconds(since: begun)
                metrics.watchDelivery.observe(took)
                metrics.watchDeliveryPerEvent.observe(took / Double(told), times: told)
            }
        }
        if !out.replies.isEmpty {
            metrics.proposalsPending = max(0, metrics.proposalsPending - out.replies.count)
            lane.deliver(out.replies, applied: (replica.apply.begunApplying, replica.apply.lastApplied))
        }
        if !out.barriers.isEmpty { lane.barriersPassed(out.barriers) }
        for (token, reader) in out.flushed { lane.flushed(token, reader) }
        metrics.proposalsFailed += out.droppedProposals
        if !out.refused.isEmpty { lane.refused(out.refused) }
        if let index = out.snapshotTriggered {
            logger.info(
                "triggering snapshot",
                [
                    .string("local-member-id", hexadecimal(memberID)), .uint("local-member-applied-index", index),
                    .uint("local-member-snapshot-count", configuration.raft.snapshotCount),
                ])
        }
        if let index = out.snapshotSaved { logger.info("saved snapshot to disk", [.uint("snapshot-index", index)]) }
        if let index = out.snapshotInstalled {
            logger.info(
                "applied snapshot",
                [
                    .uint("current-snapshot-index", index), .uint("current-applied-index", appliedIndex),
                    .uint("incoming-leader-snapshot-index", index),
                ])
            lane.watches.storeReplaced()
            membershipReplaced()
        }
        if let failure = out.failure { fail("\(failure)") }
        if out.removesLocalMember { localMemberWasRemoved() }
    }

    private func write(_ line: RaftLogLine) {
        switch line.level {
        case .debug: raftLogger.debug(line.text)
        case .info: raftLogger.info(line.text)
        case .warning: raftLogger.warn(line.text)
        case .error: raftLogger.error(line.text)
        }
    }

    /// The log or the file failed: whatever is not durable was not acknowledged, and nothing more will be.
    func fail(_ reason: String) {
        if isStopping { return }
        logger.fatal("the member stops: \(reason)", [.string("local-member-id", hexadecimal(memberID))])
        exit(1)
    }

    // MARK: End

    /// Tells all who wait, and those who still come, that the member stops; the answers go out.
    func beginStop() {
        isStopping = true
        for timer in timers { timer.cancel() }
        timers = []
        lane.stop()
        door.shutDown()
        door.flush()
        flushSpans()
    }

    /// Puts everything applied into the file and closes log and file. Blocks; the loop serves nobody any more.
    func finishStop() {
        peerSide?.transport.stop()
        try? peerSide?.pool.syncShutdownGracefully()
        replica.apply.seal()
        replica.collectApplied()
        let out = replica.outbox
        replica.outbox = ReplicaOutbox()
        deferredLog += out.log
        postLog()
        commitThread.post(contentsOf: out.commit)
        choreThread.stop()
        isEnding.set()
        passwordThread.stop()
        tokenThread.stop()
        logThread.stop()
        commitThread.stop()
        logLane.close { (lane: consuming LogLane) in try? lane.close() }
        commitLane.close { (lane: consuming CommitLane) in lane.close() }
    }
}

extension Guarded where Value: ~Copyable {
    /// Ends the value's life; later uses find nothing.
    func close(_ body: (consuming Value) -> Void) {
        if let value = take() { body(value) }
    }
}

// MARK: - What the front lane may look at

extension MemberLoop: MemberState {
    var view: StoreView { replica.apply.state.view }
    var moment: MemberMoment {
        MemberMoment(
            view: replica.apply.state.view, term: replica.consensus.status.term,
            isAuthEnabled: replica.apply.state.auth.isEnabled)
    }
    var raftStatus: RaftBasicStatus { replica.consensus.status }
    var appliedIndex: UInt64 { replica.apply.appliedIndex }
    var latestRevision: Int64 { replica.apply.state.latestRevision }
    var membership: Membership { replica.apply.state.membership }
    var alarms: AlarmSet { replica.apply.state.alarms }
    var storageVersion: SemanticVersion? { replica.apply.state.storageVersion }
    var databaseStatistics: DatabaseStatistics { statistics }
    var lessor: Lessor { replica.apply.state.lessor }

    func newSnapshotDigest() -> any SnapshotDigest { SHA256Hash() }

    func renewLease(_ id: LeaseID) throws(LeaseError) -> LeaseRenewal {
        let ttl = try replica.apply.state.lessor.renew(id, now: Self.now())
        return LeaseRenewal(ttl: ttl, hasCheckpoint: replica.apply.state.lessor.hasCheckpoint(id))
    }
}

extension SHA256Hash: SnapshotDigest {}

extension Chore {
    /// On the chores thread.
    func run(_ authenticator: Authenticator) -> ChoreResult {
        switch self {
        case .hashPassword(let password): return .passwordHash(authenticator.hash(password))
        case .checkPassword(let password, let hash): return .passwordMatches(PasswordHash.matches(password, hash))
        case .signToken(let subject): return .token(authenticator.sign(subject))
        case .judgeToken(let token): return authenticator.judge(token)
        case .hashKV(let view, let revision):
            do throws(MVCCError) {
                return .hashKV(.success(try view.hashKV(revision)))
            } catch {
                return .hashKV(.failure(error))
            }
        case .range(let view, let request):
            do throws(MVCCError) {
                return .range(.success(try view.answer(request)))
            } catch {
                return .range(.failure(error))
            }
        case .backendHash(let reader):
            do throws(BBoltError) {
                return .backendHash(.success(try reader.backendHash()))
            } catch {
                return .backendHash(.failure(error))
            }
        case .history(let view, let wishes):
            do throws(MVCCError) {
                return .history(.success(try view.history(wishes)))
            } catch {
                return .history(.failure(error))
            }
        case .snapshotPiece(var stream):
            let messages = stream.next()
            return .snapshotPiece(stream, messages: messages)
        }
    }
}
