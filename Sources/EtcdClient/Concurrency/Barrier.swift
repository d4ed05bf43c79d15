// Barriers: a gate that one process opens for many, and a meeting that waits for a number of them.

import EtcdWire
import SwiftProtobuf

/// A gate: who comes while it is held waits until it is released.
public struct Barrier: Sendable {
    public let client: Client
    public let key: String

    public init(client: Client, key: String) {
        self.client = client
        self.key = key
    }

    /// Closes the gate.
    /// - Throws: ``ClientError``, if it is closed already.
    public func hold() async throws(ClientError) {
        let result = try await client.commit(Transaction().when(.missing(key)).then(.put(key, "")))
        if !result.succeeded {
            throw ClientError(code: .alreadyExists, message: "barrier: held already", stage: .answered)
        }
    }

    /// Opens the gate for all that wait.
    public func release() async throws(ClientError) {
        _ = try await client.call(.deleteRange.asRepeatable, DeleteRequest(.key(key)).message)
    }

    /// Waits until the gate is open.
    public func wait() async throws(ClientError) {
        while true {
            let result = try await client.get(GetRequest(.key(key)))
            if result.pairs.isEmpty { return }
            try await client.waitForDeletion(of: key.octets, from: result.header.revision + 1)
        }
    }
}

/// A meeting of a number of processes: all enter before one goes on, all leave before one goes on.
public struct DoubleBarrier: Sendable {
    public let session: Session
    public let key: String
    public let count: Int

    private var waiters: String { key + "/waiters/" }
    private var ready: String { key + "/ready" }
    private var mine: String { waiters + String(session.lease, radix: 16) }

    /// - Parameter count: how many sessions meet, at least 1.
    public init(session: Session, key: String, count: Int) {
        self.session = session
        self.key = key
        self.count = max(1, count)
    }

    /// Enters, and waits until all have entered.
    /// - Throws: ``ClientError``, if more come than are expected.
    public func enter() async throws(ClientError) {
        let client = session.client
        let entry = Transaction().when(.missing(mine)).then(.put(mine, "", lease: session.lease))
        _ = try await client.commit(entry, isRepeatable: true)
        while true {
            let result = try await client.commit(Transaction().then(.get(.prefix(waiters)), .get(ready)))
            guard case .get(let present)? = result.items.first else { return }
            if result.pair(at: 1) != nil { return }
            if present.pairs.count > count {
                throw ClientError(code: .failedPrecondition, message: "barrier: too many clients", stage: .answered)
            }
            if present.pairs.count == count {
                _ = try await client.commit(
                    Transaction().when(.missing(ready)).then(.put(ready, "", lease: session.lease)),
                    isRepeatable: true
                )
                return
            }
            try await client.waitForEvent(
                at: .prefix(key + "/"),
                from: result.header.revision + 1,
                where: { $0.type == .put }
            )
        }
    }

    /// Leaves, and waits until all have left.
    public func leave() async throws(ClientError) {
        let client = session.client
        _ = try await client.commit(Transaction().then(.delete(mine)), isRepeatable: true)
        while true {
            let result = try await client.get(.prefix(waiters))
            if result.pairs.isEmpty {
                _ = try await client.commit(Transaction().then(.delete(ready)), isRepeatable: true)
                return
            }
            try await client.waitForEvent(
                at: .prefix(waiters),
                from: result.header.revision + 1,
                where: { $0.type == .delete }
            )
        }
    }
}
