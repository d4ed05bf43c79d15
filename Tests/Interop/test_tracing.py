"""Distributed tracing: what a collector is sent of calls, whose traces they belong to, and that no collector is missed."""

import json
import time

import grpc
import pytest

import harness
from collector import Collector, silent_port
from harness import b64
from test_grpc import field, unary
from test_watch import Watch

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
KEPT = [("traceparent", f"00-{TRACE}-{PARENT}-01"), ("tracestate", "vendor=x")]
DROPPED = [("traceparent", f"00-{TRACE}-{PARENT}-00")]
CALLS = ("go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc", "0.68.0")
MEMBER = ("go.etcd.io/etcd", "")


def traced(tmp_path, collector, *more, rate=1_000_000, **options):
    extra = [
        "--enable-distributed-tracing", "--distributed-tracing-address", collector,
        "--distributed-tracing-sampling-rate", str(rate), *more]
    return harness.Member(tmp_path / "data", extra=extra, **options)


def child(collector, span, name, seconds=40):
    """What the member did for a call."""
    deadline = time.monotonic() + seconds
    while True:
        for found in collector.named(name):
            if found.parent_id == span.span_id:
                assert found.trace_id == span.trace_id and found.kind == 1 and found.scope == MEMBER
                assert span.begun <= found.begun <= found.ended <= span.ended
                return found
        assert time.monotonic() < deadline, name
        time.sleep(0.05)


