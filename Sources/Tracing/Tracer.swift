// Spans of the calls of one event loop: which are made, and where they go when they end. Confined to that loop: nothing
// here takes a lock, and what has ended leaves in batches.

package import Base

package final class Tracer {
    /// A batch leaves when it has so many spans.
    package static let batchSpansMax = 512
    /// Or when it takes about so many bytes: collectors take messages of four megabytes.
    package static let batchBytesMax = 1 << 20

    private let sampler: Sampler
    private var random: SeededRandom
    private let clock: () -> Instant
    private let handOver: ([Span]) -> Void
    private var batch: [Span] = []
    private var batchBytes = 0
    /// From the clock's time to nanoseconds since 1970; to be set anew when the wall clock may have moved.
    package var unixOffset: Int64

    /// - Parameters:
    ///   - seed: unguessable, for the identities of traces and spans.
    ///   - unixOffset: what the clock's nanoseconds lack to those since 1970.
    ///   - handOver: takes a batch of spans that have ended.
    package init(
        _ sampler: Sampler,
        seed: UInt64,
        clock: @escaping () -> Instant,
        unixOffset: Int64,
        handOver: @escaping ([Span]) -> Void
    ) {
        self.sampler = sampler
        random = SeededRandom(seed: seed)
        self.clock = clock
        self.unixOffset = unixOffset
        self.handOver = handOver
    }

    /// A call begins.
    /// - Parameters:
    ///   - method: as `etcdserverpb.KV/Put`.
    ///   - parent: what the client said it belongs to.
    ///   - server: what is known of the place the client connected to.
    /// - Returns: nil if its trace is not kept.
    package func call(_ method: String, parent: TraceContext?, server: () -> [SpanAttribute]) -> CallTrace? {
        let trace = parent?.traceID ?? newTraceID()
        guard sampler.takes(trace, parent: parent) else { return nil }
        let span = Span(
            context: TraceContext(
                traceID: trace,
                spanID: newSpanID(),
                flags: (parent?.flags ?? 0) | TraceContext.sampledFlag,
                state: parent?.state ?? ""
            ),
            parentID: parent?.spanID ?? 0,
            isParentRemote: parent != nil,
            name: method,
            kind: .server,
            scope: .calls,
            begunUnixNanoseconds: now,
            attributes: [SpanAttribute("rpc.method", method), SpanAttribute("rpc.system.name", "grpc")] + server()
        )
        return CallTrace(self, span)
    }

    /// Hands over what has ended and was not handed over yet.
    package func flush() {
        guard !batch.isEmpty else { return }
        let full = batch
        batch = []
        batchBytes = 0
        handOver(full)
    }

    // MARK: For spans

    var now: UInt64 { UInt64(clamping: Int64(clamping: clock().nanoseconds) &+ unixOffset) }

    func ended(_ span: Span) {
        batch.append(span)
        batchBytes += span.bytes
        if batch.count >= Self.batchSpansMax || batchBytes >= Self.batchBytesMax { flush() }
    }

    func newSpanID() -> UInt64 {
        while true {
            let id = random.next()
            if id != 0 { return id }
        }
    }

    private func newTraceID() -> TraceID {
        while true {
            let id = TraceID(high: random.next(), low: random.next())
            if id.isValid { return id }
        }
    }
}

/// The spans of one call whose trace is kept. Confined to the tracer's event loop.
package final class CallTrace {
    private let tracer: Tracer
    private var call: Span
    /// What the member does for a call with one request.
    private var operation: Span?
    /// What it does for the requests of a stream, by keys of the stream's own.
    private var parts: [Int64: Span] = [:]
    private var nextPart: Int64 = 0
    private var isEnded = false

    init(_ tracer: Tracer, _ call: Span) {
        self.tracer = tracer
        self.call = call
    }

    /// The member begins to do what was asked; until the call's end.
    package func begin(_ operation: String, _ attributes: [SpanAttribute]) {
        if isEnded { return }
        self.operation = child(operation, attributes)
    }

    /// An error on the way to an outcome, as opposed to an outcome that is one.
    package func note(error: String) {
        operation?.errors.append(Span.Event(unixNanoseconds: tracer.now, message: error))
    }

    /// A request of a stream begins.
    package func beginPart(_ key: Int64, _ operation: String, _ attributes: [SpanAttribute]) {
        if isEnded { return }
        parts[key] = child(operation, attributes)
    }

    /// A key for a part that needs none other.
    package func newPartKey() -> Int64 {
        nextPart += 1
        return nextPart
    }

    package func endPart(_ key: Int64) {
        guard let part = parts.removeValue(forKey: key) else { return }
        end(part, at: tracer.now)
    }

    /// The call is over. Once: what comes later is of no effect.
    /// - Parameter code: gRPC's.
    package func end(code: Int, message: String) {
        if isEnded { return }
        isEnded = true
        let now = tracer.now
        for (_, part) in parts.sorted(by: { $0.key < $1.key }) { end(part, at: now) }
        parts = [:]
        if let operation { end(operation, at: now) }
        operation = nil
        call.attributes.append(SpanAttribute("rpc.response.status_code", Self.name(ofCode: code)))
        // Failures of the server; those that are the client's own are none of its spans.
        if Self.failures.contains(code) { call.failure = message }
        end(call, at: now)
    }

    private static let failures: Set<Int> = [2, 4, 12, 13, 14, 15]

    private static let codeNames = [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
        "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
        "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
    ]

    private static func name(ofCode code: Int) -> String {
        codeNames.indices.contains(code) ? codeNames[code] : "CODE(\(code))"
    }

    private func child(_ name: String, _ attributes: [SpanAttribute]) -> Span {
        var context = call.context
        context.spanID = tracer.newSpanID()
        return Span(
            context: context,
            parentID: call.context.spanID,
            isParentRemote: false,
            name: name,
            kind: .inside,
            scope: .member,
            begunUnixNanoseconds: tracer.now,
            attributes: attributes
        )
    }

    private func end(_ span: Span, at now: UInt64) {
        var span = span
        // The wall clock may have been set back in between.
        span.endedUnixNanoseconds = max(now, span.begunUnixNanoseconds)
        tracer.ended(span)
    }
}
