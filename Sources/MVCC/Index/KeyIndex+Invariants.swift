// What must hold of the index after every change: run by tests, over the whole tree.

import Base

extension KeyIndex {
    /// What is wrong; empty if nothing is.
    func checkInvariants() -> [String] {
        var problems: [String] = []
        let (found, _) = Self.check(root, from: nil, below: nil, isRoot: true, &problems)
        if found != count { problems.append("\(found) keys are there, \(count) are counted") }
        return problems
    }

    /// - Returns: the keys below the node and how deep it is.
    private static func check(
        _ node: IndexNode, from lower: Bytes?, below upper: Bytes?, isRoot: Bool, _ problems: inout [String]
    ) -> (keys: Int, depth: Int) {
        var previous: Bytes?
        for index in 0..<node.keys.count {
            let key = node.keys[index]
            if let previous, previous >= key { problems.append("\(key) does not ascend") }
            if let lower, key < lower { problems.append("\(key) stands below its node's first key") }
            if let upper, key >= upper { problems.append("\(key) belongs on a later node") }
            previous = key
        }
        if node.isLeaf {
            if node.keys.count != node.histories.count { problems.append("keys and histories differ in number") }
            if node.histories.count > IndexNode.widthMax { problems.append("a leaf of \(node.histories.count) keys") }
            if node.histories.isEmpty && !isRoot { problems.append("an empty leaf") }
            if node.liveCount != node.histories.count(where: { $0.isLive }) { problems.append("a leaf counts wrongly") }
            return (node.histories.count, 1)
        }
        if node.children.count > IndexNode.widthMax { problems.append("a node of \(node.children.count) children") }
        if node.keys.count != node.children.count - 1 { problems.append("separators do not match children") }
        if node.liveCount != node.children.reduce(0, { $0 + $1.liveCount }) { problems.append("a node counts wrongly") }
        var (total, depths) = (0, Set<Int>())
        for (index, child) in node.children.enumerated() {
            let (keys, depth) = check(
                child, from: index == 0 ? lower : node.keys[index - 1], below: index < node.keys.count ? node.keys[index] : upper,
                isRoot: false, &problems)
            total += keys
            depths.insert(depth)
        }
        if depths.count > 1 { problems.append("leaves stand at different depths") }
        return (total, (depths.max() ?? 0) + 1)
    }
}
