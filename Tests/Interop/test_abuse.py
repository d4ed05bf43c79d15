"""Clients that mean harm: while they are at it the member's memory stays bounded, others are served, and it lives on."""

import contextlib
import os
import resource
import socket
import threading
import time

import grpc
import pytest

import harness
from frames import (
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, PRIORITY, RESET, SETTINGS, WINDOW, WINDOW_MAX,
    Connection, frame, head, hpack_integer, literal, message, number, settings,
)
from harness import wait_for
from test_connections import resident
from test_grpc import dict_of, field, fields

RANGE, PUT, TXN, DELETE = (b"/etcdserverpb.KV/" + name for name in (b"Range", b"Put", b"Txn", b"DeleteRange"))
WATCH = b"/etcdserverpb.Watch/Watch"
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def member(tmp_path_factory):
    # The log's tail for slow followers would hide what is looked for.
    extra = ["--snapshot-count", "100", "--snapshot-catchup-entries", "10"]
    with harness.Member(tmp_path_factory.mktemp("abuse") / "data", extra=extra) as member:
        channel = grpc.insecure_channel(member.endpoint)
        for number in range(200):
            channel.unary_unary("/etcdserverpb.KV/Put")(field(1, b"big/%04d" % number) + field(2, b"x" * 16384), timeout=10)
        channel.close()
        yield member


@contextlib.contextmanager
def others_are_served(member, megabytes=64, seconds=5.0):
    """Someone who puts and gets all the while: none of it fails nor takes long. At the end memory is as it was, nearly."""
    before, over, slowest, failures, rounds = resident(member), threading.Event(), [0.0], [], [0]

    def work():
        with grpc.insecure_channel(member.endpoint) as channel:
            put, get = (channel.unary_unary(f"/etcdserverpb.KV/{name}") for name in ("Put", "Range"))
            while not over.is_set() or rounds[0] < 3:
                begun = time.monotonic()
                try:
                    put(field(1, b"served") + field(2, b"%d" % rounds[0]), timeout=seconds)
                    assert b"%d" % rounds[0] in get(field(1, b"served"), timeout=seconds)
                except Exception as error:
                    failures.append(error)
                    return
                slowest[0] = max(slowest[0], time.monotonic() - begun)
                rounds[0] += 1
                over.wait(0.01)

    peak = [before]

    def look():
        while not over.wait(0.02):
            peak[0] = max(peak[0], resident(member))

    threads = [threading.Thread(target=work), threading.Thread(target=look)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(30)
    assert member.process.poll() is None, member.log_tail()
    assert not failures and rounds[0] >= 3, failures
    assert slowest[0] < seconds
    grown = peak[0] - before
    assert grown < megabytes * MEGABYTE, f"{grown / MEGABYTE:.0f} MB more"


# Floods of frames


def test_rapid_reset(member):
    with others_are_served(member):
        for body in (b"", field(1, b"big/0001")):
            with Connection(member.client) as rude:
                stream, is_sending = 1, True
                while is_sending and stream < 40_000:
                    batch = b"".join(
                        frame(HEADERS, END_HEADERS, number, head(RANGE))
                        + (frame(DATA, END_STREAM, number, message(body)) if body else b"") + frame(RESET, 0, number, b"\0\0\0\x08")
                        for number in range(stream, stream + 2000, 2))
                    is_sending = rude.send(batch)
                    stream += 2000
                assert not is_sending or rude.sent_away(), "nobody may do this twenty thousand times"


def test_continuation_flood(member):
    with others_are_served(member):
        with Connection(member.client) as rude:
            rude.send(frame(HEADERS, 0, 1, head(RANGE)))
            piece = frame(CONTINUATION, 0, 1, literal(b"x-filler", b"y" * 16000))
            assert not all(rude.send(piece * 16) for _ in range(256)) or rude.sent_away(), "64 MB of a head"
        with Connection(member.client) as rude:
            rude.send(frame(HEADERS, 0, 1, head(RANGE)))
            assert not all(rude.send(frame(CONTINUATION, 0, 1) * 1000) for _ in range(100)) or rude.sent_away(), "of nothing"


def test_head_bombs(member):
    with others_are_served(member):
        # A field of 4000 bytes that is named again by one byte, sixteen thousand times.
        with Connection(member.client) as rude:
            bomb = head(RANGE) + literal(b"x", b"y" * 4000, indexed=True) + hpack_integer(62, 7, 0x80) * 16000
            rude.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, bomb[:16384]))
            refused = [kind for kind, _, stream, _ in rude.frames(3) if kind in (RESET, GOAWAY)]
            assert refused or rude.is_over
        # A table that is asked to be larger than allowed, and an index that does not exist.
        for block in (hpack_integer(1 << 30, 5, 0x20), hpack_integer(10_000, 7, 0x80), b"\xff" * 100):
            with Connection(member.client) as rude:
                rude.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block + head(RANGE)))
                assert rude.sent_away()
        # HTTP/1 has heads, too.
        with socket.create_connection(("127.0.0.1", member.client), timeout=5) as rude:
            rude.sendall(b"GET / HTTP/1.1\r\n")
            with pytest.raises(OSError):
                for _ in range(256):
                    rude.sendall((b"x: " + b"y" * 60 + b"\r\n") * 2048)
                if not rude.recv(1 << 16).startswith(b"HTTP/1.1 4"):
                    raise AssertionError("a head without end was taken")
                raise OSError


