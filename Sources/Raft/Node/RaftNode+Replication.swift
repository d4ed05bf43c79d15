// How entries get to the followers and become committed.

import Base
import RaftWire

extension RaftNode {
    // MARK: Sending

    /// Sends everybody what they lack, and the commit index.
    mutating func broadcastAppend() {
        for position in tracker.progress.indices where tracker.progress.id(at: position) != id {
            sendAppend(to: position)
        }
    }

    mutating func sendAppend(to position: Int) {
        sendAppend(to: position, evenIfEmpty: true)
    }

    /// Sends the next entries, or a snapshot if they are gone. False if nothing was sent.
    /// - Parameter evenIfEmpty: an append without entries still tells the commit index.
    @discardableResult
    mutating func sendAppend(to position: Int, evenIfEmpty: Bool) -> Bool {
        let next = tracker.progress[position: position].next
        if tracker.progress[position: position].isPaused { return false }
        guard let previousTerm = log.term(at: next - 1) else { return sendSnapshot(to: position) }

        var entries: [Entry] = []
        // With a full window only empty appends: if all on their way are lost, this one's answer tells.
        if tracker.progress[position: position].state != .replicate
            || !tracker.progress[position: position].inflights.isFull
        {
            guard
                let available = log.entries(
                    from: next,
                    to: log.lastIndex + 1,
                    sizeMax: configuration.maxSizePerMessage
                )
            else { return evenIfEmpty ? sendSnapshot(to: position) : false }
            entries = available
        }
        if entries.isEmpty && !evenIfEmpty { return false }

        let (count, size) = (entries.count, payloadSize(entries))
        send(
            Message(
                type: .append,
                to: tracker.progress.id(at: position),
                logTerm: previousTerm,
                index: next - 1,
                entries: entries,
                commit: log.committed
            )
        )
        tracker.progress[position: position].sentEntries(count, sizeBytes: size)
        tracker.progress[position: position].sentCommit(log.committed)
        return true
    }

    private mutating func sendSnapshot(to position: Int) -> Bool {
        let target = tracker.progress.id(at: position)
        let name = hexadecimal(target)
        if !tracker.progress[position: position].isRecentlyActive {
            note(.debug, "ignore sending snapshot to \(name) since it is not recently active")
            return false
        }
        guard let snapshot = snapshotToSend() else {
            note(
                .debug,
                "\(hexadecimal(id)) failed to send snapshot to \(name) because snapshot is temporarily unavailable"
            )
            return false
        }
        let metadata = snapshot.metadata
        note(
            .debug,
            "\(hexadecimal(id)) [firstindex: \(log.firstIndex), commit: \(log.committed)] sent snapshot"
                + "[index: \(metadata.index), term: \(metadata.term)] to \(name) "
                + "[\(tracker.progress[position: position])]"
        )
        tracker.progress[position: position].becomeSnapshot(metadata.index)
        note(
            .debug,
            "\(hexadecimal(id)) paused sending replication messages to \(name) "
                + "[\(tracker.progress[position: position])]"
        )
        send(Message(type: .snapshot, to: target, snapshot: snapshot))
        return true
    }

    private func snapshotToSend() -> Snapshot? {
        if let snapshot = log.unstable.snapshot { return snapshot }
        guard let snapshot = try? log.storage.offeredSnapshot(), !snapshot.isEmpty else { return nil }
        return snapshot
    }

    mutating func broadcastHeartbeat() {
        let context = reads.heartbeatContext
        for position in tracker.progress.indices where tracker.progress.id(at: position) != id {
            // Never a commit index beyond what the follower is known to have: it might have something else there.
            let commit = min(tracker.progress[position: position].match, log.committed)
            send(
                Message(type: .heartbeat, to: tracker.progress.id(at: position), commit: commit, context: context)
            )
            tracker.progress[position: position].sentCommit(commit)
        }
    }

    // MARK: Answers

    mutating func takeAppendResponse(_ message: Message, from position: Int) throws(RaftError) {
        if !message.reject && message.index > log.lastIndex {
            throw .malformedMessage(
                "\(hexadecimal(message.from)) acknowledges entry \(message.index) of \(log.lastIndex)"
            )
        }
        tracker.progress[position: position].isRecentlyActive = true
        if message.reject {
            takeRejection(message, from: position)
        } else {
            takeAcknowledgement(message, from: position)
        }
    }

