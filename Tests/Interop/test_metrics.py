"""The page of /metrics, read by Prometheus' own parser, against what Go etcd 3.7.1 shows, and what a running 3.5.1 counts."""

import json
import threading
import time
import urllib.request
from pathlib import Path

import grpc
import harness
from cluster import Cluster
from prometheus_client.parser import text_string_to_metric_families
from test_golden import golden
from harness import b64

# Of Go's runtime, and of its HTTP handler, whose lines the recording lacks.
NOT_OURS = ("go_", "promhttp_")


def families(text):
    found = {}
    for family in text_string_to_metric_families(text):
        labels = {frozenset(sample.labels) for sample in family.samples}
        bounds = [sample.labels["le"] for sample in family.samples if sample.name.endswith("_bucket")]
        found[family.name] = (family.type, labels, sorted({float(bound) for bound in bounds}))
    return found


def live(member):
    """A little of everything."""
    member.put("a", "1")
    member.post("/v3/kv/range", {"key": b64("a")})
    member.post("/v3/kv/range", {"key": b64("a"), "revision": "99"})
    member.post("/v3/kv/txn", {"success": [{"request_put": {"key": b64("b"), "value": b64("2")}}]})
    member.post("/v3/kv/deleterange", {"key": b64("b")})
    member.post("/v3/kv/compaction", {"revision": "2", "physical": True})
    member.post("/v3/lease/grant", {"TTL": "100", "ID": "5"})
    member.post("/v3/lease/revoke", {"ID": "5"})
    member.post("/v3/maintenance/hashkv", {})
    member.post("/v3/maintenance/hash", {})
    member.post("/v3/maintenance/defragment", {})
    member.post("/v3/maintenance/alarm", {"action": "ACTIVATE", "memberID": "5", "alarm": "NOSPACE"})
    member.post("/v3/cluster/member/promote", {"ID": "77"})
    harness.etcdctl(member, "get", "a")


@golden
def test_every_family_of_go(tmp_path):
    theirs = families((Path(harness.GOLDEN) / "3.7.1" / "metrics.txt").read_text())
    with harness.Member(tmp_path / "m") as member:
        live(member)
        status, page = member.get("/metrics")
        assert status == 200
        ours = families(page if isinstance(page, str) else page["text"])
    wrong = []
    for name, (kind, labels, bounds) in theirs.items():
        if name.startswith(NOT_OURS):
            continue
        if name not in ours:
            wrong.append(f"{name} is missing")
            continue
        if ours[name][0] != kind:
            wrong.append(f"{name} is a {ours[name][0]}, not a {kind}")
        if ours[name][1] - labels:
            wrong.append(f"{name} has labels {ours[name][1] - labels}, not {labels}")
        if len(ours[name][2]) != len(bounds) or any(abs(a - b) > 1e-6 * max(abs(b), 1e-9) for a, b in zip(ours[name][2], bounds) if b != float("inf")):
            wrong.append(f"{name} has bounds {ours[name][2]}, not {bounds}")
    assert not wrong, "\n".join(wrong)


def test_what_is_said_of_each_family(member, tmp_path):
    """In etcd's words: tools show them beside the names."""
    def said(member):
        return dict(line.split(" ", 3)[2:] for line in member.get("/metrics")[1]["text"].splitlines() if line.startswith("# HELP "))

    ours = said(member)
    assert len(ours) > 100 and all(ours.values())
    assert ours["etcd_server_has_leader"] == "Whether or not a leader exists. 1 is existence, 0 is not."
    assert ours["etcd_mvcc_db_total_size_in_bytes"] == "Total size of the underlying database physically allocated in bytes."
    assert ours["etcd_disk_wal_fsync_duration_seconds"] == "The latency distributions of fsync called by WAL."
    assert ours["grpc_server_handled_total"] == "Total number of RPCs completed on the server, regardless of success or failure."
    if harness.go_version() >= (3, 7):
        with harness.Member(tmp_path / "go", program=harness.go_program("etcd")) as go:
            theirs = said(go)
        assert not {name: (ours[name], text) for name, text in theirs.items() if name in ours and ours[name] != text}


