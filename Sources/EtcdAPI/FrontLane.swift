// The lane of the client connections of one event loop: requests in, proposals and barriers out; replies back to whom
// they belong. Pure: it knows no socket, and time comes as an argument.
//
// A request is checked at the door, then either answered from the current view, or put behind a barrier, or proposed.
// What waits is bounded by the request timeout: nothing is kept longer.

package import Auth
package import BBolt
package import Base
package import EtcdWire
package import Lease
package import MVCC
package import Membership
package import Raft
package import RaftWire
package import Replica
package import StateMachine
import Wire

/// What the front lane may look at of the member; on the lane's own thread.
package protocol MemberState: AnyObject {
    /// For reads that are over before the next change.
    var view: StoreView { get }
    /// What nearly every read needs, in one look.
    var moment: MemberMoment { get }
    var raftStatus: RaftBasicStatus { get }
    var appliedIndex: UInt64 { get }
    /// The store's, without a view of it.
    var latestRevision: Int64 { get }
    var membership: Membership { get }
    var alarms: AlarmSet { get }
    var storageVersion: SemanticVersion? { get }
    var databaseStatistics: DatabaseStatistics { get }
    var lessor: Lessor { get }
    /// With the followers' progress, on the leader.
    var fullRaftStatus: RaftStatus { get }
    /// Since when the member hears from another one; nil if it does not.
    func activeSince(_ id: MemberID) -> Instant?
    /// The wall clock, in seconds since 1970.
    var unixSeconds: Int64 { get }
    /// Rises with every change of users, roles and permissions.
    var authRevision: UInt64 { get }
    /// Starts a lease's time anew; on the primary.
    func renewLease(_ id: LeaseID) throws(LeaseError) -> LeaseRenewal
    var isAuthEnabled: Bool { get }
    var tokenKind: TokenKind { get }
    /// Whether somebody has that token that is not signed.
    func isTokenKnown(_ token: String) -> Bool
    /// Whether it is known what a signed token is worth.
    func isTokenJudged(_ token: String) -> Bool
    /// Keeps what a chore has found.
    func tokenJudged(_ token: String, _ subject: AuthSubject?, expiry: Double?)
    /// Unguessable letters for a token.
    func newTokenPrefix() -> String
    /// For the trailer of a snapshot.
    func newSnapshotDigest() -> any SnapshotDigest
    /// Who asks, as far as token or certificate say; nil for nobody, and for everybody while authentication is off.
    func identify(_ metadata: CallMetadata) throws(EtcdError) -> AuthSubject?
    /// Whether that user may read the range now; true while authentication is off.
    func isRangePermitted(_ user: String, _ range: KeyRange) -> Bool
    /// Someone to compare a password with.
    func userForPassword(_ name: String) throws(EtcdError) -> User
    /// Hears of a password that was not the user's.
    func passwordIsWrong(of user: String)
    /// Asks permission rules; throws what the client is told.
    func authorize(_ request: AuthorizationRequest, _ metadata: CallMetadata) throws(EtcdError)
}

/// A lease whose time has begun anew.
package struct LeaseRenewal: Sendable {
    /// Seconds it has now.
    package let ttl: Int64
    /// Other members were told of less.
    package let hasCheckpoint: Bool

    package init(ttl: Int64, hasCheckpoint: Bool) {
        self.ttl = ttl
        self.hasCheckpoint = hasCheckpoint
    }
}

/// What reads go by, together.
package struct MemberMoment {
    package let view: StoreView
    package let term: Term
    package let isAuthEnabled: Bool

    package init(view: StoreView, term: Term, isAuthEnabled: Bool) {
        self.view = view
        self.term = term
        self.isAuthEnabled = isAuthEnabled
    }
}

/// What a request wants to do, for the permission check.
package enum AuthorizationRequest: Sendable {
    case range(KeyRange)
    case txn(TxnRequest)
    case administration
    /// Anybody who is somebody.
    case anyUser
    /// All keys that hang on the lease.
    case leaseKeys(LeaseID, PermissionKind)
    /// Reading all keys that hang on any lease.
    case allLeases
}

