// The public values of the store: keys with their histories, and the heads of answers.

import EtcdWire
import Foundation

/// A key, its value, and where it stands in the store's history.
public struct KeyValue: Sendable, Hashable {
    public var key: [UInt8]
    public var value: [UInt8]
    /// The revision of the put that created the key.
    public var createRevision: Int64
    /// The revision of its last put.
    public var modRevision: Int64
    /// How many puts there were since its creation.
    public var version: Int64
    /// The lease it is attached to; 0 for none.
    public var lease: Int64

    /// The value as text; bytes that are no UTF-8 become replacement characters.
    public var text: String { String(decoding: value, as: UTF8.self) }

    init(_ message: Mvccpb_KeyValue) {
        key = Array(message.key)
        value = Array(message.value)
        createRevision = message.createRevision
        modRevision = message.modRevision
        version = message.version
        lease = message.lease
    }
}

/// Who answered, and at which revision of the store.
public struct ResponseHeader: Sendable, Hashable {
    public let clusterID: UInt64
    public let memberID: UInt64
    public let revision: Int64
    public let raftTerm: UInt64

    init(_ message: Etcdserverpb_ResponseHeader) {
        clusterID = message.clusterID
        memberID = message.memberID
        revision = message.revision
        raftTerm = message.raftTerm
    }
}

/// Which keys are meant.
public enum KeyRange: Sendable, Hashable {
    case key(String)
    /// All keys that begin with this; all keys if it is empty.
    case prefix(String)
    /// From the first, up to but without the second.
    case range(String, String)
    /// All keys from this on.
    case from(String)

    var ends: (key: Data, end: Data) {
        switch self {
        case .key(let key): (Data(key.utf8), Data())
        case .prefix(""), .from(""): (Data([0]), Data([0]))
        case .prefix(let prefix): (Data(prefix.utf8), Data(prefixEnd(Array(prefix.utf8))))
        case .range(let key, let end): (Data(key.utf8), Data(end.utf8))
        case .from(let key): (Data(key.utf8), Data([0]))
        }
    }
}