def test_checks_of_health_are_counted(member):
    before = samples(member)
    assert not any(name.startswith("etcd_server_healthcheck") for name, _ in before)
    assert member.get("/livez")[0] == member.get("/readyz")[0] == member.get("/readyz/data_corruption")[0] == 200
    member.post("/v3/maintenance/alarm", {"action": "ACTIVATE", "memberID": "5", "alarm": "CORRUPT"})
    status, answer = member.get("/readyz")
    assert status == 503
    assert answer["text"] == (
        "[-]data_corruption failed: alarm activated: CORRUPT\n[+]serializable_read ok\n[+]linearizable_read ok\n"
        "[+]non_learner ok\n\n")
    after = samples(member)

    def checks(family, kind, check, **labels):
        wanted = {"type": kind, "name": check, **labels}.items()
        return sum(value for (name, its), value in after.items() if name == family and set(wanted) <= set(its))

    for kind, check in [("livez", "serializable_read"), ("readyz", "serializable_read"), ("readyz", "linearizable_read"),
                        ("readyz", "non_learner")]:
        assert checks("etcd_server_healthcheck", kind, check) == 1
    assert checks("etcd_server_healthcheck", "readyz", "data_corruption") == 0
    assert checks("etcd_server_healthchecks_total", "readyz", "data_corruption", status="success") == 2
    assert checks("etcd_server_healthchecks_total", "readyz", "data_corruption", status="error") == 1
    assert '"msg":"Health check error","path":"/readyz"' in member.log()
    # Reads of these pages are reads.
    assert total(after, "etcd_mvcc_range_total") - total(before, "etcd_mvcc_range_total") >= 5


def test_locks_are_shown_from_their_first_call_on(member):
    def services():
        return {dict(labels).get("grpc_service") for name, labels in samples(member) if name == "grpc_server_started_total"}

    assert "v3lockpb.Lock" not in services()
    assert member.post("/v3/lock/unlock", {"key": b64("l")})[0] == 200
    assert "v3lockpb.Lock" in services() and "v3electionpb.Election" not in services()


def test_figures_move(member):
    def value(name, **labels):
        page = member.get("/metrics")[1]
        for family in text_string_to_metric_families(page if isinstance(page, str) else page["text"]):
            for sample in family.samples:
                if sample.name == name and all(sample.labels.get(key) == text for key, text in labels.items()):
                    return sample.value
        return None

    before = value("etcd_mvcc_put_total")
    member.put("a", "1")
    member.put("a", "2")
    assert value("etcd_mvcc_put_total") == before + 2
    harness.etcdctl(member, "put", "a", "3")
    # What comes through the gateway is a call as any other.
    assert value("grpc_server_handled_total", grpc_method="Put", grpc_code="OK") == 3
    for name in ("started", "msg_received", "msg_sent"):
        assert value(f"grpc_server_{name}_total", grpc_method="Put") == 3
    assert value("etcd_debugging_mvcc_total_put_size_in_bytes") == 6
    # Refused calls have an answer, too, as Go's library counts.
    assert member.post("/v3/kv/put", {})[0] == 400
    assert value("grpc_server_handled_total", grpc_method="Put", grpc_code="InvalidArgument") == 1
    assert value("grpc_server_msg_sent_total", grpc_method="Put") == 4
    assert value("etcd_server_apply_duration_seconds_count", op="Put", success="true") >= 3
    assert value("etcd_disk_wal_fsync_duration_seconds_count") > 3
    assert value("etcd_debugging_mvcc_keys_total") == 1
    assert value("etcd_server_client_requests_total", type="unary") >= 1


def samples(member):
    """Every sample of the page by name and labels."""
    with urllib.request.urlopen(f"http://{member.endpoint}/metrics", timeout=10) as response:
        page = response.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page) for sample in family.samples
    }


def total(found, name, **labels):
    return sum(
        value for (one, its), value in found.items()
        if one == name and all(dict(its).get(label) == text for label, text in labels.items()))


