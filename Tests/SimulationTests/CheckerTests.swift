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
        var checker = LeasePromises()
        checker.held(7, seconds: 10, asked: 0)
        checker.expiryProposed(7, request: 1)
        #expect(throws: Violation.self) { _ = try checker.committed(1, now: .milliseconds(9000)) }
        checker.held(8, seconds: 10, asked: 0)
        checker.expiryProposed(8, request: 2)
        #expect(try checker.committed(2, now: .milliseconds(9900)))
    }
}

@Suite("Checkers of members and watchers")
struct MemberCheckerTests {
    @Test("a leader lacks nothing that is committed")
    func completeness() throws {
        var committed = CommittedLog()
        for index in LogIndex(1)...5 { try committed.applied(Entry(term: 2, index: index, data: "x"), by: 1, in: 2) }
        let checker = LeaderCompleteness()
        try checker.elected(1, in: 3, window: (3, 6), committed: committed, term: { _ in 2 })
        #expect(throws: Violation.self) { try checker.elected(1, in: 3, window: (3, 4), committed: committed, term: { _ in 2 }) }
        #expect(throws: Violation.self) { try checker.elected(1, in: 3, window: (3, 6), committed: committed, term: { $0 == 4 ? 3 : 2 }) }
        #expect(throws: Violation.self) { try committed.applied(Entry(term: 3, index: 5, data: "x"), by: 2, in: 3) }
        // Elected by a late vote of the term, or of an earlier one: what has come since it need not have.
        try committed.applied(Entry(term: 4, index: 6, data: "y"), by: 1, in: 4)
        try checker.elected(1, in: 3, window: (3, 5), committed: committed, term: { _ in 2 })
        #expect(throws: Violation.self) { try checker.elected(1, in: 5, window: (3, 5), committed: committed, term: { _ in 2 }) }
    }

    @Test("what a member has told others is there after its restart")
    func durability() throws {
        var checker = Durability()
        checker.sent(Message(type: .voteResponse, to: 2, from: 1, term: 4))
        checker.sent(Message(type: .appendResponse, to: 2, from: 1, term: 4, index: 9))
        try checker.restarted(1, term: 4, vote: 2, lastIndex: 9, problems: [])
        try checker.restarted(1, term: 5, vote: 0, lastIndex: 7, problems: [])
        #expect(throws: Violation.self) { try checker.restarted(1, term: 3, vote: 2, lastIndex: 9, problems: []) }
        #expect(throws: Violation.self) { try checker.restarted(1, term: 4, vote: 3, lastIndex: 9, problems: []) }
        #expect(throws: Violation.self) { try checker.restarted(1, term: 4, vote: 2, lastIndex: 8, problems: []) }
        #expect(throws: Violation.self) { try checker.restarted(1, term: 4, vote: 2, lastIndex: 9, problems: ["page 3"]) }
    }

    @Test("states at one index are equal")
    func equality() throws {
        var checker = StateEquality()
        try checker.holds("a", at: 3, 1)
        try checker.holds("a", at: 3, 2)
        try checker.holds("b", at: 4, 1)
        #expect(throws: Violation.self) { try checker.holds("a", at: 4, 2) }
    }

    private func reference() throws -> ReferenceStore {
        var reference = ReferenceStore()
        for (index, value) in ["a", "b", "c"].enumerated() {
            let put = PutRequest(key: "k", value: Bytes(value))
            let request = InternalRaftRequest(header: RequestHeader(id: UInt64(index) + 1), body: .put(put))
            _ = try reference.apply(Entry(term: 1, index: LogIndex(index) + 1, data: request.encoded()))
        }
        return reference
    }

    private func told(_ value: String, _ revision: Int64) -> WatchCompleteness.Told {
        WatchCompleteness.Told(key: "k", value: Bytes(value), previous: nil, revision: revision)
    }

    @Test("a watcher is told all of it, once and in order")
    func watches() throws {
        let reference = try reference()
        var fresh = WatchCompleteness()
        fresh.began(KeyRange(key: "k"))

        var good = fresh
        try good.told(0, [told("a", 2), told("b", 3)], through: 3)
        try good.check(reference, isFinal: false)
        var unfinished = good
        #expect(throws: Violation.self) { try unfinished.check(reference, isFinal: true) }
        var again = good
        #expect(throws: Violation.self) { try again.told(0, [told("b", 3)], through: 3) }
        try good.told(0, [told("c", 4)], through: 4)
        try good.check(reference, isFinal: true)

        var missing = fresh
        try missing.told(0, [told("b", 3)], through: 3)
        #expect(throws: Violation.self) { try missing.check(reference, isFinal: false) }
        var disordered = fresh
        #expect(throws: Violation.self) { try disordered.told(0, [told("b", 3), told("a", 2)], through: 3) }
        var wrong = fresh
        try wrong.told(0, [told("x", 2)], through: 2)
        #expect(throws: Violation.self) { try wrong.check(reference, isFinal: false) }
        var skipping = fresh
        try skipping.skipped(0, to: 3)
        #expect(throws: Violation.self) { try skipping.check(reference, isFinal: true) }
    }
}
