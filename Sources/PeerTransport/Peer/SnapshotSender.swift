// Sends one snapshot: a message and the database behind it, as the body of one post, on a connection apart from the
// streams. The database is read piece by piece as the connection takes it, so that it never lies in memory.

import Base
import NIOCore
import NIOHTTP1
import RaftWire
import Wire

final class SnapshotSender: ExchangeObserver {
    private let message: Message
    private let source: any SnapshotSource
    private let peer: Peer
    private let url: PeerURL
    private let envelope: [UInt8]
    private let begun = NIODeadline.now()
    private var exchange: Exchange?
    private var response = PeerResponse(status: 0)
    private var responseBody: [UInt8] = []
    private var missing: UInt64
    private var isReading = false
    private var isOver = false
    /// The last time a piece went out.
    private var lastProgress = NIODeadline.now()
    private var watchdog: Scheduled<Void>?

    init(_ message: Message, _ source: any SnapshotSource, _ peer: Peer) {
        self.message = message
        self.source = source
        self.peer = peer
        url = peer.picker.picked
        var writer = WireWriter(capacity: 8 + message.encodedSize)
        MessageStreamEncoder().encode(message, into: &writer)
        envelope = writer.array
        missing = source.sizeBytes
    }

    private var totalBytes: UInt64 { UInt64(envelope.count) + source.sizeBytes }

    func start() {
        log(.info, "sending database snapshot")
        peer.counters.snapshotsBeingSent += 1
        exchange = Exchange.start(url, on: peer.loop, peer.transport.dialling, observer: self)
        watch()
    }

    func stop() { end(.stopped) }

    private func watch() {
        let limit = peer.settings.snapshotStallMax
        watchdog = peer.loop.assumeIsolated().scheduleTask(deadline: lastProgress + limit) { [weak self] in
            guard let self else { return }
            if NIODeadline.now() - lastProgress >= limit { end(.timeout) } else { watch() }
        }
    }

    private func log(_ level: PeerLogLine.Level, _ text: String, _ error: PeerRequestError? = nil) {
        var line = PeerLogLine(
            level, text,
            [
                "snapshot-index": .number(message.snapshot?.metadata.index ?? 0), "remote-peer-id": .id(peer.id),
                "bytes": .number(totalBytes),
            ])
        if let error { line.fields.append(("error", .text(error.description))) }
        peer.transport.log(line)
    }

    // MARK: Going out

    func exchangeConnected(_ exchange: Exchange) {
        var headers = peer.settings.requestHeaders(contentType: "application/octet-stream")
        headers.add(name: "Content-Length", value: String(totalBytes))
        exchange.writeHead("POST", path: "/raft/snapshot", headers)
        exchange.writeBody(ByteBuffer(bytes: envelope))
        exchange.flush()
        readNext()
    }

    func exchangeWritable(_ exchange: Exchange) {
        lastProgress = .now()
        readNext()
    }

    private func readNext() {
        guard !isOver, !isReading, let exchange, exchange.isWritable, response.status == 0 else { return }
        isReading = true
        source.next(bytesMax: PeerLimit.snapshotChunk).hop(to: peer.loop).assumeIsolated().whenComplete { result in
            self.isReading = false
            guard !self.isOver else { return self.source.close() }
            switch result {
            case .success(let piece): self.write(piece)
            case .failure(let error): self.end(PeerRequestError("\(error)"))
            }
        }
    }

    private func write(_ piece: ByteBuffer?) {
        guard let exchange else { return }
        guard let piece else {
            if missing > 0 { return end(.unexpectedEnd) }
            return exchange.writeEnd()
        }
        // The receiver was told how much comes.
        guard UInt64(piece.readableBytes) <= missing else { return end(PeerRequestError("the database is longer than announced")) }
        missing -= UInt64(piece.readableBytes)
        lastProgress = .now()
        exchange.writeBody(piece)
        exchange.flush()
        readNext()
    }

    // MARK: The answer

    func exchange(_ exchange: Exchange, receivedHead head: HTTPResponseHead) {
        response.status = Int(head.status.code)
        response.headers = head.headers
    }

    func exchange(_ exchange: Exchange, receivedBody body: ByteBuffer) {
        responseBody.append(contentsOf: body.readableBytesView.prefix(PeerLimit.errorBody - responseBody.count))
    }

    func exchangeEnded(_ exchange: Exchange) { answered() }

    func exchangeFailed(_ exchange: Exchange, _ error: PeerRequestError) {
        // A receiver that wants no more answers, and closes: its answer counts.
        if response.status != 0 { answered() } else { end(error) }
    }

    private func answered() {
        response.body = Bytes(responseBody)
        do throws(PeerRequestError) {
            try peer.check(response, of: url, path: "/raft/snapshot")
            end(nil)
        } catch {
            end(error)
        }
    }

    private func end(_ error: PeerRequestError?) {
        guard !isOver else { return }
        isOver = true
        watchdog?.cancel()
        exchange?.cancel()
        exchange = nil
        peer.counters.snapshotsBeingSent -= 1
        if let error {
            log(.warning, "failed to send database snapshot", error)
            peer.picker.failed(url)
            peer.deactivated("post", on: "sendMsgSnap", error)
            peer.counters.sentFailures += 1
            peer.counters.snapshotSendFailures += 1
            peer.reportUnreachable()
        } else {
            log(.info, "sent database snapshot")
            peer.activated()
            peer.counters.sentBytes += totalBytes
            peer.counters.snapshotsSent += 1
            peer.transport.delegate?.observe(.snapshotSent(to: peer.id, Double((NIODeadline.now() - begun).nanoseconds) / 1e9))
        }
        peer.transport.delegate?.reportSnapshot(peer.id, succeeded: error == nil)
        // A piece still being read belongs to the source: it is closed once that is there.
        if !isReading { source.close() }
        peer.ended(self)
    }
}
