// What can be asked of the keys, as values, and the answers; each knows its form on the wire.

import EtcdWire
import FoundationEssentials
import SwiftProtobuf

/// Reads keys.
public struct GetRequest: Sendable, Hashable {
    /// The order of the keys in the answer.
    public enum Order: Sendable, Hashable {
        case key, version, createRevision, modRevision, value
    }

    public var range: KeyRange
    /// How many keys at most; 0 for all.
    public var limit: Int64 = 0
    /// The store's state to read; 0 for the present one.
    public var revision: Int64 = 0
    public var order = Order.key
    public var isDescending = false
    /// Whether any member may answer from what it knows, which is quicker and may be stale.
    public var isSerializable = false
    /// Whether the values are left out.
    public var isKeysOnly = false
    /// Whether only ``GetResult/count`` is wanted.
    public var isCountOnly = false
    /// Only keys changed, or made, at revisions within these bounds; 0 for no bound.
    public var minModRevision: Int64 = 0
    public var maxModRevision: Int64 = 0
    public var minCreateRevision: Int64 = 0
    public var maxCreateRevision: Int64 = 0

    public init(_ range: KeyRange, limit: Int64 = 0, revision: Int64 = 0, isSerializable: Bool = false) {
        self.range = range
        self.limit = limit
        self.revision = revision
        self.isSerializable = isSerializable
    }

    var message: Etcdserverpb_RangeRequest {
        .with {
            $0.key = Data(range.start)
            $0.rangeEnd = Data(range.end)
            $0.limit = limit
            $0.revision = revision
            $0.serializable = isSerializable
            $0.keysOnly = isKeysOnly
            $0.countOnly = isCountOnly
            $0.minModRevision = minModRevision
            $0.maxModRevision = maxModRevision
            $0.minCreateRevision = minCreateRevision
            $0.maxCreateRevision = maxCreateRevision
            switch order {
            case .key: $0.sortTarget = .key
            case .version: $0.sortTarget = .version
            case .createRevision: $0.sortTarget = .create
            case .modRevision: $0.sortTarget = .mod
            case .value: $0.sortTarget = .value
            }
            // Keys come in their order by themselves.
            if isDescending { $0.sortOrder = .descend } else if order != .key { $0.sortOrder = .ascend }
        }
    }
}

/// Writes a key.
public struct PutRequest: Sendable, Hashable {
    public var key: [UInt8]
    public var value: [UInt8]
    /// A lease with which the key vanishes; 0 for none.
    public var lease: Int64
    /// Whether the answer brings the key as it was.
    public var wantsPrevious = false
    /// Whether the key keeps its value, and ``value`` is empty; it must exist.
    public var keepsValue = false
    /// Whether the key keeps its lease, and ``lease`` is 0; it must exist.
    public var keepsLease = false

    public init(_ key: some Octets, _ value: some Octets, lease: Int64 = 0, wantsPrevious: Bool = false) {
        self.key = key.octets
        self.value = value.octets
        self.lease = lease
        self.wantsPrevious = wantsPrevious
    }

    var message: Etcdserverpb_PutRequest {
        .with {
            $0.key = Data(key)
            $0.value = Data(value)
            $0.lease = lease
            $0.prevKv = wantsPrevious
            $0.ignoreValue = keepsValue
            $0.ignoreLease = keepsLease
        }
    }
}

/// Deletes keys.
public struct DeleteRequest: Sendable, Hashable {
    public var range: KeyRange
    /// Whether the answer brings the keys as they were.
    public var wantsPrevious: Bool

    public init(_ range: KeyRange, wantsPrevious: Bool = false) {
        self.range = range
        self.wantsPrevious = wantsPrevious
    }

    var message: Etcdserverpb_DeleteRangeRequest {
        .with {
            $0.key = Data(range.start)
            $0.rangeEnd = Data(range.end)
            $0.prevKv = wantsPrevious
        }
    }
}

/// The answer to ``GetRequest``.
public struct GetResult: Sendable, Hashable {
    public var pairs: [KeyValue]
    /// How many keys the range has, whatever the limit.
    public let count: Int64
    /// Whether the limit left keys out.
    public let hasMore: Bool
    public let header: ResponseHeader

    init(_ message: Etcdserverpb_RangeResponse) {
        pairs = message.kvs.map { KeyValue($0) }
        count = message.count
        hasMore = message.more
        header = ResponseHeader(message.header)
    }

    init(pairs: [KeyValue], count: Int64, header: ResponseHeader) {
        self.pairs = pairs
        self.count = count
        hasMore = false
        self.header = header
    }
}

/// The answer to ``PutRequest``.
public struct PutResult: Sendable, Hashable {
    /// The key as it was, if that was asked for and it was there.
    public var previous: KeyValue?
    public let header: ResponseHeader

    init(_ message: Etcdserverpb_PutResponse) {
        previous = message.hasPrevKv ? KeyValue(message.prevKv) : nil
        header = ResponseHeader(message.header)
    }
}

/// The answer to ``DeleteRequest``.
public struct DeleteResult: Sendable, Hashable {
    /// How many keys there were.
    public let count: Int64
    /// The keys as they were, if that was asked for.
    public var previous: [KeyValue]
    public let header: ResponseHeader

    init(_ message: Etcdserverpb_DeleteRangeResponse) {
        count = message.deleted
        previous = message.prevKvs.map { KeyValue($0) }
        header = ResponseHeader(message.header)
    }
}
