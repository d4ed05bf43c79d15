// A member of the tests' own making: it listens on loopback, does what its script says, and can vanish in the middle.

import EtcdClient
import EtcdWire
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import SwiftProtobuf
import Synchronization

struct RawMessage: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes { Bytes(message) }
    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> [UInt8] {
        bytes.withUnsafeBytes { Array($0) }
    }
}

/// What a scripted member does with the calls of one method.
struct Script: Sendable {
    let service: String
    let method: String
    let run: @Sendable (StreamingServerRequest<[UInt8]>, RPCWriter<[UInt8]>) async throws -> Void

    /// One request, one answer.
    static func unary<Request: SwiftProtobuf.Message, Response: SwiftProtobuf.Message>(
        _ method: RPCMethod<Request, Response>,
        _ answer: @escaping @Sendable (Request, Metadata) async throws -> Response
    ) -> Script {
        Script(service: method.service, method: method.name) { request, writer in
            for try await bytes in request.messages {
                let response = try await answer(try Request(serializedBytes: bytes), request.metadata)
                try await writer.write(try response.serializedBytes())
            }
        }
    }

    /// A stream: the first request, and a way to answer.
    static func stream<Request: SwiftProtobuf.Message, Response: SwiftProtobuf.Message>(
        _ method: RPCMethod<Request, Response>,
        _ answer:
            @escaping @Sendable (Request, @escaping @Sendable (Response) async throws -> Void) async throws -> Void
    ) -> Script {
        Script(service: method.service, method: method.name) { request, writer in
            var messages = request.messages.makeAsyncIterator()
            guard let first = try await messages.next() else { return }
            try await answer(try Request(serializedBytes: first)) { try await writer.write(try $0.serializedBytes()) }
        }
    }
}

final class ScriptedMember: Sendable {
    let endpoint: String
    private let serving: Task<Void, Never>

    private init(endpoint: String, serving: Task<Void, Never>) {
        self.endpoint = endpoint
        self.serving = serving
    }

    deinit { serving.cancel() }

    static func start(_ scripts: [Script]) async throws -> ScriptedMember {
        let transport = HTTP2ServerTransport.Posix(
            address: .ipv4(host: "127.0.0.1", port: 0),
            transportSecurity: .plaintext
        )
        var router = RPCRouter<HTTP2ServerTransport.Posix>()
        for script in scripts {
            router.registerHandler(
                forMethod: MethodDescriptor(fullyQualifiedService: script.service, method: script.method),
                deserializer: RawMessage(),
                serializer: RawMessage()
            ) { request, _ in
                StreamingServerResponse { writer in
                    try await script.run(request, writer)
                    return [:]
                }
            }
        }
        let server = GRPCServer(transport: transport, router: router)
        let serving = Task<Void, Never> { try? await server.serve() }
        let address = try await transport.listeningAddress
        return ScriptedMember(endpoint: "127.0.0.1:\(address.ipv4?.port ?? 0)", serving: serving)
    }

    /// Vanishes at once: connections break, calls under way get no answer.
    func vanish() { serving.cancel() }
}

/// A number that several tasks raise.
final class Tally: Sendable {
    private let sum = Mutex(0)
    var value: Int { sum.withLock { $0 } }
    @discardableResult func raise() -> Int {
        sum.withLock { sum in
            sum += 1
            return sum
        }
    }
}

/// A place for what a script needs to know later.
final class Slot<Value: Sendable>: Sendable {
    private let content = Mutex<Value?>(nil)
    var value: Value? {
        get { content.withLock { $0 } }
        set { content.withLock { $0 = newValue } }
    }
}

func header(_ revision: Int64) -> Etcdserverpb_ResponseHeader { .with { $0.revision = revision } }

func makeClient(_ members: [String], _ change: (inout ClientConfiguration) -> Void = { _ in }) throws -> Client {
    var configuration = ClientConfiguration(endpoints: members)
    configuration.requestTimeout = .seconds(20)
    configuration.balancing = .sticky
    change(&configuration)
    return try Client(configuration)
}
