// What raft has to say, as values: whoever owns the node prints them.

package struct RaftLogLine: Sendable, Hashable {
    package enum Level: Int, Sendable, Hashable, Comparable {
        case debug
        case info
        case warning
        case error

        package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    package var level: Level
    package var text: String

    package init(level: Level, text: String) {
        self.level = level
        self.text = text
    }
}

/// The lines that nobody has fetched yet.
struct RaftLogLines: Sendable {
    /// A member that nobody listens to must not fill its memory with lines.
    private static let countMax = 4096

    private let minimumLevel: RaftLogLine.Level
    private var lines: [RaftLogLine] = []

    let hasOvertakenStorage: Bool

    init(minimumLevel: RaftLogLine.Level, hasOvertakenStorage: Bool = true) {
        self.minimumLevel = minimumLevel
        self.hasOvertakenStorage = hasOvertakenStorage
    }

    /// Whether a line of this level is kept: asked first where a line is frequent or its text costs something.
    func wants(_ level: RaftLogLine.Level) -> Bool { level >= minimumLevel && lines.count < Self.countMax }

    mutating func add(_ level: RaftLogLine.Level, _ text: String) {
        if wants(level) { lines.append(RaftLogLine(level: level, text: text)) }
    }

    mutating func drain() -> [RaftLogLine] {
        if lines.isEmpty { return [] }
        defer { lines.removeAll(keepingCapacity: false) }
        return lines
    }
}
