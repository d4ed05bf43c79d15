// What a member has told others outlives a crash: its term, its vote, and a file and a log that are sound.

import Base
import RaftWire

struct Durability {
    private struct Promise {
        var term: Term = 0
        var vote: MemberID = 0
        var index: LogIndex = 0
        var indexTerm: Term = 0
    }

    private var promises: [MemberID: Promise] = [:]

    /// A message has left the member.
    mutating func sent(_ message: Message) {
        guard !message.reject, message.type == .voteResponse || message.type == .appendResponse else { return }
        var promise = promises[message.from] ?? Promise()
        if message.term > promise.term {
            promise.term = message.term
            promise.vote = 0
        }
        if message.type == .voteResponse, message.term == promise.term { promise.vote = message.to }
        if message.type == .appendResponse {
            if message.term > promise.indexTerm {
                promise.indexTerm = message.term
                promise.index = 0
            }
            promise.index = max(promise.index, message.index)
        }
        promises[message.from] = promise
    }

    /// The member stands again, before it has heard of anybody.
    func restarted(_ id: MemberID, term: Term, vote: MemberID, lastIndex: LogIndex, problems: [String]) throws(Violation) {
        func broken(_ text: String) -> Violation { Violation(checker: "durability", text: "\(hexadecimal(id)) \(text)") }
        if let problem = problems.first { throw broken("has a damaged file: \(problem)") }
        guard let promise = promises[id] else { return }
        if term < promise.term { throw broken("is back in term \(term) and had spoken in \(promise.term)") }
        if term == promise.term, promise.vote != 0, vote != promise.vote {
            throw broken("voted for \(hexadecimal(promise.vote)) in term \(term) and knows of \(hexadecimal(vote))")
        }
        // A later leader may have cut the log, but not without the member's having entered its term.
        if term == promise.indexTerm, lastIndex < promise.index {
            throw broken("acknowledged index \(promise.index) and its log ends at \(lastIndex)")
        }
    }
}
