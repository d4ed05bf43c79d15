// Reads that never go back in time. A serializable read is answered by any member from what it knows; after a failover that
// may be less than an earlier answer showed. Here such an answer is not given: another member is asked.

import Synchronization

/// Keys as a client sees them whose reads, serializable ones too, are never older than what it has seen.
public final class OrderedKV: KV {
    private let base: any KV
    private let rounds: Int
    private let newest = Mutex<Int64>(0)

    /// How often each member is asked before the read fails; a member that lags catches up within these, or is cut off.
    private static let roundsMax = 5
    /// How long to wait after all members were asked.
    private static let pause = Duration.milliseconds(50)

    /// Reads by way of `client`, whose balancing should be ``ClientConfiguration/Balancing/roundRobin``.
    public convenience init(_ client: Client) { self.init(client, members: client.endpoints.count) }

    /// - Parameter members: how many times in a row another member may be behind `base`.
    public init(_ base: any KV, members: Int) {
        self.base = base
        rounds = max(1, members) * Self.roundsMax
    }

    public func get(_ request: GetRequest) async throws(ClientError) -> GetResult {
        // What the store was at a revision is the same at every time.
        if request.revision > 0 { return try await base.get(request) }
        return try await ordered({ $0.header }) { () async throws(ClientError) in try await self.base.get(request) }
    }

    public func put(_ request: PutRequest) async throws(ClientError) -> PutResult {
        let result = try await base.put(request)
        saw(result.header)
        return result
    }

    public func delete(_ request: DeleteRequest) async throws(ClientError) -> DeleteResult {
        let result = try await base.delete(request)
        saw(result.header)
        return result
    }

    public func commit(_ transaction: Transaction) async throws(ClientError) -> TransactionResult {
        guard transaction.isRead else {
            let result = try await base.commit(transaction)
            saw(result.header)
            return result
        }
        return try await ordered({ $0.header }) { () async throws(ClientError) in
            try await self.base.commit(transaction)
        }
    }

    private func saw(_ header: ResponseHeader) { newest.withLock { $0 = max($0, header.revision) } }

    private func ordered<Result>(
        _ header: (Result) -> ResponseHeader,
        _ ask: () async throws(ClientError) -> Result
    ) async throws(ClientError) -> Result {
        let floor = newest.withLock { $0 }
        for round in 0..<rounds {
            let result = try await ask()
            if header(result).revision >= floor {
                saw(header(result))
                return result
            }
            if round % max(1, rounds / Self.roundsMax) == 0, round > 0 { try? await Task.sleep(for: Self.pause) }
        }
        throw ClientError(
            code: .failedPrecondition,
            message: "etcdclient: no cluster members have a revision higher than the previously received revision"
        )
    }
}
