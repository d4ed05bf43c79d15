// A lease that is kept alive as long as somebody needs it; what is attached to it vanishes with its holder.

package import EtcdWire
import SwiftProtobuf
import Synchronization

/// A lease kept alive in the background: the ground that locks and elections stand on.
public final class Session: Sendable {
    public let client: Client
    /// The lease's id.
    public let lease: Int64
    private let keeping: Task<Void, Never>
    /// Opens when the renewals end; waiting for it, unlike for the task, can be cancelled.
    private let ended: Latch

    /// The share of the time to live after which the lease is renewed.
    private static let renewalsPerTTL = 3

    /// Grants a lease and begins to renew it.
    /// - Parameter timeToLive: in seconds, at least 1.
    public static func start(on client: Client, timeToLive: Int64 = 60) async throws(ClientError) -> Session {
        let lease = try await client.call(.leaseGrant, .with { $0.ttl = timeToLive })
        return Session(client: client, lease: lease.id, timeToLive: lease.ttl)
    }

    private init(client: Client, lease: Int64, timeToLive: Int64) {
        self.client = client
        self.lease = lease
        let ended = Latch()
        self.ended = ended
        keeping = Task {
            try? await client.keepAlive(lease: lease) { _ in }
            ended.open()
        }
    }

    deinit { keeping.cancel() }

    /// Waits until the lease is gone and cannot be renewed, or until the waiting task is cancelled.
    public func waitUntilExpired() async {
        await ended.wait()
    }

    /// Stops renewing and revokes the lease: locks and leaderships held by it end at once.
    public func close() async throws(ClientError) {
        keeping.cancel()
        _ = try await client.call(.leaseRevoke, .with { $0.id = lease })
    }
}

extension Client {
    /// Renews the lease over and over; returns when it has expired.
    package func keepAlive(
        lease: Int64, receive: @escaping @Sendable (Etcdserverpb_LeaseKeepAliveResponse) async throws -> Void
    ) async throws(ClientError) {
        let pause = Mutex(Duration.milliseconds(500))
        let holder = PauseHolder(pause)
        while !holder.isOver {
            do {
                try await stream(
                    .leaseKeepAlive,
                    send: { writer in
                        while true {
                            try await writer.write(.with { $0.id = lease })
                            try await Task.sleep(for: holder.pause)
                        }
                    },
                    receive: { response in
                        if response.ttl <= 0 {
                            holder.end()
                            throw ClientError(code: .notFound, message: "etcdserver: requested lease not found", stage: .answered)
                        }
                        holder.pause = .seconds(response.ttl) / 3
                        try await receive(response)
                    })
            } catch {
                if holder.isOver { return }
                guard error.code == .unavailable, !Task.isCancelled else { throw error }
            }
            if Task.isCancelled { throw ClientError(code: .cancelled, message: "context canceled") }
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Renews the lease once.
    package func keepAliveOnce(lease: Int64) async throws(ClientError) -> Etcdserverpb_LeaseKeepAliveResponse {
        let answer = Answer<Etcdserverpb_LeaseKeepAliveResponse>()
        try await stream(
            .leaseKeepAlive, send: { try await $0.write(.with { $0.id = lease }) }, receive: { answer.value = $0 })
        guard let response = answer.value else { throw ClientError(code: .unknown, message: "no response") }
        if response.ttl <= 0 {
            throw ClientError(code: .notFound, message: "etcdserver: requested lease not found", stage: .answered)
        }
        return response
    }
}

private final class PauseHolder: Sendable {
    private let state: Mutex<(pause: Duration, over: Bool)>
    init(_ pause: borrowing Mutex<Duration>) { state = Mutex((pause.withLock { $0 }, false)) }
    var pause: Duration {
        get { state.withLock { $0.pause } }
        set { state.withLock { $0.pause = newValue } }
    }
    var isOver: Bool { state.withLock { $0.over } }
    func end() { state.withLock { $0.over = true } }
}

/// A place for a value that a stream brings.
package final class Answer<Value: Sendable>: Sendable {
    private let state = Mutex<Value?>(nil)
    package init() {}
    package var value: Value? {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}
