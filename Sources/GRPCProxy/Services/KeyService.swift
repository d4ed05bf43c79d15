// Keys through the proxy: serializable reads from the cache where it knows them, everything else from the members.

import EtcdClient
import EtcdWire
import FoundationEssentials
import SwiftProtobuf
import Synchronization

final class KeyService: Sendable {
    private let upstream: Upstream
    private let namespace: KeyNamespace
    private let cache = Mutex(RangeCache())
    /// Serializable reads may not go back in time.
    private let isOrdered: Bool
    /// The newest revision that was read, where order is promised.
    private let newest = Mutex<Int64>(0)
    /// Keys that are answered from memory because others ask before they write; nil without `--experimental-leasing-prefix`.
    private let leasing: LeasingKV?

    init(_ upstream: Upstream, _ namespace: KeyNamespace, isOrdered: Bool, leasing: LeasingKV?) {
        self.leasing = leasing
        self.upstream = upstream
        self.namespace = namespace
        self.isOrdered = isOrdered
    }

    var cacheNumbers: (keys: Int, hits: Int, misses: Int) { cache.withLock { ($0.count, $0.hits, $0.misses) } }

    // MARK: Reads

    func range(_ bytes: [UInt8], _ asker: Asker) async throws(EtcdError) -> [UInt8] {
        var request = try Upstream.decode(Etcdserverpb_RangeRequest.self, bytes)
        let question = try Self.question(request, asker)
        if request.serializable {
            switch cache.withLock({ $0.find(question) }) {
            case .answer(let answer)?: return answer
            case .compacted?: throw .compacted
            case nil: break
            }
        }
        // What was read from a quorum is good enough for those who would take less.
        let fill = cache.withLock { $0.begin(question) }
        do {
            namespace.enter(&request)
            var answer = try await read(request, asker)
            if !namespace.isEmpty {
                var message = try Upstream.decode(Etcdserverpb_RangeResponse.self, answer)
                namespace.leave(&message)
                answer = try Upstream.encode(message)
            }
            cache.withLock { $0.end(fill, answer) }
            return answer
        } catch {
            cache.withLock { $0.end(fill, nil) }
            throw error
        }
    }

    private static func question(_ request: Etcdserverpb_RangeRequest, _ asker: Asker) throws(EtcdError)
        -> RangeCache.Question
    {
        var same = request
        same.serializable = true
        return RangeCache.Question(
            asker: asker.token,
            request: Data(try Upstream.encode(same)),
            key: request.key,
            end: request.rangeEnd,
            revision: request.revision
        )
    }

    private func read(_ request: Etcdserverpb_RangeRequest, _ asker: Asker) async throws(EtcdError) -> [UInt8] {
        // What may be read by whom only the members know.
        if let leasing, asker.token.isEmpty {
            let isSerializable = request.serializable
            let answer = try await lease(asker) { timeout in
                if let kept = leasing.kept(request) { return Etcdserverpb_RangeResponse?.some(kept) }
                return isSerializable ? nil : try await leasing.range(request, timeout: timeout)
            }
            if let answer {
                newest.withLock { $0 = max($0, answer.header.revision) }
                return try Upstream.encode(answer)
            }
        }
        return try await read(try Upstream.encode(request), isSerializable: request.serializable, asker)
    }

    /// Runs work of the leasing keys on behalf of a client.
    private func lease<Answer: Sendable>(
        _ asker: Asker,
        _ body: @Sendable (_ timeout: Duration?) async throws -> Answer
    ) async throws(EtcdError) -> Answer {
        do {
            return try await Client.$forwardedMetadata.withValue(asker.metadata) { try await body(asker.remaining) }
        } catch {
            throw Upstream.status(error, hasDeadline: asker.remaining != nil)
        }
    }

    /// Asks the members, and where order is promised asks on until one isn't older than what was seen.
    private func read(_ request: [UInt8], isSerializable: Bool, _ asker: Asker) async throws(EtcdError) -> [UInt8] {
        let answer = try await upstream.ask(.range, request, for: asker)
        guard isOrdered else { return answer }
        let seen = newest.withLock { $0 }
        if try note(answer) >= seen || !isSerializable { return answer }
        for endpoint in upstream.client.endpoints {
            guard let other = try? await upstream.ask(.range, request, at: endpoint, for: asker) else { continue }
            if try note(other) >= seen { return other }
        }
        throw EtcdError(
            code: .unknown,
            message: "etcdclient: no cluster members have a revision higher than the previously received revision"
        )
    }