package struct FrontSettings: Sendable {
    package var clusterID: ClusterID
    package var memberID: MemberID
    package var requestBytesMax: Int
    package var transactionOperationsMax: Int
    package var requestTimeout: Duration
    package var quotaBytes: UInt64
    package var electionTimeout: Duration
    /// Between notices of progress to idle watchers; up to a tenth is added.
    package var watchProgressInterval: Duration
    /// What a message may weigh around the largest request.
    package static let messageOverheadBytes = 512 << 10
    /// Seed of the request identifiers' lower part: wall time in milliseconds at start, so that they don't repeat.
    package var startMilliseconds: UInt64
    /// `--strict-reconfig-check`: changes of the membership must leave a quorum that is there.
    package var checksReconfiguration: Bool
    /// `FastLeaseKeepAlive`: a lease that is known is renewed even while something committed is not applied yet.
    package var renewsBeforeApplied = true
    /// `PriorityRequest`: leases may still be revoked when twice as much waits to be applied as other writes are refused at.
    package var prefersRevocations = false
    /// `StopGRPCServiceOnDefrag`: while the file is defragmented, clients that watch the health service are sent elsewhere.
    package var stopsServingOnDefragmentation = false
    /// Reads that take longer are told of one by one.
    package var slowReadNanoseconds = UInt64.max
    /// Requests that take longer, from their arrival to the answer, are told of with their steps.
    package var tracedNanoseconds = UInt64.max

    package init(
        clusterID: ClusterID, memberID: MemberID, requestBytesMax: Int, transactionOperationsMax: Int, requestTimeout: Duration,
        quotaBytes: UInt64, electionTimeout: Duration, watchProgressInterval: Duration, startMilliseconds: UInt64,
        checksReconfiguration: Bool = true
    ) {
        self.clusterID = clusterID
        self.memberID = memberID
        self.requestBytesMax = requestBytesMax
        self.transactionOperationsMax = transactionOperationsMax
        self.requestTimeout = requestTimeout
        self.quotaBytes = quotaBytes
        self.electionTimeout = electionTimeout
        self.watchProgressInterval = watchProgressInterval
        self.startMilliseconds = startMilliseconds
        self.checksReconfiguration = checksReconfiguration
    }
}

/// Work that reads much or waits for the file; its result comes back under the token.
package enum Chore: Sendable {
    case hashKV(StoreView, revision: Int64)
    case range(StoreView, RangeRequest)
    case backendHash(ReadTransaction)
    case snapshotPiece(SnapshotStream)
    case history(StoreView, [HistoryWish])
    case hashPassword(String)
    case checkPassword(String, hash: Bytes)
    case signToken(AuthSubject)
    /// Whether a signed token is good: a signature costs the processor a few requests' time.
    case judgeToken(String)

    /// Slow for the processor, and asked for by anybody: kept off the thread that reads.
    package var isCostly: Bool {
        switch self {
        case .hashPassword, .checkPassword, .signToken: true
        default: false
        }
    }
}

package enum ChoreResult: Sendable {
    case hashKV(Result<HashKVResult, MVCCError>)
    case range(Result<RangeAnswer, MVCCError>)
    case backendHash(Result<UInt32, BBoltError>)
    case snapshotPiece(SnapshotStream, messages: [Bytes])
    case history(Result<[HistoryPart], MVCCError>)
    case passwordHash(Result<Bytes, EtcdError>)
    case passwordMatches(Bool)
    case token(Result<String, EtcdError>)
    /// Whose the token is, and when it ends in seconds since 1970; nil for nobody's, and for never.
    case judgedToken(AuthSubject?, expiry: Double?)
}

