// One request to a peer and its answer, on a connection of its own. Streams are exchanges whose answer does not end,
// snapshots are exchanges whose request is long: both see the answer piece by piece.
//
// Of `exchangeEnded` and `exchangeFailed` exactly one is called, once, and nothing after it; neither after `cancel`.

import Base
import NIOCore
import NIOHTTP1
import NIOPosix

/// Why a request came to nothing.
package struct PeerRequestError: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }

    init(_ error: any Error) {
        switch error {
        case let error as PeerRequestError: self = error
        case is ChannelError: self.init(Self.text(error))
        default: self.init("\(error)")
        }
    }

    private static func text(_ error: any Error) -> String {
        switch error as? ChannelError {
        case .connectTimeout?: "dial tcp: i/o timeout"
        case .eof?, .inputClosed?: eof.description
        case .ioOnClosedChannel?, .alreadyClosed?, .outputClosed?: "use of closed network connection"
        default: "\(error)"
        }
    }

    static let eof = PeerRequestError("EOF")
    static let unexpectedEnd = PeerRequestError("unexpected EOF")
    static let timeout = PeerRequestError("i/o timeout")
    static let stopped = PeerRequestError("stopped")
}

protocol ExchangeObserver: AnyObject {
    /// The connection stands: time to write the request.
    func exchangeConnected(_ exchange: Exchange)
    func exchangeWritable(_ exchange: Exchange)
    func exchange(_ exchange: Exchange, receivedHead head: HTTPResponseHead)
    func exchange(_ exchange: Exchange, receivedBody body: ByteBuffer)
    /// All that has come in this read was handed over.
    func exchangeReadEnded(_ exchange: Exchange)
    func exchangeEnded(_ exchange: Exchange)
    func exchangeFailed(_ exchange: Exchange, _ error: PeerRequestError)
}

extension ExchangeObserver {
    func exchangeWritable(_ exchange: Exchange) {}
    func exchangeReadEnded(_ exchange: Exchange) {}
}

final class Exchange: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private weak var observer: (any ExchangeObserver)?
    private var isOver = false
    private let url: PeerURL
    private let loop: any EventLoop
    private(set) var channel: (any Channel)?

    private init(_ url: PeerURL, _ loop: any EventLoop, _ observer: any ExchangeObserver) {
        self.url = url
        self.loop = loop
        self.observer = observer
    }

    /// Connects; on the loop.
    static func start(
        _ url: PeerURL, on loop: any EventLoop, _ dialling: Dialling, observer: any ExchangeObserver
    ) -> Exchange {
        let exchange = Exchange(url, loop, observer)
        // Later, so that even the quickest failure finds the caller with the exchange in hand.
        loop.assumeIsolated().execute {
            if !exchange.isOver { exchange.connect(dialling) }
        }
        return exchange
    }

    private func connect(_ dialling: Dialling) {
        let tls = dialling.tls
        if url.isSecure && tls == nil {
            return fail(PeerRequestError("no TLS is set up for \(url)"))
        }
        let bound = NIOLoopBound((exchange: self, tls: tls), eventLoop: loop)
        var bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(dialling.timeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let (exchange, tls) = bound.value
                    let pipeline = channel.pipeline.syncOperations
                    if exchange.url.isSecure, let tls {
                        for handler in try tls.client(exchange.url.hostName) { try pipeline.addHandler(handler) }
                    }
                    try pipeline.addHTTPClientHandlers()
                    try pipeline.addHandler(exchange)
                }
            }
        if case .network = url.address {
            for (option, value) in dialling.keepAlive?.options ?? [] {
                bootstrap = bootstrap.channelOption(.tcpOption(option), value: value)
            }
            if let address = dialling.localAddress { bootstrap = bootstrap.bind(to: address) }
        }
        let connected =
            switch url.address {
            case .network(let host, let port): bootstrap.connect(host: host, port: port)
            case .socket(let path): bootstrap.connect(unixDomainSocketPath: path)
            }
        connected.hop(to: loop).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel):
                if self.isOver { return channel.close(promise: nil) }
                self.channel = channel
                self.observer?.exchangeConnected(self)
            case .failure(let error): self.fail(Self.dialError(error, self.url))
            }
        }
    }

    private static func dialError(_ error: any Error, _ url: PeerURL) -> PeerRequestError {
        if let error = error as? NIOConnectionError, let first = error.connectionErrors.first {
            return PeerRequestError("dial tcp \(url.authority): \(reason(first.error))")
        }
        if error is ChannelError { return PeerRequestError("dial tcp \(url.authority): i/o timeout") }
        return PeerRequestError("dial tcp \(url.authority): \(reason(error))")
    }

    private static func reason(_ error: any Error) -> String {
        if let error = error as? IOError { return "connect: \(systemText(error.errnoCode))" }
        return tlsFailureText("\(error)") ?? "\(error)"
    }

    /// Over, without a word to the observer.
    func cancel() {
        isOver = true
        observer = nil
        close()
    }

    private func close() {
        channel?.close(promise: nil)
        channel = nil
    }

    // MARK: The request

    var isWritable: Bool { channel?.isWritable ?? false }

    func writeHead(_ method: String, path: String, _ headers: HTTPHeaders) {
        var headers = headers
        headers.replaceOrAdd(name: "Host", value: url.authority)
        let head = HTTPRequestHead(version: .http1_1, method: HTTPMethod(rawValue: method), uri: path, headers: headers)
        channel?.write(HTTPClientRequestPart.head(head), promise: nil)
    }

    func writeBody(_ body: ByteBuffer) {
        channel?.write(HTTPClientRequestPart.body(.byteBuffer(body)), promise: nil)
    }

    func writeEnd() {
        channel?.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
    }

    func flush() { channel?.flush() }

    // MARK: The answer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        switch unwrapInboundIn(data) {
        case .head(let head): if head.status.code >= 200 { observer?.exchange(self, receivedHead: head) }
        case .body(let body): observer?.exchange(self, receivedBody: body)
        case .end: finish { $0.exchangeEnded(self) }
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if !isOver { observer?.exchangeReadEnded(self) }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if !isOver, channel?.isWritable == true { observer?.exchangeWritable(self) }
    }

    func channelInactive(context: ChannelHandlerContext) { fail(.eof) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(error as? HTTPParserError == .invalidEOFState ? .unexpectedEnd : PeerRequestError(error))
        context.close(promise: nil)
    }

    func fail(_ error: PeerRequestError) {
        finish { $0.exchangeFailed(self, error) }
    }

    private func finish(_ body: (any ExchangeObserver) -> Void) {
        guard !isOver else { return }
        isOver = true
        let last = observer
        observer = nil
        // What came in this read belongs to the observer still.
        last?.exchangeReadEnded(self)
        if let last { body(last) }
        close()
    }
}
