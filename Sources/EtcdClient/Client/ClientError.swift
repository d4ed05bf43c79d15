// What can go wrong with a call: the server's own answers with etcd's texts, and what happened on the way to it.

import Base
import GRPCCore
import NIOCore

/// A failed call.
public struct ClientError: Error, Sendable, Hashable, CustomStringConvertible {
    /// gRPC's status codes.
    public enum Code: Int, Sendable, Hashable {
        case cancelled = 1, unknown, invalidArgument, deadlineExceeded, notFound, alreadyExists, permissionDenied
        case resourceExhausted, failedPrecondition, aborted, outOfRange, unimplemented, internalError, unavailable
        case dataLoss, unauthenticated

        /// The name as etcd's logs spell it.
        public var name: String {
            switch self {
            case .cancelled: "Canceled"
            case .unknown: "Unknown"
            case .invalidArgument: "InvalidArgument"
            case .deadlineExceeded: "DeadlineExceeded"
            case .notFound: "NotFound"
            case .alreadyExists: "AlreadyExists"
            case .permissionDenied: "PermissionDenied"
            case .resourceExhausted: "ResourceExhausted"
            case .failedPrecondition: "FailedPrecondition"
            case .aborted: "Aborted"
            case .outOfRange: "OutOfRange"
            case .unimplemented: "Unimplemented"
            case .internalError: "Internal"
            case .unavailable: "Unavailable"
            case .dataLoss: "DataLoss"
            case .unauthenticated: "Unauthenticated"
            }
        }
    }

    /// How far the call came.
    public enum Stage: Sendable, Hashable {
        /// It never left: nothing was connected. Repeating it is always safe.
        case notSent
        /// The connection broke while it was under way: the server may or may not have done it.
        case underWay
        /// The server answered.
        case answered
        /// The client itself refused or gave up.
        case local
    }

    public let code: Code
    /// etcd's text, such as `etcdserver: key not found`.
    public let message: String
    public let stage: Stage
    /// For a watch that asked for history which is gone: the oldest revision there is.
    public var compactRevision: Int64?

    public init(code: Code, message: String, stage: Stage = .local) {
        self.code = code
        self.message = message
        self.stage = stage
    }

    public var description: String { message }

    /// As etcd's logs print it.
    public var logDescription: String { "rpc error: code = \(code.name) desc = \(message)" }

    /// Whether the same question may find a better answer elsewhere or later: a member or its connection went away.
    var isTransient: Bool { code == .unavailable || (code == .internalError && stage != .local) }

    /// What the gRPC library reports, in etcd's words.
    /// - Parameter wasHanded: whether any part of the message was given to a connection. It comes from the call itself
    ///   (``Handing``); the library's texts decide only over words.
    init(transport error: any Error, endpoint: Endpoint, wasHanded: Bool) {
        if let error = error as? ClientError {
            self = error
            return
        }
        if error is RuntimeError, !wasHanded {
            // The channel was closed between its choice and the call.
            self = .notConnected(to: endpoint, reason: "the connection is closing")
            return
        }
        if let tooLarge = Self.tooLargeAnswer(error) {
            self = tooLarge
            return
        }
        guard let error = error as? RPCError else {
            self.init(
                code: error is CancellationError ? .cancelled : .unknown,
                message: error is CancellationError ? "context canceled" : String(describing: error)
            )
            return
        }
        let code = Code(rawValue: error.code.rawValue) ?? .unknown
        let isOfServer = wasHanded && Self.serverPrefixes.contains { error.message.hasPrefix($0) }
        if isOfServer {
            self.init(code: code, message: error.message, stage: .answered)
        } else if !wasHanded, code == .unavailable || code == .failedPrecondition {
            self = .notConnected(to: endpoint, reason: Self.reason(error.cause) ?? "connect: connection refused")
        } else if !wasHanded, code == .unknown, !(error.cause is CancellationError) {
            // The library wraps what goes wrong while a stream is opened.
            self = .notConnected(to: endpoint, reason: Self.reason(error) ?? error.message)
        } else if code == .unavailable,
            error.message.hasPrefix("Stream unexpectedly") || error.message.contains("connection")
        {
            self.init(code: code, message: "error reading from server: EOF", stage: .underWay)
        } else if code == .deadlineExceeded {
            self.init(code: code, message: "context deadline exceeded")
        } else if code == .cancelled || error.cause is CancellationError {
            self.init(code: .cancelled, message: "context canceled")
        } else {
            self.init(code: code, message: error.message, stage: .answered)
        }
    }

    /// How the sentences begin that etcd's members answer with.
    private static let serverPrefixes = ["etcdserver", "auth:", "mvcc:", "lease", "election"]

    /// An answer above the client's limit, in the words of Go's library; nil if it is something else. The library reports
    /// it somewhere among the causes, with the numbers in a sentence.
    private static func tooLargeAnswer(_ error: any Error) -> ClientError? {
        var current: (any Error)? = error
        while let rpc = current as? RPCError {
            if rpc.message.contains("maximum payload size") {
                let numbers = rpc.message.split { !$0.isNumber }
                guard numbers.count == 2 else { return nil }
                return ClientError(
                    code: .resourceExhausted,
                    message: "grpc: received message larger than max (\(numbers[1]) vs. \(numbers[0]))",
                    stage: .answered
                )
            }
            current = rpc.cause
        }
        return nil
    }

    static func notConnected(to endpoint: Endpoint, reason: String) -> ClientError {
        ClientError(
            code: .unavailable,
            message:
                "connection error: desc = \"transport: Error while dialing: dial \(endpoint.network) \(endpoint.hostAndPort): \(reason)\"",
            stage: .notSent
        )
    }

    /// The innermost reason of a failed connection, in the words of the operating system.
    private static func reason(_ cause: (any Error)?) -> String? {
        var current = cause
        while let error = current {
            if let rpc = error as? RPCError {
                current = rpc.cause
                continue
            }
            let text = String(describing: error)
            if text.contains("errno: 111") || text.lowercased().contains("connection refused") {
                return "connect: connection refused"
            }
            if text.contains("errno: 2)") { return "connect: no such file or directory" }
            if text.contains("errno: 13)") { return "connect: permission denied" }
            if text.contains("errno: 101)") { return "connect: network is unreachable" }
            if text.contains("errno: 113)") { return "connect: no route to host" }
            return tlsFailureText(text).map { "authentication handshake failed: \($0)" } ?? text
        }
        return nil
    }
}
