// Reading the rows of bucket `key`: first in what waits to be written, then in the file.

package import BBolt
package import Base

/// Bucket `key` of a state of the file, or why it cannot be read.
final class KeyBucket: Sendable {
    let outcome: Result<ReadBucket?, BBoltError>

    init(_ reader: ReadTransaction) {
        do throws(BBoltError) {
            outcome = .success(try reader.bucket(Bucket.key.name))
        } catch {
            outcome = .failure(error)
        }
    }
}

/// All rows of bucket `key` as they were when it was made. Immutable; from any thread.
package struct BackendView: Sendable {
    let current: RowLog
    /// Batches with rows that the file does not hold yet, oldest first.
    let sealed: [SealedBatch]
    package let reader: ReadTransaction
    let keyBucket: KeyBucket

    /// A cursor-like reader for many rows; neighbours are found without a new descent.
    package func rowReader() throws(BBoltError) -> RowReader {
        try RowReader(self)
    }

    /// Gives `body` the value of one row, which is no tombstone's; false if there is no such row.
    package func withValue(
        at revision: Revision, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(BBoltError) -> Bool {
        if let firstUnwritten, firstUnwritten <= revision, let value = unwrittenValue(at: revision) {
            value.withUnsafeBytes(body)
            return true
        }
        guard let bucket = try keyBucket.outcome.get() else { return false }
        return try withRowKey(revision) { (key) throws(BBoltError) in try bucket.withValue(of: key, body) }
    }

    /// Rows from here on are not in the file.
    var firstUnwritten: Revision? { sealed.first?.rows.firstRevision ?? current.firstRevision }

    /// The value of a row that is not in the file yet.
    func unwrittenValue(at revision: Revision) -> Bytes? {
        if let first = current.firstRevision, first <= revision { return current.value(at: revision) }
        var (low, high) = (0, sealed.count)
        while low < high {
            let middle = (low + high) >> 1
            guard let last = sealed[middle].rows.lastRevision else { return nil }
            if last < revision { low = middle + 1 } else { high = middle }
        }
        return low < sealed.count ? sealed[low].rows.value(at: revision) : nil
    }

    /// Walks the rows of bucket `key` from `start` on in order, until `body` returns false. Rows that were removed but
    /// whose removal is not in the file yet may still show.
    package func forEachRow(
        from start: RevisionKey, _ body: (RevisionKey, UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Bool
    ) throws(BBoltError) {
        if var cursor = try keyBucket.outcome.get()?.cursor() {
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
        func visit(_ row: RevisionRow) -> Bool {
            row.key < start || row.key.bytes.withUnsafeBytes { key in row.value.withUnsafeBytes { body(row.key, key, $0) } }
        }
        for batch in sealed where !batch.rows.forEach(visit) { return }
        _ = current.forEach(visit)
    }
}

/// Runs `body` with the key of a row that is no tombstone; on the stack, as every read needs one.
@inline(__always)
private func withRowKey<R>(
    _ revision: Revision, _ body: (UnsafeRawBufferPointer) throws(BBoltError) -> R
) throws(BBoltError) -> R {
    var key = (UInt64(0), UInt64(0), UInt8(0))
    return try withUnsafeMutableBytes(of: &key) { (key) throws(BBoltError) -> R in
        key.storeBytes(of: revision.main.bigEndian, toByteOffset: 0, as: Int64.self)
        key.storeBytes(of: UInt8(ascii: "_"), toByteOffset: 8, as: UInt8.self)
        key.storeBytes(of: revision.sub.bigEndian, toByteOffset: 9, as: Int64.self)
        return try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(key)[..<RevisionKey.size]))
    }
}

/// Looks up rows by revision.
package struct RowReader {
    private let view: BackendView
    private var cursor: ReadCursor?
    /// Rows from here on are not in the file.
    private let firstUnwritten: Revision?
    /// Where the cursor stands, if it found something.
    private var standing: Revision?

    init(_ view: BackendView) throws(BBoltError) {
        self.view = view
        cursor = try view.keyBucket.outcome.get()?.cursor()
        firstUnwritten = view.firstUnwritten
    }

    /// Gives `body` the value of the row at `revision`, which is no tombstone's; false if there is no such row.
    package mutating func withValue(
        at revision: Revision, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(BBoltError) -> Bool {
        if let firstUnwritten, firstUnwritten <= revision, let value = view.unwrittenValue(at: revision) {
            value.withUnsafeBytes(body)
            return true
        }
        guard try find(revision), let value = cursor?.value else { return false }
        body(value)
        return true
    }

    private mutating func find(_ revision: Revision) throws(BBoltError) -> Bool {
        let follows = standing.map { revision == Revision(main: $0.main + 1) || revision == Revision(main: $0.main, sub: $0.sub + 1) }
        let isFound = try withRowKey(revision) { (wanted) throws(BBoltError) -> Bool in
            // Keys that were written one after another are often read so, too.
            if follows == true, try cursor?.next() == true, cursor.map({ compareBytes($0.key, wanted) == 0 }) == true { return true }
            return try cursor?.seek(wanted) == true && cursor.map { compareBytes($0.key, wanted) == 0 } == true
        }
        standing = isFound ? revision : nil
        return isFound
    }

    package mutating func value(at revision: Revision) throws(BBoltError) -> Bytes? {
        var copy: Bytes?
        _ = try withValue(at: revision) { copy = Bytes(copying: $0) }
        return copy
    }
}
