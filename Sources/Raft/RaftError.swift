// Why raft refuses something.

package import Base

package enum RaftError: Error, Sendable, Hashable {
    /// There is no leader to propose to, it is being transferred, or it has too much uncommitted. Nothing was appended
    /// here; the proposer may try again.
    case proposalDropped
    /// A message that only the member itself may send came from elsewhere.
    case localMessage
    /// An answer came from somebody who is no member (any more).
    case peerNotFound
    /// A message that no member following the protocol can send; it changed nothing.
    case malformedMessage(String)
    /// This member's log contradicts what others know of it: it has been lost, cut or altered. The member must stop.
    case inconsistentLog(String)
    /// The settings, or the state to start from, are unusable.
    case invalidConfiguration(String)
}

extension RaftError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .proposalDropped: "raft proposal dropped"
        case .localMessage: "raft: cannot step raft local message"
        case .peerNotFound: "raft: cannot step as peer not found"
        case .malformedMessage(let text), .inconsistentLog(let text), .invalidConfiguration(let text): text
        }
    }
}

/// Why the log window cannot give or take something.
package enum StorageError: Error, Sendable, Hashable {
    case compacted
    case unavailable
    case snapshotOutOfDate
    case snapshotTemporarilyUnavailable
    /// Entries that do not follow on the last one.
    case gap(last: LogIndex, appended: LogIndex)
}

extension StorageError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .compacted: "requested index is unavailable due to compaction"
        case .unavailable: "requested entry at index is unavailable"
        case .snapshotOutOfDate: "requested index is older than the existing snapshot"
        case .snapshotTemporarilyUnavailable: "snapshot is temporarily unavailable"
        case .gap(let last, let appended): "missing log entry [last: \(last), append at: \(appended)]"
        }
    }
}
