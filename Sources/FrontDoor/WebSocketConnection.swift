// The gateway over a WebSocket: what a client sends in messages is the body of one POST to the path it connected to, what
// the gateway answers comes back as text messages, a line each. Browsers have no other way to a stream.
//
// A token comes as `Sec-WebSocket-Protocol: Bearer, TOKEN` or in the cookie `token`, as browsers can set no other field.
// Differs from etcd in one way: a message has a limit, so that nobody without a password can fill the memory.

import Base
import EtcdWire
import NIOCore
import NIOHTTP1
import NIOWebSocket

final class WebSocketConnection: ChannelInboundHandler, HTTPResponder {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    private let frontDoor: FrontDoor
    private let router: HTTPRouter
    private let request: HTTPRequest
    private let channel: any Channel
    private let unsent: UnsentBytes
    private var stream: GatewayStream?
    private var hasRequest = false
    private var isEnded = false
    /// The beginning of a line of the answer.
    private var line: [UInt8] = []
    private var closeCallback: (() -> Void)?

    private init(_ frontDoor: FrontDoor, _ router: HTTPRouter, _ head: HTTPRequestHead, _ channel: any Channel) {
        self.frontDoor = frontDoor
        self.router = router
        self.channel = channel
        unsent = UnsentBytes(channel)
        var request = HTTPRequest(head, local: channel.localAddress)
        request.method = "POST"
        if let token = Self.token(head.headers) {
            request.fields.removeAll { $0.name.lowercased() == "authorization" }
            request.fields.append(("authorization", "Bearer " + token))
        }
        self.request = request
    }

    private static func token(_ headers: HTTPHeaders) -> String? {
        let scheme = "Bearer,"
        if let field = headers.first(name: "sec-websocket-protocol"), field.hasPrefix(scheme) {
            return String(field.dropFirst(scheme.count).drop { $0 == " " })
        }
        for field in headers["cookie"] {
            for cookie in field.split(separator: ";") {
                let cookie = cookie.drop { $0 == " " }
                if cookie.hasPrefix("token=") { return String(cookie.dropFirst("token=".count)) }
            }
        }
        return nil
    }

    /// Lets requests for the gateway become WebSockets.
    static func upgrader(
        _ frontDoor: FrontDoor, _ router: HTTPRouter, _ eventLoop: any EventLoop
    ) -> NIOWebSocketServerUpgrader {
        let bound = NIOLoopBound((frontDoor, router), eventLoop: eventLoop)
        let messageBytesMax = router.valueBytesMax
        return NIOWebSocketServerUpgrader(
            maxFrameSize: messageBytesMax,
            shouldUpgrade: { channel, head in
                guard bound.value.1.mayBecomeWebSocket(HTTPRequest(head)) else {
                    return channel.eventLoop.makeSucceededFuture(nil)
                }
                let hasProtocol = head.headers.contains(name: "sec-websocket-protocol")
                return channel.eventLoop.makeSucceededFuture(hasProtocol ? ["Sec-WebSocket-Protocol": "Bearer"] : [:])
            },
            upgradePipelineHandler: { channel, head in
                channel.eventLoop.makeCompletedFuture {
                    let (frontDoor, router) = bound.value
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(
                        NIOWebSocketFrameAggregator(
                            minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: Self.fragmentsMax,
                            maxAccumulatedFrameSize: messageBytesMax))
                    try pipeline.addHandler(WebSocketConnection(frontDoor, router, head, channel))
                }
            })
    }

    /// Pieces of one message; more are an attack.
    private static let fragmentsMax = 1024

    // MARK: In

    func handlerAdded(context: ChannelHandlerContext) {
        stream = router.openStream(request, self)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        switch frame.opcode {
        case .text, .binary: receive(Bytes(Array(frame.unmaskedData.readableBytesView)))
        case .ping: send(.pong, frame.unmaskedData)
        case .connectionClose: close()
        default: break
        }
    }

    private func receive(_ message: Bytes) {
        guard !isEnded else { return }
        frontDoor.burstBegins()
        frontDoor.messages &+= 1
        if let stream { return stream.receive(message) }
        // A call with one request: what comes after it has no meaning.
        guard !hasRequest else { return }
        hasRequest = true
        var request = request
        request.body = message
        router.handle(request, self)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        frontDoor.burstEnded()
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        isEnded = true
        stream = nil
        unsent.forget()
        let callback = closeCallback
        closeCallback = nil
        callback?()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    // MARK: Out

    /// A message has no place for fields.
    var commonFields: [(String, String)] = []
    var isOpen: Bool { !isEnded && channel.isActive }
    var queuedBytes: Int { unsent.count }
    func whenWritable(_ body: @escaping () -> Void) { unsent.whenWritable(body) }
    func whenClosed(_ body: @escaping () -> Void) { closeCallback = body }

    /// A message has no place for a status; a failure's text has it.
    func start(status: Int, _ fields: [(String, String)]) {}

    func write(_ bytes: Bytes) {
        bytes.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                line += rest[..<end]
                sendLine()
                rest = rest[(end + 1)...]
            }
            line += rest
        }
    }

    func end() {
        guard !isEnded else { return }
        sendLine()
        closeCallback = nil
        close()
    }

    private func sendLine() {
        guard !line.isEmpty else { return }
        send(.text, ByteBuffer(bytes: line))
        line.removeAll(keepingCapacity: true)
    }

    private func send(_ opcode: WebSocketOpcode, _ data: ByteBuffer) {
        unsent.write(WebSocketFrame(fin: true, opcode: opcode, data: data), size: data.readableBytes)
    }

    private func close() {
        guard !isEnded else { return }
        isEnded = true
        var code = channel.allocator.buffer(capacity: 2)
        code.write(webSocketErrorCode: .normalClosure)
        let channel = channel
        channel.writeAndFlush(WebSocketFrame(fin: true, opcode: .connectionClose, data: code)).whenComplete { _ in
            channel.close(promise: nil)
        }
    }
}
