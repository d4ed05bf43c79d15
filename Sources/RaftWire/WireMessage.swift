// What all messages of this room have in common: an exact size, an encoder, and a decoder that skips unknown fields.
//
// raftpb, walpb and etcdserverpb.Metadata are proto2. Members up to 3.6 write every non-nullable field, zero or not, in
// the order of field numbers; 3.7 writes what is set. We write the older form (every version reads it) and read both.
// Of a field that occurs twice the last one counts; repeated numbers may come packed or one by one.

package import Base
package import Wire

/// A message with a direct codec.
package protocol WireMessage: Sendable, Hashable {
    init(decoding bytes: Bytes) throws(WireError)
    /// The exact length of the encoding, in bytes.
    var encodedSize: Int { get }
    /// Appends the encoding.
    func encode(into writer: inout WireWriter)
}

extension WireMessage {
    package func encoded() -> Bytes {
        var writer = WireWriter(capacity: encodedSize)
        encode(into: &writer)
        return writer.bytes
    }
}

/// The size of a number field with a one-byte tag (field numbers below 16).
@inline(__always)
func numberFieldSize(_ value: UInt64) -> Int { 1 + varintSize(value) }

/// The size of a length-delimited field with a one-byte tag.
@inline(__always)
func lengthDelimitedFieldSize(_ length: Int) -> Int { 1 + varintSize(length) + length }

extension WireWriter {
    /// A message field, present whatever it holds.
    mutating func message(_ number: Int, _ value: some WireMessage) {
        header(number, length: value.encodedSize)
        value.encode(into: &self)
    }
}

extension WireReader {
    /// Appends the element, or all elements of a packed run, of a repeated number field.
    mutating func append(_ field: Field, to array: inout [UInt64]) throws(WireError) {
        guard field.type == .lengthDelimited else {
            array.append(try uint64(field))
            return
        }
        var packed = WireReader(try bytes(field))
        while !packed.isAtEnd { array.append(try packed.varint()) }
    }
}
