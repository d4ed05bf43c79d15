// One stream of messages to a peer: the endless answer to the peer's request for it.
//
// Messages wait in a bounded queue while the connection takes no more; each turn's messages go out in one write.

import Base
import NIOCore
import NIOHTTP1
import RaftWire
import Wire

final class StreamWriter {
    let kind: StreamKind
    private let peer: Peer
    private var channel: (any Channel)?
    private var queue = CircularBuffer<Message>()
    private var messageEncoder = MessageStreamEncoder()
    private var appendEncoder = AppendStreamEncoder()
    private var heartbeat: Scheduled<Void>?
    /// Since when the connection has taken nothing more.
    private var fullSince: NIODeadline?

    init(_ kind: StreamKind, _ peer: Peer) {
        self.kind = kind
        self.peer = peer
    }

    var isWorking: Bool { channel != nil }

    /// Writes to `channel` from now on, where the head of the answer has been sent.
    func attach(_ channel: any Channel) {
        let hadOne = isWorking
        close()
        self.channel = channel
        appendEncoder = AppendStreamEncoder()
        fullSince = nil
        peer.log(.info, "set message encoder", ["stream-type": .text(kind.description)])
        if hadOne { peer.log(.warning, "closed TCP streaming connection with remote peer", writerField) }
        peer.activated()
        peer.log(.info, "established TCP streaming connection with remote peer", writerField)
        scheduleHeartbeat()
    }

    private var writerField: KeyValuePairs<String, PeerLogLine.Value> { ["stream-writer-type": .text(kind.description)] }

    /// False if too much waits already.
    func enqueue(_ message: Message) -> Bool {
        guard queue.count < PeerLimit.streamMessages else { return false }
        queue.append(message)
        return true
    }

    /// Hands what waits to the connection, as much as it takes.
    func flush() {
        guard let channel, !queue.isEmpty else { return }
        var didWrite = false
        while !queue.isEmpty, channel.isWritable {
            var writer = WireWriter()
            while writer.count < PeerLimit.encodeBytes, let message = queue.popFirst() { encode(message, into: &writer) }
            write(writer, to: channel)
            didWrite = true
        }
        if didWrite { channel.flush() }
        if !queue.isEmpty && fullSince == nil { fullSince = .now() }
    }

    private func encode(_ message: Message, into writer: inout WireWriter) {
        switch kind {
        case .append: appendEncoder.encode(message, into: &writer)
        case .message: messageEncoder.encode(message, into: &writer)
        }
    }

    private func write(_ writer: WireWriter, to channel: any Channel) {
        peer.counters.sentBytes += UInt64(writer.count)
        let part = HTTPServerResponsePart.body(.byteBuffer(channel.allocator.buffer(bytes: writer.array)))
        channel.write(part, promise: nil)
    }

    /// The connection takes more again.
    func becameWritable(_ channel: any Channel) {
        guard self.channel === channel else { return }
        fullSince = nil
        flush()
    }

    private func scheduleHeartbeat() {
        heartbeat = peer.loop.assumeIsolated().scheduleTask(in: peer.settings.heartbeatInterval) { [weak self] in
            self?.beat()
        }
    }

    private func beat() {
        guard let channel else { return }
        if channel.isWritable {
            fullSince = nil
            var writer = WireWriter()
            encode(.linkHeartbeat, into: &writer)
            write(writer, to: channel)
            channel.flush()
        } else if let fullSince {
            if NIODeadline.now() - fullSince >= peer.settings.writeTimeout { return lost("heartbeat", .timeout) }
        } else {
            fullSince = .now()
        }
        scheduleHeartbeat()
    }

    /// The connection has ended from the other side.
    func closed(_ channel: any Channel) {
        if self.channel === channel { lost("write", .eof) }
    }

    private func lost(_ action: String, _ reason: PeerRequestError) {
        peer.deactivated(action, on: kind.description, reason)
        close()
        peer.log(.warning, "lost TCP streaming connection with remote peer", writerField)
        peer.counters.sentFailures += 1
    }

    /// Ends the stream; whether there was one. What waits is lost.
    @discardableResult
    func close() -> Bool {
        heartbeat?.cancel()
        heartbeat = nil
        guard let channel else { return false }
        self.channel = nil
        channel.close(promise: nil)
        if !queue.isEmpty { peer.reportUnreachable() }
        queue.removeAll()
        return true
    }
}
