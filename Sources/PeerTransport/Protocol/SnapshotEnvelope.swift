// The message before the database in the body of a posted snapshot: a length (eight bytes, high byte first) and the
// message; all further bytes are the database.

import Base
import NIOCore
import RaftWire

/// Why the body is no snapshot; the texts stand in the answer.
enum SnapshotEnvelopeError: String, Error {
    case tooLong = "rafthttp: error limit exceeded"
    case truncated = "unexpected EOF"
    case empty = "EOF"
    case undecodable = "malformed message"
}

struct SnapshotEnvelopeDecoder {
    private var buffer = ByteBuffer()

    /// Takes what has been read.
    mutating func append(_ bytes: ByteBuffer) {
        buffer.writeImmutableBuffer(bytes)
    }

    /// The message, once it is there; the decoder holds the first bytes of the database then.
    mutating func next() throws(SnapshotEnvelopeError) -> Message? {
        guard let length = buffer.getInteger(at: buffer.readerIndex, as: UInt64.self) else { return nil }
        if length > PeerLimit.snapshotEnvelope { throw .tooLong }
        guard buffer.readableBytes - 8 >= Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: 8)
        let bytes = buffer.readBytes(length: Int(length)) ?? []
        guard let message = try? Message(decoding: Bytes(bytes)) else { throw .undecodable }
        return message
    }

    /// What has come behind the message.
    mutating func takeRest() -> ByteBuffer {
        defer { buffer = ByteBuffer() }
        return buffer
    }

    /// What the end of the body means if no message has come yet.
    var errorAtEnd: SnapshotEnvelopeError { buffer.readableBytes == 0 ? .empty : .truncated }
}
