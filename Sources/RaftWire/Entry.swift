// One position of the replicated log.

package import Base
package import Wire

/// What an entry's data holds.
package enum EntryType: Int, Sendable, Hashable {
    /// A proposal, or nothing (a new leader's first entry).
    case normal = 0
    /// An encoded `ConfChange`.
    case confChange = 1
    /// An encoded `ConfChangeV2`; no data at all leaves a joint configuration.
    case confChangeV2 = 2
}

package struct Entry: WireMessage {
    package var term: Term
    package var index: LogIndex
    package var type: EntryType
    /// After decoding, a slice of the input.
    package var data: Bytes

    package init(term: Term = 0, index: LogIndex = 0, type: EntryType = .normal, data: Bytes = Bytes()) {
        self.term = term
        self.index = index
        self.type = type
        self.data = data
    }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init()
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: type = try reader.known(field)
            case 2: term = try reader.uint64(field)
            case 3: index = try reader.uint64(field)
            case 4: data = try reader.bytes(field)
            default: try reader.skip(field)
            }
        }
    }

    package var encodedSize: Int {
        var size = 2 + numberFieldSize(term) + numberFieldSize(index)
        if !data.isEmpty { size += lengthDelimitedFieldSize(data.count) }
        return size
    }

    package func encode(into writer: inout WireWriter) {
        writer.explicit(1, UInt64(type.rawValue))
        writer.explicit(2, term)
        writer.explicit(3, index)
        writer.field(4, data)
    }
}

extension WireReader {
    /// An enum value that must be one we know: a log with others can be neither applied nor passed on.
    mutating func known<Value: RawRepresentable>(_ field: Field) throws(WireError) -> Value
    where Value.RawValue == Int {
        guard let value = Value(rawValue: try enumeration(field)) else { throw .malformedTag }
        return value
    }
}
