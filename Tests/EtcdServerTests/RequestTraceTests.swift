import Base
import ServerLog
import Testing

@testable import EtcdServer

@Suite("Steps of slow requests")
struct RequestTraceTests {
    private func at(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    private func fields(_ trace: RequestTrace) -> [String: LogField.Value] {
        Dictionary(
            uniqueKeysWithValues: trace.fields(number: 7, unixOffset: 1_000_000_000).map { ($0.key, $0.value) }
        )
    }

    @Test("the line has etcd's fields; short steps are left out")
    func line() {
        var trace = RequestTrace(
            operation: "put",
            details: [("key", "k"), ("req_size", "5")],
            begun: at(1000),
            ended: at(1250),
            steps: [
                .init(name: "first", at: at(1200)), .init(name: "short", at: at(1220)),
                .init(name: "last", at: at(1250)),
            ]
        )
        let fields = fields(trace)
        #expect(
            trace.fields(number: 7, unixOffset: 0).map(\.key) == [
                "trace_id", "operation", "detail", "duration", "start", "end", "steps", "step_count",
            ]
        )
        #expect(fields["trace_id"] == .int(7) && fields["operation"] == .string("put"))
        #expect(fields["detail"] == .string("{key:k; req_size:5; }"))
        #expect(fields["duration"] == .duration(.milliseconds(250)))
        #expect(fields["start"] == .string("1970-01-01T00:00:02.000000Z"))
        #expect(fields["end"] == .string("1970-01-01T00:00:02.250000Z"))
        // Three steps: those over a quarter of the threshold.
        #expect(fields["steps"] == .strings(["'first'  (duration: 200ms)", "'last'  (duration: 30ms)"]))
        #expect(fields["step_count"] == .int(2))
        trace.tellsAll = true
        #expect(self.fields(trace)["step_count"] == .int(3))
    }

    @Test("no details, no braces")
    func empty() {
        let trace = RequestTrace(operation: "range", begun: at(0), ended: at(101))
        #expect(fields(trace)["detail"] == .string("") && fields(trace)["steps"] == .strings([]))
    }
}
