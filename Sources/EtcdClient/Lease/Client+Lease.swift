// Leases: granted, renewed, looked at, revoked.

import EtcdWire
import FoundationEssentials
import SwiftProtobuf

/// A lease that was granted or renewed.
public struct Lease: Sendable, Hashable {
    public let id: Int64
    /// In seconds, as the cluster granted it: it may be longer than asked for.
    public let timeToLive: Int64
    public let header: ResponseHeader
}

/// What a lease has left.
public struct LeaseStatus: Sendable, Hashable {
    public let id: Int64
    /// Seconds left; negative if there is no such lease.
    public let timeToLive: Int64
    /// Seconds that it is renewed to.
    public let grantedTimeToLive: Int64
    /// The keys attached to it, if that was asked for.
    public let keys: [[UInt8]]
    public let header: ResponseHeader
}

extension Client {
    /// Grants a lease.
    /// - Parameters:
    ///   - timeToLive: in seconds, at least 1.
    ///   - id: 0 for one that the cluster chooses.
    public func grantLease(timeToLive: Int64, id: Int64 = 0) async throws(ClientError) -> Lease {
        let answer = try await call(
            .leaseGrant,
            .with {
                $0.ttl = timeToLive
                $0.id = id
            }
        )
        return Lease(id: answer.id, timeToLive: answer.ttl, header: ResponseHeader(answer.header))
    }

    /// Ends a lease, and the keys attached to it.
    public func revokeLease(_ id: Int64) async throws(ClientError) {
        _ = try await call(.leaseRevoke, .with { $0.id = id })
    }

    /// Renews a lease once. ``Session`` does it over and over.
    /// - Throws: ``ClientError`` with `notFound` if the lease is gone.
    @discardableResult
    public func renewLease(_ id: Int64) async throws(ClientError) -> Lease {
        let answer = try await keepAliveOnce(lease: id)
        return Lease(id: answer.id, timeToLive: answer.ttl, header: ResponseHeader(answer.header))
    }

    /// Renews a lease until it ends or the task is cancelled.
    /// - Parameter onRenewal: told of each renewal.
    public func keepLeaseAlive(
        _ id: Int64,
        onRenewal: @escaping @Sendable (Lease) async -> Void = { _ in }
    ) async throws(ClientError) {
        try await keepAlive(lease: id) { answer in
            await onRenewal(Lease(id: answer.id, timeToLive: answer.ttl, header: ResponseHeader(answer.header)))
        }
    }

    /// What a lease has left.
    public func leaseStatus(_ id: Int64, wantsKeys: Bool = false) async throws(ClientError) -> LeaseStatus {
        let answer = try await call(
            .leaseTimeToLive,
            .with {
                $0.id = id
                $0.keys = wantsKeys
            }
        )
        return LeaseStatus(
            id: answer.id,
            timeToLive: answer.ttl,
            grantedTimeToLive: answer.grantedTtl,
            keys: answer.keys.map { Array($0) },
            header: ResponseHeader(answer.header)
        )
    }

    /// The ids of all leases.
    public func leases() async throws(ClientError) -> [Int64] {
        try await call(.leaseLeases, Etcdserverpb_LeaseLeasesRequest()).leases.map(\.id)
    }
}
