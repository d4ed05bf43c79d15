// A part of the store as if it were all of it: every key a caller sees begins, in the store, with the same prefix.

/// The keys that begin with ``prefix``, without it.
public struct Namespace: KV {
    public let client: Client
    public let prefix: [UInt8]
    private let base: any KV

    public init(_ client: Client, prefix: some Octets) {
        self.client = client
        self.prefix = prefix.octets
        base = client
    }

    /// A part of something that reads and writes in a way of its own, such as ``OrderedKV``.
    public init(_ base: any KV, watching client: Client, prefix: some Octets) {
        self.client = client
        self.prefix = prefix.octets
        self.base = base
    }

    public func get(_ request: GetRequest) async throws(ClientError) -> GetResult {
        stripped(try await base.get(prefixed(request)))
    }

    public func put(_ request: PutRequest) async throws(ClientError) -> PutResult {
        try checkKey(request.key)
        return stripped(try await base.put(prefixed(request)))
    }

    public func delete(_ request: DeleteRequest) async throws(ClientError) -> DeleteResult {
        stripped(try await base.delete(prefixed(request)))
    }

    public func commit(_ transaction: Transaction) async throws(ClientError) -> TransactionResult {
        stripped(try await base.commit(prefixed(transaction)))
    }

    /// The changes of keys of this part.
    public func watch(_ range: KeyRange, _ options: WatchOptions = WatchOptions()) -> WatchSequence {
        WatchSequence(client: client, range: range.prefixed(prefix), options: options, strips: prefix.count)
    }

    /// What a lease has left, and of its keys those of this part.
    public func leaseStatus(_ id: Int64) async throws(ClientError) -> LeaseStatus {
        let status = try await client.leaseStatus(id, wantsKeys: true)
        return LeaseStatus(
            id: status.id,
            timeToLive: status.timeToLive,
            grantedTimeToLive: status.grantedTimeToLive,
            keys: status.keys.filter { $0.starts(with: prefix) }.map { Array($0.dropFirst(prefix.count)) },
            header: status.header
        )
    }

    /// With the prefix an empty key would no longer be refused by the cluster.
    private func checkKey(_ key: [UInt8]) throws(ClientError) {
        if key.isEmpty { throw ClientError(code: .invalidArgument, message: "etcdserver: key is not provided") }
    }

    // MARK: Into the store

    private func prefixed(_ request: GetRequest) -> GetRequest {
        var request = request
        request.range = request.range.prefixed(prefix)
        return request
    }

    private func prefixed(_ request: PutRequest) -> PutRequest {
        var request = request
        request.key = prefix + request.key
        return request
    }

    private func prefixed(_ request: DeleteRequest) -> DeleteRequest {
        var request = request
        request.range = request.range.prefixed(prefix)
        return request
    }

    private func prefixed(_ transaction: Transaction) -> Transaction {
        var transaction = transaction
        for index in transaction.conditions.indices {
            transaction.conditions[index].range = transaction.conditions[index].range.prefixed(prefix)
        }
        transaction.success = transaction.success.map(prefixed)
        transaction.failure = transaction.failure.map(prefixed)
        return transaction
    }

    private func prefixed(_ operation: Transaction.Operation) -> Transaction.Operation {
        switch operation {
        case .get(let request): .get(prefixed(request))
        case .put(let request): .put(prefixed(request))
        case .delete(let request): .delete(prefixed(request))
        case .transaction(let transaction): .transaction(prefixed(transaction))
        }
    }

    // MARK: Out of the store

    private func stripped(_ pair: KeyValue) -> KeyValue {
        var pair = pair
        pair.key = Array(pair.key.dropFirst(prefix.count))
        return pair
    }

    private func stripped(_ result: GetResult) -> GetResult {
        var result = result
        result.pairs = result.pairs.map(stripped)
        return result
    }

    private func stripped(_ result: PutResult) -> PutResult {
        var result = result
        result.previous = result.previous.map(stripped)
        return result
    }

    private func stripped(_ result: DeleteResult) -> DeleteResult {
        var result = result
        result.previous = result.previous.map(stripped)
        return result
    }

    private func stripped(_ result: TransactionResult) -> TransactionResult {
        var result = result
        result.items = result.items.map { item in
            switch item {
            case .get(let answer): .get(stripped(answer))
            case .put(let answer): .put(stripped(answer))
            case .delete(let answer): .delete(stripped(answer))
            case .transaction(let answer): .transaction(stripped(answer))
            }
        }
        return result
    }
}
