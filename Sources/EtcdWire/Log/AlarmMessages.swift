// Alarms: the request that goes through the log, and the stored form.

package import Base
package import Wire

/// Lists, raises or disarms alarms.
package struct AlarmRequest: WireMessage {
    package var action: AlarmAction
    /// 0 with `get`: all members.
    package var memberID: MemberID
    package var alarm: AlarmType

    package init(
        action: AlarmAction = AlarmAction(rawValue: 0),
        memberID: MemberID = 0,
        alarm: AlarmType = AlarmType(rawValue: 0)
    ) {
        self.action = action
        self.memberID = memberID
        self.alarm = alarm
    }

    package init() {
        self.init(action: AlarmAction(rawValue: 0))
    }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    package func encode(into writer: inout WireWriter) { write(to: &writer) }

    func write(to sink: inout some FieldSink) {
        sink.field(1, action.wireValue)
        sink.field(2, memberID)
        sink.field(3, alarm.wireValue)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): action = AlarmAction(rawValue: try reader.enumeration(field))
            case (2, .varint): memberID = try reader.uint64(field)
            case (3, .varint): alarm = AlarmType(rawValue: try reader.enumeration(field))
            default: try reader.skip(field)
            }
        }
    }
}

/// An active alarm: also the key format of the `alarm` bucket.
package struct AlarmMember: WireMessage {
    package var memberID: MemberID
    package var alarm: AlarmType

    package init(memberID: MemberID = 0, alarm: AlarmType = AlarmType(rawValue: 0)) {
        self.memberID = memberID
        self.alarm = alarm
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
        sink.field(2, alarm.wireValue)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): memberID = try reader.uint64(field)
            case (2, .varint): alarm = AlarmType(rawValue: try reader.enumeration(field))
            default: try reader.skip(field)
            }
        }
    }
}

/// The alarms that matched.
package struct AlarmResponse: WireMessage {
    package var header: ResponseHeader?
    package var alarms: [AlarmMember]

    package init(header: ResponseHeader? = nil, alarms: [AlarmMember] = []) {
        self.header = header
        self.alarms = alarms
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
        sink.messages(2, alarms)
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): try reader.merge(field, into: &header, depth: depth)
            case (2, .lengthDelimited): alarms.append(try reader.element(field, depth: depth))
            default: try reader.skip(field)
            }
        }
    }
}
