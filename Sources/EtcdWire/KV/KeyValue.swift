// A key with its history: also the value format of the `key` bucket.

package import Base
package import Wire

/// A key, its value and where both stand in history.
package struct KeyValue: WireMessage {
    package var key: Bytes
    /// The put that began this generation of the key.
    package var createRevision: Int64
    /// The last write.
    package var modRevision: Int64
    /// 1 at creation, one more with every put.
    package var version: Int64
    package var value: Bytes
    /// 0: none.
    package var lease: LeaseID

    package init(
        key: Bytes = Bytes(),
        createRevision: Int64 = 0,
        modRevision: Int64 = 0,
        version: Int64 = 0,
        value: Bytes = Bytes(),
        lease: LeaseID = 0
    ) {
        self.key = key
        self.createRevision = createRevision
        self.modRevision = modRevision
        self.version = version
        self.value = value
        self.lease = lease
    }

    package init() {
        self.init(key: Bytes())
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    /// How many bytes the key and the value of an encoded pair have; 0 of what is none.
    package static func payloadSize(of row: Bytes) -> Int {
        var reader = WireReader(row)
        var size = 0
        do throws(WireError) {
            while let field = try reader.next() {
                switch (field.number, field.type) {
                case (1, .lengthDelimited), (5, .lengthDelimited): size += try reader.bytes(field).count
                default: try reader.skip(field)
                }
            }
        } catch {
            return 0
        }
        return size
    }

    func write(to sink: inout some FieldSink) {
        sink.field(1, key)
        sink.field(2, createRevision)
        sink.field(3, modRevision)
        sink.field(4, version)
        sink.field(5, value)
        sink.field(6, lease)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): key = try reader.bytes(field)
            case (2, .varint): createRevision = try reader.int64(field)
            case (3, .varint): modRevision = try reader.int64(field)
            case (4, .varint): version = try reader.int64(field)
            case (5, .lengthDelimited): value = try reader.bytes(field)
            case (6, .varint): lease = try reader.int64(field)
            default: try reader.skip(field)
            }
        }
    }
}
