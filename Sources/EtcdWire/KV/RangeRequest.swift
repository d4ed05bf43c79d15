// The read of one key or a range of keys.

package import Base
package import Wire

/// A read. See `KeyRange` for what `key` and `rangeEnd` select.
package struct RangeRequest: WireMessage {
    package var key: Bytes
    package var rangeEnd: Bytes
    /// 0: no limit.
    package var limit: Int64
    /// Zero or less: the newest.
    package var revision: Int64
    package var sortOrder: SortOrder
    package var sortTarget: SortTarget
    /// Answer from the local store without asking the quorum.
    package var serializable: Bool
    package var keysOnly: Bool
    package var countOnly: Bool
    package var minModRevision: Int64
    package var maxModRevision: Int64
    package var minCreateRevision: Int64
    package var maxCreateRevision: Int64

    package init(
        key: Bytes = Bytes(),
        rangeEnd: Bytes = Bytes(),
        limit: Int64 = 0,
        revision: Int64 = 0,
        sortOrder: SortOrder = SortOrder(rawValue: 0),
        sortTarget: SortTarget = SortTarget(rawValue: 0),
        serializable: Bool = false,
        keysOnly: Bool = false,
        countOnly: Bool = false,
        minModRevision: Int64 = 0,
        maxModRevision: Int64 = 0,
        minCreateRevision: Int64 = 0,
        maxCreateRevision: Int64 = 0
    ) {
        self.key = key
        self.rangeEnd = rangeEnd
        self.limit = limit
        self.revision = revision
        self.sortOrder = sortOrder
        self.sortTarget = sortTarget
        self.serializable = serializable
        self.keysOnly = keysOnly
        self.countOnly = countOnly
        self.minModRevision = minModRevision
        self.maxModRevision = maxModRevision
        self.minCreateRevision = minCreateRevision
        self.maxCreateRevision = maxCreateRevision
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
        sink.field(3, limit)
        sink.field(4, revision)
        sink.field(5, sortOrder.wireValue)
        sink.field(6, sortTarget.wireValue)
        sink.field(7, serializable)
        sink.field(8, keysOnly)
        sink.field(9, countOnly)
        sink.field(10, minModRevision)
        sink.field(11, maxModRevision)
        sink.field(12, minCreateRevision)
        sink.field(13, maxCreateRevision)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): key = try reader.bytes(field)
            case (2, .lengthDelimited): rangeEnd = try reader.bytes(field)
            case (3, .varint): limit = try reader.int64(field)
            case (4, .varint): revision = try reader.int64(field)
            case (5, .varint): sortOrder = SortOrder(rawValue: try reader.enumeration(field))
            case (6, .varint): sortTarget = SortTarget(rawValue: try reader.enumeration(field))
            case (7, .varint): serializable = try reader.bool(field)
            case (8, .varint): keysOnly = try reader.bool(field)
            case (9, .varint): countOnly = try reader.bool(field)
            case (10, .varint): minModRevision = try reader.int64(field)
            case (11, .varint): maxModRevision = try reader.int64(field)
            case (12, .varint): minCreateRevision = try reader.int64(field)
            case (13, .varint): maxCreateRevision = try reader.int64(field)
            default: try reader.skip(field)
            }
        }
    }
}
