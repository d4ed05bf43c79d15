// The table behind `RPC`: one row a method, in the order of the cases.

extension RPC {
    static let definitions: [RPCDefinition] = [
        RPCDefinition(
            "/etcdserverpb.KV/Range", .unary, ["/v3/kv/range"],
            Etcdserverpb_RangeRequest.self, Etcdserverpb_RangeResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.KV/RangeStream", .serverStreaming, [],
            Etcdserverpb_RangeRequest.self, Etcdserverpb_RangeStreamResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.KV/Put", .unary, ["/v3/kv/put"],
            Etcdserverpb_PutRequest.self, Etcdserverpb_PutResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.KV/DeleteRange", .unary, ["/v3/kv/deleterange"],
            Etcdserverpb_DeleteRangeRequest.self, Etcdserverpb_DeleteRangeResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.KV/Txn", .unary, ["/v3/kv/txn"],
            Etcdserverpb_TxnRequest.self, Etcdserverpb_TxnResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.KV/Compact", .unary, ["/v3/kv/compaction"],
            Etcdserverpb_CompactionRequest.self, Etcdserverpb_CompactionResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Watch/Watch", .bidirectional, ["/v3/watch"],
            Etcdserverpb_WatchRequest.self, Etcdserverpb_WatchResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Lease/LeaseGrant", .unary, ["/v3/lease/grant"],
            Etcdserverpb_LeaseGrantRequest.self, Etcdserverpb_LeaseGrantResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Lease/LeaseRevoke", .unary, ["/v3/lease/revoke", "/v3/kv/lease/revoke"],
            Etcdserverpb_LeaseRevokeRequest.self, Etcdserverpb_LeaseRevokeResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Lease/LeaseKeepAlive", .bidirectional, ["/v3/lease/keepalive"],
            Etcdserverpb_LeaseKeepAliveRequest.self, Etcdserverpb_LeaseKeepAliveResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Lease/LeaseTimeToLive", .unary, ["/v3/lease/timetolive", "/v3/kv/lease/timetolive"],
            Etcdserverpb_LeaseTimeToLiveRequest.self, Etcdserverpb_LeaseTimeToLiveResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Lease/LeaseLeases", .unary, ["/v3/lease/leases", "/v3/kv/lease/leases"],
            Etcdserverpb_LeaseLeasesRequest.self, Etcdserverpb_LeaseLeasesResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Cluster/MemberAdd", .unary, ["/v3/cluster/member/add"],
            Etcdserverpb_MemberAddRequest.self, Etcdserverpb_MemberAddResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Cluster/MemberRemove", .unary, ["/v3/cluster/member/remove"],
            Etcdserverpb_MemberRemoveRequest.self, Etcdserverpb_MemberRemoveResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Cluster/MemberUpdate", .unary, ["/v3/cluster/member/update"],
            Etcdserverpb_MemberUpdateRequest.self, Etcdserverpb_MemberUpdateResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Cluster/MemberList", .unary, ["/v3/cluster/member/list"],
            Etcdserverpb_MemberListRequest.self, Etcdserverpb_MemberListResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Cluster/MemberPromote", .unary, ["/v3/cluster/member/promote"],
            Etcdserverpb_MemberPromoteRequest.self, Etcdserverpb_MemberPromoteResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Maintenance/Alarm", .unary, ["/v3/maintenance/alarm"],
            Etcdserverpb_AlarmRequest.self, Etcdserverpb_AlarmResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Maintenance/Status", .unary, ["/v3/maintenance/status"],
            Etcdserverpb_StatusRequest.self, Etcdserverpb_StatusResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Maintenance/Defragment", .unary, ["/v3/maintenance/defragment"],
            Etcdserverpb_DefragmentRequest.self, Etcdserverpb_DefragmentResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Maintenance/Hash", .unary, ["/v3/maintenance/hash"],
            Etcdserverpb_HashRequest.self, Etcdserverpb_HashResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Maintenance/HashKV", .unary, ["/v3/maintenance/hashkv"],
            Etcdserverpb_HashKVRequest.self, Etcdserverpb_HashKVResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Maintenance/Snapshot", .serverStreaming, ["/v3/maintenance/snapshot"],
            Etcdserverpb_SnapshotRequest.self, Etcdserverpb_SnapshotResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Maintenance/MoveLeader", .unary, ["/v3/maintenance/transfer-leadership"],
            Etcdserverpb_MoveLeaderRequest.self, Etcdserverpb_MoveLeaderResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Maintenance/Downgrade", .unary, ["/v3/maintenance/downgrade"],
            Etcdserverpb_DowngradeRequest.self, Etcdserverpb_DowngradeResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/AuthEnable", .unary, ["/v3/auth/enable"],
            Etcdserverpb_AuthEnableRequest.self, Etcdserverpb_AuthEnableResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/AuthDisable", .unary, ["/v3/auth/disable"],
            Etcdserverpb_AuthDisableRequest.self, Etcdserverpb_AuthDisableResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/AuthStatus", .unary, ["/v3/auth/status"],
            Etcdserverpb_AuthStatusRequest.self, Etcdserverpb_AuthStatusResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/Authenticate", .unary, ["/v3/auth/authenticate"],
            Etcdserverpb_AuthenticateRequest.self, Etcdserverpb_AuthenticateResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/UserAdd", .unary, ["/v3/auth/user/add"],
            Etcdserverpb_AuthUserAddRequest.self, Etcdserverpb_AuthUserAddResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/UserGet", .unary, ["/v3/auth/user/get"],
            Etcdserverpb_AuthUserGetRequest.self, Etcdserverpb_AuthUserGetResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/UserList", .unary, ["/v3/auth/user/list"],
            Etcdserverpb_AuthUserListRequest.self, Etcdserverpb_AuthUserListResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/UserDelete", .unary, ["/v3/auth/user/delete"],
            Etcdserverpb_AuthUserDeleteRequest.self, Etcdserverpb_AuthUserDeleteResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/UserChangePassword", .unary, ["/v3/auth/user/changepw"],
            Etcdserverpb_AuthUserChangePasswordRequest.self, Etcdserverpb_AuthUserChangePasswordResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/UserGrantRole", .unary, ["/v3/auth/user/grant"],
            Etcdserverpb_AuthUserGrantRoleRequest.self, Etcdserverpb_AuthUserGrantRoleResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/UserRevokeRole", .unary, ["/v3/auth/user/revoke"],
            Etcdserverpb_AuthUserRevokeRoleRequest.self, Etcdserverpb_AuthUserRevokeRoleResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/RoleAdd", .unary, ["/v3/auth/role/add"],
            Etcdserverpb_AuthRoleAddRequest.self, Etcdserverpb_AuthRoleAddResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/RoleGet", .unary, ["/v3/auth/role/get"],
            Etcdserverpb_AuthRoleGetRequest.self, Etcdserverpb_AuthRoleGetResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/RoleList", .unary, ["/v3/auth/role/list"],
            Etcdserverpb_AuthRoleListRequest.self, Etcdserverpb_AuthRoleListResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/RoleDelete", .unary, ["/v3/auth/role/delete"],
            Etcdserverpb_AuthRoleDeleteRequest.self, Etcdserverpb_AuthRoleDeleteResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/RoleGrantPermission", .unary, ["/v3/auth/role/grant"],
            Etcdserverpb_AuthRoleGrantPermissionRequest.self, Etcdserverpb_AuthRoleGrantPermissionResponse.self
        ),
        RPCDefinition(
            "/etcdserverpb.Auth/RoleRevokePermission", .unary, ["/v3/auth/role/revoke"],
            Etcdserverpb_AuthRoleRevokePermissionRequest.self, Etcdserverpb_AuthRoleRevokePermissionResponse.self
        ),
        RPCDefinition(
            "/v3electionpb.Election/Campaign", .unary, ["/v3/election/campaign"],
            V3electionpb_CampaignRequest.self, V3electionpb_CampaignResponse.self
        ),
        RPCDefinition(
            "/v3electionpb.Election/Proclaim", .unary, ["/v3/election/proclaim"],
            V3electionpb_ProclaimRequest.self, V3electionpb_ProclaimResponse.self
        ),
        RPCDefinition(
            "/v3electionpb.Election/Leader", .unary, ["/v3/election/leader"],
            V3electionpb_LeaderRequest.self, V3electionpb_LeaderResponse.self
        ),
        RPCDefinition(
            "/v3electionpb.Election/Observe", .serverStreaming, ["/v3/election/observe"],
            V3electionpb_LeaderRequest.self, V3electionpb_LeaderResponse.self
        ),
        RPCDefinition(
            "/v3electionpb.Election/Resign", .unary, ["/v3/election/resign"],
            V3electionpb_ResignRequest.self, V3electionpb_ResignResponse.self
        ),
        RPCDefinition(
            "/v3lockpb.Lock/Lock", .unary, ["/v3/lock/lock"],
            V3lockpb_LockRequest.self, V3lockpb_LockResponse.self
        ),
        RPCDefinition(
            "/v3lockpb.Lock/Unlock", .unary, ["/v3/lock/unlock"],
            V3lockpb_UnlockRequest.self, V3lockpb_UnlockResponse.self
        ),
        RPCDefinition(
            "/grpc.health.v1.Health/Check", .unary, [],
            Grpc_Health_V1_HealthCheckRequest.self, Grpc_Health_V1_HealthCheckResponse.self
        ),
        RPCDefinition(
            "/grpc.health.v1.Health/Watch", .serverStreaming, [],
            Grpc_Health_V1_HealthCheckRequest.self, Grpc_Health_V1_HealthCheckResponse.self
        ),
        RPCDefinition(
            "/grpc.health.v1.Health/List", .unary, [],
            Grpc_Health_V1_HealthListRequest.self, Grpc_Health_V1_HealthListResponse.self
        ),
        RPCDefinition(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", .bidirectional, [],
            Grpc_Reflection_V1_ServerReflectionRequest.self, Grpc_Reflection_V1_ServerReflectionResponse.self
        ),
        RPCDefinition(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", .bidirectional, [],
            Grpc_Reflection_V1alpha_ServerReflectionRequest.self, Grpc_Reflection_V1alpha_ServerReflectionResponse.self
        ),
    ]
}
