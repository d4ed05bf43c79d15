// Keys kept near: a client that owns a key's leasing key answers reads of it from memory. Everyone who writes through such
// a cache takes the ownership away first, so that no read is older than a write that was acknowledged.
// Invariants: a key is answered from memory only while its leasing key stands, its session is good by this process's own
// clock, and none of this client's writes of it is under way. An owner forgets a key before it gives the leasing key up.

package import EtcdWire
import FoundationEssentials
import SwiftProtobuf
import Synchronization

/// A cache of single keys that is never stale, if all that write the keys use such a cache with the same prefix.
/// Keys that are attached to a lease, reads of ranges and of the past are not kept.
public final class LeasingKV: KV {
    private let client: Client
    private let prefix: [UInt8]
    private let namespace: [UInt8]
    private let state: Mutex<State>

    private struct State {
        var session: Session?
        var entries: [[UInt8]: Entry] = [:]
        /// Keys that are just being asked for, and whether they were given up before they came.
        var acquiring: [[UInt8]: Bool] = [:]
        /// When others took a key away: whoever asks for it right then would only take it from them.
        var lost: [[UInt8]: ContinuousClock.Instant] = [:]

        /// The session, while it is good.
        var lease: Int64? { session.flatMap { $0.isExpired ? nil : $0.lease } }
    }

    private struct Entry {
        /// The create revision of the leasing key.
        let ownership: Int64
        var pair: Mvccpb_KeyValue?
        var header: Etcdserverpb_ResponseHeader
        /// Writes of this client under way: until they are answered nobody knows what the key is.
        var writes = 0
        let watching: Task<Void, Never>
    }

    /// What a leasing key's value is when others ask for it.
    private static let revocation = Data("REVOKE".utf8)
    /// How long a key that was taken away is not taken back.
    private static let respite = Duration.seconds(2)
    /// How long an owner has time to give a key up before it is asked again.
    private static let patience = Duration.seconds(2)
    /// As many such keys are remembered before the old ones are looked for.
    private static let lostMax = 1024
    /// After a session could not be started.
    private static let sessionPause = Duration.seconds(1)

    /// - Parameter prefix: where the leasing keys are; no other keys may begin with it.
    public init(_ session: Session, prefix: some Octets) {
        client = session.client
        self.prefix = prefix.octets
        namespace = []
        state = Mutex(State(session: session))
    }

    /// Without a session, until `keepSession` runs.
    /// - Parameter namespace: what all keys begin with that are asked for; the leasing keys begin with it, too.
    package init(_ client: Client, prefix: some Octets, within namespace: some Octets) {
        self.client = client
        self.prefix = prefix.octets
        self.namespace = namespace.octets
        state = Mutex(State())
    }

    deinit { state.withLock { for entry in $0.entries.values { entry.watching.cancel() } } }

    /// Has a session, and another one when that ends, until the task is cancelled.
    package func keepSession() async {
        while !Task.isCancelled {
            do throws(ClientError) {
                let session = try await Session.start(on: client)
                state.withLock { $0.session = session }
                await session.waitUntilExpired()
            } catch {
                try? await Task.sleep(for: Self.sessionPause)
            }
            state.withLock { state in
                state.session = nil
                for entry in state.entries.values { entry.watching.cancel() }
                state.entries = [:]
            }
        }
    }

    /// How many keys are answered from memory.
    public var ownedCount: Int { state.withLock { $0.lease == nil ? 0 : $0.entries.count } }

    // MARK: Leasing keys

    private func leasing(_ key: [UInt8]) -> [UInt8] { namespace + prefix + key.dropFirst(namespace.count) }

    private func leasing(_ range: KeyRange) -> KeyRange {
        if range.end.isEmpty { return .key(leasing(range.start)) }
        let isOpen = range.end == (namespace.isEmpty ? [0] : prefixEnd(namespace))
        let inside = KeyRange(
            start: Array(range.start.dropFirst(namespace.count)),
            end: isOpen ? [0] : Array(range.end.dropFirst(namespace.count))
        )
        return inside.prefixed(namespace + prefix)
    }

