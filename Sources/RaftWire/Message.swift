// The one message of raft: every kind uses some of the fields.
//
// Messages are copied from queue to queue; what only one kind in a million needs (the snapshot) sits behind one
// reference, so that the others do not pay for it.

package import Base
package import Wire

package struct Message: Sendable, Hashable {
    package var type: MessageType
    package var to: MemberID
    package var from: MemberID
    /// The sender's term; 0 for messages that stay in one member.
    package var term: Term
    /// The term of the entry at `index` (append), or of the sender's last entry (vote).
    package var logTerm: Term
    /// The index before `entries` (append), the last index acknowledged (append response), or the sender's last (vote).
    package var index: LogIndex
    package var entries: [Entry]
    package var commit: LogIndex
    /// Of a `storageAppend`'s hard state.
    package var vote: MemberID
    package var reject: Bool
    /// Where a follower that rejects an append supposes the logs to agree at most.
    package var rejectHint: LogIndex
    package var context: Bytes
    /// What local storage delivers once it has done what this message asks; never sent to other members.
    package var responses: [Message]
    private var snapshotBox: SnapshotBox?

    package init(
        type: MessageType,
        to: MemberID = 0,
        from: MemberID = 0,
        term: Term = 0,
        logTerm: Term = 0,
        index: LogIndex = 0,
        entries: [Entry] = [],
        commit: LogIndex = 0,
        vote: MemberID = 0,
        snapshot: Snapshot? = nil,
        reject: Bool = false,
        rejectHint: LogIndex = 0,
        context: Bytes = Bytes(),
        responses: [Message] = []
    ) {
        self.type = type
        self.to = to
        self.from = from
        self.term = term
        self.logTerm = logTerm
        self.index = index
        self.entries = entries
        self.commit = commit
        self.vote = vote
        self.reject = reject
        self.rejectHint = rejectHint
        self.context = context
        self.responses = responses
        snapshotBox = snapshot.map(SnapshotBox.init)
    }

    package var snapshot: Snapshot? {
        get { snapshotBox?.snapshot }
        set { snapshotBox = newValue.map(SnapshotBox.init) }
    }

    /// Whether there is a snapshot, without touching it.
    package var hasSnapshot: Bool { snapshotBox != nil }
}

/// An immutable snapshot on the heap.
private final class SnapshotBox: Sendable, Hashable {
    let snapshot: Snapshot

    init(_ snapshot: Snapshot) {
        self.snapshot = snapshot
    }

    static func == (left: SnapshotBox, right: SnapshotBox) -> Bool {
        left === right || left.snapshot == right.snapshot
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(snapshot)
    }
}

extension Message: WireMessage {
    /// Responses hold no responses of their own; deeper nesting is somebody's attempt at our stack.
    private static let responseDepthMax = 1

    package init(decoding bytes: Bytes) throws(WireError) {
        try self.init(decoding: bytes, depth: 0)
    }

    private init(decoding bytes: Bytes, depth: Int) throws(WireError) {
        self.init(type: .hup)
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: type = try reader.known(field)
            case 2: to = try reader.uint64(field)
            case 3: from = try reader.uint64(field)
            case 4: term = try reader.uint64(field)
            case 5: logTerm = try reader.uint64(field)
            case 6: index = try reader.uint64(field)
            case 7: entries.append(try Entry(decoding: try reader.bytes(field)))
            case 8: commit = try reader.uint64(field)
            case 9:
                // 3.5 attaches an empty snapshot to every message.
                let snapshot = try Snapshot(decoding: try reader.bytes(field))
                self.snapshot = snapshot == Snapshot() ? nil : snapshot
            case 10: reject = try reader.bool(field)
            case 11: rejectHint = try reader.uint64(field)
            case 12: context = try reader.bytes(field)
            case 13: vote = try reader.uint64(field)
            case 14:
                guard depth < Self.responseDepthMax else { throw .malformedGroup }
                responses.append(try Message(decoding: try reader.bytes(field), depth: depth + 1))
            default: try reader.skip(field)
            }
        }
    }

    package var encodedSize: Int {
        var size = 1 + varintSize(UInt64(type.rawValue)) + 2
        size += numberFieldSize(to) + numberFieldSize(from) + numberFieldSize(term) + numberFieldSize(logTerm)
        size += numberFieldSize(index) + numberFieldSize(commit) + numberFieldSize(rejectHint)
        for entry in entries { size += lengthDelimitedFieldSize(entry.encodedSize) }
        if let snapshot { size += lengthDelimitedFieldSize(snapshot.encodedSize) }
        if !context.isEmpty { size += lengthDelimitedFieldSize(context.count) }
        if vote != 0 { size += numberFieldSize(vote) }
        for response in responses { size += lengthDelimitedFieldSize(response.encodedSize) }
        return size
    }

    package func encode(into writer: inout WireWriter) {
        writer.explicit(1, UInt64(type.rawValue))
        writer.explicit(2, to)
        writer.explicit(3, from)
        writer.explicit(4, term)
        writer.explicit(5, logTerm)
        writer.explicit(6, index)
        for entry in entries { writer.message(7, entry) }
        writer.explicit(8, commit)
        if let snapshot { writer.message(9, snapshot) }
        writer.explicit(10, reject ? 1 : 0)
        writer.explicit(11, rejectHint)
        writer.field(12, context)
        // Members before 3.6 do not know the two fields that only local storage uses.
        writer.field(13, vote)
        for response in responses { writer.message(14, response) }
    }
}
