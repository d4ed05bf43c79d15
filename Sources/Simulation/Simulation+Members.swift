// Members: how they start, turn, write and crash. What threads and timers are in production is events here.

import BBolt
import Backend
import Base
import EtcdAPI
import EtcdWire
import FileIO
import Lease
import Membership
import Raft
import RaftLog
import RaftWire
import Replica
import SimulatedDisk
import StateMachine

extension Simulation {
    func addMember(_ slot: Int) {
        let disk = SimulatedDisk(seed: dice.next(), faults: DiskFaults(tearsSectors: false))
        members.append(SimulatedMember(slot: slot, disk: disk, clock: SimulatedClock(&dice)))
    }

    func bootstrapSettings(_ member: SimulatedMember) -> BootstrapSettings {
        let initial = member.existingCluster == nil ? Array(members.prefix(settings.members)) : [member]
        var result = BootstrapSettings(
            name: member.name, memberDirectory: "d/member", walDirectory: "d/member/wal", snapshotDirectory: "d/member/snap",
            initialMembers: initial.map { ($0.name, [$0.peerURL]) }, token: "simulated",
            isNewCluster: member.existingCluster == nil, forcesNewCluster: false, electionTicks: 10, preVote: true,
            snapshotCount: 150, catchUpEntries: 20, quotaBytes: 0, learnersMax: 1, minimumLeaseTTL: 2, seed: dice.next(),
            unsafeNoSync: false)
        result.existingCluster = member.existingCluster
        result.logSegmentSizeBytes = 64 << 10
        result.databaseGrowStepBytes = 256 << 10
        return result
    }

    func start(_ member: SimulatedMember) throws(Violation) {
        member.life += 1
        let bootstrapped: BootstrappedMember
        do {
            try member.disk.createDirectory("d", mode: 0o700)
            try member.disk.syncDirectory(".")
            bootstrapped = try Bootstrap(bootstrapSettings(member), fileSystem: member.disk) { _ in }.run()
        } catch let error as FileError {
            note("\(member.name) cannot start: \(error)")
            // No room: somebody makes some.
            member.disk.plan(DiskFaults())
            return scheduleRestart(member)
        } catch {
            if isDiskDown(member) { return crash(member, "while starting") }
            throw Violation(checker: "durability", text: "\(member.name) cannot start: \(error)")
        }
        member.id = bootstrapped.localID
        let (wasInitialized, statistics) = (bootstrapped.wasInitialized, bootstrapped.statistics)
        bootstrapped.split { replica, log, commit in
            member.replica = consume replica
            member.log = consume log
            member.commit = consume commit
        }
        openFront(member, statistics: statistics)
        note("\(member.name) starts \(hexadecimal(member.id)) life \(member.life)")
        observed[member.id] = member.replica?.apply.appliedIndex ?? 0
        if wasInitialized { try checkRestart(member) }
        let (slot, life) = (member.slot, member.life)
        scheduler.schedule(.tick(slot: slot, life: life), after: UInt64.random(in: 0...100_000_000, using: &dice))
        scheduler.schedule(.seal(slot: slot, life: life), after: .milliseconds(100))
        scheduler.schedule(.monitor(slot: slot, life: life), after: .milliseconds(500))
        scheduler.schedule(.compactionSlice(slot: slot, life: life), after: .milliseconds(10))
        scheduleTurn(member)
    }

    private func isDiskDown(_ member: SimulatedMember) -> Bool {
        member.disk.faults.powerFailsAtOperation != nil || member.disk.faults.failingSynchronization != nil
            || member.disk.faults.capacityBytes != nil || member.disk.faults.failingWrite != nil
    }

    private func checkRestart(_ member: SimulatedMember) throws(Violation) {
        guard let status = member.replica?.consensus.status, let window = member.replica?.consensus.window,
            let problems = member.replica?.apply.state.backend.fileReader.check()
        else { return }
        try checkers.durability.restarted(
            member.id, term: status.term, vote: status.vote, lastIndex: window.last, problems: problems)
    }

    // MARK: Crashes

    /// The power goes: what is not durable is in the hands of the dice.
    func crash(_ member: SimulatedMember, _ reason: String) {
        note("\(member.name) crashes: \(reason)")
        counts.crashes += 1
        stop(member)
        member.disk = member.disk.crash(seed: dice.next())
        scheduleRestart(member)
    }

    /// The process ends of itself, as it does when its disk fails.
    func exit(_ member: SimulatedMember, _ reason: String) {
        note("\(member.name) stops: \(reason)")
        counts.diskErrors += 1
        stop(member)
        // Memory goes with the process, but what a failed synchronization has lost is lost.
        member.disk.plan(DiskFaults())
        member.disk = member.disk.crash(seed: dice.next())
        scheduleRestart(member)
    }

