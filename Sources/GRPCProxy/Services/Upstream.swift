// The members, as the proxy's services ask them: encoded messages in and out, on behalf of one client's call.
//
// Messages that the proxy needn't understand go through as they came: a message type without fields keeps what it
// doesn't know, byte for byte.

import Base
import EtcdClient
import EtcdWire
import SwiftProtobuf

typealias OpaqueMessage = Google_Protobuf_Empty

struct Upstream: Sendable {
    let client: Client

    /// Calls that may be asked twice.
    private static let repeatable: Set<RPC> = [
        .range, .rangeStream, .leaseTimeToLive, .leaseLeases, .memberList, .status, .hash, .hashKV, .authStatus,
        .authUserGet,
        .authUserList, .authRoleGet, .authRoleList, .electionLeader, .healthCheck,
    ]

    private static func method(_ rpc: RPC) -> RPCMethod<OpaqueMessage, OpaqueMessage> {
        RPCMethod(rpc.definition.service, rpc.definition.method, repeatable: repeatable.contains(rpc))
    }

    /// Asks a member.
    /// - Throws: `EtcdError`, as the member worded it.
    func ask(_ rpc: RPC, _ request: [UInt8], for call: Asker) async throws(EtcdError) -> [UInt8] {
        let message = try Self.decode(OpaqueMessage.self, request)
        do {
            let answer = try await Client.$forwardedMetadata.withValue(call.metadata) {
                try await client.call(Self.method(rpc), message, timeout: call.remaining)
            }
            return try answer.serializedBytes()
        } catch {
            throw Self.status(error, hasDeadline: call.remaining != nil)
        }
    }

    /// Asks one member and no other.
    func ask(_ rpc: RPC, _ request: [UInt8], at endpoint: String, for call: Asker) async throws(EtcdError) -> [UInt8] {
        let message = try Self.decode(OpaqueMessage.self, request)
        do {
            let answer = try await Client.$forwardedMetadata.withValue(call.metadata) {
                try await client.call(Self.method(rpc), message, at: endpoint, timeout: call.remaining)
            }
            return try answer.serializedBytes()
        } catch {
            throw Self.status(error, hasDeadline: call.remaining != nil)
        }
    }

    /// One request, many answers; the next is read when `receive` has returned.
    func stream(
        _ rpc: RPC,
        _ request: [UInt8],
        for call: Asker,
        receive: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws(EtcdError) {
        let message = try Self.decode(OpaqueMessage.self, request)
        do {
            try await Client.$forwardedMetadata.withValue(call.metadata) {
                try await client.stream(
                    Self.method(rpc),
                    send: { try await $0.write(message) },
                    receive: { try await receive(try $0.serializedBytes()) }
                )
            }
        } catch {
            throw Self.status(error, hasDeadline: true)
        }
    }

    // MARK: Errors and messages

    /// The status that the proxy's client gets.
    static func status(_ error: any Error, hasDeadline: Bool) -> EtcdError {
        if let error = error as? EtcdError { return error }
        guard let error = error as? ClientError else {
            return EtcdError(
                code: error is CancellationError ? .canceled : .unknown,
                message: String(describing: error)
            )
        }
        // The client gave up by itself: to the one who asked, nobody was there.
        if error.code == .deadlineExceeded, error.stage == .local, !hasDeadline {
            return EtcdError(code: .unavailable, message: error.message)
        }
        return EtcdError(code: GRPCStatusCode(rawValue: error.code.rawValue) ?? .unknown, message: error.message)
    }

    static func decode<M: SwiftProtobuf.Message>(_ type: M.Type, _ bytes: [UInt8]) throws(EtcdError) -> M {
        do {
            return try M(serializedBytes: bytes)
        } catch {
            throw EtcdError(code: .internalError, message: "grpc: error unmarshalling request: \(error)")
        }
    }

    static func encode(_ message: some SwiftProtobuf.Message) throws(EtcdError) -> [UInt8] {
        do {
            return try message.serializedBytes()
        } catch {
            throw EtcdError(code: .internalError, message: "grpc: error while marshaling: \(error)")
        }
    }
}

/// On whose behalf the members are asked.
struct Asker: Sendable {
    /// Fields that are passed on.
    let metadata: [(String, String)]
    /// Who asks, as far as permissions go.
    let token: String
    private let deadline: ContinuousClock.Instant?

    init(_ call: ProxyCall) {
        metadata = call.metadata
        token = call.token
        deadline = call.remaining.map { .now + $0 }
    }

    /// The proxy itself.
    init(timeout: Duration? = nil) {
        metadata = []
        token = ""
        deadline = timeout.map { .now + $0 }
    }

    var remaining: Duration? { deadline.map { max(.zero, $0 - .now) } }

    /// Without fields that the client library adds by itself.
    var forWatching: [(String, String)] { metadata.filter { $0.0 != "hasleader" } }
}
