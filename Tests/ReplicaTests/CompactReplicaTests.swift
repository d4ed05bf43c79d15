import Backend
import Base
import EtcdWire
import FileIO
import MVCC
import Raft
import RaftLog
import RaftWire
import Replica
import SimulatedDisk
import StateMachine
import Testing

/// A member whose log and file stand on a simulated disk; the test is its threads.
final class SimulatedMember {
    let disk: SimulatedDisk
    var replica: CompactReplica?
    var log: LogLane?
    var commit: CommitLane?
    var clock = Instant(nanoseconds: 1)
    private var nextRequest: UInt64 = 0
    private var prefix: UInt64 = 0
    private var waitingCommits: [CommitRequest] = []
    var replies: [UInt64: Result<Reply, EtcdError>] = [:]

    init(_ disk: SimulatedDisk, forcing: Bool = false, ceiling: UInt64 = 20) throws {
        self.disk = disk
        var settings = BootstrapSettings(
            name: "a", memberDirectory: "d/member", walDirectory: "d/member/wal", snapshotDirectory: "d/member/snap",
            initialMembers: [("a", ["http://127.0.0.1:2380"])], token: "t", isNewCluster: true, forcesNewCluster: forcing,
            electionTicks: 10, preVote: true, snapshotCount: ceiling, catchUpEntries: 5, quotaBytes: 0, learnersMax: 1,
            minimumLeaseTTL: 2, seed: 1, unsafeNoSync: false)
        settings.hashPassword = { password, salt in
            password == "too long" ? nil : Bytes(Array("hash of \(password) with ".utf8) + salt)
        }
        // As the server does before: the data directory itself is made to last.
        try disk.createDirectory("d", mode: 0o700)
        try disk.syncDirectory(".")
        let member = try Bootstrap(settings, fileSystem: disk) { _ in }.run()
        prefix = (member.localID & 0xffff) << 48
        member.split { replica, log, commit in
            self.replica = consume replica
            self.log = consume log
            self.commit = consume commit
        }
        try turn()
        replica?.consensus.campaign()
        try settle()
    }

    /// One turn; what it asks of log and file is done at once, and answered.
    func turn(committing: Bool = true) throws {
        try replica?.process(now: clock)
        guard let out = replica?.outbox else { return }
        replica?.outbox = ReplicaOutbox()
        for reply in out.replies { replies[reply.requestID] = reply.outcome }
        if !out.log.isEmpty, let answers = try log?.receive(out.log) { replica?.logReplied(answers) }
        // The commit lane may lag, but it does everything, and in order.
        waitingCommits += out.commit
        if committing, !waitingCommits.isEmpty, let answers = try commit?.receive(waitingCommits) {
            waitingCommits = []
            for case .committed(let result) in answers { replica?.committed(result) }
        }
    }

    func settle(committing: Bool = true) throws {
        for _ in 0..<6 { try turn(committing: committing) }
    }

    func put(_ key: Bytes, _ value: Bytes) -> UInt64 {
        nextRequest += 1
        let id = prefix | nextRequest
        let request = InternalRaftRequest(header: RequestHeader(id: id), body: .put(PutRequest(key: key, value: value)))
        replica?.consensus.propose(Proposal(data: request.encoded()))
        return id
    }

    /// Proposes a request as `user`, and returns its outcome.
    func request(
        _ kind: RaftRequestKind, _ body: Bytes, user: String = "", authRevision: UInt64 = 0
    ) throws -> Result<Reply, EtcdError>? {
        nextRequest += 1
        let id = prefix | nextRequest
        let header = RequestHeader(id: id, username: user, authRevision: authRevision)
        replica?.consensus.propose(Proposal(data: InternalRaftRequest.encode(header: header, kind: kind, request: body)))
        try settle()
        return replies[id]
    }

    func value(_ key: Bytes) throws -> Bytes? {
        guard let view = replica?.apply.state.view, let pair = try view.pair(key) else { return nil }
        return try KeyValue(decoding: pair).value
    }

    var revision: Int64 { replica?.apply.state.store.currentRevision ?? 0 }
}

@Suite("A member on a simulated disk")
struct CompactReplicaTests {
    @Test("a put is answered when it is durable, with its revision")
    func put() throws {
        let member = try SimulatedMember(SimulatedDisk(seed: 1))
        let id = member.put("k", "v")
        try member.settle()
        #expect(try member.replies[id]?.get().revision == 2)
        #expect(try member.value("k") == "v")
    }

    @Test("power cuts at every operation lose nothing that was answered", arguments: 0..<12)
    func powerCuts(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var disk = SimulatedDisk(seed: seed)
        var answered: [Bytes: (revision: Int64, value: Bytes)] = [:]
        for life in 0..<8 {
            let member = try SimulatedMember(disk)
            for (key, entry) in answered {
                // A later put to the key may have become durable without having been answered.
                let found = try #require(try member.value(key), "seed \(seed), life \(life): \(key) is lost")
                #expect(member.revision >= entry.revision && (found == entry.value || found.count > 0))
            }
            disk.plan(DiskFaults(powerFailsAtOperation: disk.operationCount + Int.random(in: 1...60, using: &random)))
            do {
                for number in 0..<40 {
                    let key = Bytes("key-\(Int.random(in: 0..<5, using: &random))")
                    let value = Bytes("\(life)-\(number)")
                    let id = member.put(key, value)
                    try member.settle(committing: Bool.random(using: &random))
                    if case .success(let reply)? = member.replies[id], let revision = reply.revision {
                        answered[key] = (revision, value)
                    }
                    if Int.random(in: 0..<4, using: &random) == 0 {
                        member.replica?.apply.seal()
                        member.replica?.collectApplied()
                    }
                }
            } catch {
                // The disk is gone; so is the member.
            }
            disk = disk.crash()
        }
        #expect(!answered.isEmpty)
    }

    @Test("snapshots let go of the log, and a restart begins behind them")
    func snapshots() throws {
        let disk = SimulatedDisk(seed: 3)
        let member = try SimulatedMember(disk, ceiling: 10)
        for number in 0..<60 {
            _ = member.put("k", Bytes("\(number)"))
            try member.settle()
        }
        #expect(try disk.list("d/member/snap").contains { $0.hasSuffix(".snap") })
        let again = try SimulatedMember(disk.crash(), ceiling: 10)
        #expect(try again.value("k") == "59")
        #expect(again.revision == 61)
    }
}
