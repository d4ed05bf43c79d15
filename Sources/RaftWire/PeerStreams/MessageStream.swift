// The stream of messages of every kind but appends and snapshots between two members: each a length (eight bytes, high
// byte first) and an encoded message. A heartbeat from nobody to nobody keeps an idle stream open.

package import Wire

extension Message {
    /// What an idle stream carries, so that neither side takes the other for dead.
    package static let linkHeartbeat = Message(type: .heartbeat)

    package var isLinkHeartbeat: Bool { type == .heartbeat && from == 0 && to == 0 }
}

extension WireWriter {
    /// Eight bytes, high byte first.
    mutating func bigEndian(_ value: UInt64) {
        withUnsafeBytes(of: value.bigEndian) { append($0) }
    }

    /// A length and the message.
    mutating func item(_ message: some WireMessage) {
        bigEndian(UInt64(message.encodedSize))
        message.encode(into: &self)
    }
}

package struct MessageStreamEncoder: Sendable {
    package init() {}

    package func encode(_ message: Message, into writer: inout WireWriter) {
        writer.item(message)
    }
}

package struct MessageStreamDecoder: Sendable {
    private var buffer = StreamBuffer()

    package init() {}

    /// Takes what has been read.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        buffer.append(bytes)
    }

    /// The next message; nil until more has come. Link heartbeats are passed over.
    package mutating func next() throws(PeerStreamError) -> Message? {
        while let item = try buffer.takeItem() {
            guard let message = try? Message(decoding: item) else { throw .undecodable }
            if !message.isLinkHeartbeat { return message }
        }
        return nil
    }
}
