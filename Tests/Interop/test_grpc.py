"""gRPC as a client library speaks it (grpcio): streams, deadlines, compression, sizes, statuses."""

import concurrent.futures
import hashlib
import struct

import grpc
import pytest

import harness
from cluster import Cluster


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, payload):
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def fields(message):
    """The fields of an encoded message as (number, value) pairs: integers, or bytes of what has a length."""
    found, at = [], 0

    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            found.append((number, varint()))
        elif kind == 1:
            found.append((number, struct.unpack_from("<Q", message, at)[0]))
            at += 8
        elif kind == 2:
            length = varint()
            assert at + length <= len(message)
            found.append((number, message[at:at + length]))
            at += length
        elif kind == 5:
            found.append((number, struct.unpack_from("<I", message, at)[0]))
            at += 4
        else:
            raise AssertionError(f"wire type {kind}")
    return found


@pytest.fixture
def channel(member):
    with grpc.insecure_channel(member.endpoint, options=[("grpc.max_receive_message_length", -1)]) as channel:
        yield channel


def unary(channel, path, request=b"", **options):
    return channel.unary_unary(path)(request, timeout=options.pop("timeout", 10), **options)


def put(channel, key, value=b"v"):
    return unary(channel, "/etcdserverpb.KV/Put", field(1, key) + field(2, value))


def refused(call):
    with pytest.raises(grpc.RpcError) as error:
        call()
    return error.value.code(), error.value.details()


def test_range_stream(channel):
    keys = [b"key%05d" % number for number in range(3000)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: put(channel, key, b"x" * 600), keys))
    for limit in (0, 25, 5000):
        request = field(1, b"key") + field(2, b"kez") + (field(3, limit) if limit else b"")
        chunks = [dict_of(fields(message)) for message in channel.unary_stream("/etcdserverpb.KV/RangeStream")(request, timeout=20)]
        responses = [fields(chunk[1]) for chunk in chunks]
        found = [dict_of(fields(pair))[1] for response in responses for number, pair in response if number == 2]
        expected = keys[:limit] if limit else keys
        assert found == expected
        # Header, count and more come once, at the end.
        for response in responses[:-1]:
            assert {number for number, _ in response} == {2}
        last = dict_of(responses[-1])
        assert last[4] == 3000 and (3 in last) == (limit == 25) and 1 in last
        assert len([pair for number, pair in responses[0] if number == 2]) == 10
    stream = channel.unary_stream("/etcdserverpb.KV/RangeStream")
    code, text = refused(lambda: list(stream(field(1, b"a") + field(5, 2))))
    assert (code, text) == (grpc.StatusCode.UNIMPLEMENTED, "RangeStream does not support custom sort orders")


def dict_of(pairs):
    return {number: value for number, value in pairs}


def test_statuses(channel):
    assert refused(lambda: unary(channel, "/etcdserverpb.KV/Nothing")) == (
        grpc.StatusCode.UNIMPLEMENTED, "unknown method Nothing for service etcdserverpb.KV")
    assert refused(lambda: unary(channel, "/no.Such/Method")) == (grpc.StatusCode.UNIMPLEMENTED, "unknown service no.Such")
    assert refused(lambda: put(channel, b"")) == (grpc.StatusCode.INVALID_ARGUMENT, "etcdserver: key is not provided")
    code, text = refused(lambda: put(channel, b"k", b"x" * (1536 * 1024)))
    assert (code, text) == (grpc.StatusCode.INVALID_ARGUMENT, "etcdserver: request is too large")
    limit = 1536 * 1024 + 512 * 1024
    code, text = refused(lambda: put(channel, b"k", b"x" * limit))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED and text.startswith("grpc: received message larger than max (")
    code, _ = refused(lambda: unary(channel, "/etcdserverpb.KV/Range", b"\xff\xff\xff"))
    assert code == grpc.StatusCode.INTERNAL


def test_large_messages(channel):
    value = bytes(range(256)) * 5900
    put(channel, b"big", value)
    answer = unary(channel, "/etcdserverpb.KV/Range", field(1, b"big"))
    pair = dict_of(fields(dict_of(fields(answer))[2]))
    assert pair[5] == value


