// Authentication as the log applies it: permissions are asked again, tokens come with entries, and the file keeps all
// but tokens.

import Auth
import Base
import EtcdWire
import Replica
import SimulatedDisk
import StateMachine
import Testing

@Suite("Authentication in the log")
struct AuthApplyTests {
    private func secured(_ member: SimulatedMember) throws {
        func must(_ kind: RaftRequestKind, _ body: Bytes) throws {
            _ = try #require(try member.request(kind, body)).get()
        }
        var root = Etcdserverpb_AuthUserAddRequest()
        root.name = "root"
        root.hashedPassword = "aGFzaA=="
        try must(.authUserAdd, try root.encodedBytes())
        var user = Etcdserverpb_AuthUserAddRequest()
        user.name = "u"
        user.hashedPassword = "aGFzaA=="
        try must(.authUserAdd, try user.encodedBytes())
        for (name, role) in [("root", "root"), ("u", "r")] {
            var add = Etcdserverpb_AuthRoleAddRequest()
            add.name = role
            try must(.authRoleAdd, try add.encodedBytes())
            var grant = Etcdserverpb_AuthUserGrantRoleRequest()
            grant.user = name
            grant.role = role
            try must(.authUserGrantRole, try grant.encodedBytes())
        }
        var permission = Etcdserverpb_AuthRoleGrantPermissionRequest()
        permission.name = "r"
        permission.perm.permType = .readwrite
        permission.perm.key = Bytes("k").data
        try must(.authRoleGrantPermission, try permission.encodedBytes())
        try must(.authEnable, Bytes())
    }

    private func auth(_ member: SimulatedMember) throws -> AuthStore {
        let auth = member.replica?.apply.state.auth
        return try #require(auth)
    }

    private func tokenCount(_ member: SimulatedMember) -> Int? { member.replica?.apply.state.tokens.count }

    private func failure(_ outcome: Result<Reply, EtcdError>?) -> EtcdError? {
        if case .failure(let error)? = outcome { error } else { nil }
    }

    @Test("an entry counts as of the users and roles when it is applied")
    func staleness() throws {
        let member = try SimulatedMember(SimulatedDisk(seed: 1))
        try secured(member)
        let revision = try auth(member).revision
        let put = PutRequest(key: "k", value: "v").encoded()
        #expect(failure(try member.request(.put, put)) == .userEmpty)
        #expect(failure(try member.request(.put, put, user: "u", authRevision: revision)) == nil)
        #expect(failure(try member.request(.put, put, user: "u", authRevision: revision - 1)) == .authOldRevision)
        #expect(failure(try member.request(.put, put, user: "x", authRevision: revision)) == .permissionDenied)
        let other = PutRequest(key: "l", value: "v").encoded()
        #expect(failure(try member.request(.put, other, user: "u", authRevision: revision)) == .permissionDenied)
        #expect(try member.value("l") == nil)
        #expect(failure(try member.request(.put, other, user: "root", authRevision: revision)) == nil)
        // Administration asks who, not as of when.
        #expect(failure(try member.request(.authUserList, Bytes(), user: "root", authRevision: 1)) == nil)
        #expect(failure(try member.request(.authUserList, Bytes(), user: "u", authRevision: revision)) == .permissionDenied)
        #expect(failure(try member.request(.authUserList, Bytes(), user: "x", authRevision: revision)) == .userNotFound)
        #expect(failure(try member.request(.authStatus, Bytes())) == nil)
    }

    @Test("a lease with keys of others can neither be taken nor revoked; root may")
    func leases() throws {
        let member = try SimulatedMember(SimulatedDisk(seed: 1))
        try secured(member)
        let revision = try auth(member).revision
        _ = try member.request(.leaseGrant, LeaseGrantRequest(ttl: 100, id: 7).encoded(), user: "u", authRevision: revision)
        _ = try member.request(.put, PutRequest(key: "other", lease: 7).encoded(), user: "root", authRevision: revision)
        let put = PutRequest(key: "k", lease: 7).encoded()
        let revoke = LeaseRevokeRequest(id: 7).encoded()
        #expect(failure(try member.request(.put, put, user: "u", authRevision: revision)) == .permissionDenied)
        #expect(failure(try member.request(.leaseRevoke, revoke, user: "u", authRevision: revision)) == .permissionDenied)
        #expect(failure(try member.request(.leaseRevoke, revoke, user: "root", authRevision: 1)) == nil)
    }

