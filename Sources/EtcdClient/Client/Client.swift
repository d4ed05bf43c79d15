// The client: which members there are, which of them is asked next, and what happens when one doesn't answer.
// Invariants: a call that may change something is sent again only if the first sending never left this process; every
// call ends by its deadline; channels are made on first use and kept.

import EtcdWire
import SwiftProtobuf
import Synchronization

/// A client of an etcd cluster. It is safe to share and cheap to call from many tasks.
public final class Client: Sendable {
    public let configuration: ClientConfiguration
    private let state: Mutex<State>

    private struct State {
        var endpoints: [Endpoint]
        var channels: [Endpoint: EndpointChannel] = [:]
        var next = 0
        var token: String?
        var syncing: Task<Void, Never>?
        var isClosed = false
    }

    /// How long to wait before the members are asked again when none answered.
    private static let retryPause = Duration.milliseconds(50)
    /// Attempts of one call, so that a call without a deadline ends too.
    private static let attemptsMax = 100

    /// - Throws: ``ClientError`` if there is no endpoint.
    public init(_ configuration: ClientConfiguration) throws(ClientError) {
        guard !configuration.endpoints.isEmpty else {
            throw ClientError(code: .invalidArgument, message: "etcdclient: no available endpoints")
        }
        self.configuration = configuration
        state = Mutex(State(endpoints: configuration.endpoints.map(Endpoint.init)))
        if case .token(let token) = configuration.credentials { state.withLock { $0.token = token } }
        if let interval = configuration.autoSyncInterval {
            let task = Task { [weak self] in
                while !Task.isCancelled {
                    try? await Task.sleep(for: interval)
                    guard let self else { return }
                    try? await self.sync()
                }
            }
            state.withLock { $0.syncing = task }
        }
    }

    deinit { close() }

    /// Ends all connections; calls under way fail.
    public func close() {
        let (channels, syncing) = state.withLock { state in
            state.isClosed = true
            defer { state.channels = [:] }
            return (Array(state.channels.values), state.syncing)
        }
        syncing?.cancel()
        for channel in channels { channel.close() }
    }

    /// The members that are asked.
    public var endpoints: [String] {
        get { state.withLock { $0.endpoints.map(\.text) } }
        set {
            let gone = state.withLock { state in
                state.endpoints = newValue.map(Endpoint.init)
                let kept = Set(state.endpoints)
                let gone = state.channels.filter { !kept.contains($0.key) }
                for endpoint in gone.keys { state.channels[endpoint] = nil }
                return Array(gone.values)
            }
            for channel in gone { channel.close() }
        }
    }

    /// Replaces the endpoints by the addresses that the cluster's members advertise; learners don't serve and are left out.
    public func sync() async throws(ClientError) {
        let members = try await call(.memberList, Etcdserverpb_MemberListRequest.with { $0.linearizable = true }).members
        let found = members.filter { !$0.isLearner }.flatMap(\.clientUrls)
        if !found.isEmpty { endpoints = found }
    }

    // MARK: Calls

    /// Asks any member, the next one if it isn't there, until there is an answer or the time is up.
    package func call<Request, Response>(
        _ method: RPCMethod<Request, Response>, _ request: Request, timeout: Duration? = nil
    ) async throws(ClientError) -> Response {
        let deadline = (timeout ?? configuration.requestTimeout).map { ContinuousClock.now + $0 }
        var failure: ClientError?
        var renewed = false
        let count = state.withLock { $0.endpoints.count }
        for attempt in 0..<Self.attemptsMax {
            let remaining = deadline.map { $0 - .now }
            if let remaining, remaining <= .zero { break }
            let channel = try nextChannel()
            do {
                let metadata = try await metadata(on: channel, for: method.path)
                return try await channel.unary(method, request, metadata: metadata, timeout: remaining)
            } catch {
                let given = error.code == .deadlineExceeded && error.stage == .local ? timedOut(after: failure) : error
                // What waits for a connection is one attempt to the outside, as in other clients' logs.
                if given.stage != .notSent { report(given, attempt: 0, method: method.path, on: channel) }
                if isTokenRefused(error), !renewed, case .password = configuration.credentials {
                    renewed = true
                    state.withLock { $0.token = nil }
                    continue
                }
                let again = error.stage == .notSent || (error.code == .unavailable && method.isRepeatable)
                guard again, !Task.isCancelled else { throw given }
                failure = error
                moveOn(from: channel)
                if attempt % count == count - 1 || error.stage == .answered { try? await Task.sleep(for: Self.retryPause) }
            }
        }
        let given = timedOut(after: failure)
        if let channel = try? nextChannel() { report(given, attempt: 0, method: method.path, on: channel) }
        throw given
    }

    /// Asks one member and no other.
    package func call<Request, Response>(
        _ method: RPCMethod<Request, Response>, _ request: Request, at endpoint: String, timeout: Duration? = nil
    ) async throws(ClientError) -> Response {
        let channel = try channel(to: Endpoint(endpoint))
        let deadline = (timeout ?? configuration.requestTimeout).map { ContinuousClock.now + $0 }
        var failure: ClientError?
        while true {
            let remaining = deadline.map { $0 - .now }
            if let remaining, remaining <= .zero {
                let given = timedOut(after: failure)
                report(given, attempt: 0, method: method.path, on: channel)
                throw given
            }
            do {
                let metadata = try await metadata(on: channel, for: method.path)
                return try await channel.unary(method, request, metadata: metadata, timeout: remaining)
            } catch {
                guard error.stage == .notSent, deadline != nil, !Task.isCancelled else {
                    let given = error.code == .deadlineExceeded && error.stage == .local ? timedOut(after: failure) : error
                    report(given, attempt: 0, method: method.path, on: channel)
                    throw given
                }
                failure = error
                try? await Task.sleep(for: Self.retryPause)
            }
        }
    }

