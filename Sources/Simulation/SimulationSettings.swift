// What a run of the simulator is made of. The same settings give the same run, to the last byte of its trace.

import Base

/// Faults in the members themselves, planted by their simulated surroundings so that a checker can prove it notices.
package enum PlantedBug: String, Sendable, CaseIterable {
    /// The log answers before it has written.
    case acknowledgeBeforeSync
    /// Votes are not written: forgotten at a restart.
    case forgetVote
    /// A refused vote counts as given.
    case countRefusedVote
    /// A follower takes an entry in without its contents.
    case loseEntry
    /// An entry is applied twice, and the next one not.
    case applyTwice
    /// A linearizable read is answered without asking the leader.
    case readWithoutBarrier
    /// Leases are judged by a clock that runs ahead.
    case expireEarly
    /// An answer says success though nothing was proposed.
    case answerWithoutProposal
    /// Of what happened to its keys a watcher is not told the first.
    case missWatchEvent
    /// A watcher that comes from another member is told its last revision again.
    case repeatWatchEvent
    /// What happened in a turn is told backwards.
    case reorderWatchEvents
    /// A watcher that comes from another member goes on a revision too late.
    case resumeWatchLate
    /// Who asks for progress is told of the newest revision before what led to it.
    case progressBeforeEvents
    /// Watchers do not hear that a leader's snapshot has taken the store's place.
    case forgetReplacedStore
    /// A member that has lost its memory passes for one that has lived on.
    case returnUnnoticed
    /// A member stays cut off when everything is healed.
    case staysCutOff
}

package struct SimulationSettings: Sendable {
    package var seed: UInt64
    package var members = 3
    /// Simulated time of the first phase, with faults; the second, without, follows.
    package var seconds = 20
    /// The second phase: time in which the healed cluster serves, and time in which nobody asks and all catch up.
    package var servingSeconds = 12
    package var quietSeconds = 8
    package var clients = 5
    package var hasFaults = true
    /// At most this many milliseconds between faults.
    package var faultPauseMax: UInt64 = 1200
    /// So many of a hundred faults are changes of the membership, besides the few that always are.
    package var membershipShare = 0
    package var bug: PlantedBug?
    /// Called with every line of the trace.
    package var trace: (@Sendable (String) -> Void)?

    package init(seed: UInt64) {
        self.seed = seed
    }

    /// Clusters of all sizes and runs of different lengths, as the seed says: what a long search runs.
    package static func varied(seed: UInt64) -> SimulationSettings {
        var dice = SeededRandom(seed: seed ^ 0x5eed)
        var settings = SimulationSettings(seed: seed)
        settings.members = [3, 3, 3, 3, 3, 5, 5, 7][Int.random(in: 0..<8, using: &dice)]
        settings.seconds = Int.random(in: 4...9, using: &dice)
        settings.servingSeconds = 4
        settings.quietSeconds = 2
        settings.faultPauseMax = [300, 600, 1200][Int.random(in: 0..<3, using: &dice)]
        settings.membershipShare = [0, 10, 60][Int.random(in: 0..<3, using: &dice)]
        settings.clients = Int.random(in: 2...5, using: &dice)
        return settings
    }
}

/// A promise that was broken, and when.
package struct Violation: Error, Sendable, CustomStringConvertible {
    package var checker: String
    package var text: String

    package var description: String { "\(checker): \(text)" }
}

/// How a run went.
package struct SimulationResult: Sendable {
    package var seed: UInt64
    package var traceHash: UInt64
    package var violation: Violation?
    package var counts: SimulationCounts
}

/// What a run has seen: a run in which nothing happened proves nothing.
package struct SimulationCounts: Sendable, Hashable {
    package var events = 0
    package var committed: UInt64 = 0
    package var acknowledged = 0
    package var reads = 0
    package var unknown = 0
    package var elections = 0
    package var crashes = 0
    package var snapshotsSent = 0
    package var snapshotsInstalled = 0
    package var membershipChanges = 0
    package var learners = 0
    package var promotions = 0
    package var removals = 0
    package var leasesExpired = 0
    package var watchEvents = 0
    package var watchProgress = 0
    package var watchWalks = 0
    package var keepAlives = 0
    package var followerKeepAlives = 0
    package var defragmentations = 0
    package var diskErrors = 0
    package var partitions = 0
    package var transfers = 0
}
