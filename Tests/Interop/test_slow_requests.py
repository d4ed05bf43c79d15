"""Log lines of requests that take long, compared with Go's; and the flags that decide how the file is written."""

import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import threading
import time

import grpc
import pytest

import harness
from cluster import CEILING, Cluster
from harness import b64, etcdctl
from test_grpc import field, unary

# What both are asked, in order, with lines that both write of it.
def script(member):
    etcdctl(member, "put", "foo", "bar")
    lease = etcdctl(member, "lease", "grant", "100").stdout.split()[1]
    etcdctl(member, "put", "foo\x01\"é\\", "bar", "--lease", lease, "--prev-kv")
    etcdctl(member, "get", "foo")
    etcdctl(member, "get", "foo", "--prefix", "--limit", "3", "--order", "DESCEND", "--sort-by", "VERSION", "--keys-only")
    etcdctl(member, "get", "foo", "--rev", "2", "--consistency", "s")
    etcdctl(
        member, "txn",
        stdin='mod("foo") > "0"\nvalue("foo") = "bar"\ncreate("x") = "0"\n\nput foo baz\nget foo\ndel x\n\nput x y\n\n')
    etcdctl(member, "txn", stdin='mod("foo") > "0"\n\nget foo\n\nget x\n\n')
    etcdctl(member, "del", "foo", "--prev-kv")
    etcdctl(member, "lease", "revoke", lease)
    etcdctl(member, "compaction", "3")
    etcdctl(member, "compaction", "3", check=False)
    etcdctl(member, "get", "foo", "--rev", "2", check=False)
    etcdctl(member, "alarm", "disarm")
    etcdctl(member, "user", "add", "root:pw")
    etcdctl(member, "user", "add", "u:pw")
    etcdctl(member, "user", "passwd", "u", "--interactive=false", stdin="secret\n")
    etcdctl(member, "role", "add", "r")
    etcdctl(member, "role", "grant-permission", "r", "readwrite", "a", "b")
    etcdctl(member, "user", "grant-role", "u", "r")
    etcdctl(member, "auth", "enable")
    etcdctl(member, "--user", "root:pw", "put", "foo", "bar")


def lines(member, message):
    """Without what differs from run to run."""
    found = []
    for line in member.log().splitlines():
        fields = json.loads(line) if line.startswith("{") else {}
        if fields.get("msg") != message:
            continue
        text = json.dumps({key: value for key, value in fields.items() if key not in (
            "ts", "caller", "took", "time spent", "start time", "remote", "response size", "expected-duration")})
        # Identifiers of requests and leases, sizes of answers with headers (which lack what only our members fill), and the
        # token of who logs in, which we keep to ourselves.
        text = re.sub(r"ID:\d+", "ID:1", text)
        text = re.sub(r"(id:|lease:)[0-9a-f]+", r"\1L", text)
        text = re.sub(r"size:\d+\"", 'size:N"', text)
        text = re.sub(r" simple_token:\w+", "", text)
        text = re.sub(r'"error": "(auth|etcdserver): ', '"error": "', text)
        found.append(one_text(text))
    return found


def one_text(text):
    """Go writes some requests with braces since 3.6, and with one space or two between fields, as its library likes."""
    text = re.sub(r"\{(?=[^ ])|(?<=:)\{", "<", text[1:-1]).replace("}", ">").replace("<>", "< >")
    return "{" + re.sub(r" ?> ?", ">", re.sub(" +", " ", text)).replace(' "', '"') + "}"


def about_clients(lines):
    """Requests of clients: what members write among themselves differs between versions. Nor do our members put a question
    for alarms into the log."""
    return [
        line for line in lines
        if not re.search(r'Path:|cluster_member_attr_set|cluster_version_set|alarm:<>|"limit:1 keys_only:true|key:.{2}health', line)]


def test_slow_requests_are_told_of_as_go_does(tmp_path):
    found = {}
    for kind in ("ours", "go"):
        flag = harness.flag("warning-apply-duration", kind)
        program = harness.go_program("etcd") if kind == "go" else None
        extra = [flag, "1ns", "--log-level", "debug"]
        with harness.Member(tmp_path / kind, program=program, extra=extra) as member:
            script(member)
            found[kind] = {
                message: about_clients(lines(member, message)) for message in ("apply request took too long", "request stats")}
            if kind == "ours":
                page = member.get("/metrics")[1]["text"]
                assert float(re.search(r"^etcd_server_slow_apply_total (\S+)", page, re.M)[1]) > 20
                assert "secret" not in member.log() and "simple_token" not in member.log()
    for message in ("apply request took too long", "request stats"):
        assert found["ours"][message] == found["go"][message]
    stats = json.loads(found["ours"]["request stats"][0])
    assert stats["request content"] == 'key:"foo" value_size:3' and stats["request size"] == 10


