// The messages in the records of the write-ahead log; entries and hard states are raft's own.

package import Base
package import Wire

/// What a record of the log holds.
package enum WALRecordType: Int64, Sendable, Hashable {
    case metadata = 1
    case entry
    case state
    case crc
    case snapshot
}

/// Whose log it is. Written once, at the log's creation.
package struct WALMetadata: WireMessage {
    package var nodeID: MemberID
    package var clusterID: ClusterID

    package init(nodeID: MemberID = 0, clusterID: ClusterID = 0) {
        self.nodeID = nodeID
        self.clusterID = clusterID
    }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init()
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: nodeID = try reader.uint64(field)
            case 2: clusterID = try reader.uint64(field)
            default: try reader.skip(field)
            }
        }
    }

    package var encodedSize: Int { numberFieldSize(nodeID) + numberFieldSize(clusterID) }

    package func encode(into writer: inout WireWriter) {
        writer.explicit(1, nodeID)
        writer.explicit(2, clusterID)
    }
}

/// The position of a snapshot that the log may be read from.
package struct WALSnapshot: WireMessage {
    package var index: LogIndex
    package var term: Term
    /// Missing in logs from before 3.5, and in a log's first record.
    package var confState: ConfState?

    package init(index: LogIndex = 0, term: Term = 0, confState: ConfState? = nil) {
        self.index = index
        self.term = term
        self.confState = confState
    }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init()
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

    package var encodedSize: Int {
        let size = numberFieldSize(index) + numberFieldSize(term)
        guard let confState else { return size }
        return size + lengthDelimitedFieldSize(confState.encodedSize)
    }

    package func encode(into writer: inout WireWriter) {
        writer.explicit(1, index)
        writer.explicit(2, term)
        if let confState { writer.message(3, confState) }
    }
}
