// What is looked at after every turn of a member, and at the end.

import Base
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
    /// Logs are compared in every so many turns: it costs most of all checks.
    private static let turnsPerComparison = 40
    /// States are compared at one index of so many, the same on all members.
    private static let indexesPerDigest: LogIndex = 5

    func observe(_ member: SimulatedMember) throws(Violation) {
        guard let status = member.replica?.consensus.status, let applied = member.replica?.apply.appliedIndex,
            let window = member.replica?.consensus.window
        else { return }
        try checkers.monotonicity.look(
            member.id,
            life: settings.bug == .returnUnnoticed ? 0 : member.life,
            term: status.term,
            commit: status.commit,
            applied: applied
        )
        if status.role == .leader {
            try checkers.elections.leads(member.id, term: status.term)
            if member.replica?.outbox.status != nil {
                let entries = member.replica?.consensus.entries(from: window.first, through: window.last) ?? []
                try checkers.completeness.elected(
                    member.id, in: status.term, window: window, committed: checkers.committed,
                    term: { index in
                        index < window.first ? nil : entries[Int(index - window.first)].term
                    })
            }
        }
        try observeApplied(member, applied, in: status.term)
        if turns % Self.turnsPerComparison == 0 { try compareLogs(member) }
    }

    private func observeApplied(_ member: SimulatedMember, _ applied: LogIndex, in term: Term) throws(Violation) {
        let before = observed[member.id] ?? 0
        guard applied > before else { return }
        observed[member.id] = applied
        for entry in member.replica?.consensus.entries(from: before + 1, through: applied) ?? [] {
            try checkers.committed.applied(entry, by: member.id, in: term)
        }
        while let entry = checkers.committed.takeNext() {
            guard let request = try checkers.reference.apply(entry) else { continue }
            if try checkers.leases.committed(request.requestID, now: now) { counts.leasesExpired += 1 }
        }
        try checkers.answers.check(checkers.reference, isFinal: false)
        try checkers.watches.check(checkers.reference, isFinal: false)
        if applied % Self.indexesPerDigest == 0, let digest = try digest(member) {
            try checkers.equality.holds(digest, at: applied, member.id)
        }
    }

    private func digest(_ member: SimulatedMember) throws(Violation) -> String? {
        guard let replica = member.replica?.apply.state.view, let lessor = member.replica?.apply.state.lessor,
            let membership = member.replica?.apply.state.membership
        else { return nil }
        do throws(MVCCError) {
            let hash = try replica.hashKV(0)
            var leases = WireWriter()
            for lease in lessor.leases.values.sorted(by: { $0.id < $1.id }) {
                for number in [lease.id, lease.grantedTTL, Int64(lease.keys.count)] { leases.explicit(1, UInt64(bitPattern: number)) }
            }
            var members = WireWriter()
            for one in membership.members { members.explicit(one.isLearner ? 2 : 1, one.id) }
            return "hash \(hash.hash) revision \(hash.revision) compacted \(hash.compactRevision) "
                + "leases \(lessor.leases.count) \(digest(leases.bytes)) members \(membership.members.count) \(digest(members.bytes))"
        } catch {
            throw Violation(checker: "state equality", text: "\(member.name) cannot hash its store: \(error)")
        }
    }

    private func digest(_ bytes: Bytes) -> UInt64 { bytes.withUnsafeBytes { fnv1a64($0) } }

    private func compareLogs(_ member: SimulatedMember) throws(Violation) {
        let others = members.filter { $0.isRunning && $0.slot != member.slot }
        guard let other = others.randomElement(using: &dice) else { return }
        try checkers.matching.compare(entries(member), entries(other), "\(member.name) and \(other.name)")
    }

    private func entries(_ member: SimulatedMember) -> [Entry] {
        guard let window = member.replica?.consensus.window else { return [] }
        return member.replica?.consensus.entries(from: window.first, through: window.last) ?? []
    }

    func checkEnd() throws(Violation) {
        let alive = members.filter { !$0.isRemoved && $0.life > 0 }
        let leaders = Set(alive.map { $0.replica?.consensus.status.lead ?? 0 })
        guard leaders.count == 1, leaders.first != 0 else {
            throw Violation(checker: "liveness", text: "no leader all agree on: \(summary)")
        }
        guard Set(alive.map { $0.replica?.apply.appliedIndex ?? 0 }).count == 1 else {
            throw Violation(checker: "liveness", text: "not all have applied the same: \(summary)")
        }
        var last: String?
        for member in alive {
            let digest = try digest(member)
            if let last, let digest, last != digest {
                throw Violation(checker: "state equality", text: "at the end \(member.name) holds \(digest), others \(last)")
            }
            last = digest
        }
        try checkers.answers.check(checkers.reference, isFinal: true)
        try checkers.watches.check(checkers.reference, isFinal: true)
    }
}