@pytest.mark.parametrize("threshold, is_told", [("1ns", True), ("1h", False)])
def test_thresholds(tmp_path, threshold, is_told):
    extra = ["--warning-apply-duration", threshold, "--warning-unary-request-duration", threshold]
    with harness.Member(tmp_path / "data", extra=extra) as member:
        member.put("through the gateway", "v")
        etcdctl(member, "get", "foo")
        etcdctl(member, "put", "foo", "bar")
        log = member.log()
        assert ('"request content":"key:\\"through the gateway\\" value_size:1 "' in log) == is_told
        assert ('"msg":"request stats"' in log) == is_told
        assert ('"prefix":"read-only range "' in log) == is_told
        assert ('"expected-duration":"1ns"' in log) == is_told
        if is_told:
            told = json.loads([line for line in log.splitlines() if "request stats" in line][-1])
            assert told["level"] == "warn" and told["response type"] == "/etcdserverpb.KV/Put"
            assert re.fullmatch(r"127\.0\.0\.1:\d+", told["remote"]) and told["response size"] > 0
            assert re.match(r"20\d\d-\d\d-\d\dT", told["start time"])


# Their steps


@contextlib.contextmanager
def standing_still(member, seconds):
    """The member does nothing for a while; shorter than what makes others elect."""
    member.process.send_signal(signal.SIGSTOP)
    wakes = threading.Timer(seconds, member.process.send_signal, [signal.SIGCONT])
    wakes.start()
    try:
        yield
    finally:
        wakes.join()


