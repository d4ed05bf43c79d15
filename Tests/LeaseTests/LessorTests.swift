import Base
import Lease
import Testing

@Suite("Lessor")
struct LessorTests {
    let start = Instant(nanoseconds: 1_000_000_000)
    func after(_ seconds: Int) -> Instant { start + .seconds(seconds) }

    @Test("grants are raised to the minimum, refused when too long or taken")
    func granting() throws {
        var lessor = Lessor(minimumTTL: 2)
        #expect(try lessor.grant(7, ttl: 1, now: start).grantedTTL == 2)
        #expect(try lessor.grant(8, ttl: -5, now: start).grantedTTL == 2)
        #expect(throws: LeaseError.exists) { try lessor.grant(7, ttl: 10, now: start) }
        #expect(throws: LeaseError.ttlTooLarge) { try lessor.grant(9, ttl: Lessor.ttlMax + 1, now: start) }
    }

    @Test("a primary never expires a lease early, and reports it again until it is revoked")
    func expiry() throws {
        var lessor = Lessor(minimumTTL: 2)
        lessor.promote(extension: .zero, now: start)
        _ = try lessor.grant(1, ttl: 5, now: start)
        _ = try lessor.grant(2, ttl: 3, now: start)
        #expect(lessor.expired(now: after(2), retryAfter: .seconds(7)) == [])
        #expect(lessor.expired(now: after(3), retryAfter: .seconds(7)) == [2])
        #expect(lessor.expired(now: after(4), retryAfter: .seconds(7)) == [])
        #expect(lessor.expired(now: after(10), retryAfter: .seconds(7)) == [1, 2])
        _ = try lessor.revoke(1)
        #expect(lessor.expired(now: after(30), retryAfter: .seconds(7)) == [2])
    }

    @Test("a renewal moves the deadline; an expired lease cannot be renewed")
    func renewal() throws {
        var lessor = Lessor(minimumTTL: 2)
        #expect(throws: LeaseError.notPrimary) { try lessor.renew(1, now: start) }
        lessor.promote(extension: .zero, now: start)
        _ = try lessor.grant(1, ttl: 5, now: start)
        #expect(try lessor.renew(1, now: after(4)) == 5)
        #expect(lessor.expired(now: after(8), retryAfter: .seconds(1)) == [])
        #expect(lessor.remainingTTL(1, now: after(6)) == 3)
        #expect(throws: LeaseError.notFound) { try lessor.renew(1, now: after(9)) }
        #expect(lessor.expired(now: after(9), retryAfter: .seconds(1)) == [1])
    }

    @Test("a new primary gives every lease its full time and the extension")
    func promotion() throws {
        var lessor = Lessor(minimumTTL: 2)
        _ = try lessor.grant(1, ttl: 5, now: start)
        lessor.load(Lease(id: 2, grantedTTL: 100, checkpointedTTL: 10))
        lessor.promote(extension: .seconds(1), now: after(60))
        #expect(lessor.expired(now: after(65), retryAfter: .seconds(1)) == [])
        #expect(lessor.expired(now: after(66), retryAfter: .seconds(100)) == [1])
        #expect(lessor.expired(now: after(71), retryAfter: .seconds(100)) == [2])
        lessor.demote()
        #expect(lessor.expired(now: after(1000), retryAfter: .seconds(1)) == [])
    }

    @Test("keys hang on one lease and go with it in order")
    func keys() throws {
        var lessor = Lessor(minimumTTL: 2)
        _ = try lessor.grant(1, ttl: 5, now: start)
        lessor.attach("b", to: 1)
        lessor.attach("a", to: 1)
        lessor.attach("c", to: 1)
        lessor.detach("c")
        #expect(lessor.lease(of: "a") == 1)
        #expect(try lessor.revoke(1).sortedKeys == ["a", "b"])
        #expect(lessor.lease(of: "a") == nil)
        #expect(throws: LeaseError.notFound) { try lessor.revoke(1) }
    }

    @Test("a lease's row survives the way to disk and back")
    func row() throws {
        let lease = Lease(id: -3, grantedTTL: 60, checkpointedTTL: 12)
        #expect(try Lease(row: lease.rowValue) == lease)
        #expect(Lease.rowKey(1) == [0, 0, 0, 0, 0, 0, 0, 1])
    }

