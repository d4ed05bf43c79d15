// What reaches the HTTP/2 library of a member's bytes, and what goes back, however the bytes are cut.

import NIOCore
import NIOEmbedded
import Testing

@testable import EtcdClient

@Suite("Harmless frames")
struct HarmlessFramesTests {
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private enum Kind: UInt8 { case data = 0, headers = 1, reset = 3, settings = 4, ping = 6 }

    private static func frame(_ kind: Kind, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8]) -> [UInt8] {
        [UInt8(payload.count >> 16), UInt8(payload.count >> 8 & 0xff), UInt8(payload.count & 0xff), kind.rawValue, flags]
            + withUnsafeBytes(of: stream.bigEndian) { Array($0) } + payload
    }

    private static func reset(_ stream: UInt32, code: UInt8 = 0) -> [UInt8] {
        frame(.reset, stream: stream, [0, 0, 0, code])
    }

    private let channel = EmbeddedChannel(handler: HarmlessFrames())

    private func write(_ bytes: [UInt8], inPiecesOf size: Int = .max) throws {
        for piece in pieces(of: bytes, size) { try channel.writeOutbound(IOData.byteBuffer(piece)) }
    }

    /// - Returns: what passed to the library.
    private func read(_ bytes: [UInt8], inPiecesOf size: Int = .max) throws -> [UInt8] {
        for piece in pieces(of: bytes, size) { try channel.writeInbound(piece) }
        var passed: [UInt8] = []
        while let buffer = try channel.readInbound(as: ByteBuffer.self) { passed += buffer.readableBytesView }
        return passed
    }

    private func sent() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while case .byteBuffer(let buffer)? = try channel.readOutbound(as: IOData.self) { bytes += buffer.readableBytesView }
        return bytes
    }

    private func pieces(of bytes: [UInt8], _ size: Int) -> [ByteBuffer] {
        stride(from: 0, to: bytes.count, by: min(size, bytes.count)).map {
            ByteBuffer(bytes: bytes[$0..<min($0 + min(size, bytes.count), bytes.count)])
        }
    }

    @Test("PINGs are answered here and do not pass; all else does, byte for byte", arguments: [1, 2, 7, 9, 10, 16, 17, 1000])
    func pings(size: Int) throws {
        try write(Self.preface)
        _ = try sent()
        let settings = Self.frame(.settings, [0, 4, 0, 16, 0, 0])
        let data = Self.frame(.data, stream: 1, Array(0..<50))
        // A PING in the body of an answer is no PING.
        let disguise = Self.frame(.data, stream: 1, Self.frame(.ping, [UInt8](repeating: 9, count: 8)))
        var bytes = settings
        var answers: [UInt8] = []
        for number in 0..<UInt8(250) {
            let payload = [UInt8](repeating: number, count: 8)
            bytes += Self.frame(.ping, payload)
            answers += Self.frame(.ping, flags: 1, payload)
            if number == 100 { bytes += data + disguise }
        }
        let acknowledgement = Self.frame(.ping, flags: 1, [UInt8](repeating: 7, count: 8))
        bytes += acknowledgement + settings
        #expect(try read(bytes, inPiecesOf: size) == settings + data + disguise + acknowledgement + settings)
        #expect(try sent() == answers)
    }

    /// Both directions by dice: what must pass is known of each frame when it is made.
    @Test("random connections: what passes, and what is answered, whatever the frames and the cuts", arguments: 0..<200 as Range<UInt64>)
    func randomConnections(seed: UInt64) throws {
        var dice = Dice(state: seed)
        func payload(_ limit: Int) -> [UInt8] { (0..<Int.random(in: 0...limit, using: &dice)).map { _ in UInt8.random(in: 0...255, using: &dice) } }
        try write(Self.preface)
        _ = try sent()
        var (client, member): (Set<UInt32>, Set<UInt32>) = ([], [])
        for _ in 0..<60 {
            let size = [1, 2, 5, 9, 13, 1000].randomElement(using: &dice) ?? 1
            var (bytes, expected, answers): ([UInt8], [UInt8], [UInt8]) = ([], [], [])
            let isInbound = Bool.random(using: &dice)
            for _ in 0..<Int.random(in: 1...4, using: &dice) {
                // Few streams, so that they meet; fewer in all than are remembered.
                let stream = 2 * UInt32.random(in: 0..<20, using: &dice) + 1
                let ends = Bool.random(using: &dice)
                switch Int.random(in: 0..<5, using: &dice) {
                case 0, 1:
                    let frame = Self.frame(Bool.random(using: &dice) ? .data : .headers, flags: ends ? 1 : 0, stream: stream, payload(40))
                    bytes += frame
                    expected += frame
                    if ends { if isInbound { member.insert(stream) } else { client.insert(stream) } }
                case 2:
                    let text = [UInt8](repeating: UInt8(stream), count: 8)
                    bytes += Self.frame(.ping, flags: ends ? 1 : 0, text)
                    if ends || !isInbound {
                        expected += Self.frame(.ping, flags: ends ? 1 : 0, text)
                    } else {
                        answers += Self.frame(.ping, flags: 1, text)
                    }
                case 3 where isInbound:
                    let code: UInt8 = ends ? 0 : 8
                    bytes += Self.reset(stream, code: code)
                    let isOver = client.contains(stream) && member.contains(stream)
                    if code == 0, isOver { continue }
                    expected += Self.reset(stream, code: code)
                    if !isOver {
                        client.remove(stream)
                        member.remove(stream)
                    }
                default:
                    let other = Self.frame(.settings, payload(20)) + Self.frame(.ping, payload(7))
                    bytes += other
                    expected += other
                }
            }
            if isInbound {
                #expect(try read(bytes, inPiecesOf: size) == expected)
                #expect(try sent() == answers)
            } else {
                try write(bytes, inPiecesOf: size)
                #expect(try sent() == expected)
            }
        }
    }

    /// SplitMix64.
    private struct Dice: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
    }

    @Test("a PING of a wrong size is the library's to refuse")
    func malformed() throws {
        let short = Self.frame(.ping, [1, 2, 3])
        #expect(try read(short + Self.frame(.settings, [])) == short + Self.frame(.settings, []))
        #expect(try sent().isEmpty)
    }

    @Test("a reset without an error passes only while one side has not ended its stream", arguments: [3, 9, 11, 1000])
    func resets(size: Int) throws {
        // Both sides of 1 end, the client's side of 3 only, the member's of 5 only.
        let requests =
            Self.frame(.headers, flags: 4, stream: 1, [1, 2]) + Self.frame(.data, flags: 1, stream: 1, [3])
            + Self.frame(.headers, flags: 5, stream: 3, [1]) + Self.frame(.headers, flags: 4, stream: 5, [1])
        try write(Self.preface + requests, inPiecesOf: size)
        let answers =
            Self.frame(.headers, flags: 5, stream: 1, [8]) + Self.frame(.headers, flags: 4, stream: 3, [8])
            + Self.frame(.headers, flags: 5, stream: 5, [8])
        #expect(try read(answers + Self.reset(1), inPiecesOf: size) == answers)
        #expect(try read(Self.reset(3), inPiecesOf: size) == Self.reset(3))
        #expect(try read(Self.reset(5), inPiecesOf: size) == Self.reset(5))
        #expect(try read(Self.reset(7), inPiecesOf: size) == Self.reset(7))
        // With an error it says something, even of a stream that is over.
        #expect(try read(Self.reset(1, code: 8), inPiecesOf: size) == Self.reset(1, code: 8))
    }
}
