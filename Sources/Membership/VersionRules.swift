// Which cluster version the leader may set, and which downgrade is allowed.

package import Base

package enum VersionRules {
    /// What a cluster is at until its members' versions are known.
    package static let floor = SemanticVersion(3, 0)

    /// The version the leader should set next, or nil to leave it: the lowest of the members' versions, never above
    /// the ceiling, never below what is in force unless a downgrade to it is under way.
    /// - Parameter lowestMember: nil while a member's version is unknown.
    package static func nextClusterVersion(
        current: SemanticVersion?,
        lowestMember: SemanticVersion?,
        downgrade: DowngradeState,
        ceiling: SemanticVersion?
    ) -> SemanticVersion? {
        guard let current else { return capped(lowestMember ?? floor, ceiling) }
        guard let lowestMember else { return nil }
        if downgrade.isEnabled, let target = SemanticVersion(downgrade.targetVersion) {
            guard target != current, isAllowedDowngrade(from: current, to: target) else { return nil }
            let lowest = lowestMember.withoutPatch
            return lowest == target || isAllowedDowngrade(from: lowest, to: target) ? target : nil
        }
        let wanted = capped(lowestMember, ceiling)
        return wanted > current && wanted.major == current.major ? wanted : nil
    }

    private static func capped(_ version: SemanticVersion, _ ceiling: SemanticVersion?) -> SemanticVersion {
        guard let ceiling else { return version.withoutPatch }
        return min(version.withoutPatch, ceiling.withoutPatch)
    }

    /// One minor down within the major is the only step allowed.
    package static func isAllowedDowngrade(from cluster: SemanticVersion, to target: SemanticVersion) -> Bool {
        target.major == cluster.major && target.minor == cluster.minor - 1
    }
}