    @Test("against a naive model, over random grants, renewals, revocations and time")
    func model() throws {
        var random = SeededRandom(seed: 20)
        var lessor = Lessor(minimumTTL: 1)
        var deadlines: [LeaseID: Instant] = [:]
        var now = start
        lessor.promote(extension: .zero, now: now)
        for _ in 0..<5000 {
            let id = LeaseID.random(in: 1...40, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                let ttl = Int64.random(in: 1...20, using: &random)
                if (try? lessor.grant(id, ttl: ttl, now: now)) != nil { deadlines[id] = now + .seconds(ttl) }
            case 1:
                if let ttl = try? lessor.renew(id, now: now) { deadlines[id] = now + .seconds(ttl) }
            case 2:
                if (try? lessor.revoke(id)) != nil { deadlines[id] = nil }
            default:
                now = now + .seconds(Int.random(in: 0...3, using: &random))
                for id in lessor.expired(now: now, retryAfter: .zero) {
                    let deadline = try #require(deadlines[id])
                    #expect(deadline <= now)
                    _ = try lessor.revoke(id)
                    deadlines[id] = nil
                }
                #expect(deadlines.values.allSatisfy { $0 > now })
            }
        }
    }

    // MARK: Checkpoints

    @Test("a primary tells what is left once an interval, rounded up, and its own deadline stays")
    func checkpoints() throws {
        var lessor = Lessor(minimumTTL: 2, checkpointInterval: .seconds(300))
        lessor.promote(extension: .zero, now: start)
        _ = try lessor.grant(1, ttl: 1000, now: start)
        _ = try lessor.grant(2, ttl: 300, now: start)
        #expect(lessor.dueCheckpoints(now: after(299)).isEmpty)
        let due = lessor.dueCheckpoints(now: after(300) + .milliseconds(1))
        #expect(due.map(\.id) == [1])
        #expect(due.map(\.remainingTTL) == [700])
        // The entry takes its time: the primary's deadline does not move.
        #expect(lessor.checkpoint(1, remainingTTL: 700, now: after(310))?.checkpointedTTL == 700)
        #expect(lessor.remainingTTL(1, now: after(310)) == 690)
        #expect(lessor.dueCheckpoints(now: after(599)).isEmpty)
        #expect(lessor.dueCheckpoints(now: after(601)).map(\.remainingTTL) == [399])
        #expect(lessor.expired(now: after(999), retryAfter: .seconds(1)) == [2])
        #expect(lessor.expired(now: after(1000), retryAfter: .seconds(1)) == [1, 2])
    }

    @Test("without an interval nothing is told")
    func noCheckpoints() throws {
        var lessor = Lessor(minimumTTL: 2)
        lessor.promote(extension: .zero, now: start)
        _ = try lessor.grant(1, ttl: 1000, now: start)
        #expect(lessor.dueCheckpoints(now: after(900)).isEmpty)
    }

    @Test("checkpoints come in batches")
    func checkpointBatches() throws {
        var lessor = Lessor(minimumTTL: 2, checkpointInterval: .seconds(10))
        lessor.promote(extension: .zero, now: start)
        for id in LeaseID(1)...2500 { _ = try lessor.grant(id, ttl: 100, now: start) }
        let batches = (0..<3).map { _ in lessor.dueCheckpoints(now: after(11)).count }
        #expect(batches == [1000, 1000, 500])
        #expect(lessor.dueCheckpoints(now: after(11)).isEmpty)
    }

