import Base
import HTTP2
import NIOCore
import NIOEmbedded
import Testing

@Suite("HTTP/2 server")
struct ServerHandlerTests {
    @Test("a unary call is answered: head, message, trailers")
    func unary() throws {
        let client = try RawClient()
        client.call(1)
        client.data(1, RawClient.message([1, 2, 3]))
        #expect(client.application.messages == [[1, 2, 3]])
        #expect(client.dataBytes(1) == RawClient.message([1, 2, 3]))
        let fields = client.fields(1)
        #expect(fields[":status"] == "200" && fields["content-type"] == "application/grpc" && fields["grpc-status"] == "0")
    }

    @Test("messages may be cut anywhere and several may come at once", arguments: 1...12)
    func framing(cut: Int) throws {
        let client = try RawClient()
        client.call(1)
        let bytes = RawClient.message([]) + RawClient.message(Array(0..<40)) + RawClient.message([9])
        var at = 0
        while at < bytes.count {
            let end = min(bytes.count, at + cut)
            client.data(1, Array(bytes[at..<end]), ends: end == bytes.count)
            at = end
        }
        #expect(client.application.messages == [[], Array(0..<40), [9]])
        #expect(client.fields(1)["grpc-status"] == "0")
    }

    @Test("too large a message is refused before it is read")
    func oversized() throws {
        let client = try RawClient(HTTP2ServerSettings(messageBytesMax: 100))
        client.call(1)
        client.data(1, [0, 0, 0, 0, 101], ends: false)
        let fields = client.fields(1)
        #expect(fields["grpc-status"] == "8" && fields["grpc-message"] == "grpc: received message larger than max (101 vs. 100)")
        #expect(client.application.messages.isEmpty)
        #expect(client.frames.contains { $0.type == 3 && $0.stream == 1 && $0.errorCode == 0 }, "the rest need not come")
        client.call(3)
        client.data(3, RawClient.message([UInt8](repeating: 1, count: 100)))
        #expect(client.application.messages.count == 1, "the connection goes on")
    }

    @Test("compressed bytes without an encoding, a broken stream of gzip, an encoding nobody knows")
    func compression() throws {
        let client = try RawClient()
        client.call(1)
        client.data(1, RawClient.message([1], flag: 1))
        #expect(client.fields(1)["grpc-status"] == "13")
        client.call(3, fields: [("grpc-encoding", "gzip")])
        client.data(3, RawClient.message([1, 2, 3], flag: 1))
        #expect(client.fields(3)["grpc-status"] == "13")
        client.call(5, fields: [("grpc-encoding", "snappy")])
        #expect(client.fields(5)["grpc-status"] == "12")
        #expect(client.application.messages.isEmpty)
    }

    @Test("half a message at the end of a call is an error")
    func truncated() throws {
        let client = try RawClient()
        client.call(1)
        client.data(1, [0, 0, 0, 0, 9, 1])
        #expect(client.fields(1)["grpc-status"] == "13")
    }

    @Test("an answer that is ready before the client has ended its side: no reset where the end comes", arguments: [true, false])
    func earlyAnswer(inOneRead: Bool) throws {
        let client = try RawClient()
        client.application.endsEarly = true
        for stream in stride(from: UInt32(1), to: 1001, by: 2) {
            client.call(stream)
            let data = RawClient.frame(0, 0, stream, RawClient.message([1])), end = RawClient.frame(0, 1, stream, [])
            if inOneRead {
                client.send(data + end)
            } else {
                client.send(data)
                client.send(end)
            }
            #expect(client.dataBytes(stream) == RawClient.message([1]))
        }
        #expect(client.handler.openStreams == 0)
        client.advanceTime(by: .seconds(5))
        #expect(!client.frames.contains { $0.type == 3 } && client.goAway == nil)
    }

    @Test("a client that does not end its side of an answered call is told to stop, once")
    func unendedCall() throws {
        let client = try RawClient()
        client.application.endsEarly = true
        for stream in stride(from: UInt32(1), to: 21, by: 2) {
            client.call(stream)
            client.data(stream, RawClient.message([1]), ends: false)
        }
        #expect(client.fields(19)["grpc-status"] == "0")
        #expect(!client.frames.contains { $0.type == 3 } && client.handler.openStreams == 10)
        client.advanceTime(by: .seconds(5))
        #expect(client.frames.filter { $0.type == 3 }.map(\.stream) == Array(stride(from: UInt32(1), to: 21, by: 2)))
        #expect(client.frames.filter { $0.type == 3 }.allSatisfy { $0.errorCode == 0 })
        #expect(client.handler.openStreams == 0)
    }

