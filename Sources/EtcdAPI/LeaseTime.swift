// Questions about one lease and the leader's answers, also as members send them to each other.

package import Base
import EtcdWire
package import Lease
package import Wire

/// What the requests about one lease have in common: the identifier, and for TimeToLive whether keys are wanted.
package struct LeaseQuery {
    package var id: LeaseID = 0
    package var wantsKeys = false

    package init(_ id: LeaseID, wantsKeys: Bool) {
        self.id = id
        self.wantsKeys = wantsKeys
    }

    package init(_ bytes: Bytes) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: id = try reader.int64(field)
            case 2: wantsKeys = try reader.bool(field)
            default: try reader.skip(field)
            }
        }
    }
}

extension LeaseQuery {
    /// Also the request that keeps a lease alive.
    package var encoded: Bytes {
        var writer = WireWriter()
        writer.field(1, id)
        writer.field(2, wantsKeys)
        return writer.bytes
    }

    /// As `/leases/internal` carries it: inside of another message.
    package init(internalRequest bytes: Bytes) throws(WireError) {
        var reader = WireReader(bytes)
        var inner = Bytes()
        while let field = try reader.next() {
            if field.number == 1 { inner = try reader.bytes(field) } else { try reader.skip(field) }
        }
        try self.init(inner)
    }

    /// The same, to be sent.
    package var internalRequest: Bytes {
        var writer = WireWriter()
        writer.explicit(1, encoded)
        return writer.bytes
    }
}

/// The fields behind the header of a TimeToLive answer.
package struct LeaseTime {
    package let fields: Bytes
    /// Whether there is such a lease; that there is none is an answer, too.
    package let isKnown: Bool

    package init(_ query: LeaseQuery, _ lessor: Lessor, now: Instant) {
        guard let lease = lessor.leases[query.id], let left = lessor.remainingTTL(query.id, now: now) else {
            fields = Self.unknown(query.id)
            isKnown = false
            return
        }
        var writer = WireWriter()
        writer.field(2, query.id)
        writer.field(3, left)
        writer.field(4, lease.grantedTTL)
        if query.wantsKeys { for key in lease.sortedKeys { writer.explicit(5, key) } }
        fields = writer.bytes
        isKnown = true
    }

    /// The fields behind the header of a keepalive's answer.
    package static func renewed(_ id: LeaseID, ttl: Int64) -> Bytes {
        var writer = WireWriter()
        writeRenewed(id, ttl: ttl, into: &writer)
        return writer.bytes
    }

    static func writeRenewed(_ id: LeaseID, ttl: Int64, into writer: inout WireWriter) {
        writer.field(2, id)
        writer.field(3, ttl)
    }

    static func unknown(_ id: LeaseID) -> Bytes {
        var writer = WireWriter()
        writer.field(2, id)
        writer.field(3, Int64(-1))
        return writer.bytes
    }

    /// The same fields in a member's answer to `/leases/internal`; nil if it is none.
    static func fields(inForwarded bytes: Bytes) -> Bytes? {
        do throws(WireError) {
            var outer = WireReader(bytes)
            while let field = try outer.next() {
                guard field.number == 1 else {
                    try outer.skip(field)
                    continue
                }
                var writer = WireWriter()
                var inner = WireReader(try outer.bytes(field))
                while let field = try inner.next() {
                    switch field.number {
                    case 2, 3, 4: writer.field(field.number, try inner.int64(field))
                    case 5: writer.explicit(5, try inner.bytes(field))
                    default: try inner.skip(field)
                    }
                }
                return writer.bytes
            }
        } catch {}
        return nil
    }

    /// The seconds in a member's answer to `/leases`; nil if it is none.
    package static func renewedTTL(_ bytes: Bytes) -> Int64? {
        do throws(WireError) {
            var ttl: Int64 = 0
            var reader = WireReader(bytes)
            while let field = try reader.next() {
                if field.number == 3 { ttl = try reader.int64(field) } else { try reader.skip(field) }
            }
            return ttl
        } catch {
            return nil
        }
    }
}
