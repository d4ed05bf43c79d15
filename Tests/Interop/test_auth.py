"""Users, roles, tokens and permissions: generated requests against ours and Go etcd 3.5.1, the stock etcdctl, signed
tokens made here, restarts, and directories that move between ours and Go's."""

import base64
import json
import os
import random
import time
import urllib.request

import grpc
import harness
import pytest
from cluster import Cluster
from harness import b64, etcdctl
from test_differential import plain
from test_grpc import field, fields
from test_peer_input import GOOD, ask
from test_watch import Watch, number

SEED = int(os.environ.get("ETCD_AUTH_SEED", "5"))
COUNT = int(os.environ.get("ETCD_AUTH_COUNT", "500"))
CEILING = harness.ceiling()
# Cheap hashes: the tests log in often.
CHEAP = ["--bcrypt-cost", "4"]
PERMISSIONS = [
    ("READ", "a", "c"), ("WRITE", "w", ""), ("READWRITE", "x", "\0"), ("READ", "k1", "k5"), ("READ", "k5", "k7"), ("WRITE", "k3", "k4"),
    ("READWRITE", "solo", ""),
]


def send(member, path, request, token=None, timeout=10):
    headers = {"Authorization": token} if token is not None else {}
    return member.request(path, json.dumps(request).encode(), headers, timeout)


def expect(member, path, request=None, token=None, status=200):
    answer = send(member, path, request or {}, token)
    assert answer[0] == status, (path, request, answer)
    return answer[1]


def log_in(member, name, password):
    return expect(member, "/v3/auth/authenticate", {"name": name, "password": password})["token"]


def permission(kind, key, end):
    return {"permType": kind, "key": b64(key), **({"range_end": b64(end)} if end else {})}


def test_passwords_that_members_before_3_5_proposed(tmp_path):
    """As they were typed, in the log: each member hashes them when it applies them, under a leader of ours and of Go's."""
    for leads in ("ours", "go"):
        (tmp_path / leads).mkdir()
        with Cluster(tmp_path / leads, ("ours", "go", "ours"), extra=CHEAP) as cluster:
            leader = next(member for member in cluster.members if member.kind == leads)
            if cluster.leader() is not leader:
                cluster.move_leader(leader)
            harness.wait_for(lambda: cluster.leader() is leader)
            other = next(member for member in cluster.members if member is not leader)
            to, sender = cluster.id(leader), cluster.id(other)
            set_up(leader)
            with urllib.request.urlopen(f"http://127.0.0.1:{leader.peer}/members") as answer:
                headers = {**GOOD, "X-Etcd-Cluster-ID": answer.headers["X-Etcd-Cluster-ID"]}

            def propose(tag, body):
                """As a follower hands a request on."""
                header = field(100, field(1, sender << 48 & (1 << 64) - 1 | 7) + field(2, b"root") + field(3, 1))
                entry = field(7, field(4, header + field(tag, body)))
                message = field(1, 2) + field(2, to) + field(3, sender) + entry
                assert ask(leader, "POST", "/raft", headers, message)[0] == 204

            def lets_in(password):
                return [send(member, "/v3/auth/authenticate", {"name": "old", "password": password})[0] == 200
                        for member in cluster.members]

            propose(1100, field(1, b"old") + field(2, b"first"))
            harness.wait_for(lambda: all(lets_in("first")))
            assert not any(lets_in("other")) and not any(lets_in(""))
            propose(1103, field(1, b"old") + field(2, b"second"))
            harness.wait_for(lambda: all(lets_in("second")))
            assert not any(lets_in("first"))


def set_up(member, enable=True):
    expect(member, "/v3/auth/user/add", {"name": "root", "password": "rp"})
    expect(member, "/v3/auth/role/add", {"name": "root"})
    expect(member, "/v3/auth/user/grant", {"user": "root", "role": "root"})
    expect(member, "/v3/auth/user/add", {"name": "u", "password": "up"})
    expect(member, "/v3/auth/role/add", {"name": "r"})
    for each in PERMISSIONS:
        expect(member, "/v3/auth/role/grant", {"name": "r", "perm": permission(*each)})
    expect(member, "/v3/auth/user/grant", {"user": "u", "role": "r"})
    if enable:
        expect(member, "/v3/auth/enable")


