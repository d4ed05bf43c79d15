// Which keys a request means.

/// A key, or all keys between two.
public struct KeyRange: Sendable, Hashable {
    /// The first key.
    public var start: [UInt8]
    /// The key after the last one. Empty: only ``start``. A single zero byte: all from ``start`` on.
    public var end: [UInt8]

    public init(start: [UInt8], end: [UInt8]) {
        self.start = start
        self.end = end
    }

    /// One key.
    public static func key(_ key: some Octets) -> KeyRange { KeyRange(start: key.octets, end: []) }

    /// All keys that begin with this; all keys if it is empty.
    public static func prefix(_ prefix: some Octets) -> KeyRange {
        let octets = prefix.octets
        return octets.isEmpty ? .all : KeyRange(start: octets, end: prefixEnd(octets))
    }

    /// From the first, up to but without the second.
    public static func range(_ start: some Octets, _ end: some Octets) -> KeyRange {
        KeyRange(start: start.octets, end: end.octets)
    }

    /// All keys from this on.
    public static func from(_ start: some Octets) -> KeyRange {
        KeyRange(start: start.octets.isEmpty ? [0] : start.octets, end: [0])
    }

    /// All keys.
    public static let all = KeyRange(start: [0], end: [0])

    /// The same keys in the part of the store whose keys begin with `prefix`.
    func prefixed(_ prefix: [UInt8]) -> KeyRange {
        if end.isEmpty { return KeyRange(start: prefix + start, end: []) }
        let first = start == [0] && end == [0] ? [] : start
        return KeyRange(start: prefix + first, end: end == [0] ? prefixEnd(prefix) : prefix + end)
    }

    /// Whether the key is meant.
    public func contains(_ key: [UInt8]) -> Bool {
        if end.isEmpty { return key == start }
        return !key.lexicographicallyPrecedes(start) && (end == [0] || key.lexicographicallyPrecedes(end))
    }
}

/// The first key after all that begin with `prefix`; a zero byte, meaning all, if there is none.
package func prefixEnd(_ prefix: [UInt8]) -> [UInt8] {
    var end = prefix
    while let last = end.last {
        if last < 0xFF {
            end[end.count - 1] = last + 1
            return end
        }
        end.removeLast()
    }
    return [0]
}