@pytest.mark.parametrize("piece", [
    frame(PING, 0, 0, b"\0" * 8), settings(window=65535), frame(DATA, 0, 1), frame(PRIORITY, 0, 1, b"\0\0\0\0\x10"),
    frame(WINDOW, 0, 0, number(1)), frame(99, 0, 0, b"?" * 100), frame(PING, ACK, 0, b"\0" * 8),
], ids=["ping", "settings", "empty data", "priority", "window", "unknown", "ping answers"])
def test_floods_of_small_frames(member, piece):
    """By one who does not read what is answered. What costs something ends the connection; what does not may go on."""
    with others_are_served(member, megabytes=32):
        with Connection(member.client) as rude:
            rude.send(frame(HEADERS, END_HEADERS, 1, head(WATCH)))
            batch = piece * 2000
            for _ in range(100):
                if not rude.send(batch):
                    break
            ends = rude.sent_away(0.5)
            if piece[3] in (PING, SETTINGS) and not piece[4] & ACK:
                assert ends, "answers to these queue up"


# Windows


def test_windows_that_are_broken(member):
    with others_are_served(member):
        with Connection(member.client) as rude:
            rude.send(frame(WINDOW, 0, 0, number(WINDOW_MAX)) * 2)
            assert rude.sent_away(), "a window past its limit"
        with Connection(member.client, window=WINDOW_MAX) as rude:
            rude.call(1, RANGE, field(1, b"served"), False)
            rude.send(frame(WINDOW, 0, 1, number(WINDOW_MAX)))
            assert any(kind in (RESET, GOAWAY) for kind, _, _, _ in rude.frames(2)) or rude.is_over
        with Connection(member.client) as rude:
            rude.send(settings(window=WINDOW_MAX + 1))
            assert rude.sent_away()
        # More than the member's own window: sixteen megabytes in one message, and on a stream nobody reads.
        with Connection(member.client) as rude:
            rude.send(frame(HEADERS, END_HEADERS, 1, head(PUT)))
            sent = all(rude.send(frame(DATA, 0, 1, b"\0\x7f\xff\xff\xff" + b"x" * 16000)) for _ in range(1000))
            assert any(kind in (RESET, GOAWAY) for kind, _, _, _ in rude.frames(2)) or rude.is_over or not sent


def test_a_window_of_one_byte(member):
    """An answer leaves byte by byte if that is what the client wants, and is whole."""
    with others_are_served(member):
        with Connection(member.client, window=1) as slow:
            slow.call(1, RANGE, field(1, b"big/0001"))
            received, is_over = b"", False
            while not is_over:
                assert slow.send(frame(WINDOW, 0, 1, number(1)) * 500)
                for kind, flags, stream, payload in slow.frames(0.005):
                    received += payload if kind == DATA else b""
                    is_over = is_over or kind == HEADERS and flags & END_STREAM
            assert received.count(b"x" * 16384) == 1 and len(received) == 5 + int.from_bytes(received[1:5], "big")