    @Test("a login's token bears the index of the entry before its own, and goes with its user")
    func tokens() throws {
        let member = try SimulatedMember(SimulatedDisk(seed: 1))
        var login = Etcdserverpb_InternalAuthenticateRequest()
        login.name = "u"
        login.simpleToken = "abcdefghijklmnop"
        #expect(failure(try member.request(.authenticate, try login.encodedBytes())) == .authNotEnabled)
        try secured(member)
        let reply = try #require(try member.request(.authenticate, try login.encodedBytes())).get()
        let applied = member.replica?.apply.appliedIndex ?? 0
        #expect(applied > 1)
        let token = try Etcdserverpb_AuthenticateResponse(decoding: reply.body).token
        #expect(token == "abcdefghijklmnop.\(applied - 1)")
        let user = member.replica?.apply.state.tokens.user(of: token, now: member.clock)
        #expect(user == "u")
        // Where tokens are signed, the log holds none.
        login.simpleToken = ""
        let signed = try #require(try member.request(.authenticate, try login.encodedBytes())).get()
        #expect(signed.body.isEmpty)
        #expect(tokenCount(member) == 1)
        login.name = "x"
        #expect(failure(try member.request(.authenticate, try login.encodedBytes())) == .authFailed)
        var delete = Etcdserverpb_AuthUserDeleteRequest()
        delete.name = "u"
        _ = try member.request(.authUserDelete, try delete.encodedBytes(), user: "root", authRevision: 1)
        #expect(tokenCount(member) == 0)
    }

    @Test("a password that a member before 3.5 proposed is hashed, alike on all members and unlike others")
    func plainPasswords() throws {
        var stored: [[Bytes]] = []
        for seed in UInt64(1)...2 {
            let member = try SimulatedMember(SimulatedDisk(seed: seed))
            var found: [Bytes] = []
            func password(_ name: String) throws -> Bytes { try #require(try auth(member).user(name)).password }
            for name in ["a", "b"] {
                var add = Etcdserverpb_AuthUserAddRequest()
                add.name = name
                add.password = "secret"
                #expect(failure(try member.request(.authUserAdd, try add.encodedBytes())) == nil)
                found.append(try password(name))
            }
            var change = Etcdserverpb_AuthUserChangePasswordRequest()
            change.name = "a"
            change.password = "secret"
            for _ in 0..<2 {
                #expect(failure(try member.request(.authUserChangePassword, try change.encodedBytes())) == nil)
                found.append(try password("a"))
            }
            #expect(found.allSatisfy { $0.array.starts(with: Array("hash of secret with ".utf8)) && $0.count == 36 })
            #expect(Set(found).count == 4)
            // One that has both was proposed since; one that cannot be hashed changes nothing.
            change.hashedPassword = "aGFzaA=="
            #expect(failure(try member.request(.authUserChangePassword, try change.encodedBytes())) == nil)
            #expect(try password("a") == "hash")
            change.hashedPassword = ""
            change.password = "too long"
            #expect(failure(try member.request(.authUserChangePassword, try change.encodedBytes())) == .noPasswordUser)
            #expect(try password("a") == "hash")
            var none = Etcdserverpb_AuthUserAddRequest()
            none.name = "c"
            none.password = "secret"
            none.options.noPassword = true
            #expect(failure(try member.request(.authUserAdd, try none.encodedBytes())) == nil)
            #expect(try password("c").isEmpty)
            stored.append(found)
        }
        #expect(stored[0] == stored[1])
    }

    @Test("users, roles and the revision survive a crash")
    func restart() throws {
        let disk = SimulatedDisk(seed: 4)
        let member = try SimulatedMember(disk)
        try secured(member)
        let before = try auth(member)
        let again = try SimulatedMember(disk.crash())
        #expect(try auth(again) == before)
        #expect(try auth(again).isEnabled)
        #expect(failure(try again.request(.put, PutRequest(key: "k").encoded(), user: "u", authRevision: before.revision)) == nil)
    }
}
