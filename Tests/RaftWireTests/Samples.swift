// Random values of every message, and the comparison that every codec must pass.

import Base
import RaftWire
import Testing
import Wire

struct Samples {
    var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    /// Small, large and zero numbers, as each has its own size.
    mutating func number() -> UInt64 {
        switch random.next() % 4 {
        case 0: 0
        case 1: random.next() % 128
        case 2: random.next() % 100_000
        default: random.next()
        }
    }

    mutating func flag() -> Bool { random.next() % 2 == 0 }

    mutating func bytes() -> Bytes {
        Bytes((0..<random.next() % 200).map { _ in UInt8(truncatingIfNeeded: random.next()) })
    }

    mutating func numbers() -> [UInt64] { (0..<random.next() % 4).map { _ in number() } }

    mutating func entry() -> Entry {
        Entry(
            term: number(),
            index: number(),
            type: EntryType(rawValue: Int(random.next() % 3)) ?? .normal,
            data: bytes()
        )
    }

    mutating func hardState() -> HardState { HardState(term: number(), vote: number(), commit: number()) }

    mutating func confState() -> ConfState {
        ConfState(
            voters: numbers(),
            learners: numbers(),
            votersOutgoing: numbers(),
            learnersNext: numbers(),
            autoLeave: flag()
        )
    }

    mutating func metadata() -> SnapshotMetadata {
        SnapshotMetadata(confState: confState(), index: number() | 1, term: number())
    }

    mutating func snapshot() -> Snapshot { Snapshot(data: bytes(), metadata: metadata()) }

    mutating func single() -> ConfChangeSingle {
        ConfChangeSingle(type: ConfChangeType(rawValue: Int(random.next() % 4)) ?? .addNode, nodeID: number())
    }

    mutating func confChange() -> ConfChange {
        ConfChange(id: number(), type: single().type, nodeID: number(), context: bytes())
    }

    mutating func confChangeV2() -> ConfChangeV2 {
        ConfChangeV2(
            transition: ConfChangeTransition(rawValue: Int(random.next() % 3)) ?? .auto,
            changes: (0..<random.next() % 4).map { _ in single() },
            context: bytes()
        )
    }

    mutating func message(withResponses: Bool = true) -> Message {
        Message(
            type: MessageType(rawValue: Int(random.next() % 24)) ?? .hup,
            to: number(),
            from: number(),
            term: number(),
            logTerm: number(),
            index: number(),
            entries: (0..<random.next() % 4).map { _ in entry() },
            commit: number(),
            vote: number(),
            snapshot: flag() ? snapshot() : nil,
            reject: flag(),
            rejectHint: number(),
            context: bytes(),
            responses: withResponses ? (0..<random.next() % 3).map { _ in message(withResponses: false) } : []
        )
    }

    /// One of everything.
    mutating func all() -> [any WireMessage] {
        [
            entry(), hardState(), confState(), metadata(), snapshot(), single(), confChange(), confChangeV2(),
            message(),
            WALMetadata(nodeID: number(), clusterID: number()),
            WALSnapshot(index: number(), term: number(), confState: flag() ? confState() : nil),
        ]
    }
}

/// A value comes back from its bytes, and knows how many they are.
func expectRoundTrip<Value: WireMessage>(_ value: Value) throws {
    let bytes = value.encoded()
    #expect(bytes.count == value.encodedSize)
    #expect(try Value(decoding: bytes) == value)
}

/// Damaged bytes are refused, or give a value that round-trips itself: nothing else, and no trap.
func expectSound<Value: WireMessage>(_: Value.Type, _ bytes: Bytes) {
    guard let value = try? Value(decoding: bytes) else { return }
    let again = value.encoded()
    #expect(again.count == value.encodedSize)
    #expect((try? Value(decoding: again)) == value)
}

func bytes(_ hex: String) -> Bytes {
    let digits = hex.filter { !$0.isWhitespace }
    return Bytes(
        stride(from: 0, to: digits.count, by: 2).compactMap { offset in
            let start = digits.index(digits.startIndex, offsetBy: offset)
            return UInt8(digits[start...].prefix(2), radix: 16)
        }
    )
}
