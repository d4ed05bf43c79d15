// The messages that the gateway's busy calls carry, as far as the straight way between JSON and messages knows them.
// `PlainJSONTests` holds every row against the descriptors of the .proto files.

/// A message by its fields.
package enum PlainShape: Sendable, CaseIterable {
    case responseHeader
    case keyValue
    case event

    case rangeRequest, rangeResponse
    case putRequest, putResponse
    case deleteRangeRequest, deleteRangeResponse
    case compare, requestOp, responseOp, txnRequest, txnResponse
    case compactionRequest, compactionResponse
    case watchResponse
    case leaseGrantRequest, leaseGrantResponse
    case leaseRevokeRequest, leaseRevokeResponse
    case leaseKeepAliveRequest, leaseKeepAliveResponse

    package struct Field: Sendable {
        package enum Kind: Sendable {
            case bytes
            case int64
            case uint64
            case bool
            /// The names of the values from 0 on.
            case enumeration([StaticString])
            case message(PlainShape)
            case messages(PlainShape)
        }

        package let number: Int
        package let name: StaticString
        /// The same in camel case, where it differs.
        package let jsonName: StaticString?
        package let kind: Kind
        /// Whether the field is there also when it has its type's default, as one of several that exclude each other.
        package let isInOneof: Bool

        init(_ number: Int, _ name: StaticString, _ kind: Kind, json jsonName: StaticString? = nil, isInOneof: Bool = false) {
            self.number = number
            self.name = name
            self.jsonName = jsonName
            self.kind = kind
            self.isInOneof = isInOneof
        }
    }

    /// In ascending order of their numbers.
    package var fields: [Field] {
        switch self {
        case .responseHeader: Self.responseHeaderFields
        case .keyValue: Self.keyValueFields
        case .event: Self.eventFields
        case .rangeRequest: Self.rangeRequestFields
        case .rangeResponse: Self.rangeResponseFields
        case .putRequest: Self.putRequestFields
        case .putResponse: Self.putResponseFields
        case .deleteRangeRequest: Self.deleteRangeRequestFields
        case .deleteRangeResponse: Self.deleteRangeResponseFields
        case .compare: Self.compareFields
        case .requestOp: Self.requestOpFields
        case .responseOp: Self.responseOpFields
        case .txnRequest: Self.txnRequestFields
        case .txnResponse: Self.txnResponseFields
        case .compactionRequest: Self.compactionRequestFields
        case .watchResponse: Self.watchResponseFields
        case .leaseGrantRequest: Self.leaseGrantRequestFields
        case .leaseRevokeRequest, .leaseKeepAliveRequest: Self.leaseIDFields
        case .leaseGrantResponse, .leaseKeepAliveResponse: Self.leaseTimeFields
        case .compactionResponse, .leaseRevokeResponse: Self.headerFields
        }
    }

    // MARK: The rows

    private static let header = Field(1, "header", .message(.responseHeader))
    private static let headerFields = [header]
    private static let responseHeaderFields = [
        Field(1, "cluster_id", .uint64, json: "clusterId"), Field(2, "member_id", .uint64, json: "memberId"),
        Field(3, "revision", .int64), Field(4, "raft_term", .uint64, json: "raftTerm"),
    ]
    private static let keyValueFields = [
        Field(1, "key", .bytes), Field(2, "create_revision", .int64, json: "createRevision"),
        Field(3, "mod_revision", .int64, json: "modRevision"), Field(4, "version", .int64), Field(5, "value", .bytes),
        Field(6, "lease", .int64),
    ]
    private static let eventFields = [
        Field(1, "type", .enumeration(["PUT", "DELETE"])), Field(2, "kv", .message(.keyValue)),
        Field(3, "prev_kv", .message(.keyValue), json: "prevKv"),
    ]
    private static let rangeRequestFields = [
        Field(1, "key", .bytes), Field(2, "range_end", .bytes, json: "rangeEnd"), Field(3, "limit", .int64),
        Field(4, "revision", .int64), Field(5, "sort_order", .enumeration(["NONE", "ASCEND", "DESCEND"]), json: "sortOrder"),
        Field(6, "sort_target", .enumeration(["KEY", "VERSION", "CREATE", "MOD", "VALUE"]), json: "sortTarget"),
        Field(7, "serializable", .bool), Field(8, "keys_only", .bool, json: "keysOnly"),
        Field(9, "count_only", .bool, json: "countOnly"),
        Field(10, "min_mod_revision", .int64, json: "minModRevision"),
        Field(11, "max_mod_revision", .int64, json: "maxModRevision"),
        Field(12, "min_create_revision", .int64, json: "minCreateRevision"),
        Field(13, "max_create_revision", .int64, json: "maxCreateRevision"),
    ]
    private static let rangeResponseFields = [
        header, Field(2, "kvs", .messages(.keyValue)), Field(3, "more", .bool), Field(4, "count", .int64),
    ]
    private static let putRequestFields = [
        Field(1, "key", .bytes), Field(2, "value", .bytes), Field(3, "lease", .int64), Field(4, "prev_kv", .bool, json: "prevKv"),
        Field(5, "ignore_value", .bool, json: "ignoreValue"), Field(6, "ignore_lease", .bool, json: "ignoreLease"),
    ]
    private static let putResponseFields = [header, Field(2, "prev_kv", .message(.keyValue), json: "prevKv")]
    private static let deleteRangeRequestFields = [
        Field(1, "key", .bytes), Field(2, "range_end", .bytes, json: "rangeEnd"), Field(3, "prev_kv", .bool, json: "prevKv"),
    ]
    private static let deleteRangeResponseFields = [
        header, Field(2, "deleted", .int64), Field(3, "prev_kvs", .messages(.keyValue), json: "prevKvs"),
    ]
    private static let compareFields = [
        Field(1, "result", .enumeration(["EQUAL", "GREATER", "LESS", "NOT_EQUAL"])),
        Field(2, "target", .enumeration(["VERSION", "CREATE", "MOD", "VALUE", "LEASE"])), Field(3, "key", .bytes),
        Field(4, "version", .int64, isInOneof: true),
        Field(5, "create_revision", .int64, json: "createRevision", isInOneof: true),
        Field(6, "mod_revision", .int64, json: "modRevision", isInOneof: true), Field(7, "value", .bytes, isInOneof: true),
        Field(8, "lease", .int64, isInOneof: true), Field(64, "range_end", .bytes, json: "rangeEnd"),
    ]
    private static let requestOpFields = [
        Field(1, "request_range", .message(.rangeRequest), json: "requestRange", isInOneof: true),
        Field(2, "request_put", .message(.putRequest), json: "requestPut", isInOneof: true),
        Field(3, "request_delete_range", .message(.deleteRangeRequest), json: "requestDeleteRange", isInOneof: true),
        Field(4, "request_txn", .message(.txnRequest), json: "requestTxn", isInOneof: true),
    ]
    private static let responseOpFields = [
        Field(1, "response_range", .message(.rangeResponse), json: "responseRange", isInOneof: true),
        Field(2, "response_put", .message(.putResponse), json: "responsePut", isInOneof: true),
        Field(3, "response_delete_range", .message(.deleteRangeResponse), json: "responseDeleteRange", isInOneof: true),
        Field(4, "response_txn", .message(.txnResponse), json: "responseTxn", isInOneof: true),
    ]
    private static let txnRequestFields = [
        Field(1, "compare", .messages(.compare)), Field(2, "success", .messages(.requestOp)),
        Field(3, "failure", .messages(.requestOp)),
    ]
    private static let txnResponseFields = [
        header, Field(2, "succeeded", .bool), Field(3, "responses", .messages(.responseOp)),
    ]
    private static let compactionRequestFields = [Field(1, "revision", .int64), Field(2, "physical", .bool)]
    // Without the reason of a cancellation.
    private static let watchResponseFields = [
        header, Field(2, "watch_id", .int64, json: "watchId"), Field(3, "created", .bool), Field(4, "canceled", .bool),
        Field(5, "compact_revision", .int64, json: "compactRevision"), Field(7, "fragment", .bool),
        Field(11, "events", .messages(.event)),
    ]
    private static let leaseGrantRequestFields = [Field(1, "TTL", .int64), Field(2, "ID", .int64)]
    private static let leaseIDFields = [Field(1, "ID", .int64)]
    private static let leaseTimeFields = [header, Field(2, "ID", .int64), Field(3, "TTL", .int64)]
}

extension RPC {
    /// The shapes of its request and its response, if the straight way knows them.
    package var plainShapes: (request: PlainShape?, response: PlainShape?) {
        switch self {
        case .range: (.rangeRequest, .rangeResponse)
        case .put: (.putRequest, .putResponse)
        case .deleteRange: (.deleteRangeRequest, .deleteRangeResponse)
        case .txn: (.txnRequest, .txnResponse)
        case .compact: (.compactionRequest, .compactionResponse)
        case .watch: (nil, .watchResponse)
        case .leaseGrant: (.leaseGrantRequest, .leaseGrantResponse)
        case .leaseRevoke: (.leaseRevokeRequest, .leaseRevokeResponse)
        case .leaseKeepAlive: (.leaseKeepAliveRequest, .leaseKeepAliveResponse)
        default: (nil, nil)
        }
    }
}
