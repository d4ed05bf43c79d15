// One connection to the peer port: posted messages, streams, snapshots, probes, and everything else for the member.
//
// Whatever comes in, the worst that happens is that this connection ends.

import Base
import NIOCore
import NIOHTTP1
import RaftWire

final class PeerHTTPHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// Who gets the body of a request.
    private enum BodyUse {
        /// Keeps it, up to a limit, for `answer(head, body)`.
        case collect(limit: Int)
        case snapshot(SnapshotReceiver)
        /// The answer is out, or will not depend on it.
        case discard
    }

    private let transport: PeerTransport
    private var context: ChannelHandlerContext?
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()
    private var use = BodyUse.discard
    private var isTooLong = false
    private var writer: StreamWriter?
    private var requestHasEnded = true
    private var answerIsOut = true
    private var isReadHeld = false
    private var watchdog: Scheduled<Void>?
    private var lastRead = NIODeadline.now()

    init(_ transport: PeerTransport) {
        self.transport = transport
    }

    // MARK: The connection

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        transport.opened(self)
        lastRead = .now()
        watch()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        watchdog?.cancel()
        watchdog = nil
        self.context = nil
        transport.closed(self)
    }

    func close() { context?.close(promise: nil) }

    /// Ends connections on which a request is awaited, or the rest of one, and nothing comes.
    private func watch() {
        let timeout = transport.settings.readTimeout
        watchdog = transport.eventLoop.assumeIsolated().scheduleTask(deadline: max(lastRead + timeout, .now())) { [weak self] in
            guard let self, let context else { return }
            let isWaiting = writer == nil && !isReadHeld && (!requestHasEnded || answerIsOut)
            if !isWaiting { lastRead = .now() }
            if NIODeadline.now() - lastRead >= timeout { context.close(promise: nil) } else { watch() }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        ended(context)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        ended(context)
        context.close(promise: nil)
    }

    private func ended(_ context: ChannelHandlerContext) {
        // Nobody hears an answer any more; to bytes that are no HTTP a handler before this one has given one.
        answerIsOut = true
        if case .snapshot(let receiver) = use { receiver.cancelled() }
        use = .discard
        head = nil
        writer?.closed(context.channel)
        writer = nil
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { writer?.becameWritable(context.channel) }
        context.fireChannelWritabilityChanged()
    }

    /// Waits with reading while the disk is behind.
    func read(context: ChannelHandlerContext) {
        if case .snapshot(let receiver) = use, receiver.isFull {
            isReadHeld = true
        } else {
            context.read()
        }
    }

    private func drained() {
        lastRead = .now()
        guard isReadHeld, let context else { return }
        isReadHeld = false
        read(context: context)
    }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastRead = .now()
        switch unwrapInboundIn(data) {
        case .head(let head): begin(head)
        case .body(let part): take(part)
        case .end: end()
        }
    }

    private func begin(_ head: HTTPRequestHead) {
        self.head = head
        body = ByteBuffer()
        isTooLong = false
        requestHasEnded = false
        answerIsOut = false
        let path = Self.split(head.uri).path
        switch path {
        case "/raft" where head.method == .POST:
            // What strangers send is not worth keeping until they have been refused.
            let isStranger = transport.settings.check(PeerIdentity(head.headers)) != nil
            use = isStranger ? .discard : .collect(limit: Int(peerStreamItemSizeMax))
        case "/raft/snapshot": beginSnapshot(head)
        default: use = .collect(limit: PeerLimit.requestBody)
        }
    }

    private func take(_ part: ByteBuffer) {
        switch use {
        case .collect(let limit):
            if body.readableBytes + part.readableBytes > limit {
                isTooLong = true
                body = ByteBuffer()
                use = .discard
            } else {
                body.writeImmutableBuffer(part)
            }
        case .snapshot(let receiver): receiver.received(part)
        case .discard: break
        }
    }

    private func end() {
        requestHasEnded = true
        guard let head else { return closeIfDone() }
        if case .snapshot(let receiver) = use {
            use = .discard
            self.head = nil
            return receiver.ended()
        }
        self.head = nil
        guard !answerIsOut else { return closeIfDone() }
        let body = Bytes(Array(body.readableBytesView))
        self.body = ByteBuffer()
        route(head, body)
    }

    private func route(_ head: HTTPRequestHead, _ body: Bytes) {
        let (path, query) = Self.split(head.uri)
        switch path {
        case "/raft": answer(transport.posted(head, body, isTooLong: isTooLong), head)
        case "/raft/probing": answer(transport.probed(), head)
        case _ where path.hasPrefix("/raft/stream/"): openStream(head, path)
        case _ where path.hasPrefix("/raft/"): answer(.notFound, head)
        default:
            if isTooLong { return answer(.text(413, "request body too large"), head) }
            let request = PeerRequest(method: head.method.rawValue, path: path, query: query, headers: head.headers, body: body)
            let reply = PeerReply { [weak self] in self?.answer($0, head) }
            if let delegate = transport.delegate { delegate.handle(request, reply: reply) } else { reply(.notFound) }
        }
    }

    private static func split(_ uri: String) -> (path: String, query: String) {
        guard let mark = uri.firstIndex(of: "?") else { return (uri, "") }
        return (String(uri[..<mark]), String(uri[uri.index(after: mark)...]))
    }

    // MARK: Streams

    private func openStream(_ head: HTTPRequestHead, _ path: String) {
        let (peer, kind, response) = transport.streamRequested(head, path)
        guard let peer, let kind else { return answer(response, head) }
        guard let context else { return }
        var headers = response.headers
        // Without a length: the body comes in chunks, for as long as the connection lives.
        headers.add(name: "Transfer-Encoding", value: "chunked")
        context.writeAndFlush(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: headers))), promise: nil)
        let mark = ChannelOptions.Types.WriteBufferWaterMark(low: PeerLimit.streamBufferLow, high: PeerLimit.streamBufferHigh)
        try? context.channel.syncOptions?.setOption(.writeBufferWaterMark, value: mark)
        writer = peer.attach(context.channel, kind)
        if writer == nil { context.close(promise: nil) }
    }

    // MARK: Snapshots

    private func beginSnapshot(_ head: HTTPRequestHead) {
        use = .discard
        let common: HTTPHeaders = [PeerHeader.cluster: hexadecimal(transport.settings.clusterID)]
        if let refusal = transport.snapshotRequested(head, common) { return answer(refusal, head) }
        let receiver = SnapshotReceiver(transport) { response in
            var response = response
            for header in common { response.headers.replaceOrAdd(name: header.name, value: header.value) }
            return response
        } answer: { [weak self] response in
            self?.answerSnapshot(response, head)
        }
        receiver.drained = { [weak self] in self?.drained() }
        use = .snapshot(receiver)
    }

    private func answerSnapshot(_ response: PeerResponse, _ head: HTTPRequestHead) {
        // The rest of a refused body is of no use, but the sender may see the answer only after it.
        if case .snapshot = use { use = .discard }
        drained()
        answer(response, head)
    }

    // MARK: Answers

    private func answer(_ response: PeerResponse, _ head: HTTPRequestHead) {
        guard let context, !answerIsOut else { return }
        answerIsOut = true
        lastRead = .now()
        var headers = response.headers
        let keepsAlive = head.isKeepAlive && requestHasEnded && !isTooLong
        if !keepsAlive { headers.replaceOrAdd(name: "Connection", value: "close") }
        if response.status != 204 { headers.replaceOrAdd(name: "Content-Length", value: String(response.body.count)) }
        let status = HTTPResponseStatus(statusCode: response.status)
        context.write(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
        if !response.body.isEmpty && head.method != .HEAD {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: response.body.array)))), promise: nil)
        }
        closesAfterAnswer = !keepsAlive
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        closeIfDone()
    }

    private var closesAfterAnswer = false

    /// A refused request is read to its end before the connection closes: closing earlier would tear the answer away.
    private func closeIfDone() {
        if closesAfterAnswer && requestHasEnded && answerIsOut { context?.close(promise: nil) }
    }
}
