// The peer port against requests by hand: each refusal in etcd's words, and bytes that are nobody's.

import Base
import NIOCore
import NIOHTTP1
import NIOPosix
import RaftWire
import Synchronization
import Testing

@testable import PeerTransport

@Suite("Peer endpoints", .serialized)
struct EndpointTests {
    private let loop = TestLoop()

    private static let own: HTTPHeaders = [
        "X-Server-From": "2", "X-Server-Version": "3.7.1", "X-Min-Cluster-Version": "3.0.0", "X-Etcd-Cluster-ID": "77",
        "X-Raft-To": "1",
    ]

    private func request(
        _ member: NIOLoopBound<TestMember>, _ method: String, _ path: String, _ headers: HTTPHeaders = own, _ body: Bytes = Bytes()
    ) async throws -> PeerResponse {
        try await loop.wait { _ in
            let url = try #require(PeerURL(member.value.url))
            return member.value.transport.client.request(method, url, path: path, headers: headers, body: body, timeout: .seconds(5))
        }
    }

    @Test("connections come from where the settings say")
    func localAddress() async throws {
        let callers = Mutex<[String?]>([])
        let listener = try await ServerBootstrap(group: loop.loop).childChannelInitializer { channel in
            callers.withLock { $0.append(channel.remoteAddress?.ipAddress) }
            return channel.close()
        }.bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(listener.localAddress?.port)
        for from in [nil, "127.0.0.9"] {
            let answer = try await loop.wait { eventLoop in
                let address = try from.map { try SocketAddress(ipAddress: $0, port: 0) }
                let client = PeerHTTPClient(eventLoop: eventLoop, dialling: Dialling(localAddress: address))
                let url = try #require(PeerURL("http://127.0.0.1:\(port)"))
                return client.request("GET", url, path: "/", timeout: .seconds(5)).map { _ in true }
                    .flatMapErrorThrowing { _ in false }
            }
            #expect(!answer)
        }
        try await listener.close()
        #expect(callers.withLock { $0 } == ["127.0.0.1", "127.0.0.9"])
    }

    @Test("streams are refused in order: method, version, cluster, path, sender, removal, knowledge, receiver")
    func streamRefusals() async throws {
        let a = try await loop.member(1)
        try await loop.run { _ in
            a.value.recorder.removed = [9]
            a.value.transport.addPeer(2, urls: ["http://127.0.0.1:1"])
        }
        var old = Self.own
        old.replaceOrAdd(name: "X-Server-Version", value: "2.3.0")
        var foreign = Self.own
        foreign.replaceOrAdd(name: "X-Etcd-Cluster-ID", value: "78")
        var misled = Self.own
        misled.replaceOrAdd(name: "X-Raft-To", value: "3")
        let cases: [(String, String, HTTPHeaders, Int, String)] = [
            ("POST", "/raft/stream/message/2", Self.own, 405, "Method Not Allowed\n"),
            ("GET", "/raft/stream/message/2", old, 412, "incompatible version\n"),
            ("GET", "/raft/stream/message/2", [:], 412, "incompatible version\n"),
            ("GET", "/raft/stream/message/2", foreign, 412, "cluster ID mismatch\n"),
            ("GET", "/raft/stream/other/2", Self.own, 404, "invalid path\n"),
            ("GET", "/raft/stream/message/2/3", Self.own, 404, "invalid path\n"),
            ("GET", "/raft/stream/message/zz", Self.own, 404, "invalid from\n"),
            ("GET", "/raft/stream/message/+2", Self.own, 404, "invalid from\n"),
            ("GET", "/raft/stream/msgapp/9", Self.own, 410, "removed member\n"),
            ("GET", "/raft/stream/msgapp/5", Self.own, 404, "error sender not found\n"),
            ("GET", "/raft/stream/msgapp/2", misled, 412, "to field mismatch\n"),
            ("GET", "/raft/other", Self.own, 404, "404 page not found\n"),
            ("GET", "/other", Self.own, 404, "404 page not found\n"),
        ]
        for (method, path, headers, status, text) in cases {
            let answer = try await request(a, method, path, headers)
            #expect(answer.status == status && answer.body.description == text, "\(method) \(path): \(answer)")
            if path.hasPrefix("/raft/stream/"), status != 405 {
                #expect(answer.headers.first(name: "X-Etcd-Cluster-ID") == "77")
                #expect(answer.headers.first(name: "X-Server-Version") == "3.7.1")
            }
        }
        try await loop.stop(a)
    }

