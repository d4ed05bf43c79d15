// JSON as etcd stores it: members and versions in the backend, the v2 tree in snapshots, contexts of configuration
// changes. Integers keep all 64 bits, object keys keep their order, and output is Go's encoding/json, byte for byte.

/// A JSON value. Numbers that are not 64-bit integers are kept as their text.
package indirect enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case unsigned(UInt64)
    case signed(Int64)
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([Member])

    package struct Member: Sendable, Equatable {
        package var key: String
        package var value: JSONValue

        package init(key: String, value: JSONValue) {
            self.key = key
            self.value = value
        }
    }

    /// An object from pairs, in their order.
    package static func object(_ pairs: KeyValuePairs<String, JSONValue>) -> JSONValue {
        .object(pairs.map { Member(key: $0.key, value: $0.value) })
    }

    /// The value of an object's member, matched as Go does: the exact name, else regardless of ASCII case.
    package subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.key == key }?.value
            ?? members.last { $0.key.lowercased() == key.lowercased() }?.value
    }

    package var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    package var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    package var unsigned: UInt64? {
        if case .unsigned(let value) = self { value } else { nil }
    }

    package var array: [JSONValue]? {
        if case .array(let values) = self { values } else { nil }
    }

    package var members: [Member]? {
        if case .object(let members) = self { members } else { nil }
    }
}

/// Why text is no JSON.
package struct JSONError: Error, Sendable, Equatable {
    /// Bytes into the text.
    package var offset: Int
    package var reason: String
}

// MARK: - Writing

extension JSONValue {
    /// The value as Go's `json.Marshal` writes it: no spaces, and `<`, `>`, `&`, U+2028 and U+2029 escaped.
    package var encoded: [UInt8] {
        var output: [UInt8] = []
        write(into: &output)
        return output
    }

