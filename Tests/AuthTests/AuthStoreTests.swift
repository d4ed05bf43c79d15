import Auth
import Base
import Testing

@Suite("Auth store")
struct AuthStoreTests {
    func storeWithRoot() throws -> AuthStore {
        var store = AuthStore()
        _ = store.initializeRevision()
        _ = try store.addUser("root", password: "hash", noPassword: false)
        _ = try store.addRole("root")
        _ = try store.grant(role: "root", to: "root")
        return store
    }

    @Test("enabling needs the root user with the root role")
    func enabling() throws {
        var store = AuthStore()
        #expect(throws: AuthError.rootUserMissing) { try store.enable() }
        _ = try store.addUser("root", password: "hash", noPassword: false)
        #expect(throws: AuthError.rootRoleMissing) { try store.enable() }
        _ = try store.grant(role: "root", to: "root")
        let before = store.revision
        #expect(try store.enable() == [AuthRow(table: .settings, key: "authEnabled", value: [1])])
        #expect(store.isEnabled && store.revision == before)
        #expect(throws: AuthError.invalidManagement) { try store.deleteUser("root") }
        #expect(throws: AuthError.invalidManagement) { try store.revoke(role: "root", from: "root") }
    }

    @Test("each change raises the revision by one; a repeated grant doesn't")
    func revisions() throws {
        var store = AuthStore()
        #expect(store.initializeRevision() == [AuthRow(table: .settings, key: "authRevision", value: [0, 0, 0, 0, 0, 0, 0, 1])])
        _ = try store.addUser("u", password: "hash", noPassword: false)
        _ = try store.addRole("r")
        _ = try store.grant(role: "r", to: "u")
        #expect(store.revision == 4)
        #expect(try store.grant(role: "r", to: "u") == [])
        #expect(store.revision == 4)
        #expect(throws: AuthError.roleNotGranted) { try store.revoke(role: "x", from: "u") }
        #expect(store.revision == 4)
    }

    @Test("deleting a role strips it from its users")
    func roleDeletion() throws {
        var store = AuthStore()
        _ = try store.addUser("u", password: nil, noPassword: true)
        _ = try store.addRole("r")
        _ = try store.grant(role: "r", to: "u")
        let rows = try store.deleteRole("r")
        #expect(rows.map(\.table) == [.roles, .users, .settings])
        #expect(store.user("u")?.roles == [])
    }

    @Test("touching ranges add up, gaps deny, and root may do everything")
    func permissions() throws {
        var store = try storeWithRoot()
        _ = try store.addUser("u", password: "hash", noPassword: false)
        _ = try store.addRole("r")
        _ = try store.grant(role: "r", to: "u")
        _ = try store.grant(Permission(kind: .read, range: KeyRange(key: "a", end: "c")), to: "r")
        _ = try store.grant(Permission(kind: .readWrite, range: KeyRange(key: "c", end: "e")), to: "r")
        _ = try store.grant(Permission(kind: .read, range: KeyRange(key: "x", end: [0])), to: "r")
        _ = try store.enable()
        let subject = AuthSubject(user: "u", revision: store.revision)
        func allowed(_ kind: PermissionKind, _ key: Bytes, _ end: Bytes = Bytes()) -> Bool {
            (try? store.check(subject, kind, on: KeyRange(key: key, end: end))) != nil
        }
        #expect(allowed(.read, "a", "e"))
        #expect(allowed(.read, "b"))
        #expect(!allowed(.read, "a", "f"))
        #expect(!allowed(.write, "b"))
        #expect(allowed(.write, "c", "e"))
        #expect(allowed(.read, "y", [0]))
        #expect(!allowed(.read, "e"))
        #expect(throws: AuthError.userEmpty) { try store.check(nil, .read, on: KeyRange(key: "a")) }
        #expect(throws: AuthError.oldRevision) {
            try store.check(AuthSubject(user: "u", revision: 1), .read, on: KeyRange(key: "a"))
        }
        let root = AuthSubject(user: "root", revision: store.revision)
        #expect(throws: Never.self) { try store.check(root, .write, on: KeyRange(key: "zzz")) }
        #expect(throws: AuthError.permissionDenied) { try store.checkAdministrator(subject) }
    }

    @Test("permissions are replaced where key and end are the same, refused where the range is empty")
    func grants() throws {
        var store = AuthStore()
        _ = try store.addRole("r")
        _ = try store.grant(Permission(kind: .read, range: KeyRange(key: "a", end: "b")), to: "r")
        _ = try store.grant(Permission(kind: .write, range: KeyRange(key: "a", end: "b")), to: "r")
        #expect(store.role("r")?.permissions == [Permission(kind: .write, range: KeyRange(key: "a", end: "b"))])
        #expect(throws: AuthError.invalidManagement) {
            try store.grant(Permission(kind: .read, range: KeyRange(key: "b", end: "a")), to: "r")
        }
        #expect(throws: AuthError.permissionNotGranted) { try store.revoke(KeyRange(key: "a"), from: "r") }
    }

    @Test("rows survive the way to disk and back")
    func rows() throws {
        let user = User(name: "u", password: "hash", roles: ["a", "b"], hasNoPassword: false)
        #expect(try User(decoding: user.encoded) == user)
        let role = Role(name: "r", permissions: [Permission(kind: .readWrite, range: KeyRange(key: "k", end: [0]))])
        #expect(try Role(decoding: role.encoded) == role)
    }
}
