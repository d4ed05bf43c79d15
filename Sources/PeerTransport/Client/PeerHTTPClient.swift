// Short requests to peers: a connection, a request, an answer.

package import Base
package import NIOCore
package import NIOHTTP1

/// Belongs to its event loop, like everything else in this room.
package final class PeerHTTPClient {
    package let eventLoop: any EventLoop
    private let dialling: Dialling
    private var calls: [UInt64: Call] = [:]
    private var callsBegun: UInt64 = 0
    private var isStopped = false

    /// What a peer may answer with, in bytes. Lists of members are the longest answers.
    private static let responseBytesMax = 16 << 20

    package init(eventLoop: any EventLoop, dialling: Dialling = Dialling()) {
        self.eventLoop = eventLoop
        self.dialling = dialling
    }

    /// On the event loop.
    /// - Parameters:
    ///   - path: with its query.
    ///   - timeout: for all of it, dialling included.
    /// - Returns: the answer, whatever its status; fails with a `PeerRequestError`.
    package func request(
        _ method: String, _ url: PeerURL, path: String, headers: HTTPHeaders = [:], body: Bytes = Bytes(), timeout: TimeAmount
    ) -> EventLoopFuture<PeerResponse> {
        let promise = eventLoop.makePromise(of: PeerResponse.self)
        request(method, url, path: path, headers: headers, body: body, timeout: timeout) { promise.completeWith($0) }
        return promise.futureResult
    }

    /// The same for those who are on the loop anyway.
    func request(
        _ method: String, _ url: PeerURL, path: String, headers: HTTPHeaders, body: Bytes, timeout: TimeAmount,
        _ done: @escaping (Result<PeerResponse, any Error>) -> Void
    ) {
        eventLoop.assertInEventLoop()
        if isStopped { return done(.failure(PeerRequestError.stopped)) }
        let call = Call(method, path, headers, body, bytesMax: Self.responseBytesMax)
        callsBegun += 1
        let number = callsBegun
        calls[number] = call
        call.done = { [weak self] result in
            self?.calls[number] = nil
            done(result)
        }
        call.start(url, eventLoop, dialling, timeout)
    }

    /// Ends all requests; no others begin.
    package func stop() {
        isStopped = true
        for number in calls.keys.sorted() { calls[number]?.finish(.failure(PeerRequestError.stopped)) }
    }

    private final class Call: ExchangeObserver {
        private let method: String
        private let path: String
        private let headers: HTTPHeaders
        private let body: Bytes
        private let bytesMax: Int
        private var exchange: Exchange?
        private var timer: Scheduled<Void>?
        private var response = PeerResponse(status: 0)
        private var received: [UInt8] = []
        var done: ((Result<PeerResponse, any Error>) -> Void)?

        init(_ method: String, _ path: String, _ headers: HTTPHeaders, _ body: Bytes, bytesMax: Int) {
            self.method = method
            self.path = path
            self.headers = headers
            self.body = body
            self.bytesMax = bytesMax
        }

        func start(_ url: PeerURL, _ loop: any EventLoop, _ dialling: Dialling, _ timeout: TimeAmount) {
            timer = loop.assumeIsolated().scheduleTask(in: timeout) { self.finish(.failure(PeerRequestError.timeout)) }
            exchange = Exchange.start(url, on: loop, dialling, observer: self)
        }

        func finish(_ result: Result<PeerResponse, any Error>) {
            guard let done else { return }
            self.done = nil
            timer?.cancel()
            timer = nil
            exchange?.cancel()
            exchange = nil
            done(result)
        }

        func exchangeConnected(_ exchange: Exchange) {
            var headers = headers
            if !body.isEmpty || method != "GET" { headers.replaceOrAdd(name: "Content-Length", value: String(body.count)) }
            exchange.writeHead(method, path: path, headers)
            if !body.isEmpty { exchange.writeBody(ByteBuffer(bytes: body.array)) }
            exchange.writeEnd()
        }

        func exchange(_ exchange: Exchange, receivedHead head: HTTPResponseHead) {
            response.status = Int(head.status.code)
            response.headers = head.headers
        }

        func exchange(_ exchange: Exchange, receivedBody body: ByteBuffer) {
            guard received.count + body.readableBytes <= bytesMax else {
                return finish(.failure(PeerRequestError("the answer is too long")))
            }
            received.append(contentsOf: body.readableBytesView)
        }

        func exchangeEnded(_ exchange: Exchange) {
            response.body = Bytes(received)
            finish(.success(response))
        }

        func exchangeFailed(_ exchange: Exchange, _ error: PeerRequestError) { finish(.failure(error)) }
    }
}
