// What the leader knows of one member's log, and how it sends to it.
//
//     probe      one append per heartbeat interval, until the follower's log is found to match
//     replicate  appends one after another, as far as the window of unacknowledged ones reaches
//     snapshot   nothing, while a snapshot is on its way
//
// Invariant: match < next. Entries between the two are on their way.

package import Base

package enum ProgressState: Sendable, Hashable {
    case probe
    case replicate
    case snapshot
}

extension ProgressState: CustomStringConvertible {
    package var description: String {
        switch self {
        case .probe: "StateProbe"
        case .replicate: "StateReplicate"
        case .snapshot: "StateSnapshot"
        }
    }
}

package struct Progress: Sendable, Hashable {
    /// The highest index up to which the logs are known to match.
    package internal(set) var match: LogIndex
    /// The next entry to send; while a snapshot is on its way, the one behind it.
    package internal(set) var next: LogIndex
    /// The highest commit index sent. Lowered where the follower may not have got it.
    private var sentCommit: LogIndex = 0
    package private(set) var state: ProgressState = .probe
    /// The index of the snapshot on its way; 0 if none.
    package internal(set) var pendingSnapshot: LogIndex = 0
    /// Whether the member has been heard of since quorum was last checked.
    package internal(set) var isRecentlyActive: Bool
    /// Nothing is sent before the next heartbeat response: a probe is out, or the window is full.
    package internal(set) var isFlowPaused = false
    package internal(set) var inflights: Inflights
    package internal(set) var isLearner: Bool

    package init(
        match: LogIndex = 0,
        next: LogIndex,
        inflights: Inflights,
        isLearner: Bool = false,
        isRecentlyActive: Bool = false
    ) {
        self.match = match
        self.next = next
        self.inflights = inflights
        self.isLearner = isLearner
        self.isRecentlyActive = isRecentlyActive
    }

    // MARK: Transitions

    private mutating func enter(_ state: ProgressState) {
        self.state = state
        isFlowPaused = false
        pendingSnapshot = 0
        inflights.reset()
    }

    /// Back to probing: behind the snapshot that was on its way, if it may have arrived, else behind the match.
    package mutating func becomeProbe() {
        let behindSnapshot = state == .snapshot ? pendingSnapshot + 1 : 0
        enter(.probe)
        next = max(match + 1, behindSnapshot)
        lowerSentCommit()
    }

    package mutating func becomeReplicate() {
        enter(.replicate)
        next = match + 1
    }

    package mutating func becomeSnapshot(_ index: LogIndex) {
        enter(.snapshot)
        pendingSnapshot = index
        next = index + 1
        sentCommit = index
    }

    // MARK: Sending

    /// Whether no append may be sent now.
    package var isPaused: Bool { state == .snapshot || isFlowPaused }

    /// An append with this many entries, of this size in all, has been sent.
    package mutating func sentEntries(_ count: Int, sizeBytes: UInt64) {
        switch state {
        case .replicate:
            if count > 0 {
                next += UInt64(count)
                inflights.add(index: next - 1, sizeBytes: sizeBytes)
            }
            // One that fills the window is the last for now.
            isFlowPaused = inflights.isFull
        case .probe:
            if count > 0 { isFlowPaused = true }
        case .snapshot:
            preconditionFailure("an append was sent while a snapshot is on its way")
        }
    }

    package mutating func sentCommit(_ commit: LogIndex) {
        sentCommit = commit
    }

    /// Whether sending this commit index can raise the follower's: not if it was told all it can have.
    package func canRaiseCommit(to commit: LogIndex) -> Bool {
        commit > sentCommit && sentCommit < next - 1
    }

    private mutating func lowerSentCommit() {
        sentCommit = min(sentCommit, next - 1)
    }

    // MARK: Answers

    /// The member's log matches up to `index`. False if that is old news.
    package mutating func acknowledge(_ index: LogIndex) -> Bool {
        guard index > match else { return false }
        match = index
        next = max(next, index + 1)
        isFlowPaused = false
        return true
    }

    /// The member refused an append behind `rejected`, and the logs may match at `hint`. False if that is old news:
    /// answers may be late, repeated and out of order.
    package mutating func decrease(rejected: LogIndex, hint: LogIndex) -> Bool {
        if state == .replicate {
            guard rejected > match else { return false }
            next = match + 1
            lowerSentCommit()
            return true
        }
        // A probe is out alone: only the answer to it is news.
        guard next - 1 == rejected else { return false }
        next = max(min(rejected, hint + 1), match + 1)
        lowerSentCommit()
        isFlowPaused = false
        return true
    }
}

extension Progress: CustomStringConvertible {
    package var description: String {
        var text = "\(state) match=\(match) next=\(next)"
        if isLearner { text += " learner" }
        if isPaused { text += " paused" }
        if pendingSnapshot > 0 { text += " pendingSnap=\(pendingSnapshot)" }
        if !isRecentlyActive { text += " inactive" }
        if inflights.count > 0 {
            text += " inflight=\(inflights.count)"
            if inflights.isFull { text += "[full]" }
        }
        return text
    }
}
