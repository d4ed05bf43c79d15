// Requests as log lines show them.

import Base
import EtcdWire
import Testing

@Suite("Texts of requests")
struct RequestTextTests {
    private func entry(_ body: InternalRaftRequest.Body) -> String {
        RequestText.entry(InternalRaftRequest(header: RequestHeader(id: 7, username: "u", authRevision: 3), body: body))
    }

    private static let header = "header:<ID:7 username:\"u\" auth_revision:3> "

    @Test func keysAreQuotedAndValuesAreCounted() {
        let put = PutRequest(key: Bytes([0, 9, 10, 13, 34, 92, 65, 0x7f, 0xff]), value: "secret", lease: 5, prevKV: true)
        let text = "key:\"\\000\\t\\n\\r\\\"\\\\A\\177\\377\" value_size:6 lease:5 prev_kv:true "
        #expect(RequestText.put(put) == text)
        #expect(entry(.put(put)) == Self.header + "put:<" + text + ">")
    }

    @Test func branchesOfTransactionsAreNested() {
        let inner = TxnRequest(success: [.put(PutRequest(key: "a", value: "secret"))])
        let compare = Compare(result: .notEqual, target: .value, key: "k", targetUnion: .value("secret"), rangeEnd: "l")
        let text = RequestText.txn(TxnRequest(compare: [compare], success: [.txn(inner)], failure: [.none]))
        #expect(
            text == "compare:<result:NOT_EQUAL target:VALUE key:\"k\" value_size:6 range_end:\"l\" > "
                + "success:<request_txn:<compare:<> success:<request_put:<key:\"a\" value_size:6 >> failure:<>>> failure:<>")
    }

    /// What shows no sizes is written in the other of the two ways.
    @Test func keysOfReadsStayTextWhereTheyAre() {
        let key = Bytes([0, 9, 34, 92, 65, 0x7f, 0xff, 0xc3, 0xa9, 0xc2, 0x85])
        let text = "key:\"\\x00\\t\\\"\\\\A\\x7f\\xff\u{e9}\\u0085\" prev_kv:true"
        let delete = DeleteRangeRequest(key: key, prevKV: true)
        #expect(RequestText.deleteRange(delete) == text)
        #expect(entry(.deleteRange(delete)) == "header:{ID:7 username:\"u\" auth_revision:3} delete_range:{\(text)}")
        let read = RequestText.txn(TxnRequest(compare: [Compare(key: "k", targetUnion: .version(5))], success: [.range(RangeRequest(key: "a", limit: 2))]))
        #expect(read == "compare:<key:\"k\" version:5> success:<request_range:{key:\"a\" limit:2}> failure:<>")
    }

    @Test func whatTheLogHasOtherwiseIsNestedInBraces() throws {
        var grant = Etcdserverpb_AuthRoleGrantPermissionRequest()
        grant.name = "r"
        grant.perm.permType = .write
        grant.perm.key.append(0x6b)
        #expect(
            entry(.encoded(.authRoleGrantPermission, try grant.encodedBytes()))
                == "header:{ID:7 username:\"u\" auth_revision:3} "
                + "auth_role_grant_permission:{name:\"r\" perm:{permType:WRITE key:\"k\"}}")
    }

    @Test func numbersWithoutANameStayNumbers() {
        #expect(RequestText.range(RangeRequest(key: "k", sortOrder: SortOrder(rawValue: 9))) == "key:\"k\" sort_order:9")
    }

    @Test func nobodyReadsPasswordsAndTokens() throws {
        var login = Etcdserverpb_InternalAuthenticateRequest()
        login.name = "someone"
        login.password = "secret"
        login.simpleToken = "secret.1"
        var added = Etcdserverpb_AuthUserAddRequest()
        added.name = "someone"
        added.password = "secret"
        added.hashedPassword = "secret"
        var changed = Etcdserverpb_AuthUserChangePasswordRequest()
        changed.name = "someone"
        changed.password = "secret"
        let texts = [
            entry(.encoded(.authenticate, try login.encodedBytes())), entry(.encoded(.authUserAdd, try added.encodedBytes())),
            entry(.encoded(.authUserChangePassword, try changed.encodedBytes())),
        ]
        #expect(texts == ["authenticate", "auth_user_add", "auth_user_change_password"].map { Self.header + "\($0):<name:someone>" })
    }

    @Test func whatIsNoRequestIsShownAsNothing() {
        #expect(entry(.encoded(.authRoleAdd, Bytes([0xff]))) == "header:{ID:7 username:\"u\" auth_revision:3}")
        #expect(RequestText.entry(InternalRaftRequest()) == "header:{}")
    }
}
