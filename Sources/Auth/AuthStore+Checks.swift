// May this user do that? Asked before a request is proposed, and again when it is applied.

package import Base

/// On whose behalf a request comes.
package struct AuthSubject: Sendable, Equatable {
    package var user: String
    /// The auth revision at which the user was recognised; 0 without a user.
    package var revision: UInt64

    package init(user: String, revision: UInt64) {
        self.user = user
        self.revision = revision
    }
}

extension AuthStore {
    /// Refuses unless the subject may do `kind` on all of `range`.
    package func check(_ subject: AuthSubject?, _ kind: PermissionKind, on range: KeyRange) throws(AuthError) {
        guard isEnabled else { return }
        guard let subject, subject.revision != 0 else { throw .userEmpty }
        if subject.revision < revision { throw .oldRevision }
        guard let user = user(subject.user) else { throw .permissionDenied }
        if isRoot(user) { return }
        guard covers(grants(of: user, kind), range) else { throw .permissionDenied }
    }

    /// Refuses unless the subject holds the role root.
    package func checkAdministrator(_ subject: AuthSubject?) throws(AuthError) {
        guard isEnabled else { return }
        guard let subject, !subject.user.isEmpty else { throw .userEmpty }
        guard let user = user(subject.user) else { throw .userNotFound }
        guard isRoot(user) else { throw .permissionDenied }
    }

    private func grants(of user: User, _ kind: PermissionKind) -> [KeyRange] {
        user.roles.flatMap { name in
            (role(name)?.permissions ?? []).filter { kind == .read ? $0.kind.allowsRead : $0.kind.allowsWrite }.map(\.range)
        }
    }

    /// Whether the ranges, joined where they touch, hold all of `wanted`.
    private func covers(_ grants: [KeyRange], _ wanted: KeyRange) -> Bool {
        // Half-open intervals; a nil end is open. A single key `k` is [k, k + zero byte).
        typealias Interval = (start: Bytes, end: Bytes?)
        func interval(_ range: KeyRange) -> Interval {
            if range.isSingleKey { return (range.key, Bytes(range.key.array + [0])) }
            return (range.key, range.isUnbounded ? nil : range.end)
        }
        let target = interval(wanted)
        if let end = target.end, end <= target.start { return true }
        var reached = target.start
        for grant in grants.map(interval).sorted(by: { $0.start < $1.start }) {
            if grant.start > reached { break }
            guard let end = grant.end else { return true }
            reached = max(reached, end)
            if let wantedEnd = target.end, reached >= wantedEnd { return true }
        }
        return false
    }
}
