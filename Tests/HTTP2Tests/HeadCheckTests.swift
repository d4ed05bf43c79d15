import HTTP2
import Testing

@Suite("HTTP/2: heads that are none")
struct HeadCheckTests {
    private typealias Fields = [(String, String)]

    private static let method = (":method", "POST"), scheme = (":scheme", "http"), path = (":path", "/svc/Method")
    private static let authority = (":authority", "a"), type = ("content-type", "application/grpc")

    private func block(_ fields: Fields) -> [UInt8] { fields.flatMap { RawClient.literal($0.0, $0.1) } }

    /// Sends a call with this head, then a good one; tells the first one's reset.
    private func reset(_ fields: Fields, body: [UInt8] = RawClient.message([1])) throws -> UInt32? {
        let client = try RawClient()
        client.send(RawClient.frame(1, 4, 1, block(fields)))
        client.data(1, body)
        let first = client.frames.first { $0.type == 3 && $0.stream == 1 }?.errorCode
        #expect((client.fields(1)["grpc-status"] == "0") == (first == nil))
        client.call(3)
        client.data(3, RawClient.message([2]))
        #expect(client.fields(3)["grpc-status"] == "0", "the connection goes on")
        return first
    }

    @Test(
        "an authority may be anything: what clients dial, a path",
        arguments: ["localhost:2379", "#initially=[http://127.0.0.1:2379;[::1]:2379]", "/tmp/localhost:7", "u+s.sock", ""])
    func authorities(text: String) throws {
        #expect(try reset([Self.method, Self.scheme, Self.path, (":authority", text), Self.type]) == nil)
    }

    @Test func anAuthorityNeedNotBe() throws { #expect(try reset([Self.method, Self.scheme, Self.path, Self.type]) == nil) }

    @Test func whatFollowsTheRules() throws {
        let more: Fields = [("te", "trailers"), ("x-a_b.c~1", "tab\tand \u{e9}"), ("content-length", "6"), ("empty", "")]
        #expect(try reset([Self.method, Self.scheme, Self.path, Self.authority, Self.type] + more) == nil)
    }

    @Test(
        "a field too few, too many, or in the wrong place",
        arguments: [
            [scheme, path, authority, type], [method, path, authority, type], [method, scheme, authority, type],
            [method, method, scheme, path, authority, type], [method, scheme, path, path, type],
            [method, scheme, path, authority, authority, type], [method, scheme, path, type, authority],
            [method, scheme, path, authority, (":status", "200"), type], [method, scheme, path, (":protocol", "x"), type],
            [method, scheme, path, (":", ""), type], [method, scheme, (":path", ""), type], [method, scheme, (":path", "svc"), type],
            [(":method", ""), scheme, path, type], [method, (":scheme", ""), path, type],
            [(":method", "CONNECT"), scheme, path, authority, type], [(":method", "CONNECT"), type],
        ])
    func pseudoFields(fields: [(String, String)]) throws { #expect(try reset(fields) == 1) }

    @Test(
        "a field that may not be",
        arguments: [
            ("Upper", "a"), ("sp ace", "a"), ("", "a"), ("a:b", "c"), ("a", "line\n"), ("a", "nul\0"), ("a", "del\u{7f}"),
            ("connection", "close"), ("keep-alive", "1"), ("proxy-connection", "a"), ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"), ("te", "gzip"), ("content-length", ""), ("content-length", "-1"), ("content-length", "0x6"),
            ("content-length", "9999999999999999999"),
        ])
    func fields(field: (String, String)) throws {
        #expect(try reset([Self.method, Self.scheme, Self.path, Self.authority, Self.type, field]) == 1)
    }

    @Test("the body has the length that was told", arguments: [("5", 1), ("7", 1), ("6", nil)] as [(String, UInt32?)])
    func lengths(length: String, error: UInt32?) throws {
        let fields = [Self.method, Self.scheme, Self.path, Self.authority, Self.type, ("content-length", length)]
        #expect(try reset(fields) == error)
        #expect(try reset(fields + [("content-length", length)]) == 1)
    }

    @Test("fields behind the body end it, and are no head", arguments: [([("x", "y")], nil), ([path], 1), ([("X", "y")], 1)] as [([(String, String)], UInt32?)])
    func trailers(fields: [(String, String)], error: UInt32?) throws {
        for endsStream in [true, false] {
            let client = try RawClient()
            client.call(1)
            client.data(1, RawClient.message([1]), ends: false)
            client.send(RawClient.frame(1, endsStream ? 5 : 4, 1, block(fields)))
            let reset = client.frames.first { $0.type == 3 && $0.stream == 1 }?.errorCode
            #expect(reset == (endsStream ? error : 1))
            #expect((client.fields(1)["grpc-status"] == "0") == (reset == nil))
            #expect(client.application.ends.count == (reset == nil ? 0 : 1))
            client.call(3)
            client.data(3, RawClient.message([2]))
            #expect(client.fields(3)["grpc-status"] == "0", "the connection goes on")
        }
    }
}
