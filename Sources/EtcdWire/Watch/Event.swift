// What happened to one key, as watchers are told.

package import Base
package import Wire

/// A put or a delete.
package struct Event: WireMessage {
    package var type: EventType
    /// Of a delete only key and modRevision.
    package var kv: KeyValue?
    /// What was there before, for watchers that asked.
    package var prevKV: KeyValue?

    package init(type: EventType = EventType(rawValue: 0), kv: KeyValue? = nil, prevKV: KeyValue? = nil) {
        self.type = type
        self.kv = kv
        self.prevKV = prevKV
    }

    package init() {
        self.init(type: EventType(rawValue: 0))
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.field(1, type.wireValue)
        sink.message(2, kv)
        sink.message(3, prevKV)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): type = EventType(rawValue: try reader.enumeration(field))
            case (2, .lengthDelimited): try reader.merge(field, into: &kv, depth: depth)
            case (3, .lengthDelimited): try reader.merge(field, into: &prevKV, depth: depth)
            default: try reader.skip(field)
            }
        }
    }
}
