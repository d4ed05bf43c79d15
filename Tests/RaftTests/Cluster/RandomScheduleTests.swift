import Base
import Testing

@testable import Raft

@Suite("Random schedules")
struct RandomScheduleTests {
    @Test("whatever happens, the cluster is safe, and recovers", arguments: UInt64(0)..<40)
    func schedule(seed: UInt64) throws {
        let schedule = try RandomSchedule(seed: seed)
        try schedule.run(steps: 2_000)
    }

    @Test("the same seed gives the same run")
    func determinism() throws {
        for seed in UInt64(0)..<3 {
            let traces = try (0..<2).map { _ in
                let schedule = try RandomSchedule(seed: seed)
                try schedule.run(steps: 2_000)
                return schedule.trace
            }
            #expect(traces[0] == traces[1])
        }
    }

    @Test("the schedules do what they are for")
    func coverage() throws {
        var (reads, crashes) = (0, 0)
        for seed in UInt64(100)..<110 {
            let schedule = try RandomSchedule(seed: seed)
            try schedule.run(steps: 2_000)
            reads += schedule.answeredReads
            crashes += schedule.crashes
        }
        #expect(reads > 20 && crashes > 50)
    }
}
