// Durations as Go programs read and write them. etcd's flags, log lines and error sentences all show durations
// in this text form ("100ms", "1m0s", "3.355331ms"), so the form is part of the drop-in contract.
// The value is a signed count of nanoseconds: about 292 years each way.

/// A span of time in nanoseconds with Go's text form.
package struct GoDuration: Sendable, Hashable, Comparable {
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package static let zero = GoDuration(nanoseconds: 0)
    package static func milliseconds(_ count: Int64) -> GoDuration { GoDuration(nanoseconds: count * 1_000_000) }
    package static func seconds(_ count: Int64) -> GoDuration { GoDuration(nanoseconds: count * 1_000_000_000) }
    package static func minutes(_ count: Int64) -> GoDuration { .seconds(count * 60) }
    package static func hours(_ count: Int64) -> GoDuration { .seconds(count * 3600) }

    /// The same span as the standard library's type.
    package var duration: Duration { .nanoseconds(nanoseconds) }

    package static func < (left: GoDuration, right: GoDuration) -> Bool { left.nanoseconds < right.nanoseconds }
}

extension GoDuration: CustomStringConvertible {
    /// Go's `Duration.String`: the largest unit first, no leading zero units, sub-second spans in one unit.
    package var description: String {
        if nanoseconds == 0 { return "0s" }
        let sign = nanoseconds < 0 ? "-" : ""
        let magnitude = nanoseconds.magnitude
        if magnitude < 1_000 { return "\(sign)\(magnitude)ns" }
        if magnitude < 1_000_000 { return sign + Self.decimal(magnitude, fractionDigits: 3) + "µs" }
        if magnitude < 1_000_000_000 { return sign + Self.decimal(magnitude, fractionDigits: 6) + "ms" }

        let wholeSeconds = magnitude / 1_000_000_000
        let secondsOfMinute = (wholeSeconds % 60) * 1_000_000_000 + magnitude % 1_000_000_000
        let minutes = wholeSeconds / 60
        var text = sign
        if minutes >= 60 { text += "\(minutes / 60)h" }
        if minutes > 0 { text += "\(minutes % 60)m" }
        return text + Self.decimal(secondsOfMinute, fractionDigits: 9) + "s"
    }

    /// `value` with its last `fractionDigits` digits behind a point, trailing zeros dropped.
    private static func decimal(_ value: UInt64, fractionDigits: Int) -> String {
        var scale: UInt64 = 1
        for _ in 0..<fractionDigits { scale *= 10 }
        let whole = String(value / scale)
        let fraction = value % scale
        if fraction == 0 { return whole }
        var digits = Array(String(fraction).utf8)
        digits.insert(contentsOf: repeatElement(UInt8(ascii: "0"), count: fractionDigits - digits.count), at: 0)
        while digits.last == UInt8(ascii: "0") { digits.removeLast() }
        return whole + "." + String(decoding: digits, as: UTF8.self)
    }
}

/// Why a text is not a duration; `description` is Go's sentence.
package struct GoDurationError: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(description: String) { self.description = description }
}

extension GoDuration {
    /// Reads what Go's `time.ParseDuration` reads: an optional sign and one or more numbers, each with a unit of
    /// ns, us (also µs, μs), ms, s, m or h. A bare `0` needs no unit.
    package init(parsing text: String) throws(GoDurationError) {
        let invalid = GoDurationError(description: "time: invalid duration \(goQuoted(text))")
        var rest = Array(text.utf8)[...]
        let negative = rest.first == UInt8(ascii: "-")
        if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
        if rest.elementsEqual("0".utf8) {
            self = .zero
            return
        }
        if rest.isEmpty { throw invalid }

        // One more than Int64.max, so that the most negative span can be read too.
        let limit: UInt64 = 1 << 63
        var total: UInt64 = 0
        while !rest.isEmpty {
            guard let part = Self.parseNumber(&rest, limit: limit) else { throw invalid }
            let unit = Self.takeUnit(&rest)
            if unit.isEmpty {
                throw GoDurationError(description: "time: missing unit in duration \(goQuoted(text))")
            }
            let unitText = String(decoding: unit, as: UTF8.self)
            guard let unitNanoseconds = Self.units[unitText] else {
                throw GoDurationError(
                    description: "time: unknown unit \(goQuoted(unitText)) in duration \(goQuoted(text))"
                )
            }
            let (whole, overflow) = part.whole.multipliedReportingOverflow(by: unitNanoseconds)
            if overflow || whole > limit { throw invalid }
            var value = whole
            if part.fraction > 0 {
                value += UInt64(Double(part.fraction) * (Double(unitNanoseconds) / part.scale))
            }
            let (sum, sumOverflow) = total.addingReportingOverflow(value)
            if sumOverflow || sum > limit { throw invalid }
            total = sum
        }
        if negative {
            self.init(nanoseconds: total == limit ? Int64.min : -Int64(total))
        } else {
            if total > UInt64(Int64.max) { throw invalid }
            self.init(nanoseconds: Int64(total))
        }
    }

    private struct Number {
        var whole: UInt64 = 0
        var fraction: UInt64 = 0
        var scale: Double = 1
    }

    /// Digits, optionally with a point; nil if there is no digit or the whole part overflows.
    private static func parseNumber(_ rest: inout ArraySlice<UInt8>, limit: UInt64) -> Number? {
        var number = Number()
        var digits = 0
        while let digit = rest.first.flatMap(decimalDigit) {
            let (scaled, overflow) = number.whole.multipliedReportingOverflow(by: 10)
            if overflow || scaled > limit - digit { return nil }
            number.whole = scaled + digit
            digits += 1
            rest.removeFirst()
        }
        guard rest.first == UInt8(ascii: ".") else { return digits > 0 ? number : nil }
        rest.removeFirst()
        // Fraction digits beyond what 63 bits hold cannot change a count of nanoseconds: they are skipped.
        var full = false
        while let digit = rest.first.flatMap(decimalDigit) {
            digits += 1
            rest.removeFirst()
            if full { continue }
            let (scaled, overflow) = number.fraction.multipliedReportingOverflow(by: 10)
            if overflow || scaled > limit - 1 - digit {
                full = true
                continue
            }
            number.fraction = scaled + digit
            number.scale *= 10
        }
        return digits > 0 ? number : nil
    }

    private static func takeUnit(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let end = rest.firstIndex { $0 == UInt8(ascii: ".") || decimalDigit($0) != nil } ?? rest.endIndex
        defer { rest = rest[end...] }
        return rest[..<end]
    }

    private static func decimalDigit(_ byte: UInt8) -> UInt64? {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") ? UInt64(byte - UInt8(ascii: "0")) : nil
    }

    private static let units: [String: UInt64] = [
        "ns": 1, "us": 1_000, "\u{00B5}s": 1_000, "\u{03BC}s": 1_000, "ms": 1_000_000,
        "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000,
    ]
}
