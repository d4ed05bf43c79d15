// A watcher is told everything that has happened to its keys since the revision it asked for: in order, once, nothing
// left out, and so also across the members it reads from one after another. Only what is compacted may be missing, and
// then it must be said.

import Base

struct WatchCompleteness {
    struct Told: Hashable {
        var key: Bytes
        /// Nil for a deletion.
        var value: Bytes?
        /// Nil where there was nothing, or it is compacted.
        var previous: Bytes?
        var revision: Int64
    }

    private enum Step {
        /// Everything through this revision.
        case told([Told], through: Int64)
        /// What came before this revision is compacted.
        case skipped(to: Int64)
    }

    private struct Watch {
        let range: KeyRange
        /// It knows everything through this revision.
        var through: Int64 = 0
        /// So many of the reference's changes are judged.
        var position = 0
        var steps: [Step] = []
    }

    private var watches: [Watch] = []

    private func broken(_ number: Int, _ text: String) -> Violation {
        Violation(checker: "watch", text: "watcher \(number) \(text)")
    }

    mutating func began(_ range: KeyRange) { watches.append(Watch(range: range)) }

    mutating func told(_ number: Int, _ events: [Told], through: Int64) throws(Violation) {
        var last = watches[number].through
        for event in events {
            if event.revision <= watches[number].through { throw broken(number, "is told revision \(event.revision) again") }
            if event.revision < last { throw broken(number, "is told \(event.revision) after \(last)") }
            last = event.revision
        }
        watches[number].through = max(through, last)
        watches[number].steps.append(.told(events, through: watches[number].through))
    }

    mutating func skipped(_ number: Int, to revision: Int64) throws(Violation) {
        if revision <= watches[number].through + 1 { throw broken(number, "is told that \(revision) is compacted, which it needs not") }
        watches[number].through = revision - 1
        watches[number].steps.append(.skipped(to: revision))
    }

    /// Checks what the reference can judge by now.
    mutating func check(_ reference: ReferenceStore, isFinal: Bool) throws(Violation) {
        for number in watches.indices {
            while let step = watches[number].steps.first, try isJudged(step, number, reference, isFinal) {
                watches[number].steps.removeFirst()
            }
            guard isFinal else { continue }
            let rest = expected(number, reference, through: reference.revision)
            if let first = rest.first { throw broken(number, "was never told \(first)") }
        }
    }

    private mutating func isJudged(
        _ step: Step, _ number: Int, _ reference: ReferenceStore, _ isFinal: Bool
    ) throws(Violation) -> Bool {
        switch step {
        case .told(let events, let through):
            if reference.revision < through {
                if isFinal { throw broken(number, "is told of revision \(through), which never was") }
                return false
            }
            let wanted = expected(number, reference, through: through)
            for (event, want) in zip(events, wanted) where !isSame(event, want) {
                throw broken(number, "is told \(event) and not \(want)")
            }
            if events.count != wanted.count {
                throw broken(number, "is told \(events.count) events through \(through) and not \(wanted.count)")
            }
            advance(number, reference) { $0 <= through }
        case .skipped(let first):
            if reference.compacted < first {
                if isFinal { throw broken(number, "is told that \(first) is compacted, which nobody asked for") }
                return false
            }
            advance(number, reference) { $0 < first }
        }
        return true
    }

    private func isSame(_ event: Told, _ want: Told) -> Bool {
        event.key == want.key && event.value == want.value && event.revision == want.revision
            && (event.previous == nil || event.previous == want.previous)
    }

    private func expected(_ number: Int, _ reference: ReferenceStore, through: Int64) -> [Told] {
        reference.changes[watches[number].position...].prefix { $0.revision <= through }
            .filter { watches[number].range.contains($0.key) }
    }

    private mutating func advance(_ number: Int, _ reference: ReferenceStore, _ isPast: (Int64) -> Bool) {
        var position = watches[number].position
        while position < reference.changes.count, isPast(reference.changes[position].revision) { position += 1 }
        watches[number].position = position
    }
}
