// A state that stands for all of the log up to its index.

package import Base
package import Wire

package struct SnapshotMetadata: WireMessage {
    package var confState: ConfState
    /// The last index that the snapshot contains.
    package var index: LogIndex
    /// That entry's term.
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

    package var encodedSize: Int {
        lengthDelimitedFieldSize(confState.encodedSize) + numberFieldSize(index) + numberFieldSize(term)
    }

    package func encode(into writer: inout WireWriter) {
        writer.message(1, confState)
        writer.explicit(2, index)
        writer.explicit(3, term)
    }
}

package struct Snapshot: WireMessage {
    /// The application's; etcd keeps its v2 store's JSON here.
    package var data: Bytes
    package var metadata: SnapshotMetadata

    package init(data: Bytes = Bytes(), metadata: SnapshotMetadata = SnapshotMetadata()) {
        self.data = data
        self.metadata = metadata
    }

    /// Whether this is no snapshot at all.
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

    package var encodedSize: Int {
        let metadataSize = lengthDelimitedFieldSize(metadata.encodedSize)
        return data.isEmpty ? metadataSize : metadataSize + lengthDelimitedFieldSize(data.count)
    }

    package func encode(into writer: inout WireWriter) {
        writer.field(1, data)
        writer.message(2, metadata)
    }
}