    /// The key that a leasing key stands for.
    private func key(of leasing: Data) -> [UInt8] { namespace + leasing.dropFirst(namespace.count + prefix.count) }

    // MARK: Reading

    public func get(_ request: GetRequest) async throws(ClientError) -> GetResult {
        GetResult(try await range(request.message))
    }

    package func range(
        _ request: Etcdserverpb_RangeRequest, timeout: Duration? = nil
    ) async throws(ClientError) -> Etcdserverpb_RangeResponse {
        if let answer = kept(request) { return answer }
        let key = Array(request.key)
        guard Self.isOfOneKey(request), !request.serializable, let lease = beginAcquiring(key) else {
            return try await client.call(.range, request, timeout: timeout)
        }
        defer { state.withLock { _ = $0.acquiring.removeValue(forKey: key) } }
        return try await acquire(key, request, lease, timeout)
    }

    /// Of the present; what a member would refuse is asked of one.
    private static func isOfOneKey(_ request: Etcdserverpb_RangeRequest) -> Bool {
        if case .UNRECOGNIZED = request.sortOrder { return false }
        if case .UNRECOGNIZED = request.sortTarget { return false }
        return request.rangeEnd.isEmpty && request.revision <= 0 && !request.key.isEmpty
    }

    /// The answer from memory; nil if the members have to be asked.
    package func kept(_ request: Etcdserverpb_RangeRequest) -> Etcdserverpb_RangeResponse? {
        guard Self.isOfOneKey(request) else { return nil }
        return state.withLock { state in
            guard state.lease != nil, let entry = state.entries[Array(request.key)], entry.writes == 0 else { return nil }
            return Self.answer(entry.pair, entry.header, to: request)
        }
    }

    /// The answer to a transaction that only reads, if all its keys are in memory.
    private func kept(_ transaction: Etcdserverpb_TxnRequest) -> Etcdserverpb_TxnResponse? {
        state.withLock { state in
            guard state.lease != nil else { return nil }
            var newest: Etcdserverpb_ResponseHeader?
            func find(_ key: Data) -> Entry? {
                guard let entry = state.entries[Array(key)], entry.writes == 0 else { return nil }
                if entry.header.revision > newest?.revision ?? 0 { newest = entry.header }
                return entry
            }
            var holds = true
            for compare in transaction.compare {
                guard compare.rangeEnd.isEmpty, let entry = find(compare.key), let one = compare.holds(for: entry.pair)
                else { return nil }
                holds = holds && one
            }
            var responses: [Etcdserverpb_ResponseOp] = []
            for operation in holds ? transaction.success : transaction.failure {
                guard case .requestRange(let request)? = operation.request, Self.isOfOneKey(request),
                    let entry = find(request.key)
                else { return nil }
                let answer = Self.answer(entry.pair, entry.header, to: request)
                responses.append(.with { $0.responseRange = answer })
            }
            guard let newest else { return nil }
            return .with {
                $0.header = newest
                $0.succeeded = holds
                $0.responses = responses
            }
        }
    }

    private static func answer(
        _ pair: Mvccpb_KeyValue?, _ header: Etcdserverpb_ResponseHeader, to request: Etcdserverpb_RangeRequest
    ) -> Etcdserverpb_RangeResponse {
        .with {
            $0.header = header
            guard var pair else { return }
            $0.count = 1
            func isWithin(_ revision: Int64, _ lowest: Int64, _ highest: Int64) -> Bool {
                revision >= lowest && (highest == 0 || revision <= highest)
            }
            guard !request.countOnly, isWithin(pair.modRevision, request.minModRevision, request.maxModRevision),
                isWithin(pair.createRevision, request.minCreateRevision, request.maxCreateRevision)
            else { return }
            if request.keysOnly { pair.value = Data() }
            $0.kvs = [pair]
        }
    }

