// The methods of etcd's services as typed values: which messages go in and come out, and whether a call may be repeated.

package import EtcdWire
package import SwiftProtobuf

/// One method of one gRPC service.
package struct RPCMethod<Request: SwiftProtobuf.Message, Response: SwiftProtobuf.Message>: Sendable {
    let procedure: Procedure

    package init(_ service: String, _ name: String, repeatable: Bool = false) {
        procedure = Procedure(service: service, name: name, isRepeatable: repeatable)
    }

    package var service: String { procedure.service }
    package var name: String { procedure.name }

    /// The same method for a request of which the caller knows that repeating it does no harm.
    package var asRepeatable: Self { Self(service, name, repeatable: true) }

    /// The path as HTTP/2 carries it.
    package var path: String { procedure.path }

    /// The bytes of a request.
    func encoded(_ request: Request) throws(ClientError) -> [UInt8] {
        do { return try request.serializedBytes() } catch {
            throw ClientError(code: .internalError, message: "grpc: error while marshaling: \(error)")
        }
    }

    /// The response in an answer's bytes.
    func decoded(_ answer: [UInt8]) throws(ClientError) -> Response {
        do { return try Response(serializedBytes: answer) } catch {
            throw ClientError(code: .internalError, message: "grpc: failed to unmarshal the received message: \(error)")
        }
    }
}

/// A method without its types: what carries messages handles bytes, so that it exists once and not once for each method.
struct Procedure: Sendable {
    let service: String
    let name: String
    /// Whether asking twice does no more than asking once; only such calls are repeated after a connection broke.
    let isRepeatable: Bool

    var path: String { "/\(service)/\(name)" }
}

/// A method by an example of its types.
package typealias RangeMethod = RPCMethod<Etcdserverpb_RangeRequest, Etcdserverpb_RangeResponse>

extension RPCMethod where Request == Etcdserverpb_RangeRequest, Response == Etcdserverpb_RangeResponse {
    package static var range: Self { Self("etcdserverpb.KV", "Range", repeatable: true) }
}

extension RPCMethod where Request == Etcdserverpb_PutRequest, Response == Etcdserverpb_PutResponse {
    package static var put: Self { Self("etcdserverpb.KV", "Put") }
}

extension RPCMethod where Request == Etcdserverpb_DeleteRangeRequest, Response == Etcdserverpb_DeleteRangeResponse {
    package static var deleteRange: Self { Self("etcdserverpb.KV", "DeleteRange") }
}

extension RPCMethod where Request == Etcdserverpb_TxnRequest, Response == Etcdserverpb_TxnResponse {
    package static var txn: Self { Self("etcdserverpb.KV", "Txn") }
}

extension RPCMethod where Request == Etcdserverpb_RangeRequest, Response == Etcdserverpb_RangeStreamResponse {
    package static var rangeStream: Self { Self("etcdserverpb.KV", "RangeStream", repeatable: true) }
}

extension RPCMethod where Request == Etcdserverpb_CompactionRequest, Response == Etcdserverpb_CompactionResponse {
    package static var compact: Self { Self("etcdserverpb.KV", "Compact") }
}

extension RPCMethod where Request == Etcdserverpb_WatchRequest, Response == Etcdserverpb_WatchResponse {
    package static var watch: Self { Self("etcdserverpb.Watch", "Watch") }
}

extension RPCMethod where Request == Etcdserverpb_LeaseGrantRequest, Response == Etcdserverpb_LeaseGrantResponse {
    package static var leaseGrant: Self { Self("etcdserverpb.Lease", "LeaseGrant") }
}

extension RPCMethod where Request == Etcdserverpb_LeaseRevokeRequest, Response == Etcdserverpb_LeaseRevokeResponse {
    package static var leaseRevoke: Self { Self("etcdserverpb.Lease", "LeaseRevoke") }
}

