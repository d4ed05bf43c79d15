import Base
import Testing
import Wire

@testable import Tracing

/// A tracer with a clock in the test's hand.
private final class Bench {
    var now: UInt64 = 1000
    var batches: [[Span]] = []
    private(set) lazy var tracer = Tracer(
        Sampler(perMillion: 1_000_000),
        seed: 7,
        clock: { [unowned self] in Instant(nanoseconds: now) },
        unixOffset: 5000
    ) { [unowned self] in batches.append($0) }

    func call(_ parent: TraceContext? = nil) throws -> CallTrace {
        try #require(tracer.call("p.S/M", parent: parent) { [SpanAttribute("server.port", 7)] })
    }

    var spans: [Span] {
        tracer.flush()
        return batches.flatMap { $0 }
    }
}

@Suite("Tracer")
struct TracerTests {
    @Test("a call and what the member does for it are one trace")
    func nesting() throws {
        let bench = Bench()
        let trace = try bench.call()
        bench.now = 2000
        trace.begin("put", [SpanAttribute("key", Bytes([0x66, 0xff]))])
        trace.note(error: "on the way")
        bench.now = 3000
        trace.end(code: 14, message: "gone")
        trace.end(code: 0, message: "")
        trace.begin("late", [])
        let spans = bench.spans
        #expect(spans.map(\.name) == ["put", "p.S/M"])
        let (put, call) = (spans[0], spans[1])
        #expect(put.context.traceID == call.context.traceID && call.context.traceID.isValid)
        #expect(put.parentID == call.context.spanID && call.parentID == 0)
        #expect(put.context.spanID != call.context.spanID && put.context.spanID != 0)
        #expect(put.attributes == [SpanAttribute("key", "f\u{fffd}")])
        #expect(put.errors == [Span.Event(unixNanoseconds: 7000, message: "on the way")])
        #expect(put.kind == .inside && call.kind == .server)
        #expect((put.begunUnixNanoseconds, put.endedUnixNanoseconds) == (7000, 8000))
        #expect((call.begunUnixNanoseconds, call.endedUnixNanoseconds) == (6000, 8000))
        #expect(put.failure == nil && call.failure == "gone")
        #expect(
            call.attributes == [
                SpanAttribute("rpc.method", "p.S/M"), SpanAttribute("rpc.system.name", "grpc"),
                SpanAttribute("server.port", 7),
                SpanAttribute("rpc.response.status_code", "UNAVAILABLE"),
            ]
        )
    }

    @Test("a client's trace is gone on with, and one that the client drops is dropped")
    func parents() throws {
        let bench = Bench()
        let parent = TraceContext(traceID: TraceID(high: 1, low: 2), spanID: 3, flags: 1, state: "a=b")
        try bench.call(parent).end(code: 5, message: "not found")
        let span = bench.spans[0]
        #expect(span.context.traceID == parent.traceID && span.context.state == "a=b" && span.context.spanID != 3)
        #expect(span.parentID == 3 && span.isParentRemote)
        #expect(span.failure == nil, "the client's failure is none of the server's")
        var dropped = parent
        dropped.flags = 0
        #expect(bench.tracer.call("p.S/M", parent: dropped, server: { [] }) == nil)
    }

    @Test("parts of a stream end by themselves, and at the latest with it")
    func parts() throws {
        let bench = Bench()
        let trace = try bench.call()
        trace.beginPart(1, "watch", [])
        trace.beginPart(2, "watch", [])
        bench.now = 2000
        trace.endPart(1)
        trace.endPart(1)
        bench.now = 3000
        trace.end(code: 1, message: "context canceled")
        #expect(bench.spans.map(\.name) == ["watch", "watch", "p.S/M"])
        #expect(bench.spans.map(\.endedUnixNanoseconds) == [7000, 8000, 8000])
    }

    @Test("a span never ends before it began, whatever the wall clock does")
    func clockSetBack() throws {
        let bench = Bench()
        let trace = try bench.call()
        bench.tracer.unixOffset = 0
        trace.end(code: 0, message: "")
        #expect(bench.spans[0].begunUnixNanoseconds == bench.spans[0].endedUnixNanoseconds)
    }

    @Test("batches leave when they are full, by number or by size")
    func batches() throws {
        let bench = Bench()
        for _ in 0..<Tracer.batchSpansMax - 1 { try bench.call().end(code: 0, message: "") }
        #expect(bench.batches.isEmpty)
        try bench.call().end(code: 0, message: "")
        #expect(bench.batches.map(\.count) == [Tracer.batchSpansMax])
        bench.tracer.flush()
        #expect(bench.batches.count == 1)
        let large = String(repeating: "x", count: 10 << 20)
        var calls = 0
        while bench.batches.count == 1 {
            let trace = try bench.call()
            trace.begin("put", [SpanAttribute("key", large)])
            trace.end(code: 0, message: "")
            calls += 1
        }
        #expect(calls > 10 && calls < Tracer.batchSpansMax / 2)
        let message = TraceMessage(resource: []).encoded(bench.batches[1])
        #expect(message.count < 2 << 20)
    }
}

