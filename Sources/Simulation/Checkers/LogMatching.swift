// If two logs hold an entry with the same index and term, they are the same up to it (Raft, section 5.3); and what one
// member has applied at an index is what every member applies there (section 5.4.3).

import Base
import RaftWire

struct LogMatching {
    /// Compares what two members have in memory; each ascending and without gaps.
    func compare(_ left: [Entry], _ right: [Entry], _ names: String) throws(Violation) {
        guard let leftFirst = left.first?.index, let rightFirst = right.first?.index else { return }
        let first = max(leftFirst, rightFirst)
        let count = min(Int(leftFirst) + left.count, Int(rightFirst) + right.count) - Int(first)
        guard count > 0 else { return }
        var isMatched = false
        for offset in (0..<count).reversed() {
            let (one, other) = (left[Int(first - leftFirst) + offset], right[Int(first - rightFirst) + offset])
            if one.term == other.term { isMatched = true }
            if isMatched, one.term != other.term || one.data != other.data || one.type != other.type {
                throw Violation(checker: "log matching", text: "\(names) differ at index \(one.index) below an equal entry")
            }
        }
    }
}

/// What has been committed, as the members that applied it saw it.
struct CommittedLog {
    private struct Fingerprint {
        var term: Term
        var hash: UInt64
    }

    private var fingerprints: [LogIndex: Fingerprint] = [:]
    private var waiting: [LogIndex: Entry] = [:]
    private(set) var lastIndex: LogIndex = 0
    private var nextIndex: LogIndex = 1
    /// The last index that was first seen applied by a member of this term.
    private var lastIndexes: [Term: LogIndex] = [:]

    func term(at index: LogIndex) -> Term? { fingerprints[index]?.term }

    /// The last index that was certainly committed in a term before this one.
    func lastIndex(before term: Term) -> LogIndex { lastIndexes.filter { $0.key < term }.values.max() ?? 0 }

    /// - Parameter term: the member's own at the time; it was committed in that one or an earlier one.
    mutating func applied(_ entry: Entry, by id: MemberID, in term: Term) throws(Violation) {
        let hash = entry.data.withUnsafeBytes { fnv1a64($0) }
        if let known = fingerprints[entry.index] {
            if known.term == entry.term, known.hash == hash { return }
            throw Violation(
                checker: "state machine safety",
                text: "\(hexadecimal(id)) applies another entry at index \(entry.index), of term \(entry.term) and not \(known.term)")
        }
        fingerprints[entry.index] = Fingerprint(term: entry.term, hash: hash)
        waiting[entry.index] = entry
        lastIndex = max(lastIndex, entry.index)
        lastIndexes[term] = max(lastIndexes[term] ?? 0, entry.index)
    }

    /// The next entry in order that nobody took yet.
    mutating func takeNext() -> Entry? {
        guard let entry = waiting.removeValue(forKey: nextIndex) else { return nil }
        nextIndex += 1
        return entry
    }
}