def test_calls_and_what_is_done_for_them(tmp_path):
    before = time.time_ns()
    environment = {"OTEL_RESOURCE_ATTRIBUTES": "region=north%20east,service.name=other"}
    with Collector() as collector, traced(
            tmp_path, collector.address, "--distributed-tracing-service-name", "keys",
            "--distributed-tracing-instance-id", "one", environment=environment) as member:
        assert '"distributed tracing setup enabled"' in member.log()
        with grpc.insecure_channel(member.endpoint) as channel:
            unary(channel, "/etcdserverpb.KV/Put", field(1, b"k\xff") + field(2, b"v"))
            unary(channel, "/etcdserverpb.KV/Range", field(1, b"k") + field(2, b"l") + field(3, 7) + field(8, 1))
            unary(channel, "/etcdserverpb.KV/DeleteRange", field(1, b"x") + field(2, b"y"))
            lease = unary(channel, "/etcdserverpb.Lease/LeaseGrant", field(1, 100) + field(2, 7))
            assert lease
            unary(
                channel, "/etcdserverpb.KV/Txn",
                field(1, field(1, 2) + field(3, b"c")) + field(2, field(2, field(1, b"p") + field(2, b"v") + field(3, 7))))
            unary(channel, "/etcdserverpb.KV/Txn", field(2, field(1, field(1, b"r"))))
            unary(channel, "/etcdserverpb.Lease/LeaseRevoke", field(1, 7))
            unary(channel, "/etcdserverpb.KV/Compact", field(1, 2) + field(2, 1))
            list(channel.unary_stream("/etcdserverpb.KV/RangeStream")(field(1, b"k"), timeout=10))
            for request, code in ((b"", grpc.StatusCode.INVALID_ARGUMENT), (field(1, b"k") + field(4, 999), grpc.StatusCode.OUT_OF_RANGE)):
                with pytest.raises(grpc.RpcError) as refusal:
                    unary(channel, "/etcdserverpb.KV/Range", request)
                assert refusal.value.code() == code
            with pytest.raises(grpc.RpcError):
                unary(channel, "/etcdserverpb.KV/Nothing")
            with pytest.raises(grpc.RpcError):
                unary(channel, "/etcdserverpb.KV/Put", field(1, b"large") + field(2, b"x" * (1700 << 10)))
            unary(channel, "/grpc.health.v1.Health/Check")
        put, large = collector.wait("etcdserverpb.KV/Put", 2)
        # It did not get into the log, which is an event on the way.
        assert child(collector, large, "put").events == [{"exception.message": "etcdserver: request is too large"}]
        assert put.kind == 2 and put.scope == CALLS and put.status == (0, "") and put.parent_id == b""
        assert put.attributes == {
            "rpc.method": "etcdserverpb.KV/Put", "rpc.system.name": "grpc", "server.address": "127.0.0.1",
            "server.port": member.client, "rpc.response.status_code": "OK"}
        assert put.resource == {"service.name": "keys", "service.instance.id": "one", "region": "north east"}
        assert before <= put.begun < put.ended <= time.time_ns() and put.flags == 0x101
        assert child(collector, put, "put").attributes == {"key": "k\ufffd"}
        ranges = collector.wait("etcdserverpb.KV/Range", 3)
        assert child(collector, ranges[0], "range").attributes == {
            "range_begin": "k", "range_end": "l", "rev": 0, "limit": 7, "count_only": False, "keys_only": True}
        # What is refused at the door is not begun; both are the client's failures.
        assert [span.attributes["rpc.response.status_code"] for span in ranges[1:]] == ["INVALID_ARGUMENT", "OUT_OF_RANGE"]
        assert [span.status for span in ranges[1:]] == [(0, ""), (0, "")]
        assert len(collector.wait("range", 2)) == 2 and child(collector, ranges[2], "range").attributes["rev"] == 999
        (delete,) = collector.wait("etcdserverpb.KV/DeleteRange")
        assert child(collector, delete, "delete_range").attributes == {"range_begin": "x", "range_end": "y"}
        (write, read) = collector.wait("etcdserverpb.KV/Txn", 2)
        assert child(collector, write, "txn").attributes == {
            "compare_first_key": "c", "success_first_key": "p", "success_first_type": "put", "success_first_lease": 7,
            "compare_len": 1, "success_len": 1, "failure_len": 0, "read_only": False}
        assert child(collector, read, "txn").attributes == {
            "compare_first_key": "", "success_first_key": "r", "success_first_type": "range", "success_first_lease": -1,
            "compare_len": 0, "success_len": 1, "failure_len": 0, "read_only": True}
        for service, name, attributes in (
                ("Lease/LeaseGrant", "lease_grant", {"id": 7, "ttl": 100}),
                ("Lease/LeaseRevoke", "lease_revoke", {"id": 7}),
                ("KV/Compact", "compact", {"rev": 2, "is_physical": True}),
                ("KV/RangeStream", "range_streaming", {
                    "range_begin": "k", "range_end": "", "rev": 0, "limit": 0, "count_only": False})):
            (span,) = collector.wait(f"etcdserverpb.{service}")
            assert child(collector, span, name).attributes == attributes
        assert collector.wait("grpc.health.v1.Health/Check")
        assert not [span for span in collector.spans if "Nothing" in span.name]
        assert len({span.span_id for span in collector.spans}) == len(collector.spans)


def test_whose_traces_they_are(tmp_path):
    """Nothing is taken by chance here, and all that a client wants."""
    with Collector() as collector, traced(tmp_path, collector.address, rate=0) as member:
        with grpc.insecure_channel(member.endpoint) as channel:
            request = field(1, b"k")
            unary(channel, "/etcdserverpb.KV/Range", request)
            unary(channel, "/etcdserverpb.KV/Range", request, metadata=DROPPED)
            unary(channel, "/etcdserverpb.KV/Range", request, metadata=[("traceparent", "00-nonsense-01")])
            unary(channel, "/etcdserverpb.KV/Range", request, metadata=KEPT + [("baggage", "user=1")])
            unary(channel, "/etcdserverpb.KV/Range", request)
        # Through the gateway only what has its prefix reaches the call.
        body = json.dumps({"key": b64("k")}).encode()
        for prefix in ("", "Grpc-Metadata-"):
            headers = {prefix + name: value.replace(PARENT, "00000000000000aa") for name, value in KEPT}
            assert member.request("/v3/kv/range", body, headers)[0] == 200
        calls = collector.wait("etcdserverpb.KV/Range", 2)
        assert [(span.trace_id, span.parent_id, span.state) for span in calls] == [
            (TRACE, PARENT, "vendor=x"), (TRACE, "00000000000000aa", "vendor=x")]
        assert all(span.flags == 0x301 for span in calls)
        for span in calls:
            part = child(collector, span, "range")
            assert part.state == "vendor=x" and part.flags == 0x101
        assert calls[1].attributes["server.port"] == member.client
        time.sleep(0.5)
        assert len(collector.spans) == 4


