// The appends on their way to one follower: a bounded window, so that a follower that stopped answering is not sent
// the whole log.

package import Base

package struct Inflights: Sendable, Hashable {
    private struct Append: Sendable, Hashable {
        /// The last entry's.
        var index: LogIndex
        var sizeBytes: UInt64
    }

    /// A ring; grows on demand up to `countMax`.
    private var ring: [Append] = []
    private var start = 0
    package private(set) var count = 0
    package private(set) var sizeBytes: UInt64 = 0
    package let countMax: Int
    /// A soft limit: one append may exceed it. `UInt64.max`: none.
    package let sizeBytesMax: UInt64

    package init(countMax: Int, sizeBytesMax: UInt64 = .max) {
        self.countMax = countMax
        self.sizeBytesMax = sizeBytesMax
    }

    /// Whether nothing more may be sent before an acknowledgement.
    package var isFull: Bool { count == countMax || sizeBytes >= sizeBytesMax }

    /// An append is on its way. Indexes ascend.
    package mutating func add(index: LogIndex, sizeBytes: UInt64) {
        precondition(!isFull, "an append was sent although the window is full")
        if count == ring.count { grow() }
        ring[slot(count)] = Append(index: index, sizeBytes: sizeBytes)
        count += 1
        self.sizeBytes += sizeBytes
    }

    /// Everything up to `index` has been acknowledged.
    package mutating func free(upTo index: LogIndex) {
        while count > 0, ring[start].index <= index {
            sizeBytes -= ring[start].sizeBytes
            start = slot(1)
            count -= 1
        }
    }

    package mutating func reset() {
        start = 0
        count = 0
        sizeBytes = 0
    }

    private func slot(_ position: Int) -> Int {
        let sum = start + position
        return sum < ring.count ? sum : sum - ring.count
    }

    /// Doubles the ring, with the oldest append first.
    private mutating func grow() {
        var larger: [Append] = []
        larger.reserveCapacity(min(max(ring.count * 2, 8), countMax))
        for position in 0..<count { larger.append(ring[slot(position)]) }
        while larger.count < min(max(ring.count * 2, 8), countMax) { larger.append(Append(index: 0, sizeBytes: 0)) }
        ring = larger
        start = 0
    }
}
