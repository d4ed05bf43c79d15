// Numbers and durations as the flags and arguments of etcd's tools are written, and the words for what is wrong with them.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A text that is no number of the kind that was asked for.
package struct NumberError: Error, Equatable, CustomStringConvertible {
    let function: String
    let text: String
    let reason: String

    package var description: String { "strconv.\(function): parsing \(text.quoted): \(reason)" }
}

package enum GoNumber {
    /// As `%f` prints it with so many places after the point.
    package static func fixed(_ value: Double, places: Int) -> String {
        var buffer = [CChar](repeating: 0, count: 400)
        let count = withVaList([CInt(places), value]) { vsnprintf(&buffer, buffer.count, "%.*f", $0) }
        return String(decoding: buffer.prefix(max(0, Int(count))).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// - Parameter base: 2…36, or 0 for what the number's beginning says (`0x`, `0o`, `0b`, a leading zero).
    package static func int(_ text: String, base: Int = 10) throws(NumberError) -> Int64 {
        var digits = Substring(text)
        let isNegative = digits.first == "-"
        if isNegative || digits.first == "+" { digits.removeFirst() }
        let magnitude = try magnitude(digits, of: text, base: base, function: "ParseInt")
        let limit: UInt64 = isNegative ? 1 << 63 : (1 << 63) - 1
        guard magnitude <= limit else {
            throw NumberError(function: "ParseInt", text: text, reason: "value out of range")
        }
        return isNegative ? Int64(truncatingIfNeeded: 0 &- magnitude) : Int64(magnitude)
    }

    package static func unsigned(_ text: String, base: Int = 10) throws(NumberError) -> UInt64 {
        try magnitude(Substring(text), of: text, base: base, function: "ParseUint")
    }

    private static func magnitude(_ given: Substring, of text: String, base: Int, function: String) throws(NumberError)
        -> UInt64
    {
        func bad(_ reason: String) -> NumberError { NumberError(function: function, text: text, reason: reason) }
        var digits = Array(given.utf8)[...]
        var radix = base
        if base == 0 {
            radix = 10
            if digits.first == UInt8(ascii: "0"), digits.count > 1 {
                let mark = digits[digits.startIndex + 1] | 0x20
                radix =
                    mark == UInt8(ascii: "x") ? 16 : mark == UInt8(ascii: "o") ? 8 : mark == UInt8(ascii: "b") ? 2 : 0
                digits = digits.dropFirst(radix == 0 ? 1 : 2)
                if radix == 0 { radix = 8 }
                // A line may stand between digits of a number that names its base, and after that name.
                if digits.first == UInt8(ascii: "_") { digits.removeFirst() }
            }
        }
        guard !digits.isEmpty else { throw bad("invalid syntax") }
        var sum: UInt64 = 0
        var isTooLarge = false
        var wasLine = true
        for byte in digits {
            if byte == UInt8(ascii: "_"), base == 0, !wasLine {
                wasLine = true
                continue
            }
            wasLine = false
            let value: Int
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = Int(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = Int(byte - UInt8(ascii: "a")) + 10
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = Int(byte - UInt8(ascii: "A")) + 10
            default: throw bad("invalid syntax")
            }
            guard value < radix else { throw bad("invalid syntax") }
            let (product, overflows) = sum.multipliedReportingOverflow(by: UInt64(radix))
            let (next, overflowsToo) = product.addingReportingOverflow(UInt64(value))
            sum = next
            isTooLarge = isTooLarge || overflows || overflowsToo
        }
        guard !wasLine else { throw bad("invalid syntax") }
        guard !isTooLarge else { throw bad("value out of range") }
        return sum
    }
}

/// A text that is no duration.
package struct DurationError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

extension Duration {
    /// Reads `1h2m3.5s`, `100ms`, `-1.5h`, `0`.
    package static func parsed(goText text: String) throws(DurationError) -> Duration {
        let bad = DurationError(description: "time: invalid duration \(text.quoted)")
        var rest = Array(text.utf8)[...]
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
        if rest.elementsEqual("0".utf8) { return .zero }
        guard !rest.isEmpty else { throw bad }
        let limit: UInt64 = 1 << 63
        var nanoseconds: UInt64 = 0
        while !rest.isEmpty {
            let whole = rest.prefix(while: isDigit)
            rest = rest.dropFirst(whole.count)
            var fraction: ArraySlice<UInt8> = []
            if rest.first == UInt8(ascii: ".") {
                rest.removeFirst()
                fraction = rest.prefix(while: isDigit)
                rest = rest.dropFirst(fraction.count)
            }
            guard !whole.isEmpty || !fraction.isEmpty else { throw bad }
            let word = String(decoding: rest.prefix { !isDigit($0) && $0 != UInt8(ascii: ".") }, as: UTF8.self)
            rest = rest.dropFirst(word.utf8.count)
            guard !word.isEmpty else {
                throw DurationError(description: "time: missing unit in duration \(text.quoted)")
            }
            guard let unit = units[word] else {
                throw DurationError(description: "time: unknown unit \(word.quoted) in duration \(text.quoted)")
            }
            let number = whole.isEmpty ? 0 : UInt64(String(decoding: whole, as: UTF8.self))
            guard let number, case (let product, false) = number.multipliedReportingOverflow(by: unit) else {
                throw bad
            }
            var part = 0.0, scale = 1.0
            for digit in fraction.prefix(18) {
                part = part * 10 + Double(digit - UInt8(ascii: "0"))
                scale *= 10
            }
            // Every summand is at most the limit, or two of them could wrap.
            guard product <= limit else { throw bad }
            nanoseconds += product + UInt64(part * (Double(unit) / scale))
            guard nanoseconds <= limit else { throw bad }
        }
        guard isNegative || nanoseconds < limit else { throw bad }
        return .nanoseconds(isNegative ? Int64(truncatingIfNeeded: 0 &- nanoseconds) : Int64(nanoseconds))
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static let units: [String: UInt64] = [
        "ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000,
        "h": 3_600_000_000_000,
    ]

    /// Reads `1h2m3.5s`, `100ms`, `0`; nil for anything else.
    package init?(goText text: String) {
        guard let duration = try? Duration.parsed(goText: text) else { return nil }
        self = duration
    }
}
