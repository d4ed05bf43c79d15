// etcd 3.7.1's error table: the codes are those the Go server really sends, which for two errors (marked) are not those
// of its own client table, and the sentences are compared by clients.

extension EtcdError {
    /// Range/Put/DeleteRange with empty key; also txn compares and ops with empty key; (watch empty key is allowed
    /// and means a single zero byte).
    package static let emptyKey = EtcdError(code: .invalidArgument, message: "etcdserver: key is not provided")
    /// Put with ignore_value or ignore_lease on a key that does not exist; also a txn RequestOp with no operation
    /// set.
    package static let keyNotFound = EtcdError(code: .invalidArgument, message: "etcdserver: key not found")
    /// Put with ignore_value=true and a non-empty value.
    package static let valueProvided = EtcdError(code: .invalidArgument, message: "etcdserver: value is provided")
    /// Put with ignore_lease=true and a lease id.
    package static let leaseProvided = EtcdError(code: .invalidArgument, message: "etcdserver: lease is provided")
    /// Txn where any of compare/success/failure counts is above the remaining max-txn-ops (128 default; nested levels
    /// get what is left).
    package static let tooManyOps = EtcdError(
        code: .invalidArgument, message: "etcdserver: too many operations in txn request"
    )
    /// Same key put twice, or put and also covered by a delete, on one path of a txn.
    package static let duplicateKey = EtcdError(
        code: .invalidArgument, message: "etcdserver: duplicate key given in txn request"
    )
    /// Metadata client-api-version is not valid UTF-8.
    package static let invalidClientAPIVersion = EtcdError(
        code: .invalidArgument, message: "etcdserver: invalid client api version"
    )
    /// `sort_order` or sort_target outside the known enum values.
    package static let invalidSortOption = EtcdError(code: .invalidArgument, message: "etcdserver: invalid sort option")
    /// Range/Compact/HashKV/read in txn at revision below compact revision (Compact: <=). Watch uses cancel response
    /// instead.
    package static let compacted = EtcdError(
        code: .outOfRange, message: "etcdserver: mvcc: required revision has been compacted"
    )
    /// Range/Compact/HashKV revision above current revision.
    package static let futureRevision = EtcdError(
        code: .outOfRange, message: "etcdserver: mvcc: required revision is a future revision"
    )
    /// Put/LeaseGrant/Txn with cost while NOSPACE alarm is raised or the request itself goes over quota.
    package static let noSpace = EtcdError(
        code: .resourceExhausted, message: "etcdserver: mvcc: database space exceeded"
    )
    /// Revoke or Put with unknown lease id; keepalive forward path uses it internally.
    package static let leaseNotFound = EtcdError(code: .notFound, message: "etcdserver: requested lease not found")
    /// LeaseGrant with an ID in use.
    package static let leaseExist = EtcdError(code: .failedPrecondition, message: "etcdserver: lease already exists")
    /// LeaseGrant TTL > 9,000,000,000.
    package static let leaseTTLTooLarge = EtcdError(code: .outOfRange, message: "etcdserver: too large lease TTL")
    /// Watch stream ends because the stream context was cancelled (client side) without a better cause.
    package static let watchCanceled = EtcdError(code: .canceled, message: "etcdserver: watch canceled")
    /// MemberAdd computing an ID already present.
    package static let memberExist = EtcdError(
        code: .failedPrecondition, message: "etcdserver: member ID already exist"
    )
    /// MemberAdd/MemberUpdate using a peer URL held by another member.
    package static let peerURLExist = EtcdError(
        code: .failedPrecondition, message: "etcdserver: Peer URLs already exists"
    )
    /// Strict reconfig check refuses MemberAdd/MemberRemove/promotion. Clients map it to FailedPrecondition.
    package static let memberNotEnoughStarted = EtcdError(
        code: .unknown, message: "etcdserver: re-configuration failed due to not enough started members"
    )
    /// `peerURLs` of MemberAdd/MemberUpdate fail URL validation.
    package static let memberBadURLs = EtcdError(
        code: .invalidArgument, message: "etcdserver: given member URLs are invalid"
    )
    /// Remove/Update/Promote of unknown or already removed id.
    package static let memberNotFound = EtcdError(code: .notFound, message: "etcdserver: member not found")
    /// MemberPromote on a voter.
    package static let memberNotLearner = EtcdError(
        code: .failedPrecondition, message: "etcdserver: can only promote a learner member"
    )
    /// MemberPromote while learner match < 90% of leader match.
    package static let learnerNotReady = EtcdError(
        code: .failedPrecondition, message: "etcdserver: can only promote a learner member which is in sync with leader"
    )
    /// MemberAdd learner beyond max-learners (1).
    package static let tooManyLearners = EtcdError(
        code: .failedPrecondition, message: "etcdserver: too many learner members in cluster"
    )
    /// Defined for clients; server uses the HTTP 412 form on peer port.
    package static let clusterIDMismatch = EtcdError(
        code: .failedPrecondition, message: "etcdserver: cluster ID mismatch"
    )
    /// Proposed raft request bytes > max-request-bytes (1,572,864 default).
    package static let requestTooLarge = EtcdError(code: .invalidArgument, message: "etcdserver: request is too large")
    /// Committed minus applied index > 5000 (10000 for LeaseRevoke when PriorityRequest gate on). Clients map it to
    /// ResourceExhausted.
    package static let requestTooManyRequests = EtcdError(code: .unknown, message: "etcdserver: too many requests")
    /// AuthEnable without user root.
    package static let rootUserNotExist = EtcdError(
        code: .failedPrecondition, message: "etcdserver: root user does not exist"
    )
    /// AuthEnable where root lacks role root.
    package static let rootRoleNotExist = EtcdError(
        code: .failedPrecondition, message: "etcdserver: root user does not have root role"
    )
    /// UserAdd duplicate.
    package static let userAlreadyExist = EtcdError(
        code: .failedPrecondition, message: "etcdserver: user name already exists"
    )
    /// UserAdd with empty name; any request without credentials while auth on.
    package static let userEmpty = EtcdError(code: .invalidArgument, message: "etcdserver: user name is empty")
    /// UserGet/Delete/ChangePassword/Grant/Revoke unknown user.
    package static let userNotFound = EtcdError(code: .failedPrecondition, message: "etcdserver: user name not found")
    /// RoleAdd duplicate.
    package static let roleAlreadyExist = EtcdError(
        code: .failedPrecondition, message: "etcdserver: role name already exists"
    )
    /// Role ops or UserGrantRole on unknown role.
    package static let roleNotFound = EtcdError(code: .failedPrecondition, message: "etcdserver: role name not found")
    /// RoleAdd with empty name.
    package static let roleEmpty = EtcdError(code: .invalidArgument, message: "etcdserver: role name is empty")
    /// Authenticate with wrong password, unknown user, or user without password.
    package static let authFailed = EtcdError(
        code: .invalidArgument, message: "etcdserver: authentication failed, invalid user ID or password"
    )
    /// RoleGrantPermission without perm.
    package static let permissionNotGiven = EtcdError(
        code: .invalidArgument, message: "etcdserver: permission not given"
    )
    /// Key range or admin check failed.
    package static let permissionDenied = EtcdError(code: .permissionDenied, message: "etcdserver: permission denied")
    /// UserRevokeRole of a role the user lacks.
    package static let roleNotGranted = EtcdError(
        code: .failedPrecondition, message: "etcdserver: role is not granted to the user"
    )
    /// RoleRevokePermission of an absent key/range.
    package static let permissionNotGranted = EtcdError(
        code: .failedPrecondition, message: "etcdserver: permission is not granted to the role"
    )
    /// Authenticate while auth off.
    package static let authNotEnabled = EtcdError(
        code: .failedPrecondition, message: "etcdserver: authentication is not enabled"
    )
    /// Token in metadata unknown or expired, or JWT not valid.
    package static let invalidAuthToken = EtcdError(code: .unauthenticated, message: "etcdserver: invalid auth token")
    /// Removing root user/role while auth on; permission with invalid range (key >= range_end).
    package static let invalidAuthMgmt = EtcdError(
        code: .invalidArgument, message: "etcdserver: invalid auth management"
    )
    /// Token or request header carries an auth revision below the store (client should re-authenticate).
    package static let authOldRevision = EtcdError(
        code: .invalidArgument, message: "etcdserver: revision of auth store is old"
    )
    /// Hasleader metadata present and no leader; ReadIndex or forwarding without leader; streams after 3 election
    /// timeouts without leader.
    package static let noLeader = EtcdError(code: .unavailable, message: "etcdserver: no leader")
    /// MoveLeader sent to a follower; lease primary-only paths.
    package static let notLeader = EtcdError(code: .failedPrecondition, message: "etcdserver: not leader")
    /// Linearizable read pending when leader changes.
    package static let leaderChanged = EtcdError(code: .unavailable, message: "etcdserver: leader changed")
    /// RPC not enabled for the present cluster version.
    package static let notCapable = EtcdError(code: .failedPrecondition, message: "etcdserver: not capable")
    /// Server shutting down; pending requests and open streams.
    package static let stopped = EtcdError(code: .unavailable, message: "etcdserver: server stopped")
    /// Proposal or read not finished inside request timeout (5 s + 2 x election timeout).
    package static let timeout = EtcdError(code: .unavailable, message: "etcdserver: request timed out")
    /// Timeout while the leader was lost within the previous two election timeouts.
    package static let timeoutDueToLeaderFail = EtcdError(
        code: .unavailable, message: "etcdserver: request timed out, possibly due to previous leader failure"
    )
    /// Timeout while the peer (leader) link was inactive.
    package static let timeoutDueToConnectionLost = EtcdError(
        code: .unavailable, message: "etcdserver: request timed out, possibly due to connection lost"
    )
    /// Linearizable lease renew/TTL waited >1 s for the applied index.
    package static let timeoutWaitAppliedIndex = EtcdError(
        code: .unavailable, message: "etcdserver: request timed out, waiting for the applied index took too long"
    )
    /// Strict reconfig: quorum of active members would be missing; also MemberPromote fallback.
    package static let unhealthy = EtcdError(code: .unavailable, message: "etcdserver: unhealthy cluster")
    /// CORRUPT alarm active: kv and lease requests are refused.
    package static let corrupt = EtcdError(code: .dataLoss, message: "etcdserver: corrupt cluster")
    /// RPC other than Status / serializable Range / Snapshot sent to a learner.
    package static let notSupportedForLearner = EtcdError(
        code: .failedPrecondition, message: "etcdserver: rpc not supported for learner"
    )
    /// MoveLeader target unknown or a learner.
    package static let badLeaderTransferee = EtcdError(
        code: .failedPrecondition, message: "etcdserver: bad leader transferee"
    )
    /// Downgrade version not parsable.
    package static let wrongDowngradeVersionFormat = EtcdError(
        code: .invalidArgument, message: "etcdserver: wrong downgrade target version format"
    )
    /// Target not exactly one minor below cluster version.
    package static let invalidDowngradeTargetVersion = EtcdError(
        code: .invalidArgument, message: "etcdserver: invalid downgrade target version"
    )
    /// Cluster version not decided yet.
    package static let clusterVersionUnavailable = EtcdError(
        code: .failedPrecondition, message: "etcdserver: cluster version not found during downgrade"
    )
    /// Downgrade VALIDATE/ENABLE while one is active.
    package static let downgradeInProcess = EtcdError(
        code: .failedPrecondition, message: "etcdserver: cluster has a downgrade job in progress"
    )
    /// CANCEL with none active.
    package static let noInflightDowngrade = EtcdError(
        code: .failedPrecondition, message: "etcdserver: no inflight downgrade job"
    )
    /// Request context cancelled.
    package static let canceled = EtcdError(code: .canceled, message: "etcdserver: request canceled")
    /// Request context deadline passed.
    package static let deadlineExceeded = EtcdError(
        code: .deadlineExceeded, message: "etcdserver: context deadline exceeded"
    )
    /// Internal dispatch of an empty raft request.
    package static let unknownMethod = EtcdError(code: .unknown, message: "etcdserver: unknown method")
    /// MoveLeader not done within election timeout.
    package static let timeoutLeaderTransfer = EtcdError(
        code: .unknown, message: "etcdserver: request timed out, leader transfer took too long"
    )
    /// Lease renew on a member that just lost leadership.
    package static let notPrimary = EtcdError(code: .unknown, message: "not a primary lessor")
    /// Authenticate for a no-password user (and password given).
    package static let noPasswordUser = EtcdError(
        code: .unknown, message: "auth: authentication failed, password was given for no password user"
    )
    /// Never sent: cancel of unknown id is silent.
    package static let watcherNotExist = EtcdError(code: .unknown, message: "mvcc: watcher does not exist")
    /// Inside cancel_reason, watch_id -1.
    package static let emptyWatcherRange = EtcdError(code: .unknown, message: "mvcc: watcher range is empty")
    /// Inside cancel_reason, watch_id -1.
    package static let watcherDuplicateID = EtcdError(
        code: .unknown, message: "mvcc: duplicate watch ID provided on the WatchStream"
    )
    /// Election.Proclaim/Resign after losing the key.
    package static let electionNotLeader = EtcdError(code: .unknown, message: "election: not leader")
    /// Election.Leader with no key.
    package static let electionNoLeader = EtcdError(code: .unknown, message: "election: no leader")
    /// Election.Proclaim/Resign without leader.
    package static let missingLeaderKey = EtcdError(code: .unknown, message: "\"leader\" field must be provided")
    /// Lock/Campaign when the wait watch closes.
    package static let lostWatcher = EtcdError(code: .unknown, message: "lost watcher waiting for delete")
    /// Lock.Lock whose lease ran out while waiting.
    package static let mutexSessionExpired = EtcdError(code: .unknown, message: "mutex: session is expired")
    /// Client library.
    package static let mutexReleased = EtcdError(code: .unknown, message: "mutex: lock has already been released")
    /// Simple token index missing on authenticate.
    package static let failedToAssign = EtcdError(code: .unknown, message: "failed to assign")
    /// RangeStream with sort order/target other than default key ascending.
    package static let rangeStreamSort = EtcdError(
        code: .unimplemented, message: "RangeStream does not support custom sort orders"
    )
    /// RangeStream with any min/max revision.
    package static let rangeStreamFilter = EtcdError(
        code: .unimplemented, message: "RangeStream does not support revision filters"
    )

