// Leases: the requests that go through the log, keep-alive, and the stored form.

package import Base
package import Wire

/// Asks for a lease.
package struct LeaseGrantRequest: WireMessage {
    /// Seconds, as wished.
    package var ttl: Int64
    /// 0: the member chooses.
    package var id: LeaseID

    package init(ttl: Int64 = 0, id: LeaseID = 0) {
        self.ttl = ttl
        self.id = id
    }

    package init() {
        self.init(ttl: 0)
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.field(1, ttl)
        sink.field(2, id)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): ttl = try reader.int64(field)
            case (2, .varint): id = try reader.int64(field)
            default: try reader.skip(field)
            }
        }
    }
}

/// The lease granted.
package struct LeaseGrantResponse: WireMessage {
    package var header: ResponseHeader?
    package var id: LeaseID
    /// Seconds, as granted.
    package var ttl: Int64
    /// Never used by the server.
    package var error: String

    package init(header: ResponseHeader? = nil, id: LeaseID = 0, ttl: Int64 = 0, error: String = "") {
        self.header = header
        self.id = id
        self.ttl = ttl
        self.error = error
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
        sink.field(2, id)
        sink.field(3, ttl)
        sink.field(4, error)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): try reader.merge(field, into: &header, depth: depth)
            case (2, .varint): id = try reader.int64(field)
            case (3, .varint): ttl = try reader.int64(field)
            case (4, .lengthDelimited): error = try reader.string(field)
            default: try reader.skip(field)
            }
        }
    }
}

/// Ends a lease and deletes its keys.
package struct LeaseRevokeRequest: WireMessage {
    package var id: LeaseID

    package init(id: LeaseID = 0) {
        self.id = id
    }

    package init() {
        self.init(id: 0)
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.field(1, id)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): id = try reader.int64(field)
            default: try reader.skip(field)
            }
        }
    }
}

/// The answer to a revocation.
package struct LeaseRevokeResponse: WireMessage {
    package var header: ResponseHeader?

    package init(header: ResponseHeader? = nil) {
        self.header = header
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
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): try reader.merge(field, into: &header, depth: depth)
            default: try reader.skip(field)
            }
        }
    }
}

/// How long a lease had left.
package struct LeaseCheckpoint: WireMessage {
    package var id: LeaseID
    /// Seconds.
    package var remainingTTL: Int64

    package init(id: LeaseID = 0, remainingTTL: Int64 = 0) {
        self.id = id
        self.remainingTTL = remainingTTL
    }

    package init() {
        self.init(id: 0)
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.field(1, id)
        sink.field(2, remainingTTL)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): id = try reader.int64(field)
            case (2, .varint): remainingTTL = try reader.int64(field)
            default: try reader.skip(field)
            }
        }
    }
}

/// The leader's note of remaining times, for the next leader.
package struct LeaseCheckpointRequest: WireMessage {
    package var checkpoints: [LeaseCheckpoint]

    package init(checkpoints: [LeaseCheckpoint] = []) {
        self.checkpoints = checkpoints
    }

    package init() {
        self.init(checkpoints: [])
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.messages(1, checkpoints)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): checkpoints.append(try reader.element(field, depth: depth))
            default: try reader.skip(field)
            }
        }
    }
}

/// The answer to a checkpoint.
package struct LeaseCheckpointResponse: WireMessage {
    package var header: ResponseHeader?

    package init(header: ResponseHeader? = nil) {
        self.header = header
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
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): try reader.merge(field, into: &header, depth: depth)
            default: try reader.skip(field)
            }
        }
    }
}

/// Renews a lease.
package struct LeaseKeepAliveRequest: WireMessage {
    package var id: LeaseID

    package init(id: LeaseID = 0) {
        self.id = id
    }

    package init() {
        self.init(id: 0)
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.field(1, id)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): id = try reader.int64(field)
            default: try reader.skip(field)
            }
        }
    }
}

/// The renewal; a TTL of 0 says that there is no such lease.
package struct LeaseKeepAliveResponse: WireMessage {
    package var header: ResponseHeader?
    package var id: LeaseID
    /// Seconds.
    package var ttl: Int64

    package init(header: ResponseHeader? = nil, id: LeaseID = 0, ttl: Int64 = 0) {
        self.header = header
        self.id = id
        self.ttl = ttl
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
        sink.field(2, id)
        sink.field(3, ttl)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): try reader.merge(field, into: &header, depth: depth)
            case (2, .varint): id = try reader.int64(field)
            case (3, .varint): ttl = try reader.int64(field)
            default: try reader.skip(field)
            }
        }
    }
}

/// A lease as the `lease` bucket stores it (leasepb.Lease).
package struct LeaseRecord: WireMessage {
    package var id: LeaseID
    /// Seconds granted.
    package var ttl: Int64
    /// Seconds left at the last checkpoint; 0: all of them.
    package var remainingTTL: Int64

    package init(id: LeaseID = 0, ttl: Int64 = 0, remainingTTL: Int64 = 0) {
        self.id = id
        self.ttl = ttl
        self.remainingTTL = remainingTTL
    }

    package init() {
        self.init(id: 0)
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.field(1, id)
        sink.field(2, ttl)
        sink.field(3, remainingTTL)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): id = try reader.int64(field)
            case (2, .varint): ttl = try reader.int64(field)
            case (3, .varint): remainingTTL = try reader.int64(field)
            default: try reader.skip(field)
            }
        }
    }
}