    @Test("answered calls that clients leave open take no memory without end")
    func manyUnendedCalls() throws {
        let client = try RawClient()
        client.application.endsEarly = true
        for stream in stride(from: UInt32(1), to: 2001, by: 2) {
            client.send(RawClient.frame(1, 4, stream, RawClient.head()) + RawClient.frame(0, 0, stream, RawClient.message([1])))
        }
        #expect(client.handler.openStreams <= 256)
    }

    @Test("a request that is no gRPC call gets to the HTTP side with its body")
    func plainHTTP() throws {
        let client = try RawClient()
        let block: [UInt8] = [0x83, 0x86] + RawClient.literal(":path", "/v3/kv/put") + RawClient.literal(":authority", "a")
        client.send(RawClient.frame(1, 4, 1, block))
        client.data(1, [1, 2], ends: false)
        client.data(1, [3])
        #expect(client.application.requests.map(\.path) == ["/v3/kv/put"] && client.application.requests.first?.body == [1, 2, 3])
        #expect(client.fields(1)[":status"] == "200" && client.dataBytes(1) == [1, 2, 3])
    }

    @Test("a reset or a lost connection ends the call for the application, once")
    func ends() throws {
        let client = try RawClient()
        client.application.answers = false
        client.call(1)
        client.call(3)
        client.send(RawClient.frame(3, 0, 1, [0, 0, 0, 8]))
        #expect(client.application.ends.count == 1 && client.handler.openStreams == 1)
        _ = try client.channel.finish(acceptAlreadyClosed: true)
        #expect(client.application.ends.count == 2 && client.application.isClosed)
    }

    @Test("streams that are opened and reset without end close the connection")
    func rapidReset() throws {
        let client = try RawClient()
        client.application.answers = false
        var stream: UInt32 = 1
        while client.goAway == nil, stream < 20_001 {
            client.send(RawClient.frame(1, 4, stream, RawClient.head()) + RawClient.frame(3, 0, stream, [0, 0, 0, 8]))
            stream += 2
        }
        #expect(client.goAway != nil, "nobody may do this ten thousand times")
        #expect(client.handler.openStreams == 0)
    }

    @Test("a head that never ends is cut off")
    func continuationFlood() throws {
        let client = try RawClient()
        client.send(RawClient.frame(1, 0, 1, RawClient.head()))
        let piece = RawClient.literal("x-filler", String(repeating: "y", count: 100))
        let block = (0..<100).flatMap { _ in piece }
        for _ in 0..<200 where client.channel.isActive && client.goAway == nil && !client.frames.contains(where: { $0.type == 3 }) {
            client.send(RawClient.frame(9, 0, 1, block))
        }
        #expect(client.goAway != nil || client.frames.contains { $0.type == 3 } || !client.channel.isActive)
        #expect(client.application.messages.isEmpty && client.application.streams.isEmpty)
    }

    @Test("a head of many small fields is refused")
    func headerBomb() throws {
        let client = try RawClient()
        client.call(1, fields: (0..<200).map { ("x-\($0)", "v") })
        #expect(client.application.streams.isEmpty)
        #expect(client.frames.contains { $0.type == 3 && $0.stream == 1 } || client.goAway != nil)
    }

    @Test("more streams than allowed are refused, the others go on; who knows the limit and breaks it is sent away")
    func concurrentStreams() throws {
        let client = try RawClient(HTTP2ServerSettings(messageBytesMax: 100, concurrentStreamsMax: 3))
        client.application.answers = false
        for stream in stride(from: UInt32(1), through: 9, by: 2) { client.call(stream) }
        #expect(client.application.streams.count == 3 && client.handler.openStreams == 3)
        #expect(client.frames.filter { $0.type == 3 }.map(\.stream) == [7, 9])
        #expect(client.frames.filter { $0.type == 3 }.allSatisfy { $0.errorCode == 7 }, "REFUSED_STREAM: safe to try again")
        // The limit binds a client once it has acknowledged it.
        client.send(RawClient.frame(4, 1, 0, []))
        client.call(11)
        #expect((client.goAway ?? 0) != 0 && client.application.streams.count == 3)
    }

