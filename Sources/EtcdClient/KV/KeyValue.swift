// The public values of the store: keys with their histories, and the heads of answers.

import EtcdWire
import FoundationEssentials

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

    /// The key as text; bytes that are no UTF-8 become replacement characters.
    public var name: String { String(decoding: key, as: UTF8.self) }

    /// The value as text; bytes that are no UTF-8 become replacement characters.
    public var text: String { String(decoding: value, as: UTF8.self) }

    init(_ message: Mvccpb_KeyValue, strips: Int = 0) {
        key = Array(message.key.dropFirst(strips))
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
    /// The store's revision when the request was done.
    public let revision: Int64
    public let raftTerm: UInt64

    init(_ message: Etcdserverpb_ResponseHeader) {
        clusterID = message.clusterID
        memberID = message.memberID
        revision = message.revision
        raftTerm = message.raftTerm
    }
}
