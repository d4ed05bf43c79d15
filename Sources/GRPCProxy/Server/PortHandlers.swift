// The handlers of a listening port: HTTP/2 with prior knowledge announces itself in its first bytes, everything else is
// HTTP/1 and gets pages.

import Base
import HTTP2
import NIOCore
import NIOHTTP1

/// The first handler of a connection; decides and leaves.
final class ProtocolSniffer: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private let makeHTTP2: () -> HTTP2ServerHandler
    private let pages: ProxyPages
    private var seen = ByteBuffer()
    private var isDecided = false

    init(pages: ProxyPages, makeHTTP2: @escaping () -> HTTP2ServerHandler) {
        self.pages = pages
        self.makeHTTP2 = makeHTTP2
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isDecided { return context.fireChannelRead(data) }
        var buffer = unwrapInboundIn(data)
        seen.writeBuffer(&buffer)
        let head = seen.readableBytesView.prefix(Self.preface.count)
        guard head.elementsEqual(Self.preface.prefix(head.count)) else { return decide(context, isHTTP2: false) }
        if head.count == Self.preface.count { decide(context, isHTTP2: true) }
    }

    private func decide(_ context: ChannelHandlerContext, isHTTP2: Bool) {
        isDecided = true
        let pipeline = context.pipeline.syncOperations
        do {
            if isHTTP2 {
                try pipeline.addHandler(makeHTTP2(), position: .last)
            } else {
                try pipeline.configureHTTPServerPipeline(position: .last, withErrorHandling: true)
                try pipeline.addHandler(PageHandler(pages), position: .last)
            }
        } catch {
            return context.close(promise: nil)
        }
        context.fireChannelRead(NIOAny(seen))
        context.fireChannelReadComplete()
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}

/// Pages over HTTP/1, one after the other.
final class PageHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let pages: ProxyPages
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()
    private var task: Task<Void, Never>?
    /// Addresses whose names are asked for are all that a body says; what comes after is nobody's concern.
    private static let bodyBytesMax = 1 << 20

    init(_ pages: ProxyPages) { self.pages = pages }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body(var part):
            if body.readableBytes + part.readableBytes <= Self.bodyBytesMax { body.writeBuffer(&part) }
        case .end:
            guard let head else { return }
            self.head = nil
            task = Self.answer(head, Bytes(Array(body.readableBytesView)), pages, context.channel)
            body.clear()
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        task?.cancel()
        context.fireChannelInactive()
    }

    private static func answer(
        _ head: HTTPRequestHead, _ body: Bytes, _ pages: ProxyPages, _ channel: any Channel
    ) -> Task<Void, Never> {
        Task {
            guard let page = await pages.answer(method: head.method.rawValue, path: head.uri, body: body) else { return }
            write(page, to: channel, head)
        }
    }

    private static func write(_ page: ProxyPage, to channel: any Channel, _ head: HTTPRequestHead) {
        var fields = HTTPHeaders(page.fields)
        fields.add(name: "content-length", value: String(page.body.count))
        if !head.isKeepAlive { fields.replaceOrAdd(name: "connection", value: "close") }
        channel.write(
            HTTPServerResponsePart.head(
                .init(version: head.version, status: HTTPResponseStatus(statusCode: page.status), headers: fields)
            ),
            promise: nil
        )
        if head.method != .HEAD {
            channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: page.body))), promise: nil)
        }
        channel.writeAndFlush(HTTPServerResponsePart.end(nil)).whenComplete { _ in
            if !head.isKeepAlive { channel.close(promise: nil) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
