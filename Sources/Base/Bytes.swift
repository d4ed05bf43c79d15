// `Bytes`: the currency for keys, values, entries and encoded messages.
//
// A window on a shared, immutable array: copying and slicing move no bytes. Two words wide, so it lies flat in the
// arrays of the key index. What outlives a request is stored `compacted()`, for a slice keeps its whole array alive.

/// An immutable string of bytes with value semantics; slicing is free of copies.
package struct Bytes: Sendable {
    @usableFromInline package let storage: [UInt8]
    @usableFromInline let lower: UInt32
    @usableFromInline let upper: UInt32

    /// The window `lower..<upper` of `storage`; sizes beyond 4 GiB are no string of ours (bbolt and gRPC stop at 2).
    @inlinable
    package init(storage: [UInt8], lower: Int, upper: Int) {
        precondition(lower >= 0 && lower <= upper && upper <= storage.count && upper <= Int(UInt32.max))
        self.storage = storage
        self.lower = UInt32(truncatingIfNeeded: lower)
        self.upper = UInt32(truncatingIfNeeded: upper)
    }

    @inlinable
    package init(_ array: [UInt8]) {
        self.init(storage: array, lower: 0, upper: array.count)
    }

    @inlinable
    package init() {
        self.init(storage: [], lower: 0, upper: 0)
    }

    /// A copy of the bytes behind `buffer`.
    @inlinable
    package init(copying buffer: UnsafeRawBufferPointer) {
        self.init([UInt8](buffer))
    }

    /// The UTF-8 of `string`.
    @inlinable
    package init(_ string: String) {
        self.init([UInt8](string.utf8))
    }

    @inlinable package var count: Int { Int(upper &- lower) }
    /// Where in `storage` the window starts: for readers that walk the storage themselves.
    @inlinable package var startInStorage: Int { Int(lower) }
    @inlinable package var isEmpty: Bool { upper == lower }

    /// The bytes `range` of this window, sharing its storage.
    @inlinable
    package subscript(range: Range<Int>) -> Bytes {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        return Bytes(storage: storage, lower: Int(lower) + range.lowerBound, upper: Int(lower) + range.upperBound)
    }

    @inlinable
    package subscript(position: Int) -> UInt8 {
        precondition(position >= 0 && position < count)
        return storage[Int(lower) + position]
    }

    @inlinable
    package func prefix(_ length: Int) -> Bytes { self[0..<Swift.min(length, count)] }

    @inlinable
    package func dropFirst(_ length: Int) -> Bytes { self[Swift.min(length, count)..<count] }

    /// The same bytes in an array of just their size, unless this window already is its whole array.
    @inlinable
    package func compacted() -> Bytes {
        count == storage.count ? self : Bytes(array)
    }

    /// The bytes as an array; shares the storage when the window is all of it.
    @inlinable
    package var array: [UInt8] {
        count == storage.count ? storage : Array(storage[Int(lower)..<Int(upper)])
    }

    /// Gives `body` the bytes for as long as it runs.
    @inlinable
    package func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        try storage.withUnsafeBufferPointer { (whole) throws(E) -> R in
            try body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: whole[Int(lower)..<Int(upper)])))
        }
    }

    /// The bytes as text, malformed UTF-8 replaced: for logs and error sentences.
    package var description: String { String(decoding: storage[Int(lower)..<Int(upper)], as: UTF8.self) }
}

extension Bytes: Equatable {
    @inlinable
    package static func == (left: Bytes, right: Bytes) -> Bool {
        guard left.count == right.count else { return false }
        return left.withUnsafeBytes { l in
            right.withUnsafeBytes { r in
                guard let a = l.baseAddress, let b = r.baseAddress, l.count > 0 else { return true }
                return compareMemory(a, b, l.count) == 0
            }
        }
    }
}

extension Bytes: Comparable {
    /// Order as byte strings, shorter first where one is a prefix of the other: etcd's key order.
    @inlinable
    package static func < (left: Bytes, right: Bytes) -> Bool {
        left.compare(right) < 0
    }

    /// Negative, zero or positive as this string sorts before, with or after `other`.
    @inlinable
    package func compare(_ other: Bytes) -> Int {
        withUnsafeBytes { l in other.withUnsafeBytes { r in compareBytes(l, r) } }
    }
}

extension Bytes: Hashable {
    @inlinable
    package func hash(into hasher: inout Hasher) {
        withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}

extension Bytes: ExpressibleByStringLiteral {
    package init(stringLiteral value: String) { self.init(value) }
}

extension Bytes: ExpressibleByArrayLiteral {
    package init(arrayLiteral elements: UInt8...) { self.init(elements) }
}

extension Bytes: CustomStringConvertible {}

/// Byte-string order of two buffers: negative, zero or positive.
@inlinable
package func compareBytes(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
    let common = Swift.min(left.count, right.count)
    if common > 0, let a = left.baseAddress, let b = right.baseAddress {
        let order = compareMemory(a, b, common)
        if order != 0 { return order }
    }
    return left.count - right.count
}