    @Test("a stranger that names its URLs becomes a remote; nonsense does not, nor do too many")
    func strangers() async throws {
        let a = try await loop.member(1)
        var headers = Self.own
        headers.replaceOrAdd(name: "X-PeerURLs", value: "nonsense")
        _ = try await request(a, "GET", "/raft/stream/msgapp/5", headers)
        try await loop.run { _ in
            #expect(a.value.recorder.has("failed to parse peer URLs"))
            #expect(!a.value.recorder.has("added new remote peer"))
        }
        headers.replaceOrAdd(name: "X-PeerURLs", value: "http://127.0.0.1:1,http://127.0.0.1:2")
        for id in 10..<90 { _ = try await request(a, "GET", "/raft/stream/msgapp/\(id)", headers) }
        try await loop.run { _ in #expect(a.value.recorder.count("added new remote peer") == PeerLimit.remotes) }
        try await loop.stop(a)
    }

    @Test("posted messages: what raft gets and what it does not")
    func posts() async throws {
        let a = try await loop.member(1)
        try await loop.run { _ in a.value.recorder.removed = [9] }
        func post(_ message: Message) async throws -> PeerResponse {
            try await request(a, "POST", "/raft", Self.own, message.encoded())
        }
        #expect(try await request(a, "GET", "/raft").status == 405)
        #expect(try await request(a, "GET", "/raft").headers.first(name: "Allow") == "POST")
        #expect(try await post(Message(type: .vote, to: 1, from: 2, term: 5)).status == 204)
        let removed = try await post(Message(type: .vote, to: 1, from: 9, term: 5))
        #expect(removed.status == 403 && removed.body == "{\"message\":\"cannot process message from removed member\"}")
        let misled = try await post(Message(type: .vote, to: 3, from: 2, term: 5))
        #expect(misled.status == 403 && misled.body == "{\"message\":\"cannot process message to mismatch member\"}")
        let broken = try await request(a, "POST", "/raft", Self.own, [0xFF, 0xFF, 0xFF])
        #expect(broken.status == 400 && broken.body == "error unmarshalling raft message\n")
        // Raft's own threads and kinds: nobody may speak for them.
        for type in MessageType.allCases where [.hup, .beat, .unreachable, .snapshotStatus, .checkQuorum, .storageAppend].contains(type) {
            #expect(try await post(Message(type: type, to: 1, from: 2)).status == 204)
        }
        #expect(try await post(Message(type: .append, to: 1, from: .max, term: 5)).status == 204)
        // Strangers are counted together.
        for id in 100..<200 as Range<UInt64> { #expect(try await post(Message(type: .vote, to: 1, from: id, term: 4)).status == 204) }
        try await loop.run { _ in
            #expect(a.value.recorder.received.first == Message(type: .vote, to: 1, from: 2, term: 5))
            #expect(a.value.recorder.received.count == 101)
            #expect(a.value.transport.counters.keys.allSatisfy { $0 == 0 })
        }
        try await loop.stop(a)
    }

    @Test("snapshots that are none are refused")
    func snapshotRefusals() async throws {
        let a = try await loop.member(1)
        func post(_ body: [UInt8]) async throws -> (Int, String) {
            let answer = try await request(a, "POST", "/raft/snapshot", Self.own, Bytes(body))
            #expect(answer.headers.first(name: "X-Etcd-Cluster-ID") == "77")
            return (answer.status, answer.body.description)
        }
        func framed(_ message: Message) -> [UInt8] {
            withUnsafeBytes(of: UInt64(message.encodedSize).bigEndian) { Array($0) } + message.encoded().array
        }
        #expect(try await request(a, "GET", "/raft/snapshot").status == 405)
        #expect(try await post([]) == (400, "failed to decode raft message (EOF)\n"))
        #expect(try await post([0, 0, 0]) == (400, "failed to decode raft message (unexpected EOF)\n"))
        #expect(try await post([0, 0, 0, 0, 0, 0, 0, 9, 1]) == (400, "failed to decode raft message (unexpected EOF)\n"))
        #expect(try await post([0, 0, 0, 0, 4, 0, 0, 1]) == (400, "failed to decode raft message (rafthttp: error limit exceeded)\n"))
        #expect(try await post(framed(Message(type: .vote, to: 1, from: 2))) == (400, "wrong raft message type\n"))
        let elsewhere = Message(type: .snapshot, to: 3, from: 2, snapshot: Snapshot(metadata: SnapshotMetadata(index: 5, term: 1)))
        #expect(try await post(framed(elsewhere)).0 == 403)
        try await loop.run { _ in #expect(a.value.recorder.received.isEmpty && a.value.recorder.sinks.isEmpty) }
        try await loop.stop(a)
    }

    @Test("other paths are the member's: method, query, headers and body reach it")
    func others() async throws {
        let a = try await loop.member(1)
        let answer = try await request(a, "POST", "/echo?x=1&y", ["X-Test": "there"], "hello")
        #expect(answer.status == 200 && answer.body == "POST x=1&y there hello\n")
        let long = try await request(a, "POST", "/echo", [:], Bytes([UInt8](repeating: 65, count: PeerLimit.requestBody + 1)))
        #expect(long.status == 413)
        try await loop.stop(a)
    }

    @Test("a request that is not answered in time fails, and one at a dead address too")
    func clientFailures() async throws {
        let a = try await loop.member(1)
        await #expect(throws: PeerRequestError.timeout) {
            _ = try await loop.wait { _ in
                a.value.transport.client.request("GET", PeerURL(a.value.url)!, path: "/silence", timeout: .milliseconds(50))
            }
        }
        await #expect(throws: PeerRequestError("dial tcp 127.0.0.1:1: connect: connection refused")) {
            _ = try await loop.wait { _ in
                a.value.transport.client.request("GET", PeerURL("http://127.0.0.1:1")!, path: "/", timeout: .seconds(5))
            }
        }
        await #expect(throws: PeerRequestError.self) {
            _ = try await loop.wait { _ in
                a.value.transport.client.request("GET", PeerURL("https://127.0.0.1:1")!, path: "/", timeout: .seconds(5))
            }
        }
        try await loop.stop(a)
    }

