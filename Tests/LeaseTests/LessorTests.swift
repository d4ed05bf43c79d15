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
}
