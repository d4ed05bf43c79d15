// Cluster facts that go through the log (membershippb).

package import Base
package import Wire

/// Sets the cluster version.
package struct ClusterVersionSetRequest: WireMessage {
    /// Such as "3.7.0".
    package var version: String

    package init(version: String = "") {
        self.version = version
    }

    package init() {
        self.init(version: "")
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.field(1, version)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): version = try reader.string(field)
            default: try reader.skip(field)
            }
        }
    }
}

/// What a member says about itself once it runs.
package struct MemberAttributes: WireMessage {
    package var name: String
    package var clientURLs: [String]

    package init(name: String = "", clientURLs: [String] = []) {
        self.name = name
        self.clientURLs = clientURLs
    }

    package init() {
        self.init(name: "")
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.field(1, name)
        sink.texts(2, clientURLs)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): name = try reader.string(field)
            case (2, .lengthDelimited): clientURLs.append(try reader.string(field))
            default: try reader.skip(field)
            }
        }
    }
}

/// A member publishes its attributes.
package struct ClusterMemberAttributesSetRequest: WireMessage {
    package var memberID: MemberID
    package var attributes: MemberAttributes?

    package init(memberID: MemberID = 0, attributes: MemberAttributes? = nil) {
        self.memberID = memberID
        self.attributes = attributes
    }

    package init() {
        self.init(memberID: 0)
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.field(1, memberID)
        sink.message(2, attributes)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): memberID = try reader.uint64(field)
            case (2, .lengthDelimited): try reader.merge(field, into: &attributes, depth: depth)
            default: try reader.skip(field)
            }
        }
    }
}

/// Begins or ends a downgrade.
package struct DowngradeInfoSetRequest: WireMessage {
    package var enabled: Bool
    /// The target.
    package var version: String

    package init(enabled: Bool = false, version: String = "") {
        self.enabled = enabled
        self.version = version
    }

    package init() {
        self.init(enabled: false)
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.field(1, enabled)
        sink.field(2, version)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): enabled = try reader.bool(field)
            case (2, .lengthDelimited): version = try reader.string(field)
            default: try reader.skip(field)
            }
        }
    }
}
