// The member among others: the transport and what comes of it, the changes of the membership, the way out of the cluster.

import Base
import BBolt
import Dispatch
import EtcdAPI
import FoundationEssentials
import Membership
import NIOCore
import NIOPosix
import PeerTransport
import Raft
import RaftWire
import Replica
import ServerConfiguration
import ServerLog
import StateMachine

/// What the member has for the others.
struct PeerSide {
    let transport: PeerTransport
    let link: PeerLink
    let desk: PeerDesk
    let errands: LeaderErrands
    let versions: VersionMonitor
    let corruption: CorruptionMonitor
    let pool: NIOThreadPool
}

extension MemberLoop {
    var transport: PeerTransport? { peerSide?.transport }
    var requestTimeout: TimeAmount { TimeAmount(configuration.raft.requestTimeout) }

    /// Before the first turn: members are added as the log and the file name them.
    /// - Parameter address: where connections come from; nil for what the system chooses.
    func startPeers(tls: PeerTLS?, from address: SocketAddress?, remotes: [Member]) {
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        let link = PeerLink(self, pool: pool)
        var settings = PeerTransportSettings(
            localID: memberID, clusterID: clusterID, peerURLs: configuration.listen.advertisePeerURLs.map(\.description))
        settings.readTimeout = TimeAmount(configuration.raft.peerReadTimeout)
        settings.writeTimeout = TimeAmount(configuration.raft.peerWriteTimeout)
        settings.dialTimeout = .seconds(1) + .milliseconds(Int64(configuration.raft.electionMilliseconds))
        settings.localAddress = address
        let transport = PeerTransport(settings, eventLoop: eventLoop, tls: tls, delegate: link)
        peerSide = PeerSide(
            transport: transport, link: link, desk: PeerDesk(self), errands: LeaderErrands(self),
            versions: VersionMonitor(self), corruption: CorruptionMonitor(self), pool: pool)
        // A cluster that is joined: its members send at once, long before log or snapshot say who they are.
        for member in remotes where member.id != memberID { transport.addPeer(member.id, urls: member.peerURLs) }
        addMembersAsPeers()
        lane.isLearner = membership.isLocalLearner
    }

    private func addMembersAsPeers() {
        for member in membership.members where member.id != memberID {
            transport?.addPeer(member.id, urls: member.peerURLs)
        }
    }

    // MARK: In and out

    /// What has come from the others since the last turn.
    func takePeerNews() {
        guard let link = peerSide?.link else { return }
        let news = link.takeNews()
        if news.isEmpty { return }
        for message in news.messages { replica.receive(message) }
        for id in news.unreachable { replica.consensus.reportUnreachable(id) }
        for (id, succeeded) in news.snapshots { replica.reportSnapshot(id, success: succeeded) }
    }

    func passToPeers(_ out: ReplicaOutbox) {
        guard let side = peerSide else { return }
        if !out.peers.isEmpty {
            if raftStatus.role == .leader { noteHeartbeats(out.peers) }
            side.transport.send(out.peers)
        }
        for snapshot in out.snapshots {
            side.transport.sendSnapshot(
                snapshot.message, PinnedSnapshot(snapshot.database, pool: side.pool, eventLoop: eventLoop))
        }
    }

    /// Heartbeats that come later than after two intervals: what keeps the leader also puts its leadership in danger.
    private func noteHeartbeats(_ messages: [Message]) {
        var now: Instant?
        for message in messages where message.type == .heartbeat {
            let time = now ?? Self.now()
            now = time
            let interval = Duration.milliseconds(Int64(configuration.raft.heartbeatMilliseconds))
            if let last = monitors.heartbeats.updateValue(time, forKey: message.to), time - last > interval * 2 {
                metrics.lateHeartbeats += 1
                logger.warn(
                    "leader failed to send out heartbeat on time; took too long, leader is overloaded likely from slow disk",
                    [
                        .string("to", hexadecimal(message.to)), .duration("heartbeat-interval", interval),
                        .duration("expected-duration", interval * 2),
                        .duration("exceeded-duration", time - last - interval * 2),
                    ]
                )
            }
        }
    }

    // MARK: Membership

    func membershipChanged(_ event: StateEvent) {
        switch event {
        case .memberAdded(let member) where member.id != memberID: transport?.addPeer(member.id, urls: member.peerURLs)
        case .memberUpdated(let member) where member.id != memberID: transport?.updatePeer(member.id, urls: member.peerURLs)
        case .memberRemoved(let id, _) where id != memberID: forget(id)
        default: break
        }
        lane.isLearner = membership.isLocalLearner
    }

