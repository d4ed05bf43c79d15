// Clients: each asks one thing at a time of a random member, and notes what it was told. An answer that does not come
// may mean anything.

import Base
import EtcdAPI
import EtcdWire
import Lease
import MVCC
import Membership
import Raft
import RaftWire
import Replica
import StateMachine
import Wire

extension Simulation {
    private static let keys = 12
    private static let timeout = VirtualTime.milliseconds(1500)

    func newNumber() -> UInt64 {
        nextNumber += 1
        return nextNumber
    }

    private func requestID(_ member: SimulatedMember) -> UInt64 { (member.id & 0xffff) << 48 | newNumber() }

    func randomKey() -> Bytes { Bytes("key-\(Int.random(in: 0..<Self.keys, using: &clientDice))") }

    /// No two writes write the same.
    private func newValue() -> Bytes { Bytes("value-\(newNumber())-" + String(repeating: "x", count: 40)) }

    func clientActs(_ client: Int) {
        if areClientsQuiet { return }
        let running = members.filter { $0.isRunning && !$0.isRemoved && $0.pausedUntil <= now }
        guard let member = running.randomElement(using: &clientDice) else {
            return scheduler.schedule(.client(client), after: .milliseconds(100))
        }
        let kind = randomOperation()
        let operation = ClientOperation(
            client: client, slot: member.slot, kind: kind, askedAt: now, floor: checkers.answers.floor)
        let number = requestID(member)
        operations[number] = operation
        scheduler.schedule(.timeout(operation: number), after: Self.timeout)
        submit(number, operation, member)
        scheduleTurn(member)
    }

    private func randomOperation() -> ClientOperation.Kind {
        let lease = knownLeases.suffix(6).randomElement(using: &clientDice)
        switch Int.random(in: 0..<100, using: &clientDice) {
        case 0..<30: return .put(PutRequest(key: randomKey(), value: newValue()))
        case 30..<40: return .put(PutRequest(key: randomKey(), value: newValue(), lease: lease ?? 0))
        case 40..<46: return .delete(DeleteRangeRequest(key: randomKey()))
        case 46..<48: return .delete(DeleteRangeRequest(key: "key-3", rangeEnd: "key-6"))
        case 48..<60: return .txn(randomTxn())
        case 60..<64:
            return .grant(
                LeaseGrantRequest(ttl: Int64.random(in: 2...5, using: &clientDice), id: LeaseID(newNumber())))
        case 64..<71: return lease.map { .renew($0) } ?? .read(randomKey())
        case 71..<72: return lease.map { .revoke(LeaseRevokeRequest(id: $0)) } ?? .read(randomKey())
        case 72..<73:
            return .compact(CompactionRequest(revision: max(1, checkers.answers.floor - 20)))
        default: return .read(randomKey())
        }
    }

    private func randomTxn() -> TxnRequest {
        let key = randomKey()
        // Half of them guess right, if nobody comes between.
        let guess =
            Bool.random(using: &clientDice)
            ? checkers.reference.modRevision(of: key) : Int64.random(in: 0...5, using: &clientDice)
        // Several keys change in one revision.
        let keys = Set([key, randomKey(), randomKey()]).sorted()
        let compare = Compare(result: .equal, target: .mod, key: key, targetUnion: .modRevision(guess))
        return TxnRequest(compare: [compare], success: keys.map { .put(PutRequest(key: $0, value: newValue())) })
    }

    private func submit(_ number: UInt64, _ operation: ClientOperation, _ member: SimulatedMember) {
        let body: InternalRaftRequest.Body
        switch operation.kind {
        case .put(let request): body = .put(request)
        case .delete(let request): body = .deleteRange(request)
        case .txn(let request): body = .txn(request)
        case .grant(let request): body = .leaseGrant(request)
        case .revoke(let request): body = .leaseRevoke(request)
        case .compact(let request): body = .compaction(request)
        case .addMember(let slot, let asLearner): return proposeAddition(number, slot, asLearner, member)
        case .promote(var learner):
            learner.isLearner = false
            let context = ConfigurationChangeContext(member: learner, isPromotion: true)
            member.replica?.consensus.proposeConfigurationChange(
                ConfChange(id: number, type: .addNode, nodeID: learner.id, context: Bytes(context.json.encoded)))
            return
        case .removeMember(let id):
            member.replica?.consensus.proposeConfigurationChange(ConfChange(id: number, type: .removeNode, nodeID: id))
            return
        case .read:
            if settings.bug == .readWithoutBarrier { return answerRead(number, member) }
            barriers[number] = .read(operation: number)
            member.replica?.consensus.barrier(BarrierID(number))
            return
        case .renew(let lease): return keepAlive(number, lease, at: member)
        }
        if case .leaseRevoke(let revoke) = body { checkers.leases.revokedByClient(revoke.id) }
        if settings.bug == .answerWithoutProposal, number % 16 == 0 {
            do throws(Violation) {
                let claim = Linearizability.Answer.write(request: number, isSuccess: true, revision: operation.floor, isThen: nil)
                try checkers.answers.answered(claim, asked: operation.floor)
            } catch {
                pendingViolation = error
            }
            return finish(number)
        }
        let request = InternalRaftRequest(header: RequestHeader(id: number), body: body)
        member.replica?.consensus.propose(Proposal(data: request.encoded()))
    }