def script(member):
    """The same for both kinds: a little of everything, each by way of etcdctl or the gateway."""
    live(member)
    member.post("/v3/maintenance/alarm", {"action": "DEACTIVATE", "memberID": "5", "alarm": "NOSPACE"})
    for number in range(30):
        member.put(f"k{number}", "x" * 100)
    ask = [
        json.dumps({"create_request": {"key": b64("w"), "progress_notify": True}}).encode(),
        json.dumps({"create_request": {"key": b64("k1"), "start_revision": "3"}}).encode(),
    ]
    answered = threading.Event()

    def watch():
        request = urllib.request.Request(f"http://{member.endpoint}/v3/watch", data=b"\n".join(ask))
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                for line in response:
                    if b"events" in line and b64("w").encode() in line:
                        return answered.set()
        except OSError:
            pass

    thread = threading.Thread(target=watch)
    thread.start()
    deadline = time.monotonic() + 15
    while not answered.is_set() and time.monotonic() < deadline:
        member.put("w", "1")
        answered.wait(0.1)
    thread.join(20)
    assert answered.is_set()
    member.post("/v3/lease/grant", {"TTL": "200", "ID": "9"})
    member.post("/v3/lease/keepalive", {"ID": "9"})
    member.post("/v3/lease/grant", {"TTL": "1", "ID": "8"})
    deadline = time.monotonic() + 20
    while total(samples(member), "etcd_debugging_server_lease_expired_total") == 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    harness.etcdctl(member, "snapshot", "save", str(member.directory.parent / f"{member.directory.name}.saved"))
    member.post("/v3/kv/range", {"key": b64("k"), "range_end": b64("l"), "serializable": True})
    # The file is written ten times a second.
    deadline = time.monotonic() + 10
    before = total(samples(member), "etcd_disk_backend_commit_duration_seconds_count")
    member.put("last", "1")
    while total(samples(member), "etcd_disk_backend_commit_duration_seconds_count") == before and time.monotonic() < deadline:
        time.sleep(0.05)


# Go counts what it does inside, or what is not the same there: its runtime and its connections, how often it looked.
NOT_COMPARED = ("go_", "promhttp_", "process_", "os_", "etcd_network_", "etcd_debugging_store_")


def test_what_moves_in_go_moves_here(tmp_path):
    """The same script on both: every family that both have and that Go moved, ours moved, too."""
    extra = ["--snapshot-count", "10", harness.flag("watch-progress-notify-interval"), "100ms"]
    ours_extra = ["--snapshot-count", "10", "--watch-progress-notify-interval", "100ms"]
    moved = {}
    with harness.Member(tmp_path / "go", program=harness.go_program("etcd"), extra=extra + ["--metrics", "extensive"]) as go, \
            harness.Member(tmp_path / "ours", extra=ours_extra + ["--metrics", "extensive"]) as ours:
        for kind, member in (("go", go), ("ours", ours)):
            before = samples(member)
            script(member)
            after = samples(member)
            names = {name for name, _ in after}
            moved[kind] = {
                name for name in names if not name.endswith(("_bucket", "_created")) and total(after, name) != total(before, name)
            }
            moved[kind + " has"] = names
            if kind == "ours":
                check_figures(before, after)
    lacking = sorted(
        name for name in moved["go"] & moved["ours has"] - moved["ours"] if not name.startswith(NOT_COMPARED))
    assert not lacking, lacking


def check_figures(before, after):
    """What was once only there by name."""
    def more(name, **labels):
        return total(after, name, **labels) - total(before, name, **labels)

    assert more("etcd_server_range_duration_seconds_sum") > 0
    # The sync is no part of the write.
    assert 0 < more("etcd_disk_wal_write_duration_seconds_sum")
    assert more("etcd_disk_wal_write_duration_seconds_count") >= 30
    for phase in ("rebalance", "spill", "write"):
        name = f"etcd_debugging_disk_backend_commit_{phase}_duration_seconds"
        assert more(f"{name}_count") == more("etcd_disk_backend_commit_duration_seconds_count") > 0
        assert more(f"{name}_sum") > 0
    assert more("etcd_debugging_snap_save_marshalling_duration_seconds_sum") > 0
    assert more("etcd_snap_fsync_duration_seconds_count") == more("etcd_debugging_snap_save_total_duration_seconds_count") > 0
    assert more("etcd_disk_backend_snapshot_duration_seconds_count") == 1
    assert more("etcd_debugging_server_watch_send_loop_control_stream_duration_seconds_count") >= 2
    assert more("etcd_server_apply_duration_seconds_count", op="Put", success="true") >= 30
    assert more("grpc_server_handling_seconds_count", grpc_method="Range", grpc_type="unary", grpc_service="etcdserverpb.KV") >= 1
    assert total(after, "process_max_fds") >= total(after, "process_open_fds") > 3
    for name in ("resident_memory_bytes", "virtual_memory_bytes", "virtual_memory_max_bytes", "start_time_seconds"):
        assert total(after, f"process_{name}") > 0


