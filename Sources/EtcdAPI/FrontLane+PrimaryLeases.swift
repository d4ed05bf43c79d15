// What the leader alone does about leases: keeps them alive, answers the members that ask on behalf of their clients, and
// revokes those whose time is over.
//
// A leader that was cut off or stood still may have been replaced without knowing, and its word about a lease would be
// worth nothing: it asks a quorum first, unless one has answered so lately that nobody else can have been elected since.

package import Base
import EtcdWire
import Lease
import Raft
import StateMachine
import Wire

extension FrontLane {
    /// How long a committed entry that may be the grant is waited for.
    private static let applyWait: Duration = .seconds(1)

    // MARK: Leadership

    /// Runs `body` when it is certain that this member leads, or led less than half an election timeout ago; followers
    /// elect nobody within a whole one after they have heard of a leader.
    /// - Parameter body: is told whether it does; runs in this call if that is known.
    func ensureLeadership(_ body: @escaping (Bool) -> Void) {
        guard isLeader else { return body(false) }
        if isLeadershipFresh { return body(true) }
        leadershipQuestions.append(body)
        guard leadershipQuestions.count == 1 else { return }
        let asked = now
        whenCurrent { [self] outcome in
            var leads = false
            if case .success = outcome, isLeader {
                leads = true
                leadershipProvenAt = asked
            }
            let questions = leadershipQuestions
            leadershipQuestions = []
            for question in questions { question(leads) }
        }
    }

    /// Whether a quorum has confirmed the leadership so lately that nobody else can have been elected.
    private var isLeadershipFresh: Bool {
        guard let proven = leadershipProvenAt else { return false }
        return now.nanoseconds &- proven.nanoseconds < leadershipFreshNanoseconds
    }

    /// The renewal as it nearly always goes, with nothing to wait for.
    /// - Returns: the seconds the lease has; nil where more is to be done than that.
    func renewAtOnce(_ id: LeaseID) -> Int64? {
        guard isLeadershipFresh else { return nil }
        let status = member.raftStatus
        guard status.lead == settings.memberID, status.role == .leader, mayRenew(id) else { return nil }
        do throws(LeaseError) {
            let renewal = try member.renewLease(id)
            guard !renewal.hasCheckpoint else { return nil }
            tally.keepAlives += 1
            return renewal.ttl
        } catch {
            return nil
        }
    }

    /// Whether enough is applied to judge a renewal; of a lease that is not known the grant may be on its way.
    func mayRenew(_ id: LeaseID) -> Bool {
        member.appliedIndex >= member.raftStatus.commit || (settings.renewsBeforeApplied && member.lessor.contains(id))
    }

    /// The renewal by the leader itself. Where the others were told that less is left they are told otherwise first: what a
    /// client was promised must hold under the next leader, too.
    /// - Parameter finish: the seconds the lease has; `.notPrimary` where this member does not judge time (yet).
    func renewAsLeader(_ id: LeaseID, _ finish: @escaping (Result<Int64, EtcdError>) -> Void) {
        let renewal: LeaseRenewal
        do throws(LeaseError) {
            renewal = try member.renewLease(id)
        } catch {
            return finish(.failure(EtcdError(error)))
        }
        tally.keepAlives += 1
        guard renewal.hasCheckpoint else { return finish(.success(renewal.ttl)) }
        let request = LeaseCheckpointRequest(checkpoints: [LeaseCheckpoint(id: id, remainingTTL: 0)])
        proposeInternally(.leaseCheckpoint(request)) { outcome, _ in finish(outcome.map { _ in renewal.ttl }) }
        wake()
    }

    // MARK: Expiry

    /// Puts the end of leases whose time is over into the log.
    /// - Parameters:
    ///   - expired: those the lessor names; one that is renewed in the meantime stays.
    ///   - time: tells the time by the lessor's clock, when it is asked.
    package func revoke(expired: [LeaseID], time: @escaping () -> Instant) {
        if expired.isEmpty { return }
        // Asked anew each time: what is proposed in the turn of the answer is not sent on to a leader that came since, which
        // may have renewed the lease.
        whenCurrent { [self] outcome in
            guard case .success = outcome, isLeader else { return }
            let now = time()
            for id in expired {
                guard let expiry = member.lessor.leases[id]?.expiry, expiry <= now else { continue }
                proposeInternally(.leaseRevoke(LeaseRevokeRequest(id: id)))
            }
            wake()
        }
    }

    // MARK: Questions of other members

    /// Answers a member's question about a lease.
    /// - Parameters:
    ///   - isRenewal: `/leases`, or else `/leases/internal`.
    ///   - now: by the member's own clock.
    ///   - reply: takes what HTTP is to say.
    package func answerLease(
        _ query: LeaseQuery,
        isRenewal: Bool,
        now: Instant,
        _ reply: @escaping (LeaderAnswer) -> Void
    ) {
        self.now = now
        let index = member.raftStatus.commit
        answerLease(query, isRenewal, upTo: index, deadline: now + Self.applyWait, reply)
    }

    private func answerLease(
        _ query: LeaseQuery,
        _ isRenewal: Bool,
        upTo index: LogIndex,
        deadline: Instant,
        _ reply: @escaping (LeaderAnswer) -> Void
    ) {
        if member.appliedIndex < index {
            if now >= deadline {
                return reply(.refused(408, "waiting for node to catch up its applied index has timed out"))
            }
            return retry { [self] in answerLease(query, isRenewal, upTo: index, deadline: deadline, reply) }
        }
        guard isRenewal else { return reply(timeToLive(query)) }
        ensureLeadership { [self] leads in
            guard leads else { return reply(.refused(400, "not a primary lessor")) }
            renewAsLeader(query.id) { outcome in
                switch outcome {
                case .success(let ttl): reply(.answered(status: 200, body: LeaseTime.renewed(query.id, ttl: ttl)))
                case .failure(.leaseNotFound): reply(.refused(404, "lease not found"))
                case .failure(.notPrimary): reply(.refused(400, "not a primary lessor"))
                case .failure(let error): reply(.refused(400, error.message))
                }
            }
        }
    }

    private func timeToLive(_ query: LeaseQuery) -> LeaderAnswer {
        let time = LeaseTime(query, member.lessor, now: now)
        if !time.isKnown { return .refused(404, "lease not found") }
        if !member.lessor.isPrimary { return .refused(500, "not a primary lessor") }
        var (writer, inner) = (WireWriter(), WireWriter())
        inner.explicit(1, Bytes())
        inner.append(time.fields)
        writer.explicit(1, inner.bytes)
        return .answered(status: 200, body: writer.bytes)
    }
}

extension LeaderAnswer {
    fileprivate static func refused(_ status: Int, _ reason: String) -> LeaderAnswer {
        .answered(status: status, body: Bytes(reason))
    }
}