    private func proposeAddition(_ number: UInt64, _ slot: Int, _ asLearner: Bool, _ member: SimulatedMember) {
        let added = members[slot]
        let new = Member(
            id: Member.identifier(peerURLs: [added.peerURL], token: "simulated", addedAt: Int64(now)), peerURLs: [added.peerURL],
            isLearner: asLearner)
        let context = ConfigurationChangeContext(member: new)
        member.replica?.consensus.proposeConfigurationChange(
            ConfChange(
                id: number, type: asLearner ? .addLearnerNode : .addNode, nodeID: new.id,
                context: Bytes(context.json.encoded)))
    }

    /// Asks for a change of the members on behalf of an operator.
    func change(_ kind: ClientOperation.Kind, through member: SimulatedMember) {
        let number = requestID(member)
        let operation = ClientOperation(client: -1, slot: member.slot, kind: kind, askedAt: now, floor: checkers.answers.floor)
        operations[number] = operation
        submit(number, operation, member)
        scheduleTurn(member)
    }

    // MARK: Answers

    /// The client has its answer, or nothing to wait for, and goes on.
    func finish(_ number: UInt64) {
        guard let operation = operations.removeValue(forKey: number), operation.client >= 0 else { return }
        let pause = UInt64.random(in: 1_000_000...40_000_000, using: &clientDice)
        scheduler.schedule(.client(operation.client), after: pause)
    }

    func timeOut(_ number: UInt64) {
        guard operations[number] != nil else { return }
        counts.unknown += 1
        finish(number)
    }

    func loseOperations(of member: SimulatedMember) {
        let lost = operations.filter { $0.value.slot == member.slot }.map(\.key).sorted()
        for number in lost {
            counts.unknown += 1
            finish(number)
        }
    }

    func replied(_ reply: AppliedReply, by member: SimulatedMember) throws(Violation) {
        guard let operation = operations[reply.requestID], operation.slot == member.slot else { return }
        note("client \(operation.client) \(reply.requestID & 0xffff_ffff) answered")
        counts.acknowledged += 1
        lastAcknowledged = now
        switch (operation.kind, reply.outcome) {
        case (.addMember(let slot, let asLearner), .success):
            counts.membershipChanges += 1
            if asLearner { counts.learners += 1 }
            if let membership = member.replica?.apply.state.membership { join(slot, membership) }
            return finish(reply.requestID)
        case (.promote, .success):
            counts.promotions += 1
            return finish(reply.requestID)
        case (.removeMember, .success):
            counts.removals += 1
            return finish(reply.requestID)
        case (.addMember, .failure), (.removeMember, .failure), (.promote, .failure):
            return finish(reply.requestID)
        case (.grant(let request), .success(let answer)):
            if let granted = try? LeaseGrantResponse(decoding: answer.body) {
                checkers.leases.held(granted.id, seconds: granted.ttl, asked: operation.askedAt)
            }
            knownLeases.append(request.id)
        default: break
        }
        let answer: Linearizability.Answer
        switch reply.outcome {
        case .success(let success):
            answer = .write(
                request: reply.requestID, isSuccess: true, revision: success.revision ?? 0, isThen: isThen(operation, success))
        case .failure: answer = .write(request: reply.requestID, isSuccess: false, revision: 0, isThen: nil)
        }
        try checkers.answers.answered(answer, asked: operation.floor)
        finish(reply.requestID)
    }

    private func isThen(_ operation: ClientOperation, _ reply: Reply) -> Bool? {
        guard case .txn = operation.kind else { return nil }
        return (try? TxnResponse(decoding: reply.body))?.succeeded
    }

    func join(_ slot: Int, _ membership: Membership) {
        guard !members[slot].isRunning, members[slot].existingCluster == nil else { return }
        members[slot].existingCluster = ExistingCluster(id: membership.clusterID, members: membership.members)
        note("\(members[slot].name) joins")
        scheduler.schedule(.restart(slot: slot), after: .milliseconds(50))
    }

    func barrierPassed(_ number: UInt64, _ outcome: BarrierOutcome, _ member: SimulatedMember) throws(Violation) {
        guard let waiting = barriers.removeValue(forKey: number) else { return }
        guard case .confirmed = outcome else {
            counts.unknown += 1
            return finish(number)
        }
        switch waiting {
        case .read: answerRead(number, member)
        }
        if let violation = pendingViolation.take() { throw violation }
    }

    private func answerRead(_ number: UInt64, _ member: SimulatedMember) {
        guard let operation = operations[number], case .read(let key) = operation.kind,
            let view = member.replica?.apply.state.view
        else { return }
        counts.reads += 1
        lastAcknowledged = now
        do {
            let value = try view.pair(key).map { try KeyValue(decoding: $0).value }
            try checkers.answers.answered(.read(key: key, value: value, revision: view.latestRevision), asked: operation.floor)
        } catch let violation as Violation {
            pendingViolation = violation
        } catch {
            pendingViolation = Violation(checker: "linearizability", text: "\(member.name) cannot read \(key): \(error)")
        }
        finish(number)
    }

    // MARK: Leases

    /// Every half second a leader looks for leases that are over, as the server does.
    func monitor(_ member: SimulatedMember) {
        // At the end all have to arrive at the same entry.
        if areClientsQuiet { return }
        scheduler.schedule(.monitor(slot: member.slot, life: member.life), after: .milliseconds(500))
        guard let lane = member.front?.lane else { return }
        let ahead: Duration = settings.bug == .expireEarly ? .seconds(3) : .zero
        let expired =
            member.replica?.apply.state.lessor.expired(now: clock(member) + ahead, retryAfter: .seconds(3)) ?? []
        lane.now = clock(member)
        lane.revoke(expired: expired) { [unowned self, unowned member] in clock(member) + ahead }
        if !expired.isEmpty { scheduleTurn(member) }
    }
}
