// One gRPC channel to one member. The only file, with `Endpoint`, that knows which gRPC library carries the calls: the
// rest of the client sees a unary call, a streaming call, and `ClientError`.

import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOCore
import NIOSSL
package import SwiftProtobuf
import Synchronization

/// What a channel needs to know besides its address.
package struct ChannelSettings: Sendable {
    package var security: TransportSecurity?
    package var keepaliveTime: Duration?
    package var keepaliveTimeout: Duration
    package var requestBytesMax: Int
    package var responseBytesMax: Int
}

/// A connection to one member that restores itself, and the calls on it.
final class EndpointChannel: Sendable {
    let endpoint: Endpoint
    private let client: GRPCClient<HTTP2ClientTransport.Posix>
    private let connections: Task<Void, Never>
    private let settings: ChannelSettings
    private let state = Mutex(State())

    private struct State {
        /// Calls with one answer that are under way: a channel that is no longer wanted waits for them.
        var calls = 0
        var isRetired = false
        /// Whether the last thing known is that messages get through; then no watch over the dialling is needed.
        var isConnected = false
    }

    /// A member that is away is tried again soon: failing over waits for nobody, but coming back should be quick.
    private static let backoff = HTTP2ClientTransport.Config.Backoff(
        initial: .milliseconds(100),
        max: .seconds(3),
        multiplier: 1.6,
        jitter: 0.2
    )

