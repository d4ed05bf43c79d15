// Reading and writing keys: the one seam that the whole store, a part of it, and caches in front of it share.

import EtcdWire
import SwiftProtobuf

/// Keys that can be read and written: a ``Client``, or a view of one.
public protocol KV: Sendable {
    func get(_ request: GetRequest) async throws(ClientError) -> GetResult
    func put(_ request: PutRequest) async throws(ClientError) -> PutResult
    func delete(_ request: DeleteRequest) async throws(ClientError) -> DeleteResult
    func commit(_ transaction: Transaction) async throws(ClientError) -> TransactionResult
}

extension KV {
    /// The keys of a range, in their order.
    /// - Parameters:
    ///   - limit: how many at most; 0 for all.
    ///   - revision: the store's state to read; 0 for the present one.
    ///   - isSerializable: whether any member may answer from what it knows, which is quicker and may be stale.
    public func get(
        _ range: KeyRange,
        limit: Int64 = 0,
        revision: Int64 = 0,
        isSerializable: Bool = false
    ) async throws(ClientError) -> GetResult {
        try await get(GetRequest(range, limit: limit, revision: revision, isSerializable: isSerializable))
    }

    /// One key, or nil if there is none.
    public func get(_ key: some Octets) async throws(ClientError) -> KeyValue? {
        try await get(GetRequest(.key(key))).pairs.first
    }

    /// Writes a key; a lease makes it vanish with the lease.
    @discardableResult
    public func put(_ key: some Octets, _ value: some Octets, lease: Int64 = 0) async throws(ClientError) -> PutResult {
        try await put(PutRequest(key, value, lease: lease))
    }

    /// Deletes keys.
    @discardableResult
    public func delete(_ range: KeyRange) async throws(ClientError) -> DeleteResult {
        try await delete(DeleteRequest(range))
    }

    /// Deletes a key.
    /// - Returns: whether there was one.
    @discardableResult
    public func delete(_ key: some Octets) async throws(ClientError) -> Bool {
        try await delete(DeleteRequest(.key(key))).count > 0
    }
}

extension Client: KV {
    public func get(_ request: GetRequest) async throws(ClientError) -> GetResult {
        GetResult(try await call(.range, request.message))
    }

    public func put(_ request: PutRequest) async throws(ClientError) -> PutResult {
        PutResult(try await call(.put, request.message))
    }

    public func delete(_ request: DeleteRequest) async throws(ClientError) -> DeleteResult {
        DeleteResult(try await call(.deleteRange, request.message))
    }

    public func commit(_ transaction: Transaction) async throws(ClientError) -> TransactionResult {
        try await commit(transaction, isRepeatable: transaction.isRead)
    }

    /// - Parameter isRepeatable: whether doing it twice does no more than doing it once.
    func commit(_ transaction: Transaction, isRepeatable: Bool) async throws(ClientError) -> TransactionResult {
        let method = RPCMethod<Etcdserverpb_TxnRequest, Etcdserverpb_TxnResponse>.txn
        return TransactionResult(try await call(isRepeatable ? method.asRepeatable : method, transaction.message))
    }

    /// Forgets the history before `revision`.
    /// - Parameter isPhysical: whether to wait until the space is free.
    public func compact(_ revision: Int64, isPhysical: Bool = false) async throws(ClientError) {
        _ = try await call(
            .compact,
            .with {
                $0.revision = revision
                $0.physical = isPhysical
            }
        )
    }

    /// The keys of a range in portions, all of one revision, however many there are. It asks for one portion after the
    /// other, so that neither a member nor this process holds all of them.
    /// - Parameter portion: how many keys to ask for at once, at least 1.
    /// - Returns: the revision.
    @discardableResult
    public func scan(
        _ range: KeyRange,
        revision: Int64 = 0,
        portion: Int64 = 1000,
        _ receive: ([KeyValue]) async throws -> Void
    ) async throws -> Int64 {
        var request = GetRequest(range, limit: max(1, portion), revision: revision)
        // One key is a portion; a range goes on right after the last key that came.
        while true {
            let result = try await get(request)
            if request.revision == 0 { request.revision = result.header.revision }
            if !result.pairs.isEmpty { try await receive(result.pairs) }
            guard result.hasMore, let last = result.pairs.last else { return request.revision }
            request.range.start = last.key + [0]
        }
    }
}
