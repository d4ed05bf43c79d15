// What happens to users, roles and permissions, for whoever keeps a record of it.

package import Base
package import Auth

/// A change of users, roles or permissions that was applied, or one that is worth a line because it was not.
package enum AuthNews: Sendable {
    case enabled
    case alreadyEnabled
    case disabled
    case userAdded(String)
    case userDeleted(String, roles: [String])
    case passwordChanged(String, roles: [String])
    case roleGranted(String, to: String, roles: [String])
    case roleAlreadyGranted(String, to: String, roles: [String])
    case roleRevoked(String, from: String, before: [String], after: [String])
    case roleCreated(String)
    case roleDeleted(String)
    case permissionGranted(Permission, to: String)
    case permissionRevoked(KeyRange, from: String)
    /// The root user, the root role, and what joins both stay while they are asked for.
    case rootUserProtected
    case rootRoleProtected
    case rootMembershipProtected
}
