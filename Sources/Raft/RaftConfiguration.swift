// A node's settings.

package import Base

package enum ReadOnlyOption: Sendable, Hashable {
    /// A quorum confirms the leader for every batch of reads.
    case safe
    /// The leader's lease stands for it: only as good as the members' clocks.
    case leaseBased
}

package struct RaftConfiguration: Sendable {
    /// This member; not 0, and none of `LocalTarget`.
    package var id: MemberID
    /// Ticks without a leader before an election; the actual number is drawn from `electionTicks..<2 * electionTicks`.
    package var electionTicks: Int
    /// Ticks between the leader's heartbeats.
    package var heartbeatTicks: Int
    /// Limit on the entries of one append, in bytes. An append has at least one entry, whatever its size.
    package var maxSizePerMessage: UInt64
    /// Limit on the entries handed out for applying and not answered yet, in bytes; 0: as `maxSizePerMessage`.
    package var maxCommittedSizePerReady: UInt64
    /// Limit on the data of uncommitted entries, in bytes, beyond which the leader drops proposals; 0: none.
    package var maxUncommittedEntriesSize: UInt64
    /// Limit on appends to one follower without an answer.
    package var maxInflightMessages: Int
    /// Limit on their entries' data, in bytes; 0: none.
    package var maxInflightBytes: UInt64
    /// The leader steps down when it has not heard of a quorum for an election timeout, and members that hear of a
    /// leader don't vote.
    package var checkQuorum: Bool
    /// An election begins with asking whether it could be won, so that a member that was cut off disturbs nobody.
    package var preVote: Bool
    package var readOnlyOption: ReadOnlyOption
    /// Followers drop proposals instead of passing them on to the leader.
    package var disableProposalForwarding: Bool
    /// The leader takes any change of the configuration into the log, at the proposer's risk.
    package var disableConfChangeValidation: Bool
    /// A leader that is removed or becomes a learner steps down when it applies that.
    package var stepDownOnRemoval: Bool
    /// A Ready's messages tell storage what to save and to apply, and carry the answers; `advance` is not used.
    package var asyncStorageWrites: Bool
    /// For the jitter of election timeouts.
    package var seed: UInt64
    /// What has been applied already; 0: what the storage's snapshot has.
    package var applied: LogIndex
    /// Lines below it are not even made.
    package var minimumLogLevel: RaftLogLine.Level
    /// Whether a Ready that comes with another leader says so in the log, as etcd's run loop does.
    package var logsLeaderChanges: Bool
    /// Whether acknowledgements of the disk that newer ones have overtaken are worth a line: under load many are.
    package var logsOvertakenStorage: Bool

    /// What is not given is as in etcd's server.
    package init(
        id: MemberID,
        electionTicks: Int = 10,
        heartbeatTicks: Int = 1,
        maxSizePerMessage: UInt64 = 1 << 20,
        maxCommittedSizePerReady: UInt64 = 0,
        maxUncommittedEntriesSize: UInt64 = 0,
        maxInflightMessages: Int = 512,
        maxInflightBytes: UInt64 = 0,
        checkQuorum: Bool = true,
        preVote: Bool = true,
        readOnlyOption: ReadOnlyOption = .safe,
        disableProposalForwarding: Bool = false,
        disableConfChangeValidation: Bool = false,
        stepDownOnRemoval: Bool = false,
        asyncStorageWrites: Bool = true,
        seed: UInt64 = 0,
        applied: LogIndex = 0,
        minimumLogLevel: RaftLogLine.Level = .info,
        logsLeaderChanges: Bool = true,
        logsOvertakenStorage: Bool = true
    ) {
        self.id = id
        self.electionTicks = electionTicks
        self.heartbeatTicks = heartbeatTicks
        self.maxSizePerMessage = maxSizePerMessage
        self.maxCommittedSizePerReady = maxCommittedSizePerReady
        self.maxUncommittedEntriesSize = maxUncommittedEntriesSize
        self.maxInflightMessages = maxInflightMessages
        self.maxInflightBytes = maxInflightBytes
        self.checkQuorum = checkQuorum
        self.preVote = preVote
        self.readOnlyOption = readOnlyOption
        self.disableProposalForwarding = disableProposalForwarding
        self.disableConfChangeValidation = disableConfChangeValidation
        self.stepDownOnRemoval = stepDownOnRemoval
        self.asyncStorageWrites = asyncStorageWrites
        self.seed = seed
        self.applied = applied
        self.minimumLogLevel = minimumLogLevel
        self.logsLeaderChanges = logsLeaderChanges
        self.logsOvertakenStorage = logsOvertakenStorage
    }

    package func validate() throws(RaftError) {
        if id == 0 { throw .invalidConfiguration("cannot use none as id") }
        if LocalTarget.isLocal(id) { throw .invalidConfiguration("cannot use local target as id") }
        if heartbeatTicks <= 0 { throw .invalidConfiguration("heartbeat tick must be greater than 0") }
        if electionTicks <= heartbeatTicks {
            throw .invalidConfiguration("election tick must be greater than heartbeat tick")
        }
        if maxInflightMessages <= 0 {
            throw .invalidConfiguration("max inflight messages must be greater than 0")
        }
        if maxInflightBytes != 0 && maxInflightBytes < maxSizePerMessage {
            throw .invalidConfiguration("max inflight bytes must be >= max message size")
        }
        if readOnlyOption == .leaseBased && !checkQuorum {
            throw .invalidConfiguration("CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased")
        }
    }

    /// The settings with their meanings of 0 spelled out.
    func resolved() -> RaftConfiguration {
        var resolved = self
        if maxUncommittedEntriesSize == 0 { resolved.maxUncommittedEntriesSize = .max }
        // With a limit of 0 nothing would ever be applied; 1 means one entry at a time.
        if maxCommittedSizePerReady == 0 { resolved.maxCommittedSizePerReady = max(maxSizePerMessage, 1) }
        if maxInflightBytes == 0 { resolved.maxInflightBytes = .max }
        return resolved
    }
}

/// Whom local storage messages go to, and come from.
package enum LocalTarget {
    package static let append: MemberID = .max
    package static let apply: MemberID = .max - 1

    package static func isLocal(_ id: MemberID) -> Bool { id >= apply }
}
