// The front lanes' surroundings: what they ask of the replica, the chores thread, and what members ask each other about
// leases over the peer port.

import BBolt
import Backend
import Base
import EtcdAPI
import EtcdWire
import Lease
import MVCC
import Membership
import Raft
import Replica
import StateMachine

/// A member's question to the leader on its way, and the answer on its way back.
struct TravellingErrand {
    var source: Int
    var life: Int
    var token: UInt64
    var errand: LeaderErrand
    var target: Int
    var answer: LeaderAnswer?
}

extension Simulation {
    /// As the member waits for another one's answer.
    private static let errandTimeout = VirtualTime.milliseconds(5000)
    /// Short, so that walks over the past on another thread come up in runs of a few hundred revisions.
    private static let shortPastRevisions: Int64 = 12

    func openFront(_ member: SimulatedMember, statistics: DatabaseStatistics) {
        // Apart from the numbers of simulated clients, and from those of every other life of every member.
        let start = 1 << 39 | newNumber() << 16
        let frontSettings = FrontSettings(
            clusterID: member.replica?.apply.state.membership.clusterID ?? 0,
            memberID: member.id,
            requestBytesMax: 1536 << 10,
            transactionOperationsMax: 128,
            requestTimeout: .seconds(7),
            quotaBytes: 0,
            electionTimeout: .seconds(1),
            watchProgressInterval: .seconds(1),
            startMilliseconds: start
        )
        let front = SimulatedFront(
            member,
            frontSettings,
            statistics: statistics,
            clock: { [unowned self, unowned member] in clock(member) },
            wake: { [unowned self, unowned member] in scheduleTurn(member) }
        )
        front.lane.watches.shortPastRevisions = Self.shortPastRevisions
        front.lane.now = clock(member)
        member.front = front
    }

    /// From the front lane into the replica, and to where else it wants.
    func passRequests(_ member: SimulatedMember) {
        guard let lane = member.front?.lane, lane.hasRequests else { return }
        let out = lane.takeRequests()
        for proposal in out.proposals {
            if let request = try? InternalRaftRequest(decoding: proposal.data),
                case .leaseRevoke(let revoke) = request.body
            {
                checkers.leases.expiryProposed(revoke.id, request: request.requestID)
            }
            member.replica?.consensus.propose(proposal)
        }
        for id in out.barriers { member.replica?.consensus.barrier(id) }
        for (token, chore) in out.chores {
            let number = newNumber()
            member.front?.chores[number] = (token, chore)
            let delay = UInt64.random(in: 50_000...50_000_000, using: &dice)
            scheduler.schedule(.chore(slot: member.slot, life: member.life, number: number), after: delay)
        }
        for (token, errand) in out.errands { carry(errand, token, from: member) }
    }

    func choreDone(_ member: SimulatedMember, _ number: UInt64) throws(Violation) {
        guard let front = member.front, let (token, chore) = front.chores.removeValue(forKey: number) else { return }
        front.lane.now = clock(member)
        guard case .history(let view, let wishes) = chore else { return }
        counts.watchWalks += 1
        do throws(MVCCError) {
            front.lane.choreDone(token, .history(.success(try view.history(wishes))))
        } catch {
            throw Violation(checker: "watch", text: "\(member.name) cannot read its past: \(error)")
        }
        scheduleTurn(member)
        try readStreams(of: member)
    }

    /// Before the turn's work.
    func beginFrontTurn(_ member: SimulatedMember) {
        guard let lane = member.front?.lane else { return }
        lane.now = clock(member)
        lane.isLearner = member.replica?.apply.state.membership.isLocalLearner == true
        passRequests(member)
    }

    /// What the turn has applied and learned.
    func passResults(_ out: ReplicaOutbox, to member: SimulatedMember) throws(Violation) {
        guard let front = member.front else { return }
        if let status = out.status {
            if status.lead != front.lastLeader {
                front.lastLeader = status.lead
                front.lane.leaderChanged(status, now: clock(member))
            }
            if status.role != .leader { member.replica?.apply.state.lessor.demote() }
        }
        if settings.bug == .progressBeforeEvents, !out.changes.isEmpty { askTooEarly(member) }
        if !out.changes.isEmpty { front.lane.watches.applied(out.changes) }
        if out.snapshotInstalled != nil, settings.bug != .forgetReplacedStore { front.lane.watches.storeReplaced() }
        if !out.barriers.isEmpty { front.lane.barriersPassed(out.barriers) }
        noteFirstCommit(member, front)
        // In this turn: a leader that is deposed afterwards has asked for nothing more.
        passRequests(member)
        try readStreams(of: member)
    }

