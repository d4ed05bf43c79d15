// What applying an entry answers and what else came of it.

package import Base
package import EtcdWire
package import MVCC
package import Membership
package import RaftWire

/// A successful answer: an encoded response message without its header, which the front lane puts before it.
package struct Reply: Sendable, Equatable {
    /// The store's revision for the header; 0 lets the front lane take the current one, nil leaves it out.
    package var revision: Int64?
    /// The response's fields behind the header.
    package var body: Bytes

    package init(revision: Int64?, body: Bytes = Bytes()) {
        self.revision = revision
        self.body = body
    }
}

/// The outcome of one entry for whoever proposed it.
package struct AppliedReply: Sendable {
    package var requestID: UInt64
    /// Nil for a request that carries nothing.
    package var kind: RaftRequestKind?
    package var outcome: Result<Reply, EtcdError>
    /// Set for a physical compaction: the answer goes out when the rows up to this revision are gone.
    package var awaitsCompaction: Int64?
    /// When such a compaction was decided, by the host's clock for figures.
    package var decidedAt: Instant?
}

/// What members and operators want to know of an entry.
package enum StateEvent: Sendable {
    case memberAdded(Member)
    case memberPromoted(MemberID)
    case memberRemoved(MemberID, Member?)
    case memberUpdated(Member)
    case memberPublished(Member)
    case configurationRefused(String)
    case clusterVersionSet(from: SemanticVersion?, to: SemanticVersion)
    /// The file's schema is about to follow; nil is that of 3.5.
    case storageVersionDiffers(cluster: SemanticVersion, storage: SemanticVersion?)
    case storageVersionSet(SemanticVersion?)
    case downgradeSet(DowngradeState)
    case alarmsChanged
    case authChanged(AuthNews)
    /// A request went over the quota: the member should raise the NOSPACE alarm.
    case quotaExceeded
    /// A compaction begins; the keys as they were before it.
    case compactionBegins(revision: Int64, before: StoreView)
    case compacted(revision: Int64)
    case malformedEntry(index: LogIndex, reason: String)
}

/// All that came of one entry.
package struct Applied: Sendable {
    package var reply: AppliedReply?
    package var events: [StateEvent] = []
    /// What it did to the keys, for those who watch.
    package var changes: StoreRevision?
    /// Raft must hear of it before it goes on; its node is 0 if the change was refused.
    package var configurationChange: ConfChangeV2?
    /// The member itself was removed.
    package var removesLocalMember = false
}
