// Members and versions.

import Backend
import Base
package import EtcdWire
package import Membership
package import RaftWire

extension StateMachine {
    // MARK: Members

    mutating func applyConfigurationChange(_ entry: Entry, _ applied: inout Applied) {
        let change: ConfChange
        do {
            change = try ConfChange(decoding: entry.data)
        } catch {
            events.append(.malformedEntry(index: entry.index, reason: "no configuration change"))
            applied.configurationChange = ConfChangeV2(changes: [])
            return
        }
        do throws(MembershipError) {
            try carryOut(change, &applied)
            applied.configurationChange = change.asV2
            applied.reply = AppliedReply(requestID: change.id, outcome: .success(Reply(revision: nil)))
        } catch {
            // Raft must still hear that the entry is done: a change of no member.
            var nothing = change
            nothing.nodeID = 0
            applied.configurationChange = nothing.asV2
            events.append(.configurationRefused("\(error)"))
            applied.reply = AppliedReply(requestID: change.id, outcome: .failure(EtcdError(error)))
        }
    }

    private mutating func carryOut(_ change: ConfChange, _ applied: inout Applied) throws(MembershipError) {
        switch change.type {
        case .addNode, .addLearnerNode:
            let context = try context(of: change)
            if context.isPromotion {
                try membership.checkPromotion(of: change.nodeID)
                if let member = membership.update(change.nodeID, { $0.isLearner = false }) { save(member) }
                events.append(.memberPromoted(change.nodeID))
            } else {
                var member = context.member
                member.isLearner = change.type == .addLearnerNode
                // The members that a cluster begins with come from the log, too, and are known already.
                if membership.member(member.id) == nil {
                    try membership.checkAddition(of: member, learnersMax: limits.learnersMax)
                }
                membership.insert(member)
                save(member)
                events.append(.memberAdded(member))
            }
        case .removeNode:
            try membership.checkRemoval(of: change.nodeID)
            let member = membership.remove(change.nodeID)
            backend.delete(.members, key: Member.rowKey(change.nodeID))
            backend.put(.membersRemoved, key: Member.rowKey(change.nodeID), value: Membership.removedValue)
            events.append(.memberRemoved(change.nodeID, member))
            applied.removesLocalMember = change.nodeID == membership.localID
        case .updateNode:
            let urls = try context(of: change).member.peerURLs
            try membership.checkUpdate(of: change.nodeID, peerURLs: urls)
            if let member = membership.update(change.nodeID, { $0.peerURLs = urls }) {
                save(member)
                events.append(.memberUpdated(member))
            }
        }
    }

    private func context(of change: ConfChange) throws(MembershipError) -> ConfigurationChangeContext {
        guard let json = try? JSONValue(parsing: change.context), let context = ConfigurationChangeContext(json: json),
            context.member.id == change.nodeID
        else { throw .malformedContext }
        return context
    }

    mutating func save(_ member: Member) {
        backend.put(.members, key: member.rowKey, value: member.rowValue)
    }

    /// Raft's configuration as the file keeps it.
    package mutating func setConfState(_ state: ConfState) {
        func list(_ ids: [MemberID]) -> JSONValue { .array(ids.map { .unsigned($0) }) }
        var members: [JSONValue.Member] = []
        func add(_ key: String, _ ids: [MemberID]) {
            if !ids.isEmpty { members.append(.init(key: key, value: list(ids))) }
        }
        add("voters", state.voters)
        add("learners", state.learners)
        add("voters_outgoing", state.votersOutgoing)
        add("learners_next", state.learnersNext)
        members.append(.init(key: "auto_leave", value: .bool(state.autoLeave)))
        backend.put(.meta, key: MetaKey.confState, value: Bytes(JSONValue.object(members).encoded))
    }

    mutating func publish(_ id: MemberID, name: String, clientURLs: [String]) {
        let member = membership.update(id) { member in
            member.name = name
            member.clientURLs = clientURLs
        }
        guard let member else { return }
        save(member)
        events.append(.memberPublished(member))
    }

    // MARK: Versions

    mutating func setClusterVersion(_ version: SemanticVersion) {
        events.append(.clusterVersionSet(from: membership.clusterVersion, to: version))
        membership.clusterVersion = version
        backend.put(.cluster, key: Membership.clusterVersionKey, value: Bytes(version.description))
        followClusterVersion(version)
    }

    /// The file's schema follows the cluster's version, one minor at a time.
    private mutating func followClusterVersion(_ version: SemanticVersion) {
        let first = SemanticVersion(3, 6)
        let target = version.withoutPatch < first ? nil : min(version.withoutPatch, SemanticVersion.server.withoutPatch)
        guard target != storageVersion else { return }
        events.append(.storageVersionDiffers(cluster: version, storage: storageVersion))
        if let target {
            if storageVersion == nil, target > first { events.append(.storageVersionSet(first)) }
            backend.put(.meta, key: MetaKey.storageVersion, value: Bytes(target.description))
        } else {
            backend.delete(.meta, key: MetaKey.storageVersion)
        }
        storageVersion = target
        events.append(.storageVersionSet(target))
    }

    mutating func setDowngrade(_ state: DowngradeState) {
        membership.downgrade = state
        backend.put(.cluster, key: Membership.downgradeKey, value: state.rowValue)
        events.append(.downgradeSet(state))
    }
}

extension EtcdError {
    package init(_ error: MembershipError) {
        self =
            switch error {
            case .idRemoved, .idNotFound: .memberNotFound
            case .idExists: .memberExist
            case .peerURLExists: .peerURLExist
            case .notLearner: .memberNotLearner
            case .tooManyLearners: .tooManyLearners
            case .malformedContext: .unknownMethod
            }
    }
}