    /// A streaming call on the next member; it is not repeated.
    package func stream<Request, Response>(
        _ method: RPCMethod<Request, Response>, at endpoint: String? = nil,
        send: @escaping @Sendable (RequestWriter<Request>) async throws -> Void,
        receive: @escaping @Sendable (Response) async throws -> Void
    ) async throws(ClientError) {
        let channel: EndpointChannel
        if let endpoint { channel = try self.channel(to: Endpoint(endpoint)) } else { channel = try nextChannel() }
        do {
            var metadata = try await metadata(on: channel, for: method.path)
            if method.name == "Watch" { metadata.append(("hasleader", "true")) }
            try await channel.streaming(method, metadata: metadata, send: send, receive: receive)
        } catch {
            if error.code == .unavailable { moveOn(from: channel) }
            if isTokenRefused(error), case .password = configuration.credentials { state.withLock { $0.token = nil } }
            throw error
        }
    }

    private func timedOut(after failure: ClientError?) -> ClientError {
        guard let failure else { return ClientError(code: .deadlineExceeded, message: "context deadline exceeded") }
        return ClientError(
            code: .deadlineExceeded, message: "latest balancer error: last connection error: \(failure.message)")
    }

    private func report(_ error: ClientError, attempt: Int, method: String, on channel: EndpointChannel) {
        configuration.onFailedAttempt?(
            .init(endpoint: channel.endpoint.hostAndPort, method: method, attempt: attempt, error: error))
    }

    // MARK: Channels

    private func nextChannel() throws(ClientError) -> EndpointChannel {
        try channel(to: state.withLock { $0.endpoints[$0.next % max(1, $0.endpoints.count)] })
    }

    private func moveOn(from channel: EndpointChannel) {
        state.withLock { state in
            guard !state.endpoints.isEmpty, state.endpoints[state.next % state.endpoints.count] == channel.endpoint else { return }
            state.next = (state.next + 1) % state.endpoints.count
        }
    }

    private func channel(to endpoint: Endpoint) throws(ClientError) -> EndpointChannel {
        let (known, isClosed) = state.withLock { ($0.channels[endpoint], $0.isClosed) }
        if isClosed { throw ClientError(code: .cancelled, message: "the client is closed") }
        if let known { return known }
        var security = configuration.security
        switch endpoint.isSecure {
        case true?: security = security ?? TransportSecurity()
        // An endpoint that says http is not spoken to in TLS, whatever files there are.
        case false?: security = nil
        case nil: break
        }
        let made = try EndpointChannel(
            endpoint: endpoint,
            settings: ChannelSettings(
                security: security, keepaliveTime: configuration.keepaliveTime,
                keepaliveTimeout: configuration.keepaliveTimeout, requestBytesMax: configuration.requestBytesMax,
                responseBytesMax: configuration.responseBytesMax))
        let kept = state.withLock { state in
            if let other = state.channels[endpoint] { return other }
            state.channels[endpoint] = made
            return made
        }
        if kept !== made { made.close() }
        return kept
    }

    // MARK: Credentials

    /// Exchanges the password for a token now, so that wrong credentials show at once.
    public func authenticate() async throws(ClientError) {
        guard case .password(let user, let password) = configuration.credentials else { return }
        let deadline = ContinuousClock.now + configuration.dialTimeout
        var failure: ClientError?
        while ContinuousClock.now < deadline {
            let channel = try nextChannel()
            do {
                return try await authenticate(user, password, on: channel)
            } catch where error.stage == .notSent {
                failure = error
                moveOn(from: channel)
                try? await Task.sleep(for: Self.retryPause)
            }
        }
        throw timedOut(after: failure)
    }

    private func authenticate(_ user: String, _ password: String, on channel: EndpointChannel) async throws(ClientError) {
        let request = Etcdserverpb_AuthenticateRequest.with {
            $0.name = user
            $0.password = password
        }
        do {
            let answer = try await channel.unary(
                .authenticate, request, metadata: Self.versionHeader, timeout: configuration.dialTimeout)
            state.withLock { $0.token = answer.token }
        } catch {
            // A cluster without authentication needs no token.
            if error.message == "etcdserver: authentication is not enabled" {
                state.withLock { $0.token = "" }
                return
            }
            if error.stage != .notSent {
                report(error, attempt: 0, method: RPCMethod<Etcdserverpb_AuthenticateRequest, Etcdserverpb_AuthenticateResponse>.authenticate.path, on: channel)
            }
            throw error
        }
    }

    /// The version of the API that the client speaks; members compare it with their own.
    private static let versionHeader = [("client-api-version", "3.7.1")]

    private func metadata(on channel: EndpointChannel, for path: String) async throws(ClientError) -> [(String, String)] {
        if let forwarded = Self.forwardedMetadata { return forwarded }
        if case .password(let user, let password) = configuration.credentials, state.withLock({ $0.token }) == nil {
            try await authenticate(user, password, on: channel)
        }
        guard let token = state.withLock({ $0.token }), !token.isEmpty else { return Self.versionHeader }
        return Self.versionHeader + [("token", token)]
    }

    private func isTokenRefused(_ error: ClientError) -> Bool {
        error.message == "etcdserver: invalid auth token" || error.message == "etcdserver: revision of auth store is old"
    }
}