def test_windows_that_never_open(member):
    """Large answers for many who take nothing: what is kept for them ends with their connections."""
    with others_are_served(member, megabytes=400):
        crowd = [Connection(member.client, window=0) for _ in range(20)]
        for each in crowd:
            for stream in (1, 3, 5):
                each.call(stream, RANGE, field(1, b"big/") + field(2, b"big0"))
        time.sleep(1.5)
        assert all(not each.is_over for each in crowd)
        for each in crowd:
            each.close()
    wait_for(lambda: resident(member) < 300 * MEGABYTE)


def test_many_large_answers_that_nobody_takes(member):
    """A gigabyte and more is asked for on one connection; what is made of it is bounded, and comes whole when it is taken."""
    calls = 400
    # The limit is 64 MB; the allocator has holes.
    with others_are_served(member, megabytes=400):
        with Connection(member.client, window=WINDOW_MAX) as slow:
            request = field(1, b"big/") + field(2, b"big0")
            for stream in range(1, 2 * calls, 2):
                # Serializable ones, others, and transactions that only read.
                if stream % 6 == 1:
                    assert slow.call(stream, TXN, field(2, field(1, request)))
                else:
                    assert slow.call(stream, RANGE, request + (field(7, 1) if stream % 6 == 3 else b""))
            time.sleep(1)
            slow.send(frame(WINDOW, 0, 0, number(WINDOW_MAX - 65535)))
            done, received = 0, 0
            for kind, flags, _, payload in slow.frames(40):
                received += len(payload) if kind == DATA else 0
                done += kind == HEADERS and flags & END_STREAM
                if done == calls:
                    break
            assert done == calls and received > calls * 200 * 16384


def test_many_large_answers_made_elsewhere(tmp_path):
    """Ranges of many keys are made by another thread."""
    with harness.Member(tmp_path / "data") as member:
        puts = [{"request_put": {"key": harness.b64(f"{number:05d}"), "value": harness.b64("x" * 1000)}} for number in range(3000)]
        for start in range(0, 3000, 100):
            assert member.post("/v3/kv/txn", {"success": puts[start:start + 100]})[0] == 200
        # Of more than 600 MB.
        with others_are_served(member, megabytes=350):
            with Connection(member.client, window=WINDOW_MAX) as slow:
                for stream in range(1, 401, 2):
                    slow.call(stream, RANGE, field(1, b"0") + field(2, b"1"))
                time.sleep(1)
                slow.send(frame(WINDOW, 0, 0, number(WINDOW_MAX - 65535)))
                done = 0
                for kind, flags, _, _ in slow.frames(30):
                    done += kind == HEADERS and flags & END_STREAM
                    if done == 200:
                        break
                assert done == 200


