// The JSON gateway: a POST becomes the RPC's message, its answer becomes JSON. No connection to ourselves is made: the
// call goes to the same lane that gRPC calls go to.

import Base
import EtcdAPI
import EtcdWire

final class GatewayCall: ReplySink {
    private let rpc: RPC
    private let responder: any HTTPResponder
    private let cors: [(String, String)]
    private var message: Bytes?
    private var isStreaming = false
    private var isDone = false

    private init(_ rpc: RPC, _ responder: any HTTPResponder, _ cors: [(String, String)]) {
        self.rpc = rpc
        self.responder = responder
        self.cors = cors
    }

    static func start(
        _ request: HTTPRequest, _ lane: FrontLane, _ responder: any HTTPResponder, _ cors: [(String, String)]
    ) {
        guard let rpc = RPC(gatewayPath: request.path) else {
            return fail(GatewayJSON.unknownPath, responder, cors)
        }
        guard request.method == "POST" else {
            return responder.respond(
                501, [("content-type", "application/json")] + cors,
                GatewayJSON.errorBody(EtcdError(code: .unimplemented, message: "Method Not Allowed")))
        }
        if rpc.definition.streaming == .bidirectional { return startStream(rpc, request, lane, responder, cors) }
        let message: Bytes
        do throws(EtcdError) {
            message = try GatewayJSON.request(body: request.body, of: rpc)
        } catch {
            return fail(error, responder, cors)
        }
        var metadata = CallMetadata(isGateway: true)
        metadata.setToken(from: request)
        lane.call(rpc, message, metadata, GatewayCall(rpc, responder, cors))
    }

    /// The body of a stream holds one request after the other; their answers are lines.
    private static func startStream(
        _ rpc: RPC, _ request: HTTPRequest, _ lane: FrontLane, _ responder: any HTTPResponder, _ cors: [(String, String)]
    ) {
        let call = GatewayCall(rpc, responder, cors)
        var metadata = CallMetadata(isGateway: true)
        metadata.setToken(from: request)
        var scanner = JSONScanner(request.body)
        do throws(EtcdError) {
            while true {
                let value: Bytes?
                do throws(JSONScanError) { value = try scanner.next() } catch { throw GatewayJSON.failure(error) }
                guard let value else { break }
                let message = try GatewayJSON.request(value: value, of: rpc)
                if rpc == .watch { lane.watch(message, metadata, call) } else { lane.keepAlive(message, metadata, call) }
            }
            // Watches go on until the client leaves.
            if rpc != .watch { call.finish(nil) }
        } catch {
            call.finish(error)
        }
    }

    private static func fail(_ error: EtcdError, _ responder: any HTTPResponder, _ cors: [(String, String)]) {
        responder.respond(
            error.code.httpStatus, [("content-type", "application/json")] + cors, GatewayJSON.errorBody(error))
    }

    // MARK: Replies

    var isOpen: Bool { !isDone && responder.isOpen }
    var queuedBytes: Int { 0 }

    func whenWritable(_ body: @escaping () -> Void) { body() }

    func whenEnded(_ body: @escaping () -> Void) {
        responder.whenClosed { [unowned self] in
            isDone = true
            body()
        }
    }

    func send(_ message: Bytes) {
        guard isOpen else { return }
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
    }

    private func startStream() {
        guard !isStreaming else { return }
        isStreaming = true
        responder.start(status: 200, [("content-type", "application/json")] + cors)
    }

    func finish(_ error: EtcdError?) {
        guard !isDone else { return }
        isDone = true
        if let error {
            guard isStreaming else { return Self.fail(error, responder, cors) }
            responder.write(GatewayJSON.streamErrorLine(error))
            return responder.end()
        }
        if rpc.definition.streaming != .unary {
            startStream()
            return responder.end()
        }
        do throws(EtcdError) {
            let body = try GatewayJSON.response(message ?? Bytes(), of: rpc)
            responder.respond(200, [("content-type", "application/json")] + cors, body)
        } catch {
            Self.fail(error, responder, cors)
        }
    }
}

extension CallMetadata {
    fileprivate mutating func setToken(from request: HTTPRequest) {
        token = request["authorization"].map(Self.token(inField:))
    }
}
