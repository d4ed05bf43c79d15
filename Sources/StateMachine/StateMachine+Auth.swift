// Users, roles and permissions.

package import Auth
import Backend
import Base
package import EtcdWire
import Lease
import Wire

extension StateMachine {
    mutating func applyAuth(_ kind: RaftRequestKind, _ bytes: Bytes) throws(RequestFailure) -> Reply {
        do {
            return try apply(kind, bytes)
        } catch let error as AuthError {
            throw .answer(EtcdError(error))
        } catch {
            // The bytes were checked by the member that proposed them; a request that is none changes nothing.
            throw .answer(.unknownMethod)
        }
    }

    private mutating func apply(_ kind: RaftRequestKind, _ bytes: Bytes) throws -> Reply {
        let done = Reply(revision: 0)
        switch kind {
        case .authEnable: save(try auth.enable())
        case .authDisable: save(auth.disable())
        case .authStatus:
            var writer = WireWriter()
            writer.field(2, auth.isEnabled)
            writer.field(3, auth.revision)
            return Reply(revision: 0, body: writer.bytes)
        case .authUserAdd:
            let request = try Etcdserverpb_AuthUserAddRequest(decoding: bytes)
            save(
                try auth.addUser(
                    request.name, password: Base64.decode(request.hashedPassword), noPassword: request.options.noPassword))
        case .authUserDelete: save(try auth.deleteUser(try Etcdserverpb_AuthUserDeleteRequest(decoding: bytes).name))
        case .authUserChangePassword:
            let request = try Etcdserverpb_AuthUserChangePasswordRequest(decoding: bytes)
            save(try auth.changePassword(request.name, password: Base64.decode(request.hashedPassword)))
        case .authUserGrantRole:
            let request = try Etcdserverpb_AuthUserGrantRoleRequest(decoding: bytes)
            save(try auth.grant(role: request.role, to: request.user))
        case .authUserRevokeRole:
            let request = try Etcdserverpb_AuthUserRevokeRoleRequest(decoding: bytes)
            save(try auth.revoke(role: request.role, from: request.name))
        case .authRoleAdd: save(try auth.addRole(try Etcdserverpb_AuthRoleAddRequest(decoding: bytes).name))
        case .authRoleDelete: save(try auth.deleteRole(try Etcdserverpb_AuthRoleDeleteRequest(decoding: bytes).role))
        case .authRoleGrantPermission:
            let request = try Etcdserverpb_AuthRoleGrantPermissionRequest(decoding: bytes)
            var permission: Permission?
            if request.hasPerm { permission = try Permission(decoding: try request.perm.encodedBytes()) }
            save(try auth.grant(permission, to: request.name))
        case .authRoleRevokePermission:
            let request = try Etcdserverpb_AuthRoleRevokePermissionRequest(decoding: bytes)
            save(try auth.revoke(KeyRange(key: Bytes(request.key), end: Bytes(request.rangeEnd)), from: request.role))
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

    // MARK: Permissions, asked again when the request is applied

    func checkPermissions(_ body: InternalRaftRequest.Body, _ subject: AuthSubject?) throws(RequestFailure) {
        guard auth.isEnabled else { return }
        do throws(AuthError) {
            switch body {
            case .put(let put): try check(put, subject)
            case .range(let range): try auth.check(subject, .read, on: KeyRange(key: range.key, end: range.rangeEnd))
            case .deleteRange(let delete): try check(delete, subject)
            case .txn(let txn): try check(txn, subject)
            case .leaseRevoke(let revoke): try checkKeys(of: revoke.id, subject)
            case .encoded(let kind, let bytes): try check(kind, bytes, subject)
            default: break
            }
        } catch {
            throw .answer(EtcdError(error))
        }
    }

    private func check(_ put: PutRequest, _ subject: AuthSubject?) throws(AuthError) {
        try auth.check(subject, .write, on: KeyRange(key: put.key))
        if put.lease != 0 { try checkKeys(of: put.lease, subject) }
        if put.prevKV { try auth.check(subject, .read, on: KeyRange(key: put.key)) }
    }

    private func check(_ delete: DeleteRangeRequest, _ subject: AuthSubject?) throws(AuthError) {
        let range = KeyRange(key: delete.key, end: delete.rangeEnd)
        try auth.check(subject, .write, on: range)
        if delete.prevKV { try auth.check(subject, .read, on: range) }
    }

    private func check(_ txn: TxnRequest, _ subject: AuthSubject?) throws(AuthError) {
        for compare in txn.compare {
            try auth.check(subject, .read, on: KeyRange(key: compare.key, end: compare.rangeEnd))
        }
        for operation in txn.success + txn.failure {
            switch operation {
            case .range(let range): try auth.check(subject, .read, on: KeyRange(key: range.key, end: range.rangeEnd))
            case .put(let put): try check(put, subject)
            case .deleteRange(let delete): try check(delete, subject)
            case .txn(let nested): try check(nested, subject)
            case .none: break
            }
        }
    }

    /// Whoever hangs a key on a lease, or revokes it, must be allowed to write all that hangs there already.
    private func checkKeys(of lease: LeaseID, _ subject: AuthSubject?) throws(AuthError) {
        for key in lessor.leases[lease]?.sortedKeys ?? [] {
            try auth.check(subject, .write, on: KeyRange(key: key))
        }
    }

    /// Administration is root's; everybody may look at themselves.
    private func check(_ kind: RaftRequestKind, _ bytes: Bytes, _ subject: AuthSubject?) throws(AuthError) {
        switch kind {
        case .authenticate, .authStatus: return
        case .authUserGet:
            if let subject, let request = try? Etcdserverpb_AuthUserGetRequest(decoding: bytes), request.name == subject.user { return }
        case .authRoleGet:
            if let subject, let request = try? Etcdserverpb_AuthRoleGetRequest(decoding: bytes),
                auth.user(subject.user)?.roles.contains(request.role) == true
            {
                return
            }
        default: break
        }
        try auth.checkAdministrator(subject)
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
enum Base64 {
    /// Nil where the text is none.
    static func decode(_ text: String) -> Bytes? {
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
