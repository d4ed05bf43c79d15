import Base
import EtcdWire
import RaftWire
import Testing

@testable import Simulation

@Suite("Checkers")
struct CheckerTests {
    @Test("term, commit and applied may start anew only with a new life")
    func monotonicity() throws {
        var checker = Monotonicity()
        try checker.look(1, life: 1, term: 3, commit: 9, applied: 8)
        try checker.look(1, life: 1, term: 3, commit: 9, applied: 9)
        try checker.look(1, life: 2, term: 3, commit: 7, applied: 5)
        #expect(throws: Violation.self) { try checker.look(1, life: 2, term: 2, commit: 7, applied: 5) }
        #expect(throws: Violation.self) { try checker.look(1, life: 2, term: 3, commit: 6, applied: 5) }
        #expect(throws: Violation.self) { try checker.look(1, life: 2, term: 3, commit: 7, applied: 4) }
    }

    @Test("one leader a term")
    func elections() throws {
        var checker = ElectionSafety()
        try checker.leads(1, term: 2)
        try checker.leads(1, term: 2)
        try checker.leads(2, term: 3)
        #expect(throws: Violation.self) { try checker.leads(1, term: 3) }
    }

    @Test("logs may differ behind the last equal entry, not before")
    func matching() throws {
        func log(_ terms: [Term], from first: LogIndex = 1, data: Bytes = "x") -> [Entry] {
            terms.enumerated().map { Entry(term: $1, index: first + LogIndex($0), data: data) }
        }
        let checker = LogMatching()
        try checker.compare(log([1, 1, 2]), log([1, 1, 3, 3]), "")
        try checker.compare(log([1, 2], from: 5), log([1, 1], from: 1), "")
        #expect(throws: Violation.self) { try checker.compare(log([1, 1, 3]), log([1, 2, 3]), "") }
        #expect(throws: Violation.self) { try checker.compare(log([1, 1]), log([1, 1], data: "y"), "") }
    }

    @Test("answers must come in the order of revisions, and be what the reference says")
    func linearizability() throws {
        var reference = ReferenceStore()
        func put(_ id: UInt64, _ value: Bytes, at index: LogIndex) throws {
            let request = InternalRaftRequest(header: RequestHeader(id: id), body: .put(PutRequest(key: "k", value: value)))
            _ = try reference.apply(Entry(term: 1, index: index, data: request.encoded()))
        }
        try put(1, "a", at: 1)
        try put(2, "b", at: 2)
        var checker = Linearizability()
        try checker.answered(.write(request: 1, isSuccess: true, revision: 2, isThen: nil), asked: 0)
        try checker.answered(.read(key: "k", value: "b", revision: 3), asked: checker.floor)
        try checker.check(reference, isFinal: true)
        #expect(throws: Violation.self) { try checker.answered(.read(key: "k", value: "a", revision: 2), asked: 3) }
        try checker.answered(.read(key: "k", value: "a", revision: 3), asked: 3)
        #expect(throws: Violation.self) { try checker.check(reference, isFinal: true) }
        #expect(throws: Violation.self) { try put(2, "c", at: 3) }
    }

    @Test("a lease lives as long as was said, short of drift")
    func leases() throws {
        var checker = LeaseTime()
        checker.held(7, seconds: 10, asked: 0)
        checker.expiryProposed(7, request: 1)
        #expect(throws: Violation.self) { _ = try checker.committed(1, now: .milliseconds(9000)) }
        checker.held(8, seconds: 10, asked: 0)
        checker.expiryProposed(8, request: 2)
        #expect(try checker.committed(2, now: .milliseconds(9900)))
    }
}
