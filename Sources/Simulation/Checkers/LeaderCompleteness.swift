// Whoever is elected has everything that was committed in earlier terms (Raft, section 5.4). Not what was committed in
// later ones: the last vote for an old term may come late, and who wins by it learns of the newer term soon.

import Base

struct LeaderCompleteness {
    /// - Parameters:
    ///   - leaderTerm: of the election.
    ///   - window: what the leader has in memory; what comes before it was applied.
    ///   - term: the leader's term at an index of the window.
    func elected(
        _ id: MemberID, in leaderTerm: Term, window: (first: LogIndex, last: LogIndex), committed: CommittedLog, term: (LogIndex) -> Term?
    ) throws(Violation) {
        let last = committed.lastIndex(before: leaderTerm)
        if window.last < last {
            throw Violation(
                checker: "leader completeness",
                text: "\(hexadecimal(id)) leads with a log up to \(window.last), but \(last) is committed")
        }
        guard window.first <= last else { return }
        for index in window.first...last {
            guard let known = committed.term(at: index), let own = term(index), own != known else { continue }
            throw Violation(
                checker: "leader completeness", text: "\(hexadecimal(id)) leads with another entry at committed index \(index)")
        }
    }
}
