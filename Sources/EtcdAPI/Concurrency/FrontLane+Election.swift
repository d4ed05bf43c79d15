// The election service: the owner of a queue of keys is the leader, its key's value what it proclaims.

import Base
import EtcdWire
import Lease
import MVCC
import StateMachine
import Wire

/// `LeaderKey`: proof of a leadership.
struct LeaderKey {
    var name = Bytes()
    var key = Bytes()
    var revision: Int64 = 0
    var lease: LeaseID = 0

    init(name: Bytes, key: Bytes, revision: Int64, lease: LeaseID) {
        self.name = name
        self.key = key
        self.revision = revision
        self.lease = lease
    }

    init(_ bytes: Bytes) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): name = try reader.bytes(field).compacted()
            case (2, .lengthDelimited): key = try reader.bytes(field).compacted()
            case (3, .varint): revision = try reader.int64(field)
            case (4, .varint): lease = try reader.int64(field)
            default: try reader.skip(field)
            }
        }
    }

    var encoded: Bytes {
        var writer = WireWriter()
        writer.field(1, name)
        writer.field(2, key)
        writer.field(3, revision)
        writer.field(4, lease)
        return writer.bytes
    }

    var isHeld: Compare { Compare(key: key, createRevision: revision) }
}

extension FrontLane {
    func election(_ rpc: RPC, _ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) {
        do throws(EtcdError) { try startElection(rpc, request, metadata, sink) } catch { sink.finish(error) }
    }

    private func startElection(
        _ rpc: RPC, _ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink
    ) throws(EtcdError) {
        switch rpc {
        case .electionCampaign:
            let fields = try decode { () throws(WireError) in try ConcurrencyFields(request) }
            let queue = KeyQueue(self, name: fields.name, metadata, sink)
            queue.withLease(fields.lease) { lease in Self.campaign(queue, lease, fields.value) }
        case .electionLeader, .electionObserve:
            let fields = try decode(ofStream: rpc == .electionObserve) { () throws(WireError) in try ConcurrencyFields(request) }
            let queue = KeyQueue(self, name: fields.name, metadata, sink)
            if rpc == .electionLeader { return Self.leader(queue) }
            queue.whenAbandoned {}
            Self.observe(queue)
        case .electionProclaim, .electionResign:
            let (leader, value) = try decode { () throws(WireError) in try Self.leadership(request) }
            guard let leader else { throw .missingLeaderKey }
            let queue = KeyQueue(self, name: leader.name, metadata, sink)
            if rpc == .electionResign { return Self.resign(queue, leader) }
            Self.proclaim(queue, leader, value) { revision in queue.sink.succeed(queue.lane.message(revision, Bytes())) }
        default: throw .unknownMethod
        }
    }

    /// Field 1 is the leader's key, field 2 what it proclaims.
    private static func leadership(_ bytes: Bytes) throws(WireError) -> (LeaderKey?, Bytes) {
        var (leader, value): (LeaderKey?, Bytes) = (nil, Bytes())
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): leader = try LeaderKey(try reader.bytes(field))
            case (2, .lengthDelimited): value = try reader.bytes(field).compacted()
            default: try reader.skip(field)
            }
        }
        return (leader, value)
    }

    private static func campaign(_ queue: KeyQueue, _ lease: LeaseID, _ value: Bytes) {
        let key = queue.key(of: lease)
        let enter = TxnRequest(
            compare: [Compare(key: key, createRevision: 0)],
            success: [.put(PutRequest(key: key, value: value, lease: lease))], failure: [.range(RangeRequest(key: key))])
        queue.transact(enter) { response, revision in
            var leader = LeaderKey(name: queue.name, key: key, revision: revision, lease: lease)
            let present = response.succeeded ? nil : response.pair(0)
            if let present { leader.revision = present.createRevision }
            guard let present, present.value != value else { return waitForOffice(queue, leader, revision) }
            proclaim(queue, leader, value) { [leader] _ in waitForOffice(queue, leader, revision) }
        }
    }

    private static func waitForOffice(_ queue: KeyQueue, _ leader: LeaderKey, _ revision: Int64) {
        queue.whenAbandoned { queue.abandon(leader.key) }
        queue.afterOlder(than: leader.revision - 1) {
            var writer = WireWriter()
            writer.explicit(2, leader.encoded)
            queue.sink.succeed(queue.lane.message(revision, writer.bytes))
        }
    }

    private static func proclaim(_ queue: KeyQueue, _ leader: LeaderKey, _ value: Bytes, _ done: @escaping (Int64) -> Void) {
        let put = PutRequest(key: leader.key, value: value, lease: leader.lease)
        queue.transact(TxnRequest(compare: [leader.isHeld], success: [.put(put)])) { response, revision in
            if response.succeeded { done(revision) } else { queue.sink.finish(.electionNotLeader) }
        }
    }

    private static func resign(_ queue: KeyQueue, _ leader: LeaderKey) {
        let delete = DeleteRangeRequest(key: leader.key)
        queue.transact(TxnRequest(compare: [leader.isHeld], success: [.deleteRange(delete)])) { _, revision in
            queue.sink.succeed(queue.lane.message(revision, Bytes()))
        }
    }

    private static func leader(_ queue: KeyQueue) {
        queue.read(queue.ownerRequest) { pairs, revision in
            guard let pair = pairs.first else { return queue.sink.finish(.electionNoLeader) }
            queue.sink.succeed(queue.lane.message(revision, leaderBody(pair)))
        }
    }

    private static func leaderBody(_ pair: KeyValue) -> Bytes {
        var writer = WireWriter()
        writer.explicit(2, pair.encoded())
        return writer.bytes
    }

    /// Tells of every leader and of all it proclaims, until the caller leaves.
    private static func observe(_ queue: KeyQueue) {
        queue.read(queue.ownerRequest) { pairs, revision in
            if let pair = pairs.first { return follow(queue, pair, revision) }
            queue.listen(queue.range, from: revision) { _, events in
                guard let pair = events.first(where: { $0.type == .put })?.kv else { return }
                follow(queue, pair, pair.modRevision)
            }
        }
    }

    private static func follow(_ queue: KeyQueue, _ pair: KeyValue, _ revision: Int64) {
        queue.sink.send(queue.lane.message(revision, leaderBody(pair)))
        queue.listen(KeyRange(key: pair.key), from: revision + 1) { response, events in
            for event in events {
                if event.type == .delete {
                    queue.stopListening()
                    return observe(queue)
                }
                if let pair = event.kv { queue.sink.send(queue.lane.message(response.header?.revision, leaderBody(pair))) }
            }
        }
    }
}
