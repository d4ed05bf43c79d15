// Changes of members as scenarios write them: "v1 l2 r3 u4".

import Raft
import RaftWire

enum ConfChangeText {
    struct Malformed: Error {
        var text: String
    }

    static func parse(_ text: String) throws(Malformed) -> [ConfChangeSingle] {
        var changes: [ConfChangeSingle] = []
        for token in text.split(whereSeparator: \.isWhitespace) {
            guard token.count >= 2 else { throw Malformed(text: "unknown token \(token)") }
            let type: ConfChangeType
            switch token.first {
            case "v": type = .addNode
            case "l": type = .addLearnerNode
            case "r": type = .removeNode
            case "u": type = .updateNode
            default: throw Malformed(text: "unknown input: \(token)")
            }
            guard let id = UInt64(token.dropFirst()) else {
                throw Malformed(
                    text: "strconv.ParseUint: parsing \(token.dropFirst().debugDescription): invalid syntax"
                )
            }
            changes.append(ConfChangeSingle(type: type, nodeID: id))
        }
        return changes
    }
}