    private func note(_ answer: [UInt8]) throws(EtcdError) -> Int64 {
        let revision = try Upstream.decode(Etcdserverpb_RangeResponse.self, answer).header.revision
        newest.withLock { $0 = max($0, revision) }
        return revision
    }

    // MARK: Writes

    func put(_ bytes: [UInt8], _ asker: Asker) async throws(EtcdError) -> [UInt8] {
        var request = try Upstream.decode(Etcdserverpb_PutRequest.self, bytes)
        let written = [(request.key, Data())]
        namespace.enter(&request)
        let answer = try await write(.put, request, written, asker) { try await $0.put($1, timeout: $2) }
        if namespace.isEmpty { return answer }
        var message = try Upstream.decode(Etcdserverpb_PutResponse.self, answer)
        namespace.leave(&message)
        return try Upstream.encode(message)
    }

    func deleteRange(_ bytes: [UInt8], _ asker: Asker) async throws(EtcdError) -> [UInt8] {
        var request = try Upstream.decode(Etcdserverpb_DeleteRangeRequest.self, bytes)
        let written = [(request.key, request.rangeEnd)]
        namespace.enter(&request)
        let answer = try await write(.deleteRange, request, written, asker) { try await $0.delete($1, timeout: $2) }
        if namespace.isEmpty { return answer }
        var message = try Upstream.decode(Etcdserverpb_DeleteRangeResponse.self, answer)
        namespace.leave(&message)
        return try Upstream.encode(message)
    }

    func txn(_ bytes: [UInt8], _ asker: Asker) async throws(EtcdError) -> [UInt8] {
        var request = try Upstream.decode(Etcdserverpb_TxnRequest.self, bytes)
        let written = Self.written(request)
        namespace.enter(&request)
        let answer = try await write(.txn, request, written, asker) {
            try await $0.commit($1, usesMemory: asker.token.isEmpty, timeout: $2)
        }
        if namespace.isEmpty { return answer }
        var message = try Upstream.decode(Etcdserverpb_TxnResponse.self, answer)
        namespace.leave(&message)
        return try Upstream.encode(message)
    }

    /// What a transaction may write, whichever way it goes.
    private static func written(_ request: Etcdserverpb_TxnRequest) -> [(Data, Data)] {
        (request.success + request.failure).flatMap { operation -> [(Data, Data)] in
            switch operation.request {
            case .requestPut(let put): [(put.key, Data())]
            case .requestDeleteRange(let deletion): [(deletion.key, deletion.rangeEnd)]
            case .requestTxn(let inner): written(inner)
            case .requestRange, nil: []
            }
        }
    }

    func compact(_ bytes: [UInt8], _ asker: Asker) async throws(EtcdError) -> [UInt8] {
        let request = try Upstream.decode(Etcdserverpb_CompactionRequest.self, bytes)
        let answer = try await upstream.ask(.compact, bytes, for: asker)
        cache.withLock { $0.compact(request.revision) }
        return answer
    }

    /// Answers go from the cache before the write and after it: one that was read meanwhile may be either.
    private func write<Request: SwiftProtobuf.Message & Sendable, Answer: SwiftProtobuf.Message & Sendable>(
        _ rpc: RPC,
        _ request: Request,
        _ written: [(Data, Data)],
        _ asker: Asker,
        _ leased: @escaping @Sendable (LeasingKV, Request, _ timeout: Duration?) async throws -> Answer
    ) async throws(EtcdError) -> [UInt8] {
        invalidate(written)
        defer { invalidate(written) }
        guard let leasing else { return try await upstream.ask(rpc, try Upstream.encode(request), for: asker) }
        return try Upstream.encode(try await lease(asker) { try await leased(leasing, request, $0) })
    }

    private func invalidate(_ written: [(Data, Data)]) {
        cache.withLock { cache in
            for (key, end) in written { cache.invalidate(key: key, end: end) }
        }
    }
}
