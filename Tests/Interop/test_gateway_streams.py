"""Streams through the JSON gateway, on HTTP/1 and WebSockets, ours and Go's; and ports that serve only some of it."""

import json
import re
import socket
import threading
import time

import grpc
import pytest

import harness
from harness import b64
from test_connections import resident
from test_grpc import field
from websocket import WebSocket


@pytest.fixture(scope="module", params=["ours", "go"])
def either(request, tmp_path_factory):
    program = None if request.param == "ours" else harness.go_program("etcd")
    with harness.Member(tmp_path_factory.mktemp("gateway") / "data", program=program) as member:
        yield member


def test_watch_over_a_websocket(either):
    with WebSocket(either, "/v3/watch") as watch:
        assert watch.status == 101
        watch.send({"create_request": {"key": b64("ws"), "range_end": b64("wt")}})
        assert watch.json()["result"]["created"] is True
        watch.send({"create_request": {"key": b64("other"), "watch_id": "7"}})
        assert watch.json()["result"]["watch_id"] == "7"
        revision = either.put("ws/1", "one")
        event = watch.json()["result"]["events"][0]["kv"]
        assert (event["key"], event["value"], event["mod_revision"]) == (b64("ws/1"), b64("one"), str(revision))
        watch.send({"cancel_request": {"watch_id": "7"}})
        cancelled = watch.json()["result"]
        assert cancelled["canceled"] is True and cancelled["watch_id"] == "7"


def test_a_call_over_a_websocket_is_answered_once(member):
    """Go waits for the end of the request, which a WebSocket that wants an answer never has."""
    with WebSocket(member, "/v3/kv/put") as call:
        call.send({"key": b64("by websocket"), "value": b64("1")})
        assert "header" in call.json()
        assert call.receive()[0] in (None, 8), "the connection ends with the answer"
    with WebSocket(member, "/v3/kv/put") as call:
        call.send({"key": b64(""), "value": b64("1")})
        assert call.json()["message"] == "etcdserver: key is not provided"


def test_keepalives_over_a_websocket(either):
    _, lease = either.post("/v3/lease/grant", {"TTL": "100"})
    with WebSocket(either, "/v3/lease/keepalive") as stream:
        for _ in range(3):
            stream.send({"ID": lease["ID"]})
            assert stream.json()["result"]["TTL"] == "100"


def test_a_token_comes_as_subprotocol_or_cookie(member):
    """As browsers can set no other field. Go 3.5.1 takes the word Bearer for a part of the token, and refuses it."""
    harness.etcdctl(member, "user", "add", "root:pw")
    harness.etcdctl(member, "auth", "enable")
    token = member.post("/v3/auth/authenticate", {"name": "root", "password": "pw"})[1]["token"]
    for fields in ([f"Sec-WebSocket-Protocol: Bearer, {token}"], [f"Cookie: a=b; token={token}"]):
        with WebSocket(member, "/v3/watch", fields) as watch:
            assert watch.status == 101 and ("Cookie" in fields[0] or watch.fields["sec-websocket-protocol"] == "Bearer")
            watch.send({"create_request": {"key": b64("k")}})
            created = watch.json()["result"]
            assert created["created"] is True and "canceled" not in created
        with WebSocket(member, "/v3/kv/put", fields) as call:
            call.send({"key": b64("k"), "value": b64("v")})
            assert "header" in call.json()
    for fields in ([], ["Sec-WebSocket-Protocol: Bearer, nonsense.1"], ["Cookie: token=nonsense.1"]):
        with WebSocket(member, "/v3/watch", fields) as watch:
            watch.send({"create_request": {"key": b64("k")}})
            answer = watch.json()
            assert "error" in answer or answer["result"]["canceled"] is True


def test_messages_of_a_websocket_have_a_limit(member):
    with WebSocket(member, "/v3/watch") as watch:
        try:
            # Fragments that never end, in all more than any request.
            watch.send(b"[", opcode=1, final=False)
            piece = b"1," * (256 << 10)
            for _ in range(64):
                watch.send(piece, opcode=0, final=False)
            closed = watch.receive()[0] in (None, 8)
        except OSError:
            closed = True
    assert closed
    member.put("k", "others are served")
    assert resident(member) < 200 << 20


