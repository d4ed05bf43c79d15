// Every message passes here: its term is compared with ours before anything else is looked at.

import Base
import RaftWire

extension RaftNode {
    /// Terms and indexes beyond it are nobody's: arithmetic on what others send must not overflow.
    private static let numberMax: UInt64 = 1 << 62

    mutating func receive(_ message: Message) throws(RaftError) {
        try check(message)
        if message.term > term {
            guard takeHigherTerm(message) else { return }
        } else if message.term != 0 && message.term < term {
            answerLowerTerm(message)
            return
        }

        switch message.type {
        case .hup: campaignIfAllowed(configuration.preVote ? .preElection : .election)
        case .storageAppendResponse:
            if message.index != 0 { log.saved(index: message.index, term: message.logTerm, &lines) }
            takeSavedSnapshot(message)
        case .storageApplyResponse: try takeApplied(message.entries)
        case .vote, .preVote: answerVote(message)
        default:
            switch role {
            case .leader: try stepLeader(message)
            case .candidate, .preCandidate: try stepCandidate(message)
            case .follower: try stepFollower(message)
            }
        }
    }

    /// Refuses what no member sends, before it can do harm.
    private func check(_ message: Message) throws(RaftError) {
        if message.type.belongsToTerm {
            if message.term == 0 {
                throw .malformedMessage("\(message.type) from \(hexadecimal(message.from)) without a term")
            }
            if message.from == 0 || (message.from == id && !message.type.goesToOneself) {
                throw .malformedMessage("\(message.type) from \(hexadecimal(message.from)), which cannot send it")
            }
        }
        let highest = max(
            max(message.term, message.logTerm),
            max(message.index, message.commit),
            message.rejectHint
        )
        if highest > Self.numberMax {
            throw .malformedMessage("\(message.type) from \(hexadecimal(message.from)) with a number out of range")
        }
        if message.hasSnapshot, let metadata = message.snapshot?.metadata,
            max(metadata.index, metadata.term) > Self.numberMax
        {
            throw .malformedMessage("\(message.type) from \(hexadecimal(message.from)) with a number out of range")
        }
    }

    /// Follows a higher term where the message is reason to. False if the message is ignored.
    private mutating func takeHigherTerm(_ message: Message) -> Bool {
        if message.type == .vote || message.type == .preVote {
            let isForced = message.context == CampaignKind.transferContext
            let isInLease = configuration.checkQuorum && lead != 0 && timers.election < configuration.electionTicks
            if isInLease && !isForced {
                // There is a leader: whoever does not hear it must not unseat it.
                note(
                    .info,
                    "\(ownPosition) ignored \(message.type) from \(theirPosition(message)) at term \(term): "
                        + "lease is not expired (remaining ticks: \(configuration.electionTicks - timers.election))"
                )
                return false
            }
        }
        switch message.type {
        case .preVote:
            // Asks about the next term; nobody is in it yet.
            break
        case .preVoteResponse where !message.reject:
            // The term we asked about. A refusal comes with the refuser's own.
            break
        default:
            note(
                .info,
                "\(hexadecimal(id)) [term: \(term)] received a \(message.type) message with higher term "
                    + "from \(hexadecimal(message.from)) [term: \(message.term)]"
            )
            let isFromLeader = message.type == .append || message.type == .heartbeat || message.type == .snapshot
            becomeFollower(message.term, lead: isFromLeader ? message.from : 0)
        }
        return true
    }

