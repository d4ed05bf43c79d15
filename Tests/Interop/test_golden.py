"""What Go etcd answered and wrote, replayed against ours."""

import gzip
import json
import shutil
import tarfile
from pathlib import Path

import pytest

import harness
from conftest import golden

VERSIONS = ["3.5.1", "3.5.30", "3.6.14", "3.7.1"]
# Fields that differ from run to run.
MASKED = {
    "cluster_id", "member_id", "raft_term", "ID", "dbSize", "dbSizeInUse", "raftIndex", "raftAppliedIndex", "raftTerm",
    "leader", "memberID", "hash", "peerURLs", "clientURLs", "token", "took",
}
# Whose token the recording sent, from these rows on; the recording itself hides it.
TOKENS = [(0, None), (228, "u"), (248, "nobody"), (268, "root"), (273, "u"), (274, "root")]


def masked(value):
    if isinstance(value, dict):
        return {key: "*" if key in MASKED else masked(inner) for key, inner in sorted(value.items())}
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    return value


@golden
def test_transcript(tmp_path):
    """Every row that ours can answer, users and tokens included."""
    rows = [json.loads(line) for line in open(Path(harness.GOLDEN) / "3.7.1" / "transcript.jsonl")]
    member = harness.Member(tmp_path / "data", name="golden", extra=["--initial-cluster-token", "golden"])
    different, judged, tokens = [], 0, {"nobody": "qqqqqqqqqqqqqqqq.7"}
    with member:
        for number, row in enumerate(rows):
            if "path" not in row:
                continue
            path, request = row["path"], row.get("request")
            body = None if request is None else recorded_body(request).replace("PEERPORT", str(member.peer)).encode()
            user = [user for first, user in TOKENS if first <= number][-1]
            headers = {"Authorization": tokens[user]} if row.get("authenticated") else {}
            status, answer = member.request(path, body, headers)
            if path == "/v3/auth/authenticate" and status == 200:
                tokens[request["name"]] = answer["token"]
            judged += 1
            if row["status"] == 0:
                if status < 400:
                    different.append((number, path, request, "an error", status))
                continue
            expected = row["response"]
            left, right = masked(expected), masked(answer if not isinstance(expected, str) else answer.get("text", answer))
            if status != row["status"] or left != right:
                different.append((number, path, request, (row["status"], left), (status, right)))
    report = "\n".join(f"row {n} {p} {str(q)[:160]}\n  expected {str(e)[:300]}\n  got      {str(g)[:300]}" for n, p, q, e, g in different)
    assert judged > 100
    assert not different, f"{len(different)} of {judged} rows differ:\n{report}"


def recorded_body(request):
    if isinstance(request, str):
        return request
    if "note" in request:
        # Too long to be recorded as it was.
        request = {"key": harness.b64("big"), "value": harness.b64("x" * 1600000)}
    return json.dumps(request, separators=(",", ":"))


@golden
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_data_directory(tmp_path, version, how):
    folder = Path(harness.GOLDEN) / version
    with tarfile.open(folder / f"datadir-{how}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    (directory,) = [path for path in tmp_path.iterdir() if (path / "member").is_dir()]
    expect_recorded(harness.Member(directory, name="golden"), folder)


@golden
@pytest.mark.parametrize("version", VERSIONS)
def test_snapshot(tmp_path, version):
    folder = Path(harness.GOLDEN) / version
    snapshot = tmp_path / "snapshot.db"
    with gzip.open(folder / "snapshot.db.gz") as source, open(snapshot, "wb") as target:
        shutil.copyfileobj(source, target)
    member = harness.Member(tmp_path / "restored", name="golden")
    peer = f"http://127.0.0.1:{member.peer}"
    # 3.5's etcdutl restores what newer ones saved only without their storage version in the way of its checks.
    result = harness.etcdutl(
        "snapshot", "restore", str(snapshot), "--data-dir", str(member.directory), "--name", "golden",
        "--initial-cluster", f"golden={peer}", "--initial-advertise-peer-urls", peer, check=False)
    if result.returncode != 0:
        pytest.fail(result.stderr)
    expect_recorded(member, folder)


# 3.5.1 compacted two tombstones away that later versions keep; a Go 3.5.1 that opens this directory says the same.
HASHES = {"3.5.1": 3559654182}


def expect_recorded(member, folder):
    expected = json.loads((folder / "expected.json").read_text())
    with member:
        assert member.hashkv() == HASHES.get(folder.name, 1643261597)
        assert member.all_keys() == expected["keys"]["kvs"]


@golden
def test_startup_log(tmp_path):
    """Every line an operator knows has its counterpart, with the fields that mean something here."""
    recorded = [json.loads(line) for line in open(Path(harness.GOLDEN) / "3.7.1" / "startup.log")]
    # Go's bbolt announces itself; ours does not share its options. The elections' terms start at 0 in Go.
    skipped_loggers = {"bbolt"}
    skipped_fields = {"go-version"}
    member = harness.Member(tmp_path / "data", name="golden", extra=["--initial-cluster-token", "golden"])
    with member:
        member.put("a", "b")
    ours = {}
    for line in member.log().splitlines():
        entry = json.loads(line)
        ours.setdefault(shape(entry["msg"]), entry)
    missing = []
    for entry in recorded:
        if entry.get("logger") in skipped_loggers:
            continue
        found = ours.get(shape(entry["msg"]))
        if found is None:
            missing.append(entry["msg"])
            continue
        for field in entry.keys() - {"ts", "caller"} - skipped_fields:
            if field not in found:
                missing.append(f"{entry['msg']}: field {field}")
    assert not missing, "\n".join(missing)


def shape(message):
    """A message without the member's identifier, addresses and terms."""
    import re

    message = re.sub(r"\b[0-9a-f]{15,16}\b", "ID", message)
    message = re.sub(r"term:? \d+|commit: \d+|lastindex: \d+|lastterm: \d+", "N", message)
    return message