    /// - Returns: nil if the key should not be asked for now: it is, it was just taken away, or there is no session.
    private func beginAcquiring(_ key: [UInt8]) -> Int64? {
        state.withLock { state in
            guard let lease = state.lease, state.entries[key] == nil, state.acquiring[key] == nil,
                state.lost[key].map({ $0 + Self.respite < .now }) ?? true
            else { return nil }
            state.acquiring[key] = false
            return lease
        }
    }

    /// Reads a key from the cluster and becomes its owner if nobody is.
    private func acquire(
        _ key: [UInt8], _ request: Etcdserverpb_RangeRequest, _ lease: Int64, _ timeout: Duration?
    ) async throws(ClientError) -> Etcdserverpb_RangeResponse {
        let leasing = leasing(key)
        let transaction = Transaction().when(.missing(leasing))
            .then(.put(leasing, "", lease: lease), .get(key))
            .otherwise(.get(leasing), .get(key))
        let method = RPCMethod<Etcdserverpb_TxnRequest, Etcdserverpb_TxnResponse>.txn
        let result = try await client.call(method.asRepeatable, transaction.message, timeout: timeout)
        guard result.responses.count == 2 else { throw Self.malformed }
        let pair = result.responses[1].responseRange.kvs.first
        let answer = Self.answer(pair, result.header, to: request)
        if !result.succeeded {
            // An earlier attempt of this session may have made the leasing key without hearing of it, or it is just being
            // given up. To rely on it would be wrong in the latter case.
            if let other = result.responses[0].responseRange.kvs.first, other.lease == lease {
                await giveUp(leasing, other.createRevision)
            }
            return answer
        }
        // Its revision is the one that the leasing key was created at.
        if let pair, pair.lease != 0 {
            await giveUp(leasing, result.header.revision)
        } else if !keep(key, lease, from: result.header, pair) {
            await giveUp(leasing, result.header.revision)
        }
        return answer
    }

    /// - Returns: false if the key was given up meanwhile, or the session is another one.
    private func keep(
        _ key: [UInt8], _ lease: Int64, from header: Etcdserverpb_ResponseHeader, _ pair: Mvccpb_KeyValue?
    ) -> Bool {
        let (leasing, ownership) = (leasing(key), header.revision)
        return state.withLock { state in
            guard state.acquiring[key] == false, state.lease == lease else { return false }
            // Not on behalf of whoever asks now.
            let watching = Task.detached { [weak self, client] in
                // Whatever comes, a revocation or the end of the lease, is the end of the ownership.
                try? await client.waitForEvent(at: .key(leasing), from: header.revision + 1, where: { _ in true })
                if !Task.isCancelled { await self?.release(key, ownership) }
            }
            state.entries[key] = Entry(ownership: ownership, pair: pair, header: header, watching: watching)
            return true
        }
    }

    /// Forgets a key and gives it up, even if whoever asks is gone.
    private func release(_ key: [UInt8], _ ownership: Int64) async {
        state.withLock { state in
            if state.acquiring[key] != nil { state.acquiring[key] = true }
            guard let entry = state.entries[key], entry.ownership == ownership else { return }
            entry.watching.cancel()
            state.entries[key] = nil
            let now = ContinuousClock.now
            if state.lost.count >= Self.lostMax { state.lost = state.lost.filter { $0.value + Self.respite >= now } }
            if state.lost.count < Self.lostMax { state.lost[key] = now }
        }
        await giveUp(leasing(key), ownership)
    }

    private func giveUp(_ leasing: [UInt8], _ ownership: Int64) async {
        let transaction = Transaction().when(.createRevision(of: leasing, equals: ownership)).then(.delete(leasing))
        await Task.detached { [client] in _ = try? await client.commit(transaction, isRepeatable: true) }.value
    }

    // MARK: Writing

    public func put(_ request: PutRequest) async throws(ClientError) -> PutResult {
        PutResult(try await put(request.message))
    }

