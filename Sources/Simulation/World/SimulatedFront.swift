// A simulated member's front lane, production's, and what it looks at: the member's replica and the member's own clock.

import Auth
import BBolt
import Base
import EtcdAPI
import EtcdWire
import Lease
import MVCC
import Membership
import Raft
import Replica
import StateMachine

/// Lives as long as one life of the member's process.
final class SimulatedFront: MemberState {
    private unowned let member: SimulatedMember
    private let clock: () -> Instant
    private(set) var lane: FrontLane!
    /// Work that is under way on the chores thread.
    var chores: [UInt64: (token: UInt64, chore: Chore)] = [:]
    /// The term in which it knows what earlier leaders have granted.
    var settledTerm: Term = 0
    var lastLeader: MemberID = 0

    /// - Parameter statistics: of the file when the member began; no quota is set that would ask for more.
    init(
        _ member: SimulatedMember,
        _ settings: FrontSettings,
        statistics: DatabaseStatistics,
        clock: @escaping () -> Instant,
        wake: @escaping () -> Void
    ) {
        self.member = member
        databaseStatistics = statistics
        self.clock = clock
        lane = FrontLane(settings, member: self)
        lane.wake = wake
    }

    private func alive<Value>(_ value: Value?) -> Value {
        guard let value else { preconditionFailure("a front lane outlives its replica") }
        return value
    }

    var view: StoreView { alive(member.replica?.apply.state.view) }
    var moment: MemberMoment { MemberMoment(view: view, term: raftStatus.term, isAuthEnabled: false) }
    var raftStatus: RaftBasicStatus { alive(member.replica?.consensus.status) }
    var fullRaftStatus: RaftStatus { alive(member.replica?.consensus.fullStatus) }
    var appliedIndex: UInt64 { alive(member.replica?.apply.appliedIndex) }
    var latestRevision: Int64 { alive(member.replica?.apply.state.latestRevision) }
    var membership: Membership { alive(member.replica?.apply.state.membership) }
    var alarms: AlarmSet { alive(member.replica?.apply.state.alarms) }
    var storageVersion: SemanticVersion? { member.replica?.apply.state.storageVersion }
    let databaseStatistics: DatabaseStatistics
    var lessor: Lessor { alive(member.replica?.apply.state.lessor) }
    var authRevision: UInt64 { alive(member.replica?.apply.state.auth.revision) }
    var unixSeconds: Int64 { Int64(clock().nanoseconds / 1_000_000_000) }

    func activeSince(_ id: MemberID) -> Instant? { nil }

    func renewLease(_ id: LeaseID) throws(LeaseError) -> LeaseRenewal {
        let now = clock()
        let ttl = alive(try member.replica?.apply.state.lessor.renew(id, now: now))
        return LeaseRenewal(ttl: ttl, hasCheckpoint: lessor.hasCheckpoint(id))
    }

    // MARK: Nobody logs in

    var isAuthEnabled: Bool { false }
    var tokenKind: TokenKind { .none }
    func isTokenKnown(_ token: String) -> Bool { true }
    func isTokenJudged(_ token: String) -> Bool { true }
    func tokenJudged(_ token: String, _ subject: AuthSubject?, expiry: Double?) {}
    func newTokenPrefix() -> String { "" }
    func identify(_ metadata: CallMetadata) throws(EtcdError) -> AuthSubject? { nil }
    func isRangePermitted(_ user: String, _ range: KeyRange) -> Bool { true }
    func userForPassword(_ name: String) throws(EtcdError) -> User { throw .authNotEnabled }
    func passwordIsWrong(of user: String) {}
    func authorize(_ request: AuthorizationRequest, _ metadata: CallMetadata) throws(EtcdError) {}
    func newSnapshotDigest() -> any SnapshotDigest { NoDigest() }

    private struct NoDigest: SnapshotDigest {
        mutating func update(_ bytes: UnsafeRawBufferPointer) {}
        mutating func finish() -> Bytes { Bytes() }
    }
}
