// gRPC on one connection: paths become RPCs, messages go to the front lane, replies come back to their streams.

import Base
import EtcdAPI
import EtcdWire
import HTTP2
import NIOCore

final class GRPCApplication: HTTP2ServerApplication {
    private let frontDoor: FrontDoor
    private let certificateName: String?
    weak var handler: HTTP2ServerHandler?

    init(_ frontDoor: FrontDoor, certificateName: String?) {
        self.frontDoor = frontDoor
        self.certificateName = certificateName
    }

    func started(_ stream: ServerStream) {
        guard let rpc = RPC(path: stream.head.path) else { return refuse(stream) }
        stream.context = GRPCCall(rpc, stream, frontDoor.statistics, certificateName: certificateName)
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

    func received(_ stream: ServerStream, message: ByteBuffer) {
        guard let call = stream.context as? GRPCCall else { return }
        frontDoor.burstBegins()
        // The one copy: what becomes of the request may outlive the read buffer.
        let bytes = Bytes(Array(message.readableBytesView))
        frontDoor.statistics.received(call.rpc, bytes.count)
        switch call.rpc {
        case .reflectionV1, .reflectionV1Alpha: Reflection.answer(bytes, to: call)
        case .leaseKeepAlive: frontDoor.lane.keepAlive(bytes, call.metadata, call)
        case .watch: frontDoor.lane.watch(bytes, call.metadata, call)
        default:
            guard !call.hasRequest else { return }
            call.hasRequest = true
            frontDoor.lane.call(call.rpc, bytes, call.metadata, call)
        }
    }

    func clientFinished(_ stream: ServerStream) {
        guard let call = stream.context as? GRPCCall else { return }
        switch call.rpc {
        case .reflectionV1, .reflectionV1Alpha, .leaseKeepAlive: call.finish(nil)
        // A client that has asked for all it wants goes on listening.
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

    func httpRequest(_ stream: ServerStream, body: ByteBuffer) {
        frontDoor.burstBegins()
        let head = stream.head
        let request = HTTPRequest(
            method: head.method, uri: head.path, host: head.authority, fields: head.fields,
            body: Bytes(Array(body.readableBytesView)))
        let responder = StreamResponder(stream)
        stream.context = responder
        HTTPRouter(frontDoor).handle(request, responder)
    }

    func burstEnded() {
        frontDoor.burstEnded()
    }

    func connectionClosed() {
        frontDoor.connectionClosed(handler)
    }
}

/// A call on its stream; where the lane's replies go.
final class GRPCCall: ReplySink {
    let rpc: RPC
    let metadata: CallMetadata
    var hasRequest = false
    // The lane may keep the call longer than the connection keeps the stream; the circle is cut when either ends.
    private let stream: ServerStream
    private var endCallback: (() -> Void)?

    private let statistics: CallStatistics
    private var isCounted = false

    init(_ rpc: RPC, _ stream: ServerStream, _ statistics: CallStatistics, certificateName: String?) {
        self.statistics = statistics
        self.rpc = rpc
        self.stream = stream
        var metadata = CallMetadata(certificateName: certificateName)
        for (name, value) in stream.head.fields {
            switch name {
            case "token": metadata.token = CallMetadata.token(inField: value)
            case "authorization":
                if metadata.token == nil { metadata.token = CallMetadata.token(inField: value) }
            case "hasleader": metadata.requiresLeader = value == "true"
            case "client-api-version": metadata.clientVersion = value
            default: break
            }
        }
        self.metadata = metadata
        statistics.started(rpc, clientVersion: metadata.clientVersion)
    }

    private func count(_ code: GRPCStatusCode) {
        guard !isCounted else { return }
        isCounted = true
        statistics.handled(rpc, code)
    }

    var isOpen: Bool { stream.isOpen }
    var queuedBytes: Int { stream.queuedBytes }

    func send(_ message: Bytes) {
        statistics.sent(rpc, message.count)
        stream.send(message: message.count) { buffer in
            message.withUnsafeBytes { _ = buffer.writeBytes($0) }
        }
    }

    func send(_ first: Bytes, _ second: Bytes, _ third: Bytes) {
        statistics.sent(rpc, first.count + second.count + third.count)
        stream.send(message: first.count + second.count + third.count) { buffer in
            first.withUnsafeBytes { _ = buffer.writeBytes($0) }
            second.withUnsafeBytes { _ = buffer.writeBytes($0) }
            third.withUnsafeBytes { _ = buffer.writeBytes($0) }
        }
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
        count(error?.code ?? .ok)
        stream.finish(status: error?.code.rawValue ?? 0, message: error?.message ?? "")
        stream.context = nil
    }

    func whenWritable(_ body: @escaping () -> Void) {
        stream.whenWritable(body)
    }
}
