// The answer to a read. Pairs stay encoded: the store keeps them in just this form.

package import Base
package import Wire

/// The pairs found, each an encoded `KeyValue`.
package struct RangeResponse: WireMessage {
    package var header: ResponseHeader?
    /// Encoded `KeyValue` messages.
    package var kvs: [Bytes]
    /// The limit cut the result.
    package var more: Bool
    /// Keys in the range at the revision, whatever limit and filters left out.
    package var count: Int64

    package init(header: ResponseHeader? = nil, kvs: [Bytes] = [], more: Bool = false, count: Int64 = 0) {
        self.header = header
        self.kvs = kvs
        self.more = more
        self.count = count
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
        sink.encoded(2, kvs)
        sink.field(3, more)
        sink.field(4, count)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): try reader.merge(field, into: &header, depth: depth)
            case (2, .lengthDelimited): kvs.append(try reader.checked(field, as: KeyValue.self, depth: depth))
            case (3, .varint): more = try reader.bool(field)
            case (4, .varint): count = try reader.int64(field)
            default: try reader.skip(field)
            }
        }
    }
}
