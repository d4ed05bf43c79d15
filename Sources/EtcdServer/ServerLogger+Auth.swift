// The log lines about users, roles and permissions: who keeps watch over them reads these.

import Auth
import Base
import Credentials
import EtcdWire
import ServerLog
import StateMachine

extension ServerLogger {
    func write(_ news: AuthNews) {
        func user(_ name: String) -> LogField { .string("user-name", name) }
        func roles(_ names: [String]) -> LogField { .strings("user-roles", names) }
        func range(_ range: KeyRange) -> [LogField] {
            [.string("key", "\(range.key)"), .string("range-end", "\(range.end)")]
        }
        switch news {
        case .enabled: info("enabled authentication")
        case .alreadyEnabled: info("authentication is already enabled; ignored auth enable request")
        case .disabled: info("disabled authentication")
        case .userAdded(let name): info("added a user", [user(name)])
        case .userDeleted(let name, let names): info("deleted a user", [user(name), roles(names)])
        case .passwordChanged(let name, let names): info("changed a password of a user", [user(name), roles(names)])
        case .roleGranted(let role, let name, let names):
            info("granted a role to a user", [user(name), roles(names), .string("added-role-name", role)])
        case .roleAlreadyGranted(let role, let name, let names):
            warn("ignored grant role request to a user", [user(name), roles(names), .string("duplicate-role-name", role)])
        case .roleRevoked(let role, let name, let before, let after):
            info(
                "revoked a role from a user",
                [
                    user(name), .strings("old-user-roles", before), .strings("new-user-roles", after),
                    .string("revoked-role-name", role),
                ])
        case .roleCreated(let name): info("created a role", [.string("role-name", name)])
        case .roleDeleted(let name): info("deleted a role", [.string("role-name", name)])
        case .permissionGranted(let permission, let role):
            // A role's name stands under that of a user, as etcd has it.
            info(
                "granted/updated a permission to a user",
                [user(role), .string("permission-name", permission.kind.name)] + range(permission.range))
        case .permissionRevoked(let revoked, let role):
            info("revoked a permission on range", [.string("role-name", role)] + range(revoked))
        case .rootUserProtected: error("cannot delete 'root' user", [user(AuthStore.rootName)])
        case .rootRoleProtected: error("cannot delete 'root' role", [.string("role-name", AuthStore.rootName)])
        case .rootMembershipProtected:
            error(
                "'root' user cannot revoke 'root' role",
                [user(AuthStore.rootName), .string("role-name", AuthStore.rootName)])
        }
    }
}

extension PermissionKind {
    fileprivate var name: String {
        switch self {
        case .read: "READ"
        case .write: "WRITE"
        case .readWrite: "READWRITE"
        }
    }
}

extension ServerLogger {
    /// Who could not log in, and why; nothing of it where nobody has to.
    func writeRefusedLogin(_ user: String, _ error: AuthError) {
        if error == .notEnabled { return }
        let reason = EtcdError(error).message.replacingPrefix("etcdserver: ", with: "auth: ")
        warn("invalid authentication was requested", [.string("user", user), .error(reason)])
    }

    /// A token that is none; told apart from others, and of no use to who reads it.
    func writeInvalidToken(_ token: String) {
        var hash = SHA256Hash()
        Array(token.utf8).withUnsafeBytes { hash.update($0) }
        let print = hash.finish().array.prefix(6).map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }
        warn("invalid auth token", [.string("token-fingerprint", print.joined())])
    }
}

extension String {
    fileprivate func replacingPrefix(_ prefix: String, with other: String) -> String {
        hasPrefix(prefix) ? other + dropFirst(prefix.count) : self
    }
}
