// What a client sends in front of its messages, and the reader that puts it together.
//
// A client's requests are mostly alike: the reader remembers the fields of the last head, and while the next one brings
// the same bytes, nothing is parsed and nothing allocated: both requests share one `RequestHead`.

import Base
import NIOCore

/// The head of one request, or of many with the same fields. Immutable.
package final class RequestHead {
    package let method: String
    package let path: String
    package let authority: String
    /// Lower-case names, as on the wire; without pseudo headers and without what concerns nobody.
    package let fields: [(name: String, value: String)]
    package let isGRPC: Bool
    /// What the body's length shall be, in bytes; nil if the client does not say.
    let contentLength: Int?
    let encoding: MessageEncoding

    enum MessageEncoding {
        case identity
        case gzip
        case unknown
    }

    fileprivate init(
        method: String, path: String, authority: String, fields: [(name: String, value: String)], isGRPC: Bool,
        contentLength: Int?, encoding: MessageEncoding
    ) {
        self.method = method
        self.path = path
        self.authority = authority
        self.fields = fields
        self.isGRPC = isGRPC
        self.contentLength = contentLength
        self.encoding = encoding
    }

    package subscript(name: String) -> String? { fields.first { $0.name == name }?.value }
}

/// Collects the fields of one head after the other, on one connection.
final class RequestHeadReader {
    /// The last head's fields, as `block` has them; nil if they are not remembered.
    private var remembered: UnsafeRawBufferPointer?
    private var last: RequestHead?
    /// While this head's fields are those of `last`: how far. Then -1, and they are in `block`.
    private var position = -1
    /// The lengths of name and value, 32 bits each, then their bytes; field after field.
    private var block: [UInt8] = []
    private var size = 0
    private var count = 0
    private(set) var timeout: TimeAmount?

    /// A longer head is not remembered: a connection that is idle should not hold much.
    private static let rememberedBytesMax = 4 << 10
    private static let lengthsSize = 8

    deinit { remembered?.deallocate() }

    func begin() {
        size = 0
        count = 0
        timeout = nil
        if remembered != nil {
            position = 0
        } else {
            position = -1
            block = []
        }
    }

    /// - Returns: false if the head grows too large.
    func add(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool {
        size += name.count + value.count + 32
        count += 1
        guard size <= HTTP2ServerSettings.headBytesMax, count <= HTTP2ServerSettings.headFieldsMax else { return false }
        // Comes with another value each time.
        if name.isText("grpc-timeout") {
            timeout = grpcTimeout(value)
            return true
        }
        if position >= 0, let remembered {
            if let next = Self.end(ofField: remembered, at: position, name, value) {
                position = next
                return true
            }
            diverge(remembered)
        }
        for length in [name.count, value.count] {
            withUnsafeBytes(of: UInt32(length)) { block.append(contentsOf: $0) }
        }
        block.append(contentsOf: name)
        block.append(contentsOf: value)
        return true
    }

    /// Where the field at `position` ends, if it is this one.
    private static func end(
        ofField block: UnsafeRawBufferPointer, at position: Int, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) -> Int? {
        let nameStart = position + lengthsSize
        let valueStart = nameStart + name.count
        let end = valueStart + value.count
        guard end <= block.count, let base = block.baseAddress,
            block.loadUnaligned(fromByteOffset: position, as: UInt32.self) == UInt32(truncatingIfNeeded: name.count),
            block.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self) == UInt32(truncatingIfNeeded: value.count)
        else { return nil }
        if let name = name.baseAddress, compareMemory(base + nameStart, name, valueStart - nameStart) != 0 { return nil }
        if let value = value.baseAddress, compareMemory(base + valueStart, value, end - valueStart) != 0 { return nil }
        return end
    }

    /// From here on this head is another one than the last.
    private func diverge(_ remembered: UnsafeRawBufferPointer) {
        block = Array(remembered[..<position])
        position = -1
        remembered.deallocate()
        self.remembered = nil
        last = nil
    }

