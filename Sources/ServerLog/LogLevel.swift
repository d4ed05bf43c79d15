// Severity of a log line, least to most severe. The names are what --log-level accepts and what lines show.

package enum LogLevel: Int, Sendable, Comparable, CaseIterable {
    case debug, info, warn, error
    /// A bug that must not stop a production member.
    case dpanic
    case panic, fatal

    /// The name shown in lines.
    package var name: String {
        switch self {
        case .debug: "debug"
        case .info: "info"
        case .warn: "warn"
        case .error: "error"
        case .dpanic: "dpanic"
        case .panic: "panic"
        case .fatal: "fatal"
        }
    }

    /// The level called `name`, in lower or upper case; empty means info. Nil if there is none.
    package init?(name: String) {
        if name.isEmpty {
            self = .info
            return
        }
        guard let level = Self.allCases.first(where: { $0.name == name || $0.name.uppercased() == name }) else {
            return nil
        }
        self = level
    }

    package static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
}
