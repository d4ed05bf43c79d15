// Keys kept near: a client that owns a key's leasing key answers reads of it from memory. Everyone who writes through such
// a cache takes the ownership away first, so that no read is older than a write that was acknowledged.
// Invariants: a key is answered from memory only while its leasing key stands, its session is good by this process's own
// clock, and none of this client's writes of it is under way. An owner forgets a key before it gives the leasing key up.

import EtcdWire
import SwiftProtobuf
import Synchronization

/// A cache of single keys that is never stale, if all that write the keys use such a cache with the same prefix.
/// Keys that are attached to a lease, reads of ranges and of the past are not kept.
public final class LeasingKV: KV {
    private let session: Session
    private let prefix: [UInt8]
    private let state = Mutex<[[UInt8]: Entry]>([:])

    private struct Entry {
        /// The create revision of the leasing key.
        let ownership: Int64
        var pair: KeyValue?
        var header: ResponseHeader
        /// Writes of this client under way: until they are answered nobody knows what the key is.
        var writes = 0
        let watching: Task<Void, Never>
    }

    /// What a leasing key's value is when others ask for it.
    private static let revocation = Array("REVOKE".utf8)

    /// - Parameter prefix: where the leasing keys are; no other keys may begin with it.
    public init(_ session: Session, prefix: some Octets) {
        self.session = session
        self.prefix = prefix.octets
    }

    deinit { state.withLock { for entry in $0.values { entry.watching.cancel() } } }

    private var client: Client { session.client }

    /// How many keys are answered from memory.
    public var ownedCount: Int { session.isExpired ? 0 : state.withLock { $0.count } }

    // MARK: Reading

    public func get(_ request: GetRequest) async throws(ClientError) -> GetResult {
        let isPlain = request == GetRequest(request.range, limit: request.limit, isSerializable: request.isSerializable)
        guard request.range.end.isEmpty, isPlain, !request.range.start.isEmpty, !session.isExpired else {
            return try await client.get(request)
        }
        let key = request.range.start
        if let (pair, header) = kept(key) {
            return GetResult(pairs: pair.map { [$0] } ?? [], count: pair == nil ? 0 : 1, header: header)
        }
        return try await acquire(key)
    }

    private func kept(_ key: [UInt8]) -> (KeyValue?, ResponseHeader)? {
        guard !session.isExpired else { return nil }
        return state.withLock { entries in
            guard let entry = entries[key], entry.writes == 0 else { return nil }
            return (entry.pair, entry.header)
        }
    }

    /// Reads a key from the cluster and becomes its owner if nobody is.
    private func acquire(_ key: [UInt8]) async throws(ClientError) -> GetResult {
        if state.withLock({ $0[key] != nil }) { return try await client.get(GetRequest(.key(key))) }
        let leasing = prefix + key
        let transaction = Transaction().when(.missing(leasing))
            .then(.put(leasing, "", lease: session.lease), .get(key))
            .otherwise(.get(leasing), .get(key))
        let result = try await client.commit(transaction, isRepeatable: true)
        guard case .get(let answer)? = result.items.last else { return try await client.get(GetRequest(.key(key))) }
        var ownership = result.header.revision
        if !result.succeeded {
            // An earlier attempt of this session may have made the leasing key without hearing of it.
            guard let other = result.pair(at: 0), other.lease == session.lease, other.value.isEmpty else {
                return answer
            }
            ownership = other.createRevision
        }
        if answer.pairs.first.map({ $0.lease != 0 }) ?? false {
            try await giveUp(leasing, ownership)
            return answer
        }
        keep(key, ownership: ownership, from: result.header, answer.pairs.first)
        return answer
    }

    private func keep(_ key: [UInt8], ownership: Int64, from header: ResponseHeader, _ pair: KeyValue?) {
        state.withLock { entries in
            guard entries[key] == nil else { return }
            let watching = Task { [weak self, client] in
                // Whatever comes, a revocation or the end of the lease, is the end of the ownership.
                try? await client.waitForEvent(
                    at: .key((self?.prefix ?? []) + key),
                    from: header.revision + 1,
                    where: { _ in true }
                )
                await self?.release(key, ownership)
            }
            entries[key] = Entry(ownership: ownership, pair: pair, header: header, watching: watching)
        }
    }

    private func release(_ key: [UInt8], _ ownership: Int64) async {
        state.withLock { if $0[key]?.ownership == ownership { $0[key] = nil } }
        try? await giveUp(prefix + key, ownership)
    }

