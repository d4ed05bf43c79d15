// gRPC on one connection: paths become RPCs, messages go to the front lane, replies come back to their streams.

import Base
import EtcdAPI
import EtcdWire
import HTTP2
import NIOCore
import Tracing

final class GRPCApplication: HTTP2ServerApplication {
    private let frontDoor: FrontDoor
    private let origin: HTTPOrigin
    private var traffic: PortTraffic { origin.traffic }
    /// The connection's handler, which owns this.
    var connection: ObjectIdentifier?
    /// What the head of the last call meant: most calls of a connection have the same.
    private var route: Route?

    private struct Route {
        let head: RequestHead
        let rpc: RPC
        let metadata: CallMetadata
        let client: CallStatistics.Client
        /// The trace that the client's call belongs to.
        let parent: TraceContext?
    }

    init(_ frontDoor: FrontDoor, _ origin: HTTPOrigin) {
        self.frontDoor = frontDoor
        self.origin = origin
    }

    func started(_ stream: ServerStream) {
        if let route, route.head === stream.head { return start(stream, route) }
        guard traffic.servesGRPC else {
            return stream.respond(
                status: 404, headers: [("content-type", "text/plain; charset=utf-8")], body: Bytes("404 page not found\n"))
        }
        guard let rpc = RPC(path: stream.head.path) else { return refuse(stream) }
        var metadata = CallMetadata(certificateName: origin.certificateName)
        var clientVersion: String?
        for (name, value) in stream.head.fields {
            switch name {
            case "token": metadata.token = CallMetadata.token(inField: value)
            case "authorization":
                if metadata.token == nil { metadata.token = CallMetadata.token(inField: value) }
            case "hasleader": metadata.requiresLeader = value == "true"
            case "client-api-version": clientVersion = value
            default: break
            }
        }
        let route = Route(
            head: stream.head, rpc: rpc, metadata: metadata, client: frontDoor.statistics.client(version: clientVersion),
            parent: frontDoor.tracer == nil ? nil : TraceContext(stream.head.fields))
        self.route = route
        start(stream, route)
    }

    private func start(_ stream: ServerStream, _ route: Route) {
        frontDoor.statistics.started(route.rpc, by: route.client)
        let call = GRPCCall(route.rpc, stream, self, route.metadata)
        if frontDoor.statistics.handlingTook != nil { call.timer = (frontDoor.clock, frontDoor.clock()) }
        if let tracer = frontDoor.tracer {
            call.trace = tracer.call(route.rpc.spanName, parent: route.parent) { origin.local?.spanAttributes ?? [] }
        }
        stream.context = call
    }

    private func refuse(_ stream: ServerStream) {
        let path = stream.head.path.dropFirst()
        guard let slash = path.lastIndex(of: "/") else {
            return stream.finish(status: 12, message: "malformed method name: \"\(stream.head.path)\"")
        }
        let (service, method) = (path[..<slash], path[path.index(after: slash)...])
        if RPC.allCases.contains(where: { $0.definition.service == service }) {
            stream.finish(status: 12, message: "unknown method \(method) for service \(service)")
        } else {
            stream.finish(status: 12, message: "unknown service \(service)")
        }
    }

    func burstBegins() { frontDoor.burstBegins() }

    func received(_ stream: ServerStream, message: UnsafeRawBufferPointer) {
        guard let call = stream.context as? GRPCCall else { return }
        // The one copy: what becomes of the request may outlive the read buffer.
        let bytes = Bytes(copying: message)
        frontDoor.statistics.received(call.rpc, bytes.count)
        frontDoor.messages &+= 1
        switch call.rpc {
        case .reflectionV1, .reflectionV1Alpha: Reflection.answer(bytes, to: call)
        case .leaseKeepAlive:
            call.noteRequest()
            frontDoor.lane.keepAlive(bytes, call.metadata, call)
        case .watch: frontDoor.lane.watch(bytes, call.metadata, call)
        default:
            guard !call.hasRequest else { return }
            call.hasRequest = true
            if CallStatistics.isUnary(call.rpc) { call.noteRequest(bytes, frontDoor.lane.now) }
            frontDoor.lane.call(call.rpc, bytes, call.metadata, call)
        }
    }

    func clientFinished(_ stream: ServerStream) {
        guard let call = stream.context as? GRPCCall else { return }
        switch call.rpc {
        case .reflectionV1, .reflectionV1Alpha: call.finish(nil)
        case .leaseKeepAlive: call.finishWhenAnswered()
        // A client that has asked for all it wants goes on listening, as with Go.
        case .watch: break
        default:
            if !call.hasRequest { stream.finish(status: 13, message: "EOF") }
        }
    }

    func ended(_ stream: ServerStream, _ end: StreamEnd) {
        let context = stream.context
        stream.context = nil
        (context as? GRPCCall)?.ended()
        (context as? StreamResponder)?.ended()
    }

