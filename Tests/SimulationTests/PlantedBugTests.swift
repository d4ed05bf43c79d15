import Testing

@testable import Simulation

/// A checker that never bites checks nothing: each planted bug must be noticed, and by the checker it is for.
@Suite("Planted bugs")
struct PlantedBugTests {
    private static let seedsMax: UInt64 = 40

    /// The first violation by `checker`, of so many seeds.
    private func violation(_ bug: PlantedBug, _ checker: String, members: Int = 3) -> Violation? {
        for seed in 1...Self.seedsMax {
            var settings = SimulationSettings(seed: seed)
            settings.seconds = 8
            settings.servingSeconds = 2
            settings.quietSeconds = 3
            settings.members = members
            settings.bug = bug
            if let found = Simulation(settings).run().violation, found.checker == checker { return found }
        }
        return nil
    }

    @Test(
        "is noticed by its checker",
        arguments: [
            (PlantedBug.acknowledgeBeforeSync, "durability", 3),
            (.forgetVote, "durability", 3),
            (.countRefusedVote, "election safety", 5),
            (.countRefusedVote, "leader completeness", 5),
            (.loseEntry, "state machine safety", 3),
            (.loseEntry, "log matching", 3),
            (.applyTwice, "state equality", 3),
            (.readWithoutBarrier, "linearizability", 3),
            (.expireEarly, "lease time", 3),
            (.answerWithoutProposal, "no acknowledged write lost", 3),
            (.missWatchEvent, "watch", 3),
            (.repeatWatchEvent, "watch", 3),
            (.reorderWatchEvents, "watch", 3),
            (.resumeWatchLate, "watch", 3),
            (.staysCutOff, "liveness", 3),
        ])
    func bites(bug: PlantedBug, checker: String, members: Int) {
        #expect(violation(bug, checker, members: members) != nil)
    }
}