class Generator:
    KEYS = ["a", "b", "bb", "c", "w", "wa", "x", "y", "zz", "k0", "k1", "k3", "k4", "k5", "k6", "k7", "solo", "solo2"]

    def __init__(self, seed):
        self.random = random.Random(f"auth-{seed}")

    def key(self):
        return b64(self.random.choice(self.KEYS))

    def span(self):
        """A key, or a range that holds something: whether Go allows empty ones depends on the shape of a tree of its own."""
        key = self.random.choice(self.KEYS)
        if self.random.random() < 0.5:
            return {"key": b64(key)}
        ends = [end for end in self.KEYS if end > key]
        return {"key": b64(key), "range_end": b64(self.random.choice(ends + ["\0", "\0"]))}

    def flag(self, name):
        return {name: True} if self.random.random() < 0.3 else {}

    def range(self):
        return {**self.span(), **self.flag("serializable")}

    def put(self, inside=False):
        # 3.5.1 does not look at the keys on a lease inside transactions.
        lease = {"lease": self.random.choice(["700", "701"])} if not inside and self.random.random() < 0.3 else {}
        return {"key": self.key(), "value": b64("v"), **self.flag("prev_kv"), **lease}

    def delete(self):
        return {**self.span(), **self.flag("prev_kv")}

    def operation(self):
        # 3.5.1 does not look into transactions inside others; 3.7 does, see `test_nested_transactions`.
        kinds = [("request_range", self.range), ("request_put", lambda: self.put(inside=True)), ("request_delete_range", self.delete)]
        name, make = self.random.choice(kinds)
        return {name: make()}

    def txn(self):
        compares = [
            {"target": "VERSION", "result": "GREATER", "version": "0", **self.span()}
            for _ in range(self.random.randrange(2))
        ]
        return {
            "compare": compares, "success": [self.operation() for _ in range(self.random.randrange(3))],
            "failure": [self.operation() for _ in range(self.random.randrange(2))],
        }

    def management(self):
        name = self.random.choice(["u", "v", "root", "nobody"])
        role = self.random.choice(["r", "s", "root", "nothing"])
        each = permission(self.random.choice(["READ", "WRITE", "READWRITE"]), *self.random.choice(
            [("m", ""), ("m", "n"), ("n", ""), ("q", "\0"), ("a", "c")]))
        return self.random.choice([
            ("user/add", {"name": name, "password": "pw"}), ("user/add", {"name": name, "options": {"no_password": True}}),
            ("user/get", {"name": name}), ("user/list", {}), ("user/delete", {"name": "v"}),
            ("user/grant", {"user": name, "role": role}), ("user/revoke", {"name": self.random.choice(["v", "root"]), "role": role}),
            ("role/add", {"name": role}), ("role/get", {"role": "s"}), ("role/list", {}), ("role/delete", {"role": self.random.choice(["s", "root"])}),
            ("role/grant", {"name": self.random.choice(["s", "nothing"]), "perm": each}),
            ("role/revoke", {"role": "s", "key": each["key"], "range_end": each.get("range_end", "")}),
            ("user/changepw", {"name": self.random.choice(["v", "nobody"]), "password": "new"}), ("enable", {}),
        ])

    def next(self):
        choice = self.random.random()
        if choice < 0.25:
            return "/v3/kv/range", self.range()
        if choice < 0.45:
            return "/v3/kv/put", self.put()
        if choice < 0.55:
            return "/v3/kv/deleterange", self.delete()
        if choice < 0.75:
            return "/v3/kv/txn", self.txn()
        if choice < 0.8:
            return self.random.choice([
                ("/v3/maintenance/defragment", {}),
                ("/v3/cluster/member/remove", {"ID": "1"}), ("/v3/lease/revoke", {"ID": "702"}), ("/v3/lease/leases", {}),
            ])
        path, request = self.management()
        return f"/v3/auth/{path}", request


def test_generated_requests(tmp_path):
    """Root, a user with rights here and there, a bad token and none."""
    ours = harness.Member(tmp_path / "ours", extra=CHEAP)
    theirs = harness.Member(tmp_path / "go", program=harness.go_program("etcd"), extra=CHEAP)
    generator = Generator(SEED)
    refused = 0
    with ours, theirs:
        tokens = {}
        for member in (ours, theirs):
            for lease in ("700", "701", "702"):
                expect(member, "/v3/lease/grant", {"ID": lease, "TTL": "1000"})
            for name in generator.KEYS:
                member.put(name, "first")
            expect(member, "/v3/kv/put", {"key": b64("c"), "value": "", "lease": "701"})
            expect(member, "/v3/kv/put", {"key": b64("c2"), "value": "", "lease": "702"})
            set_up(member)
            tokens[member] = {"root": log_in(member, "root", "rp"), "u": log_in(member, "u", "up"), "bad": "bad.1", "worse": "x", "none": None}
        for step in range(COUNT):
            who = generator.random.choices(["root", "u", "bad", "worse", "none"], [4, 10, 1, 1, 2])[0]
            path, request = generator.next()
            if path == "/v3/lease/revoke" and who == "none":
                # 3.7 refuses at once; 3.5 lets nobody revoke a lease without keys.
                continue
            left, right = (send(member, path, request, tokens[member][who]) for member in (ours, theirs))
            if path == "/v3/lease/leases":
                # 3.5.1 shows all leases to everybody.
                continue
            if path.startswith("/v3/maintenance") and right[1].get("message", "").startswith("auth: "):
                # 3.5.1 forgot to translate these.
                assert left[1]["message"] == right[1]["message"].replace("auth:", "etcdserver:"), (left, right)
                continue
            assert (left[0], plain(left[1])) == (right[0], plain(right[1])), (
                f"seed {SEED}, request {step} by {who}: {path} {request}\nours   {left}\nGo     {right}")
            refused += left[0] in (401, 403)
        assert COUNT / 20 < refused < COUNT * 0.9
        for member in (ours, theirs):
            expect(member, "/v3/auth/disable", token=tokens[member]["root"])
        assert ours.hashkv() == theirs.hashkv()
        assert plain(expect(ours, "/v3/auth/status")) == plain(expect(theirs, "/v3/auth/status"))


@pytest.fixture
def secured(tmp_path):
    member = harness.Member(tmp_path / "data", extra=CHEAP)
    with member:
        member.put("a", "1")
        set_up(member)
        yield member


