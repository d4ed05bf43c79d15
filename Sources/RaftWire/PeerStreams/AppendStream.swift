// The stream of appends between two members ("msgappv2"). Most appends go on where the last one ended, in the same term:
// of those only the entries and the commit index are sent, and the rest follows from what both sides remember.
//
//     0                                               heartbeat: keeps an idle stream open
//     1  count  (length entry)…  commit               an append behind the last one
//     2  length message                               any append
//
// The first byte is the type; all numbers have eight bytes, high byte first.

package import Base
package import Wire

private enum ItemType {
    static let heartbeat: UInt8 = 0
    static let entries: UInt8 = 1
    static let message: UInt8 = 2
}

/// Where the last append on the stream ended.
private struct StreamPosition: Sendable {
    var term: Term = 0
    var index: LogIndex = 0

    func isContinued(by message: Message) -> Bool {
        message.index == index && message.logTerm == term && message.logTerm == message.term
    }

    mutating func move(behind message: Message) {
        term = message.term
        index = message.entries.last?.index ?? message.index
    }
}

package struct AppendStreamEncoder: Sendable {
    private var position = StreamPosition()

    package init() {}

    /// - Parameter message: an append, or `Message.linkHeartbeat`.
    package mutating func encode(_ message: Message, into writer: inout WireWriter) {
        if message.isLinkHeartbeat {
            writer.array.append(ItemType.heartbeat)
        } else if position.isContinued(by: message) {
            writer.array.append(ItemType.entries)
            writer.bigEndian(UInt64(message.entries.count))
            for entry in message.entries { writer.item(entry) }
            writer.bigEndian(message.commit)
            // The other side moves its position entry by entry; the term is the same.
            position.index = message.entries.last?.index ?? position.index
        } else {
            writer.array.append(ItemType.message)
            writer.item(message)
            position.move(behind: message)
        }
    }
}

package struct AppendStreamDecoder: Sendable {
    /// An append of which not everything has come.
    private struct Partial: Sendable {
        var message: Message
        var missingEntries: UInt64
        var size: UInt64 = 0
    }

    private let local: MemberID
    private let remote: MemberID
    private var position = StreamPosition()
    private var buffer = StreamBuffer()
    private var type: UInt8?
    private var partial: Partial?

    /// - Parameters:
    ///   - local: the receiver of the appends.
    ///   - remote: their sender.
    package init(local: MemberID, remote: MemberID) {
        self.local = local
        self.remote = remote
    }

    /// Takes what has been read.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        buffer.append(bytes)
    }

    /// The next append; nil until more has come. Link heartbeats are passed over.
    package mutating func next() throws(PeerStreamError) -> Message? {
        while true {
            if type == nil { type = buffer.takeByte() }
            switch type {
            case nil: return nil
            case ItemType.heartbeat?: type = nil
            case ItemType.entries?:
                guard let message = try nextEntries() else { return nil }
                type = nil
                return message
            case ItemType.message?:
                guard let item = try buffer.takeItem() else { return nil }
                guard let message = try? Message(decoding: item) else { throw .undecodable }
                position.move(behind: message)
                type = nil
                return message
            case let unknown?: throw .unknownType(unknown)
            }
        }
    }

    /// An append behind the last one, entry by entry as they come.
    private mutating func nextEntries() throws(PeerStreamError) -> Message? {
        if partial == nil {
            guard let count = buffer.takeNumber() else { return nil }
            partial = Partial(
                message: Message(
                    type: .append,
                    to: local,
                    from: remote,
                    term: position.term,
                    logTerm: position.term,
                    index: position.index
                ),
                missingEntries: count
            )
        }
        while let missing = partial?.missingEntries, missing > 0 {
            guard let item = try buffer.takeItem() else { return nil }
            guard let entry = try? Entry(decoding: item) else { throw .undecodable }
            position.index = entry.index
            partial?.message.entries.append(entry)
            partial?.missingEntries -= 1
            // Empty entries cost memory too.
            partial?.size += UInt64(item.count) + UInt64(MemoryLayout<Entry>.stride)
            if let size = partial?.size, size > peerStreamItemSizeMax { throw .tooLong(size) }
        }
        guard let commit = buffer.takeNumber() else { return nil }
        defer { partial = nil }
        partial?.message.commit = commit
        return partial?.message
    }
}
