// The lines between members. Each pair has two connections each way, one for appends and one for the rest, as etcd's
// streams; a connection carries bytes in order, the two are not in step. What is lost is lost with its connection.

import Base
import RaftWire
import Wire

struct LinkID: Hashable, Comparable {
    var source: Int
    var target: Int
    var isForAppends: Bool

    static func < (left: LinkID, right: LinkID) -> Bool {
        (left.source, left.target, left.isForAppends ? 1 : 0) < (right.source, right.target, right.isForAppends ? 1 : 0)
    }
}

/// One connection: what is written on one side, and not read on the other yet.
struct Link {
    /// Counts connections: bytes of an earlier one never arrive.
    var epoch = 0
    var appendEncoder = AppendStreamEncoder()
    var appendDecoder: AppendStreamDecoder
    var messageDecoder = MessageStreamDecoder()
    var chunks: [Bytes] = []
    var lastArrival: VirtualTime = 0
    private let ends: (source: MemberID, target: MemberID)

    init(source: MemberID, target: MemberID) {
        ends = (source, target)
        appendDecoder = AppendStreamDecoder(local: target, remote: source)
    }

    mutating func reset() {
        epoch += 1
        chunks = []
        lastArrival = 0
        appendEncoder = AppendStreamEncoder()
        appendDecoder = AppendStreamDecoder(local: ends.target, remote: ends.source)
        messageDecoder = MessageStreamDecoder()
    }

    mutating func encode(_ message: Message, asAppend: Bool) {
        var writer = WireWriter()
        if asAppend {
            appendEncoder.encode(message, into: &writer)
        } else {
            MessageStreamEncoder().encode(message, into: &writer)
        }
        chunks.append(writer.bytes)
    }

    /// Takes the oldest chunk in.
    mutating func decodeNext(asAppend: Bool) throws(PeerStreamError) -> [Message] {
        guard !chunks.isEmpty else { return [] }
        let chunk = chunks.removeFirst()
        var messages: [Message] = []
        if asAppend {
            chunk.withUnsafeBytes { appendDecoder.append($0) }
            while let message = try appendDecoder.next() { messages.append(message) }
        } else {
            chunk.withUnsafeBytes { messageDecoder.append($0) }
            while let message = try messageDecoder.next() { messages.append(message) }
        }
        return messages
    }
}

/// A snapshot on its way: message and database travel together, apart from the streams.
struct SnapshotPost {
    var source: Int
    var sourceLife: Int
    var target: Int
    var message: Bytes
    var database: Bytes
    var isDuplicate: Bool
}

struct SimulatedNetwork {
    struct Way: Hashable {
        var source: Int
        var target: Int
    }

    var links: [LinkID: Link] = [:]
    private var cut: Set<Way> = []
    /// Ways on which nothing moves until then.
    private var cloggedUntil: [Way: VirtualTime] = [:]
    var posts: [Int: SnapshotPost] = [:]
    private var nextPost = 0
    var resetChance = 0.0
    var duplicateChance = 0.0
    private var slowness: UInt64 = 1
    var dice: SeededRandom

    init(dice: SeededRandom) {
        self.dice = dice
    }

    mutating func roll(_ chance: Double) -> Bool {
        chance > 0 && Double.random(in: 0..<1, using: &dice) < chance
    }

    /// Mostly under a millisecond or two, sometimes far more.
    mutating func delay() -> VirtualTime {
        let base = UInt64.random(in: 200_000...2_000_000, using: &dice)
        return roll(0.02) ? base * 20 * slowness : base
    }

    func isCut(_ source: Int, _ target: Int) -> Bool { cut.contains(Way(source: source, target: target)) }

    mutating func cut(_ source: Int, _ target: Int) { cut.insert(Way(source: source, target: target)) }

    mutating func clog(_ source: Int, _ target: Int, until time: VirtualTime) {
        cloggedUntil[Way(source: source, target: target)] = time
    }

    mutating func slowDown(by factor: UInt64) { slowness = factor }

    mutating func heal() {
        cut = []
        cloggedUntil = [:]
        slowness = 1
    }

    func clogEnd(_ source: Int, _ target: Int) -> VirtualTime { cloggedUntil[Way(source: source, target: target)] ?? 0 }

    mutating func add(_ post: SnapshotPost) -> Int {
        nextPost += 1
        posts[nextPost] = post
        return nextPost
    }

    /// Breaks all connections of a member.
    mutating func resetAll(of slot: Int) {
        for id in links.keys.sorted() where id.source == slot || id.target == slot { links[id]?.reset() }
    }
}
