// The leader's look at the members' versions: it settles the cluster's version, and ends a downgrade that is done.

import Base
import EtcdAPI
import EtcdWire
import Membership
import NIOCore
import PeerTransport
import Raft
import ServerConfiguration
import ServerLog
import StateMachine

/// Confined to the member's loop.
final class VersionMonitor {
    private unowned let member: MemberLoop
    private var isAsking = false
    /// As etcd: a second less than a peer connection may be silent.
    static let interval: TimeAmount = .seconds(4)

    init(_ member: MemberLoop) {
        self.member = member
    }

    private var ceiling: SemanticVersion? {
        member.configuration.cluster.versionCeiling.flatMap { SemanticVersion($0.rawValue, minorIsEnough: true) }
    }

    /// Raises the cluster's version to the lowest of the members', or lowers it for a downgrade.
    func settleClusterVersion() {
        guard member.raftStatus.lead == member.memberID else { return }
        survey { [self] lowest in
            guard member.raftStatus.lead == member.memberID else { return }
            let current = member.membership.clusterVersion
            guard
                let next = VersionRules.nextClusterVersion(
                    current: current, lowestMember: lowest, downgrade: member.membership.downgrade, ceiling: ceiling)
            else { return }
            if let current {
                member.logger.info(
                    "updating cluster version using v3 API",
                    [.string("from", current.minorDescription), .string("to", next.minorDescription)])
            } else {
                member.logger.info(
                    "setting up initial cluster version using v3 API", [.string("cluster-version", next.minorDescription)])
            }
            member.lane.proposeInternally(.clusterVersionSet(ClusterVersionSetRequest(version: next.description)))
            member.scheduleTurn()
        }
    }

    /// A downgrade is over when all members run the version it was for.
    func endDowngrade() {
        let downgrade = member.membership.downgrade
        guard member.raftStatus.lead == member.memberID, downgrade.isEnabled,
            let target = SemanticVersion(downgrade.targetVersion)
        else { return }
        surveyAll { [self] versions in
            guard member.membership.downgrade.isEnabled, versions.allSatisfy({ $0?.withoutPatch == target.withoutPatch }) else { return }
            member.logger.info("the cluster has been downgraded", [.string("cluster-version", target.description)])
            member.lane.proposeInternally(.downgradeInfoSet(DowngradeInfoSetRequest()))
            member.scheduleTurn()
        }
    }

    /// - Parameter body: told the lowest version, or nil while a member's is unknown.
    private func survey(_ body: @escaping (SemanticVersion?) -> Void) {
        surveyAll { versions in
            let known = versions.compactMap { $0 }
            body(known.count == versions.count ? known.min() : nil)
        }
    }

    private func surveyAll(_ body: @escaping ([SemanticVersion?]) -> Void) {
        let others = member.membership.members.filter { $0.id != member.memberID }
        if others.isEmpty { return body([.server]) }
        guard !isAsking, let client = member.transport?.client else { return }
        isAsking = true
        MemberSurvey(client: client, timeout: member.requestTimeout).ask(others, "GET", "/version") { [weak self] answers in
            guard let self else { return }
            isAsking = false
            let versions = answers.map { member, answer -> SemanticVersion? in
                let version = answer.flatMap { try? JSONValue(parsing: $0.body) }?["etcdserver"]?.string.flatMap { SemanticVersion($0) }
                if version == nil {
                    self.member.logger.warn("failed to get version", [.string("remote-member-id", hexadecimal(member.id))])
                } else if let version, version > .server {
                    self.member.logger.warn(
                        "leader found higher-versioned member",
                        [
                            .string("local-member-version", SemanticVersion.server.description),
                            .string("remote-member-id", hexadecimal(member.id)),
                            .string("remote-member-version", version.description),
                        ])
                }
                return version
            }
            body(versions + [.server])
        }
    }
}
