"""Compaction that nobody asked for, beside Go 3.5.1: both keep a span of history, and come to rest where the keys do."""

import time

import harness
import pytest
from harness import b64
from test_metrics import samples, total

PERIODIC = ["--auto-compaction-mode", "periodic", "--auto-compaction-retention", "2s"]


def compacted(member):
    return total(samples(member), "etcd_debugging_mvcc_compact_revision")


def wait(body, seconds=30):
    deadline = time.monotonic() + seconds
    while not body():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@pytest.mark.parametrize("kind", ["ours", "go"])
def test_a_span_of_history_is_kept(tmp_path, kind):
    program = harness.go_program("etcd") if kind == "go" else None
    with harness.Member(tmp_path / kind, program=program, extra=PERIODIC) as member:
        started = time.monotonic()
        first = member.put("a", "0")
        # Under writes: what is compacted is what was there a while ago, never the newest.
        while compacted(member) <= first:
            last = member.put("a", "x")
            assert time.monotonic() - started < 30, member.log_tail()
            time.sleep(0.02)
        assert time.monotonic() - started >= 2
        assert compacted(member) < last
        # At rest: up to the newest, and then no more.
        wait(lambda: compacted(member) == last)
        status, body = member.post("/v3/kv/range", {"key": b64("a"), "revision": str(first)})
        assert status == 400 and body["message"] == "etcdserver: mvcc: required revision has been compacted"
        assert member.post("/v3/kv/range", {"key": b64("a")})[1]["kvs"][0]["value"] == b64("x")
        lines = member.log().count("starting auto periodic compaction")
        assert lines == member.log().count("completed auto periodic compaction") >= 2
        after = member.put("a", "y")
        wait(lambda: compacted(member) == after)
        assert member.log().count("starting auto periodic compaction") > lines


def test_off_is_off(member):
    revision = member.put("a", "1")
    assert compacted(member) < revision
    assert "starting auto" not in member.log()