def test_gzip(channel):
    unary(
        channel, "/etcdserverpb.KV/Put", field(1, b"zipped") + field(2, b"z" * 100_000),
        compression=grpc.Compression.Gzip)
    answer = unary(channel, "/etcdserverpb.KV/Range", field(1, b"zipped"))
    assert dict_of(fields(dict_of(fields(answer))[2]))[5] == b"z" * 100_000


def test_deadline_and_cancellation(channel):
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
    stream = watch(b"", timeout=0.3)
    assert next(stream) == b"\x08\x01"
    code, _ = refused(lambda: next(stream))
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    stream = watch(b"", timeout=10)
    next(stream)
    stream.cancel()
    put(channel, b"after", b"cancel")


@pytest.mark.parametrize("kind", ["ours", "go"])
def test_defragmentation_shows_where_that_is_asked_for(tmp_path, kind):
    """Clients that watch the health service go elsewhere meanwhile."""
    program = harness.go_program("etcd") if kind == "go" else None
    if harness.go_version(kind) < (3, 6):
        pytest.skip("a gate since 3.6")
    with harness.Member(tmp_path / "data", program=program, extra=["--feature-gates", "StopGRPCServiceOnDefrag=true"]) as member:
        member.put("a", "1")
        with grpc.insecure_channel(member.endpoint) as channel:
            statuses = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=20)
            assert next(statuses) == b"\x08\x01"
            unary(channel, "/etcdserverpb.Maintenance/Defragment")
            assert [next(statuses), next(statuses)] == [b"\x08\x02", b"\x08\x01"]
            assert unary(channel, "/grpc.health.v1.Health/Check") == b"\x08\x01"


def test_health_and_reflection(channel):
    assert unary(channel, "/grpc.health.v1.Health/Check") == b"\x08\x01"
    assert refused(lambda: unary(channel, "/grpc.health.v1.Health/Check", field(1, b"x")))[0] == grpc.StatusCode.NOT_FOUND
    for version in ("v1", "v1alpha"):
        call = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
        answers = list(call(iter([field(7, b""), field(4, b"etcdserverpb.KV")]), timeout=10))
        names = [dict_of(fields(service))[1] for _, service in fields(dict_of(fields(answers[0]))[6])]
        assert b"etcdserverpb.KV" in names and b"grpc.health.v1.Health" in names
        assert b"RangeRequest" in dict_of(fields(answers[1]))[4]


def test_snapshot_stream(channel):
    for number in range(50):
        put(channel, b"s%d" % number, b"x" * 20000)
    blobs, remaining = [], []
    for message in channel.unary_stream("/etcdserverpb.Maintenance/Snapshot")(b"", timeout=20):
        parts = dict_of(fields(message))
        blobs.append(parts[3])
        remaining.append(parts.get(2, 0))
    data, trailer = b"".join(blobs[:-1]), blobs[-1]
    assert trailer == hashlib.sha256(data).digest()
    assert remaining[0] == len(data) - len(blobs[0]) and remaining[-1] == 0
    assert all(len(blob) <= 32 * 1024 for blob in blobs)


def test_many_calls_at_once(channel):
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        revisions = list(pool.map(lambda n: dict_of(fields(dict_of(fields(put(channel, b"m%d" % n)))[1]))[3], range(500)))
    assert sorted(revisions) == list(range(2, 502))


def test_stop_ends_calls_in_order(member):
    with grpc.insecure_channel(member.endpoint) as channel:
        stream = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=20)
        next(stream)
        put(channel, b"last", b"1")
        member.stop()
        code, _ = refused(lambda: next(stream))
        assert code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def half_closed(channel, path, requests, timeout=10):
    """The answers of a stream whose client has sent all of its requests, and how it ended."""
    call = channel.stream_stream(path)(iter(requests), timeout=timeout)
    answers = []
    try:
        answers.extend(call)
    except grpc.RpcError:
        pass
    return answers, call.code()


