// What followers and candidates do with messages.

import Base
import RaftWire

extension RaftNode {
    mutating func stepCandidate(_ message: Message) throws(RaftError) {
        switch message.type {
        case .propose:
            note(.info, "\(hexadecimal(id)) no leader at term \(term); dropping proposal")
            throw .proposalDropped
        case .append, .heartbeat, .snapshot:
            // Somebody else has won this term.
            becomeFollower(message.term, lead: message.from)
            try takeFromLeader(message)
        case .voteResponse where role == .candidate, .preVoteResponse where role == .preCandidate:
            takeVote(message)
        case .timeoutNow:
            note(
                .debug,
                "\(hexadecimal(id)) [term \(term) state \(role)] ignored MsgTimeoutNow from "
                    + hexadecimal(message.from)
            )
        default: break
        }
    }

    mutating func stepFollower(_ message: Message) throws(RaftError) {
        switch message.type {
        case .propose: try passOn(proposal: message)
        case .append, .heartbeat, .snapshot:
            timers.election = 0
            lead = message.from
            try takeFromLeader(message)
        case .transferLeader:
            if lead == 0 {
                note(.info, "\(hexadecimal(id)) no leader at term \(term); dropping leader transfer msg")
            } else {
                passOn(message)
            }
        case .forgetLeader: forgetLeaderIfAllowed()
        case .timeoutNow:
            note(
                .info,
                "\(hexadecimal(id)) [term \(term)] received MsgTimeoutNow from \(hexadecimal(message.from)) and "
                    + "starts an election to get leadership."
            )
            // Without asking first: the leader wants it, so nobody is cut off.
            campaignIfAllowed(.transfer)
        case .readIndex:
            if lead == 0 {
                note(.info, "\(hexadecimal(id)) no leader at term \(term); dropping index reading msg")
            } else {
                passOn(message)
            }
        case .readIndexResponse: takeReadIndexResponse(message)
        default: break
        }
    }

    private mutating func passOn(proposal message: Message) throws(RaftError) {
        if lead == 0 {
            note(.info, "\(hexadecimal(id)) no leader at term \(term); dropping proposal")
            throw .proposalDropped
        }
        if configuration.disableProposalForwarding {
            note(
                .info,
                "\(hexadecimal(id)) not forwarding to leader \(hexadecimal(lead)) at term \(term); dropping proposal"
            )
            throw .proposalDropped
        }
        passOn(message)
    }

    private mutating func passOn(_ message: Message) {
        var message = message
        message.to = lead
        message.term = 0
        // We cannot be the leader's follower and the leader at once; a message sent in our name ends here.
        if lead != id { send(message) }
    }

    private mutating func forgetLeaderIfAllowed() {
        if configuration.readOnlyOption == .leaseBased {
            // The leader's lease rests on our following it.
            note(.error, "ignoring MsgForgetLeader due to ReadOnlyLeaseBased")
        } else if lead != 0 {
            note(.info, "\(hexadecimal(id)) forgetting leader \(hexadecimal(lead)) at term \(term)")
            lead = 0
        }
    }

    // MARK: From the leader

    private mutating func takeFromLeader(_ message: Message) throws(RaftError) {
        switch message.type {
        case .append: try takeAppend(message)
        case .heartbeat:
            try log.commit(to: message.commit)
            send(Message(type: .heartbeatResponse, to: message.from, context: message.context))
        default: try takeSnapshot(message)
        }
    }

    private mutating func takeAppend(_ message: Message) throws(RaftError) {
        try Self.checkOrder(message)
        if message.index < log.committed {
            send(Message(type: .appendResponse, to: message.from, index: log.committed))
            return
        }
        let previous = EntryPosition(term: message.logTerm, index: message.index)
        if let last = try log.append(message.entries, behind: previous, commit: message.commit, &lines) {
            send(Message(type: .appendResponse, to: message.from, index: last))
            return
        }
        if lines.wants(.debug) {
            note(
                .debug,
                "\(hexadecimal(id)) [logterm: \(log.term(at: message.index) ?? 0), index: \(message.index)] rejected "
                    + "MsgApp [logterm: \(message.logTerm), index: \(message.index)] from \(hexadecimal(message.from))"
            )
        }
        let hint = log.lastPossibleMatch(upTo: min(message.index, log.lastIndex), term: message.logTerm)
        send(
            Message(
                type: .appendResponse,
                to: message.from,
                logTerm: hint.term,
                index: message.index,
                reject: true,
                rejectHint: hint.index
            )
        )
    }

    /// Everything behind rests on entries being consecutive and their terms never going down.
    private static func checkOrder(_ message: Message) throws(RaftError) {
        var (index, term) = (message.index, message.logTerm)
        for entry in message.entries {
            guard entry.index == index + 1, entry.term >= term, entry.term <= message.term else {
                throw .malformedMessage(
                    "MsgApp from \(hexadecimal(message.from)) with entries out of order: "
                        + "\(entry.term)/\(entry.index) behind \(term)/\(index)"
                )
            }
            (index, term) = (entry.index, entry.term)
        }
    }

    private mutating func takeSnapshot(_ message: Message) throws(RaftError) {
        let snapshot = message.snapshot ?? Snapshot()
        let position = "[index: \(snapshot.metadata.index), term: \(snapshot.metadata.term)]"
        if try restore(snapshot) {
            note(.info, "\(hexadecimal(id)) [commit: \(log.committed)] restored snapshot \(position)")
            send(Message(type: .appendResponse, to: message.from, index: log.lastIndex))
        } else {
            note(.info, "\(hexadecimal(id)) [commit: \(log.committed)] ignored snapshot \(position)")
            send(Message(type: .appendResponse, to: message.from, index: log.committed))
        }
    }
}
