// Writing one key.

package import Base
package import Wire

/// A write.
package struct PutRequest: WireMessage {
    package var key: Bytes
    package var value: Bytes
    /// 0: none.
    package var lease: LeaseID
    /// Answer with the pair as it was.
    package var prevKV: Bool
    /// Keep the present value; `value` must be empty.
    package var ignoreValue: Bool
    /// Keep the present lease; `lease` must be 0.
    package var ignoreLease: Bool

    package init(
        key: Bytes = Bytes(),
        value: Bytes = Bytes(),
        lease: LeaseID = 0,
        prevKV: Bool = false,
        ignoreValue: Bool = false,
        ignoreLease: Bool = false
    ) {
        self.key = key
        self.value = value
        self.lease = lease
        self.prevKV = prevKV
        self.ignoreValue = ignoreValue
        self.ignoreLease = ignoreLease
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
        sink.field(2, value)
        sink.field(3, lease)
        sink.field(4, prevKV)
        sink.field(5, ignoreValue)
        sink.field(6, ignoreLease)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): key = try reader.bytes(field)
            case (2, .lengthDelimited): value = try reader.bytes(field)
            case (3, .varint): lease = try reader.int64(field)
            case (4, .varint): prevKV = try reader.bool(field)
            case (5, .varint): ignoreValue = try reader.bool(field)
            case (6, .varint): ignoreLease = try reader.bool(field)
            default: try reader.skip(field)
            }
        }
    }
}

/// The answer to a write.
package struct PutResponse: WireMessage {
    package var header: ResponseHeader?
    /// The encoded `KeyValue` as it was.
    package var prevKV: Bytes?

    package init(header: ResponseHeader? = nil, prevKV: Bytes? = nil) {
        self.header = header
        self.prevKV = prevKV
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
        if let prevKV { sink.explicit(2, prevKV) }
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): try reader.merge(field, into: &header, depth: depth)
            case (2, .lengthDelimited):
                prevKV = joined(prevKV, try reader.checked(field, as: KeyValue.self, depth: depth))
            default: try reader.skip(field)
            }
        }
    }
}
