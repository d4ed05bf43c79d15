// Who proposed an entry.

package import Base
package import Wire

/// Ties an entry to the request that caused it.
package struct RequestHeader: WireMessage {
    /// Correlates proposal and reply.
    package var id: UInt64
    /// Who asked; empty without authentication.
    package var username: String
    /// The auth store's revision at the proposal.
    package var authRevision: UInt64

    package init(id: UInt64 = 0, username: String = "", authRevision: UInt64 = 0) {
        self.id = id
        self.username = username
        self.authRevision = authRevision
    }

    package init() {
        self.init(id: 0)
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.field(1, id)
        sink.field(2, username)
        sink.field(3, authRevision)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): id = try reader.uint64(field)
            case (2, .lengthDelimited): username = try reader.string(field)
            case (3, .varint): authRevision = try reader.uint64(field)
            default: try reader.skip(field)
            }
        }
    }
}
