// The plan of faults: what goes wrong, how often, and how it is healed.

import Base
import FileIO
import Membership
import Raft
import RaftWire
import Replica
import SimulatedDisk
import StateMachine

extension Simulation {
    func fault() {
        if isHealed { return }
        scheduler.schedule(.fault, after: UInt64.random(in: .milliseconds(50)...(.milliseconds(settings.faultPauseMax)), using: &dice))
        let running = members.filter { $0.isRunning && !$0.isRemoved }
        guard let member = running.randomElement(using: &dice) else { return }
        if Int.random(in: 0..<100, using: &dice) < settings.membershipShare { return changeMembers(running) }
        switch Int.random(in: 0..<100, using: &dice) {
        case 0..<14: crash(member, "power")
        case 14..<26:
            // In the midst of a write.
            let operation = member.disk.operationCount + Int.random(in: 1...60, using: &dice)
            // Sectors survive as wholes or not at all: etcd's log tells a torn tail by that, and disks promise it.
            member.disk.plan(DiskFaults(powerFailsAtOperation: operation))
        case 26..<30:
            let number = member.disk.synchronizationCount + Int.random(in: 1...10, using: &dice)
            member.disk.plan(DiskFaults(failingSynchronization: number))
        case 30..<33: fillDisk(member)
        case 33..<38:
            member.isDiskSlow.toggle()
            note("\(member.name) disk slow: \(member.isDiskSlow)")
        case 38..<54: partition(running)
        case 54..<64:
            network.heal()
            note("network heals")
        case 64..<68:
            for other in running where other.slot != member.slot {
                let end = now + UInt64.random(in: 100_000_000...3_000_000_000, using: &dice)
                network.clog(member.slot, other.slot, until: min(end, faultsEnd))
            }
            note("\(member.name) clogged")
        case 68..<71: network.slowDown(by: UInt64.random(in: 1...20, using: &dice))
        case 71..<76:
            // What a pause puts off is put off for good, so it must be over when all is healed.
            member.pausedUntil = min(now + UInt64.random(in: 50_000_000...4_000_000_000, using: &dice), faultsEnd)
            note("\(member.name) pauses until \(member.pausedUntil / 1000)")
        case 76..<79:
            let ahead = UInt64.random(in: 10_000_000...2_000_000_000, using: &dice)
            member.clock.jump(ahead)
            checkers.leases.clockJumped(ahead)
        case 79..<84: transferLeadership(running)
        case 84..<87: defragment(member)
        case 87..<90: network.resetAll(of: member.slot)
        case 90..<97: changeMembers(running)
        default:
            member.replica?.triggerSnapshot()
            scheduleTurn(member)
        }
    }

    private func fillDisk(_ member: SimulatedMember) {
        let room = UInt64.random(in: 0...100_000, using: &dice)
        member.disk.plan(DiskFaults(capacityBytes: usedBytes(member.disk, "d") + room))
        note("\(member.name) disk nearly full")
    }

    private func usedBytes(_ disk: SimulatedDisk, _ path: String) -> UInt64 {
        guard let status = try? disk.status(path) else { return 0 }
        guard status.isDirectory else { return status.sizeBytes }
        return ((try? disk.list(path)) ?? []).reduce(0) { $0 + usedBytes(disk, path + "/" + $1) }
    }

    private func partition(_ running: [SimulatedMember]) {
        counts.partitions += 1
        network.heal()
        let isOneWay = Int.random(in: 0..<3, using: &dice) == 0
        var groups: [Int: Bool] = [:]
        for member in members { groups[member.slot] = Bool.random(using: &dice) }
        for one in members {
            for other in members where groups[one.slot] == true && groups[other.slot] == false {
                network.cut(one.slot, other.slot)
                if !isOneWay { network.cut(other.slot, one.slot) }
            }
        }
        let side = members.filter { groups[$0.slot] == true }.map(\.name).joined(separator: " ")
        note("partition\(isOneWay ? " one way" : ""): \(side)")
    }

