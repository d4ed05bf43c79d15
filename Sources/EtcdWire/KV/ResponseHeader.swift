// The head of every answer.

package import Base
package import Wire

/// Who answered, and how far its store was.
package struct ResponseHeader: WireMessage {
    package var clusterID: ClusterID
    package var memberID: MemberID
    /// The store's revision when the request was handled; 0 in answers that have nothing to do with the store.
    package var revision: Int64
    package var raftTerm: Term

    package init(clusterID: ClusterID = 0, memberID: MemberID = 0, revision: Int64 = 0, raftTerm: Term = 0) {
        self.clusterID = clusterID
        self.memberID = memberID
        self.revision = revision
        self.raftTerm = raftTerm
    }

    package init() {
        self.init(clusterID: 0)
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.field(1, clusterID)
        sink.field(2, memberID)
        sink.field(3, revision)
        sink.field(4, raftTerm)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): clusterID = try reader.uint64(field)
            case (2, .varint): memberID = try reader.uint64(field)
            case (3, .varint): revision = try reader.int64(field)
            case (4, .varint): raftTerm = try reader.uint64(field)
            default: try reader.skip(field)
            }
        }
    }
}
