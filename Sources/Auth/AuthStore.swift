// Who may do what: users, roles, whether it is enforced, and the revision that counts every change.
//
// A value: changes return the rows to store and nothing here reaches for disk, clock or hash function. Every change
// that succeeds raises `revision` by one, so that a decision taken earlier can be recognised as stale.

package import Base

package enum AuthError: Error, Sendable, Equatable {
    case rootUserMissing
    case rootRoleMissing
    case userExists
    case userEmpty
    case userNotFound
    case roleExists
    case roleNotFound
    case roleEmpty
    case permissionNotGiven
    case permissionDenied
    case roleNotGranted
    case permissionNotGranted
    case notEnabled
    case invalidManagement
    case oldRevision
    case noPasswordUser
    case failed
}

/// One row to put, or to delete where `value` is nil.
package struct AuthRow: Sendable, Equatable {
    package enum Table: Sendable { case settings, users, roles }

    package var table: Table
    package var key: Bytes
    package var value: Bytes?

    package init(table: Table, key: Bytes, value: Bytes?) {
        self.table = table
        self.key = key
        self.value = value
    }
}

package struct AuthStore: Sendable, Equatable {
    package static let rootName = "root"
    package static let enabledKey: Bytes = "authEnabled"
    package static let revisionKey: Bytes = "authRevision"

    package private(set) var isEnabled = false
    /// 0 only in a store that has no row yet; the first start makes it 1.
    package private(set) var revision: UInt64 = 0
    private var users: [Bytes: User] = [:]
    private var roles: [Bytes: Role] = [:]
    /// What each user may do by all roles together; follows `users` and `roles`.
    private var grants: [Bytes: RangeGrants] = [:]

    package init() {}

    /// The store as the rows say.
    package init(isEnabled: Bool, revision: UInt64, users: [User], roles: [Role]) {
        self.isEnabled = isEnabled
        self.revision = revision
        for user in users { self.users[user.name] = user }
        for role in roles { self.roles[role.name] = role }
        for user in users { refreshGrants(of: user) }
    }

    func grants(of user: User) -> RangeGrants? { grants[user.name] }

    private mutating func refreshGrants(of user: User) {
        grants[user.name] = RangeGrants(user.roles.flatMap { role($0)?.permissions ?? [] })
    }

    private mutating func refreshGrants(ofAllWith role: Bytes) {
        for user in users.values where user.roles.contains(where: { Bytes($0) == role }) { refreshGrants(of: user) }
    }

    package func user(_ name: String) -> User? { users[Bytes(name)] }
    package func role(_ name: String) -> Role? { roles[Bytes(name)] }
    package var userNames: [Bytes] { users.keys.sorted() }
    package var roleNames: [Bytes] { roles.keys.sorted() }

    package func isRoot(_ user: User) -> Bool { user.roles.contains(Self.rootName) }

    // MARK: Switching

    package mutating func enable() throws(AuthError) -> [AuthRow] {
        if isEnabled { return [] }
        guard let root = user(Self.rootName) else { throw .rootUserMissing }
        guard isRoot(root) else { throw .rootRoleMissing }
        isEnabled = true
        return [AuthRow(table: .settings, key: Self.enabledKey, value: [1])]
    }

    package mutating func disable() -> [AuthRow] {
        guard isEnabled else { return [] }
        isEnabled = false
        return [AuthRow(table: .settings, key: Self.enabledKey, value: [0]), raiseRevision()]
    }

    /// The first row of a new store: its revision, 1.
    package mutating func initializeRevision() -> [AuthRow] {
        revision == 0 ? [raiseRevision()] : []
    }

    private mutating func raiseRevision() -> AuthRow {
        revision += 1
        return AuthRow(
            table: .settings,
            key: Self.revisionKey,
            value: Bytes(withUnsafeBytes(of: revision.bigEndian) { Array($0) })
        )
    }

    // MARK: Users

    /// - Parameter password: the hash; nil where the request's could not be read.
    package mutating func addUser(_ name: String, password: Bytes?, noPassword: Bool) throws(AuthError) -> [AuthRow] {
        if name.isEmpty { throw .userEmpty }
        if user(name) != nil { throw .userExists }
        if !noPassword && password == nil { throw .noPasswordUser }
        return put(User(name: Bytes(name), password: noPassword ? Bytes() : password ?? Bytes(), hasNoPassword: noPassword))
    }

    package mutating func deleteUser(_ name: String) throws(AuthError) -> [AuthRow] {
        if isEnabled && name == Self.rootName { throw .invalidManagement }
        guard let user = users.removeValue(forKey: Bytes(name)) else { throw .userNotFound }
        grants[user.name] = nil
        return [AuthRow(table: .users, key: user.name, value: nil), raiseRevision()]
    }

    package mutating func changePassword(_ name: String, password: Bytes?) throws(AuthError) -> [AuthRow] {
        guard var user = user(name) else { throw .userNotFound }
        if user.hasNoPassword == true {
            user.password = Bytes()
        } else {
            guard let password else { throw .noPasswordUser }
            user.password = password
        }
        return put(user)
    }

    package mutating func grant(role: String, to name: String) throws(AuthError) -> [AuthRow] {
        guard var user = user(name) else { throw .userNotFound }
        if role != Self.rootName && self.role(role) == nil { throw .roleNotFound }
        if user.roles.contains(role) { return [] }
        user.roles.append(role)
        user.roles.sort { Bytes($0) < Bytes($1) }
        return put(user)
    }

    package mutating func revoke(role: String, from name: String) throws(AuthError) -> [AuthRow] {
        if isEnabled && name == Self.rootName && role == Self.rootName { throw .invalidManagement }
        guard var user = user(name) else { throw .userNotFound }
        let before = user.roles.count
        user.roles.removeAll { $0 == role }
        if user.roles.count == before { throw .roleNotGranted }
        return put(user)
    }

    private mutating func put(_ user: User) -> [AuthRow] {
        users[user.name] = user
        refreshGrants(of: user)
        return [AuthRow(table: .users, key: user.name, value: user.encoded), raiseRevision()]
    }

    // MARK: Roles

    package mutating func addRole(_ name: String) throws(AuthError) -> [AuthRow] {
        if name.isEmpty { throw .roleEmpty }
        if role(name) != nil { throw .roleExists }
        return put(Role(name: Bytes(name)))
    }

    package mutating func deleteRole(_ name: String) throws(AuthError) -> [AuthRow] {
        if isEnabled && name == Self.rootName { throw .invalidManagement }
        guard let role = roles.removeValue(forKey: Bytes(name)) else { throw .roleNotFound }
        var rows = [AuthRow(table: .roles, key: role.name, value: nil)]
        for key in userNames {
            guard var user = users[key], user.roles.contains(name) else { continue }
            user.roles.removeAll { $0 == name }
            users[key] = user
            refreshGrants(of: user)
            rows.append(AuthRow(table: .users, key: key, value: user.encoded))
        }
        return rows + [raiseRevision()]
    }

    package mutating func grant(_ permission: Permission?, to name: String) throws(AuthError) -> [AuthRow] {
        guard let permission else { throw .permissionNotGiven }
        guard Self.isValid(permission.range) else { throw .invalidManagement }
        guard var role = role(name) else { throw .roleNotFound }
        // As etcd does, only the first permission of the key is looked at for replacement.
        let place = role.permissions.firstIndex { $0.range.key >= permission.range.key } ?? role.permissions.endIndex
        if place < role.permissions.endIndex, role.permissions[place].range == permission.range {
            role.permissions[place].kind = permission.kind
        } else {
            role.permissions.insert(permission, at: place)
        }
        return put(role)
    }

    package mutating func revoke(_ range: KeyRange, from name: String) throws(AuthError) -> [AuthRow] {
        guard var role = role(name) else { throw .roleNotFound }
        let before = role.permissions.count
        role.permissions.removeAll { $0.range == range }
        if role.permissions.count == before { throw .permissionNotGranted }
        return put(role)
    }

    private mutating func put(_ role: Role) -> [AuthRow] {
        roles[role.name] = role
        refreshGrants(ofAllWith: role.name)
        return [AuthRow(table: .roles, key: role.name, value: role.encoded), raiseRevision()]
    }

    /// A range must hold something: its end is absent, open, or behind its key.
    private static func isValid(_ range: KeyRange) -> Bool {
        if range.key.isEmpty { return false }
        return range.end.isEmpty || range.isUnbounded || range.end > range.key
    }
}
