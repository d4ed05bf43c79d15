// The member's connections to the others: messages out, messages in.
//
// Each pair of members has four streams, two in each direction; the receiver asks for them. Appends have a stream of their
// own, in a shorter form. While there is no stream, messages are posted one by one; snapshots always are, over
// connections of their own. Nothing is ever sent twice: raft repeats what it misses, and is told what got lost.
//
// The transport and all that belongs to it live on one event loop, the one of consensus; nothing in here is locked.
// Formats: the peer protocol of etcd ("rafthttp").

package import Base
package import NIOCore
package import RaftWire
import NIOHTTP1
import NIOPosix

package final class PeerTransport {
    package let settings: PeerTransportSettings
    package let eventLoop: any EventLoop
    /// For requests of the member's own; with the transport's TLS.
    package let client: PeerHTTPClient
    private let tls: PeerTLS?
    let dialling: Dialling
    /// Nil once stopped.
    private(set) var delegate: (any PeerTransportDelegate)?
    private var peers: [MemberID: Peer] = [:]
    private var remotes: [MemberID: Peer] = [:]
    private var connections: [ObjectIdentifier: PeerHTTPHandler] = [:]
    private var isStopped = false
    private var wasRemoved = false
    /// By member; those of removed ones stay. Under 0: what came from nobody knows whom.
    package internal(set) var counters: [MemberID: PeerCounters] = [:]

    /// - Parameters:
    ///   - eventLoop: that of consensus. Everything is called on it.
    ///   - delegate: kept until `stop`, without which the transport is never freed.
    package init(
        _ settings: PeerTransportSettings, eventLoop: any EventLoop, tls: PeerTLS? = nil, delegate: any PeerTransportDelegate
    ) {
        self.settings = settings
        self.eventLoop = eventLoop
        self.tls = tls
        self.delegate = delegate
        dialling = Dialling(timeout: settings.dialTimeout, tls: tls, localAddress: settings.localAddress)
        client = PeerHTTPClient(eventLoop: eventLoop, dialling: dialling)
    }

    /// Ends all connections. The listeners are their owner's.
    package func stop() {
        guard !isStopped else { return }
        isStopped = true
        for (_, peer) in sorted(remotes) + sorted(peers) { peer.stop() }
        peers.removeAll()
        remotes.removeAll()
        client.stop()
        for handler in Array(connections.values) { handler.close() }
        delegate = nil
    }

    private func sorted(_ members: [MemberID: Peer]) -> [(key: MemberID, value: Peer)] {
        members.sorted { $0.key < $1.key }
    }

    // MARK: Members

    /// Begins to talk to a member. Nothing happens if it is known already.
    package func addPeer(_ id: MemberID, urls: [String]) {
        guard !isStopped, peers[id] == nil, id != settings.localID, let parsed = parse(urls, id) else { return }
        remotes.removeValue(forKey: id)?.stop()
        let peer = Peer(id, parsed, isRemote: false, self)
        peers[id] = peer
        peer.start()
        log(PeerLogLine(.info, "added remote peer", memberFields(id, urls)))
    }

    /// Lets a member that is no peer yet have answers.
    package func addRemote(_ id: MemberID, urls: [String]) {
        guard !isStopped, id != 0, id != settings.localID, peers[id] == nil, remotes[id] == nil,
            remotes.count < PeerLimit.remotes, let parsed = parse(urls, id)
        else { return }
        let remote = Peer(id, parsed, isRemote: true, self)
        remotes[id] = remote
        remote.start()
        log(PeerLogLine(.info, "added new remote peer", memberFields(id, urls)))
    }

    package func removePeer(_ id: MemberID) {
        guard let peer = peers.removeValue(forKey: id) else {
            return log(
                PeerLogLine(
                    .warning, "skipped removing already removed peer",
                    ["local-member-id": .id(settings.localID), "removed-remote-peer-id": .id(id)]))
        }
        peer.stop()
        log(
            PeerLogLine(
                .info, "removed remote peer", ["local-member-id": .id(settings.localID), "removed-remote-peer-id": .id(id)]))
    }

    package func removeAllPeers() {
        for id in peers.keys.sorted() { removePeer(id) }
    }

    package func updatePeer(_ id: MemberID, urls: [String]) {
        guard let peer = peers[id], let parsed = parse(urls, id) else { return }
        peer.update(parsed)
        log(
            PeerLogLine(
                .info, "updated remote peer",
                [
                    "local-member-id": .id(settings.localID), "updated-remote-peer-id": .id(id),
                    "updated-remote-peer-urls": .texts(urls),
                ]))
    }

    private func memberFields(_ id: MemberID, _ urls: [String]) -> KeyValuePairs<String, PeerLogLine.Value> {
        ["local-member-id": .id(settings.localID), "remote-peer-id": .id(id), "remote-peer-urls": .texts(urls)]
    }

    /// Nil, with a line in the log, if there is none to dial: others name these, so that it is no error of ours.
    private func parse(_ urls: [String], _ id: MemberID) -> [PeerURL]? {
        let parsed = urls.compactMap { PeerURL($0) }.sorted { $0.description < $1.description }
        if !parsed.isEmpty && parsed.count == urls.count { return parsed }
        log(PeerLogLine(.warning, "failed to parse peer URLs", memberFields(id, urls)))
        return nil
    }

    // MARK: Sending

    /// Sends what raft has to say, all of a turn at once. Snapshots go through `sendSnapshot`.
    /// What can't be sent is reported to the delegate, at once or later.
    package func send(_ messages: [Message]) {
        for message in messages where message.to != 0 {
            if let peer = peers[message.to] {
                if message.type == .append { peer.counters.appendsSent += 1 }
                peer.send(message)
            } else if let remote = remotes[message.to] {
                remote.send(message)
            } else {
                log(
                    PeerLogLine(
                        .debug, "ignored message send request; unknown remote peer target",
                        ["type": .text(message.type.description), "unknown-target-peer-id": .id(message.to)]))
            }
        }
        for (_, peer) in peers { peer.flush() }
    }

    /// Sends a snapshot with its database. `reportSnapshot` tells how it ended.
    package func sendSnapshot(_ message: Message, _ source: any SnapshotSource) {
        precondition(message.type == .snapshot)
        guard let peer = peers[message.to] else {
            source.close()
            delegate?.reportSnapshot(message.to, succeeded: false)
            return
        }
        peer.send(message, source)
    }

    // MARK: How they do

    /// Since when something gets through to the peer; nil if nothing does.
    package func activeSince(_ id: MemberID) -> Instant? {
        (peers[id]?.status.activeSince).map { Instant(nanoseconds: $0.uptimeNanoseconds) }
    }

    package var activePeers: Int { peers.values.count { $0.status.isActive } }
    package var peerIDs: [MemberID] { peers.keys.sorted() }

    /// Messages to the member and from its streams are dropped from now on: for tests.
    package func pause(_ id: MemberID) { peers[id]?.pause() }
    package func resume(_ id: MemberID) { peers[id]?.resume() }

    func log(_ line: PeerLogLine) { delegate?.log(line) }

    /// A peer says so; told once, for it is true for good.
    func localMemberWasRemoved() {
        guard !wasRemoved else { return }
        wasRemoved = true
        delegate?.localMemberWasRemoved()
    }

    // MARK: Connections that come in

    /// Sets up a connection to the peer port, in its channel initializer, on the transport's event loop.
    package func initialize(_ channel: any Channel) throws {
        if isStopped { throw ChannelError.ioOnClosedChannel }
        let pipeline = channel.pipeline.syncOperations
        try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
        try pipeline.addHandler(PeerHTTPHandler(self))
    }

    /// The same behind TLS, for listeners whose URL asks for it.
    package func initializeSecure(_ channel: any Channel) throws {
        guard let tls else { throw PeerRequestError("no TLS is set up") }
        try tls.server(channel)
        try initialize(channel)
    }

    func opened(_ handler: PeerHTTPHandler) { connections[ObjectIdentifier(handler)] = handler }
    func closed(_ handler: PeerHTTPHandler) { connections[ObjectIdentifier(handler)] = nil }

    func peer(_ id: MemberID) -> Peer? { peers[id] }

    /// Where messages of `id` are counted: strangers share one place, or anybody could fill the table.
    func account(of id: MemberID) -> MemberID { peers[id] != nil || remotes[id] != nil ? id : 0 }
}
