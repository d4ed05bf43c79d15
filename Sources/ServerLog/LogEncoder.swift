// Turns one log line into bytes, exactly as zap's JSON and console encoders do under etcd's settings:
// keys level, ts, logger, caller, msg, then the fields; durations as text; no HTML escaping.
// Control characters become \u00xx (only \n, \r and \t have short forms); U+2028 and DEL pass through.

struct LogLine {
    var level: LogLevel
    var time: Int64
    var offsetSeconds: Int64
    var loggerName: String
    var caller: String
    var message: String
    var fields: [LogField]
}

enum LogEncoder {
    /// Appends `line` and a line feed to `buffer`.
    static func append(_ line: LogLine, format: LogFormat, to buffer: inout [UInt8]) {
        switch format {
        case .json: appendJSON(line, to: &buffer)
        case .console: appendConsole(line, to: &buffer)
        }
        buffer.append(UInt8(ascii: "\n"))
    }

    private static func appendJSON(_ line: LogLine, to buffer: inout [UInt8]) {
        buffer.append(contentsOf: "{\"level\":\"".utf8)
        buffer.append(contentsOf: line.level.name.utf8)
        buffer.append(contentsOf: "\",\"ts\":\"".utf8)
        CivilTime(nanoseconds: line.time, offsetSeconds: line.offsetSeconds)
            .appendTimestamp(offsetSeconds: line.offsetSeconds, to: &buffer)
        buffer.append(UInt8(ascii: "\""))
        if !line.loggerName.isEmpty {
            buffer.append(contentsOf: ",\"logger\":".utf8)
            appendString(line.loggerName, to: &buffer)
        }
        if !line.caller.isEmpty {
            buffer.append(contentsOf: ",\"caller\":".utf8)
            appendString(line.caller, to: &buffer)
        }
        buffer.append(contentsOf: ",\"msg\":".utf8)
        appendString(line.message, to: &buffer)
        for field in line.fields {
            buffer.append(UInt8(ascii: ","))
            append(field, spaced: false, to: &buffer)
        }
        buffer.append(UInt8(ascii: "}"))
    }

    private static func appendConsole(_ line: LogLine, to buffer: inout [UInt8]) {
        CivilTime(nanoseconds: line.time, offsetSeconds: line.offsetSeconds)
            .appendTimestamp(offsetSeconds: line.offsetSeconds, to: &buffer)
        for column in [line.level.name, line.loggerName, line.caller] where !column.isEmpty {
            buffer.append(UInt8(ascii: "\t"))
            buffer.append(contentsOf: column.utf8)
        }
        buffer.append(UInt8(ascii: "\t"))
        buffer.append(contentsOf: line.message.utf8)
        if line.fields.isEmpty { return }
        buffer.append(contentsOf: "\t{".utf8)
        for (index, field) in line.fields.enumerated() {
            if index > 0 { buffer.append(contentsOf: ", ".utf8) }
            append(field, spaced: true, to: &buffer)
        }
        buffer.append(UInt8(ascii: "}"))
    }

    private static func append(_ field: LogField, spaced: Bool, to buffer: inout [UInt8]) {
        appendString(field.key, to: &buffer)
        buffer.append(contentsOf: (spaced ? ": " : ":").utf8)
        switch field.value {
        case .string(let value): appendString(value, to: &buffer)
        case .int(let value): buffer.append(contentsOf: String(value).utf8)
        case .uint(let value): buffer.append(contentsOf: String(value).utf8)
        case .bool(let value): buffer.append(contentsOf: (value ? "true" : "false").utf8)
        case .double(let value): appendDouble(value, to: &buffer)
        case .duration(let value): appendString(value.description, to: &buffer)
        case .strings(let values):
            buffer.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { buffer.append(contentsOf: (spaced ? ", " : ",").utf8) }
                appendString(value, to: &buffer)
            }
            buffer.append(UInt8(ascii: "]"))
        case .raw(let json): buffer.append(contentsOf: json.utf8)
        }
    }

    /// Appends a JSON string literal.
    static func appendString(_ text: String, to buffer: inout [UInt8]) {
        buffer.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                buffer.append(UInt8(ascii: "\\"))
                buffer.append(byte)
            case UInt8(ascii: "\n"): buffer.append(contentsOf: "\\n".utf8)
            case UInt8(ascii: "\r"): buffer.append(contentsOf: "\\r".utf8)
            case UInt8(ascii: "\t"): buffer.append(contentsOf: "\\t".utf8)
            case 0..<0x20:
                buffer.append(contentsOf: "\\u00".utf8)
                buffer.append(hexDigits[Int(byte >> 4)])
                buffer.append(hexDigits[Int(byte & 0xF)])
            default: buffer.append(byte)
            }
        }
        buffer.append(UInt8(ascii: "\""))
    }

    private static let hexDigits = Array("0123456789abcdef".utf8)

    /// The shortest decimal text without an exponent; not-a-number and infinities are strings.
    private static func appendDouble(_ value: Double, to buffer: inout [UInt8]) {
        if value.isNaN {
            buffer.append(contentsOf: "\"NaN\"".utf8)
        } else if value.isInfinite {
            buffer.append(contentsOf: (value < 0 ? "\"-Inf\"" : "\"+Inf\"").utf8)
        } else {
            buffer.append(contentsOf: plainDecimal(value).utf8)
        }
    }

    private static func plainDecimal(_ value: Double) -> String {
        let text = value.description
        let parts = text.split(separator: "e", maxSplits: 1)
        let mantissa = parts[0]
        guard parts.count == 2, let exponent = Int(parts[1]) else {
            return mantissa.hasSuffix(".0") ? String(mantissa.dropLast(2)) : String(mantissa)
        }
        let negative = mantissa.hasPrefix("-")
        let unsigned = negative ? mantissa.dropFirst() : mantissa
        let halves = unsigned.split(separator: ".", maxSplits: 1)
        let fraction = halves.count == 2 && halves[1] != "0" ? String(halves[1]) : ""
        let digits = String(halves[0]) + fraction
        let point = halves[0].count + exponent
        var plain: String
        if point <= 0 {
            plain = "0." + String(repeating: "0", count: -point) + digits
        } else if point >= digits.count {
            plain = digits + String(repeating: "0", count: point - digits.count)
        } else {
            plain = String(digits.prefix(point)) + "." + String(digits.dropFirst(point))
        }
        if negative { plain = "-" + plain }
        return plain
    }
}
