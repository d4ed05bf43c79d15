// The names of numbers. Plain integers, as raft does arithmetic on most of them; the alias says which one is meant.

/// A member of the cluster, or 0 for none.
package typealias MemberID = UInt64
/// The cluster, derived from its first members.
package typealias ClusterID = UInt64
/// A lease; negative ones exist, 0 is none.
package typealias LeaseID = Int64
/// Raft time.
package typealias Term = UInt64
/// A position in the raft log; the first entry has 1.
package typealias LogIndex = UInt64

/// A position in the store's history: `main` counts transactions, `sub` the changes within one.
package struct Revision: Sendable, Hashable, Comparable {
    package var main: Int64
    package var sub: Int64

    @inlinable
    package init(main: Int64, sub: Int64 = 0) {
        self.main = main
        self.sub = sub
    }

    @inlinable
    package static func < (left: Revision, right: Revision) -> Bool {
        left.main != right.main ? left.main < right.main : left.sub < right.sub
    }
}

/// A range of keys as etcd's requests write it: one key, `[key, end)`, or everything from `key` on.
package struct KeyRange: Sendable, Hashable {
    package var key: Bytes
    /// Empty: just `key`. One zero byte: no upper bound.
    package var end: Bytes

    package init(key: Bytes, end: Bytes = Bytes()) {
        self.key = key
        self.end = end
    }

    package var isSingleKey: Bool { end.isEmpty }
    package var isUnbounded: Bool { end.count == 1 && end[0] == 0 }

    package func contains(_ candidate: Bytes) -> Bool {
        if isSingleKey { return candidate == key }
        return candidate >= key && (isUnbounded || candidate < end)
    }
}
