// Puts, deletes and transactions.

import Base
import Backend
package import EtcdWire
import Lease
import MVCC
import Wire

extension StateMachine {
    mutating func applyPut(_ request: PutRequest) throws(RequestFailure) -> Reply {
        let hadRoom = hasRoom(for: Quota.cost(request))
        try check(request)
        store.begin()
        let previous: Bytes?
        do throws(RequestFailure) {
            previous = try put(request)
        } catch {
            _ = store.end()
            throw error
        }
        endTransaction()
        try noteQuota(hadRoom)
        return Reply(revision: store.currentRevision, body: PutResponse(prevKV: previous).encoded())
    }

    /// The checks that need the state: the lease must be there, and so must the key whose value or lease is to stay.
    private func check(_ request: PutRequest) throws(RequestFailure) {
        if request.lease != 0, !lessor.contains(request.lease) { throw .answer(.leaseNotFound) }
        if request.ignoreValue || request.ignoreLease, !view.contains(request.key) { throw .answer(.keyNotFound) }
    }

    /// Within a transaction. Returns the pair before, if the request asks for it.
    private mutating func put(_ request: PutRequest) throws(RequestFailure) -> Bytes? {
        var previous: Bytes?
        if request.prevKV || request.ignoreValue || request.ignoreLease {
            previous = try onStore { () throws(MVCCError) in try view.pair(request.key) }
        }
        var value = request.value
        var lease = request.lease
        if request.ignoreValue || request.ignoreLease {
            guard let previous, let pair = try? KeyValue(decoding: previous) else { throw .answer(.keyNotFound) }
            if request.ignoreValue { value = pair.value }
            if request.ignoreLease { lease = pair.lease }
        }
        store.put(request.key, value: value, lease: lease, to: &backend)
        if lessor.lease(of: request.key) != (lease == 0 ? nil : lease) {
            let key = request.key.compacted()
            lessor.detach(key)
            if lease != 0 { lessor.attach(key, to: lease) }
        }
        return request.prevKV ? previous : nil
    }

    mutating func applyDeleteRange(_ request: DeleteRangeRequest) throws(RequestFailure) -> Reply {
        store.begin()
        let response: DeleteRangeResponse
        do throws(RequestFailure) {
            response = try delete(request)
        } catch {
            _ = store.end()
            throw error
        }
        endTransaction()
        return Reply(revision: store.currentRevision, body: response.encoded())
    }

    private mutating func delete(_ request: DeleteRangeRequest) throws(RequestFailure) -> DeleteRangeResponse {
        let range = KeyRange(key: request.key, end: request.rangeEnd)
        var previous: [Bytes] = []
        if request.prevKV {
            let read = RangeRequest(key: request.key, rangeEnd: request.rangeEnd)
            let answer = try onStore { () throws(MVCCError) in try view.answer(read) }
            previous = (try? RangeResponse(decoding: answer.body))?.kvs ?? []
        }
        let keys = store.deleteRange(range, in: &backend)
        for key in keys { lessor.detach(key) }
        return DeleteRangeResponse(deleted: Int64(keys.count), prevKVs: previous)
    }

    // MARK: Transactions

    mutating func applyTxn(_ request: TxnRequest, wantsReply: Bool) throws(RequestFailure) -> Reply {
        let hadRoom = hasRoom(for: Quota.cost(request))
        let reads = TxnReader(view: view)
        // All branches are chosen, and all their operations checked, before anything is written.
        let path = try reads.path(of: request)
        var steps = path[...]
        try check(request, &steps)
        store.begin()
        steps = path[...]
        let response: TxnResponse
        do throws(RequestFailure) {
            response = try execute(request, &steps, runsReads: wantsReply)
        } catch {
            _ = store.end()
            throw error
        }
        endTransaction()
        try noteQuota(hadRoom)
        return Reply(revision: store.currentRevision, body: response.encoded())
    }

    private func check(_ request: TxnRequest, _ path: inout ArraySlice<Bool>) throws(RequestFailure) {
        for operation in path.removeFirst() ? request.success : request.failure {
            switch operation {
            case .range(let range): try TxnReader(view: view).check(range)
            case .put(let put): try check(put)
            case .txn(let nested): try check(nested, &path)
            case .deleteRange, .none: break
            }
        }
    }

    private mutating func execute(
        _ request: TxnRequest, _ path: inout ArraySlice<Bool>, runsReads: Bool
    ) throws(RequestFailure) -> TxnResponse {
        let succeeded = path.removeFirst()
        var response = TxnResponse(succeeded: succeeded)
        for operation in succeeded ? request.success : request.failure {
            switch operation {
            case .range(let range):
                guard runsReads else {
                    response.responses.append(.range(RangeResponse(header: ResponseHeader(revision: store.readRevision))))
                    continue
                }
                response.responses.append(.range(try TxnReader(view: view).range(range)))
            case .put(let put):
                let previous = try self.put(put)
                response.responses.append(
                    .put(PutResponse(header: ResponseHeader(revision: store.readRevision), prevKV: previous)))
            case .deleteRange(let delete):
                var answer = try self.delete(delete)
                answer.header = ResponseHeader(revision: store.readRevision)
                response.responses.append(.deleteRange(answer))
            case .txn(let nested):
                var answer = try execute(nested, &path, runsReads: runsReads)
                answer.header = ResponseHeader()
                response.responses.append(.txn(answer))
            case .none:
                response.responses.append(.none)
            }
        }
        return response
    }

    // MARK: Quota

    func hasRoom(for cost: UInt64) -> Bool {
        limits.quotaBytes == 0 || databaseSizeBytes + cost < limits.quotaBytes || cost == 0
    }

    /// etcd carries such a request out, answers that there is no space, and raises the alarm.
    func noteQuotaError(_ hadRoom: Bool) -> EtcdError? { hadRoom ? nil : .noSpace }

    mutating func noteQuota(_ hadRoom: Bool) throws(RequestFailure) {
        guard let error = noteQuotaError(hadRoom) else { return }
        events.append(.quotaExceeded)
        throw .answer(error)
    }
}

/// What a request may add to the file, as etcd estimates it.
package enum Quota {
    private static let pairOverhead: UInt64 = 256
    package static let leaseCost: UInt64 = 64

    package static func cost(_ request: PutRequest) -> UInt64 {
        pairOverhead + UInt64(request.key.count + request.value.count)
    }

    /// The dearer branch's puts.
    package static func cost(_ request: TxnRequest) -> UInt64 {
        func sum(_ operations: [RequestOp]) -> UInt64 {
            operations.reduce(0) { total, operation in
                switch operation {
                case .put(let put): total + cost(put)
                default: total
                }
            }
        }
        return max(sum(request.success), sum(request.failure))
    }
}
