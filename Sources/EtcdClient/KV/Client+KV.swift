// Reading and writing keys.

import EtcdWire
import Foundation
import SwiftProtobuf

extension Client {
    /// The keys of a range, in their order.
    /// - Parameters:
    ///   - limit: how many at most; 0 for all.
    ///   - revision: the store's state to read; 0 for the present one.
    ///   - isSerializable: whether any member may answer from what it knows, which is quicker and may be stale.
    public func get(
        _ range: KeyRange, limit: Int64 = 0, revision: Int64 = 0, isSerializable: Bool = false
    ) async throws(ClientError) -> (pairs: [KeyValue], count: Int64, header: ResponseHeader) {
        let (key, end) = range.ends
        let answer = try await call(
            .range,
            .with {
                $0.key = key
                $0.rangeEnd = end
                $0.limit = limit
                $0.revision = revision
                $0.serializable = isSerializable
            })
        return (answer.kvs.map(KeyValue.init), answer.count, ResponseHeader(answer.header))
    }

    /// One key, or nil if there is none.
    public func get(_ key: String) async throws(ClientError) -> KeyValue? {
        try await get(.key(key)).pairs.first
    }

    /// Writes a key; a lease makes it vanish with the lease.
    @discardableResult
    public func put(_ key: String, _ value: String, lease: Int64 = 0) async throws(ClientError) -> ResponseHeader {
        let answer = try await call(
            .put,
            .with {
                $0.key = Data(key.utf8)
                $0.value = Data(value.utf8)
                $0.lease = lease
            })
        return ResponseHeader(answer.header)
    }

    /// Deletes keys.
    /// - Returns: how many there were.
    @discardableResult
    public func delete(_ range: KeyRange) async throws(ClientError) -> Int64 {
        let (key, end) = range.ends
        return try await call(.deleteRange, .with { $0.key = key; $0.rangeEnd = end }).deleted
    }

    /// Forgets the history before `revision`.
    public func compact(_ revision: Int64) async throws(ClientError) {
        _ = try await call(.compact, .with { $0.revision = revision })
    }

    /// Does `then` if all conditions hold, `otherwise` if not, at one revision.
    /// - Returns: whether the conditions held.
    @discardableResult
    public func transaction(
        if conditions: [Condition], then: [Operation], otherwise: [Operation] = []
    ) async throws(ClientError) -> Bool {
        try await call(
            .txn,
            .with {
                $0.compare = conditions.map(\.message)
                $0.success = then.map(\.message)
                $0.failure = otherwise.map(\.message)
            }
        ).succeeded
    }

    /// Grants a lease.
    /// - Parameter timeToLive: in seconds.
    public func grantLease(timeToLive: Int64) async throws(ClientError) -> Int64 {
        try await call(.leaseGrant, .with { $0.ttl = timeToLive }).id
    }

    /// Ends a lease, and the keys attached to it.
    public func revokeLease(_ lease: Int64) async throws(ClientError) {
        _ = try await call(.leaseRevoke, .with { $0.id = lease })
    }
}

/// What a transaction demands of a key.
public struct Condition: Sendable {
    let message: Etcdserverpb_Compare

    public static func value(of key: String, equals value: String) -> Condition {
        Condition(message: .with { $0.key = Data(key.utf8); $0.target = .value; $0.result = .equal; $0.value = Data(value.utf8) })
    }

    public static func modRevision(of key: String, equals revision: Int64) -> Condition {
        Condition(message: .with { $0.key = Data(key.utf8); $0.target = .mod; $0.result = .equal; $0.modRevision = revision })
    }

    public static func version(of key: String, equals version: Int64) -> Condition {
        Condition(message: .with { $0.key = Data(key.utf8); $0.target = .version; $0.result = .equal; $0.version = version })
    }

    /// That there is no such key.
    public static func missing(_ key: String) -> Condition {
        Condition(message: .with { $0.key = Data(key.utf8); $0.target = .create; $0.result = .equal; $0.createRevision = 0 })
    }
}

/// What a transaction does.
public struct Operation: Sendable {
    let message: Etcdserverpb_RequestOp

    public static func put(_ key: String, _ value: String, lease: Int64 = 0) -> Operation {
        Operation(
            message: .with {
                $0.requestPut = .with { $0.key = Data(key.utf8); $0.value = Data(value.utf8); $0.lease = lease }
            })
    }

    public static func delete(_ range: KeyRange) -> Operation {
        let (key, end) = range.ends
        return Operation(message: .with { $0.requestDeleteRange = .with { $0.key = key; $0.rangeEnd = end } })
    }
}
