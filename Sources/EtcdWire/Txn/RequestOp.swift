// One operation of a transaction.

package import Base
package import Wire

/// An operation; transactions nest.
package enum RequestOp: WireMessage {
    /// No operation is set: etcd answers "key not found".
    case none
    case range(RangeRequest)
    case put(PutRequest)
    case deleteRange(DeleteRangeRequest)
    case txn(TxnRequest)

    package init() { self = .none }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    func write(to sink: inout some FieldSink) {
        switch self {
        case .none: break
        case .range(let operation): sink.message(1, operation)
        case .put(let operation): sink.message(2, operation)
        case .deleteRange(let operation): sink.message(3, operation)
        case .txn(let operation): sink.message(4, operation)
        }
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited):
                var operation = RangeRequest()
                if case .range(let present) = self { operation = present }
                try reader.merge(field, into: &operation, depth: depth)
                self = .range(operation)
            case (2, .lengthDelimited):
                var operation = PutRequest()
                if case .put(let present) = self { operation = present }
                try reader.merge(field, into: &operation, depth: depth)
                self = .put(operation)
            case (3, .lengthDelimited):
                var operation = DeleteRangeRequest()
                if case .deleteRange(let present) = self { operation = present }
                try reader.merge(field, into: &operation, depth: depth)
                self = .deleteRange(operation)
            case (4, .lengthDelimited):
                var operation = TxnRequest()
                if case .txn(let present) = self { operation = present }
                try reader.merge(field, into: &operation, depth: depth)
                self = .txn(operation)
            default: try reader.skip(field)
            }
        }
    }
}