    @Test("pings too close together end the connection; pings among data do not")
    func pings() throws {
        let ping = RawClient.frame(6, 0, 0, [UInt8](repeating: 0, count: 8))
        let client = try RawClient()
        client.application.answers = false
        client.call(1)
        for _ in 0..<6 { client.send(ping) }
        #expect(client.goAway == 11, "ENHANCE_YOUR_CALM")
        #expect(client.frames.last { $0.type == 7 }.map { String(decoding: $0.payload.dropFirst(8), as: UTF8.self) } == "too_many_pings")
        let busy = try RawClient()
        busy.call(1)
        for _ in 0..<20 {
            busy.data(1, RawClient.message([1]), ends: false)
            busy.send(ping)
        }
        #expect(busy.goAway == nil)
    }

    @Test("what a client does not take stays within its windows")
    func windows() throws {
        let client = try RawClient()
        client.call(1)
        for _ in 0..<4 { client.data(1, RawClient.message([UInt8](repeating: 5, count: 16_000)), ends: false) }
        for _ in 0..<4 { client.data(1, RawClient.message([UInt8](repeating: 5, count: 16_000)), ends: false) }
        #expect(client.dataBytes(1).count == 65_535, "the window that every client has at first")
        client.send(RawClient.frame(8, 0, 0, [0, 1, 0, 0]) + RawClient.frame(8, 0, 1, [0, 1, 0, 0]))
        #expect(client.dataBytes(1).count == 8 * 16_005)
    }

    @Test("windows that overflow, frames on streams that never were, settings out of range: the protocol's errors", arguments: [
        RawClient.frame(8, 0, 0, [0x7f, 0xff, 0xff, 0xff]), RawClient.frame(0, 0, 99, [1]), RawClient.frame(9, 4, 1, [1]),
        RawClient.frame(4, 0, 0, [0, 4, 0xff, 0xff, 0xff, 0xff]), RawClient.frame(4, 0, 1, []), RawClient.frame(6, 0, 0, [1]),
    ])
    func violations(bytes: [UInt8]) throws {
        let client = try RawClient()
        client.send(bytes)
        #expect((client.goAway ?? 0) != 0)
        #expect(!client.channel.isActive || client.handler.openStreams == 0)
    }

    @Test("what does not begin with the preface is no HTTP/2")
    func preface() throws {
        let client = try RawClient(greets: false)
        client.send(Array("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".utf8) + RawClient.frame(4, 0, 0, []))
        #expect(!client.channel.isActive)
    }

    @Test("shutting down lets calls end and takes no new ones")
    func shutDown() throws {
        let client = try RawClient()
        client.call(1)
        client.handler.shutDown()
        client.collect()
        #expect(client.goAway == 0)
        client.data(1, RawClient.message([7]))
        #expect(client.fields(1)["grpc-status"] == "0")
        #expect(!client.channel.isActive, "the last call was answered")
    }

    @Test("heads that repeat the last one, differ in a value, in a name, in length, and come back: each call has its own")
    func repeatedHeads() throws {
        let client = try RawClient()
        let fields: [[(String, String)]] = [
            [], [], [("token", "one")], [("token", "one")], [("token", "two")], [("taken", "two")], [("token", "two"), ("x", "")],
            [("token", "two")], [], [("x", "tokentwo")], [("grpc-timeout", "5S"), ("token", "two")], [("token", "two")],
            [("x", String(repeating: "y", count: 100))] + (0..<60).map { ("x-\($0)", String(repeating: "z", count: 90)) },
            [("token", "two")], [],
        ]
        for (index, fields) in fields.enumerated() { client.call(UInt32(2 * index + 1), fields: fields) }
        let streams = client.application.streams
        try #require(streams.count == fields.count)
        for (stream, fields) in zip(streams, fields) {
            let expected = fields.filter { $0.0 != "grpc-timeout" }
            #expect(stream.head.fields.map(\.name) == expected.map(\.0) && stream.head.fields.map(\.value) == expected.map(\.1))
            #expect(stream.head.path == "/svc/Method" && stream.head.method == "POST" && stream.head.authority == "a")
            #expect((stream.deadline != nil) == (fields.count != expected.count))
        }
        #expect(streams[0].head === streams[1].head && streams[2].head === streams[3].head, "what is the same is not read again")
    }