/// Protobuf as a tree, for looking at what was written.
private indirect enum Field: Equatable {
    case number(UInt64)
    case bytes([UInt8])

    static func read(_ bytes: [UInt8]) throws -> [(Int, Field)] {
        var reader = WireReader(Bytes(bytes))
        var fields: [(Int, Field)] = []
        while let field = try reader.next() {
            switch field.type {
            case .varint: fields.append((field.number, .number(try reader.uint64(field))))
            case .lengthDelimited: fields.append((field.number, .bytes(try reader.bytes(field).array)))
            case .fixed64, .fixed32:
                let size = field.type == .fixed64 ? 8 : 4
                let before = reader.rest.array
                try reader.skip(field)
                var number: UInt64 = 0
                for byte in before.prefix(size).reversed() { number = number << 8 | UInt64(byte) }
                fields.append((field.number, .number(number)))
            default: Issue.record("a group")
            }
        }
        return fields
    }

    var inner: [(Int, Field)] {
        get throws {
            guard case .bytes(let bytes) = self else { return [] }
            return try Self.read(bytes)
        }
    }

    var text: String? {
        if case .bytes(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil }
    }
}

@Suite("OTLP messages")
struct TraceMessageTests {
    private func attribute(_ field: Field) throws -> (String, Field) {
        let pair = try field.inner
        let value = try pair[1].1.inner
        return (pair[0].1.text ?? "", value[0].1)
    }

    @Test("the fields of a span are where OTLP has them")
    func span() throws {
        let span = Span(
            context: TraceContext(traceID: TraceID(high: 0x0102, low: 0xf0), spanID: 0xa0, flags: 1, state: "a=b"),
            parentID: 0xb0,
            isParentRemote: true,
            name: "p.S/M",
            kind: .server,
            scope: .calls,
            begunUnixNanoseconds: 10,
            endedUnixNanoseconds: 1 << 60,
            attributes: [SpanAttribute("t", ""), SpanAttribute("i", -1), SpanAttribute("f", false)],
            errors: [Span.Event(unixNanoseconds: 11, message: "why")],
            failure: "gone"
        )
        let bytes = TraceMessage(resource: [SpanAttribute("service.name", "etcd"), SpanAttribute("a", "b")]).encoded([
            span
        ])
        let resourceSpans = try Field.read(bytes.array)
        #expect(resourceSpans.map(\.0) == [1])
        let parts = try resourceSpans[0].1.inner
        #expect(parts.map(\.0) == [1, 2])
        let resource = try parts[0].1.inner.map { try attribute($0.1) }
        #expect(resource.map(\.0) == ["a", "service.name"] && resource[1].1.text == "etcd")
        let scope = try parts[1].1.inner
        #expect(try scope[0].1.inner.map { $0.1.text } == [Span.Scope.calls.name, "0.68.0"])
        let fields = try scope[1].1.inner
        #expect(fields.map(\.0) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 11, 15, 16])
        #expect(fields[0].1 == .bytes([0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0xf0]))
        #expect(fields[1].1 == .bytes([0, 0, 0, 0, 0, 0, 0, 0xa0]))
        #expect(fields[2].1.text == "a=b")
        #expect(fields[3].1 == .bytes([0, 0, 0, 0, 0, 0, 0, 0xb0]))
        #expect(fields[4].1.text == "p.S/M")
        #expect(fields[5].1 == .number(2))
        #expect(fields[6].1 == .number(10) && fields[7].1 == .number(1 << 60))
        let attributes = try fields[8...10].map { try attribute($0.1) }
        #expect(attributes.map(\.0) == ["t", "i", "f"])
        #expect(attributes.map(\.1) == [.bytes([]), .number(.max), .number(0)])
        let event = try fields[11].1.inner
        #expect(event[0].1 == .number(11) && event[1].1.text == "exception")
        #expect(try attribute(event[2].1).1.text == "why")
        let status = try fields[12].1.inner
        #expect(status.map(\.0) == [2, 3] && status[0].1.text == "gone" && status[1].1 == .number(2))
        #expect(fields[13].1 == .number(0x301))
    }

    @Test("spans of one scope stand together")
    func scopes() throws {
        let spans = [Span.Scope.member, .calls, .member].map {
            Span(
                context: TraceContext(traceID: TraceID(high: 0, low: 1), spanID: 1, flags: 1),
                parentID: 0,
                isParentRemote: false,
                name: "n",
                kind: .inside,
                scope: $0,
                attributes: []
            )
        }
        let parts = try Field.read(TraceMessage(resource: []).encoded(spans).array)[0].1.inner
        let counts = try parts.dropFirst().map { try $0.1.inner.filter { $0.0 == 2 }.count }
        #expect(counts == [1, 2])
        // No parent, and an end that is a success.
        let fields = try parts[1].1.inner[1].1.inner
        #expect(!fields.contains { $0.0 == 4 } && fields.first { $0.0 == 15 }?.1 == .bytes([]))
        #expect(fields.last?.1 == .number(0x101))
    }

    @Test("a collector may refuse some of them")
    func partialSuccess() {
        #expect(TraceMessage.refusal(inResponse: Bytes()) == nil)
        var partial = WireWriter()
        partial.field(1, UInt64(3))
        partial.field(2, "too old")
        var answer = WireWriter()
        answer.explicit(1, partial.bytes)
        #expect(TraceMessage.refusal(inResponse: answer.bytes) == "OTLP partial success: too old (3 spans rejected)")
        #expect(TraceMessage.refusal(inResponse: Bytes([0x0a, 0x05])) == "the collector's answer is malformed")
        #expect(TraceMessage.refusal(inResponse: Bytes([0x0a, 0x00])) == nil)
    }
}
