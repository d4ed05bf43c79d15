// JSON to messages, straight: for requests of known fields in their plainest form, as nearly all are. Whatever is unusual
// (unknown fields, escapes, null, numbers with fractions, anything wrong) is left to the general way, which also knows
// what to say about it. What comes out is to the byte what the general way makes.

package import Base
import Wire

/// A walk over one JSON object. Every step returns false where the general way has to do it all.
package struct PlainJSONReader {
    private static let depthMax = 16

    private let input: UnsafeRawBufferPointer
    private var position = 0
    private var output = WireWriter()

    /// The message in the first value of `body`; nil if it is not that plain.
    package static func message(_ body: Bytes, _ shape: PlainShape) -> Bytes? {
        body.withUnsafeBytes { input -> Bytes? in
            var reader = PlainJSONReader(input)
            reader.skipWhitespace()
            guard reader.message(shape, depth: 0) else { return nil }
            return reader.output.bytes
        }
    }

    private init(_ input: UnsafeRawBufferPointer) {
        self.input = input
        output.array.reserveCapacity(input.count)
    }

    /// 0, which no JSON contains, at the end.
    private var next: UInt8 { position < input.count ? input[position] : 0 }

    private mutating func skipWhitespace() {
        while position < input.count, isJSONWhitespace(input[position]) { position += 1 }
    }

    private mutating func take(_ character: UInt8) -> Bool {
        guard next == character else { return false }
        position += 1
        return true
    }

    // MARK: Objects

    private mutating func message(_ shape: PlainShape, depth: Int) -> Bool {
        guard depth < Self.depthMax, take(UInt8(ascii: "{")) else { return false }
        skipWhitespace()
        if take(UInt8(ascii: "}")) { return true }
        let (fields, start) = (shape.fields, output.count)
        var segments: [(number: Int, start: Int)] = []
        var (seen, hasOneof, isSorted): (UInt64, Bool, Bool) = (0, false, true)
        while true {
            guard let name = string(), let index = fields.firstIndex(where: { Self.isName(name, of: $0) }) else { return false }
            let field = fields[index]
            // A field given twice, or two of which there may be one.
            if seen & 1 << UInt64(index) != 0 || (field.isInOneof && hasOneof) { return false }
            seen |= 1 << UInt64(index)
            if field.isInOneof { hasOneof = true }
            skipWhitespace()
            guard take(UInt8(ascii: ":")) else { return false }
            skipWhitespace()
            if let last = segments.last, last.number > field.number { isSorted = false }
            segments.append((field.number, output.count))
            guard value(field, depth: depth) else { return false }
            skipWhitespace()
            if take(UInt8(ascii: "}")) { break }
            guard take(UInt8(ascii: ",")) else { return false }
            skipWhitespace()
        }
        if !isSorted { sort(segments, from: start) }
        return true
    }

    private static func isName(_ text: UnsafeRawBufferPointer, of field: PlainShape.Field) -> Bool {
        if isSame(text, field.name) { return true }
        guard let jsonName = field.jsonName else { return false }
        return isSame(text, jsonName)
    }

    private static func isSame(_ text: UnsafeRawBufferPointer, _ name: StaticString) -> Bool {
        text.count == name.utf8CodeUnitCount && text.elementsEqual(UnsafeBufferPointer(start: name.utf8Start, count: text.count))
    }

    /// Brings the fields of an object into the order of their numbers.
    private mutating func sort(_ segments: [(number: Int, start: Int)], from start: Int) {
        var sorted: [UInt8] = []
        sorted.reserveCapacity(output.count - start)
        for index in segments.indices.sorted(by: { segments[$0].number < segments[$1].number }) {
            let end = index + 1 < segments.count ? segments[index + 1].start : output.count
            sorted += output.array[segments[index].start..<end]
        }
        output.array.replaceSubrange(start..., with: sorted)
    }

    // MARK: Values

    private mutating func value(_ field: PlainShape.Field, depth: Int) -> Bool {
        switch field.kind {
        case .bytes: return bytes(field)
        case .int64: return integer(field, isSigned: true)
        case .uint64: return integer(field, isSigned: false)
        case .bool: return bool(field)
        case .enumeration(let names):
            guard let name = string(), let number = names.firstIndex(where: { Self.isSame(name, $0) }) else { return false }
            varint(field, UInt64(number))
            return true
        case .message(let shape): return nested(field, shape, depth: depth)
        case .messages(let shape):
            guard take(UInt8(ascii: "[")) else { return false }
            skipWhitespace()
            if take(UInt8(ascii: "]")) { return true }
            while true {
                guard nested(field, shape, depth: depth) else { return false }
                skipWhitespace()
                if take(UInt8(ascii: "]")) { return true }
                guard take(UInt8(ascii: ",")) else { return false }
                skipWhitespace()
            }
        }
    }

    private mutating func nested(_ field: PlainShape.Field, _ shape: PlainShape, depth: Int) -> Bool {
        output.tag(field.number, .lengthDelimited)
        let start = output.count
        guard message(shape, depth: depth + 1) else { return false }
        var size = WireWriter()
        size.varint(UInt64(output.count - start))
        output.array.insert(contentsOf: size.array, at: start)
        return true
    }

    /// What is between quotes, if it is printable ASCII without escapes.
    private mutating func string() -> UnsafeRawBufferPointer? {
        guard take(UInt8(ascii: "\"")) else { return nil }
        let start = position
        while position < input.count {
            let character = input[position]
            if character == UInt8(ascii: "\"") {
                position += 1
                return UnsafeRawBufferPointer(rebasing: input[start..<position - 1])
            }
            if character < 0x20 || character >= 0x7f || character == UInt8(ascii: "\\") { return nil }
            position += 1
        }
        return nil
    }

    private mutating func bytes(_ field: PlainShape.Field) -> Bool {
        guard let text = string(), text.count % 4 == 0 else { return false }
        var padding = 0
        while padding < 2, padding < text.count, text[text.count - 1 - padding] == UInt8(ascii: "=") { padding += 1 }
        let size = text.count / 4 * 3 - padding
        if size == 0, !field.isInOneof { return text.isEmpty }
        output.tag(field.number, .lengthDelimited)
        output.varint(UInt64(size))
        let start = output.count
        output.array.append(contentsOf: repeatElement(0, count: size))
        return output.array.withUnsafeMutableBufferPointer { output in
            base64Digits.withUnsafeBufferPointer { table in
                var (bits, count, end): (UInt32, Int, Int) = (0, 0, start)
                for character in text.dropLast(padding) {
                    let digit = table[Int(character)]
                    if digit > 63 { return false }
                    bits = bits << 6 | UInt32(digit)
                    count += 6
                    guard count >= 8 else { continue }
                    count -= 8
                    output[end] = UInt8(truncatingIfNeeded: bits >> UInt32(count))
                    end += 1
                }
                // Bits behind the last byte: lenient or strict is the general way's business.
                return bits & (1 << UInt32(count) - 1) == 0
            }
        }
    }

    /// Digits, bare or between quotes.
    private mutating func integer(_ field: PlainShape.Field, isSigned: Bool) -> Bool {
        let text: UnsafeRawBufferPointer
        if next == UInt8(ascii: "\"") {
            guard let quoted = string() else { return false }
            text = quoted
        } else {
            let start = position
            while position < input.count, !isJSONWhitespace(input[position]), !",}]".utf8.contains(input[position]) { position += 1 }
            text = UnsafeRawBufferPointer(rebasing: input[start..<position])
        }
        let isNegative = isSigned && text.first == UInt8(ascii: "-")
        let digits = text.dropFirst(isNegative ? 1 : 0)
        // 18 digits never overflow.
        guard (1...18).contains(digits.count), digits.count == 1 || digits.first != UInt8(ascii: "0") else {
            return longInteger(field, text, isSigned: isSigned)
        }
        var magnitude: Int64 = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return false }
            magnitude = magnitude * 10 + Int64(digit - UInt8(ascii: "0"))
        }
        varint(field, UInt64(bitPattern: isNegative ? -magnitude : magnitude))
        return true
    }

    /// Identifiers of leases have 19 digits.
    private mutating func longInteger(_ field: PlainShape.Field, _ text: UnsafeRawBufferPointer, isSigned: Bool) -> Bool {
        let digits = text.first == UInt8(ascii: "-") ? text.dropFirst() : text[...]
        guard (19...20).contains(digits.count), digits.first != UInt8(ascii: "0"),
            digits.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") })
        else { return false }
        let string = String(decoding: text, as: UTF8.self)
        if isSigned {
            guard let value = Int64(string) else { return false }
            varint(field, UInt64(bitPattern: value))
        } else {
            guard let value = UInt64(string) else { return false }
            varint(field, value)
        }
        return true
    }

    private mutating func bool(_ field: PlainShape.Field) -> Bool {
        for (word, value) in [("true" as StaticString, UInt64(1)), ("false", 0)] {
            let size = word.utf8CodeUnitCount
            guard position + size <= input.count,
                Self.isSame(UnsafeRawBufferPointer(rebasing: input[position..<position + size]), word)
            else { continue }
            position += size
            varint(field, value)
            return true
        }
        return false
    }

    // MARK: Out

    private mutating func varint(_ field: PlainShape.Field, _ value: UInt64) {
        if field.isInOneof { output.explicit(field.number, value) } else { output.field(field.number, value) }
    }
}

/// The values of base64's digits; 255 for what is none.
private let base64Digits: [UInt8] = {
    var table = [UInt8](repeating: 255, count: 256)
    for (value, digit) in base64Alphabet.enumerated() { table[Int(digit)] = UInt8(value) }
    return table
}()

let base64Alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
