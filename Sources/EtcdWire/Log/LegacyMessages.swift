// proto2 messages of the log: the WAL's metadata record, and the v2 store's request.

package import Base
package import Wire

/// The body of the WAL's metadata record: whose log this is. etcd always writes both fields.
package struct LogMetadata: WireMessage {
    package var memberID: MemberID
    package var clusterID: ClusterID

    package init(memberID: MemberID, clusterID: ClusterID) {
        self.memberID = memberID
        self.clusterID = clusterID
    }

    package init() { self.init(memberID: 0, clusterID: 0) }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }

    func write(to sink: inout some FieldSink) {
        sink.explicit(1, memberID)
        sink.explicit(2, clusterID)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): memberID = try reader.uint64(field)
            case (2, .varint): clusterID = try reader.uint64(field)
            default: try reader.skip(field)
            }
        }
    }
}

/// A request of the v2 store, as members of 3.5 and before put it into the log *in place of* an `InternalRaftRequest`:
/// bytes that are no `InternalRaftRequest` are one of these. Only what 3.5 still proposes is read: a PUT of a
/// member's attributes (`/0/members/<id>/attributes`) or of the cluster version (`/0/version`), and SYNC.
package struct LegacyRequest: Sendable, Equatable {
    package var id: UInt64
    package var method: String
    package var path: String
    package var value: String

    package init(id: UInt64 = 0, method: String = "", path: String = "", value: String = "") {
        self.id = id
        self.method = method
        self.path = path
        self.value = value
    }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init()
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): id = try reader.uint64(field)
            case (2, .lengthDelimited): method = try reader.string(field)
            case (3, .lengthDelimited): path = try reader.string(field)
            case (4, .lengthDelimited): value = try reader.string(field)
            default: try reader.skip(field)
            }
        }
    }
}
