// The care of single members and of the cluster.

import EtcdWire
import SwiftProtobuf

/// What one member says of itself.
public struct MemberStatus: Sendable, Hashable {
    public let header: ResponseHeader
    public let version: String
    /// The size of the database file, in bytes, and how much of it holds data.
    public let databaseSize: Int64
    public let databaseSizeInUse: Int64
    /// The size at which the member raises an alarm, in bytes; 0 from members that don't say.
    public let databaseQuota: Int64
    /// The leader that the member knows; 0 for none.
    public let leader: UInt64
    public let raftTerm: UInt64
    public let raftIndex: UInt64
    public let raftAppliedIndex: UInt64
    public let isLearner: Bool
    public let storageVersion: String
    public let errors: [String]

    public var isLeader: Bool { leader != 0 && leader == header.memberID }

    init(_ message: Etcdserverpb_StatusResponse) {
        header = ResponseHeader(message.header)
        version = message.version
        databaseSize = message.dbSize
        databaseSizeInUse = message.dbSizeInUse
        databaseQuota = message.dbSizeQuota
        leader = message.leader
        raftTerm = message.raftTerm
        raftIndex = message.raftIndex
        raftAppliedIndex = message.raftAppliedIndex
        isLearner = message.isLearner
        storageVersion = message.storageVersion
        errors = message.errors
    }
}

/// A state that stops a member, or the cluster, from serving fully until it is disarmed.
public struct Alarm: Sendable, Hashable {
    public enum Kind: Sendable, Hashable { case noSpace, corrupt, other(Int) }
    public let memberID: UInt64
    public let kind: Kind

    init(_ message: Etcdserverpb_AlarmMember) {
        memberID = message.memberID
        switch message.alarm {
        case .nospace: kind = .noSpace
        case .corrupt: kind = .corrupt
        default: kind = .other(message.alarm.rawValue)
        }
    }
}

/// The digest of a member's keys, to compare members by.
public struct StoreHash: Sendable, Hashable {
    public let hash: UInt32
    /// The revision up to which was digested, and the one from which.
    public let revision: Int64
    public let compactRevision: Int64
    public let header: ResponseHeader
}

/// What to do about a change to an older version.
public enum DowngradeAction: Sendable, Hashable { case validate, enable, cancel }

extension Client {
    /// What the member at `endpoint` says of itself.
    public func status(of endpoint: String) async throws(ClientError) -> MemberStatus {
        MemberStatus(try await call(.status, Etcdserverpb_StatusRequest(), at: endpoint))
    }

    /// Gives the space of what was deleted back to the file system, at one member.
    public func defragment(_ endpoint: String) async throws(ClientError) {
        _ = try await call(.defragment, Etcdserverpb_DefragmentRequest(), at: endpoint)
    }

    /// The digest of one member's keys.
    /// - Parameter revision: up to which revision; 0 for the present one.
    public func hash(of endpoint: String, revision: Int64 = 0) async throws(ClientError) -> StoreHash {
        let answer = try await call(.hashKV, .with { $0.revision = revision }, at: endpoint)
        return StoreHash(
            hash: answer.hash,
            revision: answer.hashRevision,
            compactRevision: answer.compactRevision,
            header: ResponseHeader(answer.header)
        )
    }

    public func alarms() async throws(ClientError) -> [Alarm] {
        try await call(.alarm.asRepeatable, .with { $0.action = .get }).alarms.map(Alarm.init)
    }

    /// Ends an alarm.
    public func disarm(_ alarm: Alarm) async throws(ClientError) {
        _ = try await call(
            .alarm,
            .with {
                $0.action = .deactivate
                $0.memberID = alarm.memberID
                switch alarm.kind {
                case .noSpace: $0.alarm = .nospace
                case .corrupt: $0.alarm = .corrupt
                case .other(let number): $0.alarm = Etcdserverpb_AlarmType(rawValue: number) ?? .none
                }
            }
        )
    }

    /// Hands the leadership over; only the leader does that.
    /// - Parameter endpoint: the leader's.
    public func moveLeader(to member: UInt64, at endpoint: String) async throws(ClientError) {
        _ = try await call(.moveLeader, .with { $0.targetID = member }, at: endpoint)
    }

    /// Prepares the members for an older version, such as `3.6.0`.
    /// - Returns: the cluster's version.
    @discardableResult
    public func downgrade(_ action: DowngradeAction, to version: String = "") async throws(ClientError) -> String {
        try await call(
            .downgrade,
            .with {
                switch action {
                case .validate: $0.action = .validate
                case .enable: $0.action = .enable
                case .cancel: $0.action = .cancel
                }
                $0.version = version
            }
        ).version
    }

    /// A member's database, piece by piece; the last 32 bytes are the SHA-256 of the rest.
    /// - Parameter receive: takes a piece, and how many bytes are left.
    public func snapshot(
        of endpoint: String,
        receive: @escaping @Sendable (_ piece: [UInt8], _ remaining: UInt64) async throws -> Void
    ) async throws(ClientError) {
        try await stream(
            .snapshot,
            at: endpoint,
            send: { try await $0.write(Etcdserverpb_SnapshotRequest()) },
            receive: { try await receive(Array($0.blob), $0.remainingBytes) }
        )
    }
}
