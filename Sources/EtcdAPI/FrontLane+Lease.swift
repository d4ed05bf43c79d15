// The lease service. Grants and revocations go through the log; time is the primary's own.

import Auth
package import Base
import EtcdWire
import Lease
import MVCC
import StateMachine
import Wire

extension FrontLane {
    func lease(_ rpc: RPC, _ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) throws(EtcdError) {
        switch rpc {
        case .leaseGrant:
            var grant = try decode { () throws(WireError) in try LeaseGrantRequest(decoding: request) }
            try member.authorize(.anyUser, metadata)
            if grant.id == 0 { grant.id = newLeaseID() }
            tally.grantedTTLs.append(grant.ttl)
            propose(.leaseGrant, grant.encoded(), sink, metadata)
        case .leaseRevoke:
            _ = try decode { () throws(WireError) in try LeaseRevokeRequest(decoding: request) }
            try member.authorize(.anyUser, metadata)
            propose(.leaseRevoke, request, sink, metadata)
        case .leaseTimeToLive:
            let query = try decode { () throws(WireError) in try LeaseQuery(request) }
            try member.authorize(.anyUser, metadata)
            // The keys are a secret, the time is none.
            if query.wantsKeys { try member.authorize(.leaseKeys(query.id, .read), metadata) }
            let stale = query.wantsKeys ? staleness() : { false }
            afterBarrier(
                .task { [self] outcome in
                    if case .failure(let error) = outcome { return sink.finish(error) }
                    if stale() { return sink.finish(.authOldRevision) }
                    timeToLive(query, sink)
                })
        case .leaseLeases:
            try member.authorize(.allLeases, metadata)
            var writer = WireWriter()
            for id in member.lessor.byRemainingTime {
                var lease = WireWriter()
                lease.field(1, id)
                writer.explicit(2, lease.bytes)
            }
            sink.succeed(message(member.view.latestRevision, writer.bytes))
        default: throw .unknownMethod
        }
    }

    private func timeToLive(_ query: LeaseQuery, _ sink: any ReplySink) {
        var writer = WireWriter()
        writer.field(2, query.id)
        if let lease = member.lessor.leases[query.id], let left = member.lessor.remainingTTL(query.id, now: now) {
            writer.field(3, left)
            writer.field(4, lease.grantedTTL)
            if query.wantsKeys { for key in lease.sortedKeys { writer.explicit(5, key) } }
        } else {
            // No such lease is an answer, not an error.
            writer.field(3, Int64(-1))
        }
        sink.succeed(message(member.view.latestRevision, writer.bytes))
    }

    /// One message of a keepalive stream; the stream stays open whatever the answer.
    package func keepAlive(_ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) {
        if isStopped { return sink.finish(.stopped) }
        if metadata.token == nil || !member.isAuthEnabled { return renew(request, metadata, sink) }
        whenTokenIsKnown(metadata, sink) { [self] in renew(request, metadata, sink) }
    }

    private func renew(_ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) {
        let query: LeaseQuery
        do throws(EtcdError) {
            query = try decode { () throws(WireError) in try LeaseQuery(request) }
            // Whoever may not write a key may not keep it alive either.
            try member.authorize(.leaseKeys(query.id, .write), metadata)
            let ttl: Int64
            do throws(LeaseError) {
                ttl = try member.renewLease(query.id)
                tally.keepAlives += 1
            } catch {
                // A lease that is gone has no time left; only a member that may not say is an error.
                guard error == .notFound else { throw EtcdError(error) }
                ttl = 0
            }
            var writer = WireWriter()
            writer.field(2, query.id)
            writer.field(3, ttl)
            sink.send(message(member.view.latestRevision, writer.bytes))
        } catch {
            sink.finish(error)
        }
    }
}

/// What the requests about one lease have in common: the identifier, and for TimeToLive whether keys are wanted.
private struct LeaseQuery {
    var id: LeaseID = 0
    var wantsKeys = false

    init(_ bytes: Bytes) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: id = try reader.int64(field)
            case 2: wantsKeys = try reader.bool(field)
            default: try reader.skip(field)
            }
        }
    }
}
