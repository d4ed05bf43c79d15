// The direct codec's two halves, shared by all hand-written messages: how fields go out and how they come in.
//
// A message lists its fields once, in ascending order, to a `FieldSink`; one sink measures and the other writes, so the
// length in front of a nested message can never disagree with its bytes. Reading merges into what is already there,
// as protobuf demands where a singular message field occurs twice. Rules shared with Go's protobuf: unknown fields and
// known fields of another wire type are skipped, the last scalar wins, strings must be UTF-8.

import Base
package import Wire

/// Where a message's fields go: proto3's defaults are left out by `field`, written by `explicit`.
protocol FieldSink {
    mutating func field(_ number: Int, _ value: UInt64)
    mutating func field(_ number: Int, _ value: Int64)
    mutating func field(_ number: Int, _ value: Bool)
    mutating func field(_ number: Int, _ value: Bytes)
    mutating func field(_ number: Int, _ value: String)
    mutating func explicit(_ number: Int, _ value: UInt64)
    mutating func explicit(_ number: Int, _ value: Bytes)
    mutating func explicit(_ number: Int, _ value: String)
    mutating func message(_ number: Int, _ value: some WireMessage)
}

/// A message the direct codec knows. `package` members of the conforming types call the helpers below, so that every
/// call from another room lands on code specialised for its type.
protocol WireMessage: Sendable, Equatable {
    init()
    /// Names every field in ascending order.
    func write(to sink: inout some FieldSink)
    /// Reads `bytes` over the present content; `depth` counts the messages around this one.
    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError)
}

/// Messages within messages, the outermost included; beyond it input is refused, so that hostile nesting cannot
/// exhaust the stack. The number is protobuf's usual one (C++, Java, Swift); a transaction takes two levels for every
/// transaction inside it.
let nestingDepthMax = 100

extension WireError {
    /// Messages nested deeper than `nestingDepthMax`.
    package static var nestedTooDeeply: WireError { .malformedGroup }
}

extension WireMessage {
    @inline(__always)
    func measured() -> Int {
        var sink = SizeSink()
        write(to: &sink)
        return sink.size
    }

    @inline(__always)
    func serialized() -> Bytes {
        var writer = WireWriter(capacity: measured())
        write(to: &writer)
        return writer.bytes
    }

    @inline(__always)
    static func parsed(_ bytes: Bytes) throws(WireError) -> Self {
        var message = Self()
        try message.merge(bytes, depth: 0)
        return message
    }
}

/// Adds up what the fields would take.
struct SizeSink: FieldSink {
    private(set) var size = 0

    private mutating func varint(_ number: Int, _ value: UInt64) {
        size += varintSize(number << 3) + varintSize(value)
    }

    private mutating func lengthDelimited(_ number: Int, _ length: Int) {
        size += varintSize(number << 3) + varintSize(length) + length
    }

    mutating func field(_ number: Int, _ value: UInt64) {
        if value != 0 { varint(number, value) }
    }

    mutating func field(_ number: Int, _ value: Int64) {
        if value != 0 { varint(number, UInt64(bitPattern: value)) }
    }

    mutating func field(_ number: Int, _ value: Bool) {
        if value { varint(number, 1) }
    }

    mutating func field(_ number: Int, _ value: Bytes) {
        if !value.isEmpty { lengthDelimited(number, value.count) }
    }

    mutating func field(_ number: Int, _ value: String) {
        if !value.isEmpty { lengthDelimited(number, value.utf8.count) }
    }

    mutating func explicit(_ number: Int, _ value: UInt64) { varint(number, value) }
    mutating func explicit(_ number: Int, _ value: Bytes) { lengthDelimited(number, value.count) }
    mutating func explicit(_ number: Int, _ value: String) { lengthDelimited(number, value.utf8.count) }
    mutating func message(_ number: Int, _ value: some WireMessage) { lengthDelimited(number, value.measured()) }
}

extension WireWriter: FieldSink {
    mutating func message(_ number: Int, _ value: some WireMessage) {
        header(number, length: value.measured())
        value.write(to: &self)
    }
}

extension FieldSink {
    mutating func message(_ number: Int, _ value: (some WireMessage)?) {
        if let value { message(number, value) }
    }

    mutating func messages(_ number: Int, _ values: [some WireMessage]) {
        for value in values { message(number, value) }
    }

    /// Elements that are encoded already.
    mutating func encoded(_ number: Int, _ values: [Bytes]) {
        for value in values { explicit(number, value) }
    }

    mutating func texts(_ number: Int, _ values: [String]) {
        for value in values { explicit(number, value) }
    }
}

extension WireReader {
    /// Reads a nested message over `value`.
    mutating func merge<M: WireMessage>(_ field: Field, into value: inout M, depth: Int) throws(WireError) {
        let content = try bytes(field)
        guard depth + 1 < nestingDepthMax else { throw .nestedTooDeeply }
        try value.merge(content, depth: depth + 1)
    }

    /// Reads a nested message over `value`, or a new one.
    mutating func merge<M: WireMessage>(_ field: Field, into value: inout M?, depth: Int) throws(WireError) {
        var message = value ?? M()
        try merge(field, into: &message, depth: depth)
        value = message
    }

    /// Reads one element of a repeated message field.
    mutating func element<M: WireMessage>(_ field: Field, depth: Int) throws(WireError) -> M {
        var message = M()
        try merge(field, into: &message, depth: depth)
        return message
    }

    /// Takes a message as it stands, having checked that it is an `M`.
    mutating func checked<M: WireMessage>(_ field: Field, as type: M.Type, depth: Int) throws(WireError) -> Bytes {
        var copy = self
        let _: M = try copy.element(field, depth: depth)
        return try bytes(field)
    }
}

/// The parts of a message field that came in several pieces, as one encoding: protobuf merges by concatenation.
func joined(_ first: Bytes?, _ second: Bytes) -> Bytes {
    guard let first, !first.isEmpty else { return second }
    var writer = WireWriter(capacity: first.count + second.count)
    writer.append(first)
    writer.append(second)
    return writer.bytes
}