def test_streams(tmp_path):
    with Collector() as collector, traced(tmp_path, collector.address) as member:
        with grpc.insecure_channel(member.endpoint) as channel:
            unary(channel, "/etcdserverpb.Lease/LeaseGrant", field(1, 100) + field(2, 7))
            renewals = channel.stream_stream("/etcdserverpb.Lease/LeaseKeepAlive")(iter([field(1, 7), field(1, 8)]), timeout=10)
            assert len(list(renewals)) == 2
            watch = Watch(channel)
            watch.create(b"a", end=b"b")
            watch.create(b"c")
            watch.cancel(0)
            (alive,) = collector.wait("etcdserverpb.Lease/LeaseKeepAlive")
            assert alive.attributes["rpc.response.status_code"] == "OK"
            assert sorted(span.attributes["id"] for span in collector.wait("lease_renew", 2)) == [7, 8]
            # The watch that was cancelled has ended, its stream has not.
            (cancelled,) = collector.wait("watch")
            assert cancelled.attributes == {
                "key": "a", "range_end": "b", "start_rev": 0, "progress_notify": False, "prev_kv": False, "fragment": False}
            assert not collector.named("etcdserverpb.Watch/Watch")
            watch.close()
        (stream,) = collector.wait("etcdserverpb.Watch/Watch")
        assert stream.attributes["rpc.response.status_code"] == "CANCELLED" and stream.status == (0, "")
        watches = collector.wait("watch", 2)
        assert {span.parent_id for span in watches} == {stream.span_id} and watches[1].attributes["key"] == "c"
        assert watches[0].ended < watches[1].ended


def test_what_is_left_is_sent_at_the_end(tmp_path):
    with Collector() as collector, traced(tmp_path, collector.address) as member:
        with grpc.insecure_channel(member.endpoint) as channel:
            unary(channel, "/etcdserverpb.KV/Put", field(1, b"k"))
            watch = Watch(channel)
            watch.create(b"a")
            watch.wait(lambda watch: watch.messages)
            begun = time.monotonic()
            assert member.stop() in (0, -15)
        assert time.monotonic() - begun < 5
        assert collector.named("etcdserverpb.KV/Put") and collector.named("put")
        # The stream was ended by the server, which is a failure of its.
        (stream,) = collector.named("etcdserverpb.Watch/Watch")
        assert stream.status == (2, "etcdserver: server stopped")
        assert stream.attributes["rpc.response.status_code"] == "UNAVAILABLE"


def warnings(member):
    return [line for line in member.log().splitlines() if "failed to export traces" in line]


@pytest.mark.parametrize("kind", ["down", "silent", "refusing"])
def test_nobody_waits_for_a_collector(tmp_path, kind):
    collector = Collector()
    with silent_port() as silent:
        address = f"127.0.0.1:{silent}" if kind == "silent" else collector.address
        if kind == "refusing":
            collector.answer = lambda context: context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")
            collector.__enter__()
        member = traced(tmp_path, address)
        with member:
            with grpc.insecure_channel(member.endpoint) as channel:
                put = channel.unary_unary("/etcdserverpb.KV/Put")
                begun = time.monotonic()
                # More spans than all that is kept.
                for number in range(3000):
                    put(field(1, b"%d" % (number % 7)) + field(2, b"v"), timeout=10)
                deadline = time.monotonic() + 30
                while not warnings(member):
                    assert time.monotonic() < deadline, member.log_tail()
                    put(field(1, b"k"), timeout=1)
                    time.sleep(0.2)
            assert member.get("/health")[1]["health"] == "true"
            begun = time.monotonic()
            assert member.stop() in (0, -15)
            assert time.monotonic() - begun < 6
    assert len(warnings(member)) == 1, warnings(member)
    if kind == "refusing":
        assert "no" in json.loads(warnings(member)[0])["error"]
        collector.__exit__()