@pytest.mark.parametrize("kind", ["ours", "go"])
def test_every_renewal_is_answered_before_the_stream_ends(tmp_path, kind):
    """Also where the leader, who is elsewhere, has to be asked, and the client has ended its side long ago."""
    with Cluster(tmp_path, (kind,) * 3) as cluster:
        first = cluster.members[0]
        status, lease = first.post("/v3/lease/grant", {"TTL": "100"})
        assert status == 200
        renewal = field(1, int(lease["ID"]))
        for member in cluster.members:
            with grpc.insecure_channel(member.endpoint) as channel:
                for count in (1, 5):
                    answers, code = half_closed(channel, "/etcdserverpb.Lease/LeaseKeepAlive", [renewal] * count)
                    assert code == grpc.StatusCode.OK
                    assert [dict(fields(answer)).get(3) for answer in answers] == [100] * count
                answers, code = half_closed(channel, "/etcdserverpb.Lease/LeaseKeepAlive", [field(1, 12345), renewal])
                assert [dict(fields(answer)).get(3) for answer in answers] == [None, 100]
                assert half_closed(channel, "/etcdserverpb.Lease/LeaseKeepAlive", []) == ([], grpc.StatusCode.OK)


@pytest.mark.parametrize("kind", ["ours", "go"])
def test_a_watch_goes_on_when_its_client_has_asked_for_all_it_wants(tmp_path, kind):
    program = harness.go_program("etcd") if kind == "go" else None
    with harness.Member(tmp_path / "data", program=program) as member:
        with grpc.insecure_channel(member.endpoint) as channel:
            call = channel.stream_stream("/etcdserverpb.Watch/Watch")(iter([field(1, field(1, b"k"))]), timeout=10)
            assert dict(fields(next(call))).get(3) == 1, "created"
            member.put("k", "v")
            assert 11 in dict(fields(next(call))), "an event"
            call.cancel()
            answers, code = half_closed(channel, "/etcdserverpb.Watch/Watch", [], timeout=1)
            assert answers == [] and (code == grpc.StatusCode.DEADLINE_EXCEEDED or (kind == "go" and code == grpc.StatusCode.UNKNOWN))


def test_what_is_no_message(channel):
    """On a stream in other words than elsewhere."""
    assert "error unmarshalling request" in refused(lambda: unary(channel, "/etcdserverpb.KV/Range", b"\xff"))[1]
    for path in ("KV/RangeStream", "Watch/Watch", "Lease/LeaseKeepAlive"):
        stream = channel.stream_stream(f"/etcdserverpb.{path}")
        code, details = refused(lambda: list(stream(iter([b"\xff"]), timeout=10)))
        assert code is grpc.StatusCode.INTERNAL
        assert details.replace("\xa0", " ") == (
            "grpc: failed to unmarshal the received message: proto: cannot parse invalid wire-format data")


def test_a_limit_below_zero_is_none(channel):
    """And asks for all in one piece."""
    for number in range(30):
        put(channel, b"n%02d" % number)
    stream = channel.unary_stream("/etcdserverpb.KV/RangeStream")
    everything = field(1, b"n") + field(2, b"o")
    assert len(list(stream(everything, timeout=10))) == 2
    (piece,) = stream(everything + varint(3 << 3) + varint((1 << 64) - 1), timeout=10)
    assert len([number for number, _ in fields(fields(piece)[0][1]) if number == 2]) == 30


def test_answers_without_a_header(member, channel):
    """Of who is leader already, and of a status with an alarm of nobody."""
    leader = dict(fields(unary(channel, "/etcdserverpb.Maintenance/Status")))[4]
    assert unary(channel, "/etcdserverpb.Maintenance/MoveLeader", field(1, leader)) == b""
    unary(channel, "/etcdserverpb.Maintenance/Alarm", field(1, 1) + field(3, 1))
    unary(channel, "/etcdserverpb.Maintenance/Alarm", field(1, 1) + field(2, 7) + field(3, 2))
    status = fields(unary(channel, "/etcdserverpb.Maintenance/Status"))
    assert sorted(value for number, value in status if number == 8) == [b"alarm:NOSPACE", b"memberID:7 alarm:CORRUPT"]