    private mutating func takeRejection(_ message: Message, from position: Int) {
        if lines.wants(.debug) {
            note(
                .debug,
                "\(hexadecimal(id)) received MsgAppResp(rejected, hint: (index \(message.rejectHint), "
                    + "term \(message.logTerm))) from \(hexadecimal(message.from)) for index \(message.index)"
            )
        }
        // The follower has `logTerm` at the hint, and lower terms before it: where ours are higher, the logs cannot
        // match. That saves one probe for every entry between.
        var hint = message.rejectHint
        if message.logTerm > 0 { hint = log.lastPossibleMatch(upTo: hint, term: message.logTerm).index }
        guard tracker.progress[position: position].decrease(rejected: message.index, hint: hint) else { return }
        if lines.wants(.debug) {
            note(
                .debug,
                "\(hexadecimal(id)) decreased progress of \(hexadecimal(message.from)) to "
                    + "[\(tracker.progress[position: position])]"
            )
        }
        if tracker.progress[position: position].state == .replicate {
            tracker.progress[position: position].becomeProbe()
        }
        sendAppend(to: position)
    }

    private mutating func takeAcknowledgement(_ message: Message, from position: Int) {
        let isNews = tracker.progress[position: position].acknowledge(message.index)
        // A probe that repeats what we know still shows that the logs match.
        let endsProbing =
            tracker.progress[position: position].state == .probe
            && tracker.progress[position: position].match == message.index
        guard isNews || endsProbing else { return }

        switch tracker.progress[position: position].state {
        case .probe: tracker.progress[position: position].becomeReplicate()
        case .snapshot:
            // Whatever snapshot it was that the follower got, the log goes on from there.
            if tracker.progress[position: position].match + 1 >= log.firstIndex {
                if lines.wants(.debug) {
                    note(
                        .debug,
                        "\(hexadecimal(id)) recovered from needing snapshot, resumed sending replication "
                            + "messages to \(hexadecimal(message.from)) [\(tracker.progress[position: position])]"
                    )
                }
                // By way of probing, which takes the snapshot's index into account.
                tracker.progress[position: position].becomeProbe()
                tracker.progress[position: position].becomeReplicate()
            }
        case .replicate: tracker.progress[position: position].inflights.free(upTo: message.index)
        }

        let isOwn = message.from == id
        if commitWhatQuorumHas() {
            releasePostponedReads()
            broadcastAppend()
        } else if !isOwn && tracker.progress[position: position].canRaiseCommit(to: log.committed) {
            sendAppend(to: position)
        }
        if isOwn { return }
        // The window may have opened by more than one message.
        while sendAppend(to: position, evenIfEmpty: false) {}
        if message.from == leadership.transferee && tracker.progress[position: position].match == log.lastIndex {
            let name = hexadecimal(message.from)
            note(.info, "\(hexadecimal(id)) sent MsgTimeoutNow to \(name) after received MsgAppResp")
            send(Message(type: .timeoutNow, to: message.from))
        }
    }

    mutating func takeHeartbeatResponse(_ message: Message, from position: Int) {
        tracker.progress[position: position].isRecentlyActive = true
        tracker.progress[position: position].isFlowPaused = false
        // It lives: if it lacks anything, or we don't know, now is the time for another append.
        if tracker.progress[position: position].match < log.lastIndex
            || tracker.progress[position: position].state == .probe
        {
            sendAppend(to: position)
        }
        if configuration.readOnlyOption == .safe && !message.context.isEmpty {
            reads.acknowledge(message.from, context: message.context)
            answerConfirmedReads()
        }
    }

    mutating func takeSnapshotStatus(_ message: Message, from position: Int) {
        guard tracker.progress[position: position].state == .snapshot else { return }
        if message.reject { tracker.progress[position: position].pendingSnapshot = 0 }
        tracker.progress[position: position].becomeProbe()
        if lines.wants(.debug) {
            note(
                .debug,
                "\(hexadecimal(id)) snapshot \(message.reject ? "failed" : "succeeded"), resumed sending "
                    + "replication messages to \(hexadecimal(message.from)) [\(tracker.progress[position: position])]"
            )
        }
        // After success the follower's acknowledgement comes first; after failure we leave it a heartbeat's time.
        tracker.progress[position: position].isFlowPaused = true
    }

    // MARK: Committing

    /// Commits what a quorum has saved, if its last entry is of our term: only that rules out that another leader
    /// replaces it. True if the commit index rose.
    mutating func commitWhatQuorumHas() -> Bool {
        let index = tracker.committed
        guard index > log.committed, log.matches(EntryPosition(term: term, index: index)) else { return false }
        log.setCommitted(index)
        return true
    }
}
