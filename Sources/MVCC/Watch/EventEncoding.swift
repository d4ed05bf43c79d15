// Encoded events, framed as a field of a watch response: made once, shared by all who watch.

import Backend
package import Base
import EtcdWire
package import Wire

/// The changes of one revision.
package struct StoreRevision: Sendable {
    package var main: Int64
    package var changes: [StoreChange]

    package init(main: Int64, changes: [StoreChange]) {
        self.main = main
        self.changes = changes
    }
}

/// Appends the event of a change, framed.
///
/// - Parameters:
///   - row: the encoded pair; of a delete one with the key alone.
///   - previous: the encoded pair that was there before.
package func appendEvent(
    row: UnsafeRawBufferPointer, isDelete: Bool, modRevision: Int64, previous: Bytes?, to writer: inout WireWriter
) {
    // Of a pair that is gone, the key and the revision that took it.
    let extra = isDelete ? 1 + varintSize(modRevision) : 0
    let pairSize = row.count + extra
    var size = 1 + varintSize(pairSize) + pairSize
    if isDelete { size += 2 }
    if let previous { size += 1 + varintSize(previous.count) + previous.count }
    writer.header(WatchResponse.eventsField, length: size)
    if isDelete { writer.field(1, Int64(1)) }
    writer.header(2, length: pairSize)
    writer.append(row)
    if isDelete { writer.field(3, modRevision) }
    if let previous { writer.explicit(3, previous) }
}

extension StoreView {
    /// What a key held before `revision`, encoded; nil where it was not there or is compacted.
    package func pair(_ key: Bytes, before revision: Int64) throws(MVCCError) -> Bytes? {
        let before = revision - 1
        guard before >= compactRevision, before > 0, let mark = index.history(of: key)?.revision(at: before) else { return nil }
        return try row(mark)
    }
}

extension StoreChange {
    /// Whether the key came to be with this change.
    package var isCreate: Bool {
        guard !isDelete else { return false }
        return row.withUnsafeBytes { StoredPair($0)?.version == 1 }
    }
}
