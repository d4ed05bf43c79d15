// The multi-version store as the apply lane owns it: the key index, the current revision, and transactions.
//
// One transaction is one main revision; its changes count up in `sub`. Rows go to the backend as they are made, encoded
// once; readers see them when the transaction has ended and a new view is taken.

package import Backend
package import Base
import EtcdWire
import Wire

/// One change of a transaction, as watchers will hear of it.
package struct StoreChange: Sendable {
    package var key: Bytes
    package var revision: Revision
    package var isDelete: Bool
    /// The encoded `KeyValue`; of a delete one with only the key (and, towards watchers, the mod revision).
    package var row: Bytes
}

package struct Store: ~Copyable {
    var index = KeyIndex()
    /// 1 in an empty store.
    package private(set) var currentRevision: Int64 = 1
    /// Revisions below it are gone; -1 if nothing was ever compacted.
    package internal(set) var compactRevision: Int64 = -1
    /// Where the removal of compacted rows has got to; nil when there is none under way.
    var removal: Removal?
    /// Rows that compactions have removed since the start.
    package internal(set) var compactedRows: UInt64 = 0
    private var changes: [StoreChange] = []
    private var isInTransaction = false

    struct Removal {
        var revision: Int64
        /// The key to go on from; nil at the beginning.
        var next: Bytes?
    }

    package init() {}

    // MARK: Transactions

    /// The main revision that the running transaction's changes carry.
    private var nextRevision: Int64 { currentRevision + 1 }

    package mutating func begin() {
        precondition(!isInTransaction, "transactions don't nest")
        isInTransaction = true
    }

    /// Ends the transaction; the revision rises if anything changed.
    package mutating func end() -> [StoreChange] {
        precondition(isInTransaction)
        isInTransaction = false
        if changes.isEmpty { return [] }
        currentRevision += 1
        var taken: [StoreChange] = []
        swap(&taken, &changes)
        return taken
    }

    /// What a read now sees as newest: in a transaction its own changes, too.
    package var readRevision: Int64 { changes.isEmpty ? currentRevision : nextRevision }

    package mutating func put(_ key: Bytes, value: Bytes, lease: LeaseID, to backend: inout Backend) {
        precondition(isInTransaction)
        let revision = Revision(main: nextRevision, sub: Int64(changes.count))
        var (createRevision, version): (Int64, Int64) = (0, 0)
        index.update(key) { history in
            if history == nil { history = KeyHistory(put: revision) } else { history?.put(revision) }
            createRevision = history?.createRevision ?? 0
            version = history?.version ?? 0
        }
        let row = Self.encode(
            key: key, value: value, createRevision: createRevision, modRevision: revision.main, version: version, lease: lease)
        backend.putRevision(RevisionKey(revision), value: row)
        changes.append(StoreChange(key: key, revision: revision, isDelete: false, row: row))
    }

    /// - Returns: the keys that are gone, in order.
    package mutating func deleteRange(_ range: KeyRange, in backend: inout Backend) -> [Bytes] {
        precondition(isInTransaction)
        var keys: [Bytes] = []
        index.forEach(range) { key, history in
            if history.isLive { keys.append(Bytes(copying: key)) }
            return true
        }
        for key in keys {
            let revision = Revision(main: nextRevision, sub: Int64(changes.count))
            index.update(key) { $0?.delete(revision) }
            var writer = WireWriter(capacity: key.count + 4)
            writer.field(1, key)
            backend.putRevision(RevisionKey(revision, isTombstone: true), value: writer.bytes)
            changes.append(StoreChange(key: key, revision: revision, isDelete: true, row: writer.bytes))
        }
        return keys
    }

    /// `mvccpb.KeyValue`, fields in ascending order.
    private static func encode(
        key: Bytes, value: Bytes, createRevision: Int64, modRevision: Int64, version: Int64, lease: LeaseID
    ) -> Bytes {
        var writer = WireWriter(capacity: key.count + value.count + 48)
        writer.field(1, key)
        writer.field(2, createRevision)
        writer.field(3, modRevision)
        writer.field(4, version)
        writer.field(5, value)
        writer.field(6, lease)
        return writer.bytes
    }

    // MARK: Views

    /// What reads see now. Costs nothing to make; while it is held, changes copy the few nodes and rows they touch.
    package func momentaryView(_ backend: borrowing Backend) -> StoreView {
        StoreView(
            index: index, rows: backend.momentaryView, currentRevision: readRevision, latestRevision: currentRevision,
            compactRevision: compactRevision)
    }

    // MARK: Start

    mutating func restored(currentRevision: Int64, compactRevision: Int64) {
        self.currentRevision = currentRevision
        self.compactRevision = compactRevision
    }
}
