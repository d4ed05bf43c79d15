// Time, elections, and the changes of role they lead to.

import Base
import RaftWire

/// What an election is for.
enum CampaignKind: Sendable {
    /// To find out whether a real one could be won.
    case preElection
    case election
    /// The leader has asked for it: members vote although they hear a leader.
    case transfer

    static let transferContext: Bytes = "CampaignTransfer"
}

extension RaftNode {
    // MARK: Time

    /// One tick has passed.
    package mutating func tick() {
        if role == .leader { tickLeader() } else { tickElection() }
    }

    private mutating func tickElection() {
        timers.election += 1
        if isPromotable && timers.election >= timers.electionTimeout {
            timers.election = 0
            campaignIfAllowed(configuration.preVote ? .preElection : .election)
        }
    }

    private mutating func tickLeader() {
        timers.heartbeat += 1
        timers.election += 1
        if timers.election >= configuration.electionTicks {
            timers.election = 0
            if configuration.checkQuorum { checkQuorum() }
            // A transfer that has not come about by now is off.
            if role == .leader { leadership.transferee = 0 }
        }
        if role == .leader && timers.heartbeat >= configuration.heartbeatTicks {
            timers.heartbeat = 0
            broadcastHeartbeat()
        }
    }

    /// A leader that a quorum has not been heard of by steps down.
    mutating func checkQuorum() {
        if !tracker.isQuorumActive {
            note(.warning, "\(hexadecimal(id)) stepped down to follower since quorum is not active")
            becomeFollower(term, lead: 0)
        }
        for position in tracker.progress.indices where tracker.progress.id(at: position) != id {
            tracker.progress[position: position].isRecentlyActive = false
        }
    }

    // MARK: Campaigns

    /// Whether this member may become leader: a voter, and with its own state in place.
    var isPromotable: Bool {
        guard let position = tracker.progress.position(of: id) else { return false }
        return !tracker.progress[position: position].isLearner && log.unstable.snapshot == nil
    }

    mutating func campaignIfAllowed(_ kind: CampaignKind) {
        if role == .leader {
            note(.debug, "\(hexadecimal(id)) ignoring MsgHup because already leader")
        } else if !isPromotable {
            note(.warning, "\(hexadecimal(id)) is unpromotable and can not campaign")
        } else if log.hasUnappliedConfChange {
            note(
                .warning,
                "\(hexadecimal(id)) cannot campaign at term \(term) since there are still pending configuration "
                    + "changes to apply"
            )
        } else {
            note(.info, "\(hexadecimal(id)) is starting a new election at term \(term)")
            campaign(kind)
        }
    }

    private mutating func campaign(_ kind: CampaignKind) {
        let request: MessageType
        let response: MessageType
        let requestedTerm: Term
        if case .preElection = kind {
            becomePreCandidate()
            (request, response, requestedTerm) = (.preVote, .preVoteResponse, term + 1)
        } else {
            becomeCandidate()
            (request, response, requestedTerm) = (.vote, .voteResponse, term)
        }
        let last = log.last
        var context = Bytes()
        if case .transfer = kind { context = CampaignKind.transferContext }
        for voter in tracker.members.voters.all.ids {
            if voter == id {
                // Our own vote counts once it is saved, like everybody's.
                send(Message(type: response, to: voter, term: requestedTerm))
                continue
            }
            note(
                .info,
                "\(hexadecimal(id)) [logterm: \(last.term), index: \(last.index)] sent \(request) request to "
                    + "\(hexadecimal(voter)) at term \(term)"
            )
            send(
                Message(
                    type: request,
                    to: voter,
                    term: requestedTerm,
                    logTerm: last.term,
                    index: last.index,
                    context: context
                )
            )
        }
    }

    /// Counts a vote, and becomes what the election makes of us.
    mutating func takeVote(_ message: Message) {
        let voter = hexadecimal(message.from)
        let rejection = message.reject ? " rejection" : ""
        note(.info, "\(hexadecimal(id)) received \(message.type)\(rejection) from \(voter) at term \(term)")
        tracker.record(vote: !message.reject, of: message.from)
        let tally = tracker.tally()
        note(
            .info,
            "\(hexadecimal(id)) has received \(tally.granted) \(message.type) votes and "
                + "\(tally.rejected) vote rejections"
        )
        switch tally.result {
        case .won where role == .preCandidate: campaign(.election)
        case .won:
            becomeLeader()
            broadcastAppend()
        case .lost:
            // A lost pre-election says nothing about the term: it stays.
            becomeFollower(term, lead: 0)
        case .pending: break
        }
    }

    // MARK: Roles

    mutating func becomeFollower(_ term: Term, lead: MemberID) {
        reset(term)
        self.lead = lead
        role = .follower
        note(.info, "\(hexadecimal(id)) became follower at term \(self.term)")
    }

    private mutating func becomePreCandidate() {
        precondition(role != .leader, "a leader does not campaign")
        // Neither term nor vote change: nothing has begun.
        tracker.resetVotes()
        lead = 0
        role = .preCandidate
        note(.info, "\(hexadecimal(id)) became pre-candidate at term \(term)")
    }

    private mutating func becomeCandidate() {
        precondition(role != .leader, "a leader does not campaign")
        reset(term + 1)
        vote = id
        role = .candidate
        note(.info, "\(hexadecimal(id)) became candidate at term \(term)")
    }

    private mutating func becomeLeader() {
        precondition(role != .follower, "only a candidate becomes leader")
        reset(term)
        lead = id
        role = .leader
        guard let position = tracker.progress.position(of: id) else {
            preconditionFailure("a candidate is a member")
        }
        tracker.progress[position: position].becomeReplicate()
        tracker.progress[position: position].isRecentlyActive = true
        // There may be changes of the configuration in the log's tail; waiting for all of it costs less than a search.
        leadership.pendingConfIndex = log.lastIndex
        // An entry of our own term, for older ones are committed only along with one. It has no data, and so no limit
        // can refuse it.
        let isAppended = appendOwn([Entry()])
        precondition(isAppended)
        note(.info, "\(hexadecimal(id)) became leader at term \(term)")
    }

    /// Forgets what belongs to the term or role so far.
    private mutating func reset(_ newTerm: Term) {
        if term != newTerm {
            term = newTerm
            vote = 0
        }
        lead = 0
        timers.election = 0
        timers.heartbeat = 0
        drawElectionTimeout()
        leadership = Leadership()
        reads = ReadIndexQueue()
        tracker.resetVotes()
        let lastIndex = log.lastIndex
        for position in tracker.progress.indices {
            tracker.progress[position: position] = Progress(
                match: tracker.progress.id(at: position) == id ? lastIndex : 0,
                next: lastIndex + 1,
                inflights: tracker.emptyInflights,
                isLearner: tracker.progress[position: position].isLearner
            )
        }
    }

    private mutating func drawElectionTimeout() {
        let ticks = configuration.electionTicks
        timers.electionTimeout = ticks + Int(timers.random.next() % UInt64(ticks))
    }
}
