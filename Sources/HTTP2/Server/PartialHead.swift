// The head of a request while its fields come in.

import NIOCore

struct PartialHead {
    private var method = ""
    private var path = ""
    private var authority = ""
    private var contentType = ""
    private var timeout = ""
    private var encoding = ""
    private var fields: [(name: String, value: String)] = []
    private var size = 0
    private var count = 0

    /// - Returns: false if the head grows too large.
    mutating func add(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool {
        size += name.count + value.count + 32
        count += 1
        guard size <= HTTP2ServerSettings.headBytesMax, count <= HTTP2ServerSettings.headFieldsMax else { return false }
        // Fields that come with every call and concern nobody are not even made into strings.
        switch name.count {
        case 2 where name.elementsEqual("te".utf8): return true
        case 5 where name.elementsEqual(":path".utf8): path = text(value)
        case 7 where name.elementsEqual(":method".utf8):
            method = value.elementsEqual("POST".utf8) ? "POST" : text(value)
        case 7 where name.elementsEqual(":scheme".utf8): return true
        case 10 where name.elementsEqual(":authority".utf8): authority = text(value)
        case 10 where name.elementsEqual("user-agent".utf8): return true
        case 12 where name.elementsEqual("content-type".utf8):
            contentType = value.elementsEqual("application/grpc".utf8) ? "application/grpc" : text(value)
            if !contentType.hasPrefix("application/grpc") { fields.append(("content-type", contentType)) }
        case 12 where name.elementsEqual("grpc-timeout".utf8): timeout = text(value)
        case 13 where name.elementsEqual("grpc-encoding".utf8):
            encoding = text(value)
            fields.append(("grpc-encoding", encoding))
        case 20 where name.elementsEqual("grpc-accept-encoding".utf8): return true
        default: fields.append((text(name), text(value)))
        }
        return true
    }

    private func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }

    func makeStream(id: Int32, handler: HTTP2ServerHandler) -> ServerStream {
        let isGRPC = contentType == "application/grpc" || contentType.hasPrefix("application/grpc+")
            || contentType.hasPrefix("application/grpc;")
        return ServerStream(
            id: id, head: RequestHead(method: method, path: path, fields: fields, authority: authority),
            deadline: timeout.isEmpty ? nil : grpcTimeout(timeout).map { .now() + $0 },
            isGRPC: isGRPC, usesGzip: encoding == "gzip",
            hasUnknownEncoding: !encoding.isEmpty && encoding != "gzip" && encoding != "identity", handler: handler)
    }
}

/// gRPC's timeout: up to eight digits and a unit. Nil for what is none, which gRPC takes as no deadline.
func grpcTimeout(_ text: String) -> TimeAmount? {
    guard let unit = text.last, let value = Int64(text.dropLast()), value >= 0, text.utf8.count <= 9 else { return nil }
    switch unit {
    case "n": return .nanoseconds(value)
    case "u": return .microseconds(value)
    case "m": return .milliseconds(value)
    case "S": return .seconds(value)
    case "M": return .minutes(value)
    case "H": return .hours(min(value, 2_000_000))
    default: return nil
    }
}

/// How often clients may ping, as gRPC for Go judges it: two strikes are forgiven.
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
