// Keeps a repeated message from flooding the log: of each message and level, the first hundred lines in a second
// pass and then every hundredth. Messages share a fixed table of counters by hash (FNV-1a, 32 bits), so memory is
// bounded and two messages that collide may thin each other out, as in etcd.

package struct LogSampler: Sendable {
    /// Lines of one message and level that pass in each interval before thinning starts.
    package static let initialLines: UInt64 = 100
    /// After those, one line in this many passes.
    package static let thereafterLines: UInt64 = 100
    /// Length of an interval: one second in nanoseconds.
    package static let intervalNanoseconds: Int64 = 1_000_000_000
    /// Counters per level; a prime count is not needed, the hash mixes well.
    private static let countersPerLevel = 4096

    private struct Counter {
        var resetAt: Int64 = .min
        var lines: UInt64 = 0
    }

    private var counters: [Counter]

    package init() {
        counters = Array(repeating: Counter(), count: LogLevel.allCases.count * Self.countersPerLevel)
    }

    /// Counts one line at time `now` (nanoseconds) and says whether it may be written.
    package mutating func admits(_ message: String, level: LogLevel, now: Int64) -> Bool {
        var hash: UInt32 = 2_166_136_261
        for byte in message.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        let slot = level.rawValue * Self.countersPerLevel + Int(hash % UInt32(Self.countersPerLevel))
        if counters[slot].resetAt > now {
            counters[slot].lines += 1
        } else {
            counters[slot] = Counter(resetAt: now &+ Self.intervalNanoseconds, lines: 1)
        }
        let lines = counters[slot].lines
        return lines <= Self.initialLines || (lines - Self.initialLines) % Self.thereafterLines == 0
    }
}
