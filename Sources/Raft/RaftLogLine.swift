// What raft has to say, as values: whoever owns the node prints them.

package enum RaftLogLevel: Int, Sendable, Hashable, Comparable {
    case debug
    case info
    case warning
    case error

    package static func < (left: RaftLogLevel, right: RaftLogLevel) -> Bool { left.rawValue < right.rawValue }
}

package struct RaftLogLine: Sendable, Hashable {
    package var level: RaftLogLevel
    package var text: String

    package init(level: RaftLogLevel, text: String) {
        self.level = level
        self.text = text
    }
}

/// The lines that nobody has fetched yet.
struct RaftLogLines: Sendable {
    /// A member that nobody listens to must not fill its memory with lines.
    private static let countMax = 4096

    private let minimumLevel: RaftLogLevel
    private var lines: [RaftLogLine] = []

    init(minimumLevel: RaftLogLevel) {
        self.minimumLevel = minimumLevel
    }

    /// Whether a line of this level is kept: asked first where a line is frequent or its text costs something.
    func wants(_ level: RaftLogLevel) -> Bool { level >= minimumLevel && lines.count < Self.countMax }

    mutating func add(_ level: RaftLogLevel, _ text: String) {
        if wants(level) { lines.append(RaftLogLine(level: level, text: text)) }
    }

    mutating func drain() -> [RaftLogLine] {
        if lines.isEmpty { return [] }
        defer { lines.removeAll(keepingCapacity: false) }
        return lines
    }
}
