import Testing

@testable import Simulation

/// A checker that never bites checks nothing: each planted bug must be noticed, and by the checker it is for.
@Suite("Planted bugs")
struct PlantedBugTests {
    private static let seedsMax: UInt64 = 40

    /// The first violation by `checker`, of so many seeds.
    private func violation(_ bug: PlantedBug, _ checker: String, members: Int, from first: UInt64) -> Violation? {
        for seed in first..<first + Self.seedsMax {
            var settings = SimulationSettings.varied(seed: seed)
            settings.members = members
            settings.bug = bug
            if let found = Simulation(settings).run().violation, found.checker == checker { return found }
        }
        return nil
    }

    /// The last number is a seed that finds it at the time of writing; if the fault plan changes, the next ones will.
    @Test(
        "is noticed by its checker",
        arguments: [
            (PlantedBug.acknowledgeBeforeSync, "durability", 3, 1),
            (.forgetVote, "durability", 3, 1),
            (.countRefusedVote, "election safety", 5, 18),
            (.countRefusedVote, "leader completeness", 5, 5),
            (.loseEntry, "state machine safety", 3, 1),
            (.loseEntry, "log matching", 3, 4),
            (.applyTwice, "state equality", 3, 1),
            (.readWithoutBarrier, "linearizability", 3, 1),
            (.expireEarly, "lease time", 3, 1),
            (.answerWithoutProposal, "no acknowledged write lost", 3, 1),
            (.missWatchEvent, "watch", 3, 1),
            (.repeatWatchEvent, "watch", 3, 1),
            (.reorderWatchEvents, "watch", 3, 1),
            (.resumeWatchLate, "watch", 3, 1),
            (.progressBeforeEvents, "watch", 3, 1),
            (.forgetReplacedStore, "watch", 3, 8),
            (.returnUnnoticed, "monotonicity", 3, 1),
            (.staysCutOff, "liveness", 3, 2),
        ])
    func bites(bug: PlantedBug, checker: String, members: Int, seed: UInt64) {
        #expect(violation(bug, checker, members: members, from: seed) != nil)
    }
}
