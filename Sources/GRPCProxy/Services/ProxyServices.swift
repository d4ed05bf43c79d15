// Which service answers which call. What the proxy has nothing to add to goes to a member and back as it is.

import Base
import EtcdClient
import EtcdWire
import FoundationEssentials
import Metrics
import SwiftProtobuf

struct ProxyServices: Sendable {
    let upstream: Upstream
    let keys: KeyService
    let leases: LeaseService
    let watches: WatchService
    let cluster: ClusterService
    let namespace: KeyNamespace

    /// Serves a call to its end.
    func serve(_ call: ProxyCall) async {
        do {
            try await run(call)
            call.finish(nil)
        } catch is CancellationError {
            // The client has gone; nobody hears this.
            call.finish(.canceled)
        } catch let error as EtcdError {
            call.finish(error)
        } catch {
            call.finish(Upstream.status(error, hasDeadline: true))
        }
    }

    private func run(_ call: ProxyCall) async throws {
        switch call.rpc {
        case .watch: return try await watches.serve(call)
        case .leaseKeepAlive: return try await leases.keepAlive(call)
        default: break
        }
        var requests = call.requests.makeAsyncIterator()
        guard let first = await requests.next() else {
            if Task.isCancelled { throw CancellationError() }
            throw EtcdError(code: .internalError, message: "EOF")
        }
        let (request, asker) = (first.array, Asker(call))
        switch call.rpc.definition.streaming {
        case .serverStreaming, .bidirectional: try await stream(call, request, asker)
        case .unary: call.send(Bytes(try await answer(call.rpc, request, asker)))
        }
    }

    // MARK: One answer

    private func answer(_ rpc: RPC, _ request: [UInt8], _ asker: Asker) async throws(EtcdError) -> [UInt8] {
        switch rpc {
        case .range: return try await keys.range(request, asker)
        case .put: return try await keys.put(request, asker)
        case .deleteRange: return try await keys.deleteRange(request, asker)
        case .txn: return try await keys.txn(request, asker)
        case .compact: return try await keys.compact(request, asker)
        case .leaseRevoke: return try await leases.revoke(request, asker)
        case .leaseTimeToLive where !namespace.isEmpty:
            return try await mapped(rpc, Etcdserverpb_LeaseTimeToLiveResponse.self, request, asker) {
                namespace.leave(&$0)
            }
        case .memberList: return try await cluster.memberList(request, asker)
        case .lock, .unlock, .electionCampaign, .electionProclaim, .electionLeader, .electionResign:
            return namespace.isEmpty
                ? try await upstream.ask(rpc, request, for: asker) : try await queue(rpc, request, asker)
        default: return try await upstream.ask(rpc, request, for: asker)
        }
    }

    /// Asks a member and changes its answer.
    private func mapped<Answer: SwiftProtobuf.Message>(
        _ rpc: RPC,
        _ type: Answer.Type,
        _ request: [UInt8],
        _ asker: Asker,
        _ change: (inout Answer) -> Void
    ) async throws(EtcdError) -> [UInt8] {
        var answer = try Upstream.decode(Answer.self, try await upstream.ask(rpc, request, for: asker))
        change(&answer)
        return try Upstream.encode(answer)
    }

