import Base
import RaftWire
import Testing
import Wire

@Suite("Streams between members")
struct PeerStreamTests {
    private func append(term: Term, behind index: LogIndex, logTerm: Term, _ count: Int, commit: LogIndex = 0)
        -> Message
    {
        Message(
            type: .append,
            to: 2,
            from: 1,
            term: term,
            logTerm: logTerm,
            index: index,
            entries: (0..<count).map { Entry(term: term, index: index + 1 + LogIndex($0), data: Bytes("entry \($0)")) },
            commit: commit
        )
    }

    private func feed(_ decoder: inout AppendStreamDecoder, _ bytes: Bytes) {
        bytes.withUnsafeBytes { decoder.append($0) }
    }

    @Test("an append that goes on where the last one ended is sent without its head")
    func compactForm() throws {
        var encoder = AppendStreamEncoder()
        var writer = WireWriter()
        encoder.encode(append(term: 5, behind: 10, logTerm: 4, 2), into: &writer)
        #expect(writer.array.first == 2)
        writer = WireWriter()
        let second = Message(
            type: .append,
            to: 2,
            from: 1,
            term: 5,
            logTerm: 5,
            index: 12,
            entries: [Entry(term: 5, index: 13, data: "x")],
            commit: 9
        )
        encoder.encode(second, into: &writer)
        #expect(
            writer.bytes
                == bytes("01 0000000000000001 0000000000000009 0800 1005 180d 220178 0000000000000009")
        )
        writer = WireWriter()
        encoder.encode(.linkHeartbeat, into: &writer)
        #expect(writer.bytes == bytes("00"))
        // A new leader's term: the whole message again.
        encoder.encode(append(term: 6, behind: 13, logTerm: 5, 0), into: &writer)
        #expect(writer.array[1] == 2)
    }

    @Test("what is sent arrives, however the bytes are cut", arguments: [1, 2, 7, 64, 100_000])
    func cuts(size: Int) throws {
        var encoder = AppendStreamEncoder()
        var writer = WireWriter()
        var random = SeededRandom(seed: UInt64(size))
        var sent: [Message] = []
        var (term, index): (Term, LogIndex) = (1, 0)
        for _ in 0..<60 {
            if random.next() % 5 == 0 { encoder.encode(.linkHeartbeat, into: &writer) }
            let logTerm = term
            if random.next() % 8 == 0 { term += 1 }
            if random.next() % 8 == 0 { index -= min(index, 3) }
            let message = append(
                term: term,
                behind: index,
                logTerm: logTerm,
                Int(random.next() % 4),
                commit: random.next() % 100
            )
            index = message.entries.last?.index ?? index
            encoder.encode(message, into: &writer)
            sent.append(message)
        }
        var decoder = AppendStreamDecoder(local: 2, remote: 1)
        var received: [Message] = []
        var rest = writer.bytes
        while !rest.isEmpty {
            feed(&decoder, rest.prefix(size))
            rest = rest.dropFirst(size)
            while let message = try decoder.next() { received.append(message) }
        }
        #expect(received == sent)
    }

    @Test("messages arrive in order, heartbeats of the link do not", arguments: [1, 3, 100, 100_000])
    func messages(size: Int) throws {
        var samples = Samples(seed: UInt64(size))
        let encoder = MessageStreamEncoder()
        var writer = WireWriter()
        var sent: [Message] = []
        for _ in 0..<40 {
            encoder.encode(.linkHeartbeat, into: &writer)
            var message = samples.message(withResponses: false)
            message.from |= 1
            encoder.encode(message, into: &writer)
            sent.append(message)
        }
        var decoder = MessageStreamDecoder()
        var received: [Message] = []
        var rest = writer.bytes
        while !rest.isEmpty {
            rest.prefix(size).withUnsafeBytes { decoder.append($0) }
            rest = rest.dropFirst(size)
            while let message = try decoder.next() { received.append(message) }
        }
        #expect(received == sent)
    }

    @Test("lengths beyond every message's are refused before anything is kept for them")
    func limits() throws {
        var decoder = MessageStreamDecoder()
        bytes("0000000020000001").withUnsafeBytes { decoder.append($0) }
        #expect(throws: PeerStreamError.tooLong(0x2000_0001)) { try decoder.next() }

        var appends = AppendStreamDecoder(local: 2, remote: 1)
        feed(&appends, bytes("02 ffffffffffffffff"))
        #expect(throws: PeerStreamError.tooLong(.max)) { try appends.next() }

        var endless = AppendStreamDecoder(local: 2, remote: 1)
        feed(&endless, bytes("01 ffffffffffffffff 0000000000000000"))
        #expect(try endless.next() == nil)
    }

    @Test("types that do not exist end the stream")
    func unknownType() {
        var decoder = AppendStreamDecoder(local: 2, remote: 1)
        feed(&decoder, bytes("00 03"))
        #expect(throws: PeerStreamError.unknownType(3)) { try decoder.next() }
        #expect("\(PeerStreamError.unknownType(3))" == "failed to parse type 3 in msgappv2 stream")
    }

    @Test("random bytes end the stream or wait for more")
    func randomBytes() {
        var random = SeededRandom(seed: 3)
        for _ in 0..<2_000 {
            var decoder = AppendStreamDecoder(local: 2, remote: 1)
            var messages = MessageStreamDecoder()
            let noise = Bytes(
                (0..<random.next() % 64).map { _ in
                    UInt8(truncatingIfNeeded: random.next() % 4 == 0 ? random.next() : 0)
                }
            )
            feed(&decoder, noise)
            noise.withUnsafeBytes { messages.append($0) }
            for _ in 0..<64 where (try? decoder.next()) == nil && (try? messages.next()) == nil { break }
        }
    }
}
