// Configurations, snapshots and their record in the WAL.

package import Base
package import Wire

/// Who votes, who learns, and, in a joint configuration, who voted before and who will learn after.
package struct ConfState: Sendable, Hashable {
    package var voters: [MemberID]
    package var learners: [MemberID]
    package var votersOutgoing: [MemberID]
    package var learnersNext: [MemberID]
    package var autoLeave: Bool

    package init(
        voters: [MemberID] = [], learners: [MemberID] = [], votersOutgoing: [MemberID] = [], learnersNext: [MemberID] = [],
        autoLeave: Bool = false
    ) {
        self.voters = voters
        self.learners = learners
        self.votersOutgoing = votersOutgoing
        self.learnersNext = learnersNext
        self.autoLeave = autoLeave
    }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init()
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: try Self.append(field, &reader, to: &voters)
            case 2: try Self.append(field, &reader, to: &learners)
            case 3: try Self.append(field, &reader, to: &votersOutgoing)
            case 4: try Self.append(field, &reader, to: &learnersNext)
            case 5: autoLeave = try reader.bool(field)
            default: try reader.skip(field)
            }
        }
    }

    /// One element, or several packed.
    private static func append(
        _ field: WireReader.Field, _ reader: inout WireReader, to list: inout [MemberID]
    ) throws(WireError) {
        if field.type == .lengthDelimited {
            var packed = WireReader(try reader.bytes(field))
            while !packed.isAtEnd { list.append(try packed.varint()) }
        } else {
            list.append(try reader.uint64(field))
        }
    }

    package func encoded() -> Bytes {
        var writer = WireWriter()
        for id in voters { writer.explicit(1, id) }
        for id in learners { writer.explicit(2, id) }
        for id in votersOutgoing { writer.explicit(3, id) }
        for id in learnersNext { writer.explicit(4, id) }
        writer.explicit(5, autoLeave ? 1 : 0)
        return writer.bytes
    }
}

package struct SnapshotMetadata: Sendable, Hashable {
    package var confState: ConfState
    package var index: LogIndex
    package var term: Term

    package init(confState: ConfState = ConfState(), index: LogIndex = 0, term: Term = 0) {
        self.confState = confState
        self.index = index
        self.term = term
    }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init()
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: confState = try ConfState(decoding: try reader.bytes(field))
            case 2: index = try reader.uint64(field)
            case 3: term = try reader.uint64(field)
            default: try reader.skip(field)
            }
        }
    }

    package func encoded() -> Bytes {
        var writer = WireWriter()
        writer.explicit(1, confState.encoded())
        writer.explicit(2, index)
        writer.explicit(3, term)
        return writer.bytes
    }
}

package struct Snapshot: Sendable, Hashable {
    package var data: Bytes
    package var metadata: SnapshotMetadata

    package init(data: Bytes = Bytes(), metadata: SnapshotMetadata = SnapshotMetadata()) {
        self.data = data
        self.metadata = metadata
    }

    package var isEmpty: Bool { metadata.index == 0 }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init()
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: data = try reader.bytes(field)
            case 2: metadata = try SnapshotMetadata(decoding: try reader.bytes(field))
            default: try reader.skip(field)
            }
        }
    }

    package func encoded() -> Bytes {
        var writer = WireWriter(capacity: data.count + 64)
        writer.field(1, data)
        writer.explicit(2, metadata.encoded())
        return writer.bytes
    }
}

/// The WAL's record of a snapshot (`walpb.Snapshot`).
package struct WALSnapshot: Sendable, Hashable {
    package var index: LogIndex
    package var term: Term
    /// Nil in the record of the empty snapshot, and in records of versions before 3.5.
    package var confState: ConfState?

    package init(index: LogIndex, term: Term, confState: ConfState? = nil) {
        self.index = index
        self.term = term
        self.confState = confState
    }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init(index: 0, term: 0)
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: index = try reader.uint64(field)
            case 2: term = try reader.uint64(field)
            case 3: confState = try ConfState(decoding: try reader.bytes(field))
            default: try reader.skip(field)
            }
        }
    }

    package func encoded() -> Bytes {
        var writer = WireWriter()
        writer.explicit(1, index)
        writer.explicit(2, term)
        if let confState { writer.explicit(3, confState.encoded()) }
        return writer.bytes
    }
}

/// What a record of the WAL is (`walpb.Record.type`).
package enum WALRecordType: Int64, Sendable {
    case metadata = 1
    case entry = 2
    case state = 3
    case crc = 4
    case snapshot = 5
}
