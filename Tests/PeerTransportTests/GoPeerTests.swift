// A cluster of two, of which one is real etcd and the other this transport with a follower of a few lines behind it.
// The path of etcd's binary comes from the environment (GO_ETCD); without it there is nothing to test against.

import Base
import Foundation
import Membership
import NIOCore
import NIOHTTP1
import NIOPosix
import RaftWire
import Testing

@testable import PeerTransport

private let goEtcd = ProcessInfo.processInfo.environment["GO_ETCD"]

@Suite("With etcd as the peer", .serialized, .enabled(if: goEtcd != nil))
struct GoPeerTests {
    private let loop = TestLoop()
    private static let token = "peer-transport-test"

    private struct Cluster: Sendable {
        var goURL: String
        var clientURL: String
        var ownURL: String
        var ownPort: Int
        var goID: MemberID
        var ownID: MemberID
        var clusterID: ClusterID
        var directory: String
    }

    private func freePort() async throws -> Int {
        let channel = try await ServerBootstrap(group: loop.loop).bind(host: "127.0.0.1", port: 0).get()
        defer { channel.close(promise: nil) }
        return try #require(channel.localAddress?.port)
    }

    private func layOut() async throws -> Cluster {
        let (goPort, clientPort, ownPort) = (try await freePort(), try await freePort(), try await freePort())
        let goURL = "http://127.0.0.1:\(goPort)"
        let ownURL = "http://127.0.0.1:\(ownPort)"
        let goID = Member.identifier(peerURLs: [goURL], token: Self.token)
        let ownID = Member.identifier(peerURLs: [ownURL], token: Self.token)
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("go-peer-\(goPort)").path
        return Cluster(
            goURL: goURL, clientURL: "http://127.0.0.1:\(clientPort)", ownURL: ownURL, ownPort: ownPort, goID: goID, ownID: ownID,
            clusterID: Member.clusterIdentifier(of: [goID, ownID]), directory: directory)
    }

