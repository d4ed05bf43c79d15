// Within one life of a member its term, commit index and applied index never go down, and applied never passes commit.

import Base

struct Monotonicity {
    private struct Seen {
        var life: Int
        var term: Term
        var commit: LogIndex
        var applied: LogIndex
    }

    private var seen: [MemberID: Seen] = [:]

    mutating func look(_ id: MemberID, life: Int, term: Term, commit: LogIndex, applied: LogIndex) throws(Violation) {
        let now = Seen(life: life, term: term, commit: commit, applied: applied)
        if let before = seen[id], before.life == life,
            term < before.term || commit < before.commit || applied < before.applied
        {
            throw Violation(checker: "monotonicity", text: "\(hexadecimal(id)) went from \(before) to \(now)")
        }
        seen[id] = now
    }
}