def test_basic_metrics_time_no_calls(member):
    assert not any(name.startswith("grpc_server_handling") for name, _ in samples(member))


def test_what_only_clusters_count(tmp_path):
    """Promotions."""
    with Cluster(tmp_path, kinds=("ours",)) as cluster:
        leader = cluster.members[0]
        learner = cluster.add("ours", learner=True)
        number = cluster.id(learner) if wait_started(learner) else 0
        deadline = time.monotonic() + 20
        while harness.etcdctl(leader, "member", "promote", format(number, "x"), check=False).returncode:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert total(samples(leader), "etcd_server_learner_promote_successes_total") == 1


def wait_started(member, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if member.request("/v3/maintenance/status", b"{}", timeout=3)[0] == 200:
                return True
        except (OSError, ValueError):
            pass
        time.sleep(0.1)
    raise AssertionError("the learner does not serve")


def test_events_that_a_client_does_not_take(member):
    """They are pending, and no more once the client is gone."""
    channel = grpc.insecure_channel(member.endpoint)
    stream = channel.stream_stream("/etcdserverpb.Watch/Watch")
    # create_request {key "p"}
    requests = iter([bytes([0x0A, 0x03, 0x0A, 0x01]) + b"p"])
    gate = threading.Event()

    def feed():
        yield from requests
        gate.wait(60)

    call = stream(feed())
    assert next(call)
    deadline = time.monotonic() + 30
    while total(samples(member), "etcd_debugging_mvcc_pending_events_total") == 0:
        assert time.monotonic() < deadline
        member.put("p", "x" * 200_000)
    gate.set()
    call.cancel()
    channel.close()
    deadline = time.monotonic() + 10
    while total(samples(member), "etcd_debugging_mvcc_pending_events_total") != 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)


SNAPSHOTS = ("etcd_snap_", "etcd_debugging_snap_", "etcd_network_snapshot_", "etcd_server_snapshot_", "etcd_disk_backend_snapshot_")


def snapshot_figures(member):
    """By name: type, the sets of labels, and whether there is anything to count."""
    with urllib.request.urlopen(f"http://{member.endpoint}/metrics", timeout=10) as response:
        page = response.read().decode()
    found = {}
    for family in text_string_to_metric_families(page):
        if family.name.startswith(SNAPSHOTS):
            counted = [one for one in family.samples if not one.name.endswith(("_bucket", "_sum", "_created"))]
            found[family.name] = (
                family.type, {frozenset(one.labels) for one in counted}, sum(one.value for one in counted) > 0)
    return found


def test_a_snapshot_is_counted_by_sender_and_receiver(tmp_path):
    """A member joins whom the log can't help any more: what its leader and itself count is what Go's count."""
    seen = {}
    for kind in ("go", "ours"):
        folder = tmp_path / kind
        folder.mkdir()
        with Cluster(folder, kinds=(kind,), extra=["--snapshot-count", "500"]) as cluster:
            leader = cluster.members[0]
            # The log keeps five thousand entries for those who are late.
            with grpc.insecure_channel(leader.endpoint) as channel:
                put = channel.unary_unary("/etcdserverpb.KV/Put")
                for _ in range(30):
                    for answer in [put.future(b"\x0a\x01k\x12\x01v", timeout=30) for _ in range(200)]:
                        answer.result()
            joined = cluster.add(kind)
            cluster.wait_equal()
            assert "sent database snapshot" in leader.log() and "received and saved database snapshot" in joined.log()
            seen[kind] = {"leader": snapshot_figures(leader), "joined": snapshot_figures(joined)}
    assert seen["ours"]["joined"]["etcd_snap_db_save_total_duration_seconds"][2]
    for role in ("leader", "joined"):
        ours, theirs = seen["ours"][role], seen["go"][role]
        wrong = {name: (ours.get(name), theirs.get(name)) for name in ours | theirs if ours.get(name) != theirs.get(name)}
        assert not wrong, f"{role}: ours and Go's {wrong}"
