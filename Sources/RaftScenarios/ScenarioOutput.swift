// What a directive prints: results and log lines in the order they come, with nested parts indented.

import Raft

struct ScenarioOutput {
    /// From which level on log lines are printed. `none` silences results too.
    enum Level: Int, CaseIterable {
        case debug
        case info
        case warn
        case error
        case fatal
        case none

        var name: String {
            switch self {
            case .debug: "DEBUG"
            case .info: "INFO"
            case .warn: "WARN"
            case .error: "ERROR"
            case .fatal: "FATAL"
            case .none: "NONE"
            }
        }

        init?(name: String) {
            guard let level = Self.allCases.first(where: { $0.name == name.uppercased() }) else { return nil }
            self = level
        }

        init(_ level: RaftLogLine.Level) {
            switch level {
            case .debug: self = .debug
            case .info: self = .info
            case .warning: self = .warn
            case .error: self = .error
            }
        }
    }

    var level = Level.debug
    private(set) var text = ""

    var isQuiet: Bool { level == .none }

    mutating func reset() { text = "" }

    mutating func write(_ addition: String) {
        if !isQuiet { text += addition }
    }

    mutating func write(_ line: RaftLogLine) {
        let level = Level(line.level)
        if level.rawValue >= self.level.rawValue { text += "\(level.name) \(line.text)\n" }
    }

    /// Begins an indented part; give the result to `endIndented`.
    mutating func beginIndented() -> String {
        defer { text = "" }
        return text
    }

    mutating func endIndented(_ outer: String) {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last == "" { lines.removeLast() }
        text = outer + lines.map { "  \($0)\n" }.joined()
    }
}
