// Changes of the members: from entries that are applied, and from snapshots.

import Base
package import RaftWire

extension RaftNode {
    /// Puts a committed change into force, when its entry is applied.
    ///
    /// A change that cannot be made leaves the members as they are, and says so in the log: all members decide alike.
    /// - Returns: the members from now on.
    @discardableResult
    package mutating func applyConfChange(_ change: ConfChangeV2) -> ConfState {
        var reconfiguration = Reconfiguration(tracker, lastIndex: log.lastIndex)
        do throws(ConfChangeError) {
            try reconfiguration.make(change)
        } catch {
            note(.error, "\(hexadecimal(id)) cannot apply conf change \(change.logDescription): \(error)")
            return tracker.members.confState
        }
        return adopt(reconfiguration)
    }

    @discardableResult
    package mutating func applyConfChange(_ change: ConfChange) -> ConfState {
        applyConfChange(change.asV2)
    }

    private mutating func adopt(_ reconfiguration: Reconfiguration) -> ConfState {
        tracker.adopt(reconfiguration)
        note(.info, "\(hexadecimal(id)) switched to configuration \(tracker.members)")
        let state = tracker.members.confState

        guard role == .leader else { return state }
        guard let own = tracker.progress.position(of: id), !tracker.progress[position: own].isLearner else {
            // Removed or demoted. Unless told otherwise it leads on, without counting itself, until it stops.
            if configuration.stepDownOnRemoval { becomeFollower(term, lead: 0) }
            return state
        }
        if state.voters.isEmpty { return state }
        if commitWhatQuorumHas() {
            // Fewer voters are needed now.
            broadcastAppend()
        } else {
            // New members need not wait for the next heartbeat.
            for position in tracker.progress.indices where tracker.progress.id(at: position) != id {
                sendAppend(to: position, evenIfEmpty: false)
            }
        }
        if leadership.transferee != 0 && !tracker.members.voters.contains(leadership.transferee) {
            leadership.transferee = 0
        }
        return state
    }

    /// Proposes to leave the joint configuration, once entering it has been applied.
    mutating func leaveJointAutomatically() {
        do throws(RaftError) {
            // No data: that is the empty change, and no limit refuses it.
            try receive(Message(type: .propose, entries: [Entry(type: .confChangeV2)]))
            note(
                .info,
                "initiating automatic transition out of joint configuration \(tracker.members)"
            )
        } catch {
            // Leadership is being transferred. The next leader does it, or we do when the next entry is applied.
            note(
                .debug,
                "not initiating automatic transition out of joint configuration \(tracker.members): \(error)"
            )
        }
    }

    // MARK: Snapshots

    /// The members that a node starts with.
    mutating func restoreMembers(_ state: ConfState) throws(RaftError) {
        _ = adopt(try reconfiguration(for: state))
    }

    private func reconfiguration(for state: ConfState) throws(RaftError) -> Reconfiguration {
        let empty = ProgressTracker(
            inflightsMax: configuration.maxInflightMessages,
            inflightsSizeBytesMax: configuration.maxInflightBytes
        )
        var reconfiguration = Reconfiguration(empty, lastIndex: log.lastIndex)
        do throws(ConfChangeError) {
            try reconfiguration.restore(state)
        } catch {
            throw .invalidConfiguration("unable to restore config \(state.logDescription): \(error)")
        }
        guard reconfiguration.members.confState == state.sorted else {
            throw .invalidConfiguration("ConfStates not equivalent after sorting: \(state.logDescription)")
        }
        return reconfiguration
    }

    /// Starts anew from a leader's snapshot. False if there is no need, or it is not for us.
    mutating func restore(_ snapshot: Snapshot) throws(RaftError) -> Bool {
        let metadata = snapshot.metadata
        if metadata.index <= log.committed { return false }
        let state = metadata.confState
        if !(state.voters + state.learners + state.votersOutgoing).contains(id) {
            note(
                .warning,
                "\(hexadecimal(id)) attempted to restore snapshot but it is not in the ConfState "
                    + "\(state.logDescription); should never happen"
            )
            return false
        }
        let position = "[index: \(metadata.index), term: \(metadata.term)]"
        if log.matches(EntryPosition(term: metadata.term, index: metadata.index)) {
            let last = log.last
            note(
                .info,
                "\(hexadecimal(id)) [commit: \(log.committed), lastindex: \(last.index), lastterm: \(last.term)] "
                    + "fast-forwarded commit to snapshot \(position)"
            )
            try log.commit(to: metadata.index)
            return false
        }
        // Checked before anything is given up.
        _ = try reconfiguration(for: state)
        log.restore(snapshot, &lines)
        _ = adopt(try reconfiguration(for: state))
        let last = log.last
        note(
            .info,
            "\(hexadecimal(id)) [commit: \(log.committed), lastindex: \(last.index), lastterm: \(last.term)] "
                + "restored snapshot \(position)"
        )
        return true
    }
}
