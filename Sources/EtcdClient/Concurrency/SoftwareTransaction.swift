// Software transactional memory: a function reads and writes keys as if it were alone; what it wrote is put into the store
// in one transaction, if what it read is still so, or the function runs again.

/// How much a ``SoftwareTransaction`` is shielded from others.
public enum Isolation: Sendable, Hashable {
    /// As if it ran alone: all reads are of one revision, nothing it read or is to write has changed until it commits.
    case serializableSnapshot
    /// All reads are of one revision, and what it read has not changed until it commits; what it only writes may have.
    case serializable
    /// What it read has not changed until it commits; reads of different keys may be of different revisions.
    case repeatableReads
    /// Each read is of something committed. Nothing is checked.
    case readCommitted
}

/// The keys as one run of a transaction sees them.
public final class SoftwareTransaction {
    private let store: any KV
    private let isolation: Isolation
    /// What was read: the pair, or nil for a key that there is not.
    private var reads: [[UInt8]: KeyValue?] = [:]
    private var writes: [[UInt8]: Write] = [:]
    /// The revision of the first read, which all others are of.
    private var revision: Int64 = 0

    private enum Write { case put([UInt8], lease: Int64), delete }

    fileprivate init(store: any KV, isolation: Isolation, known: [[UInt8]: KeyValue?], revision: Int64) {
        self.store = store
        self.isolation = isolation
        reads = known
        self.revision = revision
    }

    /// The value of a key, as this run left it; nil if there is none.
    public func get(_ key: some Octets) async throws(ClientError) -> [UInt8]? {
        let key = key.octets
        switch writes[key] {
        case .put(let value, _): return value
        case .delete: return nil
        case nil: return try await read(key)?.value
        }
    }

    /// The value of a key as text.
    public func text(_ key: some Octets) async throws(ClientError) -> String? {
        try await get(key).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Writes a key, when the run is committed.
    public func put(_ key: some Octets, _ value: some Octets, lease: Int64 = 0) {
        writes[key.octets] = .put(value.octets, lease: lease)
    }

    /// Deletes a key, when the run is committed.
    public func delete(_ key: some Octets) { writes[key.octets] = .delete }

    private func read(_ key: [UInt8]) async throws(ClientError) -> KeyValue? {
        if isolation != .readCommitted, let known = reads[key] { return known }
        let isOfOneRevision = isolation == .serializable || isolation == .serializableSnapshot
        var request = GetRequest(.key(key), revision: isOfOneRevision ? revision : 0)
        // The history at a fixed revision is the same at every member that has it.
        request.isSerializable = request.revision != 0
        let result = try await store.get(request)
        if isOfOneRevision, revision == 0 { revision = result.header.revision }
        reads[key] = .some(result.pairs.first)
        return result.pairs.first
    }

    /// What must hold for this run to count, and what it then does. Failing, it reads what was read anew.
    fileprivate var transaction: Transaction {
        var transaction = Transaction()
        if isolation != .readCommitted {
            for (key, pair) in reads {
                transaction.conditions.append(.modRevision(of: key, equals: pair?.modRevision ?? 0))
            }
        }
        if isolation == .serializableSnapshot, revision != 0 {
            // What is only written must not have changed since the first read.
            for key in writes.keys where reads[key] == nil {
                transaction.conditions.append(.modRevision(of: key, .less, revision + 1))
            }
        }
        for (key, write) in writes {
            switch write {
            case .put(let value, let lease): transaction.success.append(.put(key, value, lease: lease))
            case .delete: transaction.success.append(.delete(key))
            }
        }
        if isolation != .readCommitted { transaction.failure = readKeys.map { .get($0) } }
        return transaction
    }

    fileprivate var readKeys: [[UInt8]] { reads.keys.sorted { $0.lexicographicallyPrecedes($1) } }
}

extension KV {
    /// Runs `body` until a run of it could be committed whole.
    /// - Parameter attempts: how many runs at most, at least 1; nil for no limit.
    /// - Returns: what the committed run returned.
    /// - Throws: what `body` throws, which ends the transaction without a change; ``ClientError`` with `aborted` when all
    ///   attempts were overtaken by others.
    public func transact<Result: Sendable>(
        _ isolation: Isolation = .serializableSnapshot,
        attempts: Int? = nil,
        _ body: (SoftwareTransaction) async throws -> Result
    ) async throws -> Result {
        var known: [[UInt8]: KeyValue?] = [:]
        var revision: Int64 = 0
        var attempt = 0
        while attempts.map({ attempt < $0 }) ?? true {
            attempt += 1
            try Task.checkCancellation()
            let run = SoftwareTransaction(store: self, isolation: isolation, known: known, revision: revision)
            let result = try await body(run)
            let transaction = run.transaction
            let keys = run.readKeys
            let answer = try await commit(transaction)
            if answer.succeeded { return result }
            // The next run begins with what is known now, all of one revision.
            known = [:]
            for (index, key) in keys.enumerated() { known[key] = .some(answer.pair(at: index)) }
            revision = isolation == .serializable || isolation == .serializableSnapshot ? answer.header.revision : 0
        }
        throw ClientError(code: .aborted, message: "the transaction was overtaken \(attempt) times", stage: .answered)
    }
}