def test_every_request_without_a_user(secured):
    """3.7 lets nobody do anything but log in, look whether users matter, and look at health and version."""
    empty = {"code": 3, "message": "etcdserver: user name is empty"}
    for path, request in [
        ("kv/range", {"key": "YQ=="}), ("kv/put", {"key": "YQ=="}), ("kv/deleterange", {"key": "YQ=="}),
        ("kv/txn", {"success": [{"request_range": {"key": "YQ=="}}]}), ("kv/txn", {"success": [{"request_put": {"key": "YQ=="}}]}),
        ("kv/compaction", {"revision": "1"}), ("lease/grant", {"TTL": "9"}), ("lease/revoke", {"ID": "9"}),
        ("lease/timetolive", {"ID": "9"}), ("lease/leases", {}), ("lease/keepalive", {"ID": "9"}), ("maintenance/status", {}),
        ("maintenance/alarm", {}), ("maintenance/alarm", {"action": "ACTIVATE"}), ("maintenance/defragment", {}),
        ("maintenance/hash", {}), ("maintenance/hashkv", {}), ("maintenance/snapshot", {}), ("maintenance/transfer-leadership", {}),
        ("maintenance/downgrade", {}), ("cluster/member/list", {}), ("cluster/member/add", {"peerURLs": ["http://a:1"]}),
        ("cluster/member/remove", {"ID": "1"}), ("cluster/member/update", {"ID": "1", "peerURLs": ["http://a:1"]}),
        ("cluster/member/promote", {"ID": "1"}), ("auth/user/list", {}), ("auth/role/list", {}), ("auth/user/get", {"name": "u"}),
        ("auth/role/get", {"role": "r"}), ("auth/user/add", {"name": "z", "password": "z"}), ("auth/disable", {}),
    ]:
        status, answer = send(secured, f"/v3/{path}", request)
        if "error" in answer:
            # The end of a stream.
            answer, status = answer["error"], 400
        assert (status, plain(answer)) == (400, empty), (path, status, answer)
    assert expect(secured, "/v3/auth/status")["enabled"] is True
    assert secured.get("/health")[0] == 200
    assert secured.get("/version")[0] == 200


def test_administration(secured):
    """What 3.7 leaves to root alone; 3.5.1 guarded less."""
    denied = {"code": 7, "message": "etcdserver: permission denied"}
    user = log_in(secured, "u", "up")
    for path, request in [
        ("kv/compaction", {"revision": "1"}), ("maintenance/alarm", {"action": "ACTIVATE"}), ("maintenance/alarm", {"action": "DEACTIVATE"}),
        ("maintenance/defragment", {}), ("maintenance/hash", {}), ("maintenance/hashkv", {}), ("maintenance/snapshot", {}),
        ("maintenance/transfer-leadership", {"targetID": "1"}), ("maintenance/downgrade", {"action": "CANCEL"}),
        ("cluster/member/add", {"peerURLs": ["http://a:1"]}), ("cluster/member/remove", {"ID": "1"}),
        ("cluster/member/update", {"ID": "1", "peerURLs": ["http://a:1"]}), ("cluster/member/promote", {"ID": "1"}),
        ("auth/enable", {}), ("auth/disable", {}), ("auth/user/list", {}), ("auth/role/list", {}), ("auth/user/get", {"name": "root"}),
        ("auth/role/get", {"role": "root"}), ("auth/user/add", {"name": "z", "password": "z"}), ("auth/user/delete", {"name": "u"}),
        ("auth/user/changepw", {"name": "u", "password": "z"}), ("auth/user/grant", {"user": "u", "role": "root"}),
        ("auth/user/revoke", {"name": "u", "role": "r"}), ("auth/role/add", {"name": "z"}), ("auth/role/delete", {"role": "r"}),
        ("auth/role/grant", {"name": "r", "perm": permission("READ", "c", "")}), ("auth/role/revoke", {"role": "r", "key": b64("w")}),
    ]:
        status, answer = send(secured, f"/v3/{path}", request, user)
        answer = answer.get("error", answer)
        assert plain(answer) == denied, (path, status, answer)
    for path, request in [
        ("maintenance/status", {}), ("maintenance/alarm", {}), ("cluster/member/list", {}), ("cluster/member/list", {"linearizable": True}),
        ("auth/user/get", {"name": "u"}), ("auth/role/get", {"role": "r"}), ("auth/status", {}), ("lease/grant", {"TTL": "9"}),
    ]:
        expect(secured, f"/v3/{path}", request, user)
    root = log_in(secured, "root", "rp")
    for path, request in [
        ("kv/compaction", {"revision": "1"}), ("maintenance/hash", {}), ("maintenance/hashkv", {}), ("maintenance/defragment", {}),
        ("maintenance/alarm", {"action": "DEACTIVATE"}), ("auth/user/list", {}), ("auth/user/get", {"name": "u"}),
    ]:
        expect(secured, f"/v3/{path}", request, root)


def test_nested_transactions(secured):
    user = log_in(secured, "u", "up")
    inner = [
        ({"request_range": {"key": b64("c")}}, 403), ({"request_range": {"key": b64("a")}}, 200), ({"request_put": {"key": b64("a")}}, 403),
        ({"request_put": {"key": b64("w")}}, 200), ({"request_put": {"key": b64("w"), "prev_kv": True}}, 403),
        ({"request_delete_range": {"key": b64("x"), "range_end": b64("\0")}}, 200),
        ({"request_delete_range": {"key": b64("v"), "range_end": b64("\0")}}, 403),
    ]
    for operation, status in inner:
        for branch in ("success", "failure"):
            txn = {branch: [operation]}
            for _ in range(3):
                expect(secured, "/v3/kv/txn", txn, user, status)
                txn = {branch: [{"request_txn": txn}]}
    compared = {"success": [{"request_txn": {"compare": [{"key": b64("c"), "target": "VERSION"}]}}]}
    expect(secured, "/v3/kv/txn", compared, user, 403)


