// A member's own clock: runs a little fast or slow, and sometimes jumps ahead. Monotonic, as the host's is.

import Base

struct SimulatedClock {
    /// Clocks drift by up to this share; far more than real ones.
    static let driftMax = 0.03

    private let rate: Double
    private var offset: UInt64

    init(_ dice: inout SeededRandom) {
        rate = 1 + Double.random(in: -Self.driftMax...Self.driftMax, using: &dice)
        offset = UInt64.random(in: 1_000_000_000...50_000_000_000, using: &dice)
    }

    func instant(_ time: VirtualTime) -> Instant {
        Instant(nanoseconds: offset + UInt64(Double(time) * rate))
    }

    mutating func jump(_ ahead: VirtualTime) {
        offset += ahead
    }
}
