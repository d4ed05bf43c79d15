// The cluster's members: who they are, and changes to them.

import EtcdWire
import SwiftProtobuf

/// A member of the cluster.
public struct Member: Sendable, Hashable {
    public let id: UInt64
    /// Empty until the member has started.
    public let name: String
    public let peerURLs: [String]
    public let clientURLs: [String]
    /// Whether it follows without a vote.
    public let isLearner: Bool

    init(_ message: Etcdserverpb_Member) {
        id = message.id
        name = message.name
        peerURLs = message.peerUrls
        clientURLs = message.clientUrls
        isLearner = message.isLearner
    }
}

extension Client {
    /// The members.
    /// - Parameter isLinearizable: whether the answer must be the newest; otherwise any member answers what it knows, which
    ///   works without a quorum.
    public func members(isLinearizable: Bool = true) async throws(ClientError) -> [Member] {
        try await call(.memberList, .with { $0.linearizable = isLinearizable }).members.map(Member.init)
    }

    /// Adds a member, which is to be started then.
    /// - Parameter isLearner: whether it only follows until ``promoteMember(_:)``; the safer way.
    public func addMember(peerURLs: [String], isLearner: Bool = false) async throws(ClientError) -> Member {
        Member(
            try await call(
                .memberAdd,
                .with {
                    $0.peerUrls = peerURLs
                    $0.isLearner = isLearner
                }
            ).member
        )
    }

    public func removeMember(_ id: UInt64) async throws(ClientError) {
        _ = try await call(.memberRemove, .with { $0.id = id })
    }

    public func updateMember(_ id: UInt64, peerURLs: [String]) async throws(ClientError) {
        _ = try await call(
            .memberUpdate,
            .with {
                $0.id = id
                $0.peerUrls = peerURLs
            }
        )
    }

    /// Gives a learner its vote.
    public func promoteMember(_ id: UInt64) async throws(ClientError) {
        _ = try await call(.memberPromote, .with { $0.id = id })
    }
}