def test_leases_of_others(secured):
    root, user = log_in(secured, "root", "rp"), log_in(secured, "u", "up")
    for lease, key, token in [("801", "c", root), ("802", "b", root), ("803", "x", user), ("804", None, user)]:
        expect(secured, "/v3/lease/grant", {"ID": lease, "TTL": "500"}, token)
        if key:
            expect(secured, "/v3/kv/put", {"key": b64(key), "lease": lease}, token)
    # Of the key on 801 the user may nothing, of that on 802 read, of that on 803 all.
    assert expect(secured, "/v3/lease/timetolive", {"ID": "801"}, user)["grantedTTL"] == "500"
    expect(secured, "/v3/lease/timetolive", {"ID": "801", "keys": True}, user, 403)
    assert expect(secured, "/v3/lease/timetolive", {"ID": "802", "keys": True}, user)["keys"] == [b64("b")]
    for lease, status in [("801", 403), ("802", 403), ("803", 200), ("804", 200)]:
        code, answer = send(secured, "/v3/lease/keepalive", {"ID": lease}, user)
        assert ("error" in answer or code == 403) == (status == 403), answer
    expect(secured, "/v3/lease/leases", {}, user, 403)
    assert len(expect(secured, "/v3/lease/leases", {}, root)["leases"]) == 4
    expect(secured, "/v3/kv/put", {"key": b64("x1"), "lease": "801"}, user, 403)
    for lease, status in [("801", 403), ("802", 403), ("803", 200), ("804", 200)]:
        expect(secured, "/v3/lease/revoke", {"ID": lease}, user, status)
    # Leases end by themselves though nobody asks.
    expect(secured, "/v3/lease/grant", {"ID": "805", "TTL": "1"}, root)
    expect(secured, "/v3/kv/put", {"key": b64("gone"), "lease": "805"}, root)
    end = time.time() + 15
    while time.time() < end and "kvs" in expect(secured, "/v3/kv/range", {"key": b64("gone")}, root):
        time.sleep(0.1)
    assert "kvs" not in expect(secured, "/v3/kv/range", {"key": b64("gone")}, root)


def test_passwords(secured):
    root = log_in(secured, "root", "rp")
    bad = {"code": 3, "message": "etcdserver: authentication failed, invalid user ID or password"}
    for name, password in [("u", "UP"), ("u", ""), ("nobody", "up"), ("", "")]:
        assert plain(expect(secured, "/v3/auth/authenticate", {"name": name, "password": password}, status=400)) == bad
    expect(secured, "/v3/auth/user/add", {"name": "certificate", "options": {"no_password": True}}, root)
    refused = expect(secured, "/v3/auth/authenticate", {"name": "certificate", "password": "x"}, status=500)
    assert refused["message"] == "auth: authentication failed, password was given for no password user"
    long = expect(secured, "/v3/auth/user/add", {"name": "long", "password": "x" * 73}, root, status=500)
    assert long["message"] == "bcrypt: password length exceeds 72 bytes"
    # A new password ends the old one and its tokens; an empty one lets nobody in.
    token = log_in(secured, "u", "up")
    expect(secured, "/v3/auth/user/changepw", {"name": "u", "password": "geheim ü"}, root)
    assert expect(secured, "/v3/kv/range", {"key": "YQ=="}, token, 401)["message"] == "etcdserver: invalid auth token"
    assert plain(expect(secured, "/v3/auth/authenticate", {"name": "u", "password": "up"}, status=400)) == bad
    assert expect(secured, "/v3/kv/range", {"key": "YQ=="}, log_in(secured, "u", "geheim ü"))["count"] == "1"
    expect(secured, "/v3/auth/user/changepw", {"name": "u", "password": ""}, root)
    assert plain(expect(secured, "/v3/auth/authenticate", {"name": "u", "password": ""}, status=400)) == bad
    # The log holds no password.
    secured.stop()
    written = b"".join(path.read_bytes() for path in secured.directory.rglob("*") if path.is_file())
    assert b"geheim" not in written and b"$2a$04$" in base64_found(written)


def base64_found(data):
    """The hashes, whether they stand as they are or in base64."""
    return data + b"$2a$04$" if base64.b64encode(b"$2a$04")[:8] in data else data


def test_tokens_run_out(tmp_path):
    member = harness.Member(tmp_path / "data", extra=CHEAP + ["--auth-token-ttl", "2"])
    with member:
        member.put("a", "1")
        set_up(member)
        token, idle = log_in(member, "u", "up"), log_in(member, "u", "up")
        letters, index = token.split(".")
        assert len(letters) == 16 and letters.isalpha() and int(index) > 0
        # Use keeps it alive, longer than it would live by itself.
        for _ in range(6):
            time.sleep(0.6)
            expect(member, "/v3/kv/range", {"key": "YQ=="}, token)
        expect(member, "/v3/kv/range", {"key": "YQ=="}, idle, 401)
        time.sleep(3)
        expect(member, "/v3/kv/range", {"key": "YQ=="}, token, 401)


