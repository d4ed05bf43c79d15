"""Bad input on the peer port: refused with etcd's status and words, and the member goes on."""

import os
import random
import socket
import struct
import urllib.request

import pytest

import harness

GOOD = {"X-Server-Version": "3.7.1", "X-Min-Cluster-Version": "3.0.0", "X-Server-From": "abc"}


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """One for all rows: each finds it alive, and leaves it so."""
    with harness.Member(tmp_path_factory.mktemp("peer") / "data") as member:
        with urllib.request.urlopen(f"http://127.0.0.1:{member.peer}/members") as answer:
            member.cluster = answer.headers["X-Etcd-Cluster-ID"]
        member.id = int(member.post("/v3/maintenance/status", {})[1]["header"]["member_id"])
        yield member


def raw(member, data, half=False):
    """What comes back for these bytes, to the end of the connection or of an answer with a length."""
    with socket.create_connection(("127.0.0.1", member.peer), timeout=10) as connection:
        try:
            connection.sendall(data)
            if half:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
                head, found, body = received.partition(b"\r\n\r\n")
                for line in head.lower().split(b"\r\n") if found else []:
                    if line.startswith(b"content-length:") and len(body) >= int(line.split(b":")[1]):
                        return received
                if found and head.startswith(b"HTTP/1.1 204"):
                    return received
        except OSError:
            pass
        return received


def ask(member, method, path, headers=(), body=b"", length=None, half=False):
    lines = [f"{method} {path} HTTP/1.1", "Host: peer", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name}: {value}" for name, value in dict(headers).items()]
    received = raw(member, "\r\n".join(lines).encode() + b"\r\n\r\n" + body, half)
    head, _, text = received.partition(b"\r\n\r\n")
    return (int(head.split()[1]) if head else None), text.strip()


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def message(member, kind=8, to=None, sender=0xabc):
    """A raft message: a heartbeat, if nothing else is said."""
    return (b"\x08" + varint(kind) + b"\x10" + varint(member.id if to is None else to) + b"\x18" + varint(sender)
            + b"\x20\x01")


ROWS = [
    # name, method, path, changed headers, body, status, words
    ("wrong method", "GET", "/raft", {}, b"", 405, None),
    ("wrong method for streams", "POST", "/raft/stream/message/abc", {}, b"", 405, None),
    ("wrong method for snapshots", "GET", "/raft/snapshot", {}, b"", 405, None),
    ("another cluster's message", "POST", "/raft", {"X-Etcd-Cluster-ID": "1"}, b"x", 412, b"cluster ID mismatch"),
    ("another cluster's stream", "GET", "/raft/stream/message/abc", {"X-Etcd-Cluster-ID": "1"}, b"", 412, b"cluster ID mismatch"),
    ("another cluster's snapshot", "POST", "/raft/snapshot", {"X-Etcd-Cluster-ID": "1"}, b"x", 412, b"cluster ID mismatch"),
    ("no cluster", "POST", "/raft", {"X-Etcd-Cluster-ID": None}, b"x", 412, b"cluster ID mismatch"),
    ("too old", "POST", "/raft", {"X-Server-Version": "2.0.0"}, b"x", 412, b"incompatible version"),
    ("no version", "POST", "/raft", {"X-Server-Version": None}, b"x", 412, b"incompatible version"),
    ("a version that is none", "POST", "/raft", {"X-Server-Version": "three"}, b"x", 412, b"incompatible version"),
    ("wants a newer one", "GET", "/raft/stream/msgappv2/abc", {"X-Min-Cluster-Version": "9.0.0"}, b"", 412, b"incompatible version"),
    ("no kind of stream", "GET", "/raft/stream/other/abc", {}, b"", 404, b"invalid path"),
    ("no sender", "GET", "/raft/stream/message/", {}, b"", 404, None),
    ("a sender that is no number", "GET", "/raft/stream/message/xyz", {}, b"", 404, b"invalid from"),
    ("a sender too large", "GET", "/raft/stream/message/1" + "0" * 16, {}, b"", 404, b"invalid from"),
    ("an unknown member", "GET", "/raft/stream/message/abc", {}, b"", 404, b"error sender not found"),
    ("random bytes", "POST", "/raft", {}, b"\xff" * 50, 400, b"error unmarshalling raft message"),
    ("a truncated message", "POST", "/raft", {}, b"\x08\x08\x10", 400, b"error unmarshalling raft message"),
    ("a field longer than the message", "POST", "/raft", {}, b"\x3a\xff\xff\xff\xff\x0f", 400, b"error unmarshalling raft message"),
    ("a snapshot without its message", "POST", "/raft/snapshot", {}, b"\x00" * 3, 400, None),
    ("a snapshot with an enormous message", "POST", "/raft/snapshot", {}, struct.pack(">Q", 1 << 62) + b"x", 400, None),
    ("a snapshot whose message is none", "POST", "/raft/snapshot", {}, struct.pack(">Q", 4) + b"\xff" * 4, 400, None),
    ("no such path", "GET", "/raft/other", {}, b"", 404, None),
    ("nobody to promote", "POST", "/members/promote/7", {}, b"", 404, None),
    ("a member that is no number", "POST", "/members/promote/x", {}, b"", 404, None),
    ("a lease that is none", "POST", "/leases", {}, b"\xff", 400, b"error unmarshalling request"),
    ("an unknown lease", "POST", "/leases", {}, b"\x08\x07", 404, b"lease not found"),
    ("leases, too long", "POST", "/leases", {}, b"x" * 70000, 413, None),
    ("leases, far too long", "POST", "/leases", {}, b"x" * (2 << 20), 413, None),
    ("hashes without a question", "GET", "/members/hashkv", {}, b"{", 400, b"error unmarshalling request"),
    ("hashes at a revision in quotes", "GET", "/members/hashkv", {}, b'{"revision":"1"}', 400, b"error unmarshalling request"),
    ("hashes at a broken revision", "GET", "/members/hashkv", {}, b'{"revision":1.5}', 400, b"error unmarshalling request"),
    ("hashes, several questions", "GET", "/members/hashkv", {}, b"[]", 400, b"error unmarshalling request"),
    ("another cluster's hashes, and no question", "GET", "/members/hashkv", {"X-Etcd-Cluster-ID": "1"}, b"{", 412, b"cluster ID mismatch"),
    ("another cluster's hashes", "GET", "/members/hashkv", {"X-Etcd-Cluster-ID": "1"}, b"{}", 412, b"cluster ID mismatch"),
]