    /// As the server: a leader lets leases live on once it has applied an entry of its own term.
    private func noteFirstCommit(_ member: SimulatedMember, _ front: SimulatedFront) {
        let status = front.raftStatus
        guard status.role == .leader, front.settledTerm != status.term,
            member.replica?.apply.state.backend.consistentTerm == status.term
        else { return }
        front.settledTerm = status.term
        member.replica?.apply.state.lessor.promote(extension: .seconds(1), now: clock(member))
    }

    // MARK: Errands

    private func carry(_ errand: LeaderErrand, _ token: UInt64, from source: SimulatedMember) {
        let lead = source.front?.raftStatus.lead ?? 0
        let number = newNumber()
        let target = members.first { $0.id == lead && !$0.isRemoved }
        errands[number] = TravellingErrand(
            source: source.slot,
            life: source.life,
            token: token,
            errand: errand,
            target: target?.slot ?? source.slot
        )
        guard let target, target.isRunning, !network.isCut(source.slot, target.slot) else {
            return answer(number, .unreachable, after: network.delay())
        }
        let arrival = max(now + network.delay(), network.clogEnd(source.slot, target.slot))
        scheduler.schedule(.errandArrives(number), at: arrival)
        scheduler.schedule(.errandEnds(number), after: Self.errandTimeout)
    }

    private func answer(_ number: UInt64, _ answer: LeaderAnswer, after delay: VirtualTime) {
        guard errands[number]?.answer == nil else { return }
        errands[number]?.answer = answer
        scheduler.schedule(.errandEnds(number), after: delay)
    }

    func errandArrives(_ number: UInt64) {
        guard let travelling = errands[number] else { return }
        let target = members[travelling.target]
        if target.pausedUntil > now { return scheduler.schedule(.errandArrives(number), at: target.pausedUntil) }
        guard let lane = target.front?.lane, !network.isCut(travelling.source, travelling.target) else {
            return answer(number, .unreachable, after: network.delay())
        }
        let (query, isRenewal): (LeaseQuery, Bool)
        switch travelling.errand {
        case .renewLease(let id): (query, isRenewal) = (LeaseQuery(id, wantsKeys: false), true)
        case .timeToLive(let id, let wantsKeys): (query, isRenewal) = (LeaseQuery(id, wantsKeys: wantsKeys), false)
        case .promote: return answer(number, .unreachable, after: network.delay())
        }
        lane.answerLease(query, isRenewal: isRenewal, now: clock(target)) { [unowned self] result in
            // Answers get lost, too, and the renewal stands.
            if network.isCut(travelling.target, travelling.source) { return }
            answer(number, result, after: network.delay())
        }
        scheduleTurn(target)
    }

    /// The answer has come, or the time is over.
    func errandEnds(_ number: UInt64) throws(Violation) {
        guard let travelling = errands[number] else { return }
        let source = members[travelling.source]
        if source.pausedUntil > now { return scheduler.schedule(.errandEnds(number), at: source.pausedUntil) }
        errands[number] = nil
        guard source.life == travelling.life, let lane = source.front?.lane else { return }
        lane.now = clock(source)
        let (token, answer) = (travelling.token, travelling.answer ?? .unreachable)
        if case .unreachable = answer {
            // As the server: not again before the next tick.
            lane.retry { [unowned lane] in lane.errandDone(token, answer) }
        } else {
            lane.errandDone(token, answer)
        }
        scheduleTurn(source)
        try keepAlivesAnswered()
    }

    // MARK: Keepalives

    /// A client keeps a lease alive, at any member.
    func keepAlive(_ number: UInt64, _ lease: LeaseID, at member: SimulatedMember) {
        guard let lane = member.front?.lane else { return }
        let stream = ClientStream()
        keepAlives[number] = stream
        lane.now = clock(member)
        lane.keepAlive(LeaseQuery(lease, wantsKeys: false).encoded, CallMetadata(), stream)
    }

    /// Looks whether somebody who keeps a lease alive has been answered.
    func keepAlivesAnswered() throws(Violation) {
        for number in keepAlives.keys.sorted() {
            guard let stream = keepAlives[number] else { continue }
            guard let operation = operations[number], case .renew(let lease) = operation.kind else {
                stream.hangUp()
                keepAlives[number] = nil
                continue
            }
            if let message = stream.read().last {
                guard let seconds = LeaseTime.renewedTTL(message) else {
                    throw Violation(checker: "lease time", text: "an answer to a keepalive that cannot be read")
                }
                counts.keepAlives += 1
                if members[operation.slot].front?.raftStatus.role != .leader { counts.followerKeepAlives += 1 }
                note("lease \(lease) lives for \(seconds) s")
                if seconds > 0 {
                    checkers.leases.held(lease, seconds: seconds, asked: operation.askedAt)
                } else {
                    knownLeases.removeAll { $0 == lease }
                }
            } else if stream.isOpen {
                continue
            }
            stream.hangUp()
            keepAlives[number] = nil
            finish(number)
        }
    }
}