def test_writes_with_large_answers_that_nobody_takes(tmp_path):
    """
    Puts and deletes that return large values, and transactions that read, from one who reads nothing: of a gigabyte some
    is carried out, the rest when it is taken, and nothing is lost.
    """
    value, count = b"v" * (1 << 20), 40
    with harness.Member(tmp_path / "data", extra=["--snapshot-count", "50", "--snapshot-catchup-entries", "5"]) as member:
        with grpc.insecure_channel(member.endpoint, options=[("grpc.max_receive_message_length", -1)]) as channel:
            put = channel.unary_unary("/etcdserverpb.KV/Put")
            get = channel.unary_unary("/etcdserverpb.KV/Range")

            def versions(key):
                pairs = [pair for tag, pair in fields(get(field(1, key), timeout=10)) if tag == 2]
                return dict_of(fields(pairs[0]))[4] if pairs else 0

            for place in range(count):
                for name in (b"gone/%02d", b"kept/%02d"):
                    put(field(1, name % place) + field(2, value), timeout=10)
            time.sleep(1)
            calls = []
            for place in range(count):
                calls.append((DELETE, field(1, b"gone/%02d" % place) + field(3, 1)))
                calls.append((PUT, field(1, b"kept/%02d" % place) + field(2, b"small") + field(4, 1)))
                # Reads forty keys of a megabyte, and is counted.
                reads = field(1, field(1, b"kept/") + field(2, b"kept0"))
                counter = field(2, field(1, b"counter") + field(2, b"x"))
                calls.append((TXN, field(2, reads) + field(2, counter)))
                # Reads what it writes itself.
                own = field(2, field(1, b"own") + field(2, b"w" * 12000))
                calls.append((TXN, field(2, own) + field(2, field(1, field(1, b"own"))) * 100))
            calls.reverse()
            with others_are_served(member, megabytes=700):
                with Connection(member.client, window=WINDOW_MAX, timeout=20) as slow:
                    for stream, (path, body) in enumerate(calls):
                        assert slow.call(2 * stream + 1, path, body)
                    time.sleep(2)
                    begun = versions(b"counter") + versions(b"own")
                    assert 0 < begun < 60, begun
                    slow.send(frame(WINDOW, 0, 0, number(WINDOW_MAX - 65535)))
                    sizes, done = {}, 0
                    for kind, flags, stream, payload in slow.frames(60):
                        if kind == DATA:
                            sizes[stream] = sizes.get(stream, 0) + len(payload)
                        done += kind == HEADERS and flags & END_STREAM
                        if done == len(calls):
                            break
            assert done == len(calls)
            for stream, (path, _) in enumerate(calls):
                if path in (DELETE, PUT):
                    assert sizes[2 * stream + 1] > len(value)
            assert versions(b"counter") == count and versions(b"own") == count
            assert all(versions(b"kept/%02d" % place) == 2 for place in range(count))


def test_writes_that_wait_and_are_given_up(tmp_path):
    """What was not proposed when its client went away is not carried out; what waits is bounded, too."""
    with harness.Member(tmp_path / "data") as member:
        with grpc.insecure_channel(member.endpoint) as channel:
            put = channel.unary_unary("/etcdserverpb.KV/Put")
            for number in range(20):
                put(field(1, b"kept/%02d" % number) + field(2, b"v" * (1 << 20)), timeout=10)
            reads = b"".join(field(2, field(1, field(1, b"kept/%02d" % number))) for number in range(20))
            late = field(2, field(2, field(1, b"late") + field(2, b"w" * 15000))) + field(2, field(1, field(1, b"kept/00")))
            with others_are_served(member, megabytes=500):
                with Connection(member.client, window=WINDOW_MAX) as slow:
                    for stream in range(1, 21, 2):
                        slow.call(stream, TXN, field(2, field(2, field(1, b"c") + field(2, b"x"))) + reads)
                    time.sleep(1)
                    # Ninety megabytes of requests that have to wait.
                    refused = 0
                    for stream in range(21, 12021, 2):
                        assert slow.call(stream, TXN, late)
                    for kind, flags, stream, _ in slow.frames(3):
                        refused += kind == HEADERS and flags & END_STREAM and stream > 21
                    assert 1000 < refused < 2500
            with grpc.insecure_channel(member.endpoint) as channel:
                answer = channel.unary_unary("/etcdserverpb.KV/Range")(field(1, b"late"), timeout=10)
                assert 2 not in dict_of(fields(answer))


def test_settings_that_move_the_windows_of_many_streams(member):
    with others_are_served(member, megabytes=100):
        with Connection(member.client) as rude:
            for stream in range(1, 4001, 2):
                rude.send(frame(HEADERS, END_HEADERS, stream, head(WATCH)))
            for turn in range(20):
                if not rude.send((settings(window=1) + settings(window=1 << 20)) * 20):
                    break
                list(rude.frames(0.02))


# Those who do not read


