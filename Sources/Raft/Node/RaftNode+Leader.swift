// What the leader does with messages.

import Base
import RaftWire

extension RaftNode {
    mutating func stepLeader(_ message: Message) throws(RaftError) {
        switch message.type {
        case .beat: broadcastHeartbeat()
        case .checkQuorum: checkQuorum()
        case .propose: try propose(message)
        case .readIndex: try takeReadIndex(message)
        case .forgetLeader: break
        case .appendResponse, .heartbeatResponse, .snapshotStatus, .unreachable, .transferLeader:
            guard let position = tracker.progress.position(of: message.from) else {
                note(.debug, "\(hexadecimal(id)) no progress available for \(hexadecimal(message.from))")
                return
            }
            try stepLeader(message, from: position)
        default:
            if !tracker.progress.contains(message.from) {
                note(.debug, "\(hexadecimal(id)) no progress available for \(hexadecimal(message.from))")
            }
        }
    }

    private mutating func stepLeader(_ message: Message, from position: Int) throws(RaftError) {
        switch message.type {
        case .appendResponse: try takeAppendResponse(message, from: position)
        case .heartbeatResponse: takeHeartbeatResponse(message, from: position)
        case .snapshotStatus: takeSnapshotStatus(message, from: position)
        case .unreachable:
            // An append that was on its way is probably lost.
            if tracker.progress[position: position].state == .replicate {
                tracker.progress[position: position].becomeProbe()
            }
            if lines.wants(.debug) {
                note(
                    .debug,
                    "\(hexadecimal(id)) failed to send message to \(hexadecimal(message.from)) because it is "
                        + "unreachable [\(tracker.progress[position: position])]"
                )
            }
        default: transferLeadership(to: message.from, at: position)
        }
    }

    // MARK: Proposals

    private mutating func propose(_ message: Message) throws(RaftError) {
        if message.entries.isEmpty {
            throw .malformedMessage("\(hexadecimal(id)) stepped empty MsgProp")
        }
        // Removed, but still leading until it has applied that and stops.
        if !tracker.progress.contains(id) { throw .proposalDropped }
        if leadership.transferee != 0 {
            note(
                .debug,
                "\(hexadecimal(id)) [term \(term)] transfer leadership to \(hexadecimal(leadership.transferee)) "
                    + "is in progress; dropping proposal"
            )
            throw .proposalDropped
        }
        var entries = message.entries
        for position in entries.indices where entries[position].type != .normal {
            guard let change = Self.decodeConfChange(entries[position]) else { throw .proposalDropped }
            if let objection = objection(to: change), !configuration.disableConfChangeValidation {
                note(
                    .info,
                    "\(hexadecimal(id)) ignoring conf change \(change.logDescription) at config "
                        + "\(tracker.members): \(objection)"
                )
                entries[position] = Entry()
            } else {
                leadership.pendingConfIndex = log.lastIndex + UInt64(position) + 1
            }
        }
        guard appendOwn(entries) else { throw .proposalDropped }
        broadcastAppend()
    }

    static func decodeConfChange(_ entry: Entry) -> ConfChangeV2? {
        switch entry.type {
        case .normal: nil
        case .confChange: (try? ConfChange(decoding: entry.data))?.asV2
        case .confChangeV2: try? ConfChangeV2(decoding: entry.data)
        }
    }

    /// Why this is not the time for the change; nil if it is. Only a guess: what counts is the configuration when the
    /// change is applied.
    private func objection(to change: ConfChangeV2) -> String? {
        let leavesJoint = change.changes.isEmpty
        let isJoint = tracker.members.voters.isJoint
        if leadership.pendingConfIndex > log.applied {
            return "possible unapplied conf change at index \(leadership.pendingConfIndex) "
                + "(applied to \(log.applied))"
        }
        if isJoint && !leavesJoint { return "must transition out of joint config first" }
        if !isJoint && leavesJoint { return "not in joint state; refusing empty conf change" }
        return nil
    }

    /// Appends entries in our term. False if too much is uncommitted already.
    mutating func appendOwn(_ entries: [Entry]) -> Bool {
        let size = payloadSize(entries)
        // A single proposal may be as large as it likes, and what has no data is never refused.
        if leadership.uncommittedSize > 0 && size > 0
            && leadership.uncommittedSize + size > configuration.maxUncommittedEntriesSize
        {
            note(
                .warning,
                "\(hexadecimal(id)) appending new entries to log would exceed uncommitted entry size limit; "
                    + "dropping proposal"
            )
            return false
        }
        leadership.uncommittedSize += size
        var entries = entries
        var index = log.lastIndex
        for position in entries.indices {
            index += 1
            entries[position].term = term
            entries[position].index = index
        }
        log.append(entries, &lines)
        // We acknowledge our own entries like any follower: when they are saved.
        send(Message(type: .appendResponse, to: id, index: index))
        return true
    }

    // MARK: Leadership transfer

    private mutating func transferLeadership(to target: MemberID, at position: Int) {
        let own = hexadecimal(id)
        let name = hexadecimal(target)
        if tracker.progress[position: position].isLearner {
            note(.debug, "\(own) is learner. Ignored transferring leadership")
            return
        }
        if leadership.transferee != 0 {
            if leadership.transferee == target {
                note(
                    .info,
                    "\(own) [term \(term)] transfer leadership to \(name) is in progress, ignores request to "
                        + "same node \(name)"
                )
                return
            }
            note(
                .info,
                "\(own) [term \(term)] abort previous transferring leadership to "
                    + hexadecimal(leadership.transferee)
            )
            leadership.transferee = 0
        }
        if target == id {
            note(.debug, "\(own) is already leader. Ignored transferring leadership to self")
            return
        }
        note(.info, "\(own) [term \(term)] starts to transfer leadership to \(name)")
        // It has one election timeout to come about.
        timers.election = 0
        leadership.transferee = target
        if tracker.progress[position: position].match == log.lastIndex {
            send(Message(type: .timeoutNow, to: target))
            note(
                .info,
                "\(own) sends MsgTimeoutNow to \(name) immediately as \(name) already has up-to-date log"
            )
        } else {
            sendAppend(to: position)
        }
    }
}
