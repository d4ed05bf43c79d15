// Two members on loopback: messages through streams and posts, and what happens when one of them goes away.

import Base
import NIOCore
import RaftWire
import Testing

@testable import PeerTransport

@Suite("Streams", .serialized)
struct StreamTests {
    private let loop = TestLoop()

    private static func append(_ index: LogIndex, count: Int = 1, size: Int = 10) -> Message {
        let entries = (1...UInt64(count)).map {
            Entry(term: 3, index: index + $0, data: Bytes([UInt8](repeating: UInt8($0 & 0xFF), count: size)))
        }
        return Message(type: .append, to: 2, from: 1, term: 3, logTerm: 3, index: index, entries: entries, commit: index)
    }

    @Test("appends and other messages arrive, each stream in its order, a turn's messages in few reads")
    func exchange() async throws {
        let (a, b) = try await loop.pair()
        let appends = (0..<100).map { Self.append(UInt64($0)) }
        let heartbeats = (0..<100).map { Message(type: .heartbeat, to: 2, from: 1, term: 3, commit: UInt64($0), context: "ctx") }
        try await loop.run { _ in a.value.transport.send(appends + heartbeats) }
        try await loop.wait(b) { $0.received.count >= 200 }
        try await loop.run { _ in
            let received = b.value.recorder.received
            #expect(received.filter { $0.type == .append } == appends)
            #expect(received.filter { $0.type == .heartbeat } == heartbeats)
            #expect(b.value.recorder.batches.count <= 20, "\(b.value.recorder.batches)")
            #expect(a.value.recorder.unreachable.isEmpty)
            #expect(a.value.transport.activeSince(2) != nil)
            #expect(a.value.transport.activePeers == 1)
            #expect(a.value.transport.counters[2]?.sentBytes ?? 0 > 1000)
            #expect(b.value.transport.counters[1]?.receivedBytes ?? 0 > 1000)
        }
        try await loop.run { _ in b.value.transport.send([Message(type: .appendResponse, to: 1, from: 2, term: 3, index: 100)]) }
        try await loop.wait(a) { $0.received.count == 1 }
        try await loop.stop(a, b)
    }

    @Test("more than a connection takes at once waits, and arrives")
    func backpressure() async throws {
        let (a, b) = try await loop.pair()
        let appends = (0..<40).map { Self.append(UInt64($0) * 4, count: 4, size: 250_000) }
        try await loop.run { _ in a.value.transport.send(appends) }
        try await loop.wait(b) { $0.received.count >= 40 }
        try await loop.run { _ in
            #expect(b.value.recorder.received == appends)
            #expect(a.value.recorder.unreachable.isEmpty)
        }
        try await loop.stop(a, b)
    }

    @Test("a queue has an end: what is too much is dropped and reported")
    func overflow() async throws {
        let (a, b) = try await loop.pair()
        try await loop.run { _ in
            // One append fills the connection; the rest must wait for it.
            a.value.transport.send([Self.append(0, count: 4, size: 4_000_000)])
            a.value.transport.send((1...4100).map { Self.append(UInt64($0)) })
            #expect(a.value.recorder.unreachable.count == 4100 - 4096)
            #expect(a.value.recorder.has("dropped internal Raft message since sending buffer is full"))
        }
        try await loop.wait(b) { $0.received.count == 4097 }
        try await loop.stop(a, b)
    }

    @Test("a member that comes back is found again")
    func reconnect() async throws {
        let (a, b) = try await loop.pair()
        let port = try await loop.run { _ in b.value.port }
        try await loop.stop(b)
        try await loop.wait(a) { $0.has("peer became inactive (message send to peer failed)") }
        try await loop.run { _ in
            #expect(a.value.transport.activeSince(2) == nil)
            a.value.transport.send([Message(type: .vote, to: 2, from: 1, term: 9)])
        }
        try await loop.wait(a) { $0.unreachable.contains(2) }
        let again = try await loop.member(2, port: port)
        try await loop.run { _ in
            again.value.transport.addPeer(1, urls: [a.value.url])
            #expect(a.value.transport.counters[2]?.disconnects ?? 0 >= 1)
        }
        try await loop.wait(again) { $0.count("established TCP streaming connection with remote peer") >= 4 }
        try await loop.run { _ in a.value.transport.send([Self.append(1), Self.append(2)]) }
        try await loop.wait(again) { $0.received.count == 2 }
        try await loop.stop(a, again)
    }

