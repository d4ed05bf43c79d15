// Who belongs to the cluster, and at which version it runs: a value that StateMachine changes and stores.
//
// Invariants: an identifier is in `members` or in `removed`, never in both; once removed it never returns.

package import Base

/// A downgrade under way.
package struct DowngradeState: Sendable, Equatable {
    /// Text such as "3.6.0"; empty if none is under way.
    package var targetVersion: String
    package var isEnabled: Bool

    package init(targetVersion: String = "", isEnabled: Bool = false) {
        self.targetVersion = targetVersion
        self.isEnabled = isEnabled
    }
}

package struct Membership: Sendable, Equatable {
    package let clusterID: ClusterID
    package let localID: MemberID
    /// Ascending by identifier, as etcd lists them.
    package private(set) var members: [Member]
    package private(set) var removed: Set<MemberID>
    /// Nil until the leader has decided it.
    package var clusterVersion: SemanticVersion?
    package var downgrade: DowngradeState

    package init(
        clusterID: ClusterID,
        localID: MemberID,
        members: [Member] = [],
        removed: Set<MemberID> = [],
        clusterVersion: SemanticVersion? = nil,
        downgrade: DowngradeState = DowngradeState()
    ) {
        self.clusterID = clusterID
        self.localID = localID
        self.members = members.sorted { $0.id < $1.id }
        self.removed = removed
        self.clusterVersion = clusterVersion
        self.downgrade = downgrade
    }

    package func member(_ id: MemberID) -> Member? { members.first { $0.id == id } }

    package var local: Member? { member(localID) }
    package var isLocalLearner: Bool { local?.isLearner ?? false }
    package var voters: [Member] { members.filter { !$0.isLearner } }
    package var learners: [Member] { members.filter(\.isLearner) }

    // MARK: Changes; the caller stores what they return

    package mutating func insert(_ member: Member) {
        members.removeAll { $0.id == member.id }
        let place = members.firstIndex { $0.id > member.id } ?? members.endIndex
        members.insert(member, at: place)
    }

    /// The member that went, or nil if there was none.
    @discardableResult
    package mutating func remove(_ id: MemberID) -> Member? {
        removed.insert(id)
        guard let place = members.firstIndex(where: { $0.id == id }) else { return nil }
        return members.remove(at: place)
    }

    /// Changes one member in place; nil if there is none of that identifier.
    package mutating func update(_ id: MemberID, _ change: (inout Member) -> Void) -> Member? {
        guard let place = members.firstIndex(where: { $0.id == id }) else { return nil }
        change(&members[place])
        return members[place]
    }
}

// MARK: - Checks before a change

/// Why a change of the configuration is refused.
package enum MembershipError: Error, Sendable, Equatable {
    case idRemoved
    case idExists
    case idNotFound
    case peerURLExists
    case notLearner
    case tooManyLearners
    case malformedContext
}

extension Membership {
    /// Refuses an addition that names a known or removed member, a taken peer URL, or a learner too many.
    package func checkAddition(of member: Member, learnersMax: Int) throws(MembershipError) {
        if removed.contains(member.id) { throw .idRemoved }
        if self.member(member.id) != nil { throw .idExists }
        try checkPeerURLs(member.peerURLs, except: nil)
        if member.isLearner && learners.count >= learnersMax { throw .tooManyLearners }
    }

    package func checkRemoval(of id: MemberID) throws(MembershipError) {
        if removed.contains(id) { throw .idRemoved }
        if member(id) == nil { throw .idNotFound }
    }

    package func checkPromotion(of id: MemberID) throws(MembershipError) {
        if removed.contains(id) { throw .idRemoved }
        guard let member = member(id) else { throw .idNotFound }
        if !member.isLearner { throw .notLearner }
    }

    package func checkUpdate(of id: MemberID, peerURLs: [String]) throws(MembershipError) {
        if removed.contains(id) { throw .idRemoved }
        if member(id) == nil { throw .idNotFound }
        try checkPeerURLs(peerURLs, except: id)
    }

    private func checkPeerURLs(_ urls: [String], except: MemberID?) throws(MembershipError) {
        for member in members where member.id != except {
            if member.peerURLs.contains(where: urls.contains) { throw .peerURLExists }
        }
    }
}
