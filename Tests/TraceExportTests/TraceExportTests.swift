import Testing
import TraceExport

@testable import Tracing

@Suite("Trace export")
struct TraceExportTests {
    private func batch(_ count: Int) -> [Span] {
        Array(
            repeating: Span(
                context: TraceContext(traceID: TraceID(high: 0, low: 1), spanID: 1, flags: 1),
                parentID: 0,
                isParentRemote: false,
                name: "n",
                kind: .inside,
                scope: .member,
                attributes: []
            ),
            count: count
        )
    }

    @Test("what finds no room is lost and counted; the oldest stay")
    func bounds() async {
        let queue = SpanQueue()
        for size in 1...SpanQueue.batchesMax + 2 { queue.post(batch(size)) }
        #expect(queue.takeLost() == 2 * SpanQueue.batchesMax + 3)
        #expect(queue.takeLost() == 0)
        queue.close()
        var sizes: [Int] = []
        for await batch in queue.batches { sizes.append(batch.count) }
        #expect(sizes == Array(1...SpanQueue.batchesMax))
        queue.post(batch(5))
        #expect(queue.takeLost() == 5, "after the end nobody takes them")
    }

    @Test("addresses as gRPC's users write them")
    func addresses() {
        #expect(CollectorAddress("localhost:4317") == .host("localhost", port: 4317))
        #expect(CollectorAddress("[::1]:4317") == .host("::1", port: 4317))
        #expect(CollectorAddress("::1") == .host("::1", port: 443))
        #expect(CollectorAddress("[::1]") == .host("::1", port: 443))
        #expect(CollectorAddress("otel.example") == .host("otel.example", port: 443))
        #expect(CollectorAddress("dns:///otel:1") == .host("otel", port: 1))
        #expect(CollectorAddress("unix:///run/otel") == .socket(path: "/run/otel"))
        #expect(CollectorAddress("unix:/run/otel") == .socket(path: "/run/otel"))
        #expect(CollectorAddress(":4317") == .host("localhost", port: 4317))
        for wrong in ["", ":", "a:", "a:b", "a:65536", "a:-1", "unix:", "http://a:1", "a/b"] {
            #expect(CollectorAddress(wrong) == nil, "\(wrong)")
        }
    }

    @Test("who the spans come from: the flags before the environment")
    func resource() {
        #expect(
            TraceResource.attributes(service: "etcd", instance: "", environment: nil) == [
                SpanAttribute("service.name", "etcd")
            ]
        )
        let attributes = TraceResource.attributes(
            service: "etcd",
            instance: "m1",
            environment: "service.name=other, region = a%2Cb ,broken,=x,odd=%zz,service.instance.id=m2"
        )
        #expect(
            attributes == [
                SpanAttribute("odd", "%zz"), SpanAttribute("region", "a,b"), SpanAttribute("service.instance.id", "m1"),
                SpanAttribute("service.name", "etcd"),
            ]
        )
    }
}
