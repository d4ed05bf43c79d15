// Changes of the configuration: one at a time (V1), or several through a joint configuration (V2).

package import Base
package import Wire

package enum ConfChangeType: UInt64, Sendable {
    case addNode = 0
    case removeNode = 1
    case updateNode = 2
    case addLearnerNode = 3
}

package enum ConfChangeTransition: UInt64, Sendable {
    case auto = 0
    case jointImplicit = 1
    case jointExplicit = 2
}

package struct ConfChange: Sendable, Hashable {
    package var id: UInt64
    package var type: ConfChangeType
    package var nodeID: MemberID
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
            case 2:
                guard let type = ConfChangeType(rawValue: try reader.uint64(field)) else { throw .malformedTag }
                self.type = type
            case 3: nodeID = try reader.uint64(field)
            case 4: context = try reader.bytes(field)
            default: try reader.skip(field)
            }
        }
    }

    package func encoded() -> Bytes {
        var writer = WireWriter()
        writer.explicit(1, id)
        writer.explicit(2, type.rawValue)
        writer.explicit(3, nodeID)
        writer.field(4, context)
        return writer.bytes
    }

    package var asV2: ConfChangeV2 {
        ConfChangeV2(changes: [ConfChangeSingle(type: type, nodeID: nodeID)], context: context)
    }
}

package struct ConfChangeSingle: Sendable, Hashable {
    package var type: ConfChangeType
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
            case 1:
                guard let type = ConfChangeType(rawValue: try reader.uint64(field)) else { throw .malformedTag }
                self.type = type
            case 2: nodeID = try reader.uint64(field)
            default: try reader.skip(field)
            }
        }
    }

    package func encoded() -> Bytes {
        var writer = WireWriter()
        writer.explicit(1, type.rawValue)
        writer.explicit(2, nodeID)
        return writer.bytes
    }
}

package struct ConfChangeV2: Sendable, Hashable {
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
            case 1:
                guard let transition = ConfChangeTransition(rawValue: try reader.uint64(field)) else { throw .malformedTag }
                self.transition = transition
            case 2: changes.append(try ConfChangeSingle(decoding: try reader.bytes(field)))
            case 3: context = try reader.bytes(field)
            default: try reader.skip(field)
            }
        }
    }

    package func encoded() -> Bytes {
        var writer = WireWriter()
        writer.explicit(1, transition.rawValue)
        for change in changes { writer.explicit(2, change.encoded()) }
        writer.field(3, context)
        return writer.bytes
    }
}
