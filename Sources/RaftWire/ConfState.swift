// The members of a configuration, as snapshots carry them.

package import Base
package import Wire

package struct ConfState: WireMessage {
    /// The voters; of a joint configuration, those of the incoming half.
    package var voters: [MemberID]
    package var learners: [MemberID]
    /// The voters of the outgoing half; empty unless the configuration is joint.
    package var votersOutgoing: [MemberID]
    /// Voters of the outgoing half that become learners when the joint configuration is left.
    package var learnersNext: [MemberID]
    /// Whether the leader leaves the joint configuration of its own accord.
    package var autoLeave: Bool

    package init(
        voters: [MemberID] = [],
        learners: [MemberID] = [],
        votersOutgoing: [MemberID] = [],
        learnersNext: [MemberID] = [],
        autoLeave: Bool = false
    ) {
        self.voters = voters
        self.learners = learners
        self.votersOutgoing = votersOutgoing
        self.learnersNext = learnersNext
        self.autoLeave = autoLeave
    }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init()
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: try reader.append(field, to: &voters)
            case 2: try reader.append(field, to: &learners)
            case 3: try reader.append(field, to: &votersOutgoing)
            case 4: try reader.append(field, to: &learnersNext)
            case 5: autoLeave = try reader.bool(field)
            default: try reader.skip(field)
            }
        }
    }

    package var encodedSize: Int {
        var size = 2
        for list in [voters, learners, votersOutgoing, learnersNext] {
            for member in list { size += numberFieldSize(member) }
        }
        return size
    }

    package func encode(into writer: inout WireWriter) {
        for member in voters { writer.explicit(1, member) }
        for member in learners { writer.explicit(2, member) }
        for member in votersOutgoing { writer.explicit(3, member) }
        for member in learnersNext { writer.explicit(4, member) }
        writer.explicit(5, autoLeave ? 1 : 0)
    }
}
