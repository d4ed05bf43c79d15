// Which cluster version the leader may set, and which downgrade is allowed.

package import Base

package enum VersionRules {
    /// The version a cluster of one member starts at: this release's, unless a ceiling was given.
    package static func initialClusterVersion(ceiling: SemanticVersion?) -> SemanticVersion {
        let own = SemanticVersion.server.withoutPatch
        guard let ceiling else { return own }
        return min(own, ceiling.withoutPatch)
    }

    /// The version the leader should set next, or nil to leave it: the lowest of the members' versions, never above
    /// the ceiling, never below what is in force unless a downgrade to it is under way.
    package static func nextClusterVersion(
        current: SemanticVersion?,
        lowestMember: SemanticVersion,
        downgrade: DowngradeState,
        ceiling: SemanticVersion?
    ) -> SemanticVersion? {
        if downgrade.isEnabled, let target = SemanticVersion(downgrade.targetVersion) {
            return current == target ? nil : target
        }
        var wanted = lowestMember.withoutPatch
        if let ceiling { wanted = min(wanted, ceiling.withoutPatch) }
        guard let current else { return wanted }
        return wanted > current ? wanted : nil
    }

    /// One minor down within the major is the only step allowed.
    package static func isAllowedDowngrade(from cluster: SemanticVersion, to target: SemanticVersion) -> Bool {
        target.major == cluster.major && target.minor == cluster.minor - 1
    }
}
