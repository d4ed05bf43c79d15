// The buckets of etcd's backend and the keys of its `meta` bucket.

package import Base

package enum Bucket: Int, Sendable, CaseIterable {
    // In order of their names, the order in which the backend's hash takes them.
    case alarm, auth, authRoles, authUsers, cluster, key, lease, members, membersRemoved, meta

    package var name: Bytes {
        switch self {
        case .alarm: "alarm"
        case .auth: "auth"
        case .authRoles: "authRoles"
        case .authUsers: "authUsers"
        case .cluster: "cluster"
        case .key: "key"
        case .lease: "lease"
        case .members: "members"
        case .membersRemoved: "members_removed"
        case .meta: "meta"
        }
    }
}

/// Keys of the `meta` bucket.
package enum MetaKey {
    package static let consistentIndex: Bytes = "consistent_index"
    package static let term: Bytes = "term"
    package static let confState: Bytes = "confState"
    package static let storageVersion: Bytes = "storageVersion"
    package static let scheduledCompactRevision: Bytes = "scheduledCompactRev"
    package static let finishedCompactRevision: Bytes = "finishedCompactRev"
}

/// The key of a row in bucket `key`: main revision, `_`, sub revision, big endian; a tombstone's has a `t` behind it.
package struct RevisionKey: Sendable, Hashable, Comparable {
    package var revision: Revision
    package var isTombstone: Bool

    package static let size = 17

    package init(_ revision: Revision, isTombstone: Bool = false) {
        self.revision = revision
        self.isTombstone = isTombstone
    }

    /// Nil where the bytes are no such key.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.size || (bytes.count == Self.size + 1 && bytes[Self.size] == UInt8(ascii: "t")),
            bytes[8] == UInt8(ascii: "_")
        else { return nil }
        revision = Revision(
            main: Int64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: Int64.self)),
            sub: Int64(bigEndian: bytes.loadUnaligned(fromByteOffset: 9, as: Int64.self))
        )
        isTombstone = bytes.count > Self.size
    }

    package init?(_ bytes: Bytes) {
        guard let key = bytes.withUnsafeBytes({ RevisionKey($0) }) else { return nil }
        self = key
    }

    package func append(to array: inout [UInt8]) {
        withUnsafeBytes(of: revision.main.bigEndian) { array.append(contentsOf: $0) }
        array.append(UInt8(ascii: "_"))
        withUnsafeBytes(of: revision.sub.bigEndian) { array.append(contentsOf: $0) }
        if isTombstone { array.append(UInt8(ascii: "t")) }
    }

    package var bytes: Bytes {
        var array: [UInt8] = []
        array.reserveCapacity(Self.size + 1)
        append(to: &array)
        return Bytes(array)
    }

    package static func < (left: RevisionKey, right: RevisionKey) -> Bool {
        left.revision != right.revision ? left.revision < right.revision : !left.isTombstone && right.isTombstone
    }
}
