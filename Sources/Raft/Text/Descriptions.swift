// Configurations and their changes as text, in the words of etcd's log lines.

import Base
package import RaftWire

extension ConfState {
    /// The same members in ascending order.
    var sorted: ConfState {
        ConfState(
            voters: voters.sorted(),
            learners: learners.sorted(),
            votersOutgoing: votersOutgoing.sorted(),
            learnersNext: learnersNext.sorted(),
            autoLeave: autoLeave
        )
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

extension ConfChangeV2 {
    var logDescription: String {
        var text = "transition:\(transition)"
        for change in changes { text += " changes:{type:\(change.type) node_id:\(change.nodeID)}" }
        if !context.isEmpty { text += " context:\(quoted(context))" }
        return text
    }
}
