// Another member, as seen from here: its addresses, how it does, and the ways to it.
//
// A remote is a member that this one does not know as such yet, while it catches up: messages are posted to it, and it
// has no streams.

import Base
import NIOCore
import NIOHTTP1
import RaftWire

final class Peer {
    let id: MemberID
    let isRemote: Bool
    let transport: PeerTransport
    var picker: URLPicker
    var counters: PeerCounters {
        get { transport.counters[id, default: PeerCounters()] }
        _modify { yield &transport.counters[id, default: PeerCounters()] }
    }
    private(set) var status = PeerStatus()
    private(set) var isPaused = false
    private var writers: [StreamWriter] = []
    private var readers: [StreamReader] = []
    private var pipeline: Pipeline?
    private var probers: [Prober] = []
    private var snapshots: [ObjectIdentifier: SnapshotSender] = [:]
    private var isStopped = false

    init(_ id: MemberID, _ urls: [PeerURL], isRemote: Bool, _ transport: PeerTransport) {
        self.id = id
        self.isRemote = isRemote
        self.transport = transport
        picker = URLPicker(urls)
    }

    var settings: PeerTransportSettings { transport.settings }
    var loop: any EventLoop { transport.eventLoop }

    func start() {
        let pipeline = Pipeline(self)
        self.pipeline = pipeline
        pipeline.start()
        guard !isRemote else { return }
        log(.info, "starting remote peer")
        writers = [StreamWriter(.append, self), StreamWriter(.message, self)]
        for writer in writers {
            log(.info, "started stream writer with remote peer", ["stream-writer-type": .text(writer.kind.description)])
        }
        readers = [StreamReader(.append, self), StreamReader(.message, self)]
        for reader in readers { reader.start() }
        probers = Prober.Kind.allCases.map { Prober($0, self) }
        for prober in probers { prober.start() }
        log(.info, "started remote peer")
    }

    func stop() {
        guard !isStopped else { return }
        isStopped = true
        if !isRemote { log(.info, "stopping remote peer") }
        for writer in writers where writer.close() {
            log(.warning, "closed TCP streaming connection with remote peer", ["stream-writer-type": .text(writer.kind.description)])
        }
        pipeline?.stop()
        for reader in readers { reader.stop() }
        for prober in probers { prober.stop() }
        for sender in snapshots.values { sender.stop() }
        // They hold this peer, so that it outlives what they are in the middle of.
        writers = []
        readers = []
        probers = []
        pipeline = nil
        _ = status.deactivate()
        if !isRemote { log(.info, "stopped remote peer") }
    }

    func update(_ urls: [PeerURL]) {
        picker.update(urls)
        for prober in probers { prober.restart() }
    }

    // MARK: Sending

    /// Puts the message on its way; streams wait for `flush`.
    func send(_ message: Message) {
        guard !isPaused, !isStopped else { return }
        let (isTaken, way) = enqueue(message)
        guard !isTaken else { return }
        log(
            .warning, "dropped internal Raft message since sending buffer is full",
            [
                "message-type": .text(message.type.description), "from": .id(message.from), "remote-peer-name": .text(way),
                "remote-peer-active": .bool(status.isActive),
            ])
        counters.sentFailures += 1
        reportUnreachable()
        if message.type == .snapshot { transport.delegate?.reportSnapshot(id, succeeded: false) }
    }

    private func enqueue(_ message: Message) -> (isTaken: Bool, way: String) {
        if message.type != .snapshot {
            for writer in writers where writer.isWorking && (writer.kind == .message || message.type == .append) {
                return (writer.enqueue(message), writer.kind == .append ? "streamMsgAppV2" : "streamMsg")
            }
        }
        return (pipeline?.enqueue(message) ?? false, "pipeline")
    }

    func flush() {
        for writer in writers { writer.flush() }
    }

    func send(_ message: Message, _ source: any SnapshotSource) {
        let sender = SnapshotSender(message, source, self)
        snapshots[ObjectIdentifier(sender)] = sender
        sender.start()
    }

    func ended(_ sender: SnapshotSender) { snapshots[ObjectIdentifier(sender)] = nil }

    /// The peer has asked for a stream, and `channel` is it.
    func attach(_ channel: any Channel, _ kind: StreamKind) -> StreamWriter? {
        guard !isStopped, let writer = writers.first(where: { $0.kind == kind }) else { return nil }
        writer.attach(channel)
        return writer
    }

    func pause() { isPaused = true }
    func resume() { isPaused = false }

    // MARK: Reports

    func reportUnreachable() { transport.delegate?.reportUnreachable(id) }

    func activated() {
        if status.activate() { transport.log(PeerLogLine(.info, "peer became active", ["peer-id": .id(id)])) }
    }

    func deactivated(_ action: String, on source: String, _ reason: PeerRequestError) {
        let text = "failed to \(action) \(hexadecimal(id)) on \(source) (\(reason))"
        if status.deactivate() {
            counters.disconnects += 1
            transport.log(
                PeerLogLine(
                    .warning, "peer became inactive (message send to peer failed)", ["peer-id": .id(id), "error": .text(text)]))
        } else {
            transport.log(PeerLogLine(.debug, "peer deactivated again", ["peer-id": .id(id), "error": .text(text)]))
        }
    }

    func log(_ level: PeerLogLine.Level, _ message: String, _ fields: KeyValuePairs<String, PeerLogLine.Value> = [:]) {
        var line = PeerLogLine(level, message, fields)
        line.fields += [("local-member-id", .id(settings.localID)), ("remote-peer-id", .id(id))]
        transport.log(line)
    }

    // MARK: Answers

    /// Throws a sentence unless the peer has taken what was posted.
    func check(_ answer: PeerResponse, of url: PeerURL, path: String) throws(PeerRequestError) {
        switch answer.status {
        case 204: return
        case 403:
            transport.localMemberWasRemoved()
            throw PeerRequestError("the member has been permanently removed from the cluster")
        case 412: throw PeerRequestError(noteMismatch(answer))
        default: throw PeerRequestError("unexpected http status \(answer.status) while posting to \"\(url)\(path)\"")
        }
    }

    /// Logs why the peer wants nothing from this member; the reason.
    func noteMismatch(_ answer: PeerResponse) -> String {
        var text = answer.body.description
        if text.last == "\n" { text.removeLast() }
        switch PeerMismatch(rawValue: text) {
        case .incompatibleVersion?:
            log(
                .warning, "request sent was ignored by remote peer due to server version incompatibility",
                ["error": .text(text)])
        case .clusterID?:
            log(
                .warning, "request sent was ignored by remote peer due to cluster ID mismatch",
                [
                    "remote-peer-cluster-id": .text(answer.headers.first(name: PeerHeader.cluster) ?? ""),
                    "local-member-cluster-id": .id(settings.clusterID), "error": .text(text),
                ])
        case nil: return "unhandled error \"\(text)\" when precondition failed"
        }
        return text
    }
}
