// Messages posted one by one, a few at a time: the way while no stream stands, and the only way to strangers.

import Base
import NIOCore
import RaftWire

final class Pipeline {
    private let peer: Peer
    private var queue = CircularBuffer<Message>()
    private var posting = 0
    private var isStopped = false

    init(_ peer: Peer) {
        self.peer = peer
    }

    func start() {
        isStopped = false
        peer.log(.info, "started HTTP pipelining with remote peer")
    }

    func stop() {
        guard !isStopped else { return }
        isStopped = true
        queue.removeAll()
        peer.log(.info, "stopped HTTP pipelining with remote peer")
    }

    /// False if too much waits already.
    func enqueue(_ message: Message) -> Bool {
        guard !isStopped, queue.count < PeerLimit.pipelineMessages else { return false }
        queue.append(message)
        work()
        return true
    }

    private func work() {
        while !isStopped, posting < PeerLimit.pipelineWorkers, let message = queue.popFirst() {
            posting += 1
            post(message)
        }
    }

    private func post(_ message: Message) {
        let url = peer.picker.picked
        let body = message.encoded()
        peer.transport.client.request(
            "POST", url, path: "/raft", headers: peer.settings.requestHeaders(contentType: "application/protobuf"), body: body,
            timeout: peer.settings.postTimeout
        ) { [weak self] result in
            self?.posted(message, body.count, url, result)
        }
    }

    private func posted(_ message: Message, _ size: Int, _ url: PeerURL, _ result: Result<PeerResponse, any Error>) {
        posting -= 1
        defer { work() }
        guard !isStopped else { return }
        let isSnapshot = message.type == .snapshot
        do {
            try peer.check(result.get(), of: url, path: "/raft")
            peer.activated()
            peer.counters.sentBytes += UInt64(size)
            if isSnapshot { peer.transport.delegate?.reportSnapshot(message.to, succeeded: true) }
        } catch {
            // The answer may have been that this member is none any more.
            guard !isStopped else { return }
            peer.picker.failed(url)
            peer.deactivated("write", on: "pipeline", PeerRequestError(error))
            peer.counters.sentFailures += 1
            peer.reportUnreachable()
            if isSnapshot { peer.transport.delegate?.reportSnapshot(message.to, succeeded: false) }
        }
    }
}