    @Test("an idle stream carries heartbeats, which raft does not see")
    func heartbeats() async throws {
        let a = try await loop.member(1)
        let b = try await loop.member(2) { $0.readTimeout = .milliseconds(60) }
        try await loop.run { _ in
            a.value.transport.addPeer(2, urls: [b.value.url])
            b.value.transport.addPeer(1, urls: [a.value.url])
        }
        // Six of a message stream's are longer than all that is said when streams open.
        let size = UInt64(8 + Message.linkHeartbeat.encodedSize)
        try await loop.until { _ in (a.value.transport.counters[2]?.receivedBytes ?? 0) >= size * 6 }
        try await loop.run { _ in #expect(a.value.recorder.received.isEmpty && b.value.recorder.received.isEmpty) }
        try await loop.stop(a, b)
    }

    @Test("a stream that falls silent is given up")
    func silence() async throws {
        // B's heartbeats come too rarely for A.
        let a = try await loop.member(1) { $0.readTimeout = .milliseconds(100) }
        let b = try await loop.member(2) { $0.readTimeout = .seconds(30) }
        try await loop.run { _ in
            a.value.transport.addPeer(2, urls: [b.value.url])
            b.value.transport.addPeer(1, urls: [a.value.url])
        }
        try await loop.wait(a) { recorder in
            recorder.lines.contains { line in
                line.message == "lost TCP streaming connection with remote peer"
                    && line.fields.contains { if case .text("i/o timeout") = $0.value { $0.key == "error" } else { false } }
            }
        }
        try await loop.stop(a, b)
    }

    @Test("without streams messages are posted")
    func pipeline() async throws {
        let a = try await loop.member(1)
        let b = try await loop.member(2)
        try await loop.run { _ in
            // Only A knows the other: B refuses A's streams, but takes its posts, and gets A as a remote.
            a.value.transport.addPeer(2, urls: [b.value.url])
            a.value.transport.send([Message(type: .vote, to: 2, from: 1, term: 5), Self.append(7)])
        }
        try await loop.wait(b) { $0.received.count == 2 }
        try await loop.wait(b) { $0.has("added new remote peer") }
        try await loop.run { _ in
            #expect(Set(b.value.recorder.received.map(\.type)) == [.vote, .append])
            b.value.transport.send([Message(type: .voteResponse, to: 1, from: 2, term: 5)])
        }
        try await loop.wait(a) { $0.received.map(\.type) == [.voteResponse] }
        try await loop.wait(a) { recorder in
            recorder.lines.contains { line in
                line.fields.contains { if case .text(let text) = $0.value { text.contains("failed to find local node 1") } else { false } }
            }
        }
        try await loop.stop(a, b)
    }

    @Test("a URL that does not answer gives way to the next")
    func rotation() async throws {
        let a = try await loop.member(1)
        let b = try await loop.member(2)
        let dead = try await loop.member(3)
        let deadURL = try await loop.run { _ in dead.value.url }
        try await loop.stop(dead)
        try await loop.run { _ in
            b.value.transport.addPeer(1, urls: [a.value.url])
            a.value.transport.addPeer(2, urls: [deadURL, b.value.url])
        }
        try await loop.wait(a) { $0.count("established TCP streaming connection with remote peer") >= 4 }
        try await loop.stop(a, b)
    }

    @Test("a member that was removed learns it, once")
    func removed() async throws {
        let a = try await loop.member(1)
        let b = try await loop.member(2)
        try await loop.run { _ in
            b.value.recorder.removed = [1]
            a.value.transport.addPeer(2, urls: [b.value.url])
            a.value.transport.send([Message(type: .vote, to: 2, from: 1, term: 5)])
        }
        try await loop.wait(a) { $0.localRemovals == 1 && $0.unreachable == [2] }
        try await loop.run { _ in
            #expect(b.value.recorder.received.isEmpty)
            #expect(b.value.recorder.has("rejected stream from remote peer because it was removed"))
            #expect(b.value.recorder.has("rejected Raft message from removed member"))
        }
        try await loop.stop(a, b)
        try await loop.run { _ in #expect(a.value.recorder.localRemovals == 1) }
    }

    @Test("members of another cluster are turned away")
    func otherCluster() async throws {
        let a = try await loop.member(1)
        let b = try await loop.member(2, cluster: 0x88)
        try await loop.run { _ in
            b.value.transport.addPeer(1, urls: [a.value.url])
            a.value.transport.addPeer(2, urls: [b.value.url])
            a.value.transport.send([Message(type: .vote, to: 2, from: 1, term: 5)])
        }
        try await loop.wait(a) { $0.count("request sent was ignored by remote peer due to cluster ID mismatch") >= 3 }
        try await loop.wait(a) { $0.unreachable == [2] }
        try await loop.run { _ in #expect(b.value.recorder.received.isEmpty) }
        try await loop.stop(a, b)
    }

    @Test("members of releases that do not fit are turned away", arguments: [true, false])
    func otherVersion(isOld: Bool) async throws {
        let a = try await loop.member(1)
        let b = try await loop.member(2) { settings in
            if isOld { settings.serverVersion = SemanticVersion(2, 9) } else { settings.minimumClusterVersion = SemanticVersion(4, 0) }
        }
        try await loop.run { _ in
            a.value.transport.addPeer(2, urls: [b.value.url])
            b.value.transport.addPeer(1, urls: [a.value.url])
        }
        try await loop.wait(b) { $0.has("request sent was ignored by remote peer due to server version incompatibility") }
        try await loop.run { _ in #expect(a.value.recorder.has("failed version compatibility check")) }
        try await loop.stop(a, b)
    }

    @Test("a removed peer's streams end; a changed address is used")
    func membership() async throws {
        let (a, b) = try await loop.pair()
        try await loop.run { _ in
            a.value.transport.removePeer(2)
            #expect(a.value.transport.peerIDs.isEmpty)
            a.value.transport.send([Self.append(1)])
            a.value.transport.removePeer(2)
            #expect(a.value.recorder.has("skipped removing already removed peer"))
        }
        try await loop.wait(b) { $0.has("lost TCP streaming connection with remote peer") }
        try await loop.run { _ in
            #expect(b.value.recorder.received.isEmpty)
            a.value.transport.addPeer(2, urls: ["http://127.0.0.1:1"])
            a.value.transport.updatePeer(2, urls: [b.value.url])
        }
        try await loop.wait(a) { $0.count("established TCP streaming connection with remote peer") >= 8 }
        try await loop.stop(a, b)
    }

    @Test("a paused peer hears nothing and is not heard")
    func pause() async throws {
        let (a, b) = try await loop.pair()
        try await loop.run { _ in
            a.value.transport.pause(2)
            a.value.transport.send([Self.append(1)])
            a.value.transport.resume(2)
            a.value.transport.send([Self.append(2)])
        }
        try await loop.wait(b) { $0.received.count == 1 }
        try await loop.run { _ in #expect(b.value.recorder.received.first?.index == 2) }
        try await loop.stop(a, b)
    }
}
