// Rows of bucket `key` in the order they were made. Only the newest piece is ever changed, and it is short: so a view
// that is still held costs the next change the copy of a piece, not of all that waits.

import Base

package struct RowLog: Sendable {
    /// Short enough that its copy costs little beside the change that causes it, long enough that there are few pieces.
    static let pieceRows = 256

    /// Of `pieceRows` rows each, ascending.
    private var pieces: [[RevisionRow]] = []
    private var newest: [RevisionRow] = []

    init() {}

    package var count: Int { pieces.count * Self.pieceRows + newest.count }
    package var isEmpty: Bool { newest.isEmpty && pieces.isEmpty }

    /// Rows come in order of their revisions.
    mutating func append(_ row: RevisionRow) {
        if newest.count == Self.pieceRows {
            pieces.append(newest)
            newest = []
            newest.reserveCapacity(Self.pieceRows)
        }
        newest.append(row)
    }

    var firstRevision: Revision? { (pieces.first ?? newest).first?.key.revision }
    var lastRevision: Revision? { (newest.last ?? pieces.last?.last)?.key.revision }

    /// The value of the row at `revision`.
    func value(at revision: Revision) -> Bytes? {
        if let first = newest.first, first.key.revision <= revision { return newest.value(at: revision) }
        var (low, high) = (0, pieces.count)
        while low < high {
            let middle = (low + high) >> 1
            guard let last = pieces[middle].last else { return nil }
            if last.key.revision < revision { low = middle + 1 } else { high = middle }
        }
        return low < pieces.count ? pieces[low].value(at: revision) : nil
    }

    /// Walks the rows in order until `body` returns false; then it returns false, too.
    func forEach<E: Error>(_ body: (RevisionRow) throws(E) -> Bool) throws(E) -> Bool {
        for piece in pieces {
            for row in piece where !(try body(row)) { return false }
        }
        for row in newest where !(try body(row)) { return false }
        return true
    }
}
