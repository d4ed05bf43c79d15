import Base
import EtcdAPI
import EtcdWire
import Testing

@Suite("Request checks")
struct RequestChecksTests {
    private func put(_ key: Bytes) -> RequestOp { .put(PutRequest(key: key)) }
    private func delete(_ key: Bytes, _ end: Bytes = Bytes()) -> RequestOp {
        .deleteRange(DeleteRangeRequest(key: key, rangeEnd: end))
    }

    private func outcome(_ success: [RequestOp], _ failure: [RequestOp] = [], max: Int = 128) -> EtcdError? {
        do throws(EtcdError) {
            try RequestChecks.check(TxnRequest(success: success, failure: failure), operationsMax: max)
            return nil
        } catch {
            return error
        }
    }

    @Test("a key may be written once on a path, and twice only on paths that exclude each other")
    func duplicates() {
        #expect(outcome([put("a"), put("a")]) == .duplicateKey)
        #expect(outcome([put("a")], [put("a")]) == nil)
        #expect(outcome([put("b"), delete("a", "c")]) == .duplicateKey)
        #expect(outcome([delete("a", "c"), delete("b")]) == nil)
        #expect(outcome([put("c"), delete("a", "c")]) == nil)
        let nested = RequestOp.txn(TxnRequest(success: [put("a")], failure: [put("a"), put("b")]))
        #expect(outcome([nested]) == nil)
        #expect(outcome([nested, put("b")]) == .duplicateKey)
        #expect(outcome([nested, nested]) == .duplicateKey)
        #expect(outcome([nested, delete("a")]) == .duplicateKey)
    }

    @Test("operations are counted per list, and nested ones share what is left")
    func counts() {
        #expect(outcome([put("a"), put("b")], max: 2) == nil)
        #expect(outcome([put("a"), put("b"), put("c")], max: 2) == .tooManyOps)
        let nested = RequestOp.txn(TxnRequest(success: [put("a")]))
        #expect(outcome([nested], max: 1) == .tooManyOps)
        #expect(outcome([nested], max: 2) == nil)
        #expect(outcome([.none]) == .keyNotFound)
    }

    @Test("single requests")
    func single() {
        #expect(throws: EtcdError.emptyKey) { try RequestChecks.check(RangeRequest()) }
        #expect(throws: EtcdError.valueProvided) {
            try RequestChecks.check(PutRequest(key: "a", value: "v", ignoreValue: true))
        }
        #expect(throws: EtcdError.leaseProvided) {
            try RequestChecks.check(PutRequest(key: "a", lease: 1, ignoreLease: true))
        }
        #expect(throws: EtcdError.invalidSortOption) {
            try RequestChecks.check(RangeRequest(key: "a", sortOrder: SortOrder(rawValue: 9)))
        }
        #expect(throws: EtcdError.rangeStreamSort) {
            try RequestChecks.checkStream(RangeRequest(key: "a", sortOrder: .descend))
        }
    }
}