    /// Every error above, in the table's order.
    package static let table: [EtcdError] = [
        .emptyKey, .keyNotFound, .valueProvided, .leaseProvided, .tooManyOps, .duplicateKey, .invalidClientAPIVersion,
        .invalidSortOption, .compacted, .futureRevision, .noSpace, .leaseNotFound, .leaseExist, .leaseTTLTooLarge,
        .watchCanceled, .memberExist, .peerURLExist, .memberNotEnoughStarted, .memberBadURLs, .memberNotFound,
        .memberNotLearner, .learnerNotReady, .tooManyLearners, .clusterIDMismatch, .requestTooLarge,
        .requestTooManyRequests, .rootUserNotExist, .rootRoleNotExist, .userAlreadyExist, .userEmpty, .userNotFound,
        .roleAlreadyExist, .roleNotFound, .roleEmpty, .authFailed, .permissionNotGiven, .permissionDenied,
        .roleNotGranted, .permissionNotGranted, .authNotEnabled, .invalidAuthToken, .invalidAuthMgmt,
        .authOldRevision, .noLeader, .notLeader, .leaderChanged, .notCapable, .stopped, .timeout,
        .timeoutDueToLeaderFail, .timeoutDueToConnectionLost, .timeoutWaitAppliedIndex, .unhealthy, .corrupt,
        .notSupportedForLearner, .badLeaderTransferee, .wrongDowngradeVersionFormat, .invalidDowngradeTargetVersion,
        .clusterVersionUnavailable, .downgradeInProcess, .noInflightDowngrade, .canceled, .deadlineExceeded,
        .unknownMethod, .timeoutLeaderTransfer, .notPrimary, .noPasswordUser, .watcherNotExist, .emptyWatcherRange,
        .watcherDuplicateID, .electionNotLeader, .electionNoLeader, .missingLeaderKey, .lostWatcher,
        .mutexSessionExpired, .mutexReleased, .failedToAssign, .rangeStreamSort, .rangeStreamFilter,
    ]

    /// What Go's client library has no name for: its programs show these with the status' code before the sentence.
    package static let unknownToClients: Set<EtcdError> = [
        .invalidClientAPIVersion, .watchCanceled, .permissionNotGiven, .timeoutWaitAppliedIndex, .canceled,
        .deadlineExceeded, .unknownMethod, .timeoutLeaderTransfer, .notPrimary, .noPasswordUser, .watcherNotExist,
        .emptyWatcherRange, .watcherDuplicateID, .electionNotLeader, .electionNoLeader, .missingLeaderKey,
        .lostWatcher, .mutexSessionExpired, .mutexReleased, .failedToAssign, .rangeStreamSort, .rangeStreamFilter,
    ]
}
