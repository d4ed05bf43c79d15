// Handing out what is to be done, and taking note of what has been done.
//
// Without `asyncStorageWrites` the owner carries a Ready out as a whole and calls `advance`. With it, messages to local
// storage say what to save and apply, several may be on their way, and their `responses` go where they are addressed
// once the work is done: the durability rule travels with the message.

import Base
import RaftWire

extension RaftNode {
    /// Entries may be applied here before they are saved here only if they cannot be handed out without being saved
    /// first: in one and the same Ready.
    private var appliesUnsaved: Bool { !configuration.asyncStorageWrites }

    /// Whether `ready()` would have anything in it.
    package var hasReady: Bool {
        if !outbox.messages.isEmpty || !outbox.messagesAfterSaving.isEmpty { return true }
        if log.unstable.hasNextEntries || log.hasNextCommitted(allowUnstable: appliesUnsaved) { return true }
        if !outbox.readStates.isEmpty || softState != handedOut.softState { return true }
        let hardState = currentHardState
        if !hardState.isEmpty && hardState != handedOut.hardState { return true }
        return log.unstable.nextSnapshot != nil
    }

    /// What is to be done now. It counts as handed out: the next Ready has only what comes after.
    package mutating func ready() -> Ready {
        precondition(handedOut.stepsOnAdvance.isEmpty, "a Ready was taken before the last one was advanced")
        var ready = Ready()
        ready.entries = log.unstable.nextEntries
        ready.committedEntries = log.nextCommitted(allowUnstable: appliesUnsaved)
        swap(&ready.messages, &outbox.messages)
        swap(&ready.readStates, &outbox.readStates)
        ready.snapshot = log.unstable.nextSnapshot
        let softState = softState
        if softState != handedOut.softState {
            if configuration.logsLeaderChanges { noteLeader(softState.lead, after: handedOut.softState.lead) }
            ready.softState = softState
            handedOut.softState = softState
        }
        let hardState = currentHardState
        ready.mustSync =
            !ready.entries.isEmpty || hardState.vote != handedOut.hardState.vote
            || hardState.term != handedOut.hardState.term
        if hardState != handedOut.hardState {
            ready.hardState = hardState
            handedOut.hardState = hardState
        }

        var afterSaving: [Message] = []
        swap(&afterSaving, &outbox.messagesAfterSaving)
        if configuration.asyncStorageWrites {
            addStorageMessages(to: &ready, afterSaving)
        } else {
            addSteps(to: &ready, afterSaving)
        }

        log.handOutUnstable()
        log.handOutCommitted(ready.committedEntries, allowUnstable: appliesUnsaved)
        return ready
    }

    private mutating func noteLeader(_ lead: MemberID, after previous: MemberID) {
        let node = "raft.node: \(hexadecimal(id))"
        switch (previous, lead) {
        case (0, 0): break
        case (0, _): note(.info, "\(node) elected leader \(hexadecimal(lead)) at term \(term)")
        case (_, 0): note(.info, "\(node) lost leader \(hexadecimal(previous)) at term \(term)")
        case (lead, _): break
        default:
            note(
                .info,
                "\(node) changed leader from \(hexadecimal(previous)) to \(hexadecimal(lead)) at term \(term)"
            )
        }
    }

    private func addStorageMessages(to ready: inout Ready, _ afterSaving: [Message]) {
        let hasSnapshot = ready.snapshot.map { !$0.isEmpty } ?? false
        if !ready.entries.isEmpty || !ready.hardState.isEmpty || hasSnapshot || !afterSaving.isEmpty {
            // Acknowledgements of our own come first: they are cheaper to handle while the entries are still here.
            var responses = afterSaving
            if let saved = savedResponse(ready) { responses.append(saved) }
            ready.messages.append(
                Message(
                    type: .storageAppend,
                    to: LocalTarget.append,
                    from: id,
                    term: ready.hardState.term,
                    entries: ready.entries,
                    commit: ready.hardState.commit,
                    vote: ready.hardState.vote,
                    snapshot: hasSnapshot ? ready.snapshot : nil,
                    responses: responses
                )
            )
        }
        if !ready.committedEntries.isEmpty {
            ready.messages.append(
                Message(
                    type: .storageApply,
                    to: LocalTarget.apply,
                    from: id,
                    entries: ready.committedEntries,
                    responses: [appliedResponse(ready)]
                )
            )
        }
    }

    private mutating func addSteps(to ready: inout Ready, _ afterSaving: [Message]) {
        for message in afterSaving {
            if message.to == id {
                handedOut.stepsOnAdvance.append(message)
            } else {
                ready.messages.append(message)
            }
        }
        if let saved = savedResponse(ready) { handedOut.stepsOnAdvance.append(saved) }
        if !ready.committedEntries.isEmpty { handedOut.stepsOnAdvance.append(appliedResponse(ready)) }
    }

    /// What storage answers when it has saved: nil if we need not hear of it.
    ///
    /// Entries count as saved only if the term is still the same when the answer comes: after a change of term and back
    /// the same (index, term) may have been replaced and be on its way to the disk a second time, with the replacement
    /// in between. As answers get lost that way, every save says how far the log reached, not only those with entries:
    /// each change of term brings a save of its own.
    private func savedResponse(_ ready: Ready) -> Message? {
        let hasSnapshot = ready.snapshot.map { !$0.isEmpty } ?? false
        guard log.unstable.hasEntries || hasSnapshot else { return nil }
        var response = Message(type: .storageAppendResponse, to: id, from: LocalTarget.append, term: term)
        if log.unstable.hasEntries {
            let last = log.last
            response.index = last.index
            response.logTerm = last.term
        }
        if hasSnapshot { response.snapshot = ready.snapshot }
        return response
    }

    private func appliedResponse(_ ready: Ready) -> Message {
        Message(type: .storageApplyResponse, to: id, from: LocalTarget.apply, entries: ready.committedEntries)
    }

    /// The last Ready has been carried out. Not with `asyncStorageWrites`.
    package mutating func advance(_ ready: Ready) {
        precondition(!configuration.asyncStorageWrites, "with asynchronous storage writes the answers are messages")
        let steps = handedOut.stepsOnAdvance
        handedOut.stepsOnAdvance.removeAll(keepingCapacity: true)
        for message in steps {
            // Nothing but ourselves is heard here.
            do throws(RaftError) { try receive(message) } catch {}
        }
    }
}
