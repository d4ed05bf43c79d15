// How often clients may ping.

import NIOCore

/// As gRPC for Go judges it: two strikes are forgiven.
struct PingPolicy {
    private static let strikesMax = 2
    /// Without calls under way pings are as good as never allowed.
    private static let idleInterval = TimeAmount.hours(2)

    private let intervalMin: TimeAmount
    private var last: NIODeadline?
    private var strikes = 0
    private var hasSent = false

    init(intervalMin: TimeAmount) {
        self.intervalMin = intervalMin
    }

    /// Answers sent since the last ping excuse the next one.
    mutating func noteSent() { hasSent = true }

    mutating func isAllowed(at now: NIODeadline, hasStreams: Bool) -> Bool {
        defer { last = now }
        if hasSent {
            hasSent = false
            strikes = 0
            return true
        }
        guard let last else { return true }
        if now - last < (hasStreams ? intervalMin : Self.idleInterval) { strikes += 1 }
        return strikes <= Self.strikesMax
    }
}
