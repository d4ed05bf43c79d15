// Who may do what with keys, leases and users: asked at the door, and again of every entry when it is applied, because
// users and roles may have changed in between.

package import Auth
package import Base
package import EtcdWire
import Lease

extension StateMachine {
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
        try checkLease(lease, .write, subject)
    }

    // MARK: Asked at the door

    /// Whether the subject may do `kind` with all keys that hang on a lease. Administrators may, whatever the revision at
    /// which they were recognised.
    package func checkLease(_ id: LeaseID, _ kind: PermissionKind, _ subject: AuthSubject?) throws(AuthError) {
        guard auth.isEnabled, let lease = lessor.leases[id], !auth.isAdministrator(subject) else { return }
        for key in lease.sortedKeys { try auth.check(subject, kind, on: KeyRange(key: key)) }
    }

    /// Whether the subject may read all keys that hang on any lease.
    package func checkAllLeases(_ subject: AuthSubject?) throws(AuthError) {
        guard auth.isEnabled, !auth.isAdministrator(subject) else { return }
        for id in lessor.leases.keys.sorted() { try checkLease(id, .read, subject) }
    }

    package func checkTransaction(_ request: TxnRequest, _ subject: AuthSubject?) throws(AuthError) {
        try check(request, subject)
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

