// The lease service. Grants and revocations go through the log; time is the primary's own.

import Auth
package import Base
import EtcdWire
import Lease
import MVCC
import Raft
import StateMachine
import Tracing
import Wire

extension FrontLane {
    func lease(_ rpc: RPC, _ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) throws(EtcdError) {
        switch rpc {
        case .leaseGrant:
            var grant = try decode { () throws(WireError) in try LeaseGrantRequest(decoding: request) }
            try member.authorize(.anyUser, metadata)
            if grant.id == 0 { grant.id = newLeaseID() }
            tally.grantedTTLs.append(grant.ttl)
            trace(sink) { $0.begin("lease_grant", [SpanAttribute("id", grant.id), SpanAttribute("ttl", grant.ttl)]) }
            propose(.leaseGrant, grant.encoded(), sink, metadata)
        case .leaseRevoke:
            let revoke = try decode { () throws(WireError) in try LeaseRevokeRequest(decoding: request) }
            try member.authorize(.anyUser, metadata)
            trace(sink) { $0.begin("lease_revoke", [SpanAttribute("id", revoke.id)]) }
            propose(.leaseRevoke, request, sink, metadata)
        case .leaseTimeToLive:
            let query = try decode { () throws(WireError) in try LeaseQuery(request) }
            try member.authorize(.anyUser, metadata)
            // The keys are a secret, the time is none.
            if query.wantsKeys { try member.authorize(.leaseKeys(query.id, .read), metadata) }
            let stale = query.wantsKeys ? staleness() : { false }
            timeToLive(query, sink, deadline: now + settings.requestTimeout, stale)
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

    /// Only the leader knows how much time is left.
    private func timeToLive(_ query: LeaseQuery, _ sink: any ReplySink, deadline: Instant, _ stale: @escaping () -> Bool) {
        if isStopped { return sink.finish(.stopped) }
        if now >= deadline { return sink.finish(.timeout) }
        let again: () -> Void = { [self] in
            if sink.isOpen { timeToLive(query, sink, deadline: deadline, stale) }
        }
        let lead = member.raftStatus.lead
        if lead == 0 { return retry(again) }
        if lead == settings.memberID {
            return afterBarrier(
                .task { [self] outcome in
                    if case .failure(let error) = outcome { return sink.finish(error) }
                    if stale() { return sink.finish(.authOldRevision) }
                    sink.succeed(message(member.view.latestRevision, LeaseTime(query, member.lessor, now: now).fields))
                })
        }
        ask(.timeToLive(query.id, wantsKeys: query.wantsKeys)) { [self] answer in
            if stale() { return sink.finish(.authOldRevision) }
            switch answer {
            case .answered(200, let body):
                guard let fields = LeaseTime.fields(inForwarded: body) else { return retry(again) }
                sink.succeed(message(member.view.latestRevision, fields))
            case .answered(404, _):
                sink.succeed(message(member.view.latestRevision, LeaseTime.unknown(query.id)))
            default: retry(again)
            }
        }
    }

    /// One message of a keepalive stream; the stream stays open whatever the answer.
    package func keepAlive(_ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) {
        if isStopped { return sink.finish(.stopped) }
        if isLearner { return sink.finish(.notSupportedForLearner) }
        if metadata.requiresLeader, !keepsForLeader(sink) { return sink.finish(.noLeader) }
        if metadata.token == nil || !member.isAuthEnabled { return renew(request, metadata, sink) }
        whenTokenIsKnown(metadata, sink) { [self] in renew(request, metadata, sink) }
    }

    private func renew(_ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) {
        let query: LeaseQuery
        do throws(EtcdError) {
            query = try decode(ofStream: true) { () throws(WireError) in try LeaseQuery(request) }
            // Whoever may not write a key may not keep it alive either.
            try member.authorize(.leaseKeys(query.id, .write), metadata)
        } catch {
            return sink.finish(error)
        }
        var part: Int64?
        trace(sink) { trace in
            let key = trace.newPartKey()
            trace.beginPart(key, "lease_renew", [SpanAttribute("id", query.id)])
            part = key
        }
        if let ttl = renewAtOnce(query.id) {
            if let part { sink.trace?.endPart(part) }
            return sink.send(renewed(query.id, ttl: ttl))
        }
        renew(query.id, deadline: now + settings.requestTimeout, while: { sink.isOpen }) { [self, part] outcome in
            if let part { sink.trace?.endPart(part) }
            switch outcome {
            case .success(let ttl): sink.send(renewed(query.id, ttl: ttl))
            case .failure(let error): sink.finish(error)
            }
        }
    }

    private func renewed(_ id: LeaseID, ttl: Int64) -> Bytes {
        var writer = message(member.latestRevision, term: member.raftStatus.term, room: 24)
        LeaseTime.writeRenewed(id, ttl: ttl, into: &writer)
        return writer.bytes
    }

    /// Starts a lease's time anew, here or at the leader.
    /// - Parameter finish: the seconds it has; 0 for a lease that is gone, which is no error.
    private func renew(
        _ id: LeaseID, deadline: Instant, while isWanted: @escaping () -> Bool,
        _ finish: @escaping (Result<Int64, EtcdError>) -> Void
    ) {
        if isStopped { return finish(.failure(.stopped)) }
        if now >= deadline { return finish(.failure(.timeout)) }
        let again: () -> Void = { [self] in
            if isWanted() { renew(id, deadline: deadline, while: isWanted, finish) }
        }
        let lead = member.raftStatus.lead
        if lead == 0 { return retry(again) }
        if lead == settings.memberID {
            return ensureLeadership { [self] leads in
                // What is committed and not applied yet may be the grant.
                guard leads, mayRenew(id) else { return retry(again) }
                renewAsLeader(id) { [self] outcome in
                    switch outcome {
                    case .success(let ttl): finish(.success(ttl))
                    case .failure(.leaseNotFound): finish(.success(0))
                    case .failure(.notPrimary): retry(again)
                    case .failure(let error): finish(.failure(error))
                    }
                }
            }
        }
        ask(.renewLease(id)) { answer in
            switch answer {
            case .answered(200, let body):
                guard let ttl = LeaseTime.renewedTTL(body) else { return self.retry(again) }
                finish(.success(ttl))
            case .answered(404, _): finish(.success(0))
            default: self.retry(again)
            }
        }
    }
}
