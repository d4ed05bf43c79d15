// What a client sends on a watch stream.

package import Base
package import Wire

/// Begins a watch. See `KeyRange` for what `key` and `rangeEnd` select.
package struct WatchCreateRequest: WireMessage {
    package var key: Bytes
    package var rangeEnd: Bytes
    /// 0: from now on.
    package var startRevision: Int64
    /// Send progress when nothing happens.
    package var progressNotify: Bool
    package var filters: [WatchFilter]
    package var prevKV: Bool
    /// 0: the member chooses.
    package var watchID: Int64
    /// Large answers may be split.
    package var fragment: Bool

    package init(
        key: Bytes = Bytes(),
        rangeEnd: Bytes = Bytes(),
        startRevision: Int64 = 0,
        progressNotify: Bool = false,
        filters: [WatchFilter] = [],
        prevKV: Bool = false,
        watchID: Int64 = 0,
        fragment: Bool = false
    ) {
        self.key = key
        self.rangeEnd = rangeEnd
        self.startRevision = startRevision
        self.progressNotify = progressNotify
        self.filters = filters
        self.prevKV = prevKV
        self.watchID = watchID
        self.fragment = fragment
    }

    package init() {
        self.init(key: Bytes())
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.field(1, key)
        sink.field(2, rangeEnd)
        sink.field(3, startRevision)
        sink.field(4, progressNotify)
        if !filters.isEmpty {
            var packed = WireWriter()
            for filter in filters { packed.varint(UInt64(bitPattern: filter.wireValue)) }
            sink.explicit(5, packed.bytes)
        }
        sink.field(6, prevKV)
        sink.field(7, watchID)
        sink.field(8, fragment)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): key = try reader.bytes(field)
            case (2, .lengthDelimited): rangeEnd = try reader.bytes(field)
            case (3, .varint): startRevision = try reader.int64(field)
            case (4, .varint): progressNotify = try reader.bool(field)
            case (5, .varint): filters.append(WatchFilter(rawValue: try reader.enumeration(field)))
            case (5, .lengthDelimited):
                var packed = WireReader(try reader.bytes(field))
                while !packed.isAtEnd {
                    filters.append(WatchFilter(rawValue: Int(Int32(truncatingIfNeeded: try packed.varint()))))
                }
            case (6, .varint): prevKV = try reader.bool(field)
            case (7, .varint): watchID = try reader.int64(field)
            case (8, .varint): fragment = try reader.bool(field)
            default: try reader.skip(field)
            }
        }
    }
}

/// One message of a client on a watch stream.
package enum WatchRequest: WireMessage {
    /// Nothing was asked: etcd passes over it.
    case none
    case create(WatchCreateRequest)
    /// Ends the watch with this ID.
    case cancel(watchID: Int64)
    /// Asks for a progress notice.
    case progress

    package init() { self = .none }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }

    func write(to sink: inout some FieldSink) {
        switch self {
        case .none: break
        case .create(let request): sink.message(1, request)
        case .cancel(let watchID): sink.message(2, WatchCancelRequest(watchID: watchID))
        case .progress: sink.message(3, WatchProgressRequest())
        }
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited):
                var request = WatchCreateRequest()
                if case .create(let present) = self { request = present }
                try reader.merge(field, into: &request, depth: depth)
                self = .create(request)
            case (2, .lengthDelimited):
                var request = WatchCancelRequest()
                if case .cancel(let watchID) = self { request.watchID = watchID }
                try reader.merge(field, into: &request, depth: depth)
                self = .cancel(watchID: request.watchID)
            case (3, .lengthDelimited):
                let _: WatchProgressRequest = try reader.element(field, depth: depth)
                self = .progress
            default: try reader.skip(field)
            }
        }
    }
}

/// The wire form of `WatchRequest.cancel`.
private struct WatchCancelRequest: WireMessage {
    var watchID: Int64 = 0

    func write(to sink: inout some FieldSink) { sink.field(1, watchID) }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): watchID = try reader.int64(field)
            default: try reader.skip(field)
            }
        }
    }
}

/// The wire form of `WatchRequest.progress`: no fields.
private struct WatchProgressRequest: WireMessage {
    func write(to sink: inout some FieldSink) {}

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() { try reader.skip(field) }
    }
}
