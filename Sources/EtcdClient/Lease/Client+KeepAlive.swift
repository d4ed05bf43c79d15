// Renewing a lease, over as many connections as it takes, until it is gone: because a member says so, or because its time
// passed without an answer. After that nobody may rely on it, whether or not the cluster still has it.

package import EtcdWire
import SwiftProtobuf
import Synchronization

extension Client {
    /// How many renewals fit in a time to live, so that two may be lost.
    private static let renewalsPerTTL = 3
    /// How long to wait between two streams of renewals.
    private static let resumePause = Duration.milliseconds(200)
    /// How long to wait for a lease's first answer when its time to live is not known: a connection, and a little more.
    private static let firstAnswerExtra = Duration.seconds(1)

    /// Renews the lease over and over; returns when it has expired, as far as this client can know.
    package func keepAlive(
        lease: Int64,
        receive: @escaping @Sendable (Etcdserverpb_LeaseKeepAliveResponse) async throws -> Void
    ) async throws(ClientError) {
        let renewals = Renewals(expires: .now + configuration.dialTimeout + Self.firstAnswerExtra)
        try await keepAlive(lease: lease, renewals, receive: receive)
    }

    /// - Parameter renewals: knows when the lease ends if nothing is heard.
    func keepAlive(
        lease: Int64,
        _ renewals: Renewals,
        receive: @escaping @Sendable (Etcdserverpb_LeaseKeepAliveResponse) async throws -> Void
    ) async throws(ClientError) {
        let result = await withTaskGroup(of: Result<Void, ClientError>.self) { group in
            group.addTask {
                do throws(ClientError) {
                    try await self.renew(lease, renewals, receive: receive)
                    return .success(())
                } catch { return .failure(error) }
            }
            group.addTask {
                while !Task.isCancelled, renewals.expires > .now {
                    try? await Task.sleep(until: renewals.expires, clock: .continuous)
                }
                return .success(())
            }
            let first = await group.next() ?? .success(())
            group.cancelAll()
            return first
        }
        if Task.isCancelled { throw ClientError(code: .cancelled, message: "context canceled") }
        try result.get()
    }

    private func renew(
        _ lease: Int64,
        _ renewals: Renewals,
        receive: @escaping @Sendable (Etcdserverpb_LeaseKeepAliveResponse) async throws -> Void
    ) async throws(ClientError) {
        while !Task.isCancelled {
            do throws(ClientError) {
                try await stream(
                    .leaseKeepAlive,
                    send: { writer in
                        renewals.beginStream()
                        while true {
                            renewals.sent()
                            try await writer.write(.with { $0.id = lease })
                            try await Task.sleep(for: renewals.pause)
                        }
                    },
                    receive: { response in
                        if response.ttl <= 0 { throw ClientError.leaseNotFound }
                        renewals.answered(
                            timeToLive: .seconds(response.ttl),
                            pause: .seconds(response.ttl) / Self.renewalsPerTTL
                        )
                        try await receive(response)
                    }
                )
            } catch {
                if error == .leaseNotFound { return }
                guard error.isTransient || (error.refusesToken && canRenewToken), !Task.isCancelled else { throw error }
            }
            try? await Task.sleep(for: Self.resumePause)
        }
    }

    /// Renews the lease once.
    package func keepAliveOnce(lease: Int64) async throws(ClientError) -> Etcdserverpb_LeaseKeepAliveResponse {
        let answer = Answer<Etcdserverpb_LeaseKeepAliveResponse>()
        try await stream(
            .leaseKeepAlive,
            send: { try await $0.write(.with { $0.id = lease }) },
            receive: { answer.value = $0 }
        )
        guard let response = answer.value else { throw ClientError(code: .unknown, message: "no response") }
        if response.ttl <= 0 { throw ClientError.leaseNotFound }
        return response
    }
}

extension ClientError {
    static let leaseNotFound = ClientError(
        code: .notFound,
        message: "etcdserver: requested lease not found",
        stage: .answered
    )
}

/// What is known of a lease's end: it counts from when a renewal was asked for, not from when the answer came.
final class Renewals: Sendable {
    private struct State {
        var expires: ContinuousClock.Instant
        /// Until the first answer tells the time to live.
        var pause = Duration.milliseconds(500)
        /// When the renewals were sent that are not yet answered; answers come in their order.
        var unanswered: [ContinuousClock.Instant] = []
    }

    private let state: Mutex<State>

    init(expires: ContinuousClock.Instant) { state = Mutex(State(expires: expires)) }

    var expires: ContinuousClock.Instant { state.withLock { $0.expires } }
    var pause: Duration { state.withLock { $0.pause } }

    func beginStream() { state.withLock { $0.unanswered = [] } }

    func sent() { state.withLock { $0.unanswered.append(.now) } }

    func answered(timeToLive: Duration, pause: Duration) {
        state.withLock { state in
            guard !state.unanswered.isEmpty else { return }
            state.expires = state.unanswered.removeFirst() + timeToLive
            state.pause = pause
        }
    }
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
