// Rows on their way from the file into the index. They come by revision, which is by chance as far as keys go; sorted by
// key, a chunk of them goes through the index from left to right and finds its leaves in the processor's caches.

import Backend
import Base

struct RestoreChunk {
    /// Enough that several rows of a chunk meet on each leaf of a big index; takes some tens of megabytes at most
    /// with keys of usual length.
    static let rowsMaxDefault = 1 << 18
    /// With long keys a chunk ends earlier.
    static let keyBytesMax = 32 << 20

    private struct Row {
        var start: Int
        var length: Int
        var revision: RevisionKey
        var createRevision: Int64
        var version: Int64
    }

    private let rowsMax: Int
    private var keys: [UInt8] = []
    private var rows: [Row] = []

    init(rowsMax: Int) {
        self.rowsMax = rowsMax
    }

    var isFull: Bool { rows.count >= rowsMax || keys.count >= Self.keyBytesMax }

    mutating func append(_ revision: RevisionKey, _ pair: StoredPair) {
        rows.append(
            Row(
                start: keys.count, length: pair.key.count, revision: revision, createRevision: pair.createRevision,
                version: pair.version))
        keys.append(contentsOf: pair.key)
    }

    /// Puts the rows into the index and forgets them.
    mutating func drain(into index: inout KeyIndex) {
        keys.withUnsafeBytes { keys in
            func key(_ row: Row) -> UnsafeRawBufferPointer {
                UnsafeRawBufferPointer(rebasing: keys[row.start..<row.start + row.length])
            }
            // Rows of one key stay in order of their revisions.
            rows.sort { left, right in
                let order = compareBytes(key(left), key(right))
                return order != 0 ? order < 0 : left.revision < right.revision
            }
            for row in rows {
                let revision = row.revision.revision
                index.update(key(row)) { history in
                    switch (history == nil, row.revision.isTombstone) {
                    case (true, true): history = KeyHistory(tombstone: revision)
                    case (true, false):
                        history = KeyHistory(restoring: revision, createRevision: row.createRevision, version: row.version)
                    case (false, true): history?.delete(revision)
                    case (false, false):
                        history?.restorePut(revision, createRevision: row.createRevision, version: row.version)
                    }
                }
            }
        }
        keys.removeAll(keepingCapacity: true)
        rows.removeAll(keepingCapacity: true)
    }
}
