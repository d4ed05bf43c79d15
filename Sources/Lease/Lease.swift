// One lease and its row in the backend.

package import Base
package import Wire

/// A time-limited grant that keys can hang on.
package struct Lease: Sendable, Equatable {
    package let id: LeaseID
    /// Seconds, as granted.
    package var grantedTTL: Int64
    /// Seconds that a checkpoint said are left; 0 where none was taken.
    package var checkpointedTTL: Int64
    /// The keys that go with the lease.
    package var keys: Set<Bytes> = []
    /// When the primary takes the lease for expired; nil on members that don't judge time.
    package var expiry: Instant?
    /// When the primary looks next whether what is left should be told to the others.
    var checkpointDue: Instant?
    /// The primary has proposed to tell the others of less than the grant, and that is not applied yet.
    var isCheckpointUnderWay = false

    package init(id: LeaseID, grantedTTL: Int64, checkpointedTTL: Int64 = 0) {
        self.id = id
        self.grantedTTL = grantedTTL
        self.checkpointedTTL = checkpointedTTL
    }

    /// What a new primary starts counting from.
    var effectiveTTL: Int64 { checkpointedTTL > 0 ? checkpointedTTL : grantedTTL }

    /// The keys in order: the order in which a revoked lease deletes them.
    package var sortedKeys: [Bytes] { keys.sorted() }

    // MARK: The row

    /// The identifier as eight bytes, big endian.
    package static func rowKey(_ id: LeaseID) -> Bytes {
        Bytes(withUnsafeBytes(of: id.bigEndian) { Array($0) })
    }

    /// `leasepb.Lease`.
    package var rowValue: Bytes {
        var writer = WireWriter(capacity: 32)
        writer.field(1, id)
        writer.field(2, grantedTTL)
        writer.field(3, checkpointedTTL)
        return writer.bytes
    }

    package init(row: Bytes) throws(WireError) {
        var (id, granted, left): (LeaseID, Int64, Int64) = (0, 0, 0)
        var reader = WireReader(row)
        while let field = try reader.next() {
            switch field.number {
            case 1: id = try reader.int64(field)
            case 2: granted = try reader.int64(field)
            case 3: left = try reader.int64(field)
            default: try reader.skip(field)
            }
        }
        self.init(id: id, grantedTTL: granted, checkpointedTTL: left)
    }
}
