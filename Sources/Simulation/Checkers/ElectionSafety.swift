// At most one leader a term (Raft, section 5.2).

import Base

struct ElectionSafety {
    private var leaders: [Term: MemberID] = [:]

    mutating func leads(_ id: MemberID, term: Term) throws(Violation) {
        if let other = leaders[term], other != id {
            throw Violation(
                checker: "election safety", text: "\(hexadecimal(other)) and \(hexadecimal(id)) both lead term \(term)")
        }
        leaders[term] = id
    }
}
