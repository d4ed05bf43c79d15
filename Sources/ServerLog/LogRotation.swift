// Settings of --log-rotation-config-json and etcd's checks on them.
import FoundationEssentials

/// When a log file is set aside and how many old ones are kept.
package struct LogRotation: Sendable, Equatable {
    /// Size in megabytes (1024 × 1024 bytes) at which a file is set aside; zero means 100.
    package var maximumMegabytes: Int = 100
    /// Days after which an old file is deleted; zero means never.
    package var maximumAgeDays: Int = 0
    /// Old files kept; zero means all.
    package var maximumBackups: Int = 0
    /// Names of old files carry local time instead of UTC.
    package var localTime: Bool = false
    /// Old files are to be compressed with gzip.
    package var compress: Bool = false

    package init() {}

    /// etcd's default text for the flag.
    package static let defaultJSON =
        #"{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}"#

    var maximumBytes: Int64 {
        let megabytes = maximumMegabytes <= 0 ? 100 : Int64(maximumMegabytes)
        let (bytes, overflow) = megabytes.multipliedReportingOverflow(by: 1 << 20)
        return overflow ? .max : bytes
    }
}

/// Why log outputs or rotation settings cannot be used; `description` is etcd's sentence.
package struct LogSetupError: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

extension LogRotation {
    /// Reads the JSON object of --log-rotation-config-json. Keys match in any case; unknown keys are skipped.
    package init(json: String) throws(LogSetupError) {
        self.init()
        if json.allSatisfy(\.isWhitespace) {
            throw LogSetupError("improperly formatted log rotation config: unexpected end of JSON input")
        }
        let value: JSONValue
        do {
            value = try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8))
        } catch {
            throw LogSetupError("improperly formatted log rotation config: invalid JSON")
        }
        guard case .object(let members) = value else {
            if case .null = value { return }
            throw LogSetupError(
                "invalid log rotation config: json: cannot unmarshal \(value.kind) into Go value of type "
                    + "embed.logRotationConfig"
            )
        }
        for (key, member) in members.sorted(by: { $0.key < $1.key }) {
            switch key.lowercased() {
            case "maxsize": maximumMegabytes = try member.integer(key: "maxsize") ?? maximumMegabytes
            case "maxage": maximumAgeDays = try member.integer(key: "maxage") ?? maximumAgeDays
            case "maxbackups": maximumBackups = try member.integer(key: "maxbackups") ?? maximumBackups
            case "localtime": localTime = try member.boolean(key: "localtime") ?? localTime
            case "compress": compress = try member.boolean(key: "compress") ?? compress
            default: break
            }
        }
    }
}

/// Just enough of a JSON value to tell Go's type errors apart.
private enum JSONValue: Decodable {
    case null
    case bool(Bool)
    case integer(Int)
    case number
    case string
    case array
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        if let container = try? decoder.singleValueContainer() {
            if container.decodeNil() {
                self = .null
                return
            }
            if let value = try? container.decode(Bool.self) {
                self = .bool(value)
                return
            }
            if let value = try? container.decode(Int.self) {
                self = .integer(value)
                return
            }
            if (try? container.decode(Double.self)) != nil {
                self = .number
                return
            }
            if (try? container.decode(String.self)) != nil {
                self = .string
                return
            }
            if let value = try? container.decode([String: JSONValue].self) {
                self = .object(value)
                return
            }
        }
        self = .array
    }

    var kind: String {
        switch self {
        case .null: "null"
        case .bool: "bool"
        case .integer, .number: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }

    func integer(key: String) throws(LogSetupError) -> Int? {
        switch self {
        case .integer(let value): return value
        case .null: return nil
        default: throw mismatch(key: key, type: "int")
        }
    }

    func boolean(key: String) throws(LogSetupError) -> Bool? {
        switch self {
        case .bool(let value): return value
        case .null: return nil
        default: throw mismatch(key: key, type: "bool")
        }
    }

    private func mismatch(key: String, type: String) -> LogSetupError {
        LogSetupError(
            "invalid log rotation config: json: cannot unmarshal \(kind) into Go struct field "
                + "logRotationConfig.\(key) of type \(type)"
        )
    }
}
