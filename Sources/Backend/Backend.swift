// The apply lane's side of the file: takes changes at memory speed and hands them over in batches; never waits for a disk.
//
// Invariant: every batch carries the index of the last entry whose changes it holds, so that the file, whenever the
// power goes, is exactly the state after one entry.

package import BBolt
package import Base

package struct Backend: ~Copyable {
    private var rows = RowLog()
    private var removed: [RevisionKey] = []
    private var changes: [SmallChange] = []
    /// Sealed and not yet in the file, oldest first.
    private var sealed: [SealedBatch] = []
    /// Those of `sealed` that have rows: what a read has to look through.
    private var sealedWithRows: [SealedBatch] = []
    private var reader: ReadTransaction
    /// Bucket `key` of `reader`, looked up once and not for every read.
    private var keyBucket: KeyBucket
    private var nextNumber: BatchNumber = 1
    private var isIndexChanged = false
    /// What has been applied; stored with every batch.
    package private(set) var consistentIndex: LogIndex
    package private(set) var consistentTerm: Term

    package init(reader: ReadTransaction) throws(BBoltError) {
        self.reader = reader
        keyBucket = KeyBucket(reader)
        let stored = try StoredMeta(reader)
        consistentIndex = stored.consistentIndex
        consistentTerm = stored.term
    }

    // MARK: Changes

    package mutating func put(_ bucket: Bucket, key: Bytes, value: Bytes) {
        changes.append(SmallChange(bucket: bucket, key: key, value: value))
    }

    package mutating func delete(_ bucket: Bucket, key: Bytes) {
        changes.append(SmallChange(bucket: bucket, key: key, value: nil))
    }

    /// Rows come in order of their revisions.
    package mutating func putRevision(_ key: RevisionKey, value: Bytes) {
        rows.append(RevisionRow(key: key, value: value))
    }

    package mutating func removeRevision(_ key: RevisionKey) {
        removed.append(key)
    }

    package mutating func setConsistentIndex(_ index: LogIndex, term: Term) {
        consistentIndex = index
        consistentTerm = term
        isIndexChanged = true
    }

    /// How much waits to be sealed.
    package var pendingOperations: Int { rows.count + removed.count + changes.count }
    package var hasPendingChanges: Bool { pendingOperations > 0 || isIndexChanged }
    /// Batches that the commit lane still has to do.
    package var uncommittedBatches: Int { sealed.count }

    /// The changes so far as a batch for the commit lane; nil if there are none.
    package mutating func seal() -> SealedBatch? {
        guard hasPendingChanges else { return nil }
        var taken: (rows: RowLog, removed: [RevisionKey], changes: [SmallChange]) = (RowLog(), [], [])
        swap(&taken.rows, &rows)
        swap(&taken.removed, &removed)
        swap(&taken.changes, &changes)
        let batch = SealedBatch(
            number: nextNumber, rows: taken.rows, removed: taken.removed, changes: taken.changes, consistentIndex: consistentIndex,
            term: consistentTerm)
        nextNumber += 1
        isIndexChanged = false
        sealed.append(batch)
        if !batch.rows.isEmpty { sealedWithRows.append(batch) }
        return batch
    }

    /// Batches up to `number` are in the file, whose state is `reader`'s.
    package mutating func committed(through number: BatchNumber, reader: ReadTransaction) {
        sealed.removeAll { $0.number <= number }
        sealedWithRows.removeAll { $0.number <= number }
        self.reader = reader
        keyBucket = KeyBucket(reader)
    }

    // MARK: Reads

    /// The file as the last commit that was reported left it.
    package var fileReader: ReadTransaction { reader }

    /// What reads see now. Costs nothing to make; while it is held, the next change copies at most a short piece.
    package var momentaryView: BackendView {
        BackendView(current: rows, sealed: sealedWithRows, reader: reader, keyBucket: keyBucket)
    }
}
