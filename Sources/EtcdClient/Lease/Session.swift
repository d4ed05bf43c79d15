// A lease that is kept alive as long as somebody needs it; what is attached to it vanishes with its holder.

import EtcdWire
import SwiftProtobuf

/// A lease kept alive in the background: the ground that locks and elections stand on.
public final class Session: Sendable {
    public let client: Client
    /// The lease's id.
    public let lease: Int64
    private let keeping: Task<Void, Never>
    /// Opens when the renewals end; waiting for it, unlike for the task, can be cancelled.
    private let ended: Latch
    private let renewals: Renewals

    /// Grants a lease and begins to renew it.
    /// - Parameter timeToLive: in seconds, at least 1.
    /// - Throws: ``ClientError``.
    public static func start(on client: Client, timeToLive: Int64 = 60) async throws(ClientError) -> Session {
        let begin = ContinuousClock.now
        let lease = try await client.call(.leaseGrant, .with { $0.ttl = timeToLive })
        return Session(client: client, lease: lease.id, expires: begin + .seconds(lease.ttl))
    }

    /// Begins to renew a lease that exists.
    /// - Throws: ``ClientError``, if the lease is not found.
    public static func start(on client: Client, lease: Int64) async throws(ClientError) -> Session {
        let begin = ContinuousClock.now
        let answer = try await client.keepAliveOnce(lease: lease)
        return Session(client: client, lease: lease, expires: begin + .seconds(answer.ttl))
    }

    private init(client: Client, lease: Int64, expires: ContinuousClock.Instant) {
        self.client = client
        self.lease = lease
        let ended = Latch()
        self.ended = ended
        let renewals = Renewals(expires: expires)
        self.renewals = renewals
        keeping = Task {
            try? await client.keepAlive(lease: lease, renewals) { _ in }
            ended.open()
        }
    }

    deinit { keeping.cancel() }

    /// Whether the lease can no longer be relied on: it ended, was not renewed in time, or the session was closed.
    /// Its time is looked at, too: a process that was frozen learns of it here before it is told.
    public var isExpired: Bool { ended.isOpen || renewals.expires <= .now }

    /// Waits until the lease is gone and cannot be renewed, or until the waiting task is cancelled.
    public func waitUntilExpired() async {
        await ended.wait()
    }

    /// Stops renewing; the lease ends by itself in its time.
    public func orphan() {
        keeping.cancel()
    }

    /// Stops renewing and revokes the lease: locks and leaderships held by it end at once.
    public func close() async throws(ClientError) {
        keeping.cancel()
        do throws(ClientError) {
            // Revoking twice does no more than revoking once.
            _ = try await client.call(.leaseRevoke.asRepeatable, .with { $0.id = lease })
        } catch {
            guard error == .leaseNotFound else { throw error }
        }
    }
}
