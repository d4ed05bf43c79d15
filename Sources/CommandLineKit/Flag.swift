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
    /// The values that a shell may offer, if there are few.
    package let choices: [String]

    package init(
        _ name: String,
        _ short: Character? = nil,
        _ kind: Kind,
        _ defaultText: String = "",
        _ usage: String,
        hidden: Bool = false,
        choices: [String] = []
    ) {
        self.name = name
        self.short = short
        self.kind = kind
        self.defaultText = kind == .bool && defaultText.isEmpty ? "false" : defaultText
        self.usage = usage
        self.isHidden = hidden
        self.choices = choices
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
    package func problem(with text: String) -> String? {
        switch kind {
        case .string, .stringList: return nil
        case .bool:
            return Flag.bool(text) == nil ? "strconv.ParseBool: parsing \"\(text)\": invalid syntax" : nil
        case .int:
            do { _ = try GoNumber.int(text, base: 0) } catch { return error.description }
        case .uint:
            do { _ = try GoNumber.unsigned(text, base: 0) } catch { return error.description }
        case .duration:
            do { _ = try Duration.parsed(goText: text) } catch { return error.description }
        }
        return nil
    }

    package static func bool(_ text: String) -> Bool? {
        switch text {
        case "1", "t", "T", "true", "TRUE", "True": true
        case "0", "f", "F", "false", "FALSE", "False": false
        default: nil
        }
    }
}
