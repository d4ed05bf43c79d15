// The apply lane's side of the file: takes changes at memory speed and hands them over in batches; never waits for a disk.
//
// Invariant: every batch carries the index of the last entry whose changes it holds, so that the file, whenever the
// power goes, is exactly the state after one entry.

package import BBolt
package import Base

package struct Backend: ~Copyable {
    private var rows: [RevisionRow] = []
    private var removed: [RevisionKey] = []
    private var changes: [SmallChange] = []
    /// Sealed and not yet in the file, oldest first.
    private var sealed: [SealedBatch] = []
    private var reader: ReadTransaction
    private var nextNumber: BatchNumber = 1
    private var isIndexChanged = false
    /// What has been applied; stored with every batch.
    package private(set) var consistentIndex: LogIndex
    package private(set) var consistentTerm: Term

    package init(reader: ReadTransaction) throws(BBoltError) {
        self.reader = reader
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
        var taken: (rows: [RevisionRow], removed: [RevisionKey], changes: [SmallChange]) = ([], [], [])
        swap(&taken.rows, &rows)
        swap(&taken.removed, &removed)
        swap(&taken.changes, &changes)
        let batch = SealedBatch(
            number: nextNumber, rows: taken.rows, removed: taken.removed, changes: taken.changes, consistentIndex: consistentIndex,
            term: consistentTerm)
        nextNumber += 1
        isIndexChanged = false
        sealed.append(batch)
        return batch
    }

    /// Batches up to `number` are in the file, whose state is `reader`'s.
    package mutating func committed(through number: BatchNumber, reader: ReadTransaction) {
        sealed.removeAll { $0.number <= number }
        self.reader = reader
    }

    // MARK: Reads

    /// The file as the last commit that was reported left it.
    package var fileReader: ReadTransaction { reader }

    /// For reads that are over before the next change: costs nothing.
    package var momentaryView: BackendView {
        BackendView(current: rows, sealed: sealed, reader: reader)
    }
}

/// All rows of bucket `key` as they were when it was made. Immutable; from any thread.
package struct BackendView: Sendable {
    let current: [RevisionRow]
    let sealed: [SealedBatch]
    package let reader: ReadTransaction

    /// A cursor-like reader for many rows; neighbours are found without a new descent.
    package func rowReader() throws(BBoltError) -> RowReader {
        try RowReader(self)
    }

    /// Every row that is newer than the file, ascending.
    var unwrittenRows: [RevisionRow] {
        sealed.flatMap(\.rows) + current
    }
}

/// Looks up rows by revision.
package struct RowReader {
    private let view: BackendView
    private var cursor: ReadCursor?
    private var scratch: [UInt8]

    init(_ view: BackendView) throws(BBoltError) {
        self.view = view
        cursor = try view.reader.bucket(Bucket.key.name)?.cursor()
        scratch = []
        scratch.reserveCapacity(RevisionKey.size + 1)
    }

    /// Gives `body` the value of the row at `revision`; false if there is no such row.
    package mutating func withValue(
        at revision: Revision, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(BBoltError) -> Bool {
        if let value = view.current.value(at: revision) {
            value.withUnsafeBytes(body)
            return true
        }
        for batch in view.sealed.reversed() {
            if let value = batch.rows.value(at: revision) {
                value.withUnsafeBytes(body)
                return true
            }
        }
        scratch.removeAll(keepingCapacity: true)
        RevisionKey(revision).append(to: &scratch)
        let found = try scratch.withUnsafeBufferPointer { (key) throws(BBoltError) -> Bool in
            guard try cursor?.seek(UnsafeRawBufferPointer(key)) == true, let stood = cursor?.key else { return false }
            return compareBytes(stood, UnsafeRawBufferPointer(key)) == 0
        }
        guard found, let value = cursor?.value else { return false }
        body(value)
        return true
    }

    package mutating func value(at revision: Revision) throws(BBoltError) -> Bytes? {
        var copy: Bytes?
        _ = try withValue(at: revision) { copy = Bytes(copying: $0) }
        return copy
    }
}

extension BackendView {
    /// Walks the rows of bucket `key` from `start` on in order, until `body` returns false. Rows that were removed but
    /// whose removal is not in the file yet may still show.
    package func forEachRow(
        from start: RevisionKey, _ body: (RevisionKey, UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Bool
    ) throws(BBoltError) {
        if var cursor = try reader.bucket(Bucket.key.name)?.cursor() {
            var found = try cursor.seek(start.bytes)
            while found {
                guard let key = RevisionKey(cursor.key) else {
                    found = try cursor.next()
                    continue
                }
                if !body(key, cursor.key, cursor.value) { return }
                found = try cursor.next()
            }
        }
        for row in unwrittenRows where row.key >= start {
            let goesOn = row.key.bytes.withUnsafeBytes { key in row.value.withUnsafeBytes { body(row.key, key, $0) } }
            if !goesOn { return }
        }
    }
}
