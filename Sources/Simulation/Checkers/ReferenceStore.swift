// What the committed requests mean, told in the plainest way: no index, no file, no batch. Written without a look at the
// store it judges.

import Base
import EtcdWire
import RaftWire

struct ReferenceStore {
    /// What a request must have been told.
    struct Outcome: Hashable {
        var isSuccess: Bool
        var revision: Int64
        /// Of a transaction.
        var isThen = false
    }

    struct Pair: Hashable {
        var value: Bytes
        var modRevision: Int64
        var lease: LeaseID
    }

    private(set) var revision: Int64 = 1
    private(set) var compacted: Int64 = 0
    private(set) var outcomes: [UInt64: Outcome] = [:]
    private var pairs: [Bytes: Pair] = [:]
    /// Everything that happened to keys, in order.
    private(set) var changes: [WatchCompleteness.Told] = []
    private var leases: Set<LeaseID> = []
    /// All versions of each key; nil is a deletion.
    private var history: [Bytes: [(revision: Int64, value: Bytes?)]] = [:]

    /// - Returns: the request, if there was one.
    mutating func apply(_ entry: Entry) throws(Violation) -> InternalRaftRequest? {
        guard entry.type == .normal, !entry.data.isEmpty, let request = try? InternalRaftRequest(decoding: entry.data) else {
            return nil
        }
        let isSuccess: Bool
        var isThen = false
        switch request.body {
        case .put(let put): isSuccess = self.put([put])
        case .deleteRange(let delete):
            remove(pairs.keys.filter { KeyRange(key: delete.key, end: delete.rangeEnd).contains($0) })
            isSuccess = true
        case .txn(let txn): (isSuccess, isThen) = self.txn(txn)
        case .leaseGrant(let grant): isSuccess = leases.insert(grant.id).inserted
        case .leaseRevoke(let revoke):
            isSuccess = leases.remove(revoke.id) != nil
            if isSuccess { remove(pairs.filter { $0.value.lease == revoke.id }.map(\.key)) }
        case .compaction(let compaction):
            isSuccess = compaction.revision > compacted && compaction.revision <= revision
            if isSuccess { compacted = compaction.revision }
        default: isSuccess = true
        }
        let outcome = Outcome(isSuccess: isSuccess, revision: revision, isThen: isThen)
        if outcomes.updateValue(outcome, forKey: request.requestID) != nil {
            throw Violation(checker: "no acknowledged write lost", text: "request \(request.requestID) is in the log twice")
        }
        return request
    }

    private mutating func note(_ key: Bytes, _ value: Bytes?) {
        changes.append(
            WatchCompleteness.Told(key: key, value: value, previous: pairs[key]?.value, revision: revision))
    }

    private mutating func put(_ requests: [PutRequest]) -> Bool {
        guard requests.allSatisfy({ $0.lease == 0 || leases.contains($0.lease) }) else { return false }
        revision += 1
        for put in requests {
            note(put.key, put.value)
            pairs[put.key] = Pair(value: put.value, modRevision: revision, lease: put.lease)
            history[put.key, default: []].append((revision, put.value))
        }
        return true
    }

    private mutating func remove(_ keys: [Bytes]) {
        let present = keys.filter { pairs[$0] != nil }.sorted()
        if present.isEmpty { return }
        revision += 1
        for key in present {
            note(key, nil)
            pairs[key] = nil
            history[key, default: []].append((revision, nil))
        }
    }

    /// Transactions of the simulated clients: compare a key's modification revision, then put keys, or do nothing.
    private mutating func txn(_ txn: TxnRequest) -> (Bool, Bool) {
        let holds = txn.compare.allSatisfy { compare in
            guard case .modRevision(let wanted)? = compare.targetUnion else { return false }
            return (pairs[compare.key]?.modRevision ?? 0) == wanted
        }
        guard holds else { return (true, false) }
        let puts = txn.success.compactMap { operation in
            if case .put(let put) = operation { put } else { nil }
        }
        return (put(puts), true)
    }

    func modRevision(of key: Bytes) -> Int64 { pairs[key]?.modRevision ?? 0 }

    func value(of key: Bytes, at revision: Int64) -> Bytes? {
        history[key]?.last { $0.revision <= revision }?.value
    }
}