    func stop(_ member: SimulatedMember) {
        member.dropProcess()
        unwritten[member.slot] = nil
        network.resetAll(of: member.slot)
        loseOperations(of: member)
        loseWatchClients(of: member)
    }

    /// Somebody who was removed, and perhaps never heard of it, is switched off.
    func retire(_ slot: Int) {
        let member = members[slot]
        guard !member.isRemoved else { return }
        note("\(member.name) is retired")
        member.isRemoved = true
        stop(member)
    }

    private func scheduleRestart(_ member: SimulatedMember) {
        guard !member.isRemoved, !member.isRestartScheduled else { return }
        member.isRestartScheduled = true
        let delay = isHealed ? UInt64.milliseconds(100) : UInt64.random(in: 50_000_000...3_000_000_000, using: &dice)
        scheduler.schedule(.restart(slot: member.slot), after: delay)
    }

    func restart(_ slot: Int) throws(Violation) {
        let member = members[slot]
        member.isRestartScheduled = false
        guard !member.isRunning, !member.isRemoved else { return }
        try start(member)
    }

    // MARK: Turns

    func scheduleTurn(_ member: SimulatedMember) {
        guard !member.isTurnScheduled else { return }
        member.isTurnScheduled = true
        let delay = UInt64.random(in: 1_000...200_000, using: &dice)
        scheduler.schedule(.turn(slot: member.slot, life: member.life), after: delay)
    }

    func clock(_ member: SimulatedMember) -> Instant { member.clock.instant(now) }

    func tick(_ member: SimulatedMember) throws(Violation) {
        member.replica?.consensus.tick(now: clock(member))
        member.front?.lane.expire(now: clock(member))
        scheduler.schedule(.tick(slot: member.slot, life: member.life), after: .milliseconds(100))
        scheduleTurn(member)
        try readStreams(of: member)
        try keepAlivesAnswered()
    }

    func seal(_ member: SimulatedMember) {
        scheduler.schedule(.seal(slot: member.slot, life: member.life), after: .milliseconds(100))
        guard member.replica?.apply.hasUnsealedChanges == true else { return }
        member.replica?.apply.seal()
        scheduleTurn(member)
    }

    func compactionSlice(_ member: SimulatedMember) {
        scheduler.schedule(.compactionSlice(slot: member.slot, life: member.life), after: .milliseconds(50))
        guard member.replica?.apply.isCompacting == true else { return }
        member.replica?.apply.compactionSlice()
        scheduleTurn(member)
    }

    func turn(_ member: SimulatedMember) throws(Violation) {
        member.isTurnScheduled = false
        turns += 1
        beginFrontTurn(member)
        do throws(StateMachineFailure) {
            try member.replica?.process(now: clock(member))
            if settings.bug == .applyTwice { try applyAgain(member) }
        } catch {
            throw Violation(checker: "state machine", text: "\(member.name) cannot apply: \(error)")
        }
        if let violation = pendingViolation.take() { throw violation }
        try observe(member)
        member.replica?.collectApplied()
        guard let out = member.replica?.outbox else { return }
        member.replica?.outbox = ReplicaOutbox()
        if let failure = out.failure { throw Violation(checker: "log matching", text: "\(member.name): \(failure)") }
        if let status = out.status { statusChanged(member, status) }
        if !out.log.isEmpty {
            member.logQueue += out.log
            startLog(member)
        }
        if !out.commit.isEmpty {
            member.commitQueue += out.commit
            startFile(member)
        }
        for message in out.peers { send(message, from: member) }
        for snapshot in out.snapshots { post(snapshot, from: member) }
        if let index = out.snapshotInstalled {
            counts.snapshotsInstalled += 1
            note("\(member.name) has installed the snapshot at \(index)")
        }
        for case .memberRemoved(let id, _) in out.events {
            guard let gone = members.first(where: { $0.id == id }), !gone.isRemoved else { continue }
            scheduler.schedule(.retire(slot: gone.slot), after: .milliseconds(2000))
        }
        for reply in out.replies { try replied(reply, by: member) }
        for (id, outcome) in out.barriers { try barrierPassed(id.value, outcome, member) }
        try passResults(out, to: member)
        try keepAlivesAnswered()
        if out.removesLocalMember {
            note("\(member.name) is removed")
            // As the server: it stays a second, so that the others hear that its removal is committed. Not always.
            if network.roll(0.3) {
                member.isRemoved = true
                return stop(member)
            }
            scheduler.schedule(.retire(slot: member.slot), after: .milliseconds(1000))
        }
        if member.replica?.hasMore == true || member.replica?.consensus.hasWork == true { scheduleTurn(member) }
    }

