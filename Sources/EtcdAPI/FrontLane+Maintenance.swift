// The maintenance service.

import Base
import BBolt
import EtcdWire
import Membership
import MVCC
import Raft
import StateMachine
import Wire

extension FrontLane {
    func maintenance(_ rpc: RPC, _ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) throws(EtcdError) {
        switch rpc {
        case .alarm: try alarm(try decode { () throws(WireError) in try AlarmRequest(decoding: request) }, request, metadata, sink)
        case .status:
            try member.authorize(.anyUser, metadata)
            sink.succeed(status())
        case .hashKV:
            try member.authorize(.administration, metadata)
            try hashKV(request, sink)
        case .hash:
            try member.authorize(.administration, metadata)
            hash(sink)
        case .snapshot:
            try member.authorize(.administration, metadata)
            snapshot(sink)
        case .defragment:
            try member.authorize(.administration, metadata)
            let token = nextTaskToken()
            defragmentations[token] = sink
            outbox.defragmentations.append(token)
            if defragmentations.count == 1 { tellHealthWatchers() }
        case .moveLeader: try moveLeader(request, metadata, sink)
        case .downgrade: try downgrade(request, metadata, sink)
        default: throw .unknownMethod
        }
    }

    // MARK: Alarms and status

    private func alarm(
        _ request: AlarmRequest, _ encoded: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink
    ) throws(EtcdError) {
        if request.action == .get {
            try member.authorize(.anyUser, metadata)
            let shown = member.alarms.list(request.alarm)
            sink.succeed(message(member.view.latestRevision, AlarmResponse(alarms: shown).encoded()))
        } else {
            try member.authorize(.administration, metadata)
            propose(.alarm, encoded, sink, metadata)
        }
    }

    private func status() -> Bytes {
        let raft = member.raftStatus
        let statistics = member.databaseStatistics
        let membership = member.membership
        var writer = WireWriter(capacity: 128)
        writer.field(2, SemanticVersion.server.description)
        writer.field(3, Int64(statistics.sizeBytes))
        writer.field(4, raft.lead)
        writer.field(5, raft.commit)
        writer.field(6, raft.term)
        writer.field(7, member.appliedIndex)
        if raft.lead == 0 { writer.explicit(8, EtcdError.noLeader.message) }
        for alarm in member.alarms.members { writer.explicit(8, alarm.text) }
        writer.field(9, Int64(statistics.sizeInUseBytes))
        writer.field(10, membership.isLocalLearner)
        writer.field(11, member.storageVersion?.description ?? "")
        writer.field(12, Int64(settings.quotaBytes))
        var downgrade = WireWriter()
        downgrade.field(1, membership.downgrade.isEnabled)
        downgrade.field(2, membership.downgrade.targetVersion)
        writer.explicit(13, downgrade.bytes)
        return message(member.view.latestRevision, writer.bytes, term: raft.term)
    }

    // MARK: Hashes

    private func hashKV(_ request: Bytes, _ sink: any ReplySink) throws(EtcdError) {
        var revision: Int64 = 0
        try decode { () throws(WireError) in
            var reader = WireReader(request)
            while let field = try reader.next() {
                if field.number == 1 { revision = try reader.int64(field) } else { try reader.skip(field) }
            }
        }
        let view = member.view
        hash(view, at: revision) { [self] outcome in
            switch outcome {
            case .success(let hash):
                var writer = WireWriter()
                writer.field(2, UInt64(hash.hash))
                writer.field(3, hash.compactRevision)
                writer.field(4, hash.revision)
                sink.succeed(message(view.latestRevision, writer.bytes))
            case .failure(let error): sink.finish(EtcdError(error))
            }
        }
    }

    private func hash(_ sink: any ReplySink) {
        let revision = member.view.latestRevision
        afterFlush { [self] reader in
            runChore(.backendHash(reader)) { [self] result in
                guard case .backendHash(let outcome) = result else { return }
                switch outcome {
                case .success(let hash):
                    var writer = WireWriter()
                    writer.field(2, UInt64(hash))
                    sink.succeed(message(revision, writer.bytes))
                case .failure(let error): sink.finish(EtcdError(code: .unknown, message: "\(error)"))
                }
            }
        }
    }

    // MARK: Snapshot

    /// What a slow client may have unsent before reading pauses.
    private static let snapshotQueueBytesMax: Int = 1 << 20

