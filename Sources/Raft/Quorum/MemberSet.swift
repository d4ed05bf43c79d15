// A small set of members, kept in ascending order: configurations are printed, compared and visited in that order, and
// with a handful of members a sorted array beats a hash table.

package import Base

package struct MemberSet: Sendable, Hashable {
    /// Ascending, without duplicates.
    package private(set) var ids: [MemberID]

    package init(_ ids: some Sequence<MemberID> = []) {
        var sorted: [MemberID] = []
        for id in ids.sorted() where sorted.last != id { sorted.append(id) }
        self.ids = sorted
    }

    package var count: Int { ids.count }
    package var isEmpty: Bool { ids.isEmpty }

    package func contains(_ id: MemberID) -> Bool {
        // A scan of a few words is faster than a binary search.
        ids.contains(id)
    }

    package mutating func insert(_ id: MemberID) {
        let position = ids.firstIndex { $0 >= id } ?? ids.count
        if position == ids.count || ids[position] != id { ids.insert(id, at: position) }
    }

    package mutating func remove(_ id: MemberID) {
        if let position = ids.firstIndex(of: id) { ids.remove(at: position) }
    }

    package func union(_ other: MemberSet) -> MemberSet {
        if other.isEmpty { return self }
        if isEmpty { return other }
        return MemberSet(ids + other.ids)
    }

    /// How many members are in just one of the two sets.
    package func differenceCount(_ other: MemberSet) -> Int {
        let common = ids.count { other.contains($0) }
        return count + other.count - 2 * common
    }
}

extension MemberSet: CustomStringConvertible {
    /// "(1 2 3)", in hexadecimal.
    package var description: String {
        "(" + ids.map { hexadecimal($0) }.joined(separator: " ") + ")"
    }
}
