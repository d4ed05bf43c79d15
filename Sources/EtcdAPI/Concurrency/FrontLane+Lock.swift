// The lock service: a lock is held by the owner of a queue of keys.

import Base
import EtcdWire
import Lease
import MVCC
import StateMachine
import Wire

extension FrontLane {
    func lock(_ rpc: RPC, _ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) {
        do throws(EtcdError) { try startLock(rpc, request, metadata, sink) } catch { sink.finish(error) }
    }

    private func startLock(_ rpc: RPC, _ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) throws(EtcdError) {
        let fields = try decode { () throws(WireError) in try ConcurrencyFields(request) }
        if rpc == .unlock {
            // Field 1 of an unlock is the key.
            let delete = DeleteRangeRequest(key: fields.name)
            try RequestChecks.check(delete)
            return propose(.deleteRange, delete.encoded(), sink, metadata) { outcome, lane in
                switch outcome {
                case .success(let reply): sink.succeed(lane.message(reply.revision, Bytes()))
                case .failure(let error): sink.finish(error)
                }
            }
        }
        let queue = KeyQueue(self, name: fields.name, metadata, sink)
        queue.withLease(fields.lease) { lease in Self.acquire(queue, lease) }
    }

    private static func acquire(_ queue: KeyQueue, _ lease: LeaseID) {
        let key = queue.key(of: lease)
        let enter = TxnRequest(
            compare: [Compare(key: key, createRevision: 0)],
            success: [.put(PutRequest(key: key, lease: lease)), .range(queue.ownerRequest)],
            failure: [.range(RangeRequest(key: key)), .range(queue.ownerRequest)])
        queue.transact(enter) { response, revision in
            let mine = response.succeeded ? revision : response.pair(0)?.createRevision ?? 0
            let owner = response.pair(1)
            if owner == nil || owner?.createRevision == mine { return hold(queue, key, revision) }
            queue.whenAbandoned { queue.abandon(key) }
            queue.afterOlder(than: mine - 1) {
                queue.read(RangeRequest(key: key)) { pairs, revision in
                    // The lease may have run out while the key stood in line.
                    if pairs.isEmpty { queue.sink.finish(.mutexSessionExpired) } else { hold(queue, key, revision) }
                }
            }
        }
    }

    private static func hold(_ queue: KeyQueue, _ key: Bytes, _ revision: Int64) {
        var writer = WireWriter()
        writer.field(2, key)
        queue.sink.succeed(queue.lane.message(revision, writer.bytes))
    }
}

/// The fields that the requests of lock and election have in common: a name (or key) first, then a lease, then a value.
struct ConcurrencyFields {
    var name = Bytes()
    var lease: LeaseID = 0
    var value = Bytes()

    init(_ bytes: Bytes) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .lengthDelimited): name = try reader.bytes(field).compacted()
            case (2, .varint): lease = try reader.int64(field)
            case (3, .lengthDelimited): value = try reader.bytes(field).compacted()
            default: try reader.skip(field)
            }
        }
    }
}

extension TxnResponse {
    /// The first pair of a range among the responses.
    func pair(_ index: Int) -> KeyValue? {
        guard responses.indices.contains(index), case .range(let range) = responses[index], let row = range.kvs.first else {
            return nil
        }
        return try? KeyValue(decoding: row)
    }
}

extension Compare {
    /// Whether a key was created at `createRevision`; 0: whether it does not exist.
    init(key: Bytes, createRevision: Int64) {
        self.init(result: .equal, target: .create, key: key, targetUnion: .createRevision(createRevision))
    }
}
