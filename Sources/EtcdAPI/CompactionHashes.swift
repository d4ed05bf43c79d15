// Hashes of what compactions found, kept for a while: at the same revision all members must have the same, which the leader
// compares in rest, and clients may.

import Base
package import MVCC

/// The newest few, as each member remembers them. What a compaction takes away no longer tells the hash at its revision, and
/// members do not compact at the same moment: so each hashes what is there before, as etcd does since 3.5.5.
package struct CompactionHashes {
    /// As many as etcd keeps.
    private static let countMax = 10

    /// Ascending by revision. The compact revision of each is that before its compaction.
    package private(set) var hashes: [HashKVResult] = []
    /// Those that are being made, and who waits for them.
    private var waiting: [Int64: [(Result<HashKVResult, MVCCError>) -> Void]] = [:]

    fileprivate mutating func begin(_ revision: Int64) { waiting[revision] = [] }

    /// - Returns: who waits for it.
    fileprivate mutating func end(
        _ revision: Int64, _ outcome: Result<HashKVResult, MVCCError>
    ) -> [(Result<HashKVResult, MVCCError>) -> Void] {
        if case .success(let hash) = outcome {
            hashes.removeAll { $0.revision == revision }
            hashes.append(hash)
            hashes.sort { $0.revision < $1.revision }
            if hashes.count > Self.countMax { hashes.removeFirst() }
        }
        return waiting.removeValue(forKey: revision) ?? []
    }

    /// - Returns: false if there is none at the revision, and none in the making.
    fileprivate mutating func answer(_ revision: Int64, _ body: @escaping (Result<HashKVResult, MVCCError>) -> Void) -> Bool {
        if let kept = hashes.first(where: { $0.revision == revision }) {
            body(.success(kept))
            return true
        }
        guard waiting[revision] != nil else { return false }
        waiting[revision]?.append(body)
        return true
    }
}

extension FrontLane {
    /// The hash of the keys at a revision; 0 for the newest. Where a compaction was, it is what that found.
    package func hash(_ view: StoreView, at revision: Int64, _ body: @escaping (Result<HashKVResult, MVCCError>) -> Void) {
        if revision > 0, compactionHashes.answer(revision, body) { return }
        runHash(view, at: revision, body)
    }

    /// - Parameters:
    ///   - before: the keys as the compaction finds them.
    ///   - hashed: told the hash before anybody else.
    package func compactionBegins(
        at revision: Int64, _ before: StoreView, hashed: @escaping (Result<HashKVResult, MVCCError>) -> Void
    ) {
        compactionHashes.begin(revision)
        runHash(before, at: revision) { [self] outcome in
            let waiting = compactionHashes.end(revision, outcome)
            hashed(outcome)
            for body in waiting { body(outcome) }
        }
    }

    private func runHash(_ view: StoreView, at revision: Int64, _ body: @escaping (Result<HashKVResult, MVCCError>) -> Void) {
        runChore(.hashKV(view, revision: revision)) { result in
            if case .hashKV(let outcome) = result { body(outcome) }
        }
        wake()
    }
}
