// Entries and the state that raft keeps beside them, in the encoding of etcd up to 3.6: all numbers are written, zeroes
// included, for those members read that and newer ones read both.

package import Base
package import Wire

package enum EntryType: UInt64, Sendable {
    case normal = 0
    case confChange = 1
    case confChangeV2 = 2
}

package struct Entry: Sendable, Hashable {
    package var term: Term
    package var index: LogIndex
    package var type: EntryType
    /// Empty for the entry a new leader begins its term with.
    package var data: Bytes

    package init(term: Term = 0, index: LogIndex = 0, type: EntryType = .normal, data: Bytes = Bytes()) {
        self.term = term
        self.index = index
        self.type = type
        self.data = data
    }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init()
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1:
                guard let type = EntryType(rawValue: try reader.uint64(field)) else { throw .malformedTag }
                self.type = type
            case 2: term = try reader.uint64(field)
            case 3: index = try reader.uint64(field)
            case 4: data = try reader.bytes(field)
            default: try reader.skip(field)
            }
        }
    }

    package var encodedSize: Int {
        2 + 1 + varintSize(term) + 1 + varintSize(index) + (data.isEmpty ? 0 : 1 + varintSize(data.count) + data.count)
    }

    package func encode(into writer: inout WireWriter) {
        writer.explicit(1, type.rawValue)
        writer.explicit(2, term)
        writer.explicit(3, index)
        writer.field(4, data)
    }

    package func encoded() -> Bytes {
        var writer = WireWriter(capacity: encodedSize)
        encode(into: &writer)
        return writer.bytes
    }
}

/// What raft must never forget.
package struct HardState: Sendable, Hashable {
    package var term: Term
    package var vote: MemberID
    package var commit: LogIndex

    package init(term: Term = 0, vote: MemberID = 0, commit: LogIndex = 0) {
        self.term = term
        self.vote = vote
        self.commit = commit
    }

    package var isEmpty: Bool { self == HardState() }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init()
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: term = try reader.uint64(field)
            case 2: vote = try reader.uint64(field)
            case 3: commit = try reader.uint64(field)
            default: try reader.skip(field)
            }
        }
    }

    package var encodedSize: Int { 3 + varintSize(term) + varintSize(vote) + varintSize(commit) }

    package func encode(into writer: inout WireWriter) {
        writer.explicit(1, term)
        writer.explicit(2, vote)
        writer.explicit(3, commit)
    }

    package func encoded() -> Bytes {
        var writer = WireWriter(capacity: encodedSize)
        encode(into: &writer)
        return writer.bytes
    }
}
