// What the front lane has done, counted for whoever shows figures.

package import Base
package import EtcdWire
package import Replica
package import StateMachine

/// A read that took long.
package struct SlowRead: Sendable {
    package enum Request: Sendable {
        case range(RangeRequest)
        case txn(TxnRequest)
    }

    package let request: Request
    package let times: ReadTimes
    package let ended: Instant
    /// The response message, or its fields behind the header.
    package let outcome: Result<Bytes, EtcdError>
    /// For the header; nil where the message has one.
    package let revision: Int64?

    package var nanoseconds: UInt64 { ended.nanoseconds - times.arrived.nanoseconds }
}

/// The way of a read to its beginning.
package struct ReadTimes: Sendable {
    package var arrived: Instant
    /// When it was behind its barrier; nil where there is none.
    package var agreed: Instant?
    /// When it was begun, not having to wait for others or for its client any more.
    package var begun: Instant

    init(arrived: Instant, agreed: Instant? = nil) {
        self.arrived = arrived
        self.agreed = agreed
        begun = agreed ?? arrived
    }
}

/// A request that went through the log, and took long from its arrival to its answer.
package struct SlowWrite: Sendable {
    package let kind: RaftRequestKind
    package let request: Bytes
    package let reply: Reply
    package let arrived: Instant
    package let begunApplying: Instant
    package let ended: Instant
    /// Of a compaction whose answer waited for the rows to be gone: when it was decided.
    package let decided: Instant?
}

/// A barrier that took long.
package struct SlowBarrier: Sendable {
    package let begun: Instant
    package let ended: Instant
    package let read: ReadIndex
}

package struct FrontTally: Sendable {
    package struct Request: Sendable, Hashable {
        package var type: RequestType
        package var succeeded: Bool
    }

    package enum RequestType: Sendable, Hashable {
        case range
        case readonlyTxn
        case replicated(RaftRequestKind)

        /// The metrics' label.
        package var name: String {
            switch self {
            case .range: "Range"
            case .readonlyTxn: "ReadonlyTxn"
            case .replicated(let kind): kind.metricName
            }
        }
    }

    /// Requests that were answered, with the time they took; those of a burst, which are alike, in one entry.
    package private(set) var finished: [(request: Request, tookNanoseconds: UInt64, times: UInt64)] = []
    /// Ranges that were carried out, and those that failed: the nanoseconds each took.
    package var ranges: [UInt64] = []
    package var failedRanges: [UInt64] = []
    package var keepAlives: UInt64 = 0
    package var grantedTTLs: [Int64] = []
    /// Reads that took long, counted from their arrival.
    package var slowReads: [SlowRead] = []
    package var slowWrites: [SlowWrite] = []
    package var slowBarriers: [SlowBarrier] = []
    /// Of a turn no more are told of with their steps: of so many lines of a kind the log keeps few anyway.
    package static let slowMax = 128
    package var failedBarriers: UInt64 = 0
    /// How often a barrier has not been confirmed in the time after which etcd asks again.
    package var unansweredBarriers: UInt64 = 0
    package var promotions: UInt64 = 0
    /// Nanoseconds that answers to requests on watch streams took, and rounds of notices of progress.
    package var watchControls: [UInt64] = []
    package var watchProgress: [UInt64] = []
    /// Nanoseconds that snapshots for clients took, each until its last piece was handed out.
    package var snapshots: [UInt64] = []
    /// Why learners were not promoted, in etcd's words.
    package var promotionFailures: [String] = []

    package init() {}

    mutating func note(_ request: Request, tookNanoseconds: UInt64) {
        if let last = finished.last, last.tookNanoseconds == tookNanoseconds, last.request == request {
            finished[finished.count - 1].times += 1
        } else {
            finished.append((request, tookNanoseconds, 1))
        }
    }
}

extension RaftRequestKind {
    /// The name under which etcd's metrics know the request.
    package var metricName: String {
        switch self {
        case .range: "Range"
        case .put: "Put"
        case .deleteRange: "DeleteRange"
        case .txn: "Txn"
        case .compaction: "Compaction"
        case .leaseGrant: "LeaseGrant"
        case .leaseRevoke: "LeaseRevoke"
        case .leaseCheckpoint: "LeaseCheckpoint"
        case .alarm: "Alarm"
        case .authEnable: "AuthEnable"
        case .authDisable: "AuthDisable"
        case .authenticate: "Authenticate"
        case .authStatus: "AuthStatus"
        case .authUserAdd: "AuthUserAdd"
        case .authUserDelete: "AuthUserDelete"
        case .authUserGet: "AuthUserGet"
        case .authUserChangePassword: "AuthUserChangePassword"
        case .authUserGrantRole: "AuthUserGrantRole"
        case .authUserRevokeRole: "AuthUserRevokeRole"
        case .authUserList: "AuthUserList"
        case .authRoleList: "AuthRoleList"
        case .authRoleAdd: "AuthRoleAdd"
        case .authRoleDelete: "AuthRoleDelete"
        case .authRoleGet: "AuthRoleGet"
        case .authRoleGrantPermission: "AuthRoleGrantPermission"
        case .authRoleRevokePermission: "AuthRoleRevokePermission"
        case .clusterVersionSet: "ClusterVersionSet"
        case .clusterMemberAttributesSet: "ClusterMemberAttrSet"
        case .downgradeInfoSet: "DowngradeInfoSet"
        case .downgradeVersionTest: "DowngradeVersionTest"
        }
    }
}
