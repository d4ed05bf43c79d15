// Dropping old revisions.

package import Base
package import Wire

/// Drops what is older than `revision`.
package struct CompactionRequest: WireMessage {
    package var revision: Int64
    /// Answer only when the rows are gone.
    package var physical: Bool

    package init(revision: Int64 = 0, physical: Bool = false) {
        self.revision = revision
        self.physical = physical
    }

    package init() {
        self.init(revision: 0)
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.field(1, revision)
        sink.field(2, physical)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): revision = try reader.int64(field)
            case (2, .varint): physical = try reader.bool(field)
            default: try reader.skip(field)
            }
        }
    }
}

/// The answer to a compaction.
package struct CompactionResponse: WireMessage {
    package var header: ResponseHeader?

    package init(header: ResponseHeader? = nil) {
        self.header = header
    }

    package init() {
        self.init(header: nil)
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.message(1, header)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): try reader.merge(field, into: &header, depth: depth)
            default: try reader.skip(field)
            }
        }
    }
}
