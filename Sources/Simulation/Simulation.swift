// One run: a cluster of whole members in one thread, under a plan of faults drawn from a seed. First everything goes
// wrong that may; then it is healed, and the cluster has to converge and serve.
//
//     Simulation            the loop and the checks at the end
//     Simulation+Members    starting, turning and crashing members; their disks' queues
//     Simulation+Network    messages and snapshots between them
//     Simulation+Clients    requests and answers
//     Simulation+Fronts     the members' front lanes, which are production's, and what they need
//     Simulation+Watches    watch clients and what they are told
//     Simulation+Faults     the plan of faults
//     Simulation+Checks     what is looked at after every turn

import Base
import Membership
import Raft
import Replica
import SimulatedDisk

package final class Simulation {
    static let slotsMax = 12

    let settings: SimulationSettings
    var scheduler: Scheduler
    var network: SimulatedNetwork
    var members: [SimulatedMember] = []
    var dice: SeededRandom
    var clientDice: SeededRandom
    var trace: Trace
    var checkers = Checkers()
    var counts = SimulationCounts()
    var operations: [UInt64: ClientOperation] = [:]
    var barriers: [UInt64: WaitingBarrier] = [:]
    var nextNumber: UInt64 = 0
    var knownLeases: [LeaseID] = []
    var observed: [MemberID: LogIndex] = [:]
    var isHealed = false
    var areClientsQuiet = false
    var lastAcknowledged: VirtualTime = 0
    var unwritten: [Int: [LogRequest]] = [:]
    var turns = 0
    var pendingViolation: Violation?
    var watchClients: [SimulatedWatchClient] = []
    var watcherCount = 0
    var errands: [UInt64: TravellingErrand] = [:]
    /// Clients that wait for word about a lease.
    var keepAlives: [UInt64: ClientStream] = [:]

    package init(_ settings: SimulationSettings) {
        self.settings = settings
        var dice = SeededRandom(seed: settings.seed)
        scheduler = Scheduler(dice: dice.split())
        network = SimulatedNetwork(dice: dice.split())
        clientDice = dice.split()
        self.dice = dice
        trace = Trace(settings.trace)
    }

    var now: VirtualTime { scheduler.now }
    /// When everything is healed.
    var faultsEnd: VirtualTime { .milliseconds(UInt64(settings.seconds) * 1000) }

    func note(_ text: @autoclosure () -> String) { trace.note(now, text()) }

    package func run() -> SimulationResult {
        var violation: Violation?
        do throws(Violation) {
            try runAll()
        } catch {
            violation = error
            note("VIOLATION \(error)")
        }
        counts.committed = checkers.committed.lastIndex
        return SimulationResult(seed: settings.seed, traceHash: trace.hash, violation: violation, counts: counts)
    }

    private func runAll() throws(Violation) {
        for slot in 0..<settings.members { addMember(slot) }
        for member in members { try start(member) }
        for client in 0..<settings.clients { scheduler.schedule(.client(client), after: .milliseconds(1500)) }
        startWatching()
        if settings.hasFaults {
            network.resetChance = Double.random(in: 0...0.003, using: &dice)
            network.duplicateChance = Double.random(in: 0...0.02, using: &dice)
            scheduler.schedule(.fault, after: .milliseconds(2000))
        }
        scheduler.schedule(.heal, at: faultsEnd)
        try run(until: faultsEnd + .milliseconds(UInt64(settings.servingSeconds) * 1000))
        let hasServed = lastAcknowledged > faultsEnd + .milliseconds(UInt64(settings.servingSeconds) * 500)
        if !hasServed { throw Violation(checker: "liveness", text: "the healed cluster acknowledges nothing: \(summary)") }
        areClientsQuiet = true
        try run(until: now + .milliseconds(UInt64(settings.quietSeconds) * 1000))
        try checkEnd()
    }

    private func run(until end: VirtualTime) throws(Violation) {
        while scheduler.now < end, let event = scheduler.next() {
            counts.events += 1
            try handle(event)
        }
    }

    private func handle(_ event: Event) throws(Violation) {
        switch event {
        case .tick(let slot, let life):
            try onMember(slot, life, event) { (member) throws(Violation) in try tick(member) }
        case .turn(let slot, let life):
            try onMember(slot, life, event) { (member) throws(Violation) in try turn(member) }
        case .writeLog(let slot, let life):
            try onMember(slot, life, event) { (member) throws(Violation) in writeLog(member) }
        case .logWritten(let slot, let life):
            try onMember(slot, life, event) { (member) throws(Violation) in logWritten(member) }
        case .writeFile(let slot, let life):
            try onMember(slot, life, event) { (member) throws(Violation) in writeFile(member) }
        case .fileWritten(let slot, let life):
            try onMember(slot, life, event) { (member) throws(Violation) in try fileWritten(member) }
        case .seal(let slot, let life): try onMember(slot, life, event) { (member) throws(Violation) in seal(member) }
        case .compactionSlice(let slot, let life):
            try onMember(slot, life, event) { (member) throws(Violation) in compactionSlice(member) }
        case .monitor(let slot, let life): try onMember(slot, life, event) { (member) throws(Violation) in monitor(member) }
        case .deliver(let link, let epoch): try deliver(link, epoch)
        case .snapshotArrives(let number): snapshotArrives(number)
        case .snapshotReported(let slot, let life, let target, let success):
            try onMember(slot, life, event) { (member) throws(Violation) in
                member.replica?.reportSnapshot(target, success: success)
                scheduleTurn(member)
            }
        case .client(let client): clientActs(client)
        case .watch(let client, let epoch): try watch(client, epoch)
        case .chore(let slot, let life, let number):
            try onMember(slot, life, event) { (member) throws(Violation) in try choreDone(member, number) }
        case .errandArrives(let number): errandArrives(number)
        case .errandEnds(let number): try errandEnds(number)
        case .timeout(let operation): timeOut(operation)
        case .fault: fault()
        case .restart(let slot): try restart(slot)
        case .retire(let slot): retire(slot)
        case .heal: heal()
        }
    }

    /// Nothing happens to a member of another life; what happens to one that is paused happens afterwards.
    private func onMember(
        _ slot: Int, _ life: Int, _ event: Event, _ body: (SimulatedMember) throws(Violation) -> Void
    ) throws(Violation) {
        let member = members[slot]
        guard member.life == life, member.isRunning else { return }
        if member.pausedUntil > now { return scheduler.schedule(event, at: member.pausedUntil) }
        try body(member)
    }

    var summary: String {
        members.map { member in
            guard let status = member.replica?.consensus.status, let applied = member.replica?.apply.appliedIndex else {
                return "\(member.name) \(member.isRemoved ? "removed" : "down")"
            }
            return "\(member.name) \(status.role) term \(status.term) lead \(hexadecimal(status.lead)) commit \(status.commit) applied \(applied)"
        }.joined(separator: "; ")
    }
}
