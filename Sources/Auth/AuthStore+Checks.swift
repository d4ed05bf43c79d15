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
        guard let grants = grants(of: user), (kind == .read ? grants.read : grants.write).hold(range) else { throw .permissionDenied }
    }

    /// Refuses unless the subject holds the role root.
    package func checkAdministrator(_ subject: AuthSubject?) throws(AuthError) {
        guard isEnabled else { return }
        guard let subject, !subject.user.isEmpty else { throw .userEmpty }
        guard let user = user(subject.user) else { throw .userNotFound }
        guard isRoot(user) else { throw .permissionDenied }
    }

    package func isAdministrator(_ subject: AuthSubject?) -> Bool {
        do throws(AuthError) {
            try checkAdministrator(subject)
            return true
        } catch {
            return false
        }
    }

    /// Refuses only those of whom nothing is known.
    package func checkAnyUser(_ subject: AuthSubject?) throws(AuthError) {
        if isEnabled && subject == nil { throw .userEmpty }
    }

    /// Whether the user, by name alone, may read the range now: for what was allowed once and goes on.
    package func isRangePermitted(_ user: String, _ range: KeyRange) -> Bool {
        do throws(AuthError) {
            try check(AuthSubject(user: user, revision: revision), .read, on: range)
            return true
        } catch {
            return false
        }
    }

    /// Finds a user to compare a password with.
    package func userForPassword(_ name: String) throws(AuthError) -> User {
        guard isEnabled else { throw .notEnabled }
        guard let user = user(name) else { throw .failed }
        if user.hasNoPassword == true { throw .noPasswordUser }
        return user
    }
}
