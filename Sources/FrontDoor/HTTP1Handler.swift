// HTTP/1 on the client port. Requests of a connection are answered one after the other.

import Base
import EtcdAPI
import HTTP2
import NIOCore
import NIOHTTP1

final class HTTP1Handler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let frontDoor: FrontDoor
    private let router: HTTPRouter
    private let guardian: SlowRequestGuard
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()
    private var isTooLarge = false
    /// The gateway's stream that the present request's body belongs to.
    private var stream: GatewayStream?
    private static let bodyBytesMax = 16 << 20

    init(_ frontDoor: FrontDoor, _ router: HTTPRouter, _ guardian: SlowRequestGuard) {
        self.frontDoor = frontDoor
        self.router = router
        self.guardian = guardian
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): begin(head, context)
        case .body(var part):
            if let stream {
                frontDoor.burstBegins()
                stream.receive(Bytes(Array(part.readableBytesView)))
            } else if body.readableBytes + part.readableBytes > Self.bodyBytesMax {
                isTooLarge = true
            } else {
                body.writeBuffer(&part)
            }
        case .end: end(context)
        }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        self.head = head
        body.clear()
        isTooLarge = false
        stream = router.openStream(HTTPRequest(head), HTTP1Responder(context, head))
        guard stream != nil else { return }
        // Its body may take as long as the client likes.
        guardian.requestArrived()
        frontDoor.messages &+= 1
    }

    private func end(_ context: ChannelHandlerContext) {
        guard let head else { return }
        self.head = nil
        guardian.requestArrived()
        if let stream {
            self.stream = nil
            frontDoor.burstBegins()
            return stream.requestsEnded()
        }
        let responder = HTTP1Responder(context, head)
        if isTooLarge { return responder.text(413, "request body too large\n") }
        let request = HTTPRequest(head, body: Bytes(Array(body.readableBytesView)))
        body.clear()
        frontDoor.burstBegins()
        frontDoor.messages &+= 1
        router.handle(request, responder)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        frontDoor.burstEnded()
        context.fireChannelReadComplete()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

extension HTTPRequest {
    init(_ head: HTTPRequestHead, body: Bytes = Bytes()) {
        self.init(
            method: head.method.rawValue, uri: head.uri, host: head.headers.first(name: "host") ?? "",
            fields: head.headers.map { ($0.name, $0.value) }, body: body)
    }
}

/// Answers on an HTTP/1 connection; from its event loop.
final class HTTP1Responder: HTTPResponder {
    private let channel: any Channel
    private let head: HTTPRequestHead
    private let unsent: UnsentBytes
    private var isEnded = false
    private var closeCallback: (() -> Void)?

    init(_ context: ChannelHandlerContext, _ head: HTTPRequestHead) {
        channel = context.channel
        unsent = UnsentBytes(context.channel)
        self.head = head
    }

    var queuedBytes: Int { unsent.count }
    func whenWritable(_ body: @escaping () -> Void) { unsent.whenWritable(body) }

    var isOpen: Bool { !isEnded && channel.isActive }

    func start(status: Int, _ fields: [(String, String)]) {
        var headers = HTTPHeaders(fields)
        if !head.isKeepAlive { headers.replaceOrAdd(name: "connection", value: "close") }
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
        isEnded = true
        closeCallback = nil
        unsent.forget()
        if head.isKeepAlive {
            channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
        } else {
            let channel = channel
            channel.writeAndFlush(HTTPServerResponsePart.end(nil)).whenComplete { _ in channel.close(promise: nil) }
        }
    }
}

/// Answers on a stream of HTTP/2.
final class StreamResponder: HTTPResponder {
    private let stream: ServerStream

    private var closeCallback: (() -> Void)?

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

    func start(status: Int, _ fields: [(String, String)]) { stream.startHTTP(status: status, headers: fields) }
    func write(_ bytes: Bytes) { stream.sendHTTP(bytes) }
    func end() {
        closeCallback = nil
        stream.finishHTTP()
    }
}
