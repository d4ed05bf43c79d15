// Users, roles, and what roles may do.

import EtcdWire
import FoundationEssentials
import SwiftProtobuf

/// What a role may do with which keys.
public struct Permission: Sendable, Hashable {
    public enum Kind: Sendable, Hashable { case read, write, readWrite }
    public var kind: Kind
    public var range: KeyRange

    public init(_ kind: Kind, _ range: KeyRange) {
        self.kind = kind
        self.range = range
    }

    init(_ message: Authpb_Permission) {
        switch message.permType {
        case .write: kind = .write
        case .readwrite: kind = .readWrite
        default: kind = .read
        }
        range = KeyRange(start: Array(message.key), end: Array(message.rangeEnd))
    }

    var message: Authpb_Permission {
        .with {
            switch kind {
            case .read: $0.permType = .read
            case .write: $0.permType = .write
            case .readWrite: $0.permType = .readwrite
            }
            $0.key = Data(range.start)
            $0.rangeEnd = Data(range.end)
        }
    }
}

/// Whether the cluster asks who calls.
public struct AuthenticationStatus: Sendable, Hashable {
    public let isEnabled: Bool
    /// Grows with each change to users and roles.
    public let revision: UInt64
}

extension Client {
    /// From now on calls need a user; there must be a user `root` with the role `root`.
    public func enableAuthentication() async throws(ClientError) {
        _ = try await call(.authEnable, Etcdserverpb_AuthEnableRequest())
    }

    public func disableAuthentication() async throws(ClientError) {
        _ = try await call(.authDisable, Etcdserverpb_AuthDisableRequest())
    }

    public func authenticationStatus() async throws(ClientError) -> AuthenticationStatus {
        let answer = try await call(.authStatus, Etcdserverpb_AuthStatusRequest())
        return AuthenticationStatus(isEnabled: answer.enabled, revision: answer.authRevision)
    }

    // MARK: Users

    /// - Parameter password: nil for a user who shows a certificate.
    public func addUser(_ name: String, password: String?) async throws(ClientError) {
        _ = try await call(
            .userAdd,
            .with {
                $0.name = name
                $0.password = password ?? ""
                $0.options.noPassword = password == nil
            }
        )
    }

    public func deleteUser(_ name: String) async throws(ClientError) {
        _ = try await call(.userDelete, .with { $0.name = name })
    }

    public func changePassword(of name: String, to password: String) async throws(ClientError) {
        _ = try await call(
            .userChangePassword,
            .with {
                $0.name = name
                $0.password = password
            }
        )
    }

    public func users() async throws(ClientError) -> [String] {
        try await call(.userList, Etcdserverpb_AuthUserListRequest()).users
    }

    /// The roles of a user.
    public func roles(of user: String) async throws(ClientError) -> [String] {
        try await call(.userGet, .with { $0.name = user }).roles
    }

    public func grantRole(_ role: String, to user: String) async throws(ClientError) {
        _ = try await call(
            .userGrantRole,
            .with {
                $0.user = user
                $0.role = role
            }
        )
    }

    public func revokeRole(_ role: String, from user: String) async throws(ClientError) {
        _ = try await call(
            .userRevokeRole,
            .with {
                $0.name = user
                $0.role = role
            }
        )
    }

    // MARK: Roles

    public func addRole(_ name: String) async throws(ClientError) {
        _ = try await call(.roleAdd, .with { $0.name = name })
    }

    public func deleteRole(_ name: String) async throws(ClientError) {
        _ = try await call(.roleDelete, .with { $0.role = name })
    }

    public func roles() async throws(ClientError) -> [String] {
        try await call(.roleList, Etcdserverpb_AuthRoleListRequest()).roles
    }

    public func permissions(of role: String) async throws(ClientError) -> [Permission] {
        try await call(.roleGet, .with { $0.role = role }).perm.map(Permission.init)
    }

    public func grant(_ permission: Permission, to role: String) async throws(ClientError) {
        _ = try await call(
            .roleGrantPermission,
            .with {
                $0.name = role
                $0.perm = permission.message
            }
        )
    }

    public func revoke(_ range: KeyRange, from role: String) async throws(ClientError) {
        _ = try await call(
            .roleRevokePermission,
            .with {
                $0.role = role
                $0.key = Data(range.start)
                $0.rangeEnd = Data(range.end)
            }
        )
    }
}
