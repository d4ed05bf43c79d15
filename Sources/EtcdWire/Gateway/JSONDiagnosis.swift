// Says why a JSON value is no message, in the sentences of Go's protobuf library, with line and column.
//
// swift-protobuf decides *whether* a value is a message, but its errors have no place. Only when it has refused a value
// is the value walked a second time, against the descriptors. The value is well-formed JSON by then (`JSONScanner`).

import Base

/// The sentence for a well-formed JSON value that is no message `messageName`.
func diagnose(_ json: Bytes, messageName: String, schema: ServerDescriptors = .shared) -> String {
    var walk = JSONDiagnosis(json: json, schema: schema)
    do throws(JSONDiagnosis.Verdict) {
        try walk.message(messageName, depth: 0)
    } catch {
        return error.sentence
    }
    return "proto:\u{a0}invalid value for message \(messageName)"
}

/// The sentence for a value that says a field twice; nil if it does not, whatever else may be wrong with it.
func diagnoseDuplicate(_ json: Bytes, messageName: String, schema: ServerDescriptors = .shared) -> String? {
    var walk = JSONDiagnosis(json: json, schema: schema)
    do throws(JSONDiagnosis.Verdict) {
        try walk.message(messageName, depth: 0)
    } catch {
        return error.isDuplicate ? error.sentence : nil
    }
    return nil
}

private struct JSONDiagnosis {
    struct Verdict: Error {
        let sentence: String
        var isDuplicate = false
    }

    let json: Bytes
    let schema: ServerDescriptors
    var position = 0

    /// A value's first character tells its kind.
    private var next: UInt8 { position < json.count ? json[position] : 0 }

    mutating func message(_ name: String, depth: Int) throws(Verdict) {
        skipWhitespace()
        guard next == UInt8(ascii: "{") else { throw unexpectedToken() }
        guard let fields = schema.fields(ofMessage: name), depth <= nestingDepthMax else {
            throw Verdict(sentence: "proto:\u{a0}exceeded max recursion depth")
        }
        position += 1
        var seen: Set<String> = []
        var oneofs: Set<String> = []
        while advance(to: UInt8(ascii: "}")) {
            let namePosition = position
            let rawName = token()
            let key = String(rawName.dropFirst().dropLast())
            advancePastColon()
            guard let field = fields.first(where: { $0.jsonName == key || $0.name == key }) else {
                skipValue()
                continue
            }
            if next == UInt8(ascii: "n") {
                skipValue()
                continue
            }
            guard seen.insert(field.name).inserted else {
                throw duplicate(at: namePosition, "duplicate field \(rawName)")
            }
            if let oneof = field.oneof, !oneofs.insert(oneof).inserted {
                throw duplicate(at: namePosition, "error parsing \(rawName), oneof \(oneof) is already set")
            }
            try value(of: field, depth: depth)
        }
    }

    private func duplicate(at position: Int, _ sentence: String) -> Verdict {
        Verdict(sentence: error(at: position, sentence).sentence, isDuplicate: true)
    }

    private mutating func value(of field: FieldSchema, depth: Int) throws(Verdict) {
        guard field.isRepeated else { return try element(of: field, depth: depth) }
        // The one map of our messages is in a health answer, which is never read.
        guard next == UInt8(ascii: "[") else { throw unexpectedToken() }
        position += 1
        while advance(to: UInt8(ascii: "]")) { try element(of: field, depth: depth) }
    }

    private mutating func element(of field: FieldSchema, depth: Int) throws(Verdict) {
        if field.kind == .message { return try message(field.messageName, depth: depth + 1) }
        let start = position
        let raw = next == UInt8(ascii: "{") || next == UInt8(ascii: "[") ? String(UnicodeScalar(next)) : token()
        guard isValid(raw, for: field.kind) else {
            throw error(at: start, "invalid value for \(field.kind.rawValue) field \(field.jsonName): \(raw)")
        }
    }

    private func isValid(_ raw: String, for kind: FieldSchema.Kind) -> Bool {
        let isText = raw.hasPrefix("\"")
        let inner = isText ? String(raw.dropFirst().dropLast()) : raw
        switch kind {
        case .bool: return raw == "true" || raw == "false"
        case .string: return isText
        case .bytes: return isText && isBase64(inner)
        case .enumeration: return isText || isInteger(inner, Int32.self)
        case .int32: return isInteger(inner, Int32.self)
        case .int64: return isInteger(inner, Int64.self)
        case .uint32: return isInteger(inner, UInt32.self)
        case .uint64: return isInteger(inner, UInt64.self)
        case .message: return true
        }
    }

    /// Whole numbers may be written with a fraction of zeros or an exponent.
    private func isInteger<I: FixedWidthInteger>(_ text: String, _ type: I.Type) -> Bool {
        if text.hasPrefix("+") { return false }
        if I(text) != nil { return true }
        return Double(text).flatMap { I(exactly: $0) } != nil
    }

    /// Standard or URL alphabet, padding optional.
    private func isBase64(_ text: String) -> Bool {
        var digits = Array(text.utf8)
        while digits.last == UInt8(ascii: "=") { digits.removeLast() }
        let padding = text.utf8.count - digits.count
        guard padding == 0 || (padding <= 2 && text.utf8.count % 4 == 0), digits.count % 4 != 1 else { return false }
        return digits.allSatisfy { character in
            switch character {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): true
            case UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "-"), UInt8(ascii: "_"): true
            default: false
            }
        }
    }

    // MARK: Moving over well-formed JSON

    private mutating func skipWhitespace() {
        while position < json.count, isJSONWhitespace(json[position]) { position += 1 }
    }

    /// Moves to the next element of a container; false once its end is passed.
    private mutating func advance(to end: UInt8) -> Bool {
        skipWhitespace()
        if next == UInt8(ascii: ",") {
            position += 1
            skipWhitespace()
        }
        guard position < json.count, next != end else {
            position += 1
            return false
        }
        return true
    }

    private mutating func advancePastColon() {
        skipWhitespace()
        position += 1
        skipWhitespace()
    }

    /// The scalar at the cursor as it is written.
    private mutating func token() -> String {
        let start = position
        skipValue()
        return json[start..<position].description
    }

    private mutating func skipValue() {
        var scanner = JSONScanner(json, from: position)
        // Well-formed, as the head of this file says; on anything else the walk ends here.
        let found = try? scanner.next()
        position = found == nil ? json.count : scanner.position
    }

    // MARK: Sentences

    private func error(at offset: Int, _ text: String) -> Verdict {
        Verdict(sentence: "proto:\u{a0}(\(place(offset))): \(text)")
    }

    private mutating func unexpectedToken() -> Verdict {
        let start = position
        let isBracket = next == UInt8(ascii: "{") || next == UInt8(ascii: "[")
        let raw = isBracket ? String(UnicodeScalar(next)) : token()
        return Verdict(sentence: "proto:\u{a0}syntax error (\(place(start))): unexpected token \(raw)")
    }

    private func place(_ offset: Int) -> String {
        let before = json[0..<min(offset, json.count)].description.unicodeScalars
        let line = before.count { $0 == "\n" } + 1
        let column = before.reversed().prefix { $0 != "\n" }.count + 1
        return "line \(line):\(column)"
    }
}