    private func write(into output: inout [UInt8]) {
        switch self {
        case .null: output += "null".utf8
        case .bool(let value): output += (value ? "true" : "false").utf8
        case .unsigned(let value): output += String(value).utf8
        case .signed(let value): output += String(value).utf8
        case .number(let text): output += text.utf8
        case .string(let text): Self.write(text, into: &output)
        case .array(let values):
            output.append(UInt8(ascii: "["))
            for (position, value) in values.enumerated() {
                if position > 0 { output.append(UInt8(ascii: ",")) }
                value.write(into: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .object(let members):
            output.append(UInt8(ascii: "{"))
            for (position, member) in members.enumerated() {
                if position > 0 { output.append(UInt8(ascii: ",")) }
                Self.write(member.key, into: &output)
                output.append(UInt8(ascii: ":"))
                member.value.write(into: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
    }

    private static func write(_ text: String, into output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\"".utf8
            case "\\": output += "\\\\".utf8
            case "\n": output += "\\n".utf8
            case "\r": output += "\\r".utf8
            case "\t": output += "\\t".utf8
            case "\u{8}": output += "\\b".utf8
            case "\u{c}": output += "\\f".utf8
            case "<", ">", "&", "\u{2028}", "\u{2029}", "\0"..."\u{1f}":
                let digits = String(scalar.value, radix: 16)
                output += ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8
            default: output += Array(Character(scalar).utf8)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}

// MARK: - Reading

extension JSONValue {
    /// How deep arrays and objects may nest: far beyond the v2 tree's few levels, far below the stack's end.
    private static let depthMax = 256

    /// The value that is all of `text`.
    package init(parsing text: Bytes) throws(JSONError) {
        var parser = Parser(text: text.array)
        self = try parser.value(depth: 0)
        parser.skipSpace()
        if parser.position != parser.text.count { throw parser.error("more text behind the value") }
    }

    private struct Parser {
        let text: [UInt8]
        var position = 0

        func error(_ reason: String) -> JSONError { JSONError(offset: position, reason: reason) }

        var peek: UInt8? { position < text.count ? text[position] : nil }

        mutating func skipSpace() {
            while let byte = peek, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { position += 1 }
        }

        mutating func expect(_ character: UInt8) throws(JSONError) {
            guard peek == character else { throw error("expected \(Character(Unicode.Scalar(character)))") }
            position += 1
        }

        mutating func literal(_ word: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
            for byte in word.utf8 { try expect(byte) }
            return value
        }

        mutating func value(depth: Int) throws(JSONError) -> JSONValue {
            guard depth <= JSONValue.depthMax else { throw error("nested too deeply") }
            skipSpace()
            switch peek {
            case UInt8(ascii: "{"): return try object(depth: depth)
            case UInt8(ascii: "["): return try array(depth: depth)
            case UInt8(ascii: "\""): return .string(try string())
            case UInt8(ascii: "t"): return try literal("true", .bool(true))
            case UInt8(ascii: "f"): return try literal("false", .bool(false))
            case UInt8(ascii: "n"): return try literal("null", .null)
            case .some: return try number()
            case nil: throw error("unexpected end")
            }
        }

        mutating func object(depth: Int) throws(JSONError) -> JSONValue {
            try expect(UInt8(ascii: "{"))
            var members: [Member] = []
            skipSpace()
            if peek == UInt8(ascii: "}") {
                position += 1
                return .object(members)
            }
            while true {
                skipSpace()
                let key = try string()
                skipSpace()
                try expect(UInt8(ascii: ":"))
                members.append(Member(key: key, value: try value(depth: depth + 1)))
                skipSpace()
                if peek == UInt8(ascii: ",") {
                    position += 1
                    continue
                }
                try expect(UInt8(ascii: "}"))
                return .object(members)
            }
        }

        mutating func array(depth: Int) throws(JSONError) -> JSONValue {
            try expect(UInt8(ascii: "["))
            var values: [JSONValue] = []
            skipSpace()
            if peek == UInt8(ascii: "]") {
                position += 1
                return .array(values)
            }
            while true {
                values.append(try value(depth: depth + 1))
                skipSpace()
                if peek == UInt8(ascii: ",") {
                    position += 1
                    continue
                }
                try expect(UInt8(ascii: "]"))
                return .array(values)
            }
        }

        mutating func number() throws(JSONError) -> JSONValue {
            let start = position
            while let byte = peek, (0x30...0x39).contains(byte) || "+-.eE".utf8.contains(byte) { position += 1 }
            let digits = String(decoding: text[start..<position], as: UTF8.self)
            if let value = UInt64(digits), digits.first != "+" { return .unsigned(value) }
            if let value = Int64(digits), digits.first != "+" { return .signed(value) }
            guard Double(digits) != nil, digits.first != "+" else {
                position = start
                throw error("not a number")
            }
            return .number(digits)
        }

        mutating func string() throws(JSONError) -> String {
            try expect(UInt8(ascii: "\""))
            var bytes: [UInt8] = []
            while true {
                guard let byte = peek else { throw error("unexpected end in a string") }
                position += 1
                switch byte {
                case UInt8(ascii: "\""):
                    return String(decoding: bytes, as: UTF8.self)
                case UInt8(ascii: "\\"):
                    try escape(into: &bytes)
                case 0..<0x20:
                    position -= 1
                    throw error("control character in a string")
                default:
                    bytes.append(byte)
                }
            }
        }

        mutating func escape(into bytes: inout [UInt8]) throws(JSONError) {
            guard let kind = peek else { throw error("unexpected end in a string") }
            position += 1
            switch kind {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(kind)
            case UInt8(ascii: "b"): bytes.append(0x08)
            case UInt8(ascii: "f"): bytes.append(0x0c)
            case UInt8(ascii: "n"): bytes.append(0x0a)
            case UInt8(ascii: "r"): bytes.append(0x0d)
            case UInt8(ascii: "t"): bytes.append(0x09)
            case UInt8(ascii: "u"):
                var code = try hexadecimalQuad()
                if (0xd800..<0xdc00).contains(code), peek == UInt8(ascii: "\\"), position + 1 < text.count,
                    text[position + 1] == UInt8(ascii: "u")
                {
                    let before = position
                    position += 2
                    let low = try hexadecimalQuad()
                    if (0xdc00..<0xe000).contains(low) {
                        code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
                    } else {
                        position = before
                    }
                }
                bytes += Array(Character(Unicode.Scalar(code) ?? "\u{fffd}").utf8)
            default:
                position -= 1
                throw error("unknown escape")
            }
        }

        mutating func hexadecimalQuad() throws(JSONError) -> UInt32 {
            guard position + 4 <= text.count,
                let code = UInt32(String(decoding: text[position..<position + 4], as: UTF8.self), radix: 16),
                text[position] != UInt8(ascii: "+"), text[position] != UInt8(ascii: "-")
            else { throw error("four hexadecimal digits expected") }
            position += 4
            return code
        }
    }
}
