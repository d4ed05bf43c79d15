// One leader at a time, chosen among many.

import EtcdWire
import SwiftProtobuf

/// An election: the oldest candidate whose session lives is the leader.
public struct Election: Sendable {
    public let session: Session
    public let name: String

    public init(session: Session, name: String) {
        self.session = session
        self.name = name
    }

    /// Waits to become the leader, who is known by `value`.
    public func campaign(_ value: String) async throws(ClientError) -> DistributedLock.Grip {
        let place = try await session.client.standInLine(
            prefix: name + "/",
            session: session,
            value: value,
            proclaims: true
        )
        guard let place else { throw ClientError(code: .aborted, message: "election: not leader") }
        return DistributedLock.Grip(place)
    }

    /// Changes what the leader is known by, without an election.
    /// - Throws: ``ClientError``, if the leadership is over.
    public func proclaim(_ value: String, _ grip: DistributedLock.Grip) async throws(ClientError) {
        let transaction = Transaction().when(grip.isHeld).then(.put(grip.key, value, lease: session.lease))
        guard try await session.client.commit(transaction, isRepeatable: true).succeeded else {
            throw ClientError(code: .aborted, message: "election: not leader", stage: .answered)
        }
    }

    /// Ends a leadership.
    public func resign(_ grip: DistributedLock.Grip) async throws(ClientError) {
        try await session.client.leaveLine(grip.place)
    }

    /// The leader's key and value; nil while there is none.
    public func leader() async throws(ClientError) -> KeyValue? {
        try await session.client.leader(of: name).pair
    }

    /// The leaders, each as it comes, and each of their proclamations; ends with an error or when the task is cancelled.
    public func observe() -> Leaders { session.client.observeElection(name) }
}

extension Client {
    /// The leaders of an election, for those that take no part in it.
    public func observeElection(_ name: String) -> Leaders { Leaders(client: self, name: name) }

    fileprivate func leader(of name: String) async throws(ClientError) -> (pair: KeyValue?, revision: Int64) {
        var request = GetRequest(.prefix(name + "/"), limit: 1)
        request.order = .createRevision
        let result = try await get(request)
        return (result.pairs.first, result.header.revision)
    }
}

/// The leaders of an election, as they come.
public struct Leaders: AsyncSequence, Sendable {
    public typealias Element = KeyValue
    let client: Client
    let name: String

    public func makeAsyncIterator() -> Iterator { Iterator(client: client, name: name) }

    public struct Iterator: AsyncIteratorProtocol {
        let client: Client
        let name: String
        private var shown: Int64 = 0
        private var asked: Int64?

        init(client: Client, name: String) {
            self.client = client
            self.name = name
        }

        /// - Throws: ``ClientError``.
        public mutating func next() async throws -> KeyValue? {
            while !Task.isCancelled {
                // Each question comes after the last change: what changed twice meanwhile is shown as it is now.
                if let asked {
                    try await client.waitForEvent(at: .prefix(name + "/"), from: asked + 1, where: { _ in true })
                }
                let (leader, revision) = try await client.leader(of: name)
                asked = revision
                if let leader, leader.modRevision != shown {
                    shown = leader.modRevision
                    return leader
                }
            }
            return nil
        }
    }
}
