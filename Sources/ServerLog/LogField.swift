// A key and a typed value of a structured log line.

package struct LogField: Sendable, Equatable {
    package enum Value: Sendable, Equatable {
        case string(String)
        case int(Int64)
        case uint(UInt64)
        case bool(Bool)
        case double(Double)
        case duration(GoDuration)
        case strings([String])
        /// JSON text that is written as it is; the caller vouches for it.
        case raw(String)
    }

    package let key: String
    package let value: Value

    package init(_ key: String, _ value: Value) {
        self.key = key
        self.value = value
    }

    package static func string(_ key: String, _ value: String) -> LogField { LogField(key, .string(value)) }
    package static func int(_ key: String, _ value: some BinaryInteger) -> LogField {
        LogField(key, .int(Int64(clamping: value)))
    }
    package static func uint(_ key: String, _ value: some BinaryInteger) -> LogField {
        LogField(key, .uint(UInt64(clamping: value)))
    }
    package static func bool(_ key: String, _ value: Bool) -> LogField { LogField(key, .bool(value)) }
    package static func double(_ key: String, _ value: Double) -> LogField { LogField(key, .double(value)) }
    package static func duration(_ key: String, _ value: GoDuration) -> LogField { LogField(key, .duration(value)) }
    package static func duration(_ key: String, _ value: Duration) -> LogField {
        let (seconds, attoseconds) = value.components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, sumOverflow) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        let clamped = overflow || sumOverflow ? (seconds < 0 ? Int64.min : Int64.max) : sum
        return LogField(key, .duration(GoDuration(nanoseconds: clamped)))
    }
    package static func strings(_ key: String, _ value: [String]) -> LogField { LogField(key, .strings(value)) }
    package static func raw(_ key: String, json: String) -> LogField { LogField(key, .raw(json)) }

    /// An error under the key every etcd line uses for it.
    package static func error(_ text: String) -> LogField { LogField("error", .string(text)) }
    package static func error(_ error: any Error) -> LogField { LogField("error", .string(String(describing: error))) }
}