    init(endpoint: Endpoint, settings: ChannelSettings) throws(ClientError) {
        self.endpoint = endpoint
        self.settings = settings
        do {
            // The gRPC library's own TLS has no setting for signature algorithms; so it is put in front of the library.
            let security = try settings.security.map { security in
                (context: try security.context(protocols: ["grpc-exp", "h2"]), host: endpoint.nameInCertificate(security))
            }
            let transport = try HTTP2ClientTransport.Posix(
                target: endpoint.target,
                transportSecurity: security == nil ? .plaintext : .customSecure,
                config: .defaults { config in
                    config.backoff = Self.backoff
                    config.connection.flushCoalescing = nil
                    if let time = settings.keepaliveTime {
                        config.connection.keepalive = .init(
                            time: time,
                            timeout: settings.keepaliveTimeout,
                            allowWithoutCalls: false
                        )
                    }
                    config.channelDebuggingCallbacks.onCreateTCPConnection = { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try HarmlessFrames.install(on: channel)
                            guard let security else { return }
                            let tls = try NIOSSLClientHandler(context: security.context, serverHostname: security.host)
                            try channel.pipeline.syncOperations.addHandler(tls, position: .first)
                        }
                    }
                    config.http2.authority = settings.security?.serverName ?? endpoint.authorityOfSocket
                }
            )
            client = GRPCClient(transport: transport)
        } catch let error as ClientError {
            throw error
        } catch {
            throw ClientError(code: .invalidArgument, message: String(describing: error))
        }
        let client = self.client
        connections = Task { try? await client.runConnections() }
    }

    /// Ends the connection; calls under way fail.
    func close() {
        client.beginGracefulShutdown()
        connections.cancel()
    }

    /// Takes no more calls, and closes when those with one answer are done; streams end then, and resume elsewhere.
    func retire() {
        let isIdle = state.withLock { state in
            state.isRetired = true
            return state.calls == 0
        }
        if isIdle { close() }
    }

    private func begin() throws(ClientError) {
        let isRetired = state.withLock { state in
            if !state.isRetired { state.calls += 1 }
            return state.isRetired
        }
        if isRetired { throw .notConnected(to: endpoint, reason: "the endpoint is no longer listed") }
    }

    private func end() {
        let isDone = state.withLock { state in
            state.calls -= 1
            return state.isRetired && state.calls == 0
        }
        if isDone { close() }
    }

    /// One request, one answer.
    /// - Parameter dialTimeout: how long to wait for a connection to hand the message to; nil for `timeout` alone.
    func unary(
        _ method: Procedure,
        bytes: [UInt8],
        metadata: [(String, String)],
        timeout: Duration?,
        dialTimeout: Duration? = nil
    ) async throws(ClientError) -> [UInt8] {
        guard bytes.count <= settings.requestBytesMax else {
            throw ClientError(
                code: .resourceExhausted,
                message: "trying to send message larger than max (\(bytes.count) vs. \(settings.requestBytesMax))"
            )
        }
        try begin()
        defer { end() }
        return try await observed(dialTimeout: dialTimeout) { handing in
            try await self.client.clientStreaming(
                request: StreamingClientRequest<[UInt8]>(metadata: Metadata(pairs: metadata)) { writer in
                    try handing.hand()
                    try await writer.write(bytes)
                },
                descriptor: MethodDescriptor(fullyQualifiedService: method.service, method: method.name),
                serializer: EncodedMessage(),
                deserializer: EncodedMessage(),
                options: self.options(timeout: timeout, waits: false)
            ) { try $0.message }
        }
    }

    /// A stream of requests out and of answers in; ends when the server ends it, `receive` throws, or the task is cancelled.
    /// While `receive` waits nothing more is read, and the member is told so by HTTP/2.
    func streaming<Request, Response>(
        _ method: RPCMethod<Request, Response>,
        metadata: [(String, String)],
        dialTimeout: Duration? = nil,
        send: @escaping @Sendable (RequestWriter<Request>) async throws -> Void,
        receive: @escaping @Sendable (Response) async throws -> Void
    ) async throws(ClientError) {
        if state.withLock({ $0.isRetired }) {
            throw .notConnected(to: endpoint, reason: "the endpoint is no longer listed")
        }
        try await observed(dialTimeout: dialTimeout) { handing in
            try await self.client.bidirectionalStreaming(
                request: StreamingClientRequest(metadata: Metadata(pairs: metadata)) { writer in
                    try handing.hand()
                    try await send(RequestWriter(writer: writer))
                },
                descriptor: MethodDescriptor(fullyQualifiedService: method.service, method: method.name),
                serializer: MessageCoding<Request>(),
                deserializer: MessageCoding<Response>(),
                options: self.options(timeout: nil, waits: false)
            ) { response in
                for try await message in response.messages { try await receive(message) }
            }
        }
    }

    /// Runs a call and says of its failure whether its message was handed over.
    private func observed<Result: Sendable>(
        dialTimeout: Duration?,
        _ call: @escaping @Sendable (Handing) async throws -> Result
    ) async throws(ClientError) -> Result {
        let handing = Handing()
        do {
            guard let dialTimeout, !state.withLock({ $0.isConnected }) else {
                let result = try await call(handing)
                state.withLock { $0.isConnected = true }
                return result
            }
            let result = try await withThrowingTaskGroup(of: Result?.self) { group in
                group.addTask { try await call(handing) }
                group.addTask {
                    try await Task.sleep(for: dialTimeout)
                    if handing.abandon() { throw ClientError.notConnected(to: self.endpoint, reason: "i/o timeout") }
                    return nil
                }
                defer { group.cancelAll() }
                while let result = try await group.next() {
                    if let result { return result }
                }
                throw CancellationError()
            }
            state.withLock { $0.isConnected = true }
            return result
        } catch {
            let failure = ClientError(transport: error, endpoint: endpoint, wasHanded: handing.wasHanded)
            state.withLock {
                $0.isConnected = failure.stage == .answered || (failure.stage == .local && handing.wasHanded)
            }
            throw failure
        }
    }

    private func options(timeout: Duration?, waits: Bool) -> CallOptions {
        var options = CallOptions.defaults
        options.timeout = timeout
        options.waitForReady = waits
        options.maxResponseMessageBytes = settings.responseBytesMax
        // The library takes the limit of requests for what it receives. What is sent is measured before it gets there.
        options.maxRequestMessageBytes = settings.responseBytesMax
        return options
    }
}

/// Where a streaming call's requests go.
package struct RequestWriter<Request: SwiftProtobuf.Message>: Sendable {
    fileprivate let writer: RPCWriter<Request>

    package func write(_ request: Request) async throws { try await writer.write(request) }
}

private struct MessageCoding<Message: SwiftProtobuf.Message>: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: Message) throws -> Bytes {
        let bytes: [UInt8] = try message.serializedBytes()
        return Bytes(bytes)
    }

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> Message {
        try bytes.withUnsafeBytes { try Message(serializedBytes: Array($0)) }
    }
}

/// A message that is bytes already.
private struct EncodedMessage: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes { Bytes(message) }

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> [UInt8] { bytes.withUnsafeBytes { Array($0) } }
}

extension Metadata {
    fileprivate init(pairs: [(String, String)]) {
        self.init()
        for (name, value) in pairs { addString(value, forKey: name) }
    }
}