    private mutating func answerLowerTerm(_ message: Message) {
        if (configuration.checkQuorum || configuration.preVote)
            && (message.type == .heartbeat || message.type == .append)
        {
            // Our term may have run ahead while we were cut off, and votes are not listened to. This answer, with our
            // term, makes the leader step down, and so lets us back in.
            send(Message(type: .appendResponse, to: message.from))
        } else if message.type == .preVote {
            // Must not be dropped: a candidate with a shorter log and a higher term would keep all others waiting.
            note(.info, "\(ownPosition) rejected \(message.type) from \(theirPosition(message)) at term \(term)")
            send(Message(type: .preVoteResponse, to: message.from, term: term, reject: true))
        } else if message.type == .storageAppendResponse {
            if message.index != 0 {
                // A later term may have replaced these entries, and its own save may still be on the way.
                note(
                    .info,
                    "\(hexadecimal(id)) [term: \(term)] ignored entry appends from a \(message.type) message "
                        + "with lower term [term: \(message.term)]"
                )
            }
            // A snapshot is committed, and so holds in any term.
            takeSavedSnapshot(message)
        } else {
            note(
                .info,
                "\(hexadecimal(id)) [term: \(term)] ignored a \(message.type) message with lower term "
                    + "from \(hexadecimal(message.from)) [term: \(message.term)]"
            )
        }
    }

    /// Learners answer too: a candidate that asks may know better than they do that they are voters by now.
    private mutating func answerVote(_ message: Message) {
        let isFree =
            vote == message.from || (vote == 0 && lead == 0) || (message.type == .preVote && message.term > term)
        let isUpToDate = log.isUpToDate(EntryPosition(term: message.logTerm, index: message.index))
        let response: MessageType = message.type == .vote ? .voteResponse : .preVoteResponse
        guard isFree && isUpToDate else {
            note(.info, "\(ownPosition) rejected \(message.type) from \(theirPosition(message)) at term \(term)")
            send(Message(type: response, to: message.from, term: term, reject: true))
            return
        }
        note(.info, "\(ownPosition) cast \(message.type) for \(theirPosition(message)) at term \(term)")
        // With the term that was asked about: for a pre-vote that is not ours, and the asker ignores older ones.
        send(Message(type: response, to: message.from, term: message.term))
        if message.type == .vote {
            timers.election = 0
            vote = message.from
        }
    }

    private var ownPosition: String {
        let last = log.last
        return "\(hexadecimal(id)) [logterm: \(last.term), index: \(last.index), vote: \(hexadecimal(vote))]"
    }

    private func theirPosition(_ message: Message) -> String {
        "\(hexadecimal(message.from)) [logterm: \(message.logTerm), index: \(message.index)]"
    }

    // MARK: Answers of local storage

    private mutating func takeSavedSnapshot(_ message: Message) {
        guard message.hasSnapshot, let index = message.snapshot?.metadata.index else { return }
        log.savedSnapshot(index)
        setApplied(index, size: 0)
    }

    private mutating func takeApplied(_ entries: [Entry]) throws(RaftError) {
        guard let last = entries.last else { return }
        guard last.index <= log.committed else {
            throw .malformedMessage("entry \(last.index) was applied but is not committed")
        }
        setApplied(last.index, size: limitedSize(entries))
        leadership.uncommittedSize -= min(payloadSize(entries), leadership.uncommittedSize)
    }

    private mutating func setApplied(_ index: LogIndex, size: UInt64) {
        let applied = max(index, log.applied)
        log.setApplied(applied, size: size)
        if tracker.members.autoLeave && applied >= leadership.pendingConfIndex && role == .leader {
            leaveJointAutomatically()
        }
    }

    // MARK: Sending

    /// Queues a message. Votes and acknowledgements wait for what they rest on to be saved.
    mutating func send(_ message: Message) {
        var message = message
        if message.from == 0 { message.from = id }
        switch message.type {
        case .vote, .voteResponse, .preVote, .preVoteResponse:
            precondition(message.term != 0, "an election message needs the term it is about")
        case .propose, .readIndex:
            // Passed on for somebody; they belong to no term.
            precondition(message.term == 0)
        default:
            precondition(message.term == 0, "messages get the current term when they are sent")
            message.term = term
        }
        switch message.type {
        case .appendResponse, .voteResponse, .preVoteResponse: outbox.messagesAfterSaving.append(message)
        default:
            precondition(message.to != id, "a message to oneself")
            outbox.messages.append(message)
        }
    }
}
