// Changes of the membership: what is checked before they enter the log, and what the caller is told when they are applied.

package import Base
package import EtcdWire
package import Membership
import Raft
import RaftWire
import Replica
import StateMachine
import Wire

extension FrontLane {
    /// A learner's log must have reached this share of the leader's to be promoted.
    private static let readyShare = 0.9

    func addMember(_ urls: [String], isLearner: Bool, _ metadata: CallMetadata, _ sink: any ReplySink) throws(EtcdError) {
        if urls.isEmpty || !urls.allSatisfy(Self.isPeerURL) { throw .memberBadURLs }
        try member.authorize(.administration, metadata)
        // As etcd: the cluster's token has no part in the identifiers of members that come later.
        let id = Member.identifier(peerURLs: urls, token: "", addedAt: member.unixSeconds)
        let added = Member(id: id, peerURLs: urls.sorted(), isLearner: isLearner)
        try checkAddition(isLearner: isLearner)
        let change = ConfChange(
            type: isLearner ? .addLearnerNode : .addNode, nodeID: id, context: Bytes(added.json.encoded))
        propose(change) { outcome, lane in
            if case .failure(let error) = outcome { return sink.finish(error) }
            var writer = WireWriter()
            writer.explicit(2, Self.encoded(added))
            writer.append(Self.memberList(lane.member.membership.members, field: 3))
            sink.succeed(lane.message(nil, writer.bytes))
        }
    }

    func removeMember(_ id: MemberID, _ metadata: CallMetadata, _ sink: any ReplySink) throws(EtcdError) {
        try member.authorize(.administration, metadata)
        try checkRemoval(id)
        propose(ConfChange(type: .removeNode, nodeID: id), answeringMembers: sink)
    }

    func updateMember(_ id: MemberID, _ urls: [String], _ metadata: CallMetadata, _ sink: any ReplySink) throws(EtcdError) {
        if !urls.allSatisfy(Self.isPeerURL) { throw .memberBadURLs }
        try member.authorize(.administration, metadata)
        let updated = Member(id: id, peerURLs: urls.sorted())
        propose(ConfChange(type: .updateNode, nodeID: id, context: Bytes(updated.json.encoded)), answeringMembers: sink)
    }

    private func propose(_ change: ConfChange, answeringMembers sink: any ReplySink) {
        propose(change) { outcome, lane in
            if case .failure(let error) = outcome { return sink.finish(error) }
            sink.succeed(lane.message(nil, Self.memberList(lane.member.membership.members, field: 2)))
        }
    }

    // MARK: Promotion: only the leader knows whether the learner is ready

    /// - Parameter finish: the members after it, or why not.
    package func promote(
        _ id: MemberID, _ metadata: CallMetadata,
        _ finish: @escaping (Result<[Member], EtcdError>) -> Void
    ) {
        attemptPromotion(id, metadata, deadline: now + settings.requestTimeout) { [self] outcome in
            if case .failure(let error) = outcome { tally.promotionFailures.append(Self.promotionFailure(error)) }
            finish(outcome)
        }
    }

    /// What etcd's counter of failed promotions is labelled with.
    private static func promotionFailure(_ error: EtcdError) -> String {
        switch error {
        case .memberNotFound: "membership: ID not found"
        case .memberNotLearner: "membership: can only promote a learner member"
        default: error.message
        }
    }

