// Cuts a request body into JSON values, and says what is wrong with one in the sentences etcd's gateway uses: those of
// Go's encoding/json, which reads a body before protobuf's JSON mapping sees it. Bodies of streams hold several values.
// The grammar is RFC 8259's; the walk is iterative, so that nesting cannot exhaust the stack.

package import Base

/// Why a body holds no further JSON value.
package enum JSONScanError: Error, Sendable, Equatable {
    /// The input ends inside a value. With a stream's body, more may come.
    case unexpectedEnd
    /// A sentence for the client.
    case malformed(String)
}

/// A cursor over the JSON values of a body.
package struct JSONScanner: Sendable {
    /// Go's limit; deeper values are refused.
    private static let nestingDepthMax = 10_000

    private let input: Bytes
    /// Where the next value is looked for; inside the offending value after an error.
    package private(set) var position: Int

    package init(_ input: Bytes, from position: Int = 0) {
        precondition(position >= 0 && position <= input.count)
        self.input = input
        self.position = position
    }

    /// An open bracket.
    private enum Container {
        case object
        case array
    }

    private enum Expectation {
        case value
        case firstElement
        case key
        case firstKey
        case afterValue
    }

    /// The next value without the white space around it, or nil when only white space is left. A number that ends with
    /// the input counts as whole, as at the end of a body.
    package mutating func next() throws(JSONScanError) -> Bytes? {
        skipWhitespace()
        guard position < input.count else { return nil }
        let start = position
        var open: [Container] = []
        var expectation = Expectation.value
        while expectation != .afterValue || !open.isEmpty {
            expectation = try step(expectation, &open)
        }
        return input[start..<position]
    }

    private mutating func step(
        _ expectation: Expectation, _ open: inout [Container]
    ) throws(JSONScanError) -> Expectation {
        skipWhitespace()
        let character = try peek()
        switch expectation {
        case .firstElement where character == UInt8(ascii: "]"), .firstKey where character == UInt8(ascii: "}"):
            return close(&open)
        case .value, .firstElement:
            return try value(character, &open)
        case .key, .firstKey:
            guard character == UInt8(ascii: "\"") else {
                throw unexpected("looking for beginning of object key string")
            }
            try string()
            skipWhitespace()
            guard try peek() == UInt8(ascii: ":") else { throw unexpected("after object key") }
            position += 1
            return .value
        case .afterValue:
            let isObject = open.last == .object
            if character == UInt8(ascii: ",") {
                position += 1
                return isObject ? .key : .value
            }
            guard character == UInt8(ascii: isObject ? "}" : "]") else {
                throw unexpected(isObject ? "after object key:value pair" : "after array element")
            }
            return close(&open)
        }
    }

    private mutating func value(_ first: UInt8, _ open: inout [Container]) throws(JSONScanError) -> Expectation {
        switch first {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard open.count < Self.nestingDepthMax else { throw .malformed("exceeded max depth") }
            let isObject = first == UInt8(ascii: "{")
            open.append(isObject ? .object : .array)
            position += 1
            return isObject ? .firstKey : .firstElement
        case UInt8(ascii: "\""): try string()
        case UInt8(ascii: "t"): try literal("true")
        case UInt8(ascii: "f"): try literal("false")
        case UInt8(ascii: "n"): try literal("null")
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
        default: throw unexpected("looking for beginning of value")
        }
        return .afterValue
    }

    private mutating func close(_ open: inout [Container]) -> Expectation {
        open.removeLast()
        position += 1
        return .afterValue
    }

    private mutating func string() throws(JSONScanError) {
        position += 1
        while true {
            let character = try peek()
            switch character {
            case UInt8(ascii: "\""):
                position += 1
                return
            case UInt8(ascii: "\\"):
                position += 1
                try escape()
            case 0..<0x20: throw unexpected("in string literal")
            default: position += 1
            }
        }
    }

    private mutating func escape() throws(JSONScanError) {
        let character = try peek()
        guard "bfnrt\\/\"u".utf8.contains(character) else { throw unexpected("in string escape code") }
        position += 1
        guard character == UInt8(ascii: "u") else { return }
        for _ in 0..<4 {
            guard isHexadecimalDigit(try peek()) else { throw unexpected("in \\u hexadecimal character escape") }
            position += 1
        }
    }

    private mutating func literal(_ word: StaticString) throws(JSONScanError) {
        let text = word.description
        for expected in text.utf8 {
            guard try peek() == expected else {
                throw unexpected("in literal \(text) (expecting '\(Character(Unicode.Scalar(expected)))')")
            }
            position += 1
        }
    }

    private mutating func number() throws(JSONScanError) {
        if try peek() == UInt8(ascii: "-") { position += 1 }
        if try peek() == UInt8(ascii: "0") {
            position += 1
        } else {
            try digits("in numeric literal")
        }
        if position < input.count, input[position] == UInt8(ascii: ".") {
            position += 1
            try digits("after decimal point in numeric literal")
        }
        if position < input.count, input[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            let sign = try peek()
            if sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { position += 1 }
            try digits("in exponent of numeric literal")
        }
    }

    /// One digit or more.
    private mutating func digits(_ place: String) throws(JSONScanError) {
        guard isDigit(try peek()) else { throw unexpected(place) }
        while position < input.count, isDigit(input[position]) { position += 1 }
    }

    private func peek() throws(JSONScanError) -> UInt8 {
        guard position < input.count else { throw .unexpectedEnd }
        return input[position]
    }

    private mutating func skipWhitespace() {
        while position < input.count, isJSONWhitespace(input[position]) { position += 1 }
    }

    private func unexpected(_ place: String) -> JSONScanError {
        .malformed("invalid character \(quoted(input[position])) \(place)")
    }
}

func isJSONWhitespace(_ character: UInt8) -> Bool {
    character == 0x20 || character == 0x09 || character == 0x0a || character == 0x0d
}

private func isDigit(_ character: UInt8) -> Bool {
    character >= UInt8(ascii: "0") && character <= UInt8(ascii: "9")
}

private func isHexadecimalDigit(_ character: UInt8) -> Bool {
    let letter = character | 0x20
    return isDigit(character) || (letter >= UInt8(ascii: "a") && letter <= UInt8(ascii: "f"))
}

/// A byte in Go's notation of a character; bytes beyond ASCII count as Latin-1, as they do there.
private func quoted(_ character: UInt8) -> String {
    switch character {
    case UInt8(ascii: "'"): return "'\\''"
    case UInt8(ascii: "\\"): return "'\\\\'"
    case 0x07: return "'\\a'"
    case 0x08: return "'\\b'"
    case 0x09: return "'\\t'"
    case 0x0a: return "'\\n'"
    case 0x0b: return "'\\v'"
    case 0x0c: return "'\\f'"
    case 0x0d: return "'\\r'"
    case 0..<0x20, 0x7f: return "'\\x" + twoHexadecimalDigits(character) + "'"
    case 0x80...0xa0, 0xad: return "'\\u00" + twoHexadecimalDigits(character) + "'"
    default: return "'\(Character(Unicode.Scalar(character)))'"
    }
}

func twoHexadecimalDigits(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16)
    return digits.utf8.count == 1 ? "0" + digits : digits
}
