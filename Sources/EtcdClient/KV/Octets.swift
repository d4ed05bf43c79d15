// Keys and values are bytes; most people write them as text.

/// What can stand for a key or a value: text, which stands for its UTF-8, or bytes.
public protocol Octets: Sendable {
    /// The bytes as the store keeps them.
    var octets: [UInt8] { get }
}

extension String: Octets {
    public var octets: [UInt8] { Array(utf8) }
}

extension Substring: Octets {
    public var octets: [UInt8] { Array(utf8) }
}

extension Array: Octets where Element == UInt8 {
    public var octets: [UInt8] { self }
}

extension ArraySlice: Octets where Element == UInt8 {
    public var octets: [UInt8] { Array(self) }
}
