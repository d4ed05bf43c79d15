// The JSON gateway: a POST becomes the RPC's message, its answer becomes JSON. No connection to ourselves is made: the
// call goes to the same lane that gRPC calls go to.

import Base
import EtcdAPI
import EtcdWire
import Tracing

final class GatewayCall: ReplySink {
    private let rpc: RPC
    private let responder: any HTTPResponder
    private var message: Bytes?
    private var isStreaming = false
    private var isDone = false
    private var asked = 0
    private var answered = 0
    private var isEnding = false
    private var reports: (reports: CallReports, request: Bytes, begun: Instant)?
    private(set) var trace: CallTrace?
    /// The call counts as one over gRPC, as it is one in Go's etcd.
    private let statistics: CallStatistics
    private let timer: (clock: () -> Instant, begun: Instant)?
    private var isCounted = false

    private init(_ rpc: RPC, _ request: HTTPRequest, _ door: FrontDoor, _ responder: any HTTPResponder) {
        self.rpc = rpc
        self.responder = responder
        trace = door.tracer?.call(rpc, through: request)
        statistics = door.statistics
        timer = door.statistics.handlingTook == nil ? nil : (door.clock, door.clock())
        statistics.started(rpc, by: statistics.client(version: nil))
    }

    static func start(
        _ request: HTTPRequest, _ door: FrontDoor, _ responder: any HTTPResponder, valueBytesMax: Int
    ) {
        let lane = door.lane
        guard let rpc = RPC(gatewayPath: request.path) else {
            return fail(GatewayJSON.unknownPath, responder)
        }
        guard request.method == "POST" else {
            return responder.respond(
                501, jsonFields,
                GatewayJSON.errorBody(EtcdError(code: .unimplemented, message: "Method Not Allowed")))
        }
        if let stream = open(request, door, responder, valueBytesMax: valueBytesMax) {
            stream.receive(request.body)
            return stream.requestsEnded()
        }
        let message: Bytes
        do throws(EtcdError) {
            message = try GatewayJSON.request(body: request.body, of: rpc)
        } catch {
            return fail(error, responder)
        }
        let call = GatewayCall(rpc, request, door, responder)
        call.statistics.received(rpc, message.count)
        if CallStatistics.isUnary(rpc) { call.reports = (door.reports, message, lane.now) }
        lane.call(rpc, message, CallMetadata(gateway: request), call)
    }

    /// A stream whose requests are still to come; nil if the request is for something else.
    static func open(
        _ request: HTTPRequest, _ door: FrontDoor, _ responder: any HTTPResponder, valueBytesMax: Int
    ) -> GatewayStream? {
        guard request.method == "POST", let rpc = RPC(gatewayPath: request.path), rpc.definition.streaming == .bidirectional
        else { return nil }
        let call = GatewayCall(rpc, request, door, responder)
        return GatewayStream(rpc, request, door.lane, call, valueBytesMax: valueBytesMax)
    }

    private static let jsonFields = [("Content-Type", "application/json")]
    /// With the field that the call's own answer had behind the gateway.
    private static let answerFields = jsonFields + [("Grpc-Metadata-Content-Type", "application/grpc")]

    private static func fail(_ error: EtcdError, _ responder: any HTTPResponder) {
        responder.respond(
            error.code.httpStatus, jsonFields, GatewayJSON.errorBody(error))
    }

    // MARK: Replies

    var isOpen: Bool { !isDone && responder.isOpen }
    var requestMessage: Bytes? { reports?.request }
    var queuedBytes: Int { responder.queuedBytes }

    func whenWritable(_ body: @escaping () -> Void) { responder.whenWritable(body) }
    var isBacklogFull: Bool { responder.isBacklogFull }
    func whenBacklogShrinks(_ body: @escaping () -> Void) { responder.whenBacklogShrinks(body) }
    func expectAnswer(_ bytes: Int) -> () -> Void { responder.expectAnswer(bytes) }

    func whenEnded(_ body: @escaping () -> Void) {
        responder.whenClosed { [unowned self] in
            isDone = true
            end(.canceled)
            body()
        }
    }

    func send(_ message: Bytes) {
        guard isOpen else { return }
        statistics.sent(rpc, message.count)
        guard rpc.definition.streaming != .unary else {
            self.message = message
            return
        }
        do throws(EtcdError) {
            let line = try GatewayJSON.streamLine(message, of: rpc)
            startStream()
            responder.write(line)
        } catch {
            finish(error)
        }
        answered += 1
        if isEnding, answered >= asked { finish(nil) }
    }

    // A renewal that the leader answers comes after the body's end: the stream stays open for it.

    /// - Parameter bytes: the size of the request's message.
    func noteRequest(_ bytes: Int) {
        asked += 1
        statistics.received(rpc, bytes)
    }

    /// No more requests will come, and each is answered once.
    func finishWhenAnswered() {
        isEnding = true
        if answered >= asked { finish(nil) }
    }

    /// Of a call whose client went away nobody else hears.
    deinit { end(.canceled) }

    private func end(_ code: GRPCStatusCode, _ message: String = "") {
        if !isCounted {
            isCounted = true
            statistics.handled(rpc, code)
            if code != .ok, CallStatistics.isUnary(rpc) { statistics.sent(rpc, 0) }
            if CallStatistics.isBidirectional(rpc) { statistics.received(rpc, 0) }
            if let timer { statistics.handlingTook?(rpc, timer.clock().nanoseconds &- timer.begun.nanoseconds) }
        }
        guard let trace else { return }
        self.trace = nil
        trace.end(code: code.rawValue, message: message)
    }

    private func startStream() {
        guard !isStreaming else { return }
        isStreaming = true
        responder.start(status: 200, Self.answerFields)
    }

    func finish(_ error: EtcdError?) {
        guard !isDone else { return }
        isDone = true
        end(error?.code ?? .ok, error?.message ?? "")
        if let reports, reports.reports.isWanted(since: reports.begun) {
            reports.reports.note(rpc, reports.request, message, since: reports.begun, remote: nil)
        }
        if let error {
            guard isStreaming else { return Self.fail(error, responder) }
            responder.write(GatewayJSON.streamErrorLine(error))
            return responder.end()
        }
        if rpc.definition.streaming != .unary {
            startStream()
            return responder.end()
        }
        do throws(EtcdError) {
            let body = try GatewayJSON.response(message ?? Bytes(), of: rpc)
            responder.respond(200, Self.answerFields, body)
        } catch {
            Self.fail(error, responder)
        }
    }
}

extension CallMetadata {
    /// Of a request that came through the gateway.
    init(gateway request: HTTPRequest) {
        self.init(isGateway: true)
        token = request["authorization"].map(Self.token(inField:))
    }
}
