// Changes on their way into the file: collected by the apply lane, sealed, committed by the commit lane. Until the file
// holds them, reads find them here.

package import Base

/// A row of bucket `key`, before it is in the file.
package struct RevisionRow: Sendable {
    package var key: RevisionKey
    /// The encoded `KeyValue`; of a tombstone one with only the key.
    package var value: Bytes
}

/// A change in one of the small buckets; nil deletes.
package struct SmallChange: Sendable {
    package var bucket: Bucket
    package var key: Bytes
    package var value: Bytes?
}

/// Counts sealed batches of one run.
package typealias BatchNumber = UInt64

/// A finished batch. Immutable, so views and the commit lane share it.
package final class SealedBatch: Sendable {
    package let number: BatchNumber
    /// Ascending.
    package let rows: RowLog
    /// Rows of bucket `key` that compaction removed.
    package let removed: [RevisionKey]
    package let changes: [SmallChange]
    /// What has been applied when all of the batch is in the file; 0 leaves it as it is.
    package let consistentIndex: LogIndex
    package let term: Term

    init(
        number: BatchNumber, rows: RowLog, removed: [RevisionKey], changes: [SmallChange], consistentIndex: LogIndex,
        term: Term
    ) {
        self.number = number
        self.rows = rows
        self.removed = removed
        self.changes = changes
        self.consistentIndex = consistentIndex
        self.term = term
    }
}

extension [RevisionRow] {
    /// The value of the row at `revision`.
    func value(at revision: Revision) -> Bytes? {
        guard let first, first.key.revision <= revision, let last, last.key.revision >= revision else { return nil }
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) >> 1
            if self[middle].key.revision < revision { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low].key.revision == revision ? self[low].value : nil
    }
}
