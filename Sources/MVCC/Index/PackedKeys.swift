// The keys of one index node, one behind the other in a single array: no allocation per key, and a search that stays
// within a few cache lines.

import Base

struct PackedKeys: Sendable {
    private var bytes: [UInt8] = []
    /// Where each key ends; it starts where the one before it ends.
    private var ends: [UInt32] = []

    init() {}

    /// With room for `count` keys, so that the arrays don't double when they are nearly full.
    init(copying other: PackedKeys, _ range: Range<Int>, room count: Int) {
        let start = other.start(range.lowerBound), end = other.start(range.upperBound)
        bytes.reserveCapacity((end - start) + (end - start) / 8)
        bytes.append(contentsOf: other.bytes[start..<end])
        ends.reserveCapacity(Swift.max(count, range.count))
        for index in range { ends.append(other.ends[index] - UInt32(start)) }
    }

    var count: Int { ends.count }
    var byteCount: Int { bytes.count }

    private func start(_ index: Int) -> Int { index == 0 ? 0 : Int(ends[index - 1]) }

    /// A copy of the key.
    subscript(index: Int) -> Bytes {
        Bytes(Array(bytes[start(index)..<Int(ends[index])]))
    }

    func withKey<R>(_ index: Int, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[start(index)..<Int(ends[index])])) }
    }

    /// How many keys are below `wanted`, and whether the next one is it.
    func search(_ wanted: UnsafeRawBufferPointer) -> (index: Int, isEqual: Bool) {
        bytes.withUnsafeBytes { bytes in
            ends.withUnsafeBufferPointer { ends in
                var (low, high) = (0, ends.count)
                while low < high {
                    let middle = (low + high) >> 1
                    let start = middle == 0 ? 0 : Int(ends[middle - 1])
                    let order = compareBytes(UnsafeRawBufferPointer(rebasing: bytes[start..<Int(ends[middle])]), wanted)
                    if order == 0 { return (middle, true) }
                    if order < 0 { low = middle + 1 } else { high = middle }
                }
                return (low, false)
            }
        }
    }

    mutating func insert(_ key: UnsafeRawBufferPointer, at index: Int) {
        let at = start(index)
        let needed = bytes.count + key.count
        // A quarter of slack instead of Swift's doubling: a node stops growing when it splits.
        if bytes.capacity < needed { bytes.reserveCapacity(needed + needed / 4) }
        bytes.insert(contentsOf: key, at: at)
        ends.insert(UInt32(at), at: index)
        for later in index..<ends.count { ends[later] += UInt32(key.count) }
    }

    mutating func insert(_ key: Bytes, at index: Int) {
        key.withUnsafeBytes { insert($0, at: index) }
    }

    mutating func remove(at index: Int) {
        let range = start(index)..<Int(ends[index])
        bytes.removeSubrange(range)
        ends.remove(at: index)
        for later in index..<ends.count { ends[later] -= UInt32(range.count) }
    }
}
