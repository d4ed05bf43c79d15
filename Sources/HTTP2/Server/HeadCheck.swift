// What makes a head malformed (RFC 9113, section 8), with one liberty: an authority may have any characters. Go's clients have
// put there what they dial rather than a host (etcd 3.5.0: `#initially=[127.0.0.1:2379]`; with sockets: a path), and Go's
// servers have never looked.

import Base

/// Looks at the fields of one head, or of one body's trailers, in their order.
struct HeadCheck {
    private let isTrailers: Bool
    private var seen: Pseudo = []
    private var isConnect = false
    private var areRegular = false
    private(set) var contentLength: Int?

    private struct Pseudo: OptionSet {
        let rawValue: UInt8
        static let method = Pseudo(rawValue: 1)
        static let scheme = Pseudo(rawValue: 2)
        static let path = Pseudo(rawValue: 4)
        static let authority = Pseudo(rawValue: 8)
    }

    init(isTrailers: Bool) { self.isTrailers = isTrailers }

    /// Whether the head has all that a request needs.
    var isComplete: Bool {
        if isConnect { return seen == [.method, .authority] }
        return seen.isSuperset(of: [.method, .scheme, .path])
    }

    /// - Returns: false if the field makes the head malformed.
    mutating func accepts(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool {
        guard let first = name.first, value.allSatisfy(Self.isValueByte) else { return false }
        if first == UInt8(ascii: ":") { return acceptsPseudo(name, value) }
        areRegular = true
        guard name.allSatisfy({ Self.isNameByte[Int($0)] }) else { return false }
        for forbidden: StaticString in ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"]
        where name.isText(forbidden) {
            return false
        }
        if name.isText("te") { return value.isText("trailers") }
        if name.isText("content-length") {
            guard contentLength == nil, let length = Self.decimal(value) else { return false }
            contentLength = length
        }
        return true
    }

    private mutating func acceptsPseudo(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool {
        let which: Pseudo =
            name.isText(":method") ? .method
            : name.isText(":scheme") ? .scheme : name.isText(":path") ? .path : name.isText(":authority") ? .authority : []
        guard !which.isEmpty, !isTrailers, !areRegular, seen.isDisjoint(with: which) else { return false }
        seen.insert(which)
        switch which {
        case .authority: return true
        case .path: return value.first == UInt8(ascii: "/") || value.isText("*")
        case .method:
            isConnect = value.isText("CONNECT")
            return !value.isEmpty
        default: return !value.isEmpty
        }
    }

    private static func decimal(_ text: UnsafeRawBufferPointer) -> Int? {
        guard (1...18).contains(text.count) else { return nil }
        var value = 0
        for digit in text {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            value = value * 10 + Int(digit - UInt8(ascii: "0"))
        }
        return value
    }

    private static func isValueByte(_ byte: UInt8) -> Bool { (byte >= 0x20 && byte != 0x7f) || byte == 0x09 }

    /// A token's characters, without capitals.
    private static let isNameByte: [Bool] = {
        var allowed = [Bool](repeating: false, count: 256)
        for byte in UInt8(ascii: "a")...UInt8(ascii: "z") { allowed[Int(byte)] = true }
        for byte in UInt8(ascii: "0")...UInt8(ascii: "9") { allowed[Int(byte)] = true }
        for byte in "!#$%&'*+-.^_`|~".utf8 { allowed[Int(byte)] = true }
        return allowed
    }()
}