    private func applyAgain(_ member: SimulatedMember) throws(StateMachineFailure) {
        guard member.slot == 0, let applied = member.replica?.apply.appliedIndex, applied > 30,
            let last = member.replica?.consensus.entries(from: applied, through: applied).first, !last.data.isEmpty
        else { return }
        var entry = last
        entry.index += 1
        _ = try member.replica?.apply.state.apply(entry, wantsReply: false, now: clock(member))
    }

    private func statusChanged(_ member: SimulatedMember, _ status: RaftBasicStatus) {
        note("\(member.name) \(status.role) term \(status.term) lead \(hexadecimal(status.lead))")
        if status.role == .leader { counts.elections += 1 }
    }

    // MARK: The log's and the file's threads

    private func startLog(_ member: SimulatedMember) {
        guard !member.isLogBusy else { return }
        member.isLogBusy = true
        scheduler.schedule(
            .writeLog(slot: member.slot, life: member.life), after: UInt64.random(in: 10_000...500_000, using: &dice))
    }

    private func diskDelay(_ member: SimulatedMember) -> VirtualTime {
        let delay = UInt64.random(in: 100_000...3_000_000, using: &dice)
        return member.isDiskSlow ? delay * 100 : delay
    }

    func writeLog(_ member: SimulatedMember) {
        let batch = member.logQueue.map { withoutVote($0) }
        member.logQueue = []
        do throws(WALError) {
            if settings.bug == .acknowledgeBeforeSync {
                try acknowledgeEarly(member, batch)
            } else {
                member.logReplies = try member.log?.receive(batch) ?? []
                member.log?.prepareNextSegment()
            }
            scheduler.schedule(.logWritten(slot: member.slot, life: member.life), after: diskDelay(member))
        } catch {
            diskFailed(member, "\(error)")
        }
    }

    private func acknowledgeEarly(_ member: SimulatedMember, _ batch: [LogRequest]) throws(WALError) {
        unwritten[member.slot, default: []] += batch
        let isPlain = batch.allSatisfy { request in
            if case .append(let append) = request { append.snapshot == nil } else { false }
        }
        if isPlain, unwritten[member.slot, default: []].count < 40 {
            member.logReplies = batch.compactMap { request in
                if case .append(let append) = request { .appended(append.responses) } else { nil }
            }
            return
        }
        let all = unwritten.removeValue(forKey: member.slot) ?? []
        let replies = try member.log?.receive(all) ?? []
        // Those of earlier batches were given already; raft takes them twice without harm.
        member.logReplies = replies
    }

    private func withoutVote(_ request: LogRequest) -> LogRequest {
        guard settings.bug == .forgetVote, case .append(var append) = request else { return request }
        append.hardState?.vote = 0
        return .append(append)
    }

    func logWritten(_ member: SimulatedMember) {
        member.isLogBusy = false
        let replies = member.logReplies
        member.logReplies = []
        member.replica?.logReplied(replies)
        if !member.logQueue.isEmpty { startLog(member) }
        scheduleTurn(member)
    }

    private func startFile(_ member: SimulatedMember) {
        guard !member.isCommitBusy else { return }
        member.isCommitBusy = true
        scheduler.schedule(
            .writeFile(slot: member.slot, life: member.life), after: UInt64.random(in: 10_000...20_000_000, using: &dice))
    }

    func writeFile(_ member: SimulatedMember) {
        let batch = member.commitQueue
        member.commitQueue = []
        do throws(BBoltError) {
            member.commitReplies = try member.commit?.receive(batch) ?? []
            scheduler.schedule(.fileWritten(slot: member.slot, life: member.life), after: diskDelay(member))
        } catch {
            diskFailed(member, "\(error)")
        }
    }

    func fileWritten(_ member: SimulatedMember) throws(Violation) {
        member.isCommitBusy = false
        let replies = member.commitReplies
        member.commitReplies = []
        for reply in replies {
            switch reply {
            case .committed(let result): member.replica?.committed(result)
            case .defragmented(_, let result):
                counts.defragmentations += 1
                member.replica?.committed(result)
            case .defragmentationFailed(_, let error):
                note("\(member.name) cannot defragment: \(error)")
                // A member goes on after that; one without power does not.
                if member.disk.powerIsOff { return crash(member, "\(error)") }
            case .pinned(let token, let result): member.replica?.pinned(token, result)
            case .installed(let snapshot, let result):
                do throws(StateLoadError) {
                    try member.replica?.installed(snapshot, result)
                } catch {
                    throw Violation(checker: "durability", text: "\(member.name) cannot load a received snapshot: \(error)")
                }
            }
        }
        if !member.commitQueue.isEmpty { startFile(member) }
        scheduleTurn(member)
    }

    private func diskFailed(_ member: SimulatedMember, _ text: String) {
        if member.disk.powerIsOff { crash(member, text) } else { exit(member, text) }
    }
}