    @Test("a lease renewed after a checkpoint, applied or under way, must be told anew")
    func renewalAfterCheckpoint() throws {
        var lessor = Lessor(minimumTTL: 2, checkpointInterval: .seconds(10))
        lessor.promote(extension: .zero, now: start)
        _ = try lessor.grant(1, ttl: 100, now: start)
        _ = try lessor.renew(1, now: after(5))
        #expect(!lessor.hasCheckpoint(1))
        #expect(lessor.dueCheckpoints(now: after(10)).map(\.remainingTTL) == [95])
        // Under way: whoever is promised a hundred seconds now must have them under the next primary, too.
        #expect(lessor.hasCheckpoint(1))
        _ = lessor.checkpoint(1, remainingTTL: 95, now: after(11))
        #expect(try lessor.renew(1, now: after(11)) == 100)
        #expect(lessor.hasCheckpoint(1))
        _ = lessor.checkpoint(1, remainingTTL: 0, now: after(12))
        #expect(!lessor.hasCheckpoint(1))
        lessor.demote()
        lessor.promote(extension: .seconds(1), now: after(20))
        #expect(lessor.remainingTTL(1, now: after(20)) == 101)
    }

    @Test("an entry that tells of less than there is gets corrected")
    func staleCheckpoint() throws {
        var lessor = Lessor(minimumTTL: 2, checkpointInterval: .seconds(300))
        lessor.promote(extension: .zero, now: start)
        _ = try lessor.grant(1, ttl: 1000, now: start)
        _ = lessor.checkpoint(1, remainingTTL: 50, now: after(100))
        #expect(lessor.dueCheckpoints(now: after(100)).map(\.remainingTTL) == [900])
        _ = lessor.checkpoint(1, remainingTTL: 900, now: after(101))
        _ = try lessor.renew(1, now: after(102))
        _ = lessor.checkpoint(1, remainingTTL: 50, now: after(102))
        #expect(lessor.dueCheckpoints(now: after(102)).map(\.remainingTTL) == [0])
    }

    @Test(
        "over random checkpoints, renewals and changes of the primary no lease ends before a client was told it would"
    )
    func checkpointModel() throws {
        for seed in UInt64(1)...20 {
            var random = SeededRandom(seed: seed)
            // Two members with one log; entries are applied by both, late.
            var members = [
                Lessor(minimumTTL: 1, checkpointInterval: .seconds(7)),
                Lessor(minimumTTL: 1, checkpointInterval: .seconds(7)),
            ]
            var log: [(id: LeaseID, remainingTTL: Int64, promise: Instant?)] = []
            var promised: [LeaseID: Instant] = [:]
            var (now, primary) = (start, 0)
            members[primary].promote(extension: .zero, now: now)
            func applyAll() {
                for entry in log {
                    for index in members.indices {
                        _ = members[index].checkpoint(entry.id, remainingTTL: entry.remainingTTL, now: now)
                    }
                    if let promise = entry.promise { promised[entry.id] = promise }
                }
                log = []
            }
            for id in LeaseID(1)...5 {
                let ttl = Int64.random(in: 5...60, using: &random)
                for index in members.indices { _ = try members[index].grant(id, ttl: ttl, now: now) }
                promised[id] = now + .seconds(ttl)
            }
            for _ in 0..<3000 {
                switch Int.random(in: 0..<8, using: &random) {
                case 0..<2: log += members[primary].dueCheckpoints(now: now).map { ($0.id, $0.remainingTTL, nil) }
                case 2..<4:
                    let id = LeaseID.random(in: 1...5, using: &random)
                    guard let ttl = try? members[primary].renew(id, now: now) else { break }
                    if members[primary].hasCheckpoint(id) {
                        log.append((id, 0, now + .seconds(ttl)))
                    } else {
                        promised[id] = now + .seconds(ttl)
                    }
                case 4: applyAll()
                case 5 where Int.random(in: 0..<10, using: &random) == 0:
                    // What was not committed is lost with its primary.
                    if Bool.random(using: &random) { applyAll() } else { log = [] }
                    members[primary].demote()
                    primary = 1 - primary
                    members[primary].promote(extension: .seconds(1), now: now)
                default:
                    now = now + .milliseconds(Int.random(in: 0...900, using: &random))
                    for id in members[primary].expired(now: now, retryAfter: .zero) {
                        #expect((promised[id] ?? start) <= now, "seed \(seed): lease \(id) ends early")
                        applyAll()
                        let ttl = Int64.random(in: 5...60, using: &random)
                        for index in members.indices {
                            _ = try members[index].revoke(id)
                            _ = try members[index].grant(id, ttl: ttl, now: now)
                        }
                        promised[id] = now + .seconds(ttl)
                    }
                }
            }
        }
    }
}