package struct FrontOutbox: Sendable {
    package var proposals: [Proposal] = []
    package var barriers: [BarrierID] = []
    package var chores: [(UInt64, Chore)] = []
    /// Wishes for a state of the file that holds all that is applied.
    package var flushes: [UInt64] = []
    package var defragmentations: [UInt64] = []
    package var configurationChanges: [ConfChange] = []
    /// What raft refused before, and may take now.
    package var again: [RefusedProposal] = []
    /// Members to whom leadership is to go.
    package var leaderTransfers: [MemberID] = []
    /// Questions to the leader; the answers come back under their tokens.
    package var errands: [(UInt64, LeaderErrand)] = []

    package init() {}

    package var isEmpty: Bool {
        proposals.isEmpty && barriers.isEmpty && chores.isEmpty && flushes.isEmpty && defragmentations.isEmpty
            && configurationChanges.isEmpty && again.isEmpty && leaderTransfers.isEmpty && errands.isEmpty
    }
}

package final class FrontLane {
    /// Replies wait at most for this many proposals that are committed and not applied.
    package static let applyGapMax: UInt64 = 5000
    /// Ranges of more keys than this, or without a limit over many keys, are read on another thread.
    static let inlineRangeKeysMax = 1000

    let settings: FrontSettings
    // SAFETY of unowned(unsafe): the member owns the lane and alone runs it, so there is no lane without its member. Asked
    // several times in every call, where the count of a checked reference shows.
    unowned(unsafe) let member: any MemberState
    var outbox = FrontOutbox()
    private var nextRequest: UInt64
    private var nextToken: UInt64 = 1
    private var proposals: [UInt64: ProposedCall] = [:]
    /// Wishes that wait for a leader, in order of arrival.
    var heldWishes: [HeldWish] = []
    /// Since when there is the leader that there is.
    var leaderElectedAt: Instant?
    /// When a quorum was last asked that then said that this member leads, and what waits for it to say so.
    var leadershipProvenAt: Instant?
    var leadershipQuestions: [(Bool) -> Void] = []
    /// Those of a client's other than watches that require a leader.
    var streamsForLeader: [ObjectIdentifier: any ReplySink] = [:]
    var errandTasks: [UInt64: (LeaderAnswer) -> Void] = [:]
    /// What tries again with the next tick.
    var retries: [() -> Void] = []
    /// Set while this member learns only: of requests it serves those that learners may.
    package var isLearner = false
    private var waitingReads: [(read: WaitingRead, deadline: Instant)] = []
    private var openBarriers: [BarrierID: [(read: WaitingRead, deadline: Instant)]] = [:]
    /// When each of the oldest barriers counts as slow, once more.
    private var slowAt: [BarrierID: Instant] = [:]
    /// etcd asks the leader again after this long, and counts it.
    private static let slowBarrier: Duration = .milliseconds(500)
    private var nextBarrier: UInt64 = 1
    var tasks: [UInt64: (ChoreResult) -> Void] = [:]
    /// Reads of many keys that another thread makes, and those whose turn has not come.
    var largeReads = Turnstile()
    /// The same of writes with large answers.
    var largeWrites = Turnstile()
    /// Of requests that wait until clients take answers, or for their turn.
    var heldBytes = 0
    var flushTasks: [UInt64: (ReadTransaction) -> Void] = [:]
    package internal(set) var compactionHashes = CompactionHashes()
    var defragmentations: [UInt64: any ReplySink] = [:]
    /// Streams that are told when this member serves and when not.
    var healthWatchers: [any ReplySink] = []
    var parkedCalls: [ParkedCall] = []
    /// Calls whose signed token is being judged, in order of arrival.
    var callsByToken: [String: [(sink: any ReplySink, run: () -> Void)]] = [:]
    var callsAwaitingToken = 0
    var passwordsPending = 0
    /// Set while this member is stopping: everything is refused.
    package private(set) var isStopped = false
    private let headerPrefix: [UInt8]
    private let requestTimeoutNanoseconds: UInt64
    /// How long after a quorum's word nobody else can have been elected, with half of it to spare.
    let leadershipFreshNanoseconds: UInt64
    var tally = FrontTally()
    package private(set) lazy var watches = WatchHub(self)
    /// Whether calls may have traces.
    package var isTraced = false
    /// Asks for a turn; for what happens outside of one.
    package var wake: () -> Void = {}
    /// Now, as of the current turn.
    package var now = Instant(nanoseconds: 0)
    /// For figures alone: the host's clock, which goes on within a turn. Nothing is decided by it.
    package lazy var clock: () -> Instant = { [unowned self] in now }

    private struct ProposedCall {
        /// Nil for a change of the membership.
        var kind: RaftRequestKind?
        /// Nil where `finish` is to hear of the outcome.
        var sink: (any ReplySink)?
        var begun: Instant
        var deadline: Instant
        var finish: ((Result<Reply, EtcdError>, FrontLane) -> Void)?
        /// Gives back the room that was kept for the answer.
        var answerCame: (() -> Void)?

        func fail(_ error: EtcdError, _ lane: FrontLane) {
            if let finish { finish(.failure(error), lane) } else if let sink { lane.abandon(sink, error) }
            answerCame?()
        }
    }

    /// A read behind a barrier.
    enum WaitingRead {
        case range(RangeRequest, CallMetadata, any ReplySink)
        case task((Result<Void, EtcdError>) -> Void)
    }

    package init(_ settings: FrontSettings, member: any MemberState) {
        self.settings = settings
        self.member = member
        // As etcd's: 16 bits of the member, 40 of the start's time, 8 that count.
        nextRequest = (settings.memberID & 0xffff) << 48 | (settings.startMilliseconds & 0xff_ffff_ffff) << 8
        requestTimeoutNanoseconds = UInt64(max(0, settings.requestTimeout.wholeNanoseconds))
        leadershipFreshNanoseconds = UInt64(max(0, (settings.electionTimeout / 2).wholeNanoseconds))
        headerPrefix = ResponseHeader(clusterID: settings.clusterID, memberID: settings.memberID).encoded().array
    }

    package var memberState: any MemberState { member }

    // Moved, not copied: asked for several times a turn.
    package var hasRequests: Bool { !outbox.isEmpty }

    package func takeRequests() -> FrontOutbox {
        var taken = FrontOutbox()
        swap(&taken, &outbox)
        return taken
    }

    /// What was counted since it was taken last.
    package func takeTally() -> FrontTally {
        var taken = FrontTally()
        swap(&taken, &tally)
        return taken
    }

    /// Whether a read of one key gets through: what health checks ask.
    package func probe(isSerializable: Bool, _ finish: @escaping (Result<Void, EtcdError>) -> Void) {
        let arrived = now
        let read: (Result<Void, EtcdError>) -> Void = { [self] outcome in
            guard case .success = outcome else { return finish(outcome) }
            do throws(MVCCError) {
                let begun = clock()
                _ = try member.view.answer(RangeRequest(key: "health", limit: 1, keysOnly: true))
                tally.ranges.append(clock().nanoseconds &- begun.nanoseconds)
                tallyAnswer(.range, begun: arrived)
                finish(.success(()))
            } catch {
                finish(.failure(EtcdError(error)))
            }
        }
        if isSerializable { read(.success(())) } else { afterBarrier(.task(read)) }
    }

    // MARK: Headers

    /// The header alone, as the first field of a message.
    func header(_ revision: Int64) -> Bytes { message(revision, Bytes()) }

    /// A response message: header, then the body's fields.
    func message(_ revision: Int64?, _ body: Bytes, term: UInt64? = nil) -> Bytes {
        var writer = message(revision ?? 0, term: term ?? member.raftStatus.term, room: body.count)
        writer.append(body)
        return writer.bytes
    }

    /// A response message that has its header, and room for `room` bytes of body.
    func message(_ revision: Int64, term: UInt64, room: Int) -> WireWriter {
        let size =
            headerPrefix.count + (revision == 0 ? 0 : 1 + varintSize(revision)) + (term == 0 ? 0 : 1 + varintSize(term))
        var writer = WireWriter(capacity: room + size + 4)
        writer.header(1, length: size)
        writer.array.append(contentsOf: headerPrefix)
        writer.field(3, revision)
        writer.field(4, term)
        return writer
    }

    func message(_ reply: Reply) -> Bytes {
        message(reply.revision == 0 ? member.view.latestRevision : reply.revision, reply.body)
    }

    /// An identifier nobody has: positive, as clients print it.
    func newLeaseID() -> LeaseID {
        nextRequest &+= 1
        return LeaseID(bitPattern: nextRequest & (UInt64(Int64.max)))
    }

    // MARK: Proposals

    /// Puts a request into the log; the reply goes to `sink`, or to `finish` where something else is to be done with it.
    /// - Parameter answer: what room the answer needs, where it may be large.
    func propose(
        _ kind: RaftRequestKind, _ request: Bytes, _ sink: any ReplySink, _ metadata: CallMetadata,
        answer: AnswerSize? = nil, finish: ((Result<Reply, EtcdError>, FrontLane) -> Void)? = nil
    ) {
        if isStopped { return abandon(sink, .stopped) }
        let status = member.raftStatus
        if metadata.requiresLeader, status.lead == 0 { return abandon(sink, .noLeader) }
        let isPreferred = kind == .leaseRevoke && settings.prefersRevocations
        let gapMax = isPreferred ? 2 * Self.applyGapMax : Self.applyGapMax
        if status.commit > member.appliedIndex + gapMax { return abandon(sink, .requestTooManyRequests) }
        nextRequest &+= 1
        let id = nextRequest
        var header = RequestHeader(id: id)
        // Those who log in are nobody yet.
        if member.isAuthEnabled, kind != .authenticate {
            do throws(EtcdError) {
                if let subject = try member.identify(metadata) {
                    header.username = subject.user
                    header.authRevision = subject.revision
                }
            } catch {
                return abandon(sink, error)
            }
        }
        let data = InternalRaftRequest.encode(header: header, kind: kind, request: request)
        if data.count > settings.requestBytesMax { return abandon(sink, .requestTooLarge) }
        proposals[id] = ProposedCall(
            kind: kind, sink: sink, begun: now, deadline: nextDeadline, finish: finish,
            answerCame: answer.map { keepRoom(for: $0, sink) })
        if status.lead == 0 {
            heldWishes.append(HeldWish(id: id, wish: .proposal(Proposal(requestID: id, data: data))))
        } else {
            outbox.proposals.append(Proposal(requestID: id, data: data))
        }
    }

    /// Whether somebody still waits for the outcome.
    func isPending(_ id: UInt64) -> Bool { proposals[id] != nil }

    /// Puts a change of the membership into the log; `finish` hears of it once it is applied.
    func propose(_ change: ConfChange, finish: @escaping (Result<Reply, EtcdError>, FrontLane) -> Void) {
        if isStopped { return finish(.failure(.stopped), self) }
        nextRequest &+= 1
        var change = change
        change.id = nextRequest
        proposals[change.id] = ProposedCall(
            kind: nil, sink: nil, begun: now, deadline: nextDeadline, finish: finish)
        if member.raftStatus.lead == 0 {
            heldWishes.append(HeldWish(id: change.id, wish: .change(change)))
        } else {
            outbox.configurationChanges.append(change)
        }
    }

    /// Puts a request of the member's own into the log; it may do what root may.
    /// - Parameter finish: hears of the outcome; nil where nobody waits for it.
    package func proposeInternally(
        _ body: InternalRaftRequest.Body, finish: ((Result<Reply, EtcdError>, FrontLane) -> Void)? = nil
    ) {
        nextRequest &+= 1
        let id = nextRequest
        if let finish {
            if isStopped { return finish(.failure(.stopped), self) }
            proposals[id] = ProposedCall(kind: nil, sink: nil, begun: now, deadline: nextDeadline, finish: finish)
        }
        var header = RequestHeader(id: nextRequest)
        if member.isAuthEnabled {
            header.username = AuthStore.rootName
            header.authRevision = member.authRevision
        }
        let data = InternalRaftRequest(header: header, body: body).encoded()
        outbox.proposals.append(finish == nil ? Proposal(data: data) : Proposal(requestID: id, data: data))
    }

    /// Hands replies to those who wait for them.
    /// - Parameter applied: when their entries were begun to be applied, and when that was done; by the host's clock.
    package func deliver(_ replies: [AppliedReply], applied: (begun: Instant, done: Instant)) {
        defer { resumeParkedCalls() }
        let ended = max(now, applied.done)
        for reply in replies {
            guard let call = proposals.removeValue(forKey: reply.requestID) else { continue }
            if let kind = call.kind {
                // What was refused when it was applied came through the log all the same.
                tallyAnswer(.replicated(kind), begun: call.begun)
                if ended.nanoseconds &- call.begun.nanoseconds > settings.tracedNanoseconds {
                    noteSlow(kind, reply, call.sink, arrived: call.begun, begunApplying: applied.begun, ended: ended)
                }
            }
            if let finish = call.finish {
                finish(reply.outcome, self)
                continue
            }
            switch reply.outcome {
            case .success(let answer): call.sink?.succeed(message(answer))
            case .failure(let error): call.sink?.finish(error)
            }
            call.answerCame?()
        }
    }

    // MARK: Barriers

    /// Runs a read once all that was committed before it arrived is applied.
    func afterBarrier(_ read: WaitingRead) {
        if isStopped { return fail(read, .stopped) }
        waitingReads.append((read, nextDeadline))
    }

    /// Ends a burst of requests: all reads that came in it share a barrier.
    package func closeBurst() {
        guard !waitingReads.isEmpty else { return }
        let id = BarrierID(nextBarrier)
        nextBarrier += 1
        openBarriers[id] = waitingReads
        waitingReads.removeAll(keepingCapacity: true)
        outbox.barriers.append(id)
    }

    package func barriersPassed(_ barriers: [(BarrierID, BarrierOutcome)]) {
        for (id, outcome) in barriers {
            guard let reads = openBarriers.removeValue(forKey: id) else { continue }
            if !slowAt.isEmpty { slowAt[id] = nil }
            switch outcome {
            case .confirmed(let barrier):
                noteIfSlow(barrier, reads)
                for (read, deadline) in reads {
                    let arrived = arrival(deadline)
                    if case .range = read { tallyAnswer(.range, begun: arrived) }
                    run(read, arrived: arrived)
                }
            case .leaderChanged:
                tally.failedBarriers += 1
                for (read, deadline) in reads {
                    noteFailure(of: read, .leaderChanged, deadline)
                    fail(read, .leaderChanged)
                }
            }
        }
    }

    /// When what has to wait no longer than `deadline` came.
    func arrival(_ deadline: Instant) -> Instant {
        Instant(nanoseconds: deadline.nanoseconds - requestTimeoutNanoseconds)
    }

    /// When what comes now has waited too long.
    private var nextDeadline: Instant { Instant(nanoseconds: now.nanoseconds + requestTimeoutNanoseconds) }

    func tallyAnswer(_ type: FrontTally.RequestType, begun: Instant, succeeded: Bool = true) {
        tally.note(.init(type: type, succeeded: succeeded), tookNanoseconds: now.nanoseconds &- begun.nanoseconds)
    }

    private func run(_ read: WaitingRead, arrived: Instant) {
        switch read {
        case .range(let request, let metadata, let sink):
            answer(request, metadata, sink, ReadTimes(arrived: arrived, agreed: now))
        case .task(let body): body(.success(()))
        }
    }

    private func fail(_ read: WaitingRead, _ error: EtcdError) {
        switch read {
        case .range(_, _, let sink): sink.finish(error)
        case .task(let body): body(.failure(error))
        }
    }

    // MARK: Time and end

    /// Lets go of what has waited too long; a few times a second.
    package func expire(now: Instant) {
        self.now = now
        resumeParkedCalls()
        watches.tick(now)
        runRetries()
        if !streamsForLeader.isEmpty { streamsForLeader = streamsForLeader.filter { $0.value.isOpen } }
        releaseHeldWishes()
        let held = Set(heldWishes.map(\.id))
        for (id, call) in proposals where call.deadline <= now {
            proposals[id] = nil
            let error = held.contains(id) ? .waitExceeded : timeoutError(begun: call.begun)
            call.fail(error, self)
        }
        if !held.isEmpty { heldWishes.removeAll { !isPending($0.id) } }
        noteSlowBarriers()
        for (id, reads) in openBarriers where reads.contains(where: { $0.deadline <= now }) {
            tally.failedBarriers += 1
            for (read, deadline) in reads where deadline <= now {
                noteFailure(of: read, .timeout, deadline)
                fail(read, .timeout)
            }
            let left = reads.filter { $0.deadline > now }
            openBarriers[id] = left.isEmpty ? nil : left
        }
    }

    private func noteSlowBarriers() {
        for id in openBarriers.keys {
            guard let due = slowAt[id] else {
                // Seen for the first time, by a tick: not older than one.
                slowAt[id] = now + Self.slowBarrier
                continue
            }
            guard due <= now else { continue }
            tally.unansweredBarriers += 1
            slowAt[id] = due + Self.slowBarrier
        }
        if slowAt.count > openBarriers.count { slowAt = slowAt.filter { openBarriers[$0.key] != nil } }
    }

    /// Everything that waits is told that the server stops; so is everything to come.
    package func stop() {
        isStopped = true
        watches.stop()
        let calls = proposals
        proposals = [:]
        for call in calls.values { call.fail(.stopped, self) }
        let reads = openBarriers.values.flatMap { $0 } + waitingReads
        openBarriers = [:]
        waitingReads = []
        for (read, _) in reads { fail(read, .stopped) }
        for call in parkedCalls { call.sink.finish(.stopped) }
        parkedCalls = []
        for call in callsByToken.values.joined() { call.sink.finish(.stopped) }
        callsByToken = [:]
        for sink in defragmentations.values { sink.finish(.stopped) }
        defragmentations = [:]
        tasks = [:]
        let large = largeReads.takeAll() + largeWrites.takeAll()
        // Each finds that the lane has stopped.
        for call in large { call() }
        flushTasks = [:]
        heldWishes = []
        leadershipQuestions = []
        // Each finds that the lane has stopped.
        runRetries()
        errandTasks = [:]
    }

    // MARK: Chores

    func nextTaskToken() -> UInt64 {
        nextToken += 1
        return nextToken
    }

    func runChore(_ chore: Chore, _ finish: @escaping (ChoreResult) -> Void) {
        let token = nextTaskToken()
        tasks[token] = finish
        outbox.chores.append((token, chore))
    }

    /// Gives `body` a state of the file that holds everything applied until now.
    func afterFlush(_ body: @escaping (ReadTransaction) -> Void) {
        let token = nextTaskToken()
        flushTasks[token] = body
        outbox.flushes.append(token)
    }

    package func choreDone(_ token: UInt64, _ result: ChoreResult) {
        tasks.removeValue(forKey: token)?(result)
    }

    package func flushed(_ token: UInt64, _ reader: ReadTransaction) {
        flushTasks.removeValue(forKey: token)?(reader)
    }

    package func defragmented(_ token: UInt64, _ error: EtcdError?) {
        guard let sink = defragmentations.removeValue(forKey: token) else { return }
        if defragmentations.isEmpty { tellHealthWatchers() }
        if let error { sink.finish(error) } else { sink.succeed(Bytes()) }
    }
}

extension EtcdError {
    package init(_ error: MVCCError) {
        switch error {
        case .compacted: self = .compacted
        case .futureRevision: self = .futureRevision
        case .backend(let reason): self = EtcdError(code: .unknown, message: "\(reason)")
        case .corruptRow(let revision):
            self = EtcdError(code: .dataLoss, message: "the row of revision \(revision.main) is missing or malformed")
        }
    }
}
