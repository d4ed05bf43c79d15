// Scenarios of quorums: which index is committed, and how an election stands, computed in several ways that must agree.

import Base
import DataDriven
import Raft

enum QuorumScenario {
    private struct Setup {
        var incoming: [MemberID] = []
        var outgoing: [MemberID] = []
        var isJoint = false
        /// In the order in which the voters are first named; nil for "_".
        var indexes: [LogIndex?] = []
        var votes: [Bool?] = []

        init(_ directive: Directive) throws(DataDrivenError) {
            func number(_ text: String) throws(DataDrivenError) -> UInt64 {
                guard let number = UInt64(text) else { throw DataDrivenError("not a number: \(text)") }
                return number
            }
            for argument in directive.arguments {
                for value in argument.values {
                    switch (argument.key, value) {
                    case ("cfg", _): incoming.append(try number(value))
                    case ("cfgj", "zero"): isJoint = true
                    case ("cfgj", _):
                        isJoint = true
                        outgoing.append(try number(value))
                    case ("idx", "_"): indexes.append(nil)
                    case ("idx", _):
                        let index = try number(value)
                        if index == 0 { throw DataDrivenError("cannot use 0 as idx") }
                        indexes.append(index)
                    case ("votes", "_"): votes.append(nil)
                    case ("votes", "y"): votes.append(true)
                    case ("votes", "n"): votes.append(false)
                    default: throw DataDrivenError("unknown argument \(argument.key)=\(value)")
                    }
                }
            }
        }

        var voters: JointVoters { JointVoters(incoming: MemberSet(incoming), outgoing: MemberSet(outgoing)) }

        /// The values by voter.
        func assign<Value>(_ values: [Value?]) -> [MemberID: Value] {
            var named: [MemberID] = []
            for id in incoming + outgoing where !named.contains(id) { named.append(id) }
            var assigned: [MemberID: Value] = [:]
            for (id, value) in zip(named, values) { assigned[id] = value }
            return assigned
        }
    }

    static func handle(_ directive: Directive) throws(DataDrivenError) -> String {
        let setup = try Setup(directive)
        let count = setup.voters.all.count
        let given = directive.command == "vote" ? setup.votes.count : setup.indexes.count
        if given != count {
            return "error: mismatched input (explicit or _) for voters \(setup.voters.all.ids): \(given) values"
        }
        return directive.command == "vote" ? vote(setup) : committed(setup)
    }

    // MARK: Committed index

    private static func committed(_ setup: Setup) -> String {
        let acknowledged = setup.assign(setup.indexes)
        let voters = setup.voters
        let lookup: (MemberID) -> LogIndex? = { acknowledged[$0] }
        if setup.isJoint {
            let index = voters.committedIndex(lookup)
            var text = describe(voters.all, acknowledged)
            let mirrored = JointVoters(incoming: voters.outgoing, outgoing: voters.incoming).committedIndex(lookup)
            if mirrored != index { text += "\(name(mirrored)) <-- via symmetry\n" }
            return text + "\(name(index))\n"
        }

        let majority = voters.incoming
        let index = majority.committedIndex(lookup)
        var text = describe(majority, acknowledged)
        let counted = countedCommittedIndex(majority, acknowledged)
        if counted != index { text += "\(name(counted)) <-- via alternative computation\n" }
        let withNobody = JointVoters(incoming: majority).committedIndex(lookup)
        if withNobody != index { text += "\(name(withNobody)) <-- via zero-joint quorum\n" }
        let withItself = JointVoters(incoming: majority, outgoing: majority).committedIndex(lookup)
        if withItself != index { text += "\(name(withItself)) <-- via self-joint quorum\n" }
        // Whoever is below the committed index may as well be further below.
        for id in majority.ids {
            guard let own = acknowledged[id], own < index else { continue }
            for lower in [own - 1, 0] {
                var lowered = acknowledged
                lowered[id] = lower
                let other = majority.committedIndex { lowered[$0] }
                if other != index { text += "\(name(other)) <-- overlaying \(id)->\(lower)" }
            }
        }
        return text + "\(name(index))\n"
    }

    /// By definition: the highest acknowledged index that enough voters have reached.
    private static func countedCommittedIndex(_ voters: MemberSet, _ acknowledged: [MemberID: LogIndex]) -> LogIndex {
        if voters.isEmpty { return .max }
        let indexes = voters.ids.map { acknowledged[$0] ?? 0 }
        return indexes.filter { candidate in indexes.count { $0 >= candidate } >= voters.majority }.max() ?? 0
    }

    private static func name(_ index: LogIndex) -> String { index == .max ? "∞" : "\(index)" }

    /// One line a voter, with a bar as long as there are voters behind it.
    private static func describe(_ voters: MemberSet, _ acknowledged: [MemberID: LogIndex]) -> String {
        if voters.isEmpty { return "<empty majority quorum>" }
        let width = voters.count
        let indexes = voters.ids.map { acknowledged[$0] ?? 0 }
        var text = String(repeating: " ", count: width) + "    idx\n"
        for id in voters.ids {
            let index = acknowledged[id] ?? 0
            if acknowledged[id] == nil {
                text += "?" + String(repeating: " ", count: width)
            } else {
                let bar = indexes.count { $0 < index }
                text += String(repeating: "x", count: bar) + ">" + String(repeating: " ", count: width - bar)
            }
            let number = "\(index)"
            text += " " + String(repeating: " ", count: max(0, 5 - number.count)) + number
            text += "    (id=\(hexadecimal(id)))\n"
        }
        return text
    }

    // MARK: Votes

    private static func vote(_ setup: Setup) -> String {
        let votes = setup.assign(setup.votes)
        let voters = setup.voters
        if !setup.isJoint { return "\(name(voters.incoming.voteResult { votes[$0] }))\n" }
        let result = voters.voteResult { votes[$0] }
        let mirrored = JointVoters(incoming: voters.outgoing, outgoing: voters.incoming).voteResult { votes[$0] }
        return (mirrored == result ? "" : "\(name(mirrored)) <-- via symmetry\n") + "\(name(result))\n"
    }

    private static func name(_ result: VoteResult) -> String {
        switch result {
        case .pending: "VotePending"
        case .lost: "VoteLost"
        case .won: "VoteWon"
        }
    }
}
