// The leases of a member: who holds what until when. It knows no clock and deletes no key: time comes as an argument,
// and what has expired or was revoked goes back to the caller, who proposes or deletes.
//
// Invariants: a key hangs on at most one lease, and `attachments[key] == id` exactly if `leases[id]` holds the key.
// A primary never calls a lease expired before its time; others never judge.

package import Base

package enum LeaseError: Error, Sendable, Equatable {
    case notFound
    case exists
    case ttlTooLarge
    /// Only the leader's lessor renews and reads time.
    case notPrimary
}

package struct Lessor: Sendable {
    /// Seconds; etcd refuses more.
    package static let ttlMax: Int64 = 9_000_000_000
    /// How many leases one look at the clock may report: 500 every half second is etcd's thousand a second.
    package static let expiredPerCheckMax = 500
    /// How many leases one entry of the log tells of, as etcd.
    package static let checkpointsPerBatchMax = 1000
    /// How often a primary tells what is left, unless it is told otherwise.
    package static let checkpointIntervalDefault: Duration = .seconds(300)

    /// Shorter grants are raised to this, in seconds: one and a half election timeouts, rounded up.
    package let minimumTTL: Int64
    /// How often a primary tells the others what a lease has left; nil where it does not.
    package let checkpointInterval: Duration?
    package private(set) var leases: [LeaseID: Lease] = [:]
    private var attachments: [Bytes: LeaseID] = [:]
    private var deadlines = DeadlineQueue()
    /// Of leases with a `checkpointDue`; an entry whose time is another one is void.
    private var checkpoints = DeadlineQueue()
    package private(set) var isPrimary = false

    package init(minimumTTL: Int64, checkpointInterval: Duration? = nil) {
        self.minimumTTL = minimumTTL
        self.checkpointInterval = checkpointInterval
    }

    // MARK: Granting and revoking

    /// - Returns: the lease with the time it really got; the caller stores its row.
    package mutating func grant(_ id: LeaseID, ttl: Int64, now: Instant) throws(LeaseError) -> Lease {
        if ttl > Self.ttlMax { throw .ttlTooLarge }
        if id == 0 { throw .notFound }
        if leases[id] != nil { throw .exists }
        var lease = Lease(id: id, grantedTTL: max(ttl, minimumTTL))
        if isPrimary {
            schedule(&lease, at: now + .seconds(lease.grantedTTL))
            scheduleCheckpoint(&lease, now: now)
        }
        leases[id] = lease
        return lease
    }

    /// - Returns: the lease that is gone; the caller deletes its row and its keys.
    package mutating func revoke(_ id: LeaseID) throws(LeaseError) -> Lease {
        guard let lease = leases.removeValue(forKey: id) else { throw .notFound }
        for key in lease.keys { attachments[key] = nil }
        return lease
    }

    // MARK: Keys

    package mutating func attach(_ key: Bytes, to id: LeaseID) {
        guard leases[id] != nil else { return }
        leases[id]?.keys.insert(key)
        attachments[key] = id
    }

    package mutating func detach(_ key: Bytes) {
        guard let id = attachments.removeValue(forKey: key) else { return }
        leases[id]?.keys.remove(key)
    }

    package func lease(of key: Bytes) -> LeaseID? { attachments[key] }
    package func contains(_ id: LeaseID) -> Bool { leases[id] != nil }

    // MARK: Time, on the primary

    /// Starts judging time: every lease gets its full time again plus `extension`, so that none ends early; or what the last
    /// primary told was left, which was more than there is now.
    package mutating func promote(extension extra: Duration, now: Instant) {
        isPrimary = true
        deadlines = DeadlineQueue()
        checkpoints = DeadlineQueue()
        for id in leases.keys.sorted() {
            guard var lease = leases[id] else { continue }
            (lease.expiry, lease.checkpointDue, lease.isCheckpointUnderWay) = (nil, nil, false)
            schedule(&lease, at: now + .seconds(lease.effectiveTTL) + extra)
            scheduleCheckpoint(&lease, now: now)
            leases[id] = lease
        }
    }

    package mutating func demote() {
        isPrimary = false
        deadlines = DeadlineQueue()
        checkpoints = DeadlineQueue()
        for id in leases.keys {
            leases[id]?.expiry = nil
            leases[id]?.checkpointDue = nil
            leases[id]?.isCheckpointUnderWay = false
        }
    }

    /// Where `hasCheckpoint`, the others still know of less: the caller proposes a checkpoint of 0, or the next primary would
    /// end the lease early.
    /// - Returns: the seconds the lease has from now on.
    package mutating func renew(_ id: LeaseID, now: Instant) throws(LeaseError) -> Int64 {
        guard isPrimary else { throw .notPrimary }
        guard let place = leases.index(forKey: id) else { throw .notFound }
        let (oldExpiry, ttl) = (leases.values[place].expiry, leases.values[place].grantedTTL)
        // Already expired, its revocation on the way: a client must not be told otherwise.
        if let oldExpiry, oldExpiry <= now { throw .notFound }
        let expiry = now.advanced(bySeconds: ttl)
        leases.values[place].expiry = expiry
        // A queued lease is found at its old deadline and put back then: renewing costs no queue work.
        if oldExpiry == nil { deadlines.insert(expiry, id) }
        return ttl
    }

    /// Whole seconds left, which may be negative once expired; nil without a lease, its grant without a deadline.
    package func remainingTTL(_ id: LeaseID, now: Instant) -> Int64? {
        guard let lease = leases[id] else { return nil }
        guard let expiry = lease.expiry else { return lease.grantedTTL }
        return (expiry - now).components.seconds
    }

    /// Up to `expiredPerCheckMax` leases whose time is over. Each is reported again `retryAfter` later if still there.
    package mutating func expired(now: Instant, retryAfter: Duration) -> [LeaseID] {
        guard isPrimary else { return [] }
        var ids: [LeaseID] = []
        // One that was revoked and granted anew stands in the queue twice.
        var seen: Set<LeaseID> = []
        while ids.count < Self.expiredPerCheckMax, let next = deadlines.first, next.time <= now {
            deadlines.removeFirst()
            guard let lease = leases[next.id], let expiry = lease.expiry else { continue }
            if expiry > now {
                // Renewed since it was queued.
                deadlines.insert(expiry, next.id)
            } else if seen.insert(next.id).inserted {
                ids.append(next.id)
            }
        }
        for id in ids { deadlines.insert(now + retryAfter, id) }
        return ids
    }

    private mutating func schedule(_ lease: inout Lease, at expiry: Instant) {
        let wasQueued = lease.expiry != nil
        lease.expiry = expiry
        if !wasQueued { deadlines.insert(expiry, lease.id) }
    }

    // MARK: Checkpoints and loading

    /// Takes note of what an entry of the log says is left. The primary itself goes on by its own deadline: the entry may
    /// have been on its way for long. One that tells of less than there is, from a primary before this one, say, is followed
    /// by the truth.
    /// - Parameter remainingTTL: in seconds; 0 for all of the grant.
    /// - Returns: the lease as it should be stored, or nil if there is none.
    package mutating func checkpoint(_ id: LeaseID, remainingTTL: Int64, now: Instant) -> Lease? {
        guard var lease = leases[id] else { return nil }
        lease.checkpointedTTL = max(0, remainingTTL)
        if remainingTTL > 0 {
            lease.isCheckpointUnderWay = false
            if checkpointInterval != nil, let expiry = lease.expiry, expiry - now > .seconds(remainingTTL) {
                lease.checkpointDue = now
                checkpoints.insert(now, id)
            }
        }
        leases[id] = lease
        return lease
    }

    /// Whether the members know of less than the whole grant, or soon will.
    package func hasCheckpoint(_ id: LeaseID) -> Bool {
        guard let lease = leases[id] else { return false }
        return lease.checkpointedTTL > 0 || lease.isCheckpointUnderWay
    }

    /// What the primary should tell the others now: at most `checkpointsPerBatchMax`; ask again while there are as many.
    /// - Returns: leases and the whole seconds they have left, rounded up so that none ends early; 0 for all of the grant.
    package mutating func dueCheckpoints(now: Instant) -> [(id: LeaseID, remainingTTL: Int64)] {
        guard isPrimary, checkpointInterval != nil else { return [] }
        var due: [(id: LeaseID, remainingTTL: Int64)] = []
        while due.count < Self.checkpointsPerBatchMax, let next = checkpoints.first, next.time <= now {
            checkpoints.removeFirst()
            guard var lease = leases[next.id], lease.checkpointDue == next.time, let expiry = lease.expiry else {
                continue
            }
            lease.checkpointDue = nil
            if expiry > now {
                let left = expiry - now
                let seconds = left.components.seconds + (left.components.attoseconds > 0 ? 1 : 0)
                // One that was renewed a moment ago has nothing to tell yet.
                if seconds < lease.grantedTTL {
                    due.append((next.id, seconds))
                    lease.isCheckpointUnderWay = true
                } else if lease.checkpointedTTL > 0 {
                    due.append((next.id, 0))
                }
                scheduleCheckpoint(&lease, now: now)
            }
            leases[next.id] = lease
        }
        return due
    }

    /// A lease whose time is over before the interval is needs no checkpoint.
    private mutating func scheduleCheckpoint(_ lease: inout Lease, now: Instant) {
        guard let checkpointInterval, lease.checkpointDue == nil, let expiry = lease.expiry else { return }
        // A renewal may give it all of its grant again.
        guard expiry - now > checkpointInterval || .seconds(lease.grantedTTL) > checkpointInterval else { return }
        let due = now + checkpointInterval
        lease.checkpointDue = due
        checkpoints.insert(due, lease.id)
    }

    /// Takes in a lease from its row; before the keys are attached.
    package mutating func load(_ lease: Lease) {
        var lease = lease
        lease.grantedTTL = max(lease.grantedTTL, minimumTTL)
        leases[lease.id] = lease
    }

    /// The leases by the time they have left, soonest first, as LeaseLeases lists them.
    package var byRemainingTime: [LeaseID] {
        leases.values
            .sorted { left, right in
                switch (left.expiry, right.expiry) {
                case (let l?, let r?) where l != r: l < r
                default: left.id < right.id
                }
            }
            .map(\.id)
    }
}
