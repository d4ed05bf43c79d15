// Reading protobuf's wire format from contiguous bytes without copying: length-delimited fields come out as slices.

package import Base

/// Why bytes are no message.
package enum WireError: Error, Sendable, Equatable {
    /// The input ends inside a field.
    case truncated
    /// A varint longer than ten bytes, or one whose tenth byte overflows 64 bits.
    case malformedVarint
    /// A field number 0, or a wire type that does not exist.
    case malformedTag
    /// The field has another wire type than its message says.
    case unexpectedWireType
    /// A string field that is not UTF-8.
    case malformedText
    /// Groups within groups, or an end without a start.
    case malformedGroup
}

/// A cursor over one message.
///
/// ```swift
/// var reader = WireReader(bytes)
/// while let field = try reader.next() {
///     switch field.number {
///     case 1: key = try reader.bytes(field)
///     default: try reader.skip(field)
///     }
/// }
/// ```
package struct WireReader: Sendable {
    @usableFromInline let storage: [UInt8]
    @usableFromInline var position: Int
    @usableFromInline let end: Int

    /// A field's number and layout, read from its tag.
    package struct Field: Sendable {
        package let number: Int
        package let type: WireType

        @inlinable
        init(number: Int, type: WireType) {
            self.number = number
            self.type = type
        }
    }

    @inlinable
    package init(_ bytes: Bytes) {
        storage = bytes.storage
        position = bytes.startInStorage
        end = bytes.startInStorage + bytes.count
    }

    @inlinable package var isAtEnd: Bool { position == end }

    /// What has not been read yet, as a slice.
    @inlinable package var rest: Bytes { Bytes(storage: storage, lower: position, upper: end) }

    /// The next field's tag, or nil at the end of the message.
    @inlinable
    package mutating func next() throws(WireError) -> Field? {
        if position == end { return nil }
        let tag = try varint()
        guard let type = WireType(rawValue: UInt8(truncatingIfNeeded: tag & 7)), tag >> 3 != 0, tag >> 3 <= 0x1fff_ffff else {
            throw .malformedTag
        }
        return Field(number: Int(truncatingIfNeeded: tag >> 3), type: type)
    }

    @inlinable
    package mutating func varint() throws(WireError) -> UInt64 {
        guard position < end else { throw .truncated }
        let first = storage[position]
        position &+= 1
        if first < 0x80 { return UInt64(first) }
        var result = UInt64(first & 0x7f)
        var shift: UInt64 = 7
        while true {
            guard position < end else { throw .truncated }
            let byte = storage[position]
            position &+= 1
            if shift == 63 && byte > 1 { throw .malformedVarint }
            result |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return result }
            shift &+= 7
        }
    }

    @inlinable
    package mutating func uint64(_ field: Field) throws(WireError) -> UInt64 {
        guard field.type == .varint else { throw .unexpectedWireType }
        return try varint()
    }

    @inlinable
    package mutating func int64(_ field: Field) throws(WireError) -> Int64 {
        Int64(bitPattern: try uint64(field))
    }

    @inlinable
    package mutating func bool(_ field: Field) throws(WireError) -> Bool {
        try uint64(field) != 0
    }

    /// An enum's number: protobuf keeps the low 32 bits.
    @inlinable
    package mutating func enumeration(_ field: Field) throws(WireError) -> Int {
        Int(Int32(truncatingIfNeeded: try uint64(field)))
    }

    /// A bytes, string or message field, as a slice of the input.
    @inlinable
    package mutating func bytes(_ field: Field) throws(WireError) -> Bytes {
        guard field.type == .lengthDelimited else { throw .unexpectedWireType }
        let length = try varint()
        guard length <= UInt64(end - position) else { throw .truncated }
        let start = position
        position &+= Int(truncatingIfNeeded: length)
        return Bytes(storage: storage, lower: start, upper: position)
    }

    /// A string field, which must be UTF-8.
    package mutating func string(_ field: Field) throws(WireError) -> String {
        let slice = try bytes(field)
        guard let text = slice.withUnsafeBytes({ String(validating: $0, as: UTF8.self) }) else { throw .malformedText }
        return text
    }

    /// Passes over a field nobody asked for.
    package mutating func skip(_ field: Field) throws(WireError) {
        switch field.type {
        case .varint: _ = try varint()
        case .fixed64: try advance(8)
        case .fixed32: try advance(4)
        case .lengthDelimited: _ = try bytes(field)
        case .startGroup: try skipGroup(field.number)
        case .endGroup: throw .malformedGroup
        }
    }

    /// A group runs to the matching end tag. Iterative, so that hostile nesting cannot exhaust the stack.
    private mutating func skipGroup(_ number: Int) throws(WireError) {
        var open = [number]
        while let innermost = open.last {
            guard let field = try next() else { throw .truncated }
            switch field.type {
            case .startGroup: open.append(field.number)
            case .endGroup:
                guard field.number == innermost else { throw .malformedGroup }
                open.removeLast()
            default: try skip(field)
            }
        }
    }

    private mutating func advance(_ length: Int) throws(WireError) {
        guard end - position >= length else { throw .truncated }
        position += length
    }
}
