// Whether all members hold the same keys: hashes at one revision, compared before a member joins in and from time to time
// by the leader. A member that differs gets the CORRUPT alarm, with which the cluster refuses to go on.

import Base
import EtcdAPI
import EtcdWire
import Membership
import MVCC
import NIOCore
import NIOHTTP1
import PeerTransport
import Raft
import ServerConfiguration
import ServerLog

/// Confined to the member's loop.
final class CorruptionMonitor {
    private unowned let member: MemberLoop
    private var isChecking = false
    /// The newest compaction whose hash all members share.
    private var settledCompaction: Int64 = 0

    init(_ member: MemberLoop) {
        self.member = member
    }

    private struct PeerHash {
        var id: MemberID
        var hash: UInt64
        var compactRevision: Int64
        var revision: Int64
    }

    private enum PeerAnswer {
        case hash(PeerHash)
        case refused(MemberID, String)
        case none(MemberID)
    }

    // MARK: At the start

    /// Compares what the file holds with the others, before the member takes part.
    /// - Parameter done: told why it must not; nil if nothing speaks against it.
    func checkInitially(_ done: @escaping (String?) -> Void) {
        let local = LogField.string("local-member-id", hexadecimal(member.memberID))
        member.logger.info(
            "starting initial corruption check",
            [local, .duration("timeout", member.configuration.raft.requestTimeout)])
        hashHere { [self] outcome in
            guard case .success(let own) = outcome else {
                return done("\(hexadecimal(member.memberID)) failed to fetch hash")
            }
            askOthers(own.revision) { [self] answers in
                var differing = 0
                for answer in answers {
                    switch answer {
                    case .hash(let theirs) where theirs.hash != UInt64(own.hash):
                        if theirs.compactRevision == own.compactRevision {
                            differing += 1
                            warn("found different hash values from remote peer", own, theirs)
                        } else {
                            warn("found different compact revision values from remote peer", own, theirs)
                        }
                    case .hash: break
                    case .refused(let id, let reason):
                        member.logger.warn(
                            "cannot fetch hash from remote peer",
                            [local, .string("remote-peer-id", hexadecimal(id)), .error(reason)])
                    case .none(let id):
                        member.logger.warn(
                            "failed hash kv request", [local, .string("remote-peer-id", hexadecimal(id))])
                    }
                }
                if differing > 0 { return done("\(hexadecimal(member.memberID)) found data inconsistency with peers") }
                member.logger.info("initial corruption checking passed; no corruption", [local])
                done(nil)
            }
        }
    }

    // MARK: From time to time

    func checkPeriodically() {
        guard !isChecking, member.raftStatus.lead == member.memberID else { return }
        isChecking = true
        hashHere { [self] outcome in
            guard case .success(let before) = outcome else { return fail("failed to hash the keys") }
            askOthers(before.revision) { [self] answers in
                member.lane.whenCurrent { [self] outcome in
                    if case .failure(let error) = outcome { return fail(error.message) }
                    let latest = member.view.latestRevision
                    hashHere { [self] outcome in
                        guard case .success(let after) = outcome else { return fail("failed to hash the keys") }
                        isChecking = false
                        compare(before, after, latest: latest, answers)
                    }
                }
                member.scheduleTurn()
            }
        }
    }

    private func fail(_ reason: String) {
        isChecking = false
        member.logger.warn("failed to check hash KV", [.error(reason)])
    }

    private func compare(_ before: HashKVResult, _ after: HashKVResult, latest: Int64, _ answers: [PeerAnswer]) {
        var isAlarmed = false
        func alarm(_ id: MemberID) {
            guard !isAlarmed else { return }
            isAlarmed = true
            raise(id)
        }
        if after.hash != before.hash, after.revision == before.revision, after.compactRevision == before.compactRevision {
            member.logger.warn(
                "found hash mismatch",
                [
                    .int("revision-1", before.revision), .uint("hash-1", before.hash), .int("revision-2", after.revision),
                    .uint("hash-2", after.hash),
                ])
            alarm(member.memberID)
        }
        var checked = 0
        for case .hash(let theirs) in answers {
            checked += 1
            if theirs.revision > latest {
                member.logger.warn(
                    "revision from follower must be less than or equal to leader's",
                    [
                        .int("leader-revision", latest), .int("follower-revision", theirs.revision),
                        .string("follower-peer-id", hexadecimal(theirs.id)),
                    ])
                alarm(theirs.id)
            }
            if theirs.compactRevision > after.compactRevision {
                warn("compact revision from follower must be less than or equal to leader's", after, theirs)
                alarm(theirs.id)
            }
            if theirs.compactRevision == before.compactRevision, theirs.hash != UInt64(before.hash) {
                warn("same compact revision then hashes must match", before, theirs)
                alarm(theirs.id)
            }
        }
        member.logger.info("finished peer corruption check", [.int("number-of-peers-checked", checked)])
    }

    // MARK: After compactions

    /// Compares the newest hash of a compaction that has not been settled yet.
    func checkCompactions() {
        guard !isChecking, member.raftStatus.lead == member.memberID else { return }
        let pending = member.lane.compactionHashes.hashes.filter { $0.revision > settledCompaction }.reversed()
        member.logger.info(
            "starting compact hash check",
            [
                .string("local-member-id", hexadecimal(member.memberID)),
                .duration("timeout", member.configuration.raft.requestTimeout),
            ])
        isChecking = true
        checkCompactions(Array(pending)[...], checked: 0)
    }