def test_a_collector_that_comes_back(tmp_path):
    with Collector() as collector, traced(tmp_path, collector.address) as member:
        with grpc.insecure_channel(member.endpoint) as channel:
            unary(channel, "/etcdserverpb.KV/Put", field(1, b"first"))
            collector.wait("put")
            # Too busy for one batch, which it may be given again.
            refusals = []

            def answer(context):
                if not refusals:
                    refusals.append(1)
                    context.abort(grpc.StatusCode.UNAVAILABLE, "busy")
                return b""

            collector.answer = answer
            unary(channel, "/etcdserverpb.KV/Put", field(1, b"second"))
            assert collector.wait("put", 2, seconds=30)[1].attributes == {"key": "second"}
            assert refusals and not warnings(member)


def code(span):
    """Earlier conventions have the number."""
    number = span.attributes.get("rpc.grpc.status_code")
    return span.attributes.get("rpc.response.status_code") or next(
        code.name for code in grpc.StatusCode if code.value[0] == number)


def test_names_agree_with_go(tmp_path):
    """Go 3.5.1 has an earlier set of attributes, and no spans within calls."""
    names = {}
    for kind in ("ours", "go"):
        prefix = harness.flag("", kind)
        program = harness.go_program("etcd") if kind == "go" else None
        with Collector() as collector:
            extra = [f"{prefix}enable-distributed-tracing", f"{prefix}distributed-tracing-address", collector.address,
                     f"{prefix}distributed-tracing-service-name", "s", f"{prefix}distributed-tracing-instance-id", "i"]
            if harness.go_version(kind) >= (3, 6):
                extra += ["--distributed-tracing-sampling-rate", "1000000"]
            with harness.Member(tmp_path / kind, program=program, extra=extra) as member:
                with grpc.insecure_channel(member.endpoint) as channel:
                    unary(channel, "/etcdserverpb.KV/Put", field(1, b"k"), metadata=KEPT)
                    unary(channel, "/etcdserverpb.KV/Range", field(1, b"k"), metadata=KEPT)
                    with pytest.raises(grpc.RpcError):
                        unary(channel, "/etcdserverpb.KV/Range", metadata=KEPT)
                    unary(channel, "/etcdserverpb.Cluster/MemberList", metadata=KEPT)
                    with pytest.raises(grpc.RpcError):
                        unary(channel, "/etcdserverpb.Lease/LeaseRevoke", field(1, 7), metadata=KEPT)
                    renewals = channel.stream_stream("/etcdserverpb.Lease/LeaseKeepAlive")
                    assert len(list(renewals(iter([field(1, 7)]), timeout=10, metadata=KEPT))) == 1
                    watch = Watch(channel, metadata=KEPT)
                    watch.create(b"a")
                    watch.wait(lambda watch: watch.messages)
                    watch.close()
                    member.put("k", "v")
                    collector.wait("etcdserverpb.Watch/Watch")
                    collector.wait("etcdserverpb.KV/Put", 2)
                spans = [span for span in collector.spans if span.kind == 2 and span.parent_id == PARENT]
                names[kind] = [(span.name, code(span), span.trace_id, span.state, span.resource) for span in spans]
    assert names["ours"] == names["go"]
    assert [line[1] for line in names["ours"]] == ["OK", "OK", "INVALID_ARGUMENT", "OK", "NOT_FOUND", "OK", "CANCELLED"]
    assert names["ours"][0][4] == {"service.name": "s", "service.instance.id": "i"}
