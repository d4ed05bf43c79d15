// Hashes of what compactions leave, kept for a while: at the same revision all members must have the same, which the
// leader compares in rest.

import Base
import MVCC

/// The newest few, as each member remembers them.
struct CompactionHashes {
    /// As many as etcd keeps.
    private static let countMax = 10

    /// Ascending by revision. The compact revision of each is that before its compaction.
    private(set) var hashes: [HashKVResult] = []

    mutating func add(_ hash: HashKVResult) {
        hashes.removeAll { $0.revision == hash.revision }
        hashes.append(hash)
        hashes.sort { $0.revision < $1.revision }
        if hashes.count > Self.countMax { hashes.removeFirst() }
    }

    func hash(at revision: Int64) -> HashKVResult? { hashes.first { $0.revision == revision } }
}