    /// What the fields since `begin` say.
    /// - Returns: nil if that is no request.
    func finish() -> RequestHead? {
        if position >= 0, let remembered {
            if position == remembered.count, let last { return last }
            diverge(remembered)
        }
        guard let head = block.withUnsafeBytes({ Self.parse($0) }) else {
            block = []
            return nil
        }
        if block.count <= Self.rememberedBytesMax {
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: block.count, alignment: 1)
            copy.copyBytes(from: block)
            remembered = UnsafeRawBufferPointer(copy)
            last = head
        }
        block = []
        return head
    }

    /// Whether the fields since `begin` may stand behind a body.
    func finishTrailers() -> Bool {
        if position >= 0, let remembered { diverge(remembered) }
        defer { block = [] }
        return block.withUnsafeBytes { block in
            var check = HeadCheck(isTrailers: true)
            return Self.forEachField(block) { check.accepts($0, $1) }
        }
    }

    /// - Returns: false as soon as `body` does.
    private static func forEachField(
        _ block: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Bool
    ) -> Bool {
        var at = 0
        while at + lengthsSize <= block.count {
            let nameEnd = at + lengthsSize + Int(block.loadUnaligned(fromByteOffset: at, as: UInt32.self))
            let valueEnd = nameEnd + Int(block.loadUnaligned(fromByteOffset: at + 4, as: UInt32.self))
            let name = UnsafeRawBufferPointer(rebasing: block[at + lengthsSize..<nameEnd])
            let value = UnsafeRawBufferPointer(rebasing: block[nameEnd..<valueEnd])
            at = valueEnd
            if !body(name, value) { return false }
        }
        return true
    }

    private static func parse(_ block: UnsafeRawBufferPointer) -> RequestHead? {
        var (method, path, authority, contentType, encoding) = ("", "", "", "", "")
        var fields: [(name: String, value: String)] = []
        var check = HeadCheck(isTrailers: false)
        let isWellFormed = forEachField(block) { name, value in
            guard check.accepts(name, value) else { return false }
            // Fields that come with every call and concern nobody are not even made into strings.
            if name.isText("te") || name.isText(":scheme") || name.isText("user-agent") || name.isText("grpc-accept-encoding") {
                return true
            }
            let text = String(decoding: value, as: UTF8.self)
            if name.isText(":path") {
                path = text
            } else if name.isText(":method") {
                method = text
            } else if name.isText(":authority") {
                authority = text
            } else if name.isText("content-type") {
                contentType = text
                if !text.hasPrefix("application/grpc") { fields.append(("content-type", text)) }
            } else {
                if name.isText("grpc-encoding") { encoding = text }
                fields.append((String(decoding: name, as: UTF8.self), text))
            }
            return true
        }
        guard isWellFormed, check.isComplete else { return nil }
        let isGRPC =
            contentType == "application/grpc" || contentType.hasPrefix("application/grpc+")
            || contentType.hasPrefix("application/grpc;")
        return RequestHead(
            method: method, path: path, authority: authority, fields: fields, isGRPC: isGRPC, contentLength: check.contentLength,
            encoding: encoding.isEmpty || encoding == "identity" ? .identity : encoding == "gzip" ? .gzip : .unknown)
    }
}

extension UnsafeRawBufferPointer {
    func isText(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount, let baseAddress else { return false }
        return compareMemory(baseAddress, text.utf8Start, count) == 0
    }
}

/// gRPC's timeout: up to eight digits and a unit. Nil for what is none, which gRPC takes as no deadline.
func grpcTimeout(_ text: UnsafeRawBufferPointer) -> TimeAmount? {
    guard let unit = text.last, (2...9).contains(text.count) else { return nil }
    var value: Int64 = 0
    for digit in text.dropLast() {
        guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
        value = value * 10 + Int64(digit - UInt8(ascii: "0"))
    }
    switch unit {
    case UInt8(ascii: "n"): return .nanoseconds(value)
    case UInt8(ascii: "u"): return .microseconds(value)
    case UInt8(ascii: "m"): return .milliseconds(value)
    case UInt8(ascii: "S"): return .seconds(value)
    case UInt8(ascii: "M"): return .minutes(value)
    case UInt8(ascii: "H"): return .hours(min(value, 2_000_000))
    default: return nil
    }
}
