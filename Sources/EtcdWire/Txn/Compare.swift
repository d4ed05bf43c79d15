// The condition of a transaction.

package import Base
package import Wire

/// Compares what is stored under `key`, or under every key of `[key, rangeEnd)`, with a given value.
package struct Compare: WireMessage {
    /// What the stored side is compared with. etcd reads only the case that `target` names and takes zero otherwise.
    package enum TargetUnion: Sendable, Equatable {
        case version(Int64)
        case createRevision(Int64)
        case modRevision(Int64)
        case value(Bytes)
        case lease(LeaseID)
    }

    package var result: CompareResult
    package var target: CompareTarget
    package var key: Bytes
    package var targetUnion: TargetUnion?
    package var rangeEnd: Bytes

    package init(
        result: CompareResult = .equal,
        target: CompareTarget = .version,
        key: Bytes = Bytes(),
        targetUnion: TargetUnion? = nil,
        rangeEnd: Bytes = Bytes()
    ) {
        self.result = result
        self.target = target
        self.key = key
        self.targetUnion = targetUnion
        self.rangeEnd = rangeEnd
    }

    package init() { self.init(key: Bytes()) }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    func write(to sink: inout some FieldSink) {
        sink.field(1, result.wireValue)
        sink.field(2, target.wireValue)
        sink.field(3, key)
        switch targetUnion {
        case nil: break
        case .version(let version): sink.explicit(4, UInt64(bitPattern: version))
        case .createRevision(let revision): sink.explicit(5, UInt64(bitPattern: revision))
        case .modRevision(let revision): sink.explicit(6, UInt64(bitPattern: revision))
        case .value(let value): sink.explicit(7, value)
        case .lease(let lease): sink.explicit(8, UInt64(bitPattern: lease))
        }
        sink.field(64, rangeEnd)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): result = CompareResult(rawValue: try reader.enumeration(field))
            case (2, .varint): target = CompareTarget(rawValue: try reader.enumeration(field))
            case (3, .lengthDelimited): key = try reader.bytes(field)
            case (4, .varint): targetUnion = .version(try reader.int64(field))
            case (5, .varint): targetUnion = .createRevision(try reader.int64(field))
            case (6, .varint): targetUnion = .modRevision(try reader.int64(field))
            case (7, .lengthDelimited): targetUnion = .value(try reader.bytes(field))
            case (8, .varint): targetUnion = .lease(try reader.int64(field))
            case (64, .lengthDelimited): rangeEnd = try reader.bytes(field)
            default: try reader.skip(field)
            }
        }
    }
}