    private func snapshot(_ sink: any ReplySink) {
        afterFlush { [self] reader in
            let begun = clock()
            sendSnapshot(
                SnapshotStream(
                    DatabaseImage(of: reader),
                    storageVersion: member.storageVersion?.description ?? "",
                    digest: member.newSnapshotDigest()
                ),
                begun: begun,
                sink
            )
        }
    }

    private func sendSnapshot(_ stream: SnapshotStream, begun: Instant, _ sink: any ReplySink) {
        guard sink.isOpen else { return }
        if sink.queuedBytes > Self.snapshotQueueBytesMax {
            return sink.whenWritable { [self] in sendSnapshot(stream, begun: begun, sink) }
        }
        runChore(.snapshotPiece(stream)) { [self] result in
            guard case .snapshotPiece(let stream, let messages) = result else { return }
            for message in messages { sink.send(message) }
            guard stream.isFinished else { return sendSnapshot(stream, begun: begun, sink) }
            tally.snapshots.append(clock().nanoseconds &- begun.nanoseconds)
            sink.finish(nil)
        }
    }

    // MARK: Leadership and versions

    private func moveLeader(_ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) throws(EtcdError) {
        try member.authorize(.administration, metadata)
        var target: MemberID = 0
        try decode { () throws(WireError) in
            var reader = WireReader(request)
            while let field = try reader.next() {
                if field.number == 1 { target = try reader.uint64(field) } else { try reader.skip(field) }
            }
        }
        if member.raftStatus.lead != settings.memberID { throw .notLeader }
        guard let transferee = member.membership.member(target), !transferee.isLearner else { throw .badLeaderTransferee }
        outbox.leaderTransfers.append(target)
        awaitLeader(target, sink, deadline: now + settings.requestTimeout)
    }

    private func awaitLeader(_ target: MemberID, _ sink: any ReplySink, deadline: Instant) {
        if isStopped { return sink.finish(.stopped) }
        if member.raftStatus.lead == target { return sink.succeed(Bytes()) }
        if now >= deadline { return sink.finish(.timeoutLeaderTransfer) }
        if sink.isOpen { retry { [self] in awaitLeader(target, sink, deadline: deadline) } }
    }

    private func downgrade(_ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) throws(EtcdError) {
        var action: Int = 0
        var version = ""
        try decode { () throws(WireError) in
            var reader = WireReader(request)
            while let field = try reader.next() {
                switch field.number {
                case 1: action = try reader.enumeration(field)
                case 2: version = try reader.string(field)
                default: try reader.skip(field)
                }
            }
        }
        try member.authorize(.administration, metadata)
        let membership = member.membership
        guard let clusterVersion = membership.clusterVersion else { throw .clusterVersionUnavailable }
        let answer: (Result<Reply, EtcdError>, FrontLane) -> Void = { outcome, lane in
            switch outcome {
            case .success:
                var writer = WireWriter()
                writer.field(2, clusterVersion.minorDescription)
                sink.succeed(lane.message(lane.member.view.latestRevision, writer.bytes))
            case .failure(let error): sink.finish(error)
            }
        }
        switch action {
        case 0, 1:
            guard let target = SemanticVersion(version, minorIsEnough: true) else { throw .wrongDowngradeVersionFormat }
            if !VersionRules.isAllowedDowngrade(from: clusterVersion, to: target) { throw .invalidDowngradeTargetVersion }
            if membership.downgrade.isEnabled { throw .downgradeInProcess }
            if action == 0 { return answer(.success(Reply(revision: 0)), self) }
            let set = DowngradeInfoSetRequest(enabled: true, version: target.withoutPatch.description)
            propose(.downgradeInfoSet, set.encoded(), sink, metadata, finish: answer)
        case 2:
            propose(.downgradeInfoSet, DowngradeInfoSetRequest().encoded(), sink, metadata, finish: answer)
        default:
            throw .unknownMethod
        }
    }
}

extension AlarmType {
    package var name: String {
        switch self {
        case .none: "NONE"
        case .noSpace: "NOSPACE"
        case .corrupt: "CORRUPT"
        default: String(rawValue)
        }
    }
}

extension AlarmMember {
    /// As a message's text: without what is at its default.
    package var text: String { (memberID == 0 ? "" : "memberID:\(memberID) ") + "alarm:\(alarm.name)" }
}