def traces(member):
    """Operation, fields, details and steps of each line; those of before 3.7 have the first in the message."""
    found = []
    for line in member.log().splitlines():
        fields = json.loads(line) if line.startswith("{") else {}
        message = re.fullmatch(r"trace(\[\d+\] (\w+))?", fields.get("msg", ""))
        if not message:
            continue
        assert fields["level"] == "info" and fields["step_count"] == len(fields["steps"])
        operation = message[2] or fields.pop("operation")
        assert message[2] or isinstance(fields.pop("trace_id"), int)
        for key in ("start", "end"):
            assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d{4})", fields[key]), fields
        assert re.fullmatch(r"[\d.]+m?s", fields["duration"])
        steps = []
        for step in fields["steps"]:
            match = re.fullmatch(r"(?:trace\[\d+\] )?'([^']+)' (\{.*\})? \(duration: ([\d.]+)(\S+)\)", step)
            assert match, step
            steps.append((match[1], float(match[3]) * {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[match[4]]))
        found.append((operation, {key for key in fields if key not in ("caller", "ts")}, fields["detail"], steps))
    return found


def test_steps_are_told_of_as_go_does(tmp_path):
    """The other half of a cluster stands still for 350 ms: what needs it takes as long, here and in Go."""
    found = {}
    with_revision = re.compile(r"response_revision:(\d+)")
    for kind in ("ours", "go"):
        (tmp_path / kind).mkdir()
        with Cluster(tmp_path / kind, kinds=(kind, kind), extra=["--election-timeout", "3000"]) as cluster:
            leader = cluster.leader()
            follower = next(member for member in cluster.members if member is not leader)
            with grpc.insecure_channel(leader.endpoint) as channel:
                unary(channel, "/etcdserverpb.KV/Put", field(1, b"a") + field(2, b"0"))
                first = len(traces(leader))
                for path, request in (
                        ("Put", field(1, b"foo") + field(2, b"bar")),
                        ("Txn", field(2, field(2, field(1, b"k") + field(2, b"v")))),
                        ("Range", field(1, b"foo")),
                        ("Txn", field(2, field(1, field(1, b"k")))),
                        ("Compact", field(1, 2))):
                    with standing_still(follower, 0.35):
                        unary(channel, f"/etcdserverpb.KV/{path}", request)
                    time.sleep(0.3)
                # No reason for a line: not slow, or of a kind that Go says nothing of.
                unary(channel, "/etcdserverpb.KV/Put", field(1, b"foo") + field(2, b"bar"))
                with standing_still(follower, 0.35):
                    unary(channel, "/etcdserverpb.KV/DeleteRange", field(1, b"foo"))
                found[kind] = traces(leader)[first:]
    lines = {
        kind: [
            (operation, keys, re.sub(r"(readStateIndex|appliedIndex|response_revision):\d+", r"\1:N", detail),
             [name for name, took in steps if took > 0.1])
            for operation, keys, detail, steps in told]
        for kind, told in found.items()}
    for told in lines.values():
        told.sort(key=lambda line: (line[0], line[2]))
    assert lines["ours"] == lines["go"]
    assert {line[0] for line in lines["ours"]} == {"put", "transaction", "range", "compact", "linearizableReadLoop"}
    for operation, _, detail, steps in found["ours"]:
        assert steps and sum(took for _, took in steps) > 0.2
        if revision := with_revision.search(detail):
            assert int(revision[1]) >= 2
        if operation == "put":
            assert re.fullmatch(r"\{key:foo; req_size:10; response_revision:\d+; \}", detail)


def test_reads_that_get_no_answer(tmp_path):
    """They are told of with the reason, as in Go."""
    found = {}
    for kind in ("ours", "go"):
        (tmp_path / kind).mkdir()
        with Cluster(tmp_path / kind, kinds=(kind, kind)) as cluster:
            leader = cluster.leader()
            follower = next(member for member in cluster.members if member is not leader)
            follower.process.send_signal(signal.SIGSTOP)
            with grpc.insecure_channel(leader.endpoint) as channel, pytest.raises(grpc.RpcError) as refusal:
                unary(channel, "/etcdserverpb.KV/Range", field(1, b"foo"), timeout=30)
            follower.process.send_signal(signal.SIGCONT)
            # The answer goes out before the lines are written.
            time.sleep(0.5)
            told = [line for line in lines(leader, "apply request took too long") if "read-only range" in line and "foo" in line]
            found[kind] = (refusal.value.details(), told, [line for line in traces(leader) if line[0] == "range"])
    assert found["ours"][:2] == found["go"][:2]
    (ours,), (go,) = found["ours"][2], found["go"][2]
    assert ours[:3] == go[:3] and [name for name, _ in ours[3]] == [name for name, _ in go[3]]


# The file


def size(member):
    return int(json.loads(etcdctl(member, "endpoint", "status", "-w", "json").stdout)[0]["Status"]["dbSize"])


def test_a_file_with_much_room_is_defragmented_at_start(tmp_path):
    member = harness.Member(tmp_path / "data")
    with member:
        with grpc.insecure_channel(member.endpoint) as channel:
            put = channel.unary_unary("/etcdserverpb.KV/Put")
            for number in range(400):
                put(field(1, b"%04d" % number) + field(2, b"x" * 65536), timeout=10)
        member.post("/v3/kv/deleterange", {"key": b64("0"), "range_end": b64("1")})
        revision = member.put("k", "v")
        member.post("/v3/kv/compaction", {"revision": str(revision), "physical": True})
        member.stop()
    before = (member.directory / "member" / "snap" / "db").stat().st_size
    assert before > 20 << 20
    member.extra = ["--bootstrap-defrag-threshold-megabytes", "1000"]
    member.start()
    assert "Skipping defragmentation" in member.log() and size(member) > 20 << 20
    member.stop()
    member.extra = ["--bootstrap-defrag-threshold-megabytes", "10"]
    member.start()
    deadline = time.monotonic() + 20
    while "finished defragmentation" not in member.log():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert size(member) < 5 << 20
    assert member.post("/v3/kv/range", {"key": b64("k")})[1]["count"] == "1"
    member.kill()


def backend_commits(member):
    page = member.get("/metrics")[1]["text"]
    return int(re.search(r"^etcd_disk_backend_commit_duration_seconds_count (\d+)", page, re.M)[1])


def test_batches_are_as_large_as_they_may_be(tmp_path):
    counts = {}
    for limit in ("5", "10000"):
        extra = ["--backend-batch-limit", limit, "--backend-batch-interval", "1h", "--backend-bbolt-freelist-type", "array"]
        with harness.Member(tmp_path / limit, extra=extra) as member:
            before = backend_commits(member)
            for number in range(100):
                member.put(f"k{number}", "v")
            counts[limit] = backend_commits(member) - before
    assert counts["10000"] == 0 and counts["5"] >= 4


def test_compactions_may_be_spread(tmp_path):
    """Ten rows at a time with pauses between: 400 rows need forty of them."""
    extra = ["--compaction-batch-limit", "10", "--compaction-sleep-interval", "20ms"]
    with harness.Member(tmp_path / "data", extra=extra) as member:
        with grpc.insecure_channel(member.endpoint) as channel:
            put = channel.unary_unary("/etcdserverpb.KV/Put")
            for number in range(400):
                put(field(1, b"k") + field(2, b"v"), timeout=10)
        revision = member.put("k", "v")
        begun = time.monotonic()
        status, _ = member.post("/v3/kv/compaction", {"revision": str(revision), "physical": True})
        assert status == 200 and time.monotonic() - begun > 0.7
        # The answer goes out before the line is written.
        deadline = time.monotonic() + 10
        while not (told := [line for line in traces(member) if line[0] == "compact"]):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        ((_, _, detail, steps),) = told
        assert re.fullmatch(r"\{revision:%d; response_revision:\d+; \}" % revision, detail)
        assert [name for name, _ in steps] == ["physically toApply compaction"] and steps[0][1] > 0.7
        page = member.get("/metrics")[1]["text"]
        pauses = re.search(r"^etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds_count (\d+)", page, re.M)[1]
        assert int(pauses) >= 40


def locked_kilobytes(member):
    return int(re.search(r"VmLck:\s+(\d+)", open(f"/proc/{member.process.pid}/status").read())[1])


def needs_unlimited_memory_locks():
    if os.geteuid() != 0 and resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY:
        pytest.skip("who runs this may not lock as much memory")


def test_the_files_pages_are_locked(tmp_path):
    """The whole file's and nothing else, also when it has grown, and when it has become another one."""
    needs_unlimited_memory_locks()

    def locked_size():
        size = (tmp_path / "data" / "member" / "snap" / "db").stat().st_size
        return size if locked_kilobytes(member) == size // 1024 else 0

    with harness.Member(tmp_path / "data", extra=["--memory-mlock"]) as member:
        begun = harness.wait_for(locked_size)
        for number in range(40):
            member.put(f"k{number}", "v" * 1_000_000)
        grown = harness.wait_for(lambda: locked_size() > begun and locked_size())
        for number in range(40):
            assert member.post("/v3/kv/deleterange", {"key": harness.b64(f"k{number}")})[0] == 200
        revision = member.put("k", "v")
        assert member.post("/v3/kv/compaction", {"revision": str(revision), "physical": True})[0] == 200
        harness.etcdctl(member, "defrag")
        harness.wait_for(lambda: 0 < locked_size() < grown)


def test_what_is_locked_at_a_start_is_what_go_locks(tmp_path):
    """Go 3.5.1 does not go on to lock what the file grows by, as later ones do: a start is what can be compared."""
    needs_unlimited_memory_locks()
    with harness.Member(tmp_path / "data", program=harness.go_program("etcd")) as member:
        for number in range(5):
            member.put(f"k{number}", "v" * 1_000_000)
        member.stop()
        size = (tmp_path / "data" / "member" / "snap" / "db").stat().st_size
        member.extra = [harness.flag("memory-mlock")]
        member.start()
        theirs = locked_kilobytes(member)
        member.stop()
        member.program = harness.OURS
        member.extra = ["--memory-mlock", *CEILING]
        member.start()
        assert theirs == size // 1024 > 5000
        # Unless a commit has made it grow already.
        assert locked_kilobytes(member) in (theirs, (tmp_path / "data" / "member" / "snap" / "db").stat().st_size // 1024)


def test_who_may_not_lock_memory_is_told(tmp_path):
    """At the start, and where the file grows beyond what is allowed."""
    dropped = ["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"]
    if subprocess.run([*dropped, "true"], capture_output=True).returncode != 0:
        dropped = []
        if os.geteuid() == 0:
            pytest.skip("root may lock as much as it likes")
    member = harness.Member(tmp_path / "data", extra=["--memory-mlock"])
    # A new file's four pages; the step by which it grows.
    for limit in (8 << 10, 8 << 20):
        member.wrapper = ["prlimit", f"--memlock={limit}:{limit}", *dropped]
        member.start(wait=False)
        assert member.process.wait(20) != 0
        assert f"mlock error: cannot allocate memory (RLIMIT_MEMLOCK is {limit} bytes)" in member.log()
    member.wrapper, member.extra = [], []
    with member:
        member.put("k", "v")
