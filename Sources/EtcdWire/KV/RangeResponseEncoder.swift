// The streaming form of `RangeResponse`: pairs go from the store's pages into the answer without becoming values.

package import Base
package import Wire

/// Writes a range's answer while the range is walked. The fields come in ascending order, so the result is what
/// `RangeResponse.encoded()` would give; `writer` may be the stream's own buffer with a frame's head in it.
package struct RangeResponseEncoder: Sendable {
    private static let headerField = 1
    private static let kvsField = 2
    private static let moreField = 3
    private static let countField = 4

    package private(set) var writer: WireWriter

    /// Begins an answer behind what `writer` holds; a chunk of a streamed range has no header.
    package init(header: ResponseHeader?, into writer: consuming WireWriter = WireWriter()) {
        self.writer = writer
        self.writer.message(Self.headerField, header)
    }

    /// Adds a pair in its stored encoding.
    package mutating func append(encoded pair: Bytes) {
        writer.explicit(Self.kvsField, pair)
    }

    /// Adds a pair in its stored encoding.
    package mutating func append(encoded pair: UnsafeRawBufferPointer) {
        writer.header(Self.kvsField, length: pair.count)
        writer.append(pair)
    }

    package mutating func append(_ pair: KeyValue) {
        writer.message(Self.kvsField, pair)
    }

    /// Ends the answer and hands the buffer back.
    package consuming func finish(more: Bool, count: Int64) -> WireWriter {
        writer.field(Self.moreField, more)
        writer.field(Self.countField, count)
        return writer
    }
}

extension KeyValue {
    /// An encoded pair without its value and, where the answer comes from the index alone, without its lease.
    package static func withoutValue(encoded pair: Bytes, keepingLease: Bool) throws(WireError) -> KeyValue {
        var result = try KeyValue(decoding: pair)
        result.value = Bytes()
        if !keepingLease { result.lease = 0 }
        return result
    }
}

extension RangeResponse {
    /// The pairs as values.
    package func decodedKVs() throws(WireError) -> [KeyValue] {
        var pairs: [KeyValue] = []
        pairs.reserveCapacity(kvs.count)
        for pair in kvs { pairs.append(try KeyValue(decoding: pair)) }
        return pairs
    }
}