@pytest.mark.parametrize("method,path,changed,body,status,words", [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_refusals(target, method, path, changed, body, status, words):
    headers = {**GOOD, "X-Etcd-Cluster-ID": target.cluster, **changed}
    got, text = ask(target, method, path, {name: value for name, value in headers.items() if value is not None}, body)
    assert got == status
    assert words is None or text == words
    assert target.process.poll() is None


def test_messages_for_others_and_from_nobody(target):
    headers = {**GOOD, "X-Etcd-Cluster-ID": target.cluster}
    assert ask(target, "POST", "/raft", headers, message(target, to=7)) == (
        403, b'{"message":"cannot process message to mismatch member"}')
    # One that only a member's own threads may send is taken in silence, and raft does not see it.
    before = target.post("/v3/maintenance/status", {})[1]["raftTerm"]
    for kind in (0, 1, 10, 11, 12, 19, 20, 21, 22):
        assert ask(target, "POST", "/raft", headers, message(target, kind=kind))[0] == 204
    target.put("still", "here")
    assert target.post("/v3/maintenance/status", {})[1]["raftTerm"] == before


def test_requests_that_end_early_or_never_do(target):
    headers = {**GOOD, "X-Etcd-Cluster-ID": target.cluster}
    for path in ("/raft", "/raft/snapshot", "/leases", "/members/hashkv"):
        ask(target, "POST", path, headers, b"\x08", length=1 << 30, half=True)
    # Announced at a length no message has; nobody waits for it.
    ask(target, "POST", "/raft", headers, b"\x08", length=1 << 40, half=True)
    for junk in (b"GET", b"GET /raft HTTP/1.1\r\n" + b"a: b\r\n" * 20000 + b"\r\n", b"\x16\x03\x01\x02\x00\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        raw(target, junk, half=True)
    target.put("still", "here")


def test_random_bytes(target):
    """By themselves, as bodies, and on paths that do not exist."""
    seed = int(os.environ.get("ETCD_FAULT_SEED", "11"))
    generator = random.Random(seed)
    headers = {**GOOD, "X-Etcd-Cluster-ID": target.cluster}
    for _ in range(60):
        data = generator.randbytes(generator.randrange(1, 3000))
        kind = generator.randrange(4)
        if kind == 0:
            with socket.create_connection(("127.0.0.1", target.peer)) as connection:
                connection.sendall(data)
        elif kind == 1:
            status, _ = ask(target, "POST", "/raft", headers, data)
            assert status in (204, 400, 403), f"seed {seed}"
        elif kind == 2:
            status, _ = ask(target, "POST", "/raft/snapshot", headers, struct.pack(">Q", len(data) // 2) + data)
            assert status in (400, 403, 405, 500), f"seed {seed}"
        else:
            # A message that is whole, damaged in one place.
            whole = bytearray(message(target, kind=generator.choice([3, 4, 8, 9])))
            whole[generator.randrange(len(whole))] = generator.randrange(256)
            ask(target, "POST", "/raft", headers, bytes(whole))
    assert target.process.poll() is None
    # Damage may make a heartbeat of a later term, whose sender is followed until an election: what is put then is lost.
    put = {"key": harness.b64("still"), "value": harness.b64("here")}
    harness.wait_for(lambda: target.post("/v3/kv/put", put)[0] == 200, seconds=60)


def test_memory_is_not_kept_for_strangers(target):
    """A body of two hundred megabytes from another cluster costs nothing."""
    def resident():
        with open(f"/proc/{target.process.pid}/statm") as file:
            return int(file.read().split()[1]) * 4096

    before = resident()
    with socket.create_connection(("127.0.0.1", target.peer), timeout=10) as connection:
        head = f"POST /raft HTTP/1.1\r\nHost: peer\r\nX-Etcd-Cluster-ID: 1\r\nContent-Length: {200 << 20}\r\n\r\n"
        connection.sendall(head.encode())
        try:
            for _ in range(100):
                connection.sendall(b"x" * (1 << 20))
        except OSError:
            pass
        assert resident() - before < 50 << 20
    target.put("still", "here")
