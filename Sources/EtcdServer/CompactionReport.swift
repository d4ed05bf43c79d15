// What a member's log says of compactions: what they found, and what they left.

import BBolt
import Base
import EtcdAPI
import MVCC
import Replica
import ServerLog

/// A compaction that is under way.
struct RunningCompaction {
    let begun: Instant
    /// Rows that compactions had removed before it.
    let removedBefore: UInt64
}

extension MemberLoop {
    func compactionBegins(at revision: Int64, _ before: StoreView) {
        monitors.compactions[revision] = RunningCompaction(begun: Self.now(), removedBefore: replica.apply.compactedRows)
        lane.compactionBegins(at: revision, before) { [logger] outcome in
            guard case .success(let hash) = outcome else { return }
            logger.info(
                "storing new hash",
                [
                    .uint("hash", UInt64(hash.hash)), .int("revision", hash.revision),
                    .int("compact-revision", hash.compactRevision),
                ])
        }
    }

    func compactionFinished(_ revision: Int64) {
        // One that goes on after a restart begins without a word: what it found is not known any more.
        guard let running = monitors.compactions.removeValue(forKey: revision) else { return report(revision, []) }
        var fields: [LogField] = [
            .duration("took", .nanoseconds(Int64(clamping: Self.now().nanoseconds &- running.begun.nanoseconds))),
            .uint("number-of-keys-compacted", replica.apply.compactedRows - running.removedBefore),
        ]
        // The hash is read beside it, and may take longer.
        lane.hash(view, at: revision) { [weak self] outcome in
            if case .success(let hash) = outcome { fields.append(.uint("hash", UInt64(hash.hash))) }
            self?.report(revision, fields)
        }
    }

    private func report(_ revision: Int64, _ more: [LogField]) {
        var fields: [LogField] = [.int("compact-revision", revision)] + more
        fields += [
            .uint("current-db-size-bytes", statistics.sizeBytes),
            .string("current-db-size", humanizedBytes(statistics.sizeBytes)),
            .uint("current-db-size-in-use-bytes", statistics.sizeInUseBytes),
            .string("current-db-size-in-use", humanizedBytes(statistics.sizeInUseBytes)),
        ]
        logger.info("finished scheduled compaction", fields)
    }
}
