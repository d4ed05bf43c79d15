// Numbers and truth values as Go's strconv reads them in flags: base prefixes and underscores in integers,
// a short list of words for truth values.

/// Why a flag's text is not a value of its type; `sentence` is what Go's flag package says.
struct FlagValueError: Error, Equatable {
    let sentence: String

    static let syntax = FlagValueError(sentence: "parse error")
    static let range = FlagValueError(sentence: "value out of range")
}

enum GoNumbers {
    static func boolean(_ text: String) throws(FlagValueError) -> Bool {
        switch text {
        case "1", "t", "T", "true", "TRUE", "True": return true
        case "0", "f", "F", "false", "FALSE", "False": return false
        default: throw .syntax
        }
    }

    /// An unsigned integer of at most `maximum`.
    static func unsigned(_ text: String, maximum: UInt64 = .max) throws(FlagValueError) -> UInt64 {
        let (digits, radix) = try significantDigits(text)
        var value: UInt64 = 0
        for digit in digits {
            guard let digitValue = Character(Unicode.Scalar(digit)).hexDigitValue, digitValue < radix else {
                throw .syntax
            }
            let (scaled, overflow) = value.multipliedReportingOverflow(by: UInt64(radix))
            let (sum, sumOverflow) = scaled.addingReportingOverflow(UInt64(digitValue))
            if overflow || sumOverflow {
                // The rest must still be digits for this to be a question of range.
                let allDigits = digits.allSatisfy {
                    (Character(Unicode.Scalar($0)).hexDigitValue ?? Int.max) < radix
                }
                throw allDigits ? .range : .syntax
            }
            value = sum
        }
        if value > maximum { throw .range }
        return value
    }

    static func signed(_ text: String) throws(FlagValueError) -> Int64 {
        let negative = text.hasPrefix("-")
        let magnitude = try unsigned(negative || text.hasPrefix("+") ? String(text.dropFirst()) : text)
        if negative {
            if magnitude > UInt64(Int64.max) + 1 { throw .range }
            return Int64(truncatingIfNeeded: 0 &- magnitude)
        }
        if magnitude > UInt64(Int64.max) { throw .range }
        return Int64(magnitude)
    }

    /// The digits behind a base prefix, without underscores, and the base. Underscores may only stand between
    /// digits (or behind the prefix), and only in numbers with a prefix, a leading zero included.
    private static func significantDigits(_ text: String) throws(FlagValueError) -> (digits: [UInt8], radix: Int) {
        var bytes = Array(text.utf8)
        if bytes.isEmpty { throw .syntax }
        var radix = 10
        var prefixed = false
        if bytes[0] == UInt8(ascii: "0"), bytes.count > 1 {
            prefixed = true
            switch bytes[1] {
            case UInt8(ascii: "x"), UInt8(ascii: "X"):
                radix = 16
                bytes.removeFirst(2)
            case UInt8(ascii: "o"), UInt8(ascii: "O"):
                radix = 8
                bytes.removeFirst(2)
            case UInt8(ascii: "b"), UInt8(ascii: "B"):
                radix = 2
                bytes.removeFirst(2)
            default:
                radix = 8
                bytes.removeFirst()
            }
        }
        if bytes.contains(UInt8(ascii: "_")) {
            let underscore = UInt8(ascii: "_")
            let doubled = zip(bytes, bytes.dropFirst()).contains { $0 == underscore && $1 == underscore }
            if !prefixed || bytes.last == underscore || doubled { throw .syntax }
            bytes.removeAll { $0 == underscore }
        }
        if bytes.isEmpty || bytes.contains(where: { $0 >= 0x80 }) { throw .syntax }
        return (bytes, radix)
    }
}