    @Test("timeouts as gRPC writes them; anything else is no deadline", arguments: [
        ("1n", true), ("99999999H", true), ("12345678m", true), ("5S", true), ("123456789S", false), ("S", false), ("", false),
        ("-5S", false), ("+5S", false), ("5", false), ("5x", false), ("5 S", false),
    ])
    func timeouts(text: String, isDeadline: Bool) throws {
        let client = try RawClient()
        client.application.answers = false
        client.call(1, fields: [("grpc-timeout", text)])
        #expect((client.application.streams.first?.deadline != nil) == isDeadline)
    }

    @Test("a client that takes no answers gets no more beyond a limit, and all when it does")
    func backlog() throws {
        let client = try RawClient(HTTP2ServerSettings(messageBytesMax: 100))
        client.application.answers = false
        // Windows of the streams are open, the connection's is not.
        client.send(RawClient.frame(4, 0, 0, [0, 4, 0x7f, 0xff, 0xff, 0xff]))
        let answer = Bytes([UInt8](repeating: 7, count: 1 << 20))
        var (answered, waiting) = (0, 0)
        for stream in stride(from: UInt32(1), to: 201, by: 2) {
            client.call(stream)
            let call = try #require(client.application.streams.last)
            let work = {
                call.send(answer)
                call.finish(status: 0)
                answered += 1
            }
            if call.isBacklogFull {
                waiting += 1
                call.whenBacklogShrinks(work)
            } else {
                work()
            }
        }
        #expect(answered >= 64 && answered <= 66 && answered + waiting == 100)
        // What nobody waits for any more is forgotten.
        client.send(RawClient.frame(3, 0, 1, [0, 0, 0, 8]))
        let before = answered
        client.send(RawClient.frame(8, 0, 0, [0x00, 0x80, 0, 0]))
        #expect(answered > before && answered < 100, "eight megabytes taken")
        client.send(RawClient.frame(8, 0, 0, [0x70, 0, 0, 0]))
        for _ in 0..<100 where answered < 100 { client.send([]) }
        #expect(answered == 100)
        #expect(client.fields(199)["grpc-status"] == "0")
    }

    @Test("an answer that is still to be made counts, even when its call was given up, until it has come")
    func expectedAnswers() throws {
        let client = try RawClient(HTTP2ServerSettings(messageBytesMax: 100))
        client.application.answers = false
        client.call(1)
        let first = try #require(client.application.streams.last)
        let came = first.expectAnswer(65 << 20)
        #expect(first.isBacklogFull)
        client.send(RawClient.frame(3, 0, 1, [0, 0, 0, 8]))
        client.call(3)
        let second = try #require(client.application.streams.last)
        #expect(second.isBacklogFull)
        var hasRun = false
        second.whenBacklogShrinks { hasRun = true }
        client.send([])
        #expect(!hasRun)
        came()
        #expect(!second.isBacklogFull)
        client.send([])
        #expect(hasRun)
        // One that has come for the call takes the place of what was expected.
        let third = second.expectAnswer(65 << 20)
        second.send(Bytes([UInt8](repeating: 7, count: 66 << 20)))
        second.finish(status: 0)
        third()
        client.call(5)
        #expect(try #require(client.application.streams.last).isBacklogFull)
    }

    @Test("messages in parts and whole ones leave in their order, whatever the client's windows", arguments: [1, 4, 5, 7, 100])
    func parts(step: UInt8) throws {
        let client = try RawClient()
        client.application.answers = false
        // A window of nothing, opened a little at a time.
        client.send(RawClient.frame(4, 0, 0, [0, 4, 0, 0, 0, 0]))
        client.call(1)
        let stream = try #require(client.application.streams.first)
        stream.send([1, 2], [], [3])
        stream.send([])
        stream.send([4, 5, 6, 7])
        stream.send([], [], [])
        stream.finish(status: 0)
        let expected = RawClient.message([1, 2, 3]) + RawClient.message([]) + RawClient.message([4, 5, 6, 7]) + RawClient.message([])
        #expect(stream.queuedBytes == expected.count)
        for _ in 0..<expected.count { client.send(RawClient.frame(8, 0, 1, [0, 0, 0, step])) }
        #expect(client.dataBytes(1) == expected && stream.queuedBytes == 0)
        #expect(client.fields(1)["grpc-status"] == "0")
    }
}
