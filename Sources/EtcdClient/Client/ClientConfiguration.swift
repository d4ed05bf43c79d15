// What a client is told at its start.

/// The settings of a ``Client``.
public struct ClientConfiguration: Sendable {
    /// Who the client says it is.
    public enum Credentials: Sendable, Hashable {
        case none
        /// A name and a password, exchanged for a token that is renewed when it ends.
        case password(user: String, password: String)
        /// A token issued elsewhere (JWT).
        case token(String)
    }

    /// Members' client addresses: `host:port`, `http://host:port`, `https://host:port` or `unix://path`.
    public var endpoints: [String]
    /// TLS; nil for plain text, unless an endpoint begins with `https`.
    public var security: TransportSecurity?
    public var credentials: Credentials
    /// How long a call may take in all, repetitions included; nil for no limit.
    public var requestTimeout: Duration?
    /// How long the first exchange of a password for a token may take.
    public var dialTimeout: Duration
    /// Idle time after which a busy connection is probed; nil for never.
    public var keepaliveTime: Duration?
    public var keepaliveTimeout: Duration
    /// How often the list of endpoints is replaced by the members' own; nil for never.
    public var autoSyncInterval: Duration?
    /// The largest request and the largest answer, in bytes.
    public var requestBytesMax: Int
    public var responseBytesMax: Int
    /// Told of every failed attempt; for logs. Must be quick.
    public var onFailedAttempt: (@Sendable (FailedAttempt) -> Void)?

    /// One attempt of a call that failed.
    public struct FailedAttempt: Sendable {
        public let endpoint: String
        public let method: String
        public let attempt: Int
        public let error: ClientError
    }

    /// etcd's limit for what a client sends unless told otherwise.
    public static let defaultRequestBytesMax = 2 << 20

    public init(endpoints: [String]) {
        self.endpoints = endpoints
        credentials = .none
        dialTimeout = .seconds(2)
        keepaliveTimeout = .seconds(6)
        requestBytesMax = Self.defaultRequestBytesMax
        responseBytesMax = Int(Int32.max)
    }
}
