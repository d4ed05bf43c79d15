// One stream of messages from a peer. This side asks for it, and asks again, a little later, whenever it has ended.

import Base
import NIOCore
import NIOHTTP1
import RaftWire

final class StreamReader: ExchangeObserver {
    private enum Decoder {
        case append(AppendStreamDecoder)
        case message(MessageStreamDecoder)

        init(_ kind: StreamKind, local: MemberID, remote: MemberID) {
            switch kind {
            case .append: self = .append(AppendStreamDecoder(local: local, remote: remote))
            case .message: self = .message(MessageStreamDecoder())
            }
        }
    }

    private enum State {
        case stopped
        case waiting(Scheduled<Void>)
        case asking(Exchange)
        case streaming(Exchange)
        /// An answer that is no stream; its body tells why.
        case refused(Exchange, HTTPResponseHead)
    }

    let kind: StreamKind
    private let peer: Peer
    private var state = State.stopped
    private var decoder: Decoder
    private var refusal: [UInt8] = []
    private var messages: [Message] = []
    private var askedAt = NIODeadline.uptimeNanoseconds(0)
    private var url: PeerURL
    /// The last sign of life on this connection.
    private var lastRead = NIODeadline.uptimeNanoseconds(0)
    private var watchdog: Scheduled<Void>?

    init(_ kind: StreamKind, _ peer: Peer) {
        self.kind = kind
        self.peer = peer
        url = peer.picker.picked
        decoder = Decoder(kind, local: peer.settings.localID, remote: peer.id)
    }

    func start() {
        peer.log(.info, "started stream reader with remote peer", readerField)
        ask()
    }

    func stop() {
        switch state {
        case .stopped: return
        case .waiting(let timer): timer.cancel()
        case .asking(let exchange), .streaming(let exchange), .refused(let exchange, _): exchange.cancel()
        }
        state = .stopped
        watchdog?.cancel()
        watchdog = nil
        peer.log(.info, "stopped stream reader with remote peer", readerField)
    }

    private var readerField: KeyValuePairs<String, PeerLogLine.Value> { ["stream-reader-type": .text(kind.description)] }

    // MARK: Asking

    private func ask() {
        url = peer.picker.picked
        askedAt = .now()
        peer.log(.debug, "dial stream reader", ["address": .text("\(url)\(path)")])
        state = .asking(
            Exchange.start(url, on: peer.loop, peer.transport.dialling, observer: self))
    }

    private var path: String { "/raft/stream/\(kind.pathComponent)/\(hexadecimal(peer.settings.localID))" }

    private func askLater() {
        watchdog?.cancel()
        watchdog = nil
        let delay = max(.nanoseconds(0), askedAt + peer.settings.retryInterval - .now())
        let timer = peer.loop.assumeIsolated().scheduleTask(in: delay) { [weak self] in
            guard let self else { return }
            ask()
        }
        state = .waiting(timer)
    }

    func exchangeConnected(_ exchange: Exchange) {
        exchange.writeHead("GET", path: path, peer.settings.requestHeaders(to: peer.id))
        exchange.writeEnd()
        lastRead = .now()
        watch(exchange)
    }

    /// Gives the connection up once nothing has come for the read timeout.
    private func watch(_ exchange: Exchange) {
        let timeout = peer.settings.readTimeout
        watchdog = peer.loop.assumeIsolated().scheduleTask(deadline: lastRead + timeout) { [weak self] in
            guard let self else { return }
            if NIODeadline.now() - lastRead >= timeout { exchange.fail(.timeout) } else { watch(exchange) }
        }
    }

    // MARK: The answer

    func exchange(_ exchange: Exchange, receivedHead head: HTTPResponseHead) {
        lastRead = .now()
        refusal.removeAll()
        let remote = PeerIdentity(head.headers).version.withoutPatch
        // Before 2.1 there were other streams.
        let isTooOld = remote < peer.settings.serverVersion.withoutPatch && remote < SemanticVersion(2, 1)
        guard head.status == .ok, !isTooOld else {
            state = .refused(exchange, head)
            return
        }
        state = .streaming(exchange)
        decoder = Decoder(kind, local: peer.settings.localID, remote: peer.id)
        peer.activated()
        peer.log(.info, "established TCP streaming connection with remote peer", readerField)
    }

    func exchange(_ exchange: Exchange, receivedBody body: ByteBuffer) {
        lastRead = .now()
        switch state {
        case .streaming: decode(body, exchange)
        case .refused:
            let room = PeerLimit.errorBody - refusal.count
            refusal.append(contentsOf: body.readableBytesView.prefix(room))
            // The rest is nobody's interest.
            if body.readableBytes > room { exchange.fail(.unexpectedEnd) }
        default: break
        }
    }

    private func decode(_ body: ByteBuffer, _ exchange: Exchange) {
        peer.counters.receivedBytes += UInt64(body.readableBytes)
        do throws(PeerStreamError) {
            switch decoder {
            case .append(var appends):
                // Taken out and put back: what is buffered is not copied.
                decoder = .message(MessageStreamDecoder())
                defer { decoder = .append(appends) }
                body.withUnsafeReadableBytes { appends.append($0) }
                while let message = try appends.next() { messages.append(message) }
            case .message(var others):
                decoder = .append(AppendStreamDecoder(local: 0, remote: 0))
                defer { decoder = .message(others) }
                body.withUnsafeReadableBytes { others.append($0) }
                while let message = try others.next() { messages.append(message) }
            }
        } catch {
            exchange.fail(PeerRequestError(error.description))
        }
    }

    func exchangeReadEnded(_ exchange: Exchange) {
        guard !messages.isEmpty else { return }
        let batch = messages
        messages.removeAll(keepingCapacity: batch.count <= PeerLimit.streamMessages)
        if !peer.isPaused { peer.transport.receive(batch) }
    }

    func exchangeEnded(_ exchange: Exchange) {
        switch state {
        case .streaming: lost(.eof)
        case .refused(_, let head): refused(head)
        case .asking: askLater()
        // Stopped by what the last messages led to.
        case .waiting, .stopped: break
        }
    }

    func exchangeFailed(_ exchange: Exchange, _ error: PeerRequestError) {
        switch state {
        case .streaming: lost(error)
        case .refused(_, let head): refused(head)
        case .asking:
            peer.picker.failed(url)
            peer.deactivated("dial", on: kind.description, error)
            askLater()
        case .waiting, .stopped: break
        }
    }

    private func lost(_ error: PeerRequestError) {
        peer.log(
            .warning, "lost TCP streaming connection with remote peer",
            ["stream-reader-type": .text(kind.description), "error": .text(error.description)])
        // A stream that was ended in order says nothing of the peer: the next one will.
        if error != .eof { peer.deactivated("read", on: kind.description, error) }
        askLater()
    }

    private func refused(_ head: HTTPResponseHead) {
        peer.picker.failed(url)
        let answer = PeerResponse(status: Int(head.status.code), headers: head.headers, body: Bytes(refusal))
        let reason: String
        switch answer.status {
        case 200: return askLater()
        case 410:
            reason = "the member has been permanently removed from the cluster"
            peer.deactivated("dial", on: kind.description, PeerRequestError(reason))
            askLater()
            return peer.transport.localMemberWasRemoved()
        case 404: reason = "peer \(hexadecimal(peer.id)) failed to find local node \(hexadecimal(peer.settings.localID))"
        case 412: reason = peer.noteMismatch(answer)
        default: reason = "unhandled http status \(answer.status)"
        }
        peer.deactivated("dial", on: kind.description, PeerRequestError(reason))
        askLater()
    }
}
