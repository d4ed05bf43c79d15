// What collectors are sent: OTLP's `ExportTraceServiceRequest`.
// The format: https://github.com/open-telemetry/opentelemetry-proto

package import Base
import Wire

package struct TraceMessage: Sendable {
    /// gRPC's method that takes it.
    package static let service = "opentelemetry.proto.collector.trace.v1.TraceService"
    package static let method = "Export"

    private let resource: Bytes

    /// - Parameter resource: who the spans come from, in any order.
    package init(resource: [SpanAttribute]) {
        var writer = WireWriter()
        for attribute in resource.sorted(by: { $0.key < $1.key }) { writer.write(1, attribute) }
        self.resource = writer.bytes
    }

    /// The message for a batch, encoded.
    package func encoded(_ spans: [Span]) -> Bytes {
        var body = WireWriter(capacity: spans.reduce(resource.count + 256) { $0 + $1.bytes })
        body.explicit(1, resource)
        for scope in Span.Scope.allCases {
            let own = spans.filter { $0.scope == scope }
            if own.isEmpty { continue }
            var name = WireWriter()
            name.field(1, scope.name)
            name.field(2, scope.version)
            var part = WireWriter()
            part.explicit(1, name.bytes)
            for span in own { part.explicit(2, span.encoded) }
            body.explicit(2, part.bytes)
        }
        var message = WireWriter(capacity: body.count + 8)
        message.explicit(1, body.bytes)
        return message.bytes
    }

    /// Why a collector that took the message took not all of it; nil if it did.
    package static func refusal(inResponse bytes: Bytes) -> String? {
        do throws(WireError) {
            var reader = WireReader(bytes)
            while let field = try reader.next() {
                guard field.number == 1, field.type == .lengthDelimited else {
                    try reader.skip(field)
                    continue
                }
                var (rejected, reason): (UInt64, String) = (0, "")
                var part = WireReader(try reader.bytes(field))
                while let field = try part.next() {
                    switch field.number {
                    case 1: rejected = try part.uint64(field)
                    case 2: reason = String(decoding: try part.bytes(field).array, as: UTF8.self)
                    default: try part.skip(field)
                    }
                }
                if rejected > 0 || !reason.isEmpty {
                    return "OTLP partial success: \(reason) (\(rejected) spans rejected)"
                }
            }
            return nil
        } catch {
            return "the collector's answer is malformed"
        }
    }
}

extension Span {
    /// Flags beside W3C's: it is known whether the parent is another process's span, and whether it is.
    private static let knowsParentFlag: UInt32 = 0x100
    private static let remoteParentFlag: UInt32 = 0x200
    private static let errorStatus: UInt64 = 2

    fileprivate var encoded: Bytes {
        var writer = WireWriter(capacity: bytes)
        writer.header(1, length: 16)
        writer.bigEndian(context.traceID.high)
        writer.bigEndian(context.traceID.low)
        writer.header(2, length: 8)
        writer.bigEndian(context.spanID)
        writer.field(3, context.state)
        if parentID != 0 {
            writer.header(4, length: 8)
            writer.bigEndian(parentID)
        }
        writer.field(5, name)
        writer.explicit(6, kind.rawValue)
        writer.fixed64(7, begunUnixNanoseconds)
        writer.fixed64(8, endedUnixNanoseconds)
        for attribute in attributes { writer.write(9, attribute) }
        for error in errors {
            var event = WireWriter()
            event.fixed64(1, error.unixNanoseconds)
            event.field(2, "exception")
            event.write(3, SpanAttribute("exception.message", error.message))
            writer.explicit(11, event.bytes)
        }
        var status = WireWriter()
        if let failure {
            status.field(2, failure)
            status.field(3, Self.errorStatus)
        }
        writer.explicit(15, status.bytes)
        let flags = UInt32(context.flags) | Self.knowsParentFlag | (isParentRemote ? Self.remoteParentFlag : 0)
        writer.tag(16, .fixed32)
        for shift in stride(from: 0, to: 32, by: 8) { writer.array.append(UInt8(truncatingIfNeeded: flags >> shift)) }
        return writer.bytes
    }
}

extension WireWriter {
    fileprivate mutating func bigEndian(_ value: UInt64) {
        for shift in stride(from: 56, through: 0, by: -8) { array.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    fileprivate mutating func fixed64(_ field: Int, _ value: UInt64) {
        tag(field, .fixed64)
        for shift in stride(from: 0, to: 64, by: 8) { array.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    fileprivate mutating func write(_ field: Int, _ attribute: SpanAttribute) {
        var value = WireWriter()
        switch attribute.value {
        case .text(let text): value.explicit(1, text)
        case .flag(let flag): value.explicit(2, flag ? 1 : 0)
        case .integer(let integer): value.explicit(3, UInt64(bitPattern: integer))
        }
        var pair = WireWriter()
        pair.field(1, attribute.key)
        pair.explicit(2, value.bytes)
        explicit(field, pair.bytes)
    }
}