    private func checkCompactions(_ pending: ArraySlice<HashKVResult>, checked: Int) {
        guard let own = pending.first else {
            isChecking = false
            return member.logger.info("finished compaction hash check", [.int("number-of-hashes-checked", checked)])
        }
        askOthers(own.revision) { [self] answers in
            let isSettled = settle(own, answers)
            checkCompactions(isSettled ? [] : pending.dropFirst(), checked: checked + 1)
        }
    }

    /// - Returns: whether older hashes need not be looked at.
    private func settle(_ own: HashKVResult, _ answers: [PeerAnswer]) -> Bool {
        if answers.isEmpty { return false }
        var members: [UInt64: [MemberID]] = [UInt64(own.hash): [member.memberID]]
        var isComplete = true
        for answer in answers {
            switch answer {
            case .hash(let theirs) where theirs.compactRevision == own.compactRevision:
                members[theirs.hash, default: []].append(theirs.id)
            case .hash(let theirs):
                isComplete = false
                skip(theirs.id, "the peer's CompactRevision \(theirs.compactRevision) doesn't match leader's CompactRevision \(own.compactRevision)")
            case .refused(let id, let reason):
                isComplete = false
                skip(id, reason)
            case .none(let id):
                isComplete = false
                skip(id, "no response")
            }
        }
        if members.count == 1 {
            if isComplete {
                settledCompaction = max(settledCompaction, own.revision)
                member.logger.info(
                    "successfully checked hash on whole cluster",
                    [.int("number-of-peers-checked", answers.count), .int("revision", own.revision)])
            }
            return isComplete
        }
        // Those who differ from more than half are the wrong ones; without such a majority nobody can tell.
        let quorum = (answers.count + 1) / 2 + 1
        let majority = members.first { $0.value.count >= quorum }?.key
        if majority == nil { raise(0) }
        for (hash, ids) in members.sorted(by: { $0.key < $1.key }) where hash != majority {
            if majority != nil { for id in ids { raise(id) } }
            member.logger.error(
                "Detected compaction hash mismatch",
                [
                    .string("leader-id", hexadecimal(member.memberID)), .int("leader-revision", own.revision),
                    .int("leader-compact-revision", own.compactRevision), .uint("leader-hash", own.hash),
                    .uint("peer-hash", hash), .strings("peer-ids", ids.map(hexadecimal)), .bool("quorum-exist", majority != nil),
                ])
        }
        return true
    }

    private func skip(_ id: MemberID, _ reason: String) {
        member.logger.warn(
            "Skipped peer's hash",
            [
                .string("leader-id", hexadecimal(member.memberID)), .string("peer-id", hexadecimal(id)),
                .string("reason", reason),
            ])
    }

    private func raise(_ id: MemberID) {
        member.lane.proposeInternally(.alarm(AlarmRequest(action: .activate, memberID: id, alarm: .corrupt)))
        member.scheduleTurn()
    }

    private func warn(_ text: String, _ own: HashKVResult, _ theirs: PeerHash) {
        member.logger.warn(
            text,
            [
                .string("local-member-id", hexadecimal(member.memberID)), .int("local-member-revision", own.revision),
                .int("local-member-compact-revision", own.compactRevision), .uint("local-member-hash", own.hash),
                .string("remote-peer-id", hexadecimal(theirs.id)), .int("remote-peer-revision", theirs.revision),
                .int("remote-peer-compact-revision", theirs.compactRevision), .uint("remote-peer-hash", theirs.hash),
            ])
    }

    // MARK: Hashes

    private func hashHere(_ body: @escaping (Result<HashKVResult, MVCCError>) -> Void) {
        member.lane.hash(member.view, at: 0, body)
    }

    private func askOthers(_ revision: Int64, _ body: @escaping ([PeerAnswer]) -> Void) {
        guard let client = member.transport?.client else { return body([]) }
        let others = member.membership.members.filter { $0.id != member.memberID }
        MemberSurvey(client: client, timeout: member.requestTimeout).ask(
            others, "GET", "/members/hashkv",
            headers: ["Content-Type": "application/json", "X-Etcd-Cluster-ID": hexadecimal(member.clusterID)],
            body: Bytes(JSONValue.object(["revision": .signed(revision)]).encoded)
        ) { answers in
            body(answers.map { Self.read($0.member.id, $0.answer) })
        }
    }

    private static func read(_ id: MemberID, _ answer: PeerResponse?) -> PeerAnswer {
        guard let answer else { return .none(id) }
        guard answer.status == 200, let json = try? JSONValue(parsing: answer.body) else {
            return .refused(id, answer.body.description)
        }
        func number(_ json: JSONValue?) -> UInt64 { json?.unsigned ?? 0 }
        // Go leaves out what is zero, and says −1 where nothing was compacted.
        let compacted = json["compact_revision"].map { Int64(clamping: $0.unsigned ?? 0) }
        return .hash(
            PeerHash(
                id: id, hash: number(json["hash"]), compactRevision: json["compact_revision"] == .signed(-1) ? -1 : compacted ?? 0,
                revision: Int64(clamping: number(json["header"]?["revision"]))))
    }
}