    private func transferLeadership(_ running: [SimulatedMember]) {
        guard let leader = running.first(where: { $0.replica?.consensus.status.role == .leader }),
            let target = running.randomElement(using: &dice), target.slot != leader.slot
        else { return }
        counts.transfers += 1
        note("\(leader.name) transfers to \(target.name)")
        leader.replica?.consensus.transferLeadership(to: target.id)
        scheduleTurn(leader)
    }

    private func defragment(_ member: SimulatedMember) {
        member.replica?.apply.seal()
        member.replica?.collectApplied()
        member.replica?.outbox.commit.append(.defragment(0))
        scheduleTurn(member)
    }

    /// As an operator with care does: only with all members up, and never below three.
    private func changeMembers(_ running: [SimulatedMember]) {
        guard let leader = running.first(where: { $0.replica?.consensus.status.role == .leader }),
            let membership = leader.replica?.apply.state.membership
        else { return }
        startForgotten(membership)
        let current = members.filter { !$0.isRemoved && $0.life > 0 }
        guard membership.members.count == current.count, current.count == running.count || Bool.random(using: &dice) else { return }
        if let learner = membership.learners.first, Int.random(in: 0..<4, using: &dice) > 0 {
            guard hasCaughtUp(learner.id, leader) else { return }
            note("promoting \(hexadecimal(learner.id))")
            change(.promote(learner), through: leader)
        } else if current.count > 3, Bool.random(using: &dice) {
            guard let victim = running.randomElement(using: &dice) else { return }
            note("removing \(victim.name)")
            change(.removeMember(victim.id), through: leader)
        } else if members.count < Self.slotsMax, current.count < settings.members + 2 {
            let slot = members.count
            addMember(slot)
            // It does not count until it is part of the cluster.
            members[slot].isRestartScheduled = true
            let asLearner = Bool.random(using: &dice)
            note("adding \(members[slot].name)\(asLearner ? " as learner" : "")")
            change(.addMember(slot: slot, asLearner: asLearner), through: leader)
        }
    }

    /// As the server asks before a promotion: nine tenths of the leader's log.
    private func hasCaughtUp(_ learner: MemberID, _ leader: SimulatedMember) -> Bool {
        guard let progress = leader.replica?.consensus.fullStatus.progress else { return false }
        var matches: [MemberID: LogIndex] = [:]
        for position in progress.indices { matches[progress.id(at: position)] = progress[position: position].match }
        return Double(matches[learner] ?? 0) >= 0.9 * Double(matches[leader.id] ?? 0)
    }

    /// Members that were added though whoever asked for it never heard: an operator finds them in the list.
    func startForgotten(_ membership: Membership) {
        for member in members where member.life == 0 && member.existingCluster == nil {
            guard membership.members.contains(where: { $0.peerURLs == [member.peerURL] }) else { continue }
            join(member.slot, membership)
        }
    }

    func heal() {
        isHealed = true
        note("everything is healed")
        // Who leads by name alone may know less: the longest list of those there is the cluster's.
        let memberships = members.compactMap { $0.replica?.apply.state.membership }
        if let known = memberships.max(by: { $0.members.count < $1.members.count }) { startForgotten(known) }
        network.heal()
        if settings.bug == .staysCutOff {
            for slot in 1..<settings.members {
                network.cut(0, slot)
                network.cut(slot, 0)
            }
        }
        network.resetChance = 0
        network.duplicateChance = 0
        for member in members where !member.isRemoved {
            member.isDiskSlow = false
            member.pausedUntil = 0
            // It may have failed in something whose errors nobody minds.
            if member.isRunning, member.disk.powerIsOff { crash(member, "power") }
            // Whoever is down may have run out of space, too.
            member.disk.plan(DiskFaults())
            if member.life > 0, !member.isRunning {
                scheduler.schedule(.restart(slot: member.slot), after: .milliseconds(100))
            }
        }
    }
}
