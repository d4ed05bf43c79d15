// Membership in the backend's buckets `members`, `members_removed` and `cluster` (3.5 and later), as rows.

package import Base

/// The rows of the three buckets.
package struct MembershipRows: Sendable {
    package var members: [(key: Bytes, value: Bytes)] = []
    package var removed: [Bytes] = []
    package var clusterVersion: Bytes?
    package var downgrade: Bytes?

    package init() {}
}

/// A row that is no member, or a version that is none.
package struct MembershipRowError: Error, Sendable, Equatable {
    package var bucket: String
    package var key: String
    package var reason: String
}

extension Member {
    /// The row's key: the identifier in lower-case hexadecimal, unpadded.
    package static func rowKey(_ id: MemberID) -> Bytes { Bytes(hexadecimal(id)) }
    package var rowKey: Bytes { Self.rowKey(id) }
    package var rowValue: Bytes { Bytes(json.encoded) }
}

extension Membership {
    package static let clusterVersionKey: Bytes = "clusterVersion"
    package static let downgradeKey: Bytes = "downgrade"
    /// The value of every row of `members_removed`.
    package static let removedValue: Bytes = "removed"

    /// What the rows say; the identifiers come from the WAL's metadata.
    package init(clusterID: ClusterID, localID: MemberID, rows: MembershipRows) throws(MembershipRowError) {
        self.init(clusterID: clusterID, localID: localID)
        for (key, value) in rows.members {
            let member: Member?
            do { member = Member(json: try JSONValue(parsing: value)) } catch { member = nil }
            guard let member, member.rowKey == key else {
                throw MembershipRowError(bucket: "members", key: key.description, reason: "not a member's JSON")
            }
            insert(member)
        }
        for key in rows.removed {
            guard let id = UInt64(key.description, radix: 16) else {
                throw MembershipRowError(bucket: "members_removed", key: key.description, reason: "not an identifier")
            }
            remove(id)
        }
        if let text = rows.clusterVersion {
            guard let version = SemanticVersion(text.description) else {
                throw MembershipRowError(bucket: "cluster", key: "clusterVersion", reason: "not a version: \(text)")
            }
            clusterVersion = version
        }
        if let text = rows.downgrade {
            guard let json = try? JSONValue(parsing: text) else {
                throw MembershipRowError(bucket: "cluster", key: "downgrade", reason: "not JSON")
            }
            downgrade = DowngradeState(
                targetVersion: json["target-version"]?.string ?? "",
                isEnabled: json["enabled"]?.bool ?? false
            )
        }
    }
}

extension DowngradeState {
    package var rowValue: Bytes {
        Bytes(
            JSONValue.object([
                "target-version": .string(targetVersion), "enabled": .bool(isEnabled),
            ]).encoded
        )
    }
}