def test_restart_and_kill(secured):
    root = log_in(secured, "root", "rp")
    status = expect(secured, "/v3/auth/status", token=root)
    secured.kill()
    secured.start()
    assert plain(expect(secured, "/v3/auth/status")) == plain(status)
    # Whether a token outlives a kill depends on what of the log is replayed; a new one always works.
    assert send(secured, "/v3/kv/range", {"key": "YQ=="}, root)[0] in (200, 401)
    user = log_in(secured, "u", "up")
    expect(secured, "/v3/kv/range", {"key": "YQ=="}, user)
    expect(secured, "/v3/kv/put", {"key": "YQ=="}, user, 403)
    secured.stop()
    secured.start()
    expect(secured, "/v3/kv/range", {"key": "YQ=="}, user, 401)
    expect(secured, "/v3/auth/disable", token=log_in(secured, "root", "rp"))
    assert secured.put("zz", "free") > 1


def test_etcdctl(tmp_path):
    member = harness.Member(tmp_path / "data")
    root, user = ["--user", "root:rp"], ["--user", "u:up"]
    with member:
        assert etcdctl(member, "user", "add", "root:rp").stdout == "User root created\n"
        assert etcdctl(member, "user", "add", "u", "--new-user-password", "up").stdout == "User u created\n"
        assert etcdctl(member, "user", "add", "cert", "--no-password").stdout == "User cert created\n"
        assert etcdctl(member, "role", "add", "root").stdout == "Role root created\n"
        assert etcdctl(member, "user", "grant-role", "root", "root").stdout == "Role root is granted to user root\n"
        assert etcdctl(member, "role", "add", "r").stdout == "Role r created\n"
        assert etcdctl(member, "role", "grant-permission", "r", "readwrite", "p/", "--prefix").stdout == "Role r updated\n"
        assert etcdctl(member, "role", "grant-permission", "r", "read", "q").stdout == "Role r updated\n"
        assert etcdctl(member, "user", "grant-role", "u", "r").stdout == "Role r is granted to user u\n"
        assert etcdctl(member, "auth", "enable", *root).stdout == "Authentication Enabled\n"
        assert "Authentication Status: true" in etcdctl(member, "auth", "status", *root).stdout
        assert etcdctl(member, "put", "p/1", "x", *user).stdout == "OK\n"
        assert etcdctl(member, "get", "p/", "--prefix", *user).stdout == "p/1\nx\n"
        assert "permission denied" in etcdctl(member, "put", "q", "x", *user, check=False).stderr
        assert etcdctl(member, "put", "q", "y", *root).stdout == "OK\n"
        assert etcdctl(member, "get", "q", *user).stdout == "q\ny\n"
        assert "permission denied" in etcdctl(member, "get", "", "--prefix", *user, check=False).stderr
        assert "user name is empty" in etcdctl(member, "get", "q", check=False).stderr
        assert "invalid user ID or password" in etcdctl(member, "get", "q", "--user", "u:no", check=False).stderr
        assert etcdctl(member, "user", "list", *root).stdout == "cert\nroot\nu\n"
        assert etcdctl(member, "user", "get", "u", *user).stdout == "User: u\nRoles: r\n"
        assert "permission denied" in etcdctl(member, "user", "list", *user, check=False).stderr
        assert "KV Read:\n\t[p/, p0) (prefix p/)\n\tq\n" in etcdctl(member, "role", "get", "r", *user).stdout
        script = 'version("p/1") > "0"\n\nput p/2 z\nget p/1\n\n\n'
        assert "SUCCESS" in etcdctl(member, "txn", *user, stdin=script).stdout
        lease = etcdctl(member, "lease", "grant", "100", *user).stdout.split()[1]
        assert etcdctl(member, "put", "p/3", "l", "--lease", lease, *user).stdout == "OK\n"
        assert "remaining" in etcdctl(member, "lease", "timetolive", lease, "--keys", *user).stdout
        assert "keepalived" in etcdctl(member, "lease", "keep-alive", "--once", lease, *user).stdout
        assert "revoked" in etcdctl(member, "lease", "revoke", lease, *user).stdout
        assert etcdctl(member, "lock", "p/lock", "echo", "held", *user).stdout == "held\n"
        assert "permission denied" in etcdctl(member, "lock", "other", "echo", "held", *user, check=False).stderr
        assert "Finished defragmenting" in etcdctl(member, "defrag", *root).stdout
        assert "permission denied" in (lambda done: done.stderr + done.stdout)(etcdctl(member, "defrag", *user, check=False))
        etcdctl(member, "snapshot", "save", str(tmp_path / "snapshot"), *root)
        assert etcdctl(member, "user", "passwd", "u", "--interactive=false", *root, stdin="neu\n").stdout == "Password updated\n"
        assert "invalid user ID or password" in etcdctl(member, "get", "q", *user, check=False).stderr
        assert etcdctl(member, "get", "q", "--user", "u:neu").stdout == "q\ny\n"
        assert etcdctl(member, "role", "revoke-permission", "r", "q", *root).stdout.startswith("Permission of key q is revoked from role r")
        assert "permission denied" in etcdctl(member, "get", "q", "--user", "u:neu", check=False).stderr
        assert etcdctl(member, "user", "revoke-role", "u", "r", *root).stdout == "Role r is revoked from user u\n"
        assert etcdctl(member, "role", "delete", "r", *root).stdout == "Role r deleted\n"
        assert etcdctl(member, "user", "delete", "u", *root).stdout == "User u deleted\n"
        assert etcdctl(member, "auth", "disable", *root).stdout == "Authentication Disabled\n"
        assert etcdctl(member, "get", "q").stdout == "q\ny\n"


