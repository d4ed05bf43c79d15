"""The page of /metrics, read by Prometheus' own parser, against what Go etcd 3.7.1 shows."""

from pathlib import Path

import harness
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
    assert value("grpc_server_handled_total", grpc_method="Put", grpc_code="OK") == 1
    assert value("grpc_server_started_total", grpc_method="Put") == 1
    assert value("etcd_server_apply_duration_seconds_count", op="Put", success="true") >= 3
    assert value("etcd_disk_wal_fsync_duration_seconds_count") > 3
    assert value("etcd_debugging_mvcc_keys_total") == 1
    assert value("etcd_server_client_requests_total", type="unary") >= 1
