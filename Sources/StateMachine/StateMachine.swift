// Applies committed entries to all that the cluster agrees on: keys, leases, users, members and alarms.
//
// Deterministic: the same entries give the same state on every member, whatever the time or the order of anything else.
// An error a request runs into is an answer, not a failure; only the file below can make `apply` throw.

import BBolt
import Wire
package import Auth
package import Backend
package import Base
import EtcdWire
package import Lease
package import MVCC
package import Membership
package import RaftWire

/// The state cannot be read or trusted any more: the member stops.
package enum StateMachineFailure: Error, Sendable {
    case store(MVCCError)
    case gap(expected: LogIndex, found: LogIndex)
}

package struct StateMachine: ~Copyable {
    package var backend: Backend
    package var store: Store
    package var lessor: Lessor
    package var auth: AuthStore
    package var membership: Membership
    package internal(set) var alarms: AlarmSet
    package internal(set) var storageVersion: SemanticVersion?
    /// Unsigned tokens of clients. Memory alone: no part of what the file holds.
    package var tokens = SimpleTokens()
    let limits: StateMachineLimits
    /// The file's size as the last commit left it, for the quota.
    package var databaseSizeBytes: UInt64 = 0
    var events: [StateEvent] = []
    /// What the running entry has done to the store.
    private var changes: StoreRevision?

    package init(
        backend: consuming Backend, store: consuming Store, lessor: Lessor, auth: AuthStore, membership: Membership, alarms: AlarmSet,
        storageVersion: SemanticVersion?, limits: StateMachineLimits
    ) {
        self.backend = backend
        self.store = store
        self.lessor = lessor
        self.auth = auth
        self.membership = membership
        self.alarms = alarms
        self.storageVersion = storageVersion
        self.limits = limits
    }

    package var appliedIndex: LogIndex { backend.consistentIndex }

    package var view: StoreView { store.momentaryView(backend) }
    package var latestRevision: Int64 { store.currentRevision }

    /// - Parameters:
    ///   - wantsReply: false on members that did not propose the request: reads inside transactions are then skipped.
    ///   - now: for the leases of a primary.
    package mutating func apply(_ entry: Entry, wantsReply: Bool, now: Instant) throws(StateMachineFailure) -> Applied {
        var applied = Applied()
        // Replayed after a restart: the file already holds it.
        if entry.index <= backend.consistentIndex { return applied }
        switch entry.type {
        case .normal:
            // A new leader's first entry is empty.
            if !entry.data.isEmpty { applied.reply = try applyNormal(entry, wantsReply: wantsReply, now: now) }
        case .confChange, .confChangeV2:
            applyConfigurationChange(entry, &applied)
        }
        backend.setConsistentIndex(entry.index, term: entry.term)
        swap(&applied.events, &events)
        swap(&applied.changes, &changes)
        events.removeAll(keepingCapacity: true)
        return applied
    }

    /// Ends the store's transaction and keeps what it did for the watchers.
    mutating func endTransaction() {
        let done = store.end()
        if !done.isEmpty { changes = StoreRevision(main: store.currentRevision, changes: done) }
    }

    private mutating func applyNormal(
        _ entry: Entry, wantsReply: Bool, now: Instant
    ) throws(StateMachineFailure) -> AppliedReply? {
        let request: InternalRaftRequest
        do throws(WireError) {
            request = try InternalRaftRequest(decoding: entry.data)
        } catch {
            applyLegacy(entry)
            return nil
        }
        var compaction: Int64?
        let outcome: Result<Reply, EtcdError>
        do throws(RequestFailure) {
            outcome = .success(try apply(request, of: entry, wantsReply: wantsReply, now: now, &compaction))
        } catch {
            switch error {
            case .answer(let answer): outcome = .failure(answer)
            case .store(let failure): throw .store(failure)
            }
        }
        return AppliedReply(requestID: request.requestID, kind: request.body.kind, outcome: outcome, awaitsCompaction: compaction)
    }

    /// An entry of a member before 3.6: a request to the v2 store, of which only membership concerns us.
    private mutating func applyLegacy(_ entry: Entry) {
        switch Self.legacyChange(entry) {
        case .attributes(let id, let name, let clientURLs): publish(id, name: name, clientURLs: clientURLs)
        case .clusterVersion(let version): setClusterVersion(version)
        case .unrelated: break
        case nil:
            events.append(.malformedEntry(index: entry.index, reason: "neither a request nor one of the v2 store"))
        }
    }

    private mutating func apply(
        _ request: InternalRaftRequest, of entry: Entry, wantsReply: Bool, now: Instant, _ compaction: inout Int64?
    ) throws(RequestFailure) -> Reply {
        switch request.body {
        case .clusterVersionSet(let set):
            if let version = SemanticVersion(set.version) { setClusterVersion(version) }
            return Reply(revision: 0)
        case .clusterMemberAttributesSet(let set):
            publish(set.memberID, name: set.attributes?.name ?? "", clientURLs: set.attributes?.clientURLs ?? [])
            return Reply(revision: 0)
        case .downgradeInfoSet(let set):
            setDowngrade(set.enabled ? DowngradeState(targetVersion: set.version, isEnabled: true) : DowngradeState())
            return Reply(revision: 0)
        case .alarm(let alarm): return applyAlarm(alarm)
        default: break
        }
        let subject = request.header.flatMap { header in
            header.username.isEmpty && header.authRevision == 0 ? nil : AuthSubject(user: header.username, revision: header.authRevision)
        }
        try checkAlarms(request.body)
        try checkPermissions(request.body, subject)
        switch request.body {
        case .put(let put): return try applyPut(put)
        case .deleteRange(let delete): return try applyDeleteRange(delete)
        case .txn(let txn): return try applyTxn(txn, wantsReply: wantsReply)
        case .range(let range):
            // Proposed by no current member; the answer concerns nobody here.
            let answer = try onStore { () throws(MVCCError) in try view.answer(range) }
            return Reply(revision: answer.revision, body: answer.body)
        case .compaction(let compact):
            let before = view
            try onStore { () throws(MVCCError) in try store.compact(compact.revision, in: &backend) }
            events.append(.compactionBegins(revision: compact.revision, before: before))
            if compact.physical { compaction = compact.revision }
            return Reply(revision: store.currentRevision)
        case .leaseGrant(let grant): return try applyGrant(grant, now: now)
        case .leaseRevoke(let revoke): return try applyRevoke(revoke)
        case .leaseCheckpoint(let checkpoints): return applyCheckpoints(checkpoints, now: now)
        case .encoded(let kind, let bytes): return try applyAuth(kind, bytes, of: entry, now: now)
        default: return Reply(revision: 0)
        }
    }
}

