// How a member begins: what the directory holds and the flags say decides the case; carrying it out is another file's.

package import Base
package import Membership

package struct BootstrapSettings: Sendable {
    package var name: String
    /// `<data-dir>/member`.
    package var memberDirectory: String
    package var walDirectory: String
    package var snapshotDirectory: String
    package var initialMembers: [(name: String, peerURLs: [String])]
    package var token: String
    package var isNewCluster: Bool
    package var forcesNewCluster: Bool
    package var electionTicks: Int
    package var preVote: Bool
    package var snapshotCount: UInt64
    package var catchUpEntries: UInt64
    package var quotaBytes: UInt64
    package var learnersMax: Int
    /// Seconds.
    package var minimumLeaseTTL: Int64
    package var seed: UInt64
    package var unsafeNoSync: Bool
    /// The cluster to join, as one of its members describes it. Needed only without a log and with `isNewCluster` false.
    package var existingCluster: ExistingCluster?
    /// Where the log begins a new file; nil for etcd's size.
    package var logSegmentSizeBytes: UInt64?
    /// See `StateMachineLimits`.
    package var leaseCheckpointInterval: Duration?
    package var persistsLeaseCheckpoints = false
    package var hashPassword: (@Sendable (_ password: String, _ salt: [UInt8]) -> Bytes?)?
    /// The pages of the database stay in memory.
    package var locksDatabaseMemory = false
    /// For tests; nil for etcd's.
    package var databaseGrowStepBytes: UInt64?

    package init(
        name: String, memberDirectory: String, walDirectory: String, snapshotDirectory: String,
        initialMembers: [(name: String, peerURLs: [String])], token: String, isNewCluster: Bool, forcesNewCluster: Bool,
        electionTicks: Int, preVote: Bool, snapshotCount: UInt64, catchUpEntries: UInt64, quotaBytes: UInt64, learnersMax: Int,
        minimumLeaseTTL: Int64, seed: UInt64, unsafeNoSync: Bool
    ) {
        self.name = name
        self.memberDirectory = memberDirectory
        self.walDirectory = walDirectory
        self.snapshotDirectory = snapshotDirectory
        self.initialMembers = initialMembers
        self.token = token
        self.isNewCluster = isNewCluster
        self.forcesNewCluster = forcesNewCluster
        self.electionTicks = electionTicks
        self.preVote = preVote
        self.snapshotCount = snapshotCount
        self.catchUpEntries = catchUpEntries
        self.quotaBytes = quotaBytes
        self.learnersMax = learnersMax
        self.minimumLeaseTTL = minimumLeaseTTL
        self.seed = seed
        self.unsafeNoSync = unsafeNoSync
    }

    package var databasePath: String { snapshotDirectory + "/db" }
}

/// A cluster that runs already, as a newcomer learns of it.
package struct ExistingCluster: Sendable {
    package var id: ClusterID
    /// With the newcomer among them: it was added before it starts.
    package var members: [Member]

    package init(id: ClusterID, members: [Member]) {
        self.id = id
        self.members = members
    }
}

package enum BootstrapPlan: Sendable, Equatable {
    case newCluster
    case joinCluster
    case restart
    case forceNewCluster

    package init(hasLog: Bool, settings: BootstrapSettings) {
        if hasLog {
            self = settings.forcesNewCluster ? .forceNewCluster : .restart
        } else {
            self = settings.isNewCluster ? .newCluster : .joinCluster
        }
    }
}

/// Why a member cannot begin.
package struct BootstrapError: Error, Sendable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) {
        self.description = description
    }
}
