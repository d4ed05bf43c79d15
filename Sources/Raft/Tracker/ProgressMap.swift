// Every member's progress, in ascending order of members.

package import Base

package struct ProgressMap: Sendable, Hashable {
    package private(set) var ids = MemberSet()
    /// Parallel to `ids`.
    private var values: [Progress] = []

    package init() {}

    package var count: Int { values.count }
    package var indices: Range<Int> { values.indices }

    package func id(at position: Int) -> MemberID { ids.ids[position] }

    package subscript(position position: Int) -> Progress {
        _read { yield values[position] }
        _modify { yield &values[position] }
    }

    /// Where the member is; nil if it is none.
    package func position(of id: MemberID) -> Int? { ids.ids.firstIndex(of: id) }

    package func contains(_ id: MemberID) -> Bool { ids.contains(id) }

    package subscript(id: MemberID) -> Progress? {
        get { position(of: id).map { values[$0] } }
        set {
            switch (position(of: id), newValue) {
            case (let position?, let progress?): values[position] = progress
            case (let position?, nil):
                ids.remove(id)
                values.remove(at: position)
            case (nil, let progress?):
                values.insert(progress, at: ids.ids.firstIndex { $0 > id } ?? values.count)
                ids.insert(id)
            case (nil, nil): break
            }
        }
    }
}

extension ProgressMap: CustomStringConvertible {
    /// One line a member, with the identifier in decimal.
    package var description: String {
        indices.map { "\(id(at: $0)): \(values[$0])\n" }.joined()
    }
}
