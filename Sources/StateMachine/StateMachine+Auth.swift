// Users, roles and permissions.

package import Auth
import Backend
package import Base
package import EtcdWire
import RaftWire
import Wire

extension StateMachine {
    mutating func applyAuth(
        _ kind: RaftRequestKind, _ bytes: Bytes, of entry: Entry, now: Instant
    ) throws(RequestFailure) -> Reply {
        do {
            return try apply(kind, bytes, entry, now)
        } catch let error as AuthError {
            throw .answer(EtcdError(error))
        } catch {
            // The bytes were checked by the member that proposed them; a request that is none changes nothing.
            throw .answer(.unknownMethod)
        }
    }

    private mutating func apply(_ kind: RaftRequestKind, _ bytes: Bytes, _ entry: Entry, _ now: Instant) throws -> Reply {
        let done = Reply(revision: 0)
        switch kind {
        case .authEnable:
            let was = auth.isEnabled
            save(try auth.enable())
            tell(was ? .alreadyEnabled : .enabled)
        case .authDisable:
            if auth.isEnabled { tell(.disabled) }
            save(auth.disable())
            tokens.removeAll()
        case .authenticate:
            let request = try Etcdserverpb_InternalAuthenticateRequest(decoding: bytes)
            return try authenticate(request.name, prefix: request.simpleToken, now)
        case .authStatus:
            var writer = WireWriter()
            writer.field(2, auth.isEnabled)
            writer.field(3, auth.revision)
            return Reply(revision: 0, body: writer.bytes)
        case .authUserAdd:
            let request = try Etcdserverpb_AuthUserAddRequest(decoding: bytes)
            let noPassword = request.options.noPassword
            let password =
                noPassword ? nil : password(request.password, hashed: request.hashedPassword, of: request.name, in: entry)
            save(try auth.addUser(request.name, password: password, noPassword: noPassword))
            tell(.userAdded(request.name))
        case .authUserDelete:
            let name = try Etcdserverpb_AuthUserDeleteRequest(decoding: bytes).name
            if auth.isEnabled, name == AuthStore.rootName { tell(.rootUserProtected) }
            let roles = auth.user(name)?.roles ?? []
            save(try auth.deleteUser(name))
            tell(.userDeleted(name, roles: roles))
            tokens.invalidate(user: name)
        case .authUserChangePassword:
            let request = try Etcdserverpb_AuthUserChangePasswordRequest(decoding: bytes)
            save(
                try auth.changePassword(
                    request.name,
                    password: password(request.password, hashed: request.hashedPassword, of: request.name, in: entry)))
            tokens.invalidate(user: request.name)
            tell(.passwordChanged(request.name, roles: auth.user(request.name)?.roles ?? []))
        case .authUserGrantRole:
            let request = try Etcdserverpb_AuthUserGrantRoleRequest(decoding: bytes)
            let before = auth.user(request.user)?.roles ?? []
            save(try auth.grant(role: request.role, to: request.user))
            let after = auth.user(request.user)?.roles ?? []
            tell(
                before == after
                    ? .roleAlreadyGranted(request.role, to: request.user, roles: after)
                    : .roleGranted(request.role, to: request.user, roles: after))
        case .authUserRevokeRole:
            let request = try Etcdserverpb_AuthUserRevokeRoleRequest(decoding: bytes)
            if auth.isEnabled, request.name == AuthStore.rootName, request.role == AuthStore.rootName {
                tell(.rootMembershipProtected)
            }
            let before = auth.user(request.name)?.roles ?? []
            save(try auth.revoke(role: request.role, from: request.name))
            let after = auth.user(request.name)?.roles ?? []
            tell(.roleRevoked(request.role, from: request.name, before: before, after: after))
        case .authRoleAdd:
            let name = try Etcdserverpb_AuthRoleAddRequest(decoding: bytes).name
            save(try auth.addRole(name))
            tell(.roleCreated(name))
        case .authRoleDelete:
            let name = try Etcdserverpb_AuthRoleDeleteRequest(decoding: bytes).role
            if auth.isEnabled, name == AuthStore.rootName { tell(.rootRoleProtected) }
            save(try auth.deleteRole(name))
            tell(.roleDeleted(name))
        case .authRoleGrantPermission:
            let request = try Etcdserverpb_AuthRoleGrantPermissionRequest(decoding: bytes)
            var permission: Permission?
            if request.hasPerm { permission = try Permission(decoding: try request.perm.encodedBytes()) }
            save(try auth.grant(permission, to: request.name))
            if let permission { tell(.permissionGranted(permission, to: request.name)) }
        case .authRoleRevokePermission:
            let request = try Etcdserverpb_AuthRoleRevokePermissionRequest(decoding: bytes)
            let range = KeyRange(key: Bytes(request.key), end: Bytes(request.rangeEnd))
            save(try auth.revoke(range, from: request.role))
            tell(.permissionRevoked(range, from: request.role))
        case .authUserGet:
            guard let user = auth.user(try Etcdserverpb_AuthUserGetRequest(decoding: bytes).name) else { throw AuthError.userNotFound }
            var writer = WireWriter()
            for role in user.roles { writer.explicit(2, role) }
            return Reply(revision: 0, body: writer.bytes)
        case .authRoleGet:
            let name = try Etcdserverpb_AuthRoleGetRequest(decoding: bytes).role
            guard let role = auth.role(name) else { throw AuthError.roleNotFound }
            let everything = Permission(kind: .readWrite, range: KeyRange(key: Bytes(), end: [0]))
            var writer = WireWriter()
            for permission in name == AuthStore.rootName ? [everything] : role.permissions {
                writer.explicit(2, permission.encoded)
            }
            return Reply(revision: 0, body: writer.bytes)
        case .authUserList:
            var writer = WireWriter()
            for name in auth.userNames { writer.explicit(2, name) }
            return Reply(revision: 0, body: writer.bytes)
        case .authRoleList:
            var writer = WireWriter()
            for name in auth.roleNames { writer.explicit(2, name) }
            return Reply(revision: 0, body: writer.bytes)
        default: break
        }
        return done
    }

