import Simulation
import Testing

@Suite("Simulation")
struct SimulationTests {
    /// A run long enough for elections, crashes and snapshots, short enough for every day.
    static func run(_ seed: UInt64, members: Int = 3, bug: PlantedBug? = nil) -> SimulationResult {
        var settings = SimulationSettings(seed: seed)
        settings.members = members
        settings.seconds = 8
        settings.bug = bug
        return Simulation(settings).run()
    }

    @Test("clusters keep their promises under faults", arguments: 1...6)
    func seeds(seed: UInt64) {
        let result = Self.run(seed)
        #expect(result.violation == nil, "seed \(seed)")
        #expect(result.counts.acknowledged > 0 && result.counts.events > 100, "a run in which nothing happens proves nothing")
    }

    @Test("the same seed gives the same run")
    func determinism() {
        #expect(Self.run(7).traceHash == Self.run(7).traceHash)
        #expect(Self.run(7).traceHash != Self.run(8).traceHash)
    }
}