    private func startGo(_ cluster: Cluster) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(goEtcd))
        process.arguments = [
            "--name=a", "--data-dir=\(cluster.directory)", "--initial-cluster=a=\(cluster.goURL),b=\(cluster.ownURL)",
            "--initial-cluster-token=\(Self.token)", "--initial-advertise-peer-urls=\(cluster.goURL)",
            "--listen-peer-urls=\(cluster.goURL)", "--listen-client-urls=\(cluster.clientURL)",
            "--advertise-client-urls=\(cluster.clientURL)", "--snapshot-count=10",
            "--log-level=warn", "--unsafe-no-fsync",
        ]
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("go-peer.log").path
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        process.standardError = FileHandle(forWritingAtPath: log)
        try process.run()
        return process
    }

    private func end(_ process: Process) {
        process.terminate()
        process.waitUntilExit()
    }

    /// Votes for whoever asks, and agrees to every entry; `refusing`: knows none.
    private func follow(_ member: NIOLoopBound<TestMember>, _ own: MemberID, refusing: Bool = false) async throws {
        try await loop.run { _ in
            member.value.recorder.answer = { message in
                var answer = Message(type: .hup, to: message.from, from: own, term: message.term)
                switch message.type {
                case .preVote: answer.type = .preVoteResponse
                case .vote: answer.type = .voteResponse
                case .append:
                    answer.type = .appendResponse
                    answer.index = message.entries.last?.index ?? message.index
                    if refusing {
                        answer.index = message.index
                        answer.reject = true
                    }
                case .heartbeat:
                    answer.type = .heartbeatResponse
                    answer.context = message.context
                default: return nil
                }
                return answer
            }
        }
    }

    private func put(_ member: NIOLoopBound<TestMember>, _ cluster: Cluster, _ number: Int) async throws -> Int {
        let key = Data("key-\(number)".utf8).base64EncodedString()
        let body = Bytes("{\"key\":\"\(key)\",\"value\":\"\(key)\"}")
        return try await loop.wait { _ in
            let url = try #require(PeerURL(cluster.clientURL))
            return member.value.transport.client.request("POST", url, path: "/v3/kv/put", body: body, timeout: .seconds(15)).map(\.status)
        }
    }

    private static func snapshot(_ recorder: Recorder) -> (Message?, [UInt8]?) {
        (recorder.received.first { $0.type == .snapshot }, recorder.sinks.first?.bytes)
    }

    @Test("all streams open, votes and appends go through, and a leader in Go commits with our follower; snapshots go both ways")
    func cluster() async throws {
        let cluster = try await layOut()
        defer { try? FileManager.default.removeItem(atPath: cluster.directory) }
        let own = try await loop.member(cluster.ownID, cluster: cluster.clusterID, port: cluster.ownPort)
        try await follow(own, cluster.ownID)
        var etcd = try startGo(cluster)
        defer { if etcd.isRunning { end(etcd) } }
        try await loop.run { _ in own.value.transport.addPeer(cluster.goID, urls: [cluster.goURL]) }

        try await loop.wait(own) { $0.count("established TCP streaming connection with remote peer") >= 4 }
        try await loop.wait(own) { recorder in recorder.received.contains { $0.type == .vote } }
        // Each put needs our follower's word.
        for number in 0..<60 { #expect(try await put(own, cluster, number) == 200) }
        let received = try await loop.run { _ in own.value.recorder.received }
        #expect(received.allSatisfy { $0.from == cluster.goID && $0.to == cluster.ownID })
        let indexes = Set(received.filter { $0.type == .append }.flatMap { $0.entries.map(\.index) })
        #expect((3...60).allSatisfy { indexes.contains($0) })
        try await loop.wait(own) { recorder in recorder.received.contains { $0.type == .heartbeat } }

        // After a restart its log begins at its last snapshot, and our follower claims to have nothing.
        end(etcd)
        try await loop.wait(own) { $0.has("lost TCP streaming connection with remote peer") }
        try await follow(own, cluster.ownID, refusing: true)
        etcd = try startGo(cluster)
        try await loop.wait(own) { recorder in recorder.received.contains { $0.type == .snapshot } }
        let (message, database) = try await loop.run { _ in Self.snapshot(own.value.recorder) }
        let bytes = try #require(database)
        do {
            let message = try #require(message)
            #expect(message.snapshot?.metadata.index ?? 0 > 40)
            #expect(message.snapshot?.metadata.confState.voters.sorted() == [cluster.goID, cluster.ownID].sorted())
            // bbolt's magic number, little-endian, behind the first page's header.
            #expect(bytes.count >= 4096 && Array(bytes[16..<20]) == [0xED, 0xDA, 0x0C, 0xED])
        }

        // Back with it: a leader has no use for one, but etcd's receiver must take it in.
        var back = try #require(message)
        back.to = cluster.goID
        back.from = cluster.ownID
        try await loop.run { [back] loop in own.value.transport.sendSnapshot(back, ArraySource(loop, bytes)) }
        try await loop.wait(own) { !$0.snapshots.isEmpty }
        try await loop.run { _ in
            #expect(own.value.recorder.snapshots.map(\.1) == [true])
            let texts = own.value.recorder.lines.filter { $0.message == "failed to send database snapshot" }
            #expect(texts.isEmpty, "\(texts)")
        }
        let probe = try await loop.wait { _ in
            let url = try #require(PeerURL(cluster.goURL))
            return own.value.transport.client.request("GET", url, path: "/raft/probing", timeout: .seconds(5))
        }
        #expect(ProbeAnswer(probe.body)?.isHealthy == true, "\(probe)")
        end(etcd)
        try await loop.stop(own)
    }

    @Test("etcd of another cluster is turned away, and turns us away")
    func otherCluster() async throws {
        let cluster = try await layOut()
        defer { try? FileManager.default.removeItem(atPath: cluster.directory) }
        let own = try await loop.member(cluster.ownID, cluster: cluster.clusterID ^ 1, port: cluster.ownPort)
        let etcd = try startGo(cluster)
        defer { end(etcd) }
        try await loop.run { _ in own.value.transport.addPeer(cluster.goID, urls: [cluster.goURL]) }
        try await loop.wait(own) { recorder in
            recorder.has("request cluster ID mismatch")
                && recorder.has("request sent was ignored by remote peer due to cluster ID mismatch")
        }
        try await loop.run { _ in #expect(own.value.recorder.received.isEmpty) }
        try await loop.stop(own)
    }
}

private final class ArraySource: SnapshotSource {
    private let loop: any EventLoop
    private var rest: ByteBuffer
    let sizeBytes: UInt64

    init(_ loop: any EventLoop, _ bytes: [UInt8]) {
        self.loop = loop
        rest = ByteBuffer(bytes: bytes)
        sizeBytes = UInt64(bytes.count)
    }

    func next(bytesMax: Int) -> EventLoopFuture<ByteBuffer?> {
        let piece = rest.readableBytes == 0 ? nil : rest.readSlice(length: min(bytesMax, rest.readableBytes))
        return loop.makeSucceededFuture(piece)
    }

    func close() {}
}
