// Deleting one key or a range of keys.

package import Base
package import Wire

/// A deletion. See `KeyRange` for what `key` and `rangeEnd` select.
package struct DeleteRangeRequest: WireMessage {
    package var key: Bytes
    package var rangeEnd: Bytes
    /// Answer with the pairs as they were.
    package var prevKV: Bool

    package init(key: Bytes = Bytes(), rangeEnd: Bytes = Bytes(), prevKV: Bool = false) {
        self.key = key
        self.rangeEnd = rangeEnd
        self.prevKV = prevKV
    }

    package init() {
        self.init(key: Bytes())
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.field(1, key)
        sink.field(2, rangeEnd)
        sink.field(3, prevKV)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): key = try reader.bytes(field)
            case (2, .lengthDelimited): rangeEnd = try reader.bytes(field)
            case (3, .varint): prevKV = try reader.bool(field)
            default: try reader.skip(field)
            }
        }
    }
}

/// The answer to a deletion.
package struct DeleteRangeResponse: WireMessage {
    package var header: ResponseHeader?
    package var deleted: Int64
    /// Encoded `KeyValue` messages.
    package var prevKVs: [Bytes]

    package init(header: ResponseHeader? = nil, deleted: Int64 = 0, prevKVs: [Bytes] = []) {
        self.header = header
        self.deleted = deleted
        self.prevKVs = prevKVs
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
        sink.field(2, deleted)
        sink.encoded(3, prevKVs)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): try reader.merge(field, into: &header, depth: depth)
            case (2, .varint): deleted = try reader.int64(field)
            case (3, .lengthDelimited): prevKVs.append(try reader.checked(field, as: KeyValue.self, depth: depth))
            default: try reader.skip(field)
            }
        }
    }
}
