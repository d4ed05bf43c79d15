// What is wrong with a request before anything is looked up: the checks etcd makes at the door, in etcd's order.

import MVCC
import Base
package import EtcdWire

package enum RequestChecks {
    package static func check(_ request: RangeRequest) throws(EtcdError) {
        if request.key.isEmpty { throw .emptyKey }
        if !request.sortOrder.isKnown || !request.sortTarget.isKnown { throw .invalidSortOption }
    }

    package static func checkStream(_ request: RangeRequest) throws(EtcdError) {
        try check(request)
        let isDefaultOrder =
            request.sortOrder == .none || (request.sortTarget == .key && request.sortOrder == .ascend)
        if !isDefaultOrder { throw .rangeStreamSort }
        if request.hasRevisionFilter { throw .rangeStreamFilter }
    }

    package static func check(_ request: PutRequest) throws(EtcdError) {
        if request.key.isEmpty { throw .emptyKey }
        if request.ignoreValue && !request.value.isEmpty { throw .valueProvided }
        if request.ignoreLease && request.lease != 0 { throw .leaseProvided }
    }

    package static func check(_ request: DeleteRangeRequest) throws(EtcdError) {
        if request.key.isEmpty { throw .emptyKey }
    }

    /// - Parameter operationsMax: `--max-txn-ops`; a nested transaction gets what the ones around it left over.
    package static func check(_ request: TxnRequest, operationsMax: Int) throws(EtcdError) {
        try checkOperations(request, operationsMax: operationsMax)
        _ = try writes(of: request.success)
        _ = try writes(of: request.failure)
    }

    private static func checkOperations(_ request: TxnRequest, operationsMax: Int) throws(EtcdError) {
        let count = max(request.compare.count, request.success.count, request.failure.count)
        if count > operationsMax { throw .tooManyOps }
        for compare in request.compare where compare.key.isEmpty { throw .emptyKey }
        for operation in request.success { try check(operation, operationsMax: operationsMax - count) }
        for operation in request.failure { try check(operation, operationsMax: operationsMax - count) }
    }

    private static func check(_ operation: RequestOp, operationsMax: Int) throws(EtcdError) {
        switch operation {
        case .range(let request): try check(request)
        case .put(let request): try check(request)
        case .deleteRange(let request): try check(request)
        case .txn(let request): try checkOperations(request, operationsMax: operationsMax)
        case .none: throw .keyNotFound
        }
    }

    // MARK: No key is written twice on one path

    /// What a list of operations writes.
    private struct Writes {
        var puts: Set<Bytes> = []
        var deletes: [KeyRange] = []

        /// As etcd compares here: an end of one zero byte is that byte, not "no end".
        func deletes(_ key: Bytes) -> Bool {
            deletes.contains { $0.isSingleKey ? $0.key == key : $0.key <= key && key < $0.end }
        }
    }

    private static func writes(of operations: [RequestOp]) throws(EtcdError) -> Writes {
        var all = Writes()
        for case .deleteRange(let request) in operations {
            all.deletes.append(KeyRange(key: request.key, end: request.rangeEnd))
        }
        for case .txn(let request) in operations {
            let success = try writes(of: request.success)
            let failure = try writes(of: request.failure)
            for key in success.puts {
                if all.puts.contains(key) || all.deletes(key) { throw .duplicateKey }
            }
            for key in failure.puts {
                // Only one of the branches runs, so they may write the same key.
                if all.puts.contains(key) || all.deletes(key) { throw .duplicateKey }
            }
            all.puts.formUnion(success.puts)
            all.puts.formUnion(failure.puts)
            all.deletes += success.deletes + failure.deletes
        }
        for case .put(let request) in operations {
            if all.deletes(request.key) || !all.puts.insert(request.key).inserted { throw .duplicateKey }
        }
        return all
    }
}