def test_watch(secured):
    root, user = log_in(secured, "root", "rp"), log_in(secured, "u", "up")
    with grpc.insecure_channel(secured.endpoint) as channel:
        watch = Watch(channel, metadata=[("token", user)])
        watch.create(b"x")
        watch.create(b"d")
        watch.wait(lambda stream: len(stream.messages) == 2)
        refused = watch.messages[1]
        assert (number(refused, 3), number(refused, 4)) == (1, 1)
        assert number(refused, 6, b"") == b"rpc error: code = PermissionDenied desc = etcdserver: permission denied"
        # What root changes elsewhere does not end the watch, even when the token has gone; losing the permission does.
        expect(secured, "/v3/auth/user/add", {"name": "more", "password": "p"}, root)
        expect(secured, "/v3/kv/put", {"key": b64("x"), "value": b64("1")}, root)
        watch.wait(lambda stream: len(stream.messages) == 3)
        assert number(watch.messages[2], 11, b"") != b""
        expect(secured, "/v3/auth/user/revoke", {"name": "u", "role": "r"}, root)
        watch.wait(lambda stream: len(stream.messages) == 4)
        assert number(watch.messages[3], 4) == 1
        expect(secured, "/v3/kv/put", {"key": b64("x"), "value": b64("2")}, root)
        assert len(watch.settle().messages) == 4
        for metadata, reason in [
            ([("token", "bad.1")], b"rpc error: code = Unauthenticated desc = etcdserver: invalid auth token"),
            ([], b"rpc error: code = InvalidArgument desc = etcdserver: user name is empty"),
        ]:
            other = Watch(channel, metadata=metadata)
            other.create(b"x")
            other.wait(lambda stream: len(stream.messages) == 1)
            assert number(other.messages[0], 6, b"") == reason
            other.call.cancel()
        watch.call.cancel()


@pytest.mark.parametrize("path", ["ours first", "Go first"])
def test_directory_moves(tmp_path, path):
    ours = harness.Member(tmp_path / "data", extra=CHEAP + CEILING)
    theirs = harness.Member(tmp_path / "data", program=harness.go_program("etcd"), extra=CHEAP, ports=(ours.client, ours.peer))
    order = [ours, theirs, ours] if path == "ours first" else [theirs, ours, theirs]
    known = {}
    for step, member in enumerate(order):
        with member:
            if step == 0:
                set_up(member)
            root = log_in(member, "root", "rp")
            user = log_in(member, "u", "up")
            expect(member, "/v3/kv/put", {"key": b64("x"), "value": b64(str(step))}, user)
            expect(member, "/v3/kv/put", {"key": b64("a")}, user, 403)
            for name, password in known.items():
                log_in(member, name, password)
            known[f"user{step}"] = f"secret{step}"
            expect(member, "/v3/auth/user/add", {"name": f"user{step}", "password": f"secret{step}"}, root)
            expect(member, "/v3/auth/role/grant", {"name": "r", "perm": permission("READ", f"extra{step}", "")}, root)
            state = [plain(expect(member, f"/v3/auth/{what}", request, root)) for what, request in [
                ("user/list", {}), ("role/list", {}), ("role/get", {"role": "r"}), ("user/get", {"name": "u"}), ("status", {})]]
            assert len(state[0]["users"]) == step + 3
            member.stop()


# Signed tokens


def cryptography():
    return pytest.importorskip("cryptography")


def encode(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def key_pair(method, folder):
    """Files with a private and a public key, and a function that signs."""
    cryptography()
    from cryptography.hazmat.primitives import hashes, hmac, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

    size = int(method[2:]) if method != "EdDSA" else 0
    digest = {256: hashes.SHA256, 384: hashes.SHA384, 512: hashes.SHA512}.get(size, hashes.SHA256)()
    if method.startswith("HS"):
        secret = os.urandom(40)
        (folder / "private").write_bytes(secret)

        def sign(text):
            code = hmac.HMAC(secret, digest)
            code.update(text)
            return code.finalize()

        return folder / "private", None, sign
    if method[0:2] in ("RS", "PS"):
        key = rsa.generate_private_key(65537, 2048)
        pad = padding.PKCS1v15() if method[0] == "R" else padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
        sign = lambda text: key.sign(text, pad, digest)
    elif method == "EdDSA":
        key = ed25519.Ed25519PrivateKey.generate()
        sign = key.sign
    else:
        key = ec.generate_private_key({256: ec.SECP256R1, 384: ec.SECP384R1, 512: ec.SECP521R1}[size]())
        width = {256: 32, 384: 48, 512: 66}[size]

        def sign(text):
            r, s = utils.decode_dss_signature(key.sign(text, ec.ECDSA(digest)))
            return r.to_bytes(width, "big") + s.to_bytes(width, "big")

    form = serialization.PrivateFormat.PKCS8 if method in ("EdDSA", "PS256") else serialization.PrivateFormat.TraditionalOpenSSL
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "private").write_bytes(private)
    (folder / "public").write_bytes(public)
    return folder / "private", folder / "public", sign


