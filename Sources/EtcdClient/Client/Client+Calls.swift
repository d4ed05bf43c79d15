// What happens to a call until it has its answer.
// Invariants: a call that may change something is sent again only if no part of its message was handed to a connection, or
// if a member refused its token; every call with a deadline ends by it.

import SwiftProtobuf
import Synchronization

extension Client {
    /// How long to wait before the members are asked again when none answered.
    static let retryPause = Duration.milliseconds(50)
    /// Attempts of one call, so that a call without a deadline ends too.
    private static let attemptsMax = 100

    /// Asks any member, the next one if it isn't there, until there is an answer or the time is up.
    package func call<Request, Response>(
        _ method: RPCMethod<Request, Response>,
        _ request: Request,
        timeout: Duration? = nil
    ) async throws(ClientError) -> Response {
        try method.decoded(await exchange(method.procedure, method.encoded(request), timeout: timeout))
    }

    private func exchange(_ method: Procedure, _ request: [UInt8], timeout: Duration?) async throws(ClientError)
        -> [UInt8]
    {
        let deadline = (timeout ?? configuration.requestTimeout).map { ContinuousClock.now + $0 }
        var failure: ClientError?
        var refusals = 0
        for attempt in 0..<Self.attemptsMax {
            let remaining = deadline.map { $0 - .now }
            if let remaining, remaining <= .zero { break }
            let channel = try nextChannel()
            let count = state.withLock { $0.balancer.endpoints.count }
            // Once the message may have left, only what can be done twice is done again.
            var again = true
            var used: String?
            do throws(ClientError) {
                let credentials = try await credentials(on: channel)
                used = credentials.token
                again = false
                let response = try await channel.unary(
                    method,
                    bytes: request,
                    metadata: credentials.metadata,
                    timeout: remaining,
                    dialTimeout: count > 1 ? configuration.dialTimeout : nil
                )
                state.withLock { $0.balancer.answered(channel.endpoint) }
                return response
            } catch {
                let given = error.code == .deadlineExceeded && error.stage == .local ? timedOut(after: failure) : error
                // What waits for a connection is one attempt to the outside, as in other clients' logs.
                if given.stage != .notSent {
                    let isConnected = given == error || failure == nil
                    report(given, attempt: attempt, method: method.path, on: channel, isConnected: isConnected)
                }
                if refusals < Self.refusalsMax, isWorthAnotherToken(error) {
                    refusals += 1
                    forgetToken(used)
                    continue
                }
                let isAway = error.stage == .notSent || error.code == .unavailable
                again = isAway && (again || error.stage == .notSent || method.isRepeatable)
                if isAway { moveOn(from: channel) }
                guard again, !Task.isCancelled else { throw given }
                failure = error
                // All were asked, or one that lives has no leader: nothing is won by haste.
                if attempt % count == count - 1 || error.stage == .answered {
                    try? await Task.sleep(for: Self.retryPause)
                }
            }
        }
        let given = deadline == nil ? failure ?? timedOut(after: nil) : timedOut(after: failure)
        if let channel = try? nextChannel() {
            report(given, attempt: 0, method: method.path, on: channel, isConnected: failure == nil)
        }
        throw given
    }

    /// Asks one member and no other.
    package func call<Request, Response>(
        _ method: RPCMethod<Request, Response>,
        _ request: Request,
        at endpoint: String,
        timeout: Duration? = nil
    ) async throws(ClientError) -> Response {
        try method.decoded(await exchange(method.procedure, method.encoded(request), at: endpoint, timeout: timeout))
    }

    private func exchange(_ method: Procedure, _ request: [UInt8], at endpoint: String, timeout: Duration?)
        async throws(ClientError) -> [UInt8]
    {
        let deadline = (timeout ?? configuration.requestTimeout).map { ContinuousClock.now + $0 }
        var failure: ClientError?
        var refusals = 0
        while true {
            let channel = try channel(to: Endpoint(endpoint))
            let remaining = deadline.map { $0 - .now }
            if let remaining, remaining <= .zero {
                let given = timedOut(after: failure)
                report(
                    given,
                    attempt: 0,
                    method: method.path,
                    on: channel,
                    isConnected: failure == nil,
                    isPinned: true
                )
                throw given
            }
            var used: String?
            do throws(ClientError) {
                let credentials = try await credentials(on: channel)
                used = credentials.token
                return try await channel.unary(method, bytes: request, metadata: credentials.metadata, timeout: remaining)
            } catch {
                if refusals < Self.refusalsMax, isWorthAnotherToken(error) {
                    refusals += 1
                    forgetToken(used)
                    continue
                }
                guard error.stage == .notSent, deadline != nil, !Task.isCancelled else {
                    let given =
                        error.code == .deadlineExceeded && error.stage == .local ? timedOut(after: failure) : error
                    let isConnected = given == error || failure == nil
                    report(
                        given,
                        attempt: 0,
                        method: method.path,
                        on: channel,
                        isConnected: isConnected && given.stage != .notSent,
                        isPinned: true
                    )
                    throw given
                }
                failure = error
                try? await Task.sleep(for: Self.retryPause)
            }
        }
    }

    /// A streaming call on the next member that accepts a connection. Once `send` has begun it is not repeated.
    package func stream<Request, Response>(
        _ method: RPCMethod<Request, Response>,
        at endpoint: String? = nil,
        send: @escaping @Sendable (RequestWriter<Request>) async throws -> Void,
        receive: @escaping @Sendable (Response) async throws -> Void
    ) async throws(ClientError) {
        let count = endpoint == nil ? state.withLock { $0.balancer.endpoints.count } : 1
        var attempt = 0
        while true {
            attempt += 1
            let channel: EndpointChannel
            if let endpoint { channel = try self.channel(to: Endpoint(endpoint)) } else { channel = try nextChannel() }
            var used: String?
            do throws(ClientError) {
                let credentials = try await credentials(on: channel)
                used = credentials.token
                var metadata = credentials.metadata
                // A member without a leader should say so instead of keeping silent.
                if method.name == "Watch" || method.name == "LeaseKeepAlive" { metadata.append(("hasleader", "true")) }
                return try await channel.streaming(
                    method,
                    metadata: metadata,
                    dialTimeout: count > 1 ? configuration.dialTimeout : nil,
                    send: send,
                    receive: receive
                )
            } catch {
                if error.code == .unavailable || error.stage == .notSent { moveOn(from: channel) }
                if error.refusesToken { forgetToken(used) }
                guard error.stage == .notSent, attempt < count, !Task.isCancelled else { throw error }
            }
        }
    }

    func timedOut(after failure: ClientError?) -> ClientError {
        guard let failure else { return ClientError(code: .deadlineExceeded, message: "context deadline exceeded") }
        return ClientError(
            code: .deadlineExceeded,
            message: "latest balancer error: \(failure.message)"
        )
    }

    /// Tells the client's owner of an attempt that failed.
    /// - Parameter isPinned: whether this member was asked and no other.
    func report(
        _ error: ClientError,
        attempt: Int,
        method: String,
        on channel: EndpointChannel,
        isConnected: Bool = true,
        isPinned: Bool = false
    ) {
        guard let tell = configuration.onFailedAttempt else { return }
        let endpoint = channel.endpoint
        let first = isPinned ? nil : configuration.endpoints.first.map { Endpoint($0).hostAndPort }
        tell(
            .init(
                target: first ?? endpoint.hostAndPort,
                endpoint: endpoint.hostAndPort,
                isConnected: isConnected,
                isSecure: endpoint.isSecure ?? (configuration.security != nil),
                method: method,
                attempt: attempt,
                error: error
            )
        )
    }
}