    package func put(
        _ request: Etcdserverpb_PutRequest, timeout: Duration? = nil
    ) async throws(ClientError) -> Etcdserverpb_PutResponse {
        let result = try await write(Array(request.key), .with { $0.requestPut = request }, timeout)
        guard case .responsePut(var answer)? = result.responses.first?.response else { throw Self.malformed }
        answer.header = result.header
        return answer
    }

    public func delete(_ request: DeleteRequest) async throws(ClientError) -> DeleteResult {
        DeleteResult(try await delete(request.message))
    }

    package func delete(
        _ request: Etcdserverpb_DeleteRangeRequest, timeout: Duration? = nil
    ) async throws(ClientError) -> Etcdserverpb_DeleteRangeResponse {
        let operation = Etcdserverpb_RequestOp.with { $0.requestDeleteRange = request }
        let range = KeyRange(start: Array(request.key), end: Array(request.rangeEnd))
        let result =
            range.end.isEmpty
            ? try await write(range.start, operation, timeout) : try await guarded([range], operation, timeout)
        guard case .responseDeleteRange(var answer)? = result.responses.first?.response else { throw Self.malformed }
        answer.header = result.header
        return answer
    }

    public func commit(_ transaction: Transaction) async throws(ClientError) -> TransactionResult {
        TransactionResult(try await commit(transaction.message))
    }

    /// - Parameter usesMemory: false where only the members know what may be read.
    package func commit(
        _ transaction: Etcdserverpb_TxnRequest, usesMemory: Bool = true, timeout: Duration? = nil
    ) async throws(ClientError) -> Etcdserverpb_TxnResponse {
        let written = Array(Set(transaction.writtenRanges))
        if written.isEmpty {
            if usesMemory, let answer = kept(transaction) { return answer }
            return try await client.call(.txn, transaction, timeout: timeout)
        }
        let result = try await guarded(written, .with { $0.requestTxn = transaction }, timeout)
        guard case .responseTxn(var answer)? = result.responses.first?.response else { throw Self.malformed }
        answer.header = result.header
        return answer
    }

    private static let malformed = ClientError(
        code: .internalError,
        message: "an answer to another operation",
        stage: .answered
    )

    /// Writes a key: as its owner, if this client is that, and keeps what it wrote.
    private func write(
        _ key: [UInt8], _ operation: Etcdserverpb_RequestOp, _ timeout: Duration?
    ) async throws(ClientError) -> Etcdserverpb_TxnResponse {
        let ownership = state.withLock { state -> Int64? in
            guard state.lease != nil else { return nil }
            state.entries[key]?.writes += 1
            return state.entries[key]?.ownership
        }
        guard let ownership else { return try await guarded([.key(key)], operation, timeout) }
        do throws(ClientError) {
            let transaction = Etcdserverpb_TxnRequest.with {
                $0.compare = [Transaction.Condition.createRevision(of: leasing(key), equals: ownership).message]
                $0.success = [operation, Transaction.Operation.get(key).message]
            }
            let result = try await client.call(.txn, transaction, timeout: timeout)
            guard result.succeeded else {
                await release(key, ownership)
                return try await guarded([.key(key)], operation, timeout)
            }
            guard result.responses.count == 2 else { throw Self.malformed }
            let pair = result.responses[1].responseRange.kvs.first
            state.withLock { state in
                guard var entry = state.entries[key], entry.ownership == ownership else { return }
                entry.writes -= 1
                if result.header.revision > entry.header.revision {
                    entry.pair = pair
                    entry.header = result.header
                }
                state.entries[key] = entry
            }
            if let pair, pair.lease != 0 { await release(key, ownership) }
            return result
        } catch {
            // What the key is now nobody here knows.
            await release(key, ownership)
            throw error
        }
    }