    private func giveUp(_ leasing: [UInt8], _ ownership: Int64) async throws(ClientError) {
        let transaction = Transaction().when(.createRevision(of: leasing, equals: ownership)).then(.delete(leasing))
        _ = try await client.commit(transaction, isRepeatable: true)
    }

    // MARK: Writing

    public func put(_ request: PutRequest) async throws(ClientError) -> PutResult {
        let (result, _) = try await write(request.key, .put(request))
        guard case .put(let answer)? = result.items.first else { throw Self.malformed }
        return answer
    }

    public func delete(_ request: DeleteRequest) async throws(ClientError) -> DeleteResult {
        let result: TransactionResult
        if request.range.end.isEmpty {
            (result, _) = try await write(request.range.start, .delete(request))
        } else {
            result = try await guarded([request.range], Transaction().then(.delete(request)))
        }
        guard case .delete(let answer)? = result.items.first else { throw Self.malformed }
        return answer
    }

    public func commit(_ transaction: Transaction) async throws(ClientError) -> TransactionResult {
        if transaction.isRead { return try await client.commit(transaction) }
        return try await guarded(transaction.writtenRanges, transaction)
    }

    private static let malformed = ClientError(
        code: .internalError,
        message: "an answer to another operation",
        stage: .answered
    )

    /// Writes a key: as its owner, if this client is that, and keeps what it wrote.
    private func write(_ key: [UInt8], _ operation: Transaction.Operation) async throws(ClientError) -> (
        TransactionResult, Bool
    ) {
        let ownership =
            session.isExpired
            ? nil
            : state.withLock { entries -> Int64? in
                entries[key]?.writes += 1
                return entries[key]?.ownership
            }
        guard let ownership else { return (try await guarded([.key(key)], Transaction().then(operation)), false) }
        do throws(ClientError) {
            let transaction = Transaction().when(.createRevision(of: prefix + key, equals: ownership)).then(
                operation,
                .get(key)
            )
            let result = try await client.commit(transaction, isRepeatable: false)
            guard result.succeeded else {
                await release(key, ownership)
                return (try await guarded([.key(key)], Transaction().then(operation)), false)
            }
            let pair = result.pair(at: 1)
            state.withLock { entries in
                guard var entry = entries[key], entry.ownership == ownership else { return }
                entry.writes -= 1
                if result.header.revision > entry.header.revision {
                    entry.pair = pair
                    entry.header = result.header
                }
                entries[key] = entry
            }
            if pair.map({ $0.lease != 0 }) ?? false { await release(key, ownership) }
            return (result, true)
        } catch {
            // What the key is now nobody here knows.
            let cleaning = Task { await self.release(key, ownership) }
            await cleaning.value
            throw error
        }
    }

    /// Commits when nobody owns any key of the ranges, after asking those who do to give them up.
    private func guarded(_ ranges: [KeyRange], _ transaction: Transaction) async throws(ClientError)
        -> TransactionResult
    {
        let own = state.withLock { entries in
            entries.filter { key, _ in ranges.contains { $0.contains(key) } }.map { ($0.key, $0.value.ownership) }
        }
        for (key, ownership) in own { await release(key, ownership) }
        var outer = Transaction().then(.transaction(transaction))
        for range in ranges {
            let leasing = range.prefixed(prefix)
            outer.conditions.append(Transaction.Condition(leasing, .equal, .createRevision(0)))
            outer.failure.append(.get(leasing))
        }
        while true {
            let result = try await client.commit(outer)
            if result.succeeded {
                guard case .transaction(let inner)? = result.items.first else { throw Self.malformed }
                return inner
            }
            for case .get(let owned) in result.items {
                for leasing in owned.pairs { try await revoke(leasing, at: result.header.revision) }
            }
        }
    }

    private func revoke(_ leasing: KeyValue, at revision: Int64) async throws(ClientError) {
        if leasing.value != Self.revocation {
            var request = PutRequest(leasing.key, Self.revocation)
            request.keepsLease = true
            let transaction = Transaction().when(.createRevision(of: leasing.key, equals: leasing.createRevision)).then(
                .put(request)
            )
            guard try await client.commit(transaction, isRepeatable: true).succeeded else { return }
        }
        try await client.waitForDeletion(of: leasing.key, from: revision + 1)
    }
}

extension Transaction {
    /// The keys that it may change.
    var writtenRanges: [KeyRange] {
        var found: [KeyRange] = []
        for operation in success + failure {
            switch operation {
            case .get: break
            case .put(let request): found.append(.key(request.key))
            case .delete(let request): found.append(request.range)
            case .transaction(let transaction): found += transaction.writtenRanges
            }
        }
        return Array(Set(found))
    }
}