    func httpRequest(_ stream: ServerStream, body: Bytes) {
        frontDoor.messages &+= 1
        let head = stream.head
        guard traffic.servesHTTP else {
            let type = head["content-type"] ?? ""
            return stream.respond(
                status: 415, headers: [("content-type", "text/plain; charset=utf-8")],
                body: Bytes("invalid gRPC request content-type \"\(type)\""))
        }
        let request = HTTPRequest(
            method: head.method, uri: head.path, host: head.authority, fields: head.fields, body: body, local: origin.local)
        let responder = StreamResponder(stream)
        stream.context = responder
        HTTPRouter(frontDoor, origin).handle(request, responder)
    }

    func burstEnded() {
        frontDoor.burstEnded()
    }

    // MARK: For calls

    fileprivate var statistics: CallStatistics { frontDoor.statistics }
    fileprivate var reports: CallReports { frontDoor.reports }

    fileprivate func report(_ rpc: RPC, _ request: Bytes, _ response: Bytes?, since begun: Instant) {
        let address = origin.remote.map { "\($0.ipAddress ?? $0.pathname ?? ""):\($0.port ?? 0)" }
        reports.note(rpc, request, response, since: begun, remote: address)
    }

    func connectionClosed() {
        frontDoor.connectionClosed(connection)
    }
}

/// A call on its stream; where the lane's replies go.
final class GRPCCall: ReplySink {
    let rpc: RPC
    let metadata: CallMetadata
    var hasRequest = false
    // Of a call that is told of when it ends, if it has taken long.
    private let application: GRPCApplication
    private(set) var request: Bytes?
    private var response: Bytes?
    private var begun = Instant(nanoseconds: 0)
    // The lane may keep the call longer than the connection keeps the stream; the circle is cut when either ends.
    private let stream: ServerStream
    private var endCallback: (() -> Void)?

    private let statistics: CallStatistics
    private var isCounted = false
    // Of a stream whose every request is answered once, some of them by the leader and therefore later.
    private var unanswered = 0
    private var isEnding = false
    /// Where calls are timed: the clock, and when this one began.
    var timer: (clock: () -> Instant, begun: Instant)?
    fileprivate(set) var trace: CallTrace?

    init(_ rpc: RPC, _ stream: ServerStream, _ application: GRPCApplication, _ metadata: CallMetadata) {
        self.application = application
        statistics = application.statistics
        self.rpc = rpc
        self.stream = stream
        self.metadata = metadata
    }

    private func count(_ code: GRPCStatusCode, _ message: String = "") {
        guard !isCounted else { return }
        isCounted = true
        statistics.handled(rpc, code)
        // A unary call's answer counts, whether there is one or not.
        if code != .ok, CallStatistics.isUnary(rpc) { statistics.sent(rpc, 0) }
        // As Go's library has it, the end of a client's messages is one of them.
        if CallStatistics.isBidirectional(rpc) { statistics.received(rpc, 0) }
        if let trace {
            trace.end(code: code.rawValue, message: message)
            self.trace = nil
        }
        if let timer { statistics.handlingTook?(rpc, timer.clock().nanoseconds &- timer.begun.nanoseconds) }
    }

    var isOpen: Bool { stream.isOpen }
    var queuedBytes: Int { stream.queuedBytes }
    var isBacklogFull: Bool { stream.isBacklogFull }
    func whenBacklogShrinks(_ body: @escaping () -> Void) { stream.whenBacklogShrinks(body) }
    func expectAnswer(_ bytes: Int) -> () -> Void { stream.expectAnswer(bytes) }

    func send(_ message: Bytes) {
        statistics.sent(rpc, message.count)
        stream.send(message)
        if request != nil, application.reports.isWanted(since: begun) { response = message }
        guard unanswered > 0 else { return }
        unanswered -= 1
        if isEnding, unanswered == 0 { finish(nil) }
    }

    var requestMessage: Bytes? { request }

    /// The only request of a call with one answer.
    func noteRequest(_ bytes: Bytes, _ now: Instant) {
        request = bytes
        begun = now
    }

    private func reportEnd() {
        guard let request else { return }
        self.request = nil
        if application.reports.isWanted(since: begun) { application.report(rpc, request, response, since: begun) }
    }

    func noteRequest() { unanswered += 1 }

    /// The client sends no more requests; those that it sent are still answered.
    func finishWhenAnswered() {
        isEnding = true
        if unanswered == 0 { finish(nil) }
    }

    func send(_ first: Bytes, _ second: Bytes, _ third: Bytes) {
        statistics.sent(rpc, first.count + second.count + third.count)
        stream.send(first, second, third)
    }

    func whenEnded(_ body: @escaping () -> Void) {
        endCallback = body
    }

    func ended() {
        count(.canceled)
        guard let callback = endCallback else { return }
        endCallback = nil
        callback()
    }

    func finish(_ error: EtcdError?) {
        endCallback = nil
        count(error?.code ?? .ok, error?.message ?? "")
        reportEnd()
        stream.finish(status: error?.code.rawValue ?? 0, message: error?.message ?? "")
        stream.context = nil
    }

    func whenWritable(_ body: @escaping () -> Void) {
        stream.whenWritable(body)
    }
}
