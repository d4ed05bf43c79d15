// Messages, entries and what is in them as text, in the words of etcd's tools: for log lines, scenarios and traces.

import Base
package import RaftWire

extension ConfState {
    /// The same members in ascending order.
    var sorted: ConfState {
        ConfState(
            voters: voters.sorted(), learners: learners.sorted(), votersOutgoing: votersOutgoing.sorted(),
            learnersNext: learnersNext.sorted(), autoLeave: autoLeave)
    }

    var logDescription: String {
        var fields: [String] = []
        for (name, ids) in [
            ("voters", voters), ("learners", learners), ("voters_outgoing", votersOutgoing),
            ("learners_next", learnersNext),
        ] {
            fields += ids.map { "\(name):\($0)" }
        }
        fields.append("auto_leave:\(autoLeave)")
        return fields.joined(separator: " ")
    }

    package var summary: String {
        func list(_ ids: [MemberID]) -> String { "[" + ids.map { "\($0)" }.joined(separator: " ") + "]" }
        return "Voters:\(list(voters)) VotersOutgoing:\(list(votersOutgoing)) Learners:\(list(learners)) "
            + "LearnersNext:\(list(learnersNext)) AutoLeave:\(autoLeave)"
    }
}

extension Snapshot {
    package var summary: String {
        "Index:\(metadata.index) Term:\(metadata.term) ConfState:\(metadata.confState.summary)"
    }
}

extension HardState {
    package var summary: String {
        "Term:\(term)" + (vote == 0 ? "" : " Vote:\(vote)") + " Commit:\(commit)"
    }
}

extension ConfChangeType: CustomStringConvertible {
    package var description: String {
        switch self {
        case .addNode: "ConfChangeAddNode"
        case .removeNode: "ConfChangeRemoveNode"
        case .updateNode: "ConfChangeUpdateNode"
        case .addLearnerNode: "ConfChangeAddLearnerNode"
        }
    }
}

extension ConfChangeTransition: CustomStringConvertible {
    package var description: String {
        switch self {
        case .auto: "ConfChangeTransitionAuto"
        case .jointImplicit: "ConfChangeTransitionJointImplicit"
        case .jointExplicit: "ConfChangeTransitionJointExplicit"
        }
    }
}

extension ConfChangeSingle {
    /// "v1": voter, "l1": learner, "r1": removed, "u1": updated.
    package var summary: String {
        switch type {
        case .addNode: "v\(nodeID)"
        case .addLearnerNode: "l\(nodeID)"
        case .removeNode: "r\(nodeID)"
        case .updateNode: "u\(nodeID)"
        }
    }
}

extension ConfChangeV2 {
    package var summary: String { changes.map(\.summary).joined(separator: " ") }

    var logDescription: String {
        var text = "transition:\(transition)"
        for change in changes { text += " changes:{type:\(change.type) node_id:\(change.nodeID)}" }
        if !context.isEmpty { text += " context:\(quoted(context))" }
        return text
    }
}

extension EntryType: CustomStringConvertible {
    package var description: String {
        switch self {
        case .normal: "EntryNormal"
        case .confChange: "EntryConfChange"
        case .confChangeV2: "EntryConfChangeV2"
        }
    }
}

extension Entry {
    /// "term/index type content"
    package var summary: String {
        let content: String
        switch type {
        case .normal: content = quoted(data)
        case .confChange, .confChangeV2: content = RaftNode.decodeConfChange(self)?.summary ?? "malformed"
        }
        return "\(term)/\(index) \(type)" + (content.isEmpty ? "" : " \(content)")
    }
}

extension Message {
    private static func name(_ id: MemberID) -> String {
        switch id {
        case 0: "None"
        case LocalTarget.append: "AppendThread"
        case LocalTarget.apply: "ApplyThread"
        default: hexadecimal(id)
        }
    }

    package var summary: String { summary(indent: "") }

    private func summary(indent: String) -> String {
        var text = "\(indent)\(Self.name(from))->\(Self.name(to)) \(type) Term:\(term) Log:\(logTerm)/\(index)"
        if reject { text += " Rejected (Hint: \(rejectHint))" }
        if commit != 0 { text += " Commit:\(commit)" }
        if vote != 0 { text += " Vote:\(vote)" }
        if entries.count == 1 {
            text += " Entries:[\(entries[0].summary)]"
        } else if entries.count > 1 {
            text += " Entries:["
            for entry in entries { text += "\n\(indent)  \(entry.summary)" }
            text += "\n\(indent)]"
        }
        if let snapshot, !snapshot.isEmpty { text += "\n\(indent)  Snapshot: \(snapshot.summary)" }
        if !responses.isEmpty {
            text += " Responses:["
            for response in responses { text += "\n" + response.summary(indent: indent + "  ") }
            text += "\n\(indent)]"
        }
        return text
    }
}

extension Ready {
    package var summary: String {
        var text = ""
        if let softState { text += "Lead:\(softState.lead) State:\(softState.role)\n" }
        if !hardState.isEmpty { text += "HardState \(hardState.summary)\n" }
        if !readStates.isEmpty {
            let states = readStates.map { state in
                "{\(state.index) [\(state.context.array.map { "\($0)" }.joined(separator: " "))]}"
            }
            text += "ReadStates [\(states.joined(separator: " "))]\n"
        }
        if !entries.isEmpty { text += "Entries:\n" + entries.map { $0.summary + "\n" }.joined() }
        if let snapshot, !snapshot.isEmpty { text += "Snapshot \(snapshot.summary)\n" }
        if !committedEntries.isEmpty {
            text += "CommittedEntries:\n" + committedEntries.map { $0.summary + "\n" }.joined()
        }
        if !messages.isEmpty { text += "Messages:\n" + messages.map { $0.summary + "\n" }.joined() }
        return text.isEmpty ? "<empty Ready>" : "Ready MustSync=\(mustSync):\n\(text)"
    }
}
