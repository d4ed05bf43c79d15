// One gRPC channel to one member. The only file, with `Endpoint`, that knows which gRPC library carries the calls: the
// rest of the client sees a unary call, a streaming call, and `ClientError`.

import GRPCCore
import GRPCNIOTransportHTTP2Posix
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

    /// A member that is away is tried again soon: failing over waits for nobody, but coming back should be quick.
    private static let backoff = HTTP2ClientTransport.Config.Backoff(
        initial: .milliseconds(100), max: .seconds(3), multiplier: 1.6, jitter: 0.2)

    init(endpoint: Endpoint, settings: ChannelSettings) throws(ClientError) {
        self.endpoint = endpoint
        self.settings = settings
        do {
            let transport = try HTTP2ClientTransport.Posix(
                target: endpoint.target,
                transportSecurity: try settings.security?.grpc() ?? .plaintext,
                config: .defaults { config in
                    config.backoff = Self.backoff
                    config.connection.flushCoalescing = nil
                    if let time = settings.keepaliveTime {
                        config.connection.keepalive = .init(
                            time: time, timeout: settings.keepaliveTimeout, allowWithoutCalls: false)
                    }
                    config.http2.authority = settings.security?.serverName
                })
            client = GRPCClient(transport: transport)
        } catch let error as ClientError {
            throw error
        } catch {
            throw ClientError(code: .invalidArgument, message: String(describing: error))
        }
        let client = self.client
        connections = Task { try? await client.runConnections() }
    }

    func close() {
        client.beginGracefulShutdown()
        connections.cancel()
    }

    /// One request, one answer.
    func unary<Request, Response>(
        _ method: RPCMethod<Request, Response>, _ message: Request, metadata: [(String, String)], timeout: Duration?
    ) async throws(ClientError) -> Response {
        try checkSize(of: message)
        do {
            return try await client.unary(
                request: ClientRequest(message: message, metadata: Metadata(pairs: metadata)),
                descriptor: MethodDescriptor(fullyQualifiedService: method.service, method: method.name),
                serializer: MessageCoding<Request>(), deserializer: MessageCoding<Response>(),
                options: options(timeout: timeout, waits: false)
            ) { try $0.message }
        } catch {
            throw ClientError(transport: error, endpoint: endpoint)
        }
    }

    /// A stream of requests out and of answers in; ends when the server ends it, `receive` throws, or the task is cancelled.
    func streaming<Request, Response>(
        _ method: RPCMethod<Request, Response>, metadata: [(String, String)],
        send: @escaping @Sendable (RequestWriter<Request>) async throws -> Void,
        receive: @escaping @Sendable (Response) async throws -> Void
    ) async throws(ClientError) {
        do {
            try await client.bidirectionalStreaming(
                request: StreamingClientRequest(metadata: Metadata(pairs: metadata)) { writer in
                    try await send(RequestWriter(writer: writer))
                },
                descriptor: MethodDescriptor(fullyQualifiedService: method.service, method: method.name),
                serializer: MessageCoding<Request>(), deserializer: MessageCoding<Response>(),
                options: options(timeout: nil, waits: false)
            ) { response in
                for try await message in response.messages { try await receive(message) }
            }
        } catch {
            throw ClientError(transport: error, endpoint: endpoint)
        }
    }

    private func options(timeout: Duration?, waits: Bool) -> CallOptions {
        var options = CallOptions.defaults
        options.timeout = timeout
        options.waitForReady = waits
        options.maxResponseMessageBytes = settings.responseBytesMax
        options.maxRequestMessageBytes = settings.requestBytesMax
        return options
    }

    private func checkSize(of message: some SwiftProtobuf.Message) throws(ClientError) {
        let size: [UInt8]? = try? message.serializedBytes()
        if let size, size.count > settings.requestBytesMax {
            throw ClientError(
                code: .resourceExhausted,
                message: "trying to send message larger than max (\(size.count) vs. \(settings.requestBytesMax))")
        }
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

extension Metadata {
    fileprivate init(pairs: [(String, String)]) {
        self.init()
        for (name, value) in pairs { addString(value, forKey: name) }
    }
}