    private func attemptPromotion(
        _ id: MemberID, _ metadata: CallMetadata, deadline: Instant,
        _ finish: @escaping (Result<[Member], EtcdError>) -> Void
    ) {
        if isStopped { return finish(.failure(.stopped)) }
        do throws(EtcdError) {
            try member.authorize(.administration, metadata)
            if now >= deadline { throw .timeout }
            let status = member.raftStatus
            if status.lead == settings.memberID, member.appliedIndex >= status.commit {
                try checkPromotion(id)
                let promoted = ConfigurationChangeContext(member: Member(id: id, peerURLs: []), isPromotion: true)
                let change = ConfChange(type: .addNode, nodeID: id, context: Bytes(promoted.json.encoded))
                return propose(change) { outcome, lane in
                    if case .success = outcome { lane.tally.promotions += 1 }
                    finish(outcome.map { _ in lane.member.membership.members })
                }
            }
            let again: () -> Void = { [self] in attemptPromotion(id, metadata, deadline: deadline, finish) }
            if status.lead == 0 || status.lead == settings.memberID { return retry(again) }
            ask(.promote(id, token: metadata.token)) { [self] answer in
                switch answer {
                case .answered(200, let body): finish(.success(Self.members(json: body)))
                case .answered(404, _): finish(.failure(.memberNotFound))
                case .answered(412, let body):
                    let isBehind = body.description.contains(EtcdError.learnerNotReady.message)
                    finish(.failure(isBehind ? .learnerNotReady : .memberNotLearner))
                default: retry(again)
                }
            }
        } catch {
            finish(.failure(error))
        }
    }

    private static func members(json: Bytes) -> [Member] {
        ((try? JSONValue(parsing: json))?.array ?? []).compactMap { Member(json: $0) }
    }

    // MARK: Checks that protect the quorum

    private func checkAddition(isLearner: Bool) throws(EtcdError) {
        guard settings.checksReconfiguration else { return }
        let voters = member.membership.voters
        let started = voters.count { $0.isStarted }
        // Adding the second member is how a cluster of one grows.
        if !isLearner, !(started == 1 && voters.count == 1), started < (voters.count + 1) / 2 + 1 {
            throw .memberNotEnoughStarted
        }
        if voters.count > 1, connectedVoters(voters) < (voters.count + 1) / 2 + 1 { throw .unhealthy }
    }

    private func checkRemoval(_ id: MemberID) throws(EtcdError) {
        guard settings.checksReconfiguration else { return }
        if member.membership.member(id)?.isLearner == true { return }
        let voters = member.membership.voters
        let left = voters.filter { $0.id != id }
        if left.count(where: { $0.isStarted }) < left.count / 2 + 1 { throw .memberNotEnoughStarted }
        // Who is gone is no part of the quorum that is there.
        if id != settings.memberID, member.activeSince(id) == nil { return }
        if connectedVoters(voters) - 1 < 1 + (voters.count - 1) / 2 { throw .unhealthy }
    }

    private func checkPromotion(_ id: MemberID) throws(EtcdError) {
        let progress = member.fullRaftStatus.progress
        guard let learner = progress[id], let leader = progress[settings.memberID] else { throw .memberNotFound }
        if Double(learner.match) < Double(leader.match) * Self.readyShare { throw .learnerNotReady }
        guard settings.checksReconfiguration else { return }
        let voters = member.membership.voters
        if voters.count(where: { $0.isStarted }) + 1 < (voters.count + 1) / 2 + 1 { throw .memberNotEnoughStarted }
    }

    private func connectedVoters(_ voters: [Member]) -> Int {
        connected(voters, since: now + (.zero - Self.healthInterval))
    }

    // MARK: Messages

    /// As much of etcd's rule as text alone shows: a scheme, and a host with a port behind it.
    private static func isPeerURL(_ text: String) -> Bool {
        guard let scheme = ["http://", "https://", "unix://", "unixs://"].first(where: text.hasPrefix) else { return false }
        let host = text.dropFirst(scheme.count)
        guard !host.contains("/"), let colon = host.lastIndex(of: ":") else { return false }
        let port = host[host.index(after: colon)...]
        return !port.isEmpty && port.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    static func memberList(_ members: [Member], field: Int) -> Bytes {
        var writer = WireWriter()
        for member in members { writer.explicit(field, encoded(member)) }
        return writer.bytes
    }

    private static func encoded(_ member: Member) -> Bytes {
        var writer = WireWriter()
        writer.field(1, member.id)
        writer.field(2, member.name)
        for url in member.peerURLs { writer.explicit(3, url) }
        for url in member.clientURLs { writer.explicit(4, url) }
        writer.field(5, member.isLearner)
        return writer.bytes
    }
}