    /// Locks and elections: their names and keys lie in the namespace as all keys do.
    private func queue(_ rpc: RPC, _ request: [UInt8], _ asker: Asker) async throws(EtcdError) -> [UInt8] {
        switch rpc {
        case .lock:
            var message = try Upstream.decode(V3lockpb_LockRequest.self, request)
            message.name = namespace.prefix + message.name
            return try await mapped(rpc, V3lockpb_LockResponse.self, try Upstream.encode(message), asker) {
                $0.key = namespace.outside($0.key)
            }
        case .unlock:
            var message = try Upstream.decode(V3lockpb_UnlockRequest.self, request)
            message.key = namespace.inside(message.key)
            return try await upstream.ask(rpc, try Upstream.encode(message), for: asker)
        case .electionCampaign:
            var message = try Upstream.decode(V3electionpb_CampaignRequest.self, request)
            message.name = namespace.prefix + message.name
            return try await mapped(rpc, V3electionpb_CampaignResponse.self, try Upstream.encode(message), asker) {
                guard $0.hasLeader else { return }
                $0.leader.name = namespace.outside($0.leader.name)
                $0.leader.key = namespace.outside($0.leader.key)
            }
        case .electionProclaim:
            var message = try Upstream.decode(V3electionpb_ProclaimRequest.self, request)
            if message.hasLeader { enter(&message.leader) }
            return try await upstream.ask(rpc, try Upstream.encode(message), for: asker)
        case .electionResign:
            var message = try Upstream.decode(V3electionpb_ResignRequest.self, request)
            if message.hasLeader { enter(&message.leader) }
            return try await upstream.ask(rpc, try Upstream.encode(message), for: asker)
        default:
            var message = try Upstream.decode(V3electionpb_LeaderRequest.self, request)
            message.name = namespace.prefix + message.name
            return try await mapped(rpc, V3electionpb_LeaderResponse.self, try Upstream.encode(message), asker) {
                if $0.hasKv { namespace.leave(&$0.kv) }
            }
        }
    }

    private func enter(_ leader: inout V3electionpb_LeaderKey) {
        leader.name = namespace.prefix + leader.name
        leader.key = namespace.inside(leader.key)
    }

    // MARK: Many answers

    private func stream(_ call: ProxyCall, _ request: [UInt8], _ asker: Asker) async throws(EtcdError) {
        let namespace = namespace
        var request = request
        if !namespace.isEmpty, call.rpc == .rangeStream {
            var message = try Upstream.decode(Etcdserverpb_RangeRequest.self, request)
            namespace.enter(&message)
            request = try Upstream.encode(message)
        }
        if !namespace.isEmpty, call.rpc == .electionObserve {
            var message = try Upstream.decode(V3electionpb_LeaderRequest.self, request)
            message.name = namespace.prefix + message.name
            request = try Upstream.encode(message)
        }
        try await upstream.stream(call.rpc, request, for: asker) { bytes in
            var bytes = bytes
            if !namespace.isEmpty, call.rpc == .rangeStream {
                var answer = try Upstream.decode(Etcdserverpb_RangeStreamResponse.self, bytes)
                namespace.leave(&answer)
                bytes = try Upstream.encode(answer)
            }
            if !namespace.isEmpty, call.rpc == .electionObserve {
                var answer = try Upstream.decode(V3electionpb_LeaderResponse.self, bytes)
                if answer.hasKv { namespace.leave(&answer.kv) }
                bytes = try Upstream.encode(answer)
            }
            try await call.sendWaiting(Bytes(bytes))
        }
    }

    // MARK: The proxy itself

    /// Whether a member answers through this proxy.
    func probe(timeout: Duration) async throws(EtcdError) {
        let request = try Upstream.encode(Etcdserverpb_RangeRequest.with { $0.key = .init("a".utf8) })
        _ = try await keys.range(request, Asker(timeout: timeout))
    }

    private static let metricHelp = [
        "etcd_grpc_proxy_cache_hits_total": "Total number of cache hits",
        "etcd_grpc_proxy_cache_keys_total": "Total number of keys/ranges cached",
        "etcd_grpc_proxy_cache_misses_total": "Total number of cache misses",
        "etcd_grpc_proxy_events_coalescing_total": "Total number of events coalescing",
        "etcd_grpc_proxy_watchers_coalescing_total": "Total number of current watchers coalescing",
    ]

    func metricsPage() -> String {
        let cache = keys.cacheNumbers
        let watching = watches.numbers
        var page = MetricPage(help: Self.metricHelp)
        page.gauge("etcd_grpc_proxy_cache_hits_total", cache.hits)
        page.gauge("etcd_grpc_proxy_cache_keys_total", cache.keys)
        page.gauge("etcd_grpc_proxy_cache_misses_total", cache.misses)
        page.counter("etcd_grpc_proxy_events_coalescing_total", watching.events)
        page.gauge("etcd_grpc_proxy_watchers_coalescing_total", watching.watchers)
        return page.text()
    }
}
