// Which trace a call belongs to, as clients say it in W3C's fields `traceparent` and `tracestate`.
// The format: https://www.w3.org/TR/trace-context/

/// The identity of a trace. All zeros is none.
package struct TraceID: Sendable, Hashable {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package var isValid: Bool { high | low != 0 }
}

/// A span's place: its trace, itself, and what is said to those who come after it.
package struct TraceContext: Sendable, Equatable {
    package static let sampledFlag: UInt8 = 1
    package static let randomFlag: UInt8 = 2

    package var traceID: TraceID
    /// Never zero.
    package var spanID: UInt64
    package var flags: UInt8
    /// What vendors of tracing systems want passed on, in W3C's form; usually empty.
    package var state: String

    package init(traceID: TraceID, spanID: UInt64, flags: UInt8, state: String = "") {
        self.traceID = traceID
        self.spanID = spanID
        self.flags = flags
        self.state = state
    }

    package var isSampled: Bool { flags & Self.sampledFlag != 0 }

    /// What a client said; nil where that is nothing or malformed, and the call then begins a trace of its own.
    /// - Parameters:
    ///   - parent: the field `traceparent`.
    ///   - state: the field `tracestate`; one that is malformed is passed over without harm to the other.
    package init?(parent: String, state: String?) {
        let parts = parent.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.count >= 4, let version = Self.number(parts[0], digits: 2), version != 0xff,
            let trace = Self.halves(parts[1]), let span = Self.number(parts[2], digits: 16),
            let flags = Self.number(parts[3], digits: 2)
        else { return nil }
        // The first version has neither more parts nor other flags; what later ones add is for those who know it.
        if version == 0, parts.count > 4 || flags > 3 { return nil }
        guard trace.isValid, span != 0 else { return nil }
        self.init(
            traceID: trace,
            spanID: span,
            flags: UInt8(flags) & (Self.sampledFlag | Self.randomFlag),
            state: state.flatMap(TraceState.checked) ?? ""
        )
    }

    private static func halves(_ text: Substring.UTF8View.SubSequence) -> TraceID? {
        guard text.count == 32, let high = number(text.prefix(16), digits: 16),
            let low = number(text.suffix(16), digits: 16)
        else { return nil }
        return TraceID(high: high, low: low)
    }

    /// So many hexadecimal digits, small ones only.
    private static func number(_ text: Substring.UTF8View.SubSequence, digits: Int) -> UInt64? {
        guard text.count == digits else { return nil }
        var number: UInt64 = 0
        for character in text {
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt64(character - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"):
                number = number << 4 | UInt64(character - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return number
    }
}

/// W3C's list of vendors' entries.
enum TraceState {
    private static let membersMax = 32
    private static let valueBytesMax = 256

    /// The list in its plain form; nil if any of it is malformed.
    static func checked(_ text: String) -> String? {
        var keys: Set<String> = []
        var members: [String] = []
        for member in text.split(separator: ",") {
            guard let equals = member.firstIndex(of: "=") else { return nil }
            let key = String(member[..<equals].drop(while: isBlank))
            var value = member[member.index(after: equals)...]
            while let last = value.last, isBlank(last) { value.removeLast() }
            guard isKey(key), isValue(value), keys.insert(key).inserted else { return nil }
            members.append(key + "=" + value)
            if members.count > membersMax { return nil }
        }
        return members.joined(separator: ",")
    }

    private static func isBlank(_ character: Character) -> Bool { character == " " || character == "\t" }

    private static func isKey(_ key: String) -> Bool {
        let parts = key.utf8.split(separator: UInt8(ascii: "@"), maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 1 { return isPart(parts[0], rest: 255, mayBeginWithDigit: false) }
        return isPart(parts[0], rest: 240, mayBeginWithDigit: true)
            && isPart(parts[1], rest: 13, mayBeginWithDigit: false)
    }

    private static func isPart(_ part: Substring.UTF8View.SubSequence, rest: Int, mayBeginWithDigit: Bool) -> Bool {
        guard let first = part.first, part.count <= rest + 1 else { return false }
        guard isLetter(first) || (mayBeginWithDigit && isDigit(first)) else { return false }
        return part.dropFirst().allSatisfy { isLetter($0) || isDigit($0) || "_-*/".utf8.contains($0) }
    }

    private static func isLetter(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") }
    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    private static func isValue(_ value: Substring) -> Bool {
        guard let last = value.utf8.last, value.utf8.count <= valueBytesMax, last != UInt8(ascii: " ") else {
            return false
        }
        return value.utf8.allSatisfy { $0 >= 0x20 && $0 <= 0x7e && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "=") }
    }
}
