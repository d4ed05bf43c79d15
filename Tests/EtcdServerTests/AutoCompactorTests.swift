// When the member compacts of its own accord: etcd's rules over a clock that the tests turn.

import Base
import ServerConfiguration
import ServerLog
import Testing

@testable import EtcdServer

@Suite("Automatic compaction")
struct AutoCompactorTests {
    let start = Instant(nanoseconds: 5_000_000_000)

    /// Looks every half second as a member does; one revision is written each second.
    /// - Returns: when what was compacted, in whole seconds since the start.
    func run(
        _ mode: AutoCompaction,
        seconds: Int,
        leads: (Int) -> Bool = { _ in true },
        revision: (Int) -> Int64 = { Int64($0 + 1) },
        succeeds: (Int) -> Bool = { _ in true }
    ) throws -> [[Int64]] {
        var compactor = try #require(AutoCompactor(mode, now: start))
        var done: [[Int64]] = []
        for half in 0...(2 * seconds) {
            let now = start + .milliseconds(500 * half)
            let second = half / 2
            guard let target = compactor.look(now: now, current: revision(second), leads: leads(second)) else {
                continue
            }
            done.append([Int64(second), target])
            if succeeds(second) { compactor.compacted(target, now: now) }
        }
        return done
    }

    @Test("off is no compactor")
    func off() { #expect(AutoCompactor(.off, now: start) == nil) }

    @Test(
        "a short retention: first when it has passed, then as often, each time to where the keys were a retention ago"
    )
    func shortPeriod() throws {
        #expect(try run(.periodic(.seconds(60)), seconds: 200) == [[60, 1], [120, 61], [180, 121]])
    }

    @Test("a long retention: first when it has passed, then each hour")
    func longPeriod() throws {
        #expect(
            try run(.periodic(.hours(3)), seconds: 6 * 3600 + 10) == [
                [10800, 1], [14400, 3601], [18000, 7201], [21600, 10801],
            ]
        )
    }

    @Test("what is unchanged waits for a change, and no longer than to the next sample")
    func unchanged() throws {
        let done = try run(.periodic(.seconds(60)), seconds: 300, revision: { $0 < 130 ? 7 : 8 })
        // The first sample with a revision above 7 is that of 132; it is a retention old at 192.
        #expect(done == [[60, 7], [192, 8]])
    }

    @Test("a failure is tried again with the next sample")
    func failure() throws {
        let done = try run(.periodic(.seconds(60)), seconds: 130, succeeds: { $0 != 60 })
        #expect(done == [[60, 1], [66, 7], [126, 67]])
    }

    @Test("a follower takes samples, and compacts at once when it leads")
    func follower() throws {
        #expect(try run(.periodic(.seconds(60)), seconds: 160, leads: { $0 >= 100 }) == [[102, 43]])
    }

    @Test("by revisions: every five minutes, as many as are to be kept are left")
    func revisions() throws {
        #expect(try run(.revisions(100), seconds: 1000) == [[300, 201], [600, 501], [900, 801]])
        #expect(try run(.revisions(1000), seconds: 1000).isEmpty)
        #expect(try run(.revisions(10), seconds: 1000, revision: { _ in 50 }) == [[300, 40]])
        #expect(try run(.revisions(100), seconds: 1000, leads: { $0 > 400 }) == [[600, 501], [900, 801]])
    }
}
