// Messages to JSON, straight: for responses of known fields in ascending order, as this server encodes them. Anything else
// is left to the general way. What comes out is to the byte what the general way makes.

package import Base
import Wire

package struct PlainJSONWriter {
    private static let depthMax = 16

    private var output: [UInt8] = []

    /// The message's JSON; nil if the general way has to make it.
    package static func json(_ message: Bytes, _ shape: PlainShape) -> Bytes? {
        var writer = PlainJSONWriter()
        writer.output.reserveCapacity(message.count * 2 + 128)
        do throws(WireError) {
            guard try writer.message(WireReader(message), shape, depth: 0) else { return nil }
        } catch {
            return nil
        }
        return Bytes(writer.output)
    }

    private mutating func message(_ reader: WireReader, _ shape: PlainShape, depth: Int) throws(WireError) -> Bool {
        guard depth < Self.depthMax else { return false }
        let fields = shape.fields
        var reader = reader
        // The field that was written last, and whether its array is open.
        var (index, last, isArray) = (0, 0, false)
        var (isFirst, hasOneof) = (true, false)
        output.append(UInt8(ascii: "{"))
        while let tag = try reader.next() {
            while index < fields.count, fields[index].number < tag.number { index += 1 }
            guard index < fields.count, fields[index].number == tag.number, tag.number >= last else { return false }
            let field = fields[index]
            if field.isInOneof {
                if hasOneof { return false }
                hasOneof = true
            }
            if case .messages(let shape) = field.kind {
                if tag.number == last {
                    output.append(UInt8(ascii: ","))
                } else {
                    if isArray { output.append(UInt8(ascii: "]")) }
                    name(field, &isFirst)
                    output.append(UInt8(ascii: "["))
                }
                (isArray, last) = (true, tag.number)
                guard try message(WireReader(try reader.bytes(tag)), shape, depth: depth + 1) else { return false }
                continue
            }
            guard tag.number > last else { return false }
            if isArray { output.append(UInt8(ascii: "]")) }
            (isArray, last) = (false, tag.number)
            guard try value(field, tag, &reader, &isFirst, depth: depth) else { return false }
        }
        if isArray { output.append(UInt8(ascii: "]")) }
        output.append(UInt8(ascii: "}"))
        return true
    }

    private mutating func name(_ field: PlainShape.Field, _ isFirst: inout Bool) {
        if !isFirst { output.append(UInt8(ascii: ",")) }
        isFirst = false
        quoted(field.name)
        output.append(UInt8(ascii: ":"))
    }

    private mutating func quoted(_ text: StaticString) {
        output.append(UInt8(ascii: "\""))
        output.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
        output.append(UInt8(ascii: "\""))
    }

    /// A value that is the default of its type is left out, unless it tells which of several fields there is.
    private mutating func value(
        _ field: PlainShape.Field, _ tag: WireReader.Field, _ reader: inout WireReader, _ isFirst: inout Bool, depth: Int
    ) throws(WireError) -> Bool {
        switch field.kind {
        case .bytes:
            let bytes = try reader.bytes(tag)
            if bytes.isEmpty, !field.isInOneof { return true }
            name(field, &isFirst)
            base64(bytes)
        case .int64:
            let value = try reader.int64(tag)
            if value == 0, !field.isInOneof { return true }
            name(field, &isFirst)
            decimal(value.magnitude, isNegative: value < 0)
        case .uint64:
            let value = try reader.uint64(tag)
            if value == 0, !field.isInOneof { return true }
            name(field, &isFirst)
            decimal(value, isNegative: false)
        case .bool:
            let value = try reader.bool(tag)
            if !value, !field.isInOneof { return true }
            name(field, &isFirst)
            output += value ? "true".utf8 : "false".utf8
        case .enumeration(let names):
            let value = try reader.uint64(tag)
            if value == 0, !field.isInOneof { return true }
            guard value < names.count else { return false }
            name(field, &isFirst)
            quoted(names[Int(value)])
        case .message(let shape):
            name(field, &isFirst)
            return try message(WireReader(try reader.bytes(tag)), shape, depth: depth + 1)
        case .messages: return false
        }
        return true
    }

    /// A number of 64 bits, between quotes.
    private mutating func decimal(_ magnitude: UInt64, isNegative: Bool) {
        output.append(UInt8(ascii: "\""))
        if isNegative { output.append(UInt8(ascii: "-")) }
        let start = output.count
        var rest = magnitude
        repeat {
            output.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        output[start...].reverse()
        output.append(UInt8(ascii: "\""))
    }

    private mutating func base64(_ bytes: Bytes) {
        output.append(UInt8(ascii: "\""))
        let start = output.count
        output.append(contentsOf: repeatElement(UInt8(ascii: "="), count: (bytes.count + 2) / 3 * 4))
        output.withUnsafeMutableBufferPointer { output in
            base64Alphabet.withUnsafeBufferPointer { alphabet in
                bytes.withUnsafeBytes { bytes in
                    var (index, end) = (0, start)
                    while index < bytes.count {
                        let left = bytes.count - index
                        let second = left > 1 ? UInt32(bytes[index + 1]) : 0
                        let third = left > 2 ? UInt32(bytes[index + 2]) : 0
                        let bits = UInt32(bytes[index]) << 16 | second << 8 | third
                        output[end] = alphabet[Int(bits >> 18)]
                        output[end + 1] = alphabet[Int(bits >> 12 & 63)]
                        if left > 1 { output[end + 2] = alphabet[Int(bits >> 6 & 63)] }
                        if left > 2 { output[end + 3] = alphabet[Int(bits & 63)] }
                        index += 3
                        end += 4
                    }
                }
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}