/// Why a request was not carried out.
enum RequestFailure: Error {
    case answer(EtcdError)
    case store(MVCCError)

    init(_ error: MVCCError) {
        switch error {
        case .compacted: self = .answer(.compacted)
        case .futureRevision: self = .answer(.futureRevision)
        case .backend, .corruptRow: self = .store(error)
        }
    }
}

func onStore<R: ~Copyable>(_ body: () throws(MVCCError) -> R) throws(RequestFailure) -> R {
    do throws(MVCCError) { return try body() } catch { throw RequestFailure(error) }
}

package struct StateMachineLimits: Sendable {
    /// `--quota-backend-bytes`; 0 for none.
    package var quotaBytes: UInt64
    package var learnersMax: Int
    /// How often a leader tells what leases have left; nil where it does not.
    package var leaseCheckpointInterval: Duration?
    /// Whether that is kept in the file in clusters before 3.6, too.
    package var persistsLeaseCheckpoints: Bool
    /// The hash of a password with a salt of 16 bytes; nil where the password can have none. Slow, and asked only for what
    /// members before 3.5 have proposed.
    package var hashPassword: (@Sendable (_ password: String, _ salt: [UInt8]) -> Bytes?)?

    package init(
        quotaBytes: UInt64, learnersMax: Int, leaseCheckpointInterval: Duration? = nil,
        persistsLeaseCheckpoints: Bool = false
    ) {
        self.leaseCheckpointInterval = leaseCheckpointInterval
        self.persistsLeaseCheckpoints = persistsLeaseCheckpoints
        self.quotaBytes = quotaBytes
        self.learnersMax = learnersMax
    }
}
