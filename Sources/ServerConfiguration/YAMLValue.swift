// A YAML document as the JSON value Go's etcd makes of it. Scalars are told apart by the rules of go-yaml 2
// (YAML 1.1: yes, no, on and off are truth values).
//
// The reader recurses with the document's nesting, so nesting and size are limited before it runs.

struct YAMLProblem: Error, Equatable {
    let sentence: String
}

indirect enum YAMLValue {
    case null
    case bool(Bool)
    /// The number's text in JSON.
    case number(String)
    case string(String)
    case array([YAMLValue])
    case object([(key: String, value: YAMLValue)])

    /// JSON's word for the value's type.
    var kind: String {
        switch self {
        case .null: "null"
        case .bool: "bool"
        case .number: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }

    /// Far beyond any configuration; keeps a wrong path (a database, say) from being parsed.
    static let sizeBytesMaximum = 1 << 20
    /// Brackets or dashes open at once. The deepest key of a configuration is at depth four.
    static let nestingMaximum = 64
    /// Values in one document. Aliases can stand for the same values many times over, and each time counts.
    static let valuesMaximum = 100_000

    init(parsing content: [UInt8]) throws(YAMLProblem) {
        guard content.count <= Self.sizeBytesMaximum else {
            throw YAMLProblem(sentence: "file is larger than \(Self.sizeBytesMaximum) bytes")
        }
        guard String(validating: content, as: UTF8.self) != nil else {
            throw YAMLProblem(sentence: "invalid UTF-8")
        }
        try Self.checkNesting(content)
        guard let root = try YAMLNode.document(content) else {
            self = .null
            return
        }
        var remaining = Self.valuesMaximum
        self = try Self.value(of: root, depth: 0, remaining: &remaining)
    }

    private static func checkNesting(_ content: [UInt8]) throws(YAMLProblem) {
        var openBrackets = 0
        var lineStart = true
        var markers = 0
        var indentation = 0
        for byte in content {
            switch byte {
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                openBrackets += 1
                lineStart = false
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                openBrackets = max(0, openBrackets - 1)
                lineStart = false
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                lineStart = true
                markers = 0
                indentation = 0
            case UInt8(ascii: " "), UInt8(ascii: "\t"):
                if lineStart { indentation += 1 }
            case UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: ":"):
                if lineStart { markers += 1 }
            default:
                lineStart = false
            }
            // A level of block nesting takes at least one column.
            if openBrackets > nestingMaximum || markers > nestingMaximum || indentation > 4 * nestingMaximum {
                throw YAMLProblem(sentence: "nested too deeply")
            }
        }
    }

    private static func value(of node: YAMLNode, depth: Int, remaining: inout Int) throws(YAMLProblem) -> YAMLValue {
        remaining -= 1
        if remaining < 0 { throw YAMLProblem(sentence: "document contains excessive aliasing") }
        if depth > 4 * nestingMaximum { throw YAMLProblem(sentence: "nested too deeply") }
        switch node {
        case .scalar(let text, let isText): return isText ? .string(text) : value(ofPlain: text)
        case .sequence(let sequence):
            var elements: [YAMLValue] = []
            for element in sequence {
                elements.append(try value(of: element, depth: depth + 1, remaining: &remaining))
            }
            return .array(elements)
        case .mapping(let mapping):
            var members: [(key: String, value: YAMLValue)] = []
            // Of a key that stands there more than once the last counts; what is merged in counts from where it stands.
            func set(_ key: String, _ value: YAMLValue) {
                if let index = members.firstIndex(where: { $0.key == key }) { members[index].value = value } else {
                    members.append((key, value))
                }
            }
            for (key, member) in mapping {
                guard case .scalar(let name, let isText) = key else {
                    throw YAMLProblem(sentence: "unsupported map key that is not a scalar")
                }
                guard name == "<<", !isText else {
                    set(name, try value(of: member, depth: depth + 1, remaining: &remaining))
                    continue
                }
                for source in try mergeSources(member) {
                    guard case .object(let merged) = try value(of: source, depth: depth + 1, remaining: &remaining) else { continue }
                    for (key, value) in merged { set(key, value) }
                }
            }
            return .object(members)
        }
    }

    /// The mappings that a `<<` brings in, each counting more than those before it.
    private static func mergeSources(_ node: YAMLNode) throws(YAMLProblem) -> [YAMLNode] {
        let sources = if case .sequence(let several) = node { Array(several.reversed()) } else { [node] }
        for source in sources {
            guard case .mapping = source else {
                throw YAMLProblem(sentence: "map merge requires map or sequence of maps as the value")
            }
        }
        return sources
    }

    private static func value(ofPlain text: String) -> YAMLValue {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE", "yes", "Yes", "YES", "y", "Y", "on", "On", "ON": return .bool(true)
        case "false", "False", "FALSE", "no", "No", "NO", "n", "N", "off", "Off", "OFF": return .bool(false)
        default: return number(text).map(YAMLValue.number) ?? .string(text)
        }
    }

    /// The JSON text of a plain scalar that is a number.
    private static func number(_ text: String) -> String? {
        guard let first = text.utf8.first, "+-.0123456789".utf8.contains(first) else { return nil }
        let plain = text.filter { $0 != "_" }
        if let value = try? GoNumbers.signed(plain) { return String(value) }
        if let value = try? GoNumbers.unsigned(plain) { return String(value) }
        let allowed = "+-.0123456789eE".utf8
        guard plain.utf8.allSatisfy(allowed.contains), let value = Double(plain), value.isFinite else { return nil }
        if value == value.rounded(), value.magnitude < 1e15 { return String(Int64(value)) }
        return value.description
    }
}
