// Life with a leader that is somebody else, changes, or is missing: what waits for one, what only one can answer, and
// what those are told who waited in vain.

package import Base
package import EtcdWire
import Lease
import MVCC
import Membership
package import Raft
import RaftWire
package import Replica
import Wire

/// A question that a follower takes to the leader, over the peer port.
package enum LeaderErrand: Sendable, Hashable {
    case renewLease(LeaseID)
    case timeToLive(LeaseID, wantsKeys: Bool)
    /// With the token of whoever asks: the leader checks again.
    case promote(MemberID, token: String?)
}

package enum LeaderAnswer: Sendable, Hashable {
    /// An answer of HTTP.
    case answered(status: Int, body: Bytes)
    case unreachable
}

/// Something to put into the log once there is a leader.
struct HeldWish {
    enum Wish {
        case proposal(Proposal)
        case change(ConfChange)
        case refused(RefusedProposal)
    }

    var id: UInt64
    var wish: Wish
}

extension FrontLane {
    /// How many election timeouts before a leader's election the one before it must have been lost.
    private static let leaderLossTimeouts = 2
    /// etcd's interval in which connections must have stood for a change of the membership.
    static let healthInterval: Duration = .seconds(5)

    var isLeader: Bool { member.raftStatus.lead == settings.memberID }

    /// Raft has another leader, or none.
    package func leaderChanged(_ status: RaftBasicStatus, now: Instant) {
        guard status.lead != 0 else { return }
        leaderElectedAt = now
        releaseHeldWishes()
    }

    /// Raft would not have these: they wait for the next leader, or for the end of a transfer.
    package func refused(_ proposals: [RefusedProposal]) {
        for proposal in proposals where isPending(proposal.requestID) {
            heldWishes.append(HeldWish(id: proposal.requestID, wish: .refused(proposal)))
        }
    }

    func releaseHeldWishes() {
        guard !heldWishes.isEmpty, member.raftStatus.lead != 0 else { return }
        let held = heldWishes
        heldWishes = []
        for wish in held {
            switch wish.wish {
            case .proposal(let proposal): outbox.proposals.append(proposal)
            case .change(let change): outbox.configurationChanges.append(change)
            case .refused(let proposal): outbox.again.append(proposal)
            }
        }
    }

    /// Why a proposal was not applied in time, as far as this member can tell.
    func timeoutError(begun: Instant) -> EtcdError {
        if let elected = leaderElectedAt {
            let lost = elected + (.zero - settings.electionTimeout * Self.leaderLossTimeouts)
            if begun > lost, begun < elected { return .timeoutDueToLeaderFail }
        }
        let lead = member.raftStatus.lead
        if lead == settings.memberID {
            let members = member.membership.members
            if connected(members, since: begun) < members.count / 2 + 1 { return .timeoutDueToConnectionLost }
        } else if lead != 0, !isConnected(lead, since: begun) {
            return .timeoutDueToConnectionLost
        }
        return .timeout
    }

    // MARK: Streams that require a leader

    /// Remembers a stream that is to end when there has been no leader for long; false if it begins without one.
    func keepsForLeader(_ sink: any ReplySink) -> Bool {
        let key = ObjectIdentifier(sink)
        if streamsForLeader[key] != nil { return true }
        if member.raftStatus.lead == 0 { return false }
        streamsForLeader[key] = sink
        return true
    }

    /// There has been no leader for too long.
    func endStreamsForLeader() {
        let streams = streamsForLeader
        streamsForLeader = [:]
        for sink in streams.values where sink.isOpen { sink.finish(.noLeader) }
    }

    // MARK: Connections

    func isConnected(_ id: MemberID, since: Instant) -> Bool {
        guard let active = member.activeSince(id) else { return false }
        return active < since
    }

    /// How many of the members are this one or have been heard of all the time since then.
    func connected(_ members: [Member], since: Instant) -> Int {
        members.count { $0.id == settings.memberID || isConnected($0.id, since: since) }
    }

    // MARK: Trying again

    /// Runs `body` with the next tick, and when the lane stops.
    package func retry(_ body: @escaping () -> Void) { retries.append(body) }

    func runRetries() {
        guard !retries.isEmpty else { return }
        let bodies = retries
        retries = []
        for body in bodies { body() }
    }

    /// Asks the leader, who is another member.
    func ask(_ errand: LeaderErrand, _ body: @escaping (LeaderAnswer) -> Void) {
        let token = nextTaskToken()
        errandTasks[token] = body
        outbox.errands.append((token, errand))
        wake()
    }

    package func errandDone(_ token: UInt64, _ answer: LeaderAnswer) {
        errandTasks.removeValue(forKey: token)?(answer)
    }

    // MARK: For the member itself

    /// Runs `body` when all that is committed now is applied here.
    package func whenCurrent(_ body: @escaping (Result<Void, EtcdError>) -> Void) {
        afterBarrier(.task(body))
        closeBurst()
    }

    // MARK: Learners

    /// A learner may be far behind: it answers for itself only.
    func checkLearnerServes(_ rpc: RPC, _ request: Bytes) throws(EtcdError) {
        switch rpc {
        case .status, .snapshot: return
        case .range:
            let range = try decode { () throws(WireError) in try RangeRequest(decoding: request) }
            if range.serializable { return }
        default: break
        }
        throw .notSupportedForLearner
    }
}

extension EtcdError {
    /// What Go's gRPC makes of a wait that its context ended: here, the wait for a leader.
    static let waitExceeded = EtcdError(code: .deadlineExceeded, message: "context deadline exceeded")
}