def test_a_watch_that_is_not_read(member):
    """It is held for nobody in memory: 500 events of 16 KB for twenty streams would be 160 MB."""
    with others_are_served(member, megabytes=80):
        crowd = [Connection(member.client, window=0) for _ in range(20)]
        for each in crowd:
            each.call(1, WATCH, field(1, field(1, b"watched")), False)
        with grpc.insecure_channel(member.endpoint) as channel:
            put = channel.unary_unary("/etcdserverpb.KV/Put")
            for turn in range(500):
                put(field(1, b"watched") + field(2, b"%04d" % turn * 4096), timeout=10)
        # One begins to read, and has missed nothing.
        late = crowd[0]
        late.send(frame(WINDOW, 0, 0, number(1 << 28)) + frame(WINDOW, 0, 1, number(1 << 28)))
        received, deadline = b"", time.monotonic() + 15
        while b"0499" * 4096 not in received[-40_000:] and time.monotonic() < deadline:
            for kind, _, _, payload in late.frames(0.2):
                received += payload if kind == DATA else b""
        for turn in range(500):
            assert b"%04d" % turn * 4096 in received, turn
        for each in crowd:
            each.close()


def test_snapshots_that_are_not_read(member):
    with others_are_served(member, megabytes=64):
        crowd = [Connection(member.client, window=0) for _ in range(50)]
        for each in crowd:
            each.call(1, b"/etcdserverpb.Maintenance/Snapshot", b"")
        time.sleep(1.5)
        for each in crowd:
            each.close()


# Connections


def descriptors(member):
    return len(os.listdir(f"/proc/{member.process.pid}/fd"))


def crowd_size(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = hard if hard != resource.RLIM_INFINITY else 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, max(soft, 8192)), hard))
    return min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)


@pytest.mark.parametrize("opening", [b"", PREFACE[:10], b"GET /v3/", b"\x16\x03\x01\x02", PREFACE + settings()],
    ids=["silent", "half a preface", "half a head", "half a handshake", "idle"])
def test_sockets_that_stay_half_open(member, opening):
    before = descriptors(member)
    count = crowd_size(1000)
    with others_are_served(member, megabytes=100):
        crowd = [socket.create_connection(("127.0.0.1", member.client), timeout=10) for _ in range(count)]
        for each in crowd:
            each.sendall(opening)
        wait_for(lambda: descriptors(member) >= before + count * 9 // 10 or opening[:1] == b"\x16")
        for each in crowd:
            each.close()
    wait_for(lambda: descriptors(member) <= before + 20)


def test_a_flood_of_connections(member):
    """Three thousand at once, each with a call, and all gone without a word."""
    before, count = descriptors(member), crowd_size(3000)
    with others_are_served(member, megabytes=300, seconds=10):
        crowd = []
        for _ in range(count):
            each = Connection(member.client)
            each.call(1, WATCH, field(1, field(1, b"idle")), False)
            crowd.append(each)
        # Sockets of the test before may still be among the first count.
        wait_for(lambda: descriptors(member) >= count)
        for each in crowd:
            each.close()
    wait_for(lambda: descriptors(member) <= before + 20)


def test_more_connections_than_descriptors(tmp_path):
    """Those beyond the limit wait, the member keeps what it needs for its files, and takes up the rest when others have gone."""
    wrapper = ["prlimit", "--nofile=400:400"]
    with harness.Member(tmp_path / "data", wrapper=wrapper) as member:
        with grpc.insecure_channel(member.endpoint) as channel:
            put = channel.unary_unary("/etcdserverpb.KV/Put")
            put(field(1, b"a") + field(2, b"b"), timeout=10)
            crowd = []
            for _ in range(500):
                each = socket.create_connection(("127.0.0.1", member.client), timeout=10)
                each.sendall(PREFACE + settings())
                crowd.append(each)
            time.sleep(0.5)
            assert descriptors(member) < 400
            put(field(1, b"a") + field(2, b"c" * 100_000), timeout=10)
            for each in crowd:
                each.close()
            wait_for(lambda: descriptors(member) < 100)
        status, body = member.post("/v3/kv/range", {"key": harness.b64("a")})
        assert status == 200 and body["kvs"][0]["version"] == "2"


def test_noise(member):
    with others_are_served(member):
        for seed in range(100):
            with socket.create_connection(("127.0.0.1", member.client), timeout=5) as rude:
                try:
                    rude.sendall((PREFACE if seed % 2 else b"") + os.urandom(4096))
                except OSError:
                    pass