    @Test("a probe tells health and the time")
    func probe() async throws {
        let a = try await loop.member(1)
        let answer = try await request(a, "GET", "/raft/probing")
        #expect(answer.status == 200)
        let probe = try #require(ProbeAnswer(answer.body))
        #expect(probe.isHealthy)
        #expect(abs(wallTime().unixNanoseconds - probe.now.unixNanoseconds) < 60_000_000_000)
        try await loop.stop(a)
    }

    @Test("bytes that are no HTTP end their connection, and nothing else")
    func garbage() async throws {
        let a = try await loop.member(1) { $0.readTimeout = .milliseconds(50) }
        let port = try await loop.run { _ in a.value.port }
        var random = SeededRandom(seed: 99)
        for _ in 0..<30 {
            let bytes = (0..<Int(random.next() % 600 + 1)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let answer = try await loop.raw(port, bytes)
            #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 400 "), "\(answer)")
        }
        // A request that never ends, and one that ends before its length.
        let slow = try await loop.raw(port, Array("POST /raft HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc".utf8))
        #expect(slow.isEmpty)
        _ = try await loop.raw(port, Array("POST /raft/snapshot HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc".utf8), thenClose: true)
        #expect(try await request(a, "GET", "/raft/probing").status == 200)
        try await loop.run { _ in #expect(a.value.recorder.received.isEmpty) }
        try await loop.stop(a)
    }

    @Test("a peer that sends nonsense on a stream is left, and asked again")
    func streamGarbage() async throws {
        let a = try await loop.member(1)
        // Not a member: a listener that answers each request with a broken stream.
        let fake = try await loop.wait { loop in FakePeer.listen(loop, [9, 9, 9, 9, 9, 9, 9, 9, 9, 9]) }
        try await loop.run { _ in a.value.transport.addPeer(2, urls: ["http://127.0.0.1:\(fake.localAddress?.port ?? 0)"]) }
        try await loop.wait(a) { $0.count("lost TCP streaming connection with remote peer") >= 6 }
        try await loop.run { _ in
            let texts = a.value.recorder.lines.flatMap(\.fields).compactMap { if case .text(let text) = $0.value { text } else { nil } }
            #expect(texts.contains("failed to parse type 9 in msgappv2 stream"))
            #expect(texts.contains("rafthttp: error limit exceeded"))
            #expect(a.value.recorder.received.isEmpty)
        }
        try await loop.stop(a)
        try await fake.close().get()
    }
}

/// Answers every request with a stream of the same bytes.
private final class FakePeer: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    static func listen(_ loop: any EventLoop, _ bytes: [UInt8]) -> EventLoopFuture<any Channel> {
        ServerBootstrap(group: loop)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(FakePeer(bytes))
                }
            }
            .bind(host: "127.0.0.1", port: 0)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .end = unwrapInboundIn(data) else { return }
        let headers: HTTPHeaders = ["X-Server-Version": "3.5.0", "Transfer-Encoding": "chunked"]
        context.write(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: headers))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: bytes)))), promise: nil)
    }
}
