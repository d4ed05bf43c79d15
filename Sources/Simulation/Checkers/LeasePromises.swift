// A lease that a client was told it has lives at least as long as that, counted from when the client asked, short of
// what clocks drift and jump.

import Base

struct LeasePromises {
    private var protectedUntil: [LeaseID: VirtualTime] = [:]
    /// Revocations that members proposed because the time was over.
    private var expiries: [UInt64: LeaseID] = [:]
    /// How far members' clocks have jumped ahead in all.
    private var jumps: VirtualTime = 0

    mutating func clockJumped(_ ahead: VirtualTime) { jumps += ahead }

    mutating func held(_ lease: LeaseID, seconds: Int64, asked: VirtualTime) {
        let span = Double(seconds) * 1e9 * (1 - 2 * SimulatedClock.driftMax)
        protectedUntil[lease] = max(protectedUntil[lease] ?? 0, asked + VirtualTime(span))
    }

    mutating func revokedByClient(_ lease: LeaseID) { protectedUntil[lease] = nil }

    mutating func expiryProposed(_ lease: LeaseID, request: UInt64) { expiries[request] = lease }

    /// True if the request ended a lease for its time.
    mutating func committed(_ request: UInt64, now: VirtualTime) throws(Violation) -> Bool {
        guard let lease = expiries.removeValue(forKey: request) else { return false }
        if let until = protectedUntil.removeValue(forKey: lease), now + jumps < until {
            throw Violation(
                checker: "lease time", text: "lease \(lease) ended at \(now / 1_000_000) ms, promised until \(until / 1_000_000) ms")
        }
        return true
    }
}
