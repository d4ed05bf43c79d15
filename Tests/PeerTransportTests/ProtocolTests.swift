// The parts that do no I/O: URLs, times, probes, versions, the envelope of snapshots.

import Base
import NIOCore
import NIOHTTP1
import RaftWire
import Testing

@testable import PeerTransport

@Suite("Peer protocol")
struct ProtocolTests {
    @Test("peer URLs")
    func urls() throws {
        let plain = try #require(PeerURL("http://10.0.0.1:2380"))
        #expect(plain.address == .network(host: "10.0.0.1", port: 2380) && !plain.isSecure)
        #expect(plain.description == "http://10.0.0.1:2380" && plain.authority == "10.0.0.1:2380")
        let six = try #require(PeerURL("https://[::1]:443/"))
        #expect(six.address == .network(host: "::1", port: 443) && six.isSecure)
        #expect(six.authority == "[::1]:443" && six.hostName == "::1" && six.description == "https://[::1]:443")
        #expect(PeerURL("unix://localhost:1")?.address == .socket(path: "localhost:1"))
        #expect(PeerURL("unixs://localhost:1")?.isSecure == true)
        let wrong = [
            "", "http", "http:", "http://", "http://host", "http://host:", "http://host:+1", "http://host:-1", "http://host:65536",
            "http://host:2380/path", "http://:2380", "ftp://host:1", "http://a:b:1", "http://user@host:1", "http://ho st:1",
            "http://host:1\r\nX: y",
        ]
        for text in wrong { #expect(PeerURL(text) == nil, "\(text)") }
    }

    @Test("a failing URL gives way to the next, once for all who met it")
    func picker() throws {
        let urls = ["http://a:1", "http://b:1", "http://c:1"].compactMap { PeerURL($0) }
        var picker = URLPicker(urls)
        #expect(picker.picked == urls[0])
        picker.failed(urls[0])
        picker.failed(urls[0])
        #expect(picker.picked == urls[1])
        picker.failed(urls[1])
        picker.failed(urls[2])
        #expect(picker.picked == urls[0])
        picker.failed(urls[0])
        picker.update(urls)
        #expect(picker.picked == urls[0])
    }

    @Test(
        "times as Go writes and reads them",
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (1_000_000_000, "1970-01-01T00:00:01Z"), (-1, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00Z"), (951_868_800_000_000_000, "2000-03-01T00:00:00Z"),
            (1_795_511_973_500_000_000, "2026-11-24T09:19:33.5Z"), (4_107_542_400_000_000_001, "2100-03-01T00:00:00.000000001Z"),
        ] as [(Int64, String)])
    func times(_ value: Int64, _ text: String) {
        #expect(WallTime(unixNanoseconds: value).description == text)
        #expect(WallTime(text)?.unixNanoseconds == value)
    }

    @Test("every time reads back as it was")
    func timesBack() {
        var random = SeededRandom(seed: 3)
        for _ in 0..<2000 {
            let time = WallTime(unixNanoseconds: Int64(random.next() % 9_000_000_000_000_000_000) - 300_000_000_000_000_000)
            #expect(WallTime(time.description) == time)
        }
    }

    @Test("times with offsets, and what is no time")
    func oddTimes() {
        #expect(WallTime("2026-11-24T11:19:33.5+02:00") == WallTime("2026-11-24T09:19:33.5Z"))
        #expect(WallTime("2026-11-24T03:49:33.5-05:30") == WallTime("2026-11-24T09:19:33.5Z"))
        for text in ["", "2026-11-24", "2026-11-24T09:19:33", "2026-13-24T09:19:33Z", "2026-11-24T09:19:33Zx", "0001-01-01T00:00:00Z",
                     "2026-11-24T09:19:33+2:00", "2026-11-24T09:19:33.", "+026-11-24T09:19:33Z"] {
            #expect(WallTime(text) == nil, "\(text)")
        }
    }

    @Test("probes")
    func probes() throws {
        let answer = ProbeAnswer(isHealthy: true, now: WallTime(unixNanoseconds: 1_000_000_000))
        #expect(answer.encoded == "{\"OK\":true,\"Now\":\"1970-01-01T00:00:01Z\"}\n")
        #expect(ProbeAnswer(answer.encoded) == answer)
        #expect(ProbeAnswer("{\"OK\":false,\"Now\":\"1970-01-01T00:00:01Z\"}")?.isHealthy == false)
        for text in ["", "{}", "[]", "{\"OK\":true}", "{\"OK\":true,\"Now\":\"soon\"}"] as [Bytes] { #expect(ProbeAnswer(text) == nil) }

        var status = ProbeStatus()
        #expect(!status.isHealthy)
        let local = WallTime(unixNanoseconds: 10_000_000_000)
        status.record(roundTripSeconds: 0.8, remote: WallTime(unixNanoseconds: 8_000_000_000), local: local)
        #expect(status.isHealthy && abs(status.smoothedRoundTripSeconds - 0.1) < 1e-9)
        #expect(abs(status.clockDifferenceSeconds - 1.95) < 1e-9)
        status.recordFailure("gone")
        #expect(!status.isHealthy && status.reason == "gone")
    }

    @Test(
        "versions: the remote must have our minimum, we its",
        arguments: [
            ("3.7.1", "3.0.0", true), ("3.0.0", "3.0.0", true), ("2.9.9", "2.0.0", false), ("4.1.0", "3.7.9", true),
            ("4.1.0", "3.8.0", false), ("", "", false), ("rubbish", "3.0.0", false), ("3.5.0-alpha", "3.0.0", true),
        ])
    func versions(_ server: String, _ minimum: String, _ fits: Bool) {
        let settings = PeerTransportSettings(localID: 1, clusterID: 0xAB, peerURLs: [])
        var headers: HTTPHeaders = ["X-Etcd-Cluster-ID": "ab"]
        if !server.isEmpty { headers.add(name: "X-Server-Version", value: server) }
        if !minimum.isEmpty { headers.add(name: "X-Min-Cluster-Version", value: minimum) }
        #expect((settings.check(PeerIdentity(headers)) == nil) == fits)
    }

    @Test("what a member sends passes its own check")
    func ownHeaders() {
        let settings = PeerTransportSettings(localID: 0xFEED, clusterID: 0xAB, peerURLs: ["http://a:1", "http://b:2"])
        let identity = PeerIdentity(settings.requestHeaders(contentType: "x", to: 0xBEEF))
        #expect(settings.check(identity) == nil)
        #expect(identity.from == 0xFEED && identity.raftTo == "beef" && identity.peerURLs == ["http://a:1", "http://b:2"])
    }

    @Test("an envelope comes in any pieces; damaged ones end in an error or another message, never worse")
    func envelope() throws {
        let message = Message(type: .snapshot, to: 1, from: 2, snapshot: Snapshot(data: "data", metadata: SnapshotMetadata(index: 5, term: 2)))
        let body = withUnsafeBytes(of: UInt64(message.encodedSize).bigEndian) { Array($0) } + message.encoded().array + [1, 2, 3]
        for size in 1...body.count {
            var decoder = SnapshotEnvelopeDecoder()
            var found: Message?
            var rest: [UInt8] = []
            for start in stride(from: 0, to: body.count, by: size) {
                let piece = ByteBuffer(bytes: body[start..<min(start + size, body.count)])
                if found == nil {
                    decoder.append(piece)
                    found = try decoder.next()
                    if found != nil { rest += Array(decoder.takeRest().readableBytesView) }
                } else {
                    rest += Array(piece.readableBytesView)
                }
            }
            #expect(found == message && rest == [1, 2, 3])
        }
        var random = SeededRandom(seed: 5)
        for _ in 0..<3000 {
            var damaged = body
            for _ in 0...Int(random.next() % 3) { damaged[Int(random.next() % UInt64(damaged.count))] = UInt8(truncatingIfNeeded: random.next()) }
            damaged.removeLast(Int(random.next() % UInt64(damaged.count)))
            var decoder = SnapshotEnvelopeDecoder()
            decoder.append(ByteBuffer(bytes: damaged))
            _ = try? decoder.next()
            _ = decoder.errorAtEnd
        }
    }
}