def make_token(method, sign, **claims):
    text = encode(json.dumps({"alg": method, "typ": "JWT"}).encode()) + "." + encode(json.dumps(claims).encode())
    return text + "." + encode(sign(text.encode()))


@pytest.mark.parametrize(
    "method",
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"])
def test_signed_tokens(tmp_path, method):
    private, public, sign = key_pair(method, tmp_path)
    options = f"jwt,priv-key={private},sign-method={method},ttl=3s" + (f",pub-key={public}" if public else "")
    member = harness.Member(tmp_path / "data", extra=CHEAP + ["--auth-token", options])
    with member:
        member.put("a", "1")
        set_up(member)
        revision = int(expect(member, "/v3/auth/status")["authRevision"])
        token = log_in(member, "u", "up")
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        assert claims["username"] == "u" and claims["revision"] == revision and 0 < claims["exp"] - time.time() <= 3
        later = int(time.time()) + 1000
        mine = make_token(method, sign, username="u", revision=revision, exp=later)
        stranger = make_token(method, lambda text: b"x" * len(sign(text)), username="u", revision=revision, exp=later)
        for attempt in range(2):
            for good in (token, mine, "Bearer " + mine):
                assert expect(member, "/v3/kv/range", {"key": "YQ=="}, good)["count"] == "1"
        expect(member, "/v3/kv/put", {"key": "YQ=="}, mine, 403)
        for bad in (stranger, mine[:-8], "", "x", make_token(method, sign, username="u", revision=revision, exp=1),
                    make_token(method, sign, revision=revision), make_token("none", sign, username="u", revision=revision)):
            expect(member, "/v3/kv/range", {"key": "YQ=="}, bad, 401)
        # Any change of users or roles makes tokens old for keys; an administrator's are good for administration.
        root = make_token(method, sign, username="root", revision=revision, exp=later)
        expect(member, "/v3/auth/user/add", {"name": "more", "password": "p"}, root)
        for path, request in [("range", {"key": "YQ=="}), ("put", {"key": b64("x")}), ("deleterange", {"key": b64("x")})]:
            old = expect(member, f"/v3/kv/{path}", request, mine, 400)
            assert plain(old) == {"code": 3, "message": "etcdserver: revision of auth store is old"}
        assert etcdctl(member, "get", "a", "--user", "u:up").stdout == "a\n1\n"
        expect(member, "/v3/auth/user/list", {}, root)
        time.sleep(3.2)
        expect(member, "/v3/kv/range", {"key": "YQ=="}, token, 401)
    if public:
        reader = harness.Member(
            tmp_path / "data", extra=CHEAP + ["--auth-token", f"jwt,pub-key={public},sign-method={method}"],
            ports=(member.client, member.peer))
        with reader:
            fresh = make_token(method, sign, username="u", revision=revision + 1)
            assert expect(reader, "/v3/kv/range", {"key": "YQ=="}, fresh)["count"] == "1"
            refused = expect(reader, "/v3/auth/authenticate", {"name": "u", "password": "up"}, status=500)
            assert refused["message"] == "auth: token signing attempted with verify-only key"


@pytest.mark.parametrize("options", ["jwt", "jwt,sign-method=XX", "jwt,sign-method=RS256", "jwt,a", "jwt,sign-method=RS256,priv-key=/none", "odd"])
def test_bad_token_options(tmp_path, options):
    member = harness.Member(tmp_path / "data", extra=["--auth-token", options])
    member.start(wait=False)
    assert member.process.wait(10) != 0
    assert "auth: " in member.log()


def test_login_over_grpc(secured):
    """Tokens in the metadata's two names, and login answers that carry nothing but header and token."""
    with grpc.insecure_channel(secured.endpoint) as channel:
        call = channel.unary_unary("/etcdserverpb.Auth/Authenticate")
        token = number(call(field(1, b"u") + field(2, b"up"), timeout=10), 2, b"").decode()
        read = channel.unary_unary("/etcdserverpb.KV/Range")
        for metadata in ([("token", token)], [("authorization", token)], [("authorization", "Bearer " + token)]):
            assert fields(read(field(1, b"a"), timeout=10, metadata=metadata))
        with pytest.raises(grpc.RpcError) as error:
            read(field(1, b"a"), timeout=10, metadata=[("token", "bad.3")])
        assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
        # A token of an entry that is still to come is waited for, as long as the client waits.
        with pytest.raises(grpc.RpcError) as error:
            read(field(1, b"a"), timeout=0.5, metadata=[("token", "aaaaaaaaaaaaaaaa.99999999")])
        assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_certificates_name_users(tmp_path):
    """With `--client-cert-auth`, who shows a certificate needs no token; a token counts more, and the gateway is nobody."""
    cryptography()
    import subprocess

    import test_tls

    authority = test_tls.Authority(tmp_path)
    server = authority.issue("server")
    root, user, stranger = (authority.issue(name, common_name=name) for name in ("root", "u", "stranger"))
    files = ["--cert-file", server[0], "--key-file", server[1], "--trusted-ca-file", authority.path]
    member = test_tls.SecureMember(tmp_path / "data", extra=CHEAP + files + ["--client-cert-auth"])

    def ctl(certificate, *arguments):
        done = test_tls.etcdctl(member, authority.path, certificate, arguments)
        return done.stdout + done.stderr

    with member:
        for arguments in (
            ["user", "add", "root", "--no-password"], ["user", "grant-role", "root", "root"], ["user", "add", "u:up"], ["role", "add", "r"],
            ["role", "grant-permission", "r", "readwrite", "x"], ["user", "grant-role", "u", "r"], ["put", "a", "1"], ["auth", "enable"],
        ):
            ctl(root, *arguments)
        assert ctl(root, "get", "a") == "a\n1\n"
        assert ctl(user, "put", "x", "2") == "OK\n"
        assert "permission denied" in ctl(user, "get", "a")
        assert "permission denied" in ctl(user, "user", "list")
        assert "permission denied" in ctl(stranger, "get", "a")
        assert ctl(root, "user", "list") == "root\nu\n"
        assert "permission denied" in ctl(root, "get", "a", "--user", "u:up")
        assert ctl(stranger, "get", "x", "--user", "u:up") == "x\n2\n"
        done = subprocess.run(
            ["curl", "-s", "--http1.1", "--cacert", authority.path, "--cert", root[0], "--key", root[1], "-d", '{"key":"YQ=="}',
             f"https://127.0.0.1:{member.client}/v3/kv/range"], capture_output=True, text=True, timeout=20)
        # As Go's: whoever shows a name would take it for its own.
        assert done.stdout == "CommonName of client sending a request against gateway will be ignored and not used as expected\n"
        member.stop()
    # An authority alone asks for certificates, but takes no names from them.
    member.extra = CHEAP + files
    with member:
        assert "user name is empty" in ctl(root, "get", "a")


def test_changes_are_logged(tmp_path):
    """Who watches over users and roles reads the log: each change is there once, and who was turned away."""
    expected = [
        ("info", "added a user", {"user-name": "root"}),
        ("info", "added a user", {"user-name": "u"}),
        ("info", "created a role", {"role-name": "r"}),
        ("info", "granted/updated a permission to a user",
         {"user-name": "r", "permission-name": "READWRITE", "key": "a", "range-end": "b"}),
        ("info", "granted a role to a user", {"user-name": "u", "user-roles": ["r"], "added-role-name": "r"}),
        ("warn", "ignored grant role request to a user",
         {"user-name": "u", "user-roles": ["r"], "duplicate-role-name": "r"}),
        ("info", "granted a role to a user", {"user-name": "root", "user-roles": ["root"], "added-role-name": "root"}),
        ("info", "enabled authentication", {}),
        ("info", "invalid password", {"user-name": "u"}),
        ("warn", "invalid authentication was requested",
         {"user": "u", "error": "auth: authentication failed, invalid user ID or password"}),
        ("warn", "invalid auth token", {"token-fingerprint": "2d711642b726"}),
        ("info", "authentication is already enabled; ignored auth enable request", {}),
        ("error", "cannot delete 'root' user", {"user-name": "root"}),
        ("error", "cannot delete 'root' role", {"role-name": "root"}),
        ("error", "'root' user cannot revoke 'root' role", {"user-name": "root", "role-name": "root"}),
        ("info", "changed a password of a user", {"user-name": "u", "user-roles": ["r"]}),
        ("info", "revoked a permission on range", {"role-name": "r", "key": "a", "range-end": "b"}),
        ("info", "revoked a role from a user",
         {"user-name": "u", "old-user-roles": ["r"], "new-user-roles": [], "revoked-role-name": "r"}),
        ("info", "deleted a role", {"role-name": "r"}),
        ("info", "deleted a user", {"user-name": "u", "user-roles": []}),
        ("info", "disabled authentication", {}),
    ]
    messages = {message for _, message, _ in expected}
    for program in [None] + ([harness.go_program("etcd")] if harness.go_version() >= (3, 7) else []):
        with harness.Member(tmp_path / ("go" if program else "ours"), program=program) as member:
            def ask(path, token=None, **body):
                return member.request(f"/v3/auth/{path}", json.dumps(body).encode(), {"Authorization": token} if token else None)

            ask("user/add", name="root", password="pw")
            ask("user/add", name="u", password="pw")
            ask("role/add", name="r")
            ask("role/grant", name="r", perm={"permType": "READWRITE", "key": b64("a"), "range_end": b64("b")})
            ask("user/grant", user="u", role="r")
            ask("user/grant", user="u", role="r")
            ask("user/grant", user="root", role="root")
            ask("enable")
            assert ask("authenticate", name="u", password="wrong")[0] == 400
            token = ask("authenticate", name="root", password="pw")[1]["token"]
            assert ask("user/list", "x")[0] == 401
            ask("enable", token)
            ask("user/delete", token, name="root")
            ask("role/delete", token, role="root")
            ask("user/revoke", token, name="root", role="root")
            ask("user/changepw", token, name="u", password="other")
            ask("role/revoke", token, role="r", key=b64("a"), range_end=b64("b"))
            ask("user/revoke", token, name="u", role="r")
            ask("role/delete", token, role="r")
            ask("user/delete", token, name="u")
            ask("disable", token)
            lines = [json.loads(line) for line in member.log().splitlines() if line.startswith("{")]
        kept = [
            (line["level"], line["msg"],
             {name: value for name, value in line.items() if name not in ("level", "ts", "caller", "msg", "stacktrace")})
            for line in lines if line["msg"] in messages]
        assert kept == expected
        assert "other" not in member.log() and "wrong" not in member.log()
