// HTTP/1 on the client port. Requests of a connection are answered one after the other.

import Base
import EtcdAPI
import HTTP2
import NIOCore
import NIOHTTP1
import NIOWebSocket

final class HTTP1Handler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private let frontDoor: FrontDoor
    private let router: HTTPRouter
    private let guardian: SlowRequestGuard
    private var request: HTTPRequest?
    private var responder: HTTP1Responder?
    private var body = ByteBuffer()
    private var isTooLarge = false
    /// The gateway's stream that the present request's body belongs to.
    private var stream: GatewayStream?
    private static let bodyBytesMax = 16 << 20

    /// What has come of later requests while one is being answered, and whether more is to be read when that is over.
    private var waiting: [HTTPServerRequestPart] = []
    private var isReadHeld = false
    private var isAnswering = false
    private var isTakingWaiting = false
    /// Below NIO's encoder: whole answers are written there, in one piece.
    var raw: ChannelHandlerContext?

    init(_ frontDoor: FrontDoor, _ router: HTTPRouter, _ guardian: SlowRequestGuard) {
        self.frontDoor = frontDoor
        self.router = router
        self.guardian = guardian
    }

    /// Also when the connection ends: a request that did not come in whole would keep the handler, which keeps it.
    func handlerRemoved(context: ChannelHandlerContext) {
        raw = nil
        waiting = []
        request = nil
        responder = nil
        stream = nil
        body = ByteBuffer()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if isAnswering || !waiting.isEmpty { waiting.append(part) } else { take(part, context) }
    }

    /// Nothing is read while there is something that waits.
    func read(context: ChannelHandlerContext) {
        if waiting.isEmpty { context.read() } else { isReadHeld = true }
    }

    private func take(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        switch part {
        case .head(let head): begin(head, context)
        case .body(var part):
            if let stream {
                frontDoor.burstBegins()
                stream.receive(Bytes(Array(part.readableBytesView)))
            } else if body.readableBytes + part.readableBytes > Self.bodyBytesMax {
                isTooLarge = true
            } else if body.readableBytes == 0 {
                body = part
            } else {
                body.writeBuffer(&part)
            }
        case .end: end()
        }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let request = HTTPRequest(head, local: router.origin.local)
        let responder = HTTP1Responder(context, head, raw) { [self] in answered(context) }
        (self.request, self.responder) = (request, responder)
        if head.version == .http1_1, request["expect"]?.lowercased() == "100-continue" { letBodyCome() }
        body.clear()
        isTooLarge = false
        stream = router.openStream(request, responder)
        guard stream != nil else { return }
        // Its body may take as long as the client likes.
        guardian.requestArrived()
        frontDoor.messages &+= 1
    }

    /// Some clients hold back a large body until they are told to send it, or a second is over.
    private func letBodyCome() {
        guard let raw else { return }
        raw.writeAndFlush(NIOAny(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
    }

    private func end() {
        guard var request, let responder else { return }
        self.request = nil
        self.responder = nil
        guardian.requestArrived()
        isAnswering = !responder.isEnded
        if let stream {
            self.stream = nil
            frontDoor.burstBegins()
            return stream.requestsEnded()
        }
        if isTooLarge { return responder.text(413, "request body too large\n") }
        request.body = Bytes(Array(body.readableBytesView))
        body = ByteBuffer()
        frontDoor.burstBegins()
        frontDoor.messages &+= 1
        router.handle(request, responder)
    }

    /// The present request's answer is written: on to the next one.
    private func answered(_ context: ChannelHandlerContext) {
        isAnswering = false
        guard !waiting.isEmpty, !isTakingWaiting else { return }
        isTakingWaiting = true
        // Not within the answer, whose caller is not done.
        context.eventLoop.assumeIsolated().execute { self.takeWaiting(context) }
    }

    private func takeWaiting(_ context: ChannelHandlerContext) {
        isTakingWaiting = false
        var taken = 0
        while taken < waiting.count, !isAnswering {
            take(waiting[taken], context)
            taken += 1
        }
        waiting.removeFirst(min(taken, waiting.count))
        frontDoor.burstEnded()
        guard waiting.isEmpty, isReadHeld else { return }
        isReadHeld = false
        context.read()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        frontDoor.burstEnded()
        context.fireChannelReadComplete()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Said before a request that becomes no WebSocket comes as the ordinary one it is.
        if error is NIOWebSocketUpgradeError { return }
        context.close(promise: nil)
    }
}

extension HTTPRequest {
    init(_ head: HTTPRequestHead, body: Bytes = Bytes(), local: SocketAddress? = nil) {
        self.init(
            method: head.method.rawValue, uri: head.uri, host: head.headers.first(name: "host") ?? "",
            fields: head.headers.map { ($0.name, $0.value) }, body: body, local: local)
    }
}

/// Answers on an HTTP/1 connection; from its event loop.
final class HTTP1Responder: HTTPResponder {
    private let channel: any Channel
    private let head: HTTPRequestHead
    private let unsent: UnsentBytes
    /// Where bytes go out as they are.
    private let raw: ChannelHandlerContext?
    private let whenEnded: () -> Void
    var commonFields: [(String, String)] = []
    private(set) var isEnded = false
    private var closeCallback: (() -> Void)?

    /// - Parameter whenEnded: called once, when the whole answer is written.
    init(
        _ context: ChannelHandlerContext, _ head: HTTPRequestHead, _ raw: ChannelHandlerContext?, whenEnded: @escaping () -> Void
    ) {
        channel = context.channel
        unsent = UnsentBytes(context.channel)
        self.head = head
        self.raw = raw
        self.whenEnded = whenEnded
    }

    var queuedBytes: Int { unsent.count }
    func whenWritable(_ body: @escaping () -> Void) { unsent.whenWritable(body) }

    var isOpen: Bool { !isEnded && channel.isActive }

    func respond(_ status: Int, _ fields: [(String, String)], _ body: Bytes) {
        guard let raw, head.version == .http1_1, head.isKeepAlive else {
            return respondInParts(status, fields, body)
        }
        guard isOpen else { return finish() }
        var buffer = channel.allocator.buffer(capacity: 512 + body.count)
        let status = HTTPResponseStatus(statusCode: status)
        buffer.writeStaticString("HTTP/1.1 ")
        buffer.writeString(String(status.code))
        buffer.writeStaticString(" ")
        buffer.writeString(status.reasonPhrase)
        buffer.writeStaticString("\r\n")
        for fields in [commonFields, fields] {
            for (name, value) in fields {
                buffer.writeString(name)
                buffer.writeStaticString(": ")
                buffer.writeString(value)
                buffer.writeStaticString("\r\n")
            }
        }
        buffer.writeStaticString("Content-Length: ")
        buffer.writeString(String(body.count))
        buffer.writeStaticString("\r\n\r\n")
        if head.method != .HEAD { body.withUnsafeBytes { _ = buffer.writeBytes($0) } }
        raw.writeAndFlush(NIOAny(buffer), promise: nil)
        finish()
    }

    func start(status: Int, _ fields: [(String, String)]) {
        var headers = HTTPHeaders(commonFields + fields)
        if !head.isKeepAlive { headers.replaceOrAdd(name: "Connection", value: "close") }
        let response = HTTPResponseHead(version: head.version, status: HTTPResponseStatus(statusCode: status), headers: headers)
        channel.write(HTTPServerResponsePart.head(response), promise: nil)
    }

    func write(_ bytes: Bytes) {
        guard head.method != .HEAD else { return }
        var buffer = channel.allocator.buffer(capacity: bytes.count)
        bytes.withUnsafeBytes { _ = buffer.writeBytes($0) }
        unsent.write(HTTPServerResponsePart.body(.byteBuffer(buffer)), size: bytes.count)
    }

    func whenClosed(_ body: @escaping () -> Void) {
        closeCallback = body
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        channel.closeFuture.whenComplete { _ in bound.value.closed() }
    }

    private func closed() {
        let callback = closeCallback
        closeCallback = nil
        unsent.forget()
        callback?()
    }

    func end() {
        guard !isEnded else { return }
        if head.isKeepAlive {
            channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
        } else {
            let channel = channel
            channel.writeAndFlush(HTTPServerResponsePart.end(nil)).whenComplete { _ in channel.close(promise: nil) }
        }
        finish()
    }

    private func finish() {
        guard !isEnded else { return }
        isEnded = true
        closeCallback = nil
        unsent.forget()
        whenEnded()
    }
}

/// Answers on a stream of HTTP/2.
final class StreamResponder: HTTPResponder {
    private let stream: ServerStream

    private var closeCallback: (() -> Void)?
    var commonFields: [(String, String)] = []

    init(_ stream: ServerStream) {
        self.stream = stream
    }

    func whenClosed(_ body: @escaping () -> Void) { closeCallback = body }

    func ended() {
        let callback = closeCallback
        closeCallback = nil
        callback?()
    }

    var isOpen: Bool { stream.isOpen }
    var queuedBytes: Int { stream.queuedBytes }
    func whenWritable(_ body: @escaping () -> Void) { stream.whenWritable(body) }
    var isBacklogFull: Bool { stream.isBacklogFull }
    func whenBacklogShrinks(_ body: @escaping () -> Void) { stream.whenBacklogShrinks(body) }
    func expectAnswer(_ bytes: Int) -> () -> Void { stream.expectAnswer(bytes) }

    func start(status: Int, _ fields: [(String, String)]) {
        // HTTP/2 knows lower case only.
        stream.startHTTP(status: status, headers: (commonFields + fields).map { ($0.0.lowercased(), $0.1) })
    }
    func write(_ bytes: Bytes) { stream.sendHTTP(bytes) }
    func end() {
        closeCallback = nil
        stream.finishHTTP()
    }
}