extension RPCMethod
where Request == Etcdserverpb_LeaseKeepAliveRequest, Response == Etcdserverpb_LeaseKeepAliveResponse {
    package static var leaseKeepAlive: Self { Self("etcdserverpb.Lease", "LeaseKeepAlive") }
}

extension RPCMethod
where Request == Etcdserverpb_LeaseTimeToLiveRequest, Response == Etcdserverpb_LeaseTimeToLiveResponse {
    package static var leaseTimeToLive: Self { Self("etcdserverpb.Lease", "LeaseTimeToLive", repeatable: true) }
}

extension RPCMethod where Request == Etcdserverpb_LeaseLeasesRequest, Response == Etcdserverpb_LeaseLeasesResponse {
    package static var leaseLeases: Self { Self("etcdserverpb.Lease", "LeaseLeases", repeatable: true) }
}

extension RPCMethod where Request == Etcdserverpb_MemberAddRequest, Response == Etcdserverpb_MemberAddResponse {
    package static var memberAdd: Self { Self("etcdserverpb.Cluster", "MemberAdd") }
}

extension RPCMethod where Request == Etcdserverpb_MemberRemoveRequest, Response == Etcdserverpb_MemberRemoveResponse {
    package static var memberRemove: Self { Self("etcdserverpb.Cluster", "MemberRemove") }
}

extension RPCMethod where Request == Etcdserverpb_MemberUpdateRequest, Response == Etcdserverpb_MemberUpdateResponse {
    package static var memberUpdate: Self { Self("etcdserverpb.Cluster", "MemberUpdate") }
}

extension RPCMethod where Request == Etcdserverpb_MemberListRequest, Response == Etcdserverpb_MemberListResponse {
    package static var memberList: Self { Self("etcdserverpb.Cluster", "MemberList", repeatable: true) }
}

extension RPCMethod where Request == Etcdserverpb_MemberPromoteRequest, Response == Etcdserverpb_MemberPromoteResponse {
    package static var memberPromote: Self { Self("etcdserverpb.Cluster", "MemberPromote") }
}

extension RPCMethod where Request == Etcdserverpb_AlarmRequest, Response == Etcdserverpb_AlarmResponse {
    package static var alarm: Self { Self("etcdserverpb.Maintenance", "Alarm") }
}

extension RPCMethod where Request == Etcdserverpb_StatusRequest, Response == Etcdserverpb_StatusResponse {
    package static var status: Self { Self("etcdserverpb.Maintenance", "Status", repeatable: true) }
}

extension RPCMethod where Request == Etcdserverpb_DefragmentRequest, Response == Etcdserverpb_DefragmentResponse {
    package static var defragment: Self { Self("etcdserverpb.Maintenance", "Defragment") }
}

extension RPCMethod where Request == Etcdserverpb_HashKVRequest, Response == Etcdserverpb_HashKVResponse {
    package static var hashKV: Self { Self("etcdserverpb.Maintenance", "HashKV", repeatable: true) }
}

extension RPCMethod where Request == Etcdserverpb_SnapshotRequest, Response == Etcdserverpb_SnapshotResponse {
    package static var snapshot: Self { Self("etcdserverpb.Maintenance", "Snapshot") }
}

extension RPCMethod where Request == Etcdserverpb_MoveLeaderRequest, Response == Etcdserverpb_MoveLeaderResponse {
    package static var moveLeader: Self { Self("etcdserverpb.Maintenance", "MoveLeader") }
}

extension RPCMethod where Request == Etcdserverpb_DowngradeRequest, Response == Etcdserverpb_DowngradeResponse {
    package static var downgrade: Self { Self("etcdserverpb.Maintenance", "Downgrade") }
}

extension RPCMethod where Request == Etcdserverpb_AuthEnableRequest, Response == Etcdserverpb_AuthEnableResponse {
    package static var authEnable: Self { Self("etcdserverpb.Auth", "AuthEnable") }
}

extension RPCMethod where Request == Etcdserverpb_AuthDisableRequest, Response == Etcdserverpb_AuthDisableResponse {
    package static var authDisable: Self { Self("etcdserverpb.Auth", "AuthDisable") }
}

