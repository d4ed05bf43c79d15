"""What one connection costs, and what a lone client gets: frames by hand, as no library is quick enough to show a leak."""

import re
import socket
import struct
import urllib.request

import grpc
import pytest

import harness
from test_grpc import field

BLOCK = (
    b"\x83\x86"
    + b"".join(
        b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
        for name, value in [
            (b":path", b"/etcdserverpb.KV/Range"), (b":authority", b"a"), (b"content-type", b"application/grpc"), (b"te", b"trailers"),
        ]
    )
)


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def calls(connection, first, count, message, reader):
    """Sends `count` calls at once and waits for the end of all of them."""
    body = b"\0" + struct.pack(">I", len(message)) + message
    batch = b"".join(
        frame(1, 4, stream, BLOCK) + frame(0, 1, stream, body) for stream in range(first, first + 2 * count, 2))
    connection.sendall(batch)
    done = 0
    while done < count:
        head = reader.read(9)
        size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        reader.read(size)
        assert kind not in (3, 7), "no stream is reset and the connection goes on"
        if kind == 1 and flags & 1:
            done += 1
    return first + 2 * count


def resident(member):
    """Its own memory; pages of the file that are mapped are the system's."""
    for line in open(f"/proc/{member.process.pid}/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1]) << 10
    raise AssertionError("no RssAnon")


def test_a_long_lived_connection_keeps_nothing_of_its_calls(member):
    member.put("k", "v" * 100)
    message = field(1, b"k") + field(7, 1)
    with socket.create_connection(("127.0.0.1", member.client)) as connection:
        reader = connection.makefile("rb", buffering=1 << 20)
        window = struct.pack(">HI", 4, (1 << 31) - 1)
        connection.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, window)
            + frame(8, 0, 0, struct.pack(">I", (1 << 31) - 1 - 65535)))
        stream = 1
        for _ in range(100):
            stream = calls(connection, stream, 100, message, reader)
        before = resident(member)
        for _ in range(600):
            stream = calls(connection, stream, 100, message, reader)
        grown = resident(member) - before
    assert grown < 4 << 20, f"{grown} bytes more after 60,000 calls"


def fsyncs(member):
    page = urllib.request.urlopen(f"http://{member.endpoint}/metrics").read().decode()
    return int(re.search(r"^etcd_disk_wal_fsync_duration_seconds_count (\d+)", page, re.M)[1])


@pytest.mark.parametrize("companions", [0, 1])
def test_a_lone_writer_is_answered_after_a_sync_of_its_own(member, companions):
    """Also where the loop writes the log by itself; and what was acknowledged is there after the process is killed."""
    with grpc.insecure_channel(member.endpoint) as channel:
        put = channel.unary_unary("/etcdserverpb.KV/Put")
        get = channel.unary_unary("/etcdserverpb.KV/Range")
        before = fsyncs(member)
        for number in range(600):
            put(field(1, b"lone%04d" % number) + field(2, b"v%d" % number), timeout=10)
            for _ in range(companions):
                get(field(1, b"lone%04d" % number), timeout=10)
        assert fsyncs(member) - before >= 600
    member.kill()
    member.start()
    body = member.post("/v3/kv/range", {"key": harness.b64("lone"), "range_end": harness.b64("lonf")})[1]
    assert body["count"] == "600"
    assert [pair["version"] for pair in body["kvs"]] == ["1"] * 600


def test_memory_of_large_values_is_given_back(tmp_path):
    """What the log held in memory is free after its compaction, and the system's again when the member has nothing to do."""
    extra = ["--snapshot-count", "100", "--snapshot-catchup-entries", "450"]
    with harness.Member(tmp_path / "data", extra=extra) as member:
        value = "v" * 700_000
        for _ in range(390):
            member.put("large", value)
        assert resident(member) > 200 << 20
        for number in range(600):
            member.put("small", str(number))
        harness.wait_for(lambda: resident(member) < 120 << 20, seconds=40)


def test_requests_that_end_in_the_middle_leave_nothing(member):
    """Connections of HTTP/1 that go away with half a body sent."""
    def abort(bodies):
        for _ in range(bodies):
            with socket.create_connection(("127.0.0.1", member.client)) as connection:
                connection.sendall(b"POST /v3/kv/put HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n" + b" " * 1_000_000)
    abort(20)
    before = resident(member)
    abort(150)
    harness.wait_for(lambda: resident(member) < before + (40 << 20))
