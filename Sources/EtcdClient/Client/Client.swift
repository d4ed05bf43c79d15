// The client: which members there are, and the connections to them. `Client+Calls` says what happens when one doesn't
// answer, `Client+Credentials` who the client says it is.
// Invariants: channels are made on first use and kept; a channel whose member is no longer listed ends with its last call.

import EtcdWire
import SwiftProtobuf
import Synchronization

/// A client of an etcd cluster. It is safe to share and cheap to call from many tasks.
public final class Client: Sendable {
    public let configuration: ClientConfiguration
    let state: Mutex<State>

    struct State {
        var balancer: Balancer
        var channels: [ChannelKey: EndpointChannel] = [:]
        var token: String?
        var tokenExchange: Task<Result<String, ClientError>, Never>?
        var syncing: Task<Void, Never>?
        var isClosed = false
    }

    /// What makes two endpoints one connection: `host:port` and `http://host:port` are the same to a client without TLS.
    struct ChannelKey: Hashable {
        let address: Endpoint.Address
        let isSecure: Bool
    }

    /// - Throws: ``ClientError`` if there is no endpoint.
    public init(_ configuration: ClientConfiguration) throws(ClientError) {
        guard !configuration.endpoints.isEmpty else {
            throw ClientError(code: .invalidArgument, message: "etcdclient: no available endpoints")
        }
        self.configuration = configuration
        state = Mutex(
            State(
                balancer: Balancer(
                    endpoints: configuration.endpoints.map(Endpoint.init),
                    policy: configuration.balancing
                )
            )
        )
        if case .token(let token) = configuration.credentials { state.withLock { $0.token = token } }
        if let interval = configuration.autoSyncInterval {
            let task = Task { [weak self] in
                while !Task.isCancelled {
                    try? await Task.sleep(for: interval)
                    guard let self, !Task.isCancelled else { return }
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

    /// The members that are asked. Calls under way at members that leave the list are ended by them, not by the change;
    /// watches and renewals of leases go on elsewhere.
    public var endpoints: [String] {
        get { state.withLock { $0.balancer.endpoints.map(\.text) } }
        set {
            let list = newValue.map(Endpoint.init)
            guard !list.isEmpty else { return }
            let kept = Set(list.map(key))
            let gone = state.withLock { state in
                state.balancer.replace(list)
                let gone = state.channels.filter { !kept.contains($0.key) }
                for key in gone.keys { state.channels[key] = nil }
                return Array(gone.values)
            }
            for channel in gone { channel.retire() }
        }
    }

    /// Replaces the endpoints by the addresses that the cluster's members advertise; learners don't serve and are left out.
    public func sync() async throws(ClientError) {
        let members = try await call(.memberList, Etcdserverpb_MemberListRequest.with { $0.linearizable = true })
            .members
        let found = members.filter { !$0.isLearner }.flatMap(\.clientUrls)
        if !found.isEmpty { endpoints = found }
    }

    // MARK: Channels

    func nextChannel() throws(ClientError) -> EndpointChannel {
        guard let endpoint = state.withLock({ $0.balancer.pick(now: .now) }) else {
            throw ClientError(code: .invalidArgument, message: "etcdclient: no available endpoints")
        }
        return try channel(to: endpoint)
    }

    func moveOn(from channel: EndpointChannel) {
        state.withLock { $0.balancer.failed(channel.endpoint, now: .now) }
    }

    private func key(_ endpoint: Endpoint) -> ChannelKey {
        ChannelKey(address: endpoint.address, isSecure: endpoint.isSecure ?? (configuration.security != nil))
    }

    func channel(to endpoint: Endpoint) throws(ClientError) -> EndpointChannel {
        let key = key(endpoint)
        let (known, isClosed) = state.withLock { ($0.channels[key], $0.isClosed) }
        if isClosed { throw ClientError(code: .cancelled, message: "the client is closed") }
        if let known { return known }
        // An endpoint that says http is not spoken to in TLS, whatever files there are.
        let security = key.isSecure ? configuration.security ?? TransportSecurity() : nil
        let made = try EndpointChannel(
            endpoint: endpoint,
            settings: ChannelSettings(
                security: security,
                keepaliveTime: configuration.keepaliveTime,
                keepaliveTimeout: configuration.keepaliveTimeout,
                requestBytesMax: configuration.requestBytesMax,
                responseBytesMax: configuration.responseBytesMax
            )
        )
        let kept = state.withLock { state -> EndpointChannel? in
            if state.isClosed { return nil }
            if let other = state.channels[key] { return other }
            state.channels[key] = made
            return made
        }
        if kept !== made { made.close() }
        guard let kept else { throw ClientError(code: .cancelled, message: "the client is closed") }
        return kept
    }
}