extension RPCMethod where Request == Etcdserverpb_AuthStatusRequest, Response == Etcdserverpb_AuthStatusResponse {
    package static var authStatus: Self { Self("etcdserverpb.Auth", "AuthStatus", repeatable: true) }
}

extension RPCMethod where Request == Etcdserverpb_AuthenticateRequest, Response == Etcdserverpb_AuthenticateResponse {
    package static var authenticate: Self { Self("etcdserverpb.Auth", "Authenticate") }
}

extension RPCMethod where Request == Etcdserverpb_AuthUserAddRequest, Response == Etcdserverpb_AuthUserAddResponse {
    package static var userAdd: Self { Self("etcdserverpb.Auth", "UserAdd") }
}

extension RPCMethod where Request == Etcdserverpb_AuthUserGetRequest, Response == Etcdserverpb_AuthUserGetResponse {
    package static var userGet: Self { Self("etcdserverpb.Auth", "UserGet", repeatable: true) }
}

extension RPCMethod where Request == Etcdserverpb_AuthUserListRequest, Response == Etcdserverpb_AuthUserListResponse {
    package static var userList: Self { Self("etcdserverpb.Auth", "UserList", repeatable: true) }
}

extension RPCMethod
where Request == Etcdserverpb_AuthUserDeleteRequest, Response == Etcdserverpb_AuthUserDeleteResponse {
    package static var userDelete: Self { Self("etcdserverpb.Auth", "UserDelete") }
}

extension RPCMethod
where Request == Etcdserverpb_AuthUserChangePasswordRequest, Response == Etcdserverpb_AuthUserChangePasswordResponse {
    package static var userChangePassword: Self { Self("etcdserverpb.Auth", "UserChangePassword") }
}

extension RPCMethod
where Request == Etcdserverpb_AuthUserGrantRoleRequest, Response == Etcdserverpb_AuthUserGrantRoleResponse {
    package static var userGrantRole: Self { Self("etcdserverpb.Auth", "UserGrantRole") }
}

extension RPCMethod
where Request == Etcdserverpb_AuthUserRevokeRoleRequest, Response == Etcdserverpb_AuthUserRevokeRoleResponse {
    package static var userRevokeRole: Self { Self("etcdserverpb.Auth", "UserRevokeRole") }
}

extension RPCMethod where Request == Etcdserverpb_AuthRoleAddRequest, Response == Etcdserverpb_AuthRoleAddResponse {
    package static var roleAdd: Self { Self("etcdserverpb.Auth", "RoleAdd") }
}

extension RPCMethod where Request == Etcdserverpb_AuthRoleGetRequest, Response == Etcdserverpb_AuthRoleGetResponse {
    package static var roleGet: Self { Self("etcdserverpb.Auth", "RoleGet", repeatable: true) }
}

extension RPCMethod where Request == Etcdserverpb_AuthRoleListRequest, Response == Etcdserverpb_AuthRoleListResponse {
    package static var roleList: Self { Self("etcdserverpb.Auth", "RoleList", repeatable: true) }
}

extension RPCMethod
where Request == Etcdserverpb_AuthRoleDeleteRequest, Response == Etcdserverpb_AuthRoleDeleteResponse {
    package static var roleDelete: Self { Self("etcdserverpb.Auth", "RoleDelete") }
}

extension RPCMethod
where Request == Etcdserverpb_AuthRoleGrantPermissionRequest, Response == Etcdserverpb_AuthRoleGrantPermissionResponse {
    package static var roleGrantPermission: Self { Self("etcdserverpb.Auth", "RoleGrantPermission") }
}

extension RPCMethod
where Request == Etcdserverpb_AuthRoleRevokePermissionRequest, Response == Etcdserverpb_AuthRoleRevokePermissionResponse
{
    package static var roleRevokePermission: Self { Self("etcdserverpb.Auth", "RoleRevokePermission") }
}
