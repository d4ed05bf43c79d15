// What a member does of its own accord: publishes itself, settles the cluster's version, raises alarms, lets leases
// expire, compacts on schedule, deletes old files.

import Auth
import Backend
import Base
import EtcdAPI
import EtcdWire
import FileIO
import FoundationEssentials
import Lease
import Membership
import MVCC
import NIOCore
import Raft
import RaftLog
import Replica
import ServerConfiguration
import ServerLog
import StateMachine

/// What the monitors remember between looks.
struct MonitorState {
    var isReady = false
    var hasPublished = false
    var leaderChanges = 0
    var hasRaisedNoSpace = false
    var compactor: AutoCompactor?
    /// Those under way, by revision.
    var compactions: [Int64: RunningCompaction] = [:]
    var lastLeader: MemberID = 0
    /// The last term in which this member led and had applied all of its predecessors' entries.
    var settledTerm: Term = 0
    var publishedAt = Instant(nanoseconds: 0)
    /// When this member, as leader, sent each of the others its last heartbeat.
    var heartbeats: [MemberID: Instant] = [:]
}

extension MemberLoop {
    // MARK: Leadership

    func statusChanged(_ status: RaftBasicStatus) {
        let now = Self.now()
        if status.lead != 0, status.lead != monitors.lastLeader { monitors.leaderChanges += 1 }
        if status.lead != monitors.lastLeader {
            monitors.lastLeader = status.lead
            lane.leaderChanged(status, now: now)
            scheduleTurn()
        }
        if status.role != .leader { monitors.heartbeats = [:] }
        if status.role != .leader, replica.apply.state.lessor.isPrimary { replica.apply.state.lessor.demote() }
        if status.lead != 0, !monitors.hasPublished { publish(now) }
    }

    /// A leader knows what earlier ones granted, and what was decided, once it has applied an entry of its own term.
    func noteFirstCommit() {
        let status = raftStatus
        guard status.role == .leader, monitors.settledTerm != status.term,
            replica.apply.state.backend.consistentTerm == status.term
        else { return }
        monitors.settledTerm = status.term
        let extra = Duration.milliseconds(Int64(configuration.raft.electionMilliseconds))
        replica.apply.state.lessor.promote(extension: extra, now: Self.now())
        peerSide?.versions.settleClusterVersion()
        scheduleTurn()
    }

    /// Tells the cluster this member's name and client URLs; serving begins when that is applied.
    private func publish(_ now: Instant) {
        monitors.publishedAt = now
        lane.proposeInternally(
            .clusterMemberAttributesSet(
                ClusterMemberAttributesSetRequest(
                    memberID: memberID,
                    attributes: MemberAttributes(name: configuration.name, clientURLs: advertisedClientURLs))))
    }

    private var advertisedClientURLs: [String] { configuration.listen.advertiseClientURLs.map(\.description) }

    /// What a joining member says of itself is often older than the snapshot that it gets: nobody applies the entry here then,
    /// and it would be told once more after the request's time.
    func publishedBySnapshot() {
        guard let own = membership.member(memberID), own.name == configuration.name, own.clientURLs == advertisedClientURLs
        else { return }
        published(own)
    }

    // MARK: News of the state machine

    func handle(_ event: StateEvent) {
        membershipChanged(event)
        let ids: [LogField] = [
            .string("cluster-id", hexadecimal(clusterID)), .string("local-member-id", hexadecimal(memberID)),
        ]
        switch event {
        case .memberAdded(let member):
            logger.info(
                "added member",
                ids + [
                    .string("added-peer-id", hexadecimal(member.id)), .strings("added-peer-peer-urls", member.peerURLs),
                    .bool("added-peer-is-learner", member.isLearner),
                ])
        case .memberPromoted(let id):
            logger.info("promote member", ids + [.string("promoted-member-id", hexadecimal(id))])
        case .memberRemoved(let id, let member):
            logger.info(
                "removed member",
                ids + [
                    .string("removed-remote-peer-id", hexadecimal(id)),
                    .strings("removed-remote-peer-urls", member?.peerURLs ?? []),
                ])
        case .memberUpdated(let member):
            logger.info(
                "updated member",
                ids + [
                    .string("updated-remote-peer-id", hexadecimal(member.id)),
                    .strings("updated-remote-peer-urls", member.peerURLs),
                ])
        case .memberPublished(let member) where member.id == memberID: published(member)
        case .memberPublished: break
        case .configurationRefused(let reason):
            logger.error("Validation on configuration change failed", [.error(reason)])
        case .clusterVersionSet(let from, let to): clusterVersionSet(from, to, ids)
        case .storageVersionDiffers(let cluster, let storage):
            logger.info(
                "cluster version differs from storage version.",
                [
                    .string("cluster-version", cluster.description),
                    .string("storage-version", storage?.description ?? "3.5.0"),
                ])
        case .storageVersionSet(let version):
            logger.info("updated storage version", [.string("new-storage-version", version?.description ?? "3.5.0")])
        case .downgradeSet(let state):
            logger.info(
                "downgrade info set", [.bool("enabled", state.isEnabled), .string("target-version", state.targetVersion)])
        case .alarmsChanged:
            monitors.hasRaisedNoSpace = alarms.contains(.noSpace)
            logger.warn("alarms changed", [.strings("alarms", alarms.members.map { "\(hexadecimal($0.memberID)):\($0.alarm.name)" })])
        case .authChanged(let news): logger.write(news)
        case .quotaExceeded: raiseNoSpace()
        case .compactionBegins(let revision, let before):
            compactionBegins(at: revision, before)
        case .compacted(let revision): compactionFinished(revision)
        case .malformedEntry(let index, let reason):
            logger.error("an entry of the log could not be read", [.uint("index", index), .error(reason)])
        }
    }

