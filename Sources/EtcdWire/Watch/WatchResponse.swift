// What a member sends on a watch stream. Events are encoded once, by whoever applied them, and shared by all watchers:
// they are the message's last field, so an answer is a few bytes of its own followed by bytes that many answers share.

package import Base
package import Wire

/// One message of the member on a watch stream.
package struct WatchResponse: WireMessage {
    package var header: ResponseHeader?
    package var watchID: Int64
    package var created: Bool
    package var canceled: Bool
    /// Non-zero: the watch's next revision is compacted away; this is the first that is left.
    package var compactRevision: Int64
    package var cancelReason: String
    /// More events of the same revision follow in the next message.
    package var fragment: Bool
    /// Encoded `Event` messages.
    package var events: [Bytes]

    /// The number of the field that holds events.
    package static let eventsField = 11

    package init(
        header: ResponseHeader? = nil,
        watchID: Int64 = 0,
        created: Bool = false,
        canceled: Bool = false,
        compactRevision: Int64 = 0,
        cancelReason: String = "",
        fragment: Bool = false,
        events: [Bytes] = []
    ) {
        self.header = header
        self.watchID = watchID
        self.created = created
        self.canceled = canceled
        self.compactRevision = compactRevision
        self.cancelReason = cancelReason
        self.fragment = fragment
        self.events = events
    }

    package init() { self.init(header: nil) }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    /// Appends an encoded event as the answer's field, so that a whole batch can be shared as one string of bytes:
    /// the encoding of `self` without events, followed by any number of framed events, is a whole answer.
    package static func frame(event: Bytes, into writer: inout WireWriter) {
        writer.explicit(eventsField, event)
    }

    /// The bytes that `frame(event:into:)` takes for an event of `length` bytes.
    package static func framedSize(ofEvent length: Int) -> Int {
        varintSize(eventsField << 3) + varintSize(length) + length
    }

    func write(to sink: inout some FieldSink) {
        sink.message(1, header)
        sink.field(2, watchID)
        sink.field(3, created)
        sink.field(4, canceled)
        sink.field(5, compactRevision)
        sink.field(6, cancelReason)
        sink.field(7, fragment)
        sink.encoded(Self.eventsField, events)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): try reader.merge(field, into: &header, depth: depth)
            case (2, .varint): watchID = try reader.int64(field)
            case (3, .varint): created = try reader.bool(field)
            case (4, .varint): canceled = try reader.bool(field)
            case (5, .varint): compactRevision = try reader.int64(field)
            case (6, .lengthDelimited): cancelReason = try reader.string(field)
            case (7, .varint): fragment = try reader.bool(field)
            case (Self.eventsField, .lengthDelimited):
                events.append(try reader.checked(field, as: Event.self, depth: depth))
            default: try reader.skip(field)
            }
        }
    }
}