    private mutating func tell(_ news: AuthNews) { events.append(.authChanged(news)) }

    /// The password was compared by the member that proposed this; every member learns the token.
    private mutating func authenticate(
        _ name: String, prefix: String, _ now: Instant
    ) throws(AuthError) -> Reply {
        guard auth.isEnabled else { throw .notEnabled }
        guard let user = auth.user(name), user.hasNoPassword != true else { throw .failed }
        var writer = WireWriter()
        // Signed tokens need no place in the log: the member that answers makes them.
        if !prefix.isEmpty {
            // The entry before this one: what etcd has counted as applied since 3.5.3 while it applies this. All members
            // must make the same token of it.
            let token = SimpleTokens.token(prefix: prefix, index: backend.consistentIndex)
            tokens.assign(token, to: name, now: now)
            writer.field(2, token)
        }
        return Reply(revision: 0, body: writer.bytes)
    }

    /// The hash that is kept; nil where there is none.
    ///
    /// Members before 3.5 proposed passwords as they were typed: those are hashed here, with a salt that all members
    /// derive from the entry, so that they keep the same. A salt has to differ from others, not to be secret.
    private func password(_ plain: String, hashed: String, of user: String, in entry: Entry) -> Bytes? {
        if plain.isEmpty || !hashed.isEmpty { return Base64.decode(hashed) }
        // Who needs none is not worth the time.
        if self.auth.user(user)?.hasNoPassword == true { return nil }
        var seed = Array("\(entry.index) \(entry.term) ".utf8)
        seed += Array(user.utf8)
        return limits.hashPassword?(plain, Array(sha1(seed).prefix(16)))
    }

    private mutating func save(_ rows: [AuthRow]) {
        for row in rows {
            let bucket: Bucket =
                switch row.table {
                case .settings: .auth
                case .users: .authUsers
                case .roles: .authRoles
                }
            if let value = row.value {
                backend.put(bucket, key: row.key, value: value)
            } else {
                backend.delete(bucket, key: row.key)
            }
        }
    }
}

extension EtcdError {
    package init(_ error: AuthError) {
        self =
            switch error {
            case .rootUserMissing: .rootUserNotExist
            case .rootRoleMissing: .rootRoleNotExist
            case .userExists: .userAlreadyExist
            case .userEmpty: .userEmpty
            case .userNotFound: .userNotFound
            case .roleExists: .roleAlreadyExist
            case .roleNotFound: .roleNotFound
            case .roleEmpty: .roleEmpty
            case .permissionNotGiven: .permissionNotGiven
            case .permissionDenied: .permissionDenied
            case .roleNotGranted: .roleNotGranted
            case .permissionNotGranted: .permissionNotGranted
            case .notEnabled: .authNotEnabled
            case .invalidManagement: .invalidAuthMgmt
            case .oldRevision: .authOldRevision
            case .noPasswordUser: .noPasswordUser
            case .failed: .authFailed
            }
    }
}

/// Standard base64 with padding: how password hashes travel.
package enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    package static func encode(_ bytes: Bytes) -> String {
        var text: [UInt8] = []
        let array = bytes.array
        for begin in stride(from: 0, to: array.count, by: 3) {
            let group = array[begin..<min(begin + 3, array.count)]
            var buffer: UInt32 = 0
            for place in 0..<3 { buffer = buffer << 8 | UInt32(place < group.count ? group[begin + place] : 0) }
            for place in 0..<4 {
                text.append(place <= group.count ? digits[Int(buffer >> UInt32(18 - 6 * place) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil where the text is none.
    package static func decode(_ text: String) -> Bytes? {
        var output: [UInt8] = []
        var (buffer, bits): (UInt32, Int) = (0, 0)
        let digits = Array(text.utf8)
        guard digits.count % 4 == 0 else { return nil }
        let padding = digits.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard padding <= 2 else { return nil }
        for digit in digits.dropLast(padding) {
            let value: UInt8
            switch digit {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = digit - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = digit - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            default: return nil
            }
            buffer = buffer << 6 | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                output.append(UInt8(truncatingIfNeeded: buffer >> UInt32(bits)))
            }
        }
        return Bytes(output)
    }
}
