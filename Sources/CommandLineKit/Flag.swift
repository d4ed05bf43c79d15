// One flag of a command: its names, the kind of its value, its default, and how a value is checked.

/// A flag as a command declares it.
package struct Flag: Sendable {
    package enum Kind: Sendable {
        case bool, string, int, uint, duration, stringList
    }

    package let name: String
    package let short: Character?
    package let kind: Kind
    package let defaultText: String
    package let usage: String
    package let isHidden: Bool

    package init(
        _ name: String, _ short: Character? = nil, _ kind: Kind, _ defaultText: String = "", _ usage: String, hidden: Bool = false
    ) {
        self.name = name
        self.short = short
        self.kind = kind
        self.defaultText = kind == .bool && defaultText.isEmpty ? "false" : defaultText
        self.usage = usage
        self.isHidden = hidden
    }

    /// The word for the value in help texts; none for flags that are on or off.
    var typeWord: String {
        switch kind {
        case .bool: ""
        case .string: "string"
        case .int: "int"
        case .uint: "uint"
        case .duration: "duration"
        case .stringList: "strings"
        }
    }

    /// Whether help texts leave the default out.
    var hasZeroDefault: Bool {
        switch kind {
        case .bool: defaultText == "false"
        case .string: defaultText.isEmpty
        case .int, .uint: defaultText == "0" || defaultText.isEmpty
        case .duration: defaultText == "0s" || defaultText.isEmpty
        case .stringList: defaultText.isEmpty
        }
    }

    /// What is wrong with a value, or nil.
    func problem(with text: String) -> String? {
        switch kind {
        case .string, .stringList: return nil
        case .bool:
            return Flag.bool(text) == nil ? "strconv.ParseBool: parsing \"\(text)\": invalid syntax" : nil
        case .int:
            return Int64(text) == nil ? "strconv.ParseInt: parsing \"\(text)\": invalid syntax" : nil
        case .uint:
            return UInt64(text) == nil ? "strconv.ParseUint: parsing \"\(text)\": invalid syntax" : nil
        case .duration:
            if text.isEmpty { return "time: invalid duration \"\"" }
            if Duration(goText: text) != nil { return nil }
            if text.allSatisfy({ $0.isNumber }) { return "time: missing unit in duration \"\(text)\"" }
            return "time: invalid duration \"\(text)\""
        }
    }

    package static func bool(_ text: String) -> Bool? {
        switch text {
        case "1", "t", "T", "true", "TRUE", "True": true
        case "0", "f", "F", "false", "FALSE", "False": false
        default: nil
        }
    }
}

extension Duration {
    /// Reads `1h2m3.5s`, `100ms`, `0`; nil for anything else.
    package init?(goText text: String) {
        if text == "0" {
            self = .zero
            return
        }
        var rest = Substring(text)
        var sign = 1.0
        if rest.hasPrefix("-") || rest.hasPrefix("+") {
            if rest.first == "-" { sign = -1 }
            rest = rest.dropFirst()
        }
        guard !rest.isEmpty else { return nil }
        let units: [(String, Double)] = [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600)]
        var seconds = 0.0
        while !rest.isEmpty {
            let number = rest.prefix { $0.isNumber || $0 == "." }
            guard let value = Double(number) else { return nil }
            rest = rest.dropFirst(number.count)
            let word = rest.prefix { !$0.isNumber && $0 != "." }
            guard let unit = units.first(where: { $0.0 == word }) else { return nil }
            seconds += value * unit.1
            rest = rest.dropFirst(word.count)
        }
        self = .seconds(sign * seconds)
    }
}