def chunk(text):
    return f"{len(text):x}\r\n{text}\r\n".encode()


def test_requests_of_a_stream_may_come_at_once(either):
    """In one body, which is the only way that Go's gateway takes them on HTTP/1; each is answered."""
    _, lease = either.post("/v3/lease/grant", {"TTL": "100"})
    one = json.dumps({"ID": lease["ID"]})
    for body in (one, one + "\n" + one, one + one + one):
        with socket.create_connection(("127.0.0.1", either.client), timeout=10) as connection:
            connection.sendall((
                f"POST /v3/lease/keepalive HTTP/1.1\r\nHost: {either.endpoint}\r\nConnection: close\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
            answer = connection.makefile("rb").read()
        assert b" 200 " in answer.splitlines()[0]
        assert answer.count(b'"TTL":"100"') == body.count("ID"), answer


def test_requests_of_a_stream_may_come_one_by_one(member):
    """Go's gateway answers on HTTP/1 only when all requests have come."""
    _, lease = member.post("/v3/lease/grant", {"TTL": "100"})
    with socket.create_connection(("127.0.0.1", member.client), timeout=10) as connection:
        connection.sendall(
            f"POST /v3/lease/keepalive HTTP/1.1\r\nHost: {member.endpoint}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        reader = connection.makefile("rb")
        request = json.dumps({"ID": lease["ID"]})
        # In pieces that end anywhere.
        connection.sendall(chunk(request[:7]))
        connection.sendall(chunk(request[7:] + "\n"))
        lines = []
        while not lines or b"result" not in lines[-1]:
            lines.append(reader.readline())
        assert b" 200 " in lines[0] and b'"TTL":"100"' in lines[-1]
        connection.sendall(chunk(request) + b"0\r\n\r\n")
        rest = b""
        while b"0\r\n\r\n" not in rest:
            rest += reader.readline()
        assert rest.count(b'"TTL":"100"') == 1


def test_a_slow_reader_of_the_gateway_costs_little(tmp_path):
    """It is sent what it has missed once it reads on, from the store and not from memory."""
    value, count = "x" * 65536, 1000
    # The log's tail for slow followers would be as large as what this looks for.
    extra = ["--snapshot-count", "50", "--snapshot-catchup-entries", "10"]
    with harness.Member(tmp_path / "data", extra=extra) as member:
        with socket.create_connection(("127.0.0.1", member.client), timeout=20) as slow:
            body = json.dumps({"create_request": {"key": b64("big"), "range_end": b64("bih")}})
            slow.sendall(
                f"POST /v3/watch HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            reader = slow.makefile("rb")
            while b'"created":true' not in reader.readline():
                pass
            before = resident(member)
            puts = GRPCPuts(member)
            for number in range(count):
                puts.put(b"big/%d" % (number % 10), value.encode())
            grown = resident(member) - before
            assert grown < 40 << 20, f"{grown}: nearly 65 MB of values were kept for it, with base64 87"
            seen = 0
            while seen < count:
                seen += reader.readline().count(b'"kv":')
            assert seen == count


class GRPCPuts:
    def __init__(self, member):
        self.channel = grpc.insecure_channel(member.endpoint)
        self.call = self.channel.unary_unary("/etcdserverpb.KV/Put")

    def put(self, key, value):
        self.call(field(1, key) + field(2, value), timeout=10)


# Ports


def fetch(port, path, body=None):
    member = harness.Member("/nowhere/data", ports=(port, port))
    return member.request(path, json.dumps(body).encode() if body is not None else None)


def put_by_grpc(port):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        channel.unary_unary("/etcdserverpb.KV/Put")(field(1, b"k") + field(2, b"v"), timeout=5)


def test_http_has_ports_of_its_own(tmp_path):
    http = harness.free_port()
    member = harness.Member(tmp_path / "data", extra=["--listen-client-http-urls", f"http://127.0.0.1:{http}"])
    member.start(wait=False)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                assert fetch(http, "/health")[0] == 200
                break
            except OSError:
                assert time.monotonic() < deadline, member.log_tail()
                time.sleep(0.05)
        assert fetch(http, "/version")[0] == 200
        assert fetch(http, "/v3/kv/put", {"key": "aw==", "value": "dg=="})[0] == 200
        put_by_grpc(member.client)
        with pytest.raises(OSError):
            member.get("/health")
        with pytest.raises(grpc.RpcError) as refused:
            put_by_grpc(http)
        assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
        assert '"traffic":"grpc"' in member.log() and '"traffic":"http"' in member.log()
    finally:
        member.kill()


def test_the_port_for_metrics_is_for_nothing_else(tmp_path):
    port = harness.free_port()
    extra = ["--listen-metrics-urls", f"http://127.0.0.1:{port}"]
    for program in (None, harness.go_program("etcd")):
        with harness.Member(tmp_path / ("go" if program else "ours"), program=program, extra=extra):
            assert fetch(port, "/health")[0] == 200
            assert "etcd_server_has_leader 1" in fetch(port, "/metrics")[1]["text"]
            assert fetch(port, "/version")[0] == 404
            assert fetch(port, "/v3/kv/range", {"key": "aw=="})[0] == 404
            with pytest.raises(grpc.RpcError):
                put_by_grpc(port)


def test_variables(member):
    status, body = member.get("/debug/vars")
    assert status == 200 and body["cmdline"][0].endswith("etcd") and body["file_descriptor_limit"] > 0
    assert body["raft.status"]["raftState"] == "StateLeader"


def test_members_on_a_shared_port(tmp_path):
    """Two processes may listen on one port where that is asked for, and only then."""
    ports = (harness.free_port(), harness.free_port())
    with harness.Member(tmp_path / "a", ports=ports, extra=["--socket-reuse-port"]):
        second = harness.Member(tmp_path / "b", ports=ports)
        second.start(wait=False)
        assert second.process.wait(20) == 1 and "address already in use" in second.log()
        third = harness.Member(tmp_path / "c", ports=ports, extra=["--socket-reuse-port"])
        third.start(wait=False)
        try:
            deadline = time.monotonic() + 20
            while "serving client traffic" not in third.log():
                assert third.process.poll() is None and time.monotonic() < deadline, third.log_tail()
                time.sleep(0.05)
        finally:
            third.kill()


def test_a_port_is_shared_with_go(tmp_path):
    """Who connects gets one or the other."""
    ports = (harness.free_port(), harness.free_port())
    theirs = harness.Member(tmp_path / "go", program=harness.go_program("etcd"), ports=ports, extra=["--socket-reuse-port"])
    ours = harness.Member(tmp_path / "ours", ports=ports, extra=["--socket-reuse-port"])
    with theirs:
        ours.start(wait=False)
        try:
            seen, deadline = set(), time.monotonic() + 30
            while len(seen) < 2:
                assert ours.process.poll() is None and time.monotonic() < deadline, (seen, ours.log_tail())
                seen.add(re.search(r'server_go_version="([a-z]+)', ours.get("/metrics")[1]["text"])[1])
            assert seen == {"go", "swift"}
        finally:
            ours.kill()


@pytest.mark.parametrize("program", ["ours", "go"])
def test_a_reused_address_is_not_a_shared_port(tmp_path, program):
    """A port of connections that have just ended can be listened on; one that another listens on cannot."""
    program = None if program == "ours" else harness.go_program("etcd")
    ports = (harness.free_port(), harness.free_port())
    member = harness.Member(tmp_path / "a", program=program, ports=ports, extra=["--socket-reuse-address"])
    with member:
        # A connection that the member ends first, which its port has to remember.
        with socket.create_connection(("127.0.0.1", member.client)) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert b"true" in connection.makefile("rb").read()
        second = harness.Member(tmp_path / "b", program=program, ports=ports, extra=["--socket-reuse-address"])
        second.start(wait=False)
        try:
            assert second.process.wait(20) == 1
        finally:
            second.kill()
        assert "address already in use" in second.log()
        member.put("a", "1")
        member.stop()
    with member:
        assert member.all_keys()


def test_a_shared_port_beside_a_socket_of_the_file_system(tmp_path):
    """A socket has no port that could be shared; the flag is for the others."""
    path = tmp_path / "etcd.sock:1"
    member = harness.Member(tmp_path / "data", wrapper=["env", f"--chdir={tmp_path}"])
    member.extra = ["--socket-reuse-port", "--listen-client-urls", f"http://127.0.0.1:{member.client},unix://etcd.sock:1"]
    with member, socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert b'"health":"true"' in connection.makefile("rb").read()


def test_a_socket_of_the_file_system(tmp_path):
    """gRPC and HTTP over it, as over a port; a file that is left of a killed member is no obstacle."""
    for program in (None, harness.go_program("etcd")):
        folder = tmp_path / ("go" if program else "ours")
        folder.mkdir()
        # Go wants a name and a port, and takes them for the name of a file.
        path = folder / "etcd.sock:1"
        member = harness.Member(folder / "data", program=program, wrapper=["env", f"--chdir={folder}"])
        urls = f"http://127.0.0.1:{member.client},unix://etcd.sock:1"
        member.extra = ["--listen-client-urls", urls]
        for turn in (1, 2):
            with member:
                with grpc.insecure_channel(f"unix:{path}") as channel:
                    channel.unary_unary("/etcdserverpb.KV/Put")(field(1, b"k") + field(2, b"%d" % turn), timeout=10)
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.settimeout(10)
                    connection.connect(str(path))
                    connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                    answer = connection.makefile("rb").read()
                assert b" 200 " in answer.splitlines()[0] and b'"health":"true"' in answer
                body = member.post("/v3/kv/range", {"key": b64("k")})[1]
                assert body["kvs"][0]["value"] == b64(str(turn))


def test_requests_sent_together_are_answered_in_order(either):
    """Pipelined, of every kind: quick and slow ones, calls that fail, one without a body, and a large one."""
    post = "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}"

    def call(path, **body):
        text = json.dumps(body)
        return post.format(path, len(text), text)

    requests, expected = [], []
    for number in range(300):
        value = b64(f"{number}" * (20_000 if number == 7 else 1))
        requests.append(call("/v3/kv/put", key=b64("k"), value=value))
        expected.append((200, b'"revision"'))
        requests.append(call("/v3/kv/range", key=b64("k"), serializable=True))
        expected.append((200, value.encode()))
        if number % 50 == 0:
            requests.append("GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n")
            expected.append((200, b"etcdserver"))
            requests.append(call("/v3/lease/revoke", ID="77"))
            expected.append((404, b"requested lease not found"))
            requests.append(call("/nothing"))
            expected.append((404, b""))
    with socket.create_connection(("127.0.0.1", either.client), timeout=30) as connection:
        sender = threading.Thread(target=connection.sendall, args=("".join(requests).encode(),))
        sender.start()
        reader = connection.makefile("rb")
        for status, part in expected:
            got, body = read_answer(reader)
            assert got == status and part in body
        sender.join()


def test_a_body_that_waits_to_be_asked_for(either):
    """As curl sends what is larger than a megabyte."""
    body = json.dumps({"key": b64("k"), "value": b64("v" * 1_000_000)}).encode()
    with socket.create_connection(("127.0.0.1", either.client), timeout=10) as connection:
        reader = connection.makefile("rb")
        for _ in range(2):
            connection.sendall(
                f"POST /v3/kv/put HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
            assert reader.readline() == b"HTTP/1.1 100 Continue\r\n" and reader.readline() == b"\r\n"
            connection.sendall(body)
            status, answer = read_answer(reader)
            assert status == 200 and b'"revision"' in answer


def read_answer(reader):
    """The status and the body of an answer."""
    status = int(reader.readline().split()[1])
    size, is_chunked = 0, False
    while (line := reader.readline()) != b"\r\n":
        name, value = line.split(b":", 1)
        if name.lower() == b"content-length":
            size = int(value)
        is_chunked |= name.lower() == b"transfer-encoding"
    if not is_chunked:
        return status, reader.read(size)
    body = b""
    while size := int(reader.readline(), 16):
        body += reader.read(size)
        reader.readline()
    reader.readline()
    return status, body
