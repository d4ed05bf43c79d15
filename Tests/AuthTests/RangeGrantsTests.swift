import Auth
import Base
import Testing

@Suite("Granted ranges")
struct RangeGrantsTests {
    /// A small generator (SplitMix64) with a seed.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
    }

    /// Keys of one or two letters stand for all keys: ranges that end between letters hold whole letters only.
    private static let letters: [UInt8] = Array("abcdefgh".utf8)

    @Test("permissions of many roles hold exactly the keys that one of them holds", arguments: 0..<60)
    func againstModel(_ seed: Int) throws {
        var generator = Generator(state: UInt64(seed))
        var store = AuthStore()
        _ = store.initializeRevision()
        _ = try store.addUser("root", password: nil, noPassword: true)
        _ = try store.grant(role: "root", to: "root")
        _ = try store.addUser("u", password: nil, noPassword: true)
        var allowed: Set<UInt8> = []
        for role in ["r", "s"] {
            _ = try store.addRole(role)
            _ = try store.grant(role: role, to: "u")
            for _ in 0..<Int.random(in: 0..<3, using: &generator) {
                let first = Int.random(in: 0..<8, using: &generator)
                let last = Int.random(in: first..<8, using: &generator)
                let isOpen = Bool.random(using: &generator) && last == 7
                let end: Bytes = isOpen ? [0] : [Self.letters[last] + 1]
                let kind: PermissionKind = Bool.random(using: &generator) ? .read : .readWrite
                _ = try store.grant(Permission(kind: kind, range: KeyRange(key: [Self.letters[first]], end: end)), to: role)
                allowed.formUnion(Self.letters[first...last])
            }
        }
        // A grant replaces one of the same range, never what it allows to read.
        _ = try store.enable()
        let subject = AuthSubject(user: "u", revision: store.revision)
        func mayRead(_ range: KeyRange) -> Bool {
            do throws(AuthError) {
                try store.check(subject, .read, on: range)
                return true
            } catch {
                return false
            }
        }
        for first in 0..<8 {
            #expect(mayRead(KeyRange(key: [Self.letters[first], 1])) == allowed.contains(Self.letters[first]))
            for last in first..<8 {
                let wanted = Self.letters[first...last]
                let range = KeyRange(key: [Self.letters[first]], end: [Self.letters[last] + 1])
                #expect(mayRead(range) == wanted.allSatisfy(allowed.contains), "\(seed) \(first) \(last)")
            }
        }
    }

    @Test("what a role loses, its users lose at once")
    func following() throws {
        var store = AuthStore()
        _ = store.initializeRevision()
        _ = try store.addUser("root", password: nil, noPassword: true)
        _ = try store.grant(role: "root", to: "root")
        _ = try store.addUser("u", password: nil, noPassword: true)
        _ = try store.addRole("r")
        _ = try store.grant(role: "r", to: "u")
        _ = try store.enable()
        let range = KeyRange(key: "k")
        #expect(!store.isRangePermitted("u", range))
        _ = try store.grant(Permission(kind: .read, range: range), to: "r")
        #expect(store.isRangePermitted("u", range))
        var revoked = store
        _ = try revoked.revoke(range, from: "r")
        #expect(!revoked.isRangePermitted("u", range))
        var deleted = store
        _ = try deleted.deleteRole("r")
        #expect(!deleted.isRangePermitted("u", range))
        _ = try deleted.addRole("r")
        _ = try deleted.grant(Permission(kind: .read, range: range), to: "r")
        #expect(!deleted.isRangePermitted("u", range), "a new role of the same name is another")
        _ = try store.revoke(role: "r", from: "u")
        #expect(!store.isRangePermitted("u", range))
        _ = try store.deleteUser("u")
        #expect(!store.isRangePermitted("u", range))
    }

    @Test("loaded rows grant as those that were made")
    func loading() throws {
        let range = KeyRange(key: "a", end: "c")
        let store = AuthStore(
            isEnabled: true, revision: 9, users: [User(name: "u", roles: ["r"])],
            roles: [Role(name: "r", permissions: [Permission(kind: .write, range: range)])])
        #expect(throws: Never.self) { try store.check(AuthSubject(user: "u", revision: 9), .write, on: KeyRange(key: "b")) }
        #expect(throws: AuthError.permissionDenied) { try store.check(AuthSubject(user: "u", revision: 9), .read, on: KeyRange(key: "b")) }
        #expect(throws: AuthError.oldRevision) { try store.check(AuthSubject(user: "u", revision: 8), .write, on: KeyRange(key: "b")) }
    }

    @Test("only users with a password can be asked for one")
    func passwords() throws {
        var store = AuthStore(
            isEnabled: false, revision: 9, users: [User(name: "u", password: "hash"), User(name: "n", hasNoPassword: true)], roles: [])
        #expect(throws: AuthError.notEnabled) { try store.userForPassword("u") }
        store = AuthStore(isEnabled: true, revision: 9, users: [User(name: "u", password: "hash"), User(name: "n", hasNoPassword: true)], roles: [])
        #expect(try store.userForPassword("u").password == "hash")
        #expect(throws: AuthError.noPasswordUser) { try store.userForPassword("n") }
        #expect(throws: AuthError.failed) { try store.userForPassword("x") }
    }
}
