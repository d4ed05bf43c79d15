// Messages, entries and what is in them as text, in the words of etcd's tools: for scenarios and traces.

import Base
package import Raft
package import RaftWire

extension ConfState {
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
}

extension EntryType {
    package var name: String {
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
        case .confChange: content = (try? ConfChange(decoding: data))?.asV2.summary ?? "malformed"
        case .confChangeV2: content = (try? ConfChangeV2(decoding: data))?.summary ?? "malformed"
        }
        return "\(term)/\(index) \(type.name)" + (content.isEmpty ? "" : " \(content)")
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
