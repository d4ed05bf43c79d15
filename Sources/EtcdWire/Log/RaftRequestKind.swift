// The requests an entry can carry, by their field numbers in InternalRaftRequest.

/// Which request an entry carries; the raw value is its field number.
package enum RaftRequestKind: Int, Sendable, CaseIterable {
    case range = 3
    case put = 4
    case deleteRange = 5
    case txn = 6
    case compaction = 7
    case leaseGrant = 8
    case leaseRevoke = 9
    case alarm = 10
    case leaseCheckpoint = 11
    case authEnable = 1000
    case authDisable = 1011
    case authenticate = 1012
    case authStatus = 1013
    case authUserAdd = 1100
    case authUserDelete = 1101
    case authUserGet = 1102
    case authUserChangePassword = 1103
    case authUserGrantRole = 1104
    case authUserRevokeRole = 1105
    case authUserList = 1106
    case authRoleList = 1107
    case authRoleAdd = 1200
    case authRoleDelete = 1201
    case authRoleGet = 1202
    case authRoleGrantPermission = 1203
    case authRoleRevokePermission = 1204
    case clusterVersionSet = 1300
    case clusterMemberAttributesSet = 1301
    case downgradeInfoSet = 1302
    case downgradeVersionTest = 9900
}
