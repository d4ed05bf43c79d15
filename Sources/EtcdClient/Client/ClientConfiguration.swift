// What a client is told at its start.

/// The settings of a ``Client``.
public struct ClientConfiguration: Sendable {
    /// Who the client says it is.
    public enum Credentials: Sendable, Hashable {
        case none
        /// A name and a password, exchanged for a token that is renewed when the cluster no longer takes it.
        case password(user: String, password: String)
        /// A token issued elsewhere (JWT).
        case token(String)
    }

    /// How calls are spread over the members.
    public enum Balancing: Sendable, Hashable {
        /// One member after the other; those that failed lately are passed over.
        case roundRobin
        /// One member, until it fails.
        case sticky
    }

    /// Members' client addresses: `host:port`, `[address]:port`, `http://host:port`, `https://host:port`, `unix://path` or
    /// `unixs://path`.
    public var endpoints: [String]
    /// How calls are spread over ``endpoints``.
    public var balancing: Balancing
    /// TLS; nil for plain text, unless an endpoint begins with `https` or `unixs`.
    public var security: TransportSecurity?
    /// Who the client says it is.
    public var credentials: Credentials
    /// Asked for a new token when the cluster refuses the one of ``Credentials/token(_:)``, and at the start if there is
    /// none; for signed tokens that end.
    public var tokenSource: (@Sendable () async throws -> String)?
    /// How long a call may take in all, repetitions included; nil for no limit.
    public var requestTimeout: Duration?
    /// How long one member may take to accept a connection before another is asked, and how long the exchange of a password
    /// for a token may take.
    public var dialTimeout: Duration
    /// Idle time after which a busy connection is probed; nil for never. Without it a member that is frozen or cut off is
    /// noticed only by the calls' deadlines. At least 5 seconds, or the members say goodbye.
    public var keepaliveTime: Duration?
    /// How long a probe may go unanswered until the connection is given up.
    public var keepaliveTimeout: Duration
    /// How often the list of endpoints is replaced by the members' own; nil for never.
    public var autoSyncInterval: Duration?
    /// The largest request, in bytes.
    public var requestBytesMax: Int
    /// The largest answer, in bytes.
    public var responseBytesMax: Int
    /// Told of every failed attempt; for logs. Must be quick.
    public var onFailedAttempt: (@Sendable (FailedAttempt) -> Void)?

    /// One attempt of a call that failed.
    public struct FailedAttempt: Sendable {
        /// The address of the client's first endpoint, or of the one member that was asked, without a scheme.
        public let target: String
        /// The member's address, without a scheme.
        public let endpoint: String
        /// Whether there was a connection to it.
        public let isConnected: Bool
        /// Whether connections to it are made with TLS.
        public let isSecure: Bool
        /// The method as HTTP/2 carries it, such as `/etcdserverpb.KV/Put`.
        public let method: String
        /// Counted from 0.
        public let attempt: Int
        public let error: ClientError
    }

    /// etcd's limit for what a client sends unless told otherwise.
    public static let defaultRequestBytesMax = 2 << 20

    /// Settings with etcd's defaults.
    public init(endpoints: [String]) {
        self.endpoints = endpoints
        balancing = .roundRobin
        credentials = .none
        dialTimeout = .seconds(2)
        keepaliveTimeout = .seconds(6)
        requestBytesMax = Self.defaultRequestBytesMax
        responseBytesMax = Int(Int32.max)
    }
}
