// Takes in one posted snapshot: the message first, then the database, which goes to the member's sink piece by piece.
// Raft hears of it only after the sink has made the file durable.

import Base
import NIOCore
import RaftWire

final class SnapshotReceiver {
    private let transport: PeerTransport
    private let loop: any EventLoop
    /// Answers, and whether the connection is of no more use then.
    private let answer: (PeerResponse) -> Void
    /// Called when pieces have gone to the disk.
    var drained: () -> Void = {}
    /// Under whom it is counted; the same to the end, whatever happens to the member.
    private var account: MemberID = 0
    private var counters: PeerCounters {
        get { transport.counters[account, default: PeerCounters()] }
        _modify { yield &transport.counters[account, default: PeerCounters()] }
    }
    private var envelope = SnapshotEnvelopeDecoder()
    private var message: Message?
    private var sink: (any SnapshotSink)?
    private let begun = NIODeadline.now()
    private var sizeBytes: UInt64 = 0
    private(set) var waitingBytes = 0
    private var isAnswered = false
    private var bodyHasEnded = false
    private let headers: (PeerResponse) -> PeerResponse

    init(
        _ transport: PeerTransport, headers: @escaping (PeerResponse) -> PeerResponse, answer: @escaping (PeerResponse) -> Void
    ) {
        self.transport = transport
        loop = transport.eventLoop
        self.headers = headers
        self.answer = answer
    }

    /// Whether the sender must wait for the disk.
    var isFull: Bool { waitingBytes >= PeerLimit.snapshotWaiting }

    // MARK: What comes in

    func received(_ body: ByteBuffer) {
        guard !isAnswered else { return }
        if message != nil { return save(body) }
        envelope.append(body)
        do throws(SnapshotEnvelopeError) {
            guard let message = try envelope.next() else { return }
            open(message)
        } catch {
            refuseEnvelope(error)
        }
        if sink != nil { save(envelope.takeRest()) }
    }

    private func refuseEnvelope(_ error: SnapshotEnvelopeError) {
        transport.countUnknownReceiveFailure()
        log(.warning, "failed to decode Raft message", PeerRequestError(error.rawValue))
        fail(.text(400, "failed to decode raft message (\(error.rawValue))"))
    }

    private func open(_ message: Message) {
        self.message = message
        account = transport.account(of: message.from)
        counters.receivedBytes += UInt64(message.encodedSize)
        guard message.type == .snapshot, message.hasSnapshot else {
            log(.warning, "unexpected Raft message type", nil)
            return fail(.text(400, "wrong raft message type"))
        }
        if let refusal = transport.refusal(of: message) { return fail(refusal) }
        log(.info, "receiving database snapshot", nil)
        do {
            guard let delegate = transport.delegate else { throw PeerRequestError.stopped }
            sink = try delegate.openSnapshotSink(for: message)
            counters.snapshotsBeingReceived += 1
        } catch {
            failToSave(error)
        }
    }

    private func save(_ piece: ByteBuffer) {
        guard let sink, piece.readableBytes > 0 else { return }
        let count = piece.readableBytes
        waitingBytes += count
        sizeBytes += UInt64(count)
        sink.write(piece).hop(to: loop).assumeIsolated().whenComplete { result in
            self.waitingBytes -= count
            if case .failure(let error) = result { self.failToSave(error) }
            self.drained()
        }
    }

    /// The body has come to its end in order.
    func ended() {
        guard !isAnswered, !bodyHasEnded else { return }
        bodyHasEnded = true
        guard let sink, let message else { return refuseEnvelope(envelope.errorAtEnd) }
        sink.finish().hop(to: loop).assumeIsolated().whenComplete { result in
            guard !self.isAnswered else { return }
            switch result {
            case .success: self.saved(message)
            case .failure(let error): self.failToSave(error)
            }
        }
    }

    /// The connection broke.
    func cancelled() {
        guard !isAnswered, !bodyHasEnded else { return }
        guard sink != nil else {
            isAnswered = true
            return
        }
        failToSave(PeerRequestError.unexpectedEnd)
    }

    // MARK: The end

    private func saved(_ message: Message) {
        sink = nil
        let took = Double((NIODeadline.now() - begun).nanoseconds) / 1e9
        counters.snapshotsBeingReceived -= 1
        counters.receivedBytes += sizeBytes
        log(.info, "received and saved database snapshot", nil)
        // It may have been removed in the meantime.
        if let refusal = transport.refusal(of: message) { return fail(refusal) }
        isAnswered = true
        transport.receive([message])
        counters.snapshotsReceived += 1
        transport.delegate?.observe(.snapshotReceived(from: message.from, took))
        answer(headers(PeerResponse(status: 204)))
    }

    private func failToSave(_ error: any Error) {
        guard !isAnswered else { return }
        let reason = PeerRequestError(error)
        log(.warning, "failed to save incoming database snapshot", reason)
        if let sink {
            self.sink = nil
            counters.snapshotsBeingReceived -= 1
            sink.cancel()
        }
        fail(.text(500, "failed to save KV snapshot (\(reason))"))
    }

    private func fail(_ response: PeerResponse) {
        guard !isAnswered else { return }
        isAnswered = true
        counters.snapshotReceiveFailures += 1
        answer(headers(response))
    }

    private func log(_ level: PeerLogLine.Level, _ text: String, _ error: PeerRequestError?) {
        var line = PeerLogLine(
            level, text,
            ["local-member-id": .id(transport.settings.localID), "remote-snapshot-sender-id": .id(message?.from ?? 0)])
        if let message {
            line.fields.append(("message-type", .text(message.type.description)))
            line.fields.append(("incoming-snapshot-index", .number(message.snapshot?.metadata.index ?? 0)))
            line.fields.append(("incoming-snapshot-size-bytes", .number(sizeBytes)))
        }
        if let error { line.fields.append(("error", .text(error.description))) }
        transport.log(line)
    }
}
