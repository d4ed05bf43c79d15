// Writing protobuf's wire format: varints, tags and length-delimited fields appended to one growing array.
// The format: https://protobuf.dev/programming-guides/encoding/

package import Base

/// How a field's payload is laid out.
package enum WireType: UInt8, Sendable {
    case varint = 0
    case fixed64 = 1
    case lengthDelimited = 2
    case startGroup = 3
    case endGroup = 4
    case fixed32 = 5
}

/// The number of bytes a varint takes: 1 to 10.
@inlinable
package func varintSize(_ value: UInt64) -> Int {
    (64 - (value | 1).leadingZeroBitCount + 6) / 7
}

@inlinable
package func varintSize(_ value: Int64) -> Int { varintSize(UInt64(bitPattern: value)) }

@inlinable
package func varintSize(_ value: Int) -> Int { varintSize(UInt64(bitPattern: Int64(value))) }

/// An output buffer for messages. Field writers with a plain name leave out proto3's default values.
package struct WireWriter: Sendable {
    package var array: [UInt8]

    @inlinable
    package init(capacity: Int = 0) {
        array = []
        if capacity > 0 { array.reserveCapacity(capacity) }
    }

    @inlinable package var count: Int { array.count }
    @inlinable package var bytes: Bytes { Bytes(array) }

    @inlinable
    package mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            array.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        array.append(UInt8(truncatingIfNeeded: rest))
    }

    @inlinable
    package mutating func tag(_ field: Int, _ type: WireType) {
        varint(UInt64(field) << 3 | UInt64(type.rawValue))
    }

    @inlinable
    package mutating func append(_ bytes: Bytes) {
        bytes.withUnsafeBytes { array.append(contentsOf: $0) }
    }

    @inlinable
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        array.append(contentsOf: bytes)
    }

    /// Writes the field even if zero (proto2's set fields).
    @inlinable
    package mutating func explicit(_ field: Int, _ value: UInt64) {
        tag(field, .varint)
        varint(value)
    }

    @inlinable
    package mutating func field(_ field: Int, _ value: UInt64) {
        if value != 0 { explicit(field, value) }
    }

    @inlinable
    package mutating func field(_ number: Int, _ value: Int64) {
        field(number, UInt64(bitPattern: value))
    }

    @inlinable
    package mutating func field(_ number: Int, _ value: Bool) {
        if value { explicit(number, 1) }
    }

    @inlinable
    package mutating func field(_ number: Int, _ value: Bytes) {
        if !value.isEmpty { explicit(number, value) }
    }

    /// Writes the field even if empty: elements of repeated fields and present messages.
    @inlinable
    package mutating func explicit(_ field: Int, _ value: Bytes) {
        tag(field, .lengthDelimited)
        varint(UInt64(value.count))
        append(value)
    }

    @inlinable
    package mutating func field(_ number: Int, _ value: String) {
        if !value.isEmpty { explicit(number, value) }
    }

    @inlinable
    package mutating func explicit(_ field: Int, _ value: String) {
        tag(field, .lengthDelimited)
        var copy = value
        copy.withUTF8 { text in
            varint(UInt64(text.count))
            array.append(contentsOf: text)
        }
    }

    /// The head of a length-delimited field whose `length` bytes the caller appends next.
    @inlinable
    package mutating func header(_ field: Int, length: Int) {
        tag(field, .lengthDelimited)
        varint(UInt64(length))
    }
}
