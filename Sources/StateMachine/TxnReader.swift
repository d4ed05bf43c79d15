// The reading half of transactions: compares, and ranges. Also runs those that only read, which never enter the log.

import Base
package import EtcdWire
package import MVCC

package struct TxnReader: Sendable {
    private let view: StoreView

    package init(view: StoreView) {
        self.view = view
    }

    /// A transaction of ranges alone; etcd counts one with nested transactions as writing.
    package static func isReadOnly(_ request: TxnRequest) -> Bool {
        (request.success + request.failure).allSatisfy { if case .range = $0 { true } else { false } }
    }

    package static func isSerializable(_ request: TxnRequest) -> Bool {
        (request.success + request.failure).allSatisfy { if case .range(let range) = $0 { range.serializable } else { false } }
    }

    /// Runs a read-only transaction.
    package func answer(_ request: TxnRequest) throws(EtcdError) -> Reply {
        do throws(RequestFailure) {
            let succeeded = try holds(request.compare)
            let operations = succeeded ? request.success : request.failure
            for case .range(let range) in operations { try check(range) }
            var response = TxnResponse(succeeded: succeeded)
            for case .range(let range) in operations { response.responses.append(.range(try self.range(range))) }
            return Reply(revision: view.currentRevision, body: response.encoded())
        } catch {
            switch error {
            case .answer(let answer): throw answer
            case .store(let failure): throw EtcdError(code: .unknown, message: "\(failure)")
            }
        }
    }

    // MARK: Compares

    /// For the transaction and, depth first, every nested one on the chosen branches: whether its compares hold.
    func path(of request: TxnRequest) throws(RequestFailure) -> [Bool] {
        let holds = try holds(request.compare)
        var path = [holds]
        for case .txn(let nested) in holds ? request.success : request.failure {
            path += try self.path(of: nested)
        }
        return path
    }

    private func holds(_ compares: [Compare]) throws(RequestFailure) -> Bool {
        for compare in compares where !(try holds(compare)) { return false }
        return true
    }

    private func holds(_ compare: Compare) throws(RequestFailure) -> Bool {
        let request = RangeRequest(key: compare.key, rangeEnd: compare.rangeEnd)
        let answer = try onStore { () throws(MVCCError) in try view.answer(request) }
        guard let pairs = try? RangeResponse(decoding: answer.body).decodedKVs() else { return false }
        if pairs.isEmpty {
            // Nothing there: a value cannot be compared with it, numbers are 0.
            return compare.target != .value && Self.holds(compare, KeyValue())
        }
        return pairs.allSatisfy { Self.holds(compare, $0) }
    }

    private static func holds(_ compare: Compare, _ pair: KeyValue) -> Bool {
        let order: Int
        switch compare.target {
        case .value:
            var wanted = Bytes()
            if case .value(let value)? = compare.targetUnion { wanted = value }
            order = pair.value.compare(wanted)
        case .create:
            var wanted: Int64 = 0
            if case .createRevision(let revision)? = compare.targetUnion { wanted = revision }
            order = sign(pair.createRevision, wanted)
        case .mod:
            var wanted: Int64 = 0
            if case .modRevision(let revision)? = compare.targetUnion { wanted = revision }
            order = sign(pair.modRevision, wanted)
        case .version:
            var wanted: Int64 = 0
            if case .version(let version)? = compare.targetUnion { wanted = version }
            order = sign(pair.version, wanted)
        case .lease:
            var wanted: Int64 = 0
            if case .lease(let lease)? = compare.targetUnion { wanted = lease }
            order = sign(pair.lease, wanted)
        default:
            order = 0
        }
        switch compare.result {
        case .equal: return order == 0
        case .notEqual: return order != 0
        case .greater: return order > 0
        case .less: return order < 0
        default: return true
        }
    }

    private static func sign(_ left: Int64, _ right: Int64) -> Int { left < right ? -1 : left > right ? 1 : 0 }

    // MARK: Ranges

    /// A range inside a transaction must be readable before anything is written. Unlike a read of its own, a negative
    /// revision counts as compacted.
    func check(_ request: RangeRequest) throws(RequestFailure) {
        if request.revision == 0 { return }
        if request.revision > view.currentRevision { throw .answer(.futureRevision) }
        if request.revision < max(view.compactRevision, 0) { throw .answer(.compacted) }
    }

    func range(_ request: RangeRequest) throws(RequestFailure) -> RangeResponse {
        let answer = try onStore { () throws(MVCCError) in try view.answer(request) }
        guard var response = try? RangeResponse(decoding: answer.body) else {
            throw .store(.corruptRow(Revision(main: answer.revision)))
        }
        response.header = ResponseHeader(revision: answer.revision)
        return response
    }
}
