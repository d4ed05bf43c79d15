// Transactions: compares, and the operations of both branches.

package import Base
package import Wire

/// If all compares hold, `success`, else `failure`.
package struct TxnRequest: WireMessage {
    package var compare: [Compare]
    package var success: [RequestOp]
    package var failure: [RequestOp]

    package init(compare: [Compare] = [], success: [RequestOp] = [], failure: [RequestOp] = []) {
        self.compare = compare
        self.success = success
        self.failure = failure
    }

    package init() {
        self.init(compare: [])
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.messages(1, compare)
        sink.messages(2, success)
        sink.messages(3, failure)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): compare.append(try reader.element(field, depth: depth))
            case (2, .lengthDelimited): success.append(try reader.element(field, depth: depth))
            case (3, .lengthDelimited): failure.append(try reader.element(field, depth: depth))
            default: try reader.skip(field)
            }
        }
    }
}

/// What the chosen branch answered, one response an operation.
package struct TxnResponse: WireMessage {
    package var header: ResponseHeader?
    /// All compares held.
    package var succeeded: Bool
    package var responses: [ResponseOp]

    package init(header: ResponseHeader? = nil, succeeded: Bool = false, responses: [ResponseOp] = []) {
        self.header = header
        self.succeeded = succeeded
        self.responses = responses
    }

    package init() {
        self.init(header: nil)
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.message(1, header)
        sink.field(2, succeeded)
        sink.messages(3, responses)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): try reader.merge(field, into: &header, depth: depth)
            case (2, .varint): succeeded = try reader.bool(field)
            case (3, .lengthDelimited): responses.append(try reader.element(field, depth: depth))
            default: try reader.skip(field)
            }
        }
    }
}
