// A member of the simulated cluster: its disk, its clock and, while it lives, its lanes with the queues that threads
// are elsewhere.

import Base
import Membership
import Replica
import SimulatedDisk

final class SimulatedMember {
    let slot: Int
    let name: String
    let peerURL: String
    var disk: SimulatedDisk
    var clock: SimulatedClock
    var id: MemberID = 0
    var life = 0
    var replica: CompactReplica?
    var log: LogLane?
    var commit: CommitLane?
    var isTurnScheduled = false
    var logQueue: [LogRequest] = []
    var logBatch: [LogRequest] = []
    var logReplies: [LogReply] = []
    var isLogBusy = false
    var commitQueue: [CommitRequest] = []
    var commitReplies: [CommitReply] = []
    var isCommitBusy = false
    /// Its clients' lane, as long as it runs.
    var front: SimulatedFront?
    /// Nothing happens to it until then.
    var pausedUntil: VirtualTime = 0
    var isRemoved = false
    var isRestartScheduled = false
    /// Set for a member that joins a running cluster.
    var existingCluster: ExistingCluster?
    /// Writes take longer while it is set.
    var isDiskSlow = false

    init(slot: Int, disk: SimulatedDisk, clock: SimulatedClock) {
        self.slot = slot
        name = "m\(slot)"
        peerURL = "http://m\(slot):2380"
        self.disk = disk
        self.clock = clock
    }

    var isRunning: Bool { replica != nil }

    /// The process is gone: what only it knew is lost.
    func dropProcess() {
        replica = nil
        log = nil
        commit = nil
        life += 1
        isTurnScheduled = false
        logQueue = []
        logBatch = []
        logReplies = []
        commitQueue = []
        commitReplies = []
        isLogBusy = false
        isCommitBusy = false
        front = nil
        pausedUntil = 0
    }
}
