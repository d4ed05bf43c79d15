// What others ask of this member, and whether they may: the checks of the raft endpoints, in etcd's order and words.

import Base
import NIOHTTP1
import Raft
import RaftWire

extension PeerTransport {
    /// The ends of the range of identifiers name local threads of raft; nobody else may speak for them.
    private static let localTargets: Set<MemberID> = [.max, .max - 1]

    // MARK: Messages

    /// Why the message is not for raft, as an answer; nil if it is.
    func refusal(of message: Message) -> PeerResponse? {
        if delegate?.isRemoved(message.from) ?? true {
            log(
                PeerLogLine(
                    .warning, "rejected Raft message from removed member",
                    ["local-member-id": .id(settings.localID), "removed-member-id": .id(message.from)]))
            return .json(403, "{\"message\":\"cannot process message from removed member\"}")
        }
        if message.to != settings.localID {
            log(
                PeerLogLine(
                    .warning, "rejected Raft message to mismatch member",
                    ["local-member-id": .id(settings.localID), "mismatch-member-id": .id(message.to)]))
            return .json(403, "{\"message\":\"cannot process message to mismatch member\"}")
        }
        return nil
    }

    /// Whether raft must not see it, though the sender is told nothing.
    private func isForged(_ message: Message) -> Bool {
        guard message.type.isLocal || Self.localTargets.contains(message.from) || !message.responses.isEmpty else { return false }
        counters[account(of: message.from), default: PeerCounters()].receivedFailures += 1
        log(
            PeerLogLine(
                .warning, "ignored local Raft message from remote peer",
                ["message-type": .text(message.type.description), "from": .id(message.from)]))
        return true
    }

    /// Hands raft what came in one read.
    func receive(_ messages: [Message]) {
        let accepted = messages.filter { refusal(of: $0) == nil && !isForged($0) }
        if !accepted.isEmpty { delegate?.receive(accepted) }
    }

    // MARK: Endpoints

    /// Common to all of them: who asks must be of this cluster.
    private func mismatch(_ head: HTTPRequestHead, _ identity: PeerIdentity) -> PeerMismatch? {
        guard let mismatch = settings.check(identity) else { return nil }
        let remoteID: PeerLogLine.Value = .text(head.headers.first(name: PeerHeader.from) ?? "")
        switch mismatch {
        case .incompatibleVersion:
            log(
                PeerLogLine(
                    .warning, "failed version compatibility check",
                    [
                        "local-member-id": .id(settings.localID),
                        "local-member-server-version": .text(settings.serverVersion.description),
                        "remote-peer-id": remoteID, "remote-peer-server-version": .text(identity.version.description),
                        "remote-peer-server-minimum-cluster-version": .text(identity.minimumVersion.description),
                    ]))
        case .clusterID:
            log(
                PeerLogLine(
                    .warning, "request cluster ID mismatch",
                    [
                        "local-member-id": .id(settings.localID), "local-member-cluster-id": .id(settings.clusterID),
                        "remote-peer-id": remoteID, "remote-peer-cluster-id": .text(identity.clusterID),
                    ]))
        }
        return mismatch
    }

    private var clusterHeaders: HTTPHeaders { [PeerHeader.cluster: hexadecimal(settings.clusterID)] }

    func addRemote(_ identity: PeerIdentity) {
        if let from = identity.from, !identity.peerURLs.isEmpty { addRemote(from, urls: identity.peerURLs) }
    }

    /// A message posted by itself.
    func posted(_ head: HTTPRequestHead, _ body: Bytes, isTooLong: Bool) -> PeerResponse {
        guard head.method == .POST else { return .methodNotAllowed("POST") }
        let identity = PeerIdentity(head.headers)
        if let mismatch = mismatch(head, identity) { return .text(412, mismatch.rawValue, headers: clusterHeaders) }
        addRemote(identity)
        if isTooLong {
            countUnknownReceiveFailure()
            return .text(400, "error reading raft message", headers: clusterHeaders)
        }
        guard let message = try? Message(decoding: body) else {
            countUnknownReceiveFailure()
            log(PeerLogLine(.warning, "failed to unmarshal Raft message", ["local-member-id": .id(settings.localID)]))
            return .text(400, "error unmarshalling raft message", headers: clusterHeaders)
        }
        counters[account(of: message.from), default: PeerCounters()].receivedBytes += UInt64(body.count)
        if var refusal = refusal(of: message) {
            refusal.headers.add(contentsOf: clusterHeaders)
            return refusal
        }
        if !isForged(message) { delegate?.receive([message]) }
        return PeerResponse(status: 204, headers: clusterHeaders)
    }

    func countUnknownReceiveFailure() {
        counters[0, default: PeerCounters()].receivedFailures += 1
    }

    func probed() -> PeerResponse {
        // etcd leaves the type to Go, which sees text.
        PeerResponse(
            status: 200, headers: ["Content-Type": "text/plain; charset=utf-8"],
            body: ProbeAnswer(isHealthy: true, now: wallTime()).encoded)
    }

    /// Before the body of a snapshot is read: why it is not wanted.
    func snapshotRequested(_ head: HTTPRequestHead, _ headers: HTTPHeaders) -> PeerResponse? {
        guard head.method == .POST else { return .methodNotAllowed("POST") }
        let identity = PeerIdentity(head.headers)
        if let mismatch = mismatch(head, identity) {
            counters[0, default: PeerCounters()].snapshotReceiveFailures += 1
            return .text(412, mismatch.rawValue, headers: headers)
        }
        addRemote(identity)
        return nil
    }

    /// A peer wants a stream: the peer and the kind, or why not.
    func streamRequested(_ head: HTTPRequestHead, _ path: String) -> (Peer?, StreamKind?, PeerResponse) {
        guard head.method == .GET else { return (nil, nil, .methodNotAllowed("GET")) }
        var headers = clusterHeaders
        headers.add(name: PeerHeader.version, value: settings.serverVersion.description)
        func refuse(_ status: Int, _ text: String) -> (Peer?, StreamKind?, PeerResponse) {
            (nil, nil, .text(status, text, headers: headers))
        }
        let identity = PeerIdentity(head.headers)
        if let mismatch = mismatch(head, identity) { return refuse(412, mismatch.rawValue) }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 5, let kind = StreamKind.allCases.first(where: { parts[3] == $0.pathComponent }) else {
            return refuse(404, "invalid path")
        }
        guard let from = PeerHeader.identifier(parts[4]) else { return refuse(404, "invalid from") }
        if delegate?.isRemoved(from) ?? true {
            logRefusal("rejected stream from remote peer because it was removed", from)
            return refuse(410, "removed member")
        }
        guard let peer = peer(from) else {
            // It may have joined later than this member's log knows.
            if !identity.peerURLs.isEmpty { addRemote(from, urls: identity.peerURLs) }
            logRefusal("failed to find remote peer in cluster", from)
            return refuse(404, "error sender not found")
        }
        guard identity.raftTo == hexadecimal(settings.localID) else {
            logRefusal("ignored streaming request; ID mismatch", from)
            return refuse(412, "to field mismatch")
        }
        return (peer, kind, PeerResponse(status: 200, headers: headers))
    }

    private func logRefusal(_ text: String, _ from: MemberID) {
        log(
            PeerLogLine(
                .warning, text,
                [
                    "local-member-id": .id(settings.localID), "remote-peer-id-from": .id(from),
                    "cluster-id": .id(settings.clusterID),
                ]))
    }
}