    /// The leader's last words to the removed one, among them that it is removed, should get through.
    private func forget(_ id: MemberID) {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: .seconds(1)) {
            guard !bound.value.isStopping, bound.value.membership.member(id) == nil else { return }
            bound.value.transport?.removePeer(id)
        }
    }

    /// Another state has taken the place of the old one, with other members perhaps.
    func membershipReplaced() {
        transport?.removeAllPeers()
        addMembersAsPeers()
        lane.isLearner = membership.isLocalLearner
        publishedBySnapshot()
    }

    // MARK: The way out

    /// The change that removes this member is applied, or a peer says so.
    func localMemberWasRemoved() {
        guard !isLeaving else { return }
        isLeaving = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        // The others must hear of the commit before.
        eventLoop.scheduleTask(in: .seconds(1)) {
            let member = bound.value
            member.logger.warn(
                "server error", [.error("the member has been permanently removed from the cluster")])
            member.logger.warn("data-dir used by this member must be removed")
            member.whenRemoved?()
        }
    }

    /// On the way to an orderly stop: somebody else leads, if there is anybody.
    /// - Parameter done: told when that is so, or when it was given up.
    func handOver(_ done: @escaping @Sendable () -> Void) {
        let ids: [LogField] = [
            .string("local-member-id", hexadecimal(memberID)), .string("current-leader-member-id", hexadecimal(raftStatus.lead)),
        ]
        guard raftStatus.lead == memberID else {
            logger.info("skipped leadership transfer; local server is not leader", ids)
            return done()
        }
        let voters = membership.voters.map(\.id)
        guard voters.count > 1 else {
            logger.info("skipped leadership transfer for single voting member cluster", ids)
            return done()
        }
        let connected = voters.compactMap { id in transport?.activeSince(id).map { (id, $0) } }
        guard let target = connected.min(by: { $0.1 < $1.1 })?.0 else {
            logger.warn("leadership transfer failed", ids + [.error("etcdserver: unhealthy cluster")])
            return done()
        }
        transferLeadership(to: target, deadline: NIODeadline.now() + requestTimeout, done)
    }

    private func transferLeadership(to target: MemberID, deadline: NIODeadline, _ done: @escaping @Sendable () -> Void) {
        logTransfer("leadership transfer starting", target)
        replica.consensus.transferLeadership(to: target)
        turn()
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleRepeatedTask(initialDelay: .milliseconds(10), delay: .milliseconds(10)) { task in
            let member = bound.value
            let isDone = member.raftStatus.lead == target
            guard isDone || NIODeadline.now() >= deadline else { return }
            task.cancel()
            if isDone { member.logTransfer("leadership transfer finished", target) }
            done()
        }
    }

    private func logTransfer(_ text: String, _ target: MemberID) {
        logger.info(
            text,
            [
                .string("local-member-id", hexadecimal(memberID)),
                .string("current-leader-member-id", hexadecimal(raftStatus.lead)),
                .string("transferee-member-id", hexadecimal(target)),
            ])
    }

    // MARK: The first election

    /// Many ticks at once, when the start of the others need not be awaited: an election timeout's worth but one.
    func advanceTicks() {
        let raft = configuration.raft
        let members = membership.members.count
        if members == 1 {
            logger.info(
                "started as single-node; fast-forwarding election ticks",
                tickFields(ticks: raft.electionTicks - 1))
            return tick(raft.electionTicks - 1)
        }
        guard raft.initialElectionTickAdvance else {
            return logger.info(
                "skipping initial election tick advance",
                [.string("local-member-id", hexadecimal(memberID)), .int("election-ticks", raft.electionTicks)])
        }
        logger.info("starting initial election tick advance", [.int("election-ticks", raft.electionTicks)])
        let deadline = NIODeadline.now() + .seconds(5)
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleRepeatedTask(initialDelay: .milliseconds(50), delay: .milliseconds(50)) { task in
            let member = bound.value
            let active = member.transport?.activePeers ?? 0
            if active > 1 {
                member.logger.info(
                    "initialized peer connections; fast-forwarding election ticks",
                    member.tickFields(ticks: raft.electionTicks - 1) + [.int("active-remote-members", active)])
                member.tick(raft.electionTicks - 1)
            }
            if active > 1 || member.isStopping || NIODeadline.now() >= deadline { task.cancel() }
        }
    }

    private func tickFields(ticks: Int) -> [LogField] {
        let raft = configuration.raft
        let heartbeat = Duration.milliseconds(Int64(raft.heartbeatMilliseconds))
        return [
            .string("local-member-id", hexadecimal(memberID)), .int("forward-ticks", ticks),
            .duration("forward-duration", heartbeat * ticks), .int("election-ticks", raft.electionTicks),
            .duration("election-timeout", heartbeat * raft.electionTicks),
        ]
    }

    private func tick(_ count: Int) {
        let now = Self.now()
        for _ in 0..<max(0, count) { replica.consensus.tick(now: now) }
        turn()
    }
}

// MARK: - What the front lane may look at

extension MemberLoop {
    var fullRaftStatus: RaftStatus { replica.consensus.fullStatus }
    func activeSince(_ id: MemberID) -> Instant? { transport?.activeSince(id) }
    var unixSeconds: Int64 { Int64(Date().timeIntervalSince1970) }
}
