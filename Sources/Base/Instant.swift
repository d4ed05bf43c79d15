// Monotonic time as a value. The core never asks for it: hosts and the simulator hand it in.

/// A point on the host's monotonic clock, in nanoseconds since a moment of the host's choice.
package struct Instant: Sendable, Hashable, Comparable {
    package var nanoseconds: UInt64

    package init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    package static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    package static func + (left: Instant, right: Duration) -> Instant {
        Instant(nanoseconds: UInt64(Int64(left.nanoseconds) + right.wholeNanoseconds))
    }

    /// Cheaper than adding a `Duration`, which is 128 bits wide.
    package func advanced(bySeconds seconds: Int64) -> Instant {
        Instant(nanoseconds: UInt64(Int64(nanoseconds) + seconds * 1_000_000_000))
    }

    package static func - (left: Instant, right: Instant) -> Duration {
        .nanoseconds(Int64(left.nanoseconds) - Int64(right.nanoseconds))
    }
}

extension Duration {
    /// The duration in nanoseconds, rounded towards zero; ranges over ±292 years.
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