    private func published(_ member: Member) {
        guard !monitors.hasPublished, raftStatus.lead != 0 else { return }
        monitors.hasPublished = true
        logger.info(
            "published local member to cluster through raft",
            [
                .string("local-member-id", hexadecimal(memberID)),
                .string(
                    "local-member-attributes",
                    "{Name:\(member.name) ClientURLs:[\(member.clientURLs.joined(separator: " "))]}"),
                .string("cluster-id", hexadecimal(clusterID)), .duration("publish-timeout", configuration.raft.requestTimeout),
            ])
        monitors.isReady = true
        logger.info("ready to serve client requests")
        logger.info("grpc service status changed", [.string("service", ""), .string("status", "SERVING")])
        whenReady?()
        whenReady = nil
    }

    private func clusterVersionSet(_ from: SemanticVersion?, _ to: SemanticVersion, _ ids: [LogField]) {
        let text = to.minorDescription
        if let from {
            logger.info(
                "updated cluster version", ids + [.string("from", from.minorDescription), .string("to", text)])
        } else {
            logger.info("set initial cluster version", ids + [.string("cluster-version", text)])
        }
        logger.info("enabled capabilities for version", [.string("cluster-version", text)])
        logger.info("cluster version is updated", [.string("cluster-version", text)])
        // A lower version must find a snapshot without what it does not know.
        if let from, to < from {
            logger.info(
                "Cluster version downgrade detected, forcing snapshot",
                [.string("prev-cluster-version", from.description), .string("new-cluster-version", to.description)])
            replica.triggerSnapshot()
        }
    }

    private func raiseNoSpace() {
        guard !monitors.hasRaisedNoSpace else { return }
        monitors.hasRaisedNoSpace = true
        let quota = UInt64(max(0, configuration.storage.effectiveQuotaBytes ?? 0))
        logger.warn(
            "message exceeded backend quota; raising alarm",
            [
                .uint("quota-size-bytes", quota), .string("quota-size", humanizedBytes(quota)),
                .error(EtcdError.noSpace.message),
            ])
        lane.proposeInternally(.alarm(AlarmRequest(action: .activate, memberID: memberID, alarm: .noSpace)))
    }

    // MARK: By the clock

    func monitorHalfSecond() {
        let now = Self.now()
        replica.apply.state.tokens.expire(now: now)
        verifiedTokens.forgetRejected()
        // What was published may have been lost with a leader.
        if !monitors.hasPublished, raftStatus.lead != 0,
            now - monitors.publishedAt >= configuration.raft.requestTimeout.duration
        {
            publish(now)
        }
        if replica.apply.state.lessor.isPrimary {
            let expired = replica.apply.state.lessor.expired(now: now, retryAfter: .seconds(7))
            metrics.leasesExpired += UInt64(expired.count)
            lane.revoke(expired: expired, time: Self.now)
            checkpointLeases(now)
        }
        compactOnSchedule(now)
        turn()
    }

    /// Entries of checkpoints that one look may propose, as etcd.
    private static let checkpointBatchesMax = 500

    private func checkpointLeases(_ now: Instant) {
        for _ in 0..<Self.checkpointBatchesMax {
            let due = replica.apply.state.lessor.dueCheckpoints(now: now)
            if due.isEmpty { return }
            let checkpoints = due.map { LeaseCheckpoint(id: $0.id, remainingTTL: $0.remainingTTL) }
            lane.proposeInternally(.leaseCheckpoint(LeaseCheckpointRequest(checkpoints: checkpoints)))
            if due.count < Lessor.checkpointsPerBatchMax { return }
        }
    }

    private func compactOnSchedule(_ now: Instant) {
        if monitors.compactor == nil {
            monitors.compactor = AutoCompactor(configuration.storage.autoCompaction, now: now)
        }
        let leads = replica.apply.state.lessor.isPrimary
        guard let compactor = monitors.compactor,
            let revision = monitors.compactor?.look(now: now, current: view.latestRevision, leads: leads)
        else { return }
        let kind = "auto \(compactor.name) compaction"
        logger.info("starting \(kind)", [.int("revision", revision)])
        lane.proposeInternally(.compaction(CompactionRequest(revision: revision))) { [weak self] outcome, _ in
            guard let self else { return }
            let took = LogField.duration("took", Self.now() - now)
            switch outcome {
            // Who was quicker has done the same.
            case .success, .failure(.compacted):
                monitors.compactor?.compacted(revision, now: Self.now())
                logger.info("completed \(kind)", [.int("revision", revision), took])
            case .failure(let error):
                logger.warn("failed \(kind)", [.int("revision", revision), .error(error.message)])
            }
        }
    }
}
