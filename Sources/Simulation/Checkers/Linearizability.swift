// Every answer is what the committed requests, one after another, would have answered; and later requests see what
// earlier ones were told. The store's revisions give the order, so no search is needed.
//
// An answer that success was written is good only if its request is among the committed ones: no acknowledged write is
// lost. Answers come in before all members' logs have been seen; they wait until the reference has caught up.

import Base

struct Linearizability {
    enum Answer {
        case write(request: UInt64, isSuccess: Bool, revision: Int64, isThen: Bool?)
        case read(key: Bytes, value: Bytes?, revision: Int64)
    }

    /// The highest revision that any client was told so far.
    private(set) var floor: Int64 = 0
    private var unchecked: [Answer] = []

    /// - Parameter asked: the floor at the time the request was made.
    mutating func answered(_ answer: Answer, asked: Int64) throws(Violation) {
        let revision =
            switch answer {
            case .write(_, let isSuccess, let revision, _): isSuccess ? revision : 0
            case .read(_, _, let revision): revision
            }
        if revision != 0, revision < asked {
            throw Violation(
                checker: "linearizability", text: "\(answer) is older than revision \(asked), which was known before it was asked")
        }
        floor = max(floor, revision)
        unchecked.append(answer)
    }

    /// Checks what the reference can judge by now.
    mutating func check(_ reference: ReferenceStore, isFinal: Bool) throws(Violation) {
        var left: [Answer] = []
        for answer in unchecked where try !isSettled(answer, reference, isFinal) { left.append(answer) }
        unchecked = left
    }

    private func isSettled(_ answer: Answer, _ reference: ReferenceStore, _ isFinal: Bool) throws(Violation) -> Bool {
        switch answer {
        case .write(let request, let isSuccess, let revision, let isThen):
            guard let outcome = reference.outcomes[request] else {
                if !isFinal { return false }
                throw Violation(checker: "no acknowledged write lost", text: "\(answer) was never committed")
            }
            if outcome.isSuccess != isSuccess || (isSuccess && outcome.revision != revision)
                || (isSuccess && isThen != nil && isThen != outcome.isThen)
            {
                throw Violation(checker: "linearizability", text: "\(answer) should have been \(outcome)")
            }
        case .read(let key, let value, let revision):
            if revision > reference.revision {
                if !isFinal { return false }
                throw Violation(checker: "linearizability", text: "\(answer) is of a revision that never was")
            }
            let expected = reference.value(of: key, at: revision)
            if expected != value {
                throw Violation(checker: "linearizability", text: "\(answer) should have been \(String(describing: expected))")
            }
        }
        return true
    }
}