    /// Carries an operation out when nobody owns any key of the ranges, after asking those who do to give them up.
    private func guarded(
        _ ranges: [KeyRange], _ operation: Etcdserverpb_RequestOp, _ timeout: Duration?
    ) async throws(ClientError) -> Etcdserverpb_TxnResponse {
        let own = state.withLock { state in
            state.entries.filter { key, _ in ranges.contains { $0.contains(key) } }.map { ($0.key, $0.value.ownership) }
        }
        for (key, ownership) in own { await release(key, ownership) }
        let leasingRanges = ranges.map { leasing($0) }
        let outer = Etcdserverpb_TxnRequest.with {
            $0.compare = leasingRanges.map { Transaction.Condition($0, .equal, .createRevision(0)).message }
            $0.success = [operation]
            $0.failure = leasingRanges.map { Transaction.Operation.get($0).message }
        }
        while true {
            let result = try await client.call(.txn, outer, timeout: timeout)
            if result.succeeded { return result }
            for case .responseRange(let owned)? in result.responses.map(\.response) {
                for leasing in owned.kvs { try await revoke(leasing, at: result.header.revision) }
            }
            // The rest of a wait that was given up says nothing about the key.
            if Task.isCancelled { throw ClientError(code: .cancelled, message: "context canceled") }
        }
    }

    private func revoke(_ leasing: Mvccpb_KeyValue, at revision: Int64) async throws(ClientError) {
        if leasing.lease != 0, leasing.lease == state.withLock({ $0.lease }) {
            // Read again since, or made by an attempt whose answer was lost: nobody else gives it up.
            return await release(key(of: leasing.key), leasing.createRevision)
        }
        // Also where somebody did so before: an owner that had just taken the key may have overlooked that.
        var request = PutRequest(Array(leasing.key), Array(Self.revocation))
        request.keepsLease = true
        let transaction = Transaction().when(
            .createRevision(of: Array(leasing.key), equals: leasing.createRevision)
        ).then(.put(request))
        guard try await client.commit(transaction, isRepeatable: true).succeeded else { return }
        try await waitForDeletion(of: Array(leasing.key), from: revision + 1)
    }

    /// Returns after a while, too: an owner that does not listen is then asked again.
    private func waitForDeletion(of leasing: [UInt8], from revision: Int64) async throws(ClientError) {
        let failure = await withTaskGroup(of: ClientError?.self) { [client] group in
            group.addTask {
                do throws(ClientError) {
                    try await client.waitForDeletion(of: leasing, from: revision)
                    return nil
                } catch {
                    return error
                }
            }
            group.addTask {
                try? await Task.sleep(for: Self.patience)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
        if let failure { throw failure }
    }
}

extension Etcdserverpb_Compare {
    /// Whether a key that is on no lease is as demanded; nil for demands that only a member can judge.
    fileprivate func holds(for pair: Mvccpb_KeyValue?) -> Bool? {
        func compared<Number: Comparable>(_ left: Number, _ right: Number) -> Int { left < right ? -1 : left > right ? 1 : 0 }
        let order: Int
        switch target {
        case .value:
            // Nothing that is not there has a value.
            guard let pair else { return false }
            order = pair.value == value ? 0 : pair.value.lexicographicallyPrecedes(value) ? -1 : 1
        case .version: order = compared(pair?.version ?? 0, version)
        case .create: order = compared(pair?.createRevision ?? 0, createRevision)
        case .mod: order = compared(pair?.modRevision ?? 0, modRevision)
        case .lease: order = compared(0, lease)
        case .UNRECOGNIZED: return nil
        }
        switch result {
        case .equal: return order == 0
        case .notEqual: return order != 0
        case .less: return order < 0
        case .greater: return order > 0
        case .UNRECOGNIZED: return nil
        }
    }
}

extension Etcdserverpb_TxnRequest {
    /// The keys that it may change, whichever way it goes.
    fileprivate var writtenRanges: [KeyRange] {
        (success + failure).flatMap { operation -> [KeyRange] in
            switch operation.request {
            case .requestPut(let put): [.key(Array(put.key))]
            case .requestDeleteRange(let deletion): [KeyRange(start: Array(deletion.key), end: Array(deletion.rangeEnd))]
            case .requestTxn(let inner): inner.writtenRanges
            case .requestRange, nil: []
            }
        }
    }
}
