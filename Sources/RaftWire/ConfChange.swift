// Changes of the configuration, as entries carry them: one member at a time (V1), or several with a transition (V2).

package import Base
package import Wire

package enum ConfChangeType: Int, Sendable, Hashable {
    case addNode = 0
    case removeNode = 1
    /// Only the application's data of the member changes.
    case updateNode = 2
    case addLearnerNode = 3
}

/// How to get from one configuration to the next.
package enum ConfChangeTransition: Int, Sendable, Hashable {
    /// Directly if at most one voter changes, else as `jointImplicit`.
    case auto = 0
    /// Through a joint configuration, which the leader leaves of its own accord.
    case jointImplicit = 1
    /// Through a joint configuration, which lasts until an empty change is proposed.
    case jointExplicit = 2
}

/// One member's change.
package struct ConfChangeSingle: WireMessage {
    package var type: ConfChangeType
    /// 0: the change does nothing.
    package var nodeID: MemberID

    package init(type: ConfChangeType = .addNode, nodeID: MemberID = 0) {
        self.type = type
        self.nodeID = nodeID
    }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init()
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: type = try reader.known(field)
            case 2: nodeID = try reader.uint64(field)
            default: try reader.skip(field)
            }
        }
    }

    package var encodedSize: Int { 2 + numberFieldSize(nodeID) }

    package func encode(into writer: inout WireWriter) {
        writer.explicit(1, UInt64(type.rawValue))
        writer.explicit(2, nodeID)
    }
}

/// A change of one member: all that etcd proposes.
package struct ConfChange: WireMessage {
    /// The proposer's request, so that it learns of the outcome.
    package var id: UInt64
    package var type: ConfChangeType
    package var nodeID: MemberID
    /// The application's; etcd keeps the member's JSON here.
    package var context: Bytes

    package init(id: UInt64 = 0, type: ConfChangeType = .addNode, nodeID: MemberID = 0, context: Bytes = Bytes()) {
        self.id = id
        self.type = type
        self.nodeID = nodeID
        self.context = context
    }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init()
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: id = try reader.uint64(field)
            case 2: type = try reader.known(field)
            case 3: nodeID = try reader.uint64(field)
            case 4: context = try reader.bytes(field)
            default: try reader.skip(field)
            }
        }
    }

    package var encodedSize: Int {
        let size = numberFieldSize(id) + 2 + numberFieldSize(nodeID)
        return context.isEmpty ? size : size + lengthDelimitedFieldSize(context.count)
    }

    package func encode(into writer: inout WireWriter) {
        writer.explicit(1, id)
        writer.explicit(2, UInt64(type.rawValue))
        writer.explicit(3, nodeID)
        writer.field(4, context)
    }

    /// The same change as raft works with it.
    package var asV2: ConfChangeV2 {
        ConfChangeV2(changes: [ConfChangeSingle(type: type, nodeID: nodeID)], context: context)
    }
}

/// Any number of members' changes at once.
package struct ConfChangeV2: WireMessage {
    package var transition: ConfChangeTransition
    package var changes: [ConfChangeSingle]
    package var context: Bytes

    package init(transition: ConfChangeTransition = .auto, changes: [ConfChangeSingle] = [], context: Bytes = Bytes()) {
        self.transition = transition
        self.changes = changes
        self.context = context
    }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init()
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: transition = try reader.known(field)
            case 2: changes.append(try ConfChangeSingle(decoding: try reader.bytes(field)))
            case 3: context = try reader.bytes(field)
            default: try reader.skip(field)
            }
        }
    }

    package var encodedSize: Int {
        var size = 2
        for change in changes { size += lengthDelimitedFieldSize(change.encodedSize) }
        return context.isEmpty ? size : size + lengthDelimitedFieldSize(context.count)
    }

    package func encode(into writer: inout WireWriter) {
        writer.explicit(1, UInt64(transition.rawValue))
        for change in changes { writer.message(2, change) }
        writer.field(3, context)
    }

    /// Whether this change goes through a joint configuration, and who leaves that: nil if it is made directly.
    package var jointAutoLeave: Bool? {
        guard transition != .auto || changes.count > 1 else { return nil }
        return transition != .jointExplicit
    }

    /// Whether this is the change that leaves a joint configuration: nothing, apart from a context.
    package var leavesJoint: Bool { transition == .auto && changes.isEmpty }
}
