"""The stock etcdctl of 3.5.1 against ours."""

import json
import os
import re
import time

import pytest

import harness
from harness import etcdctl


def test_put_get_delete(member):
    assert etcdctl(member, "put", "foo", "bar").stdout == "OK\n"
    assert etcdctl(member, "put", "foo", "baz", "--prev-kv").stdout == "OK\nfoo\nbar\n"
    assert etcdctl(member, "put", "foo", "--ignore-value").stdout == "OK\n"
    assert etcdctl(member, "get", "foo").stdout == "foo\nbaz\n"
    assert etcdctl(member, "get", "foo", "--rev", "2").stdout == "foo\nbar\n"
    assert etcdctl(member, "get", "foo", "--print-value-only").stdout == "baz\n"
    for number in range(10):
        etcdctl(member, "put", f"k{number}", f"v{9 - number}")
    assert etcdctl(member, "get", "k", "--prefix", "--keys-only", "--limit", "2").stdout == "k0\n\nk1\n\n"
    assert etcdctl(member, "get", "k3", "k5").stdout == "k3\nv6\nk4\nv5\n"
    assert etcdctl(member, "get", "k8", "--from-key").stdout == "k8\nv1\nk9\nv0\n"
    assert etcdctl(member, "get", "k", "--prefix", "--sort-by", "VALUE", "--order", "ASCEND", "--limit", "1").stdout == "k9\nv0\n"
    assert etcdctl(member, "get", "k", "--prefix", "--order", "DESCEND", "--limit", "1").stdout == "k9\nv0\n"
    assert '"Count" : 10' in etcdctl(member, "get", "k", "--prefix", "--count-only", "-w", "fields").stdout
    assert etcdctl(member, "get", "k1", "--consistency", "s").stdout == "k1\nv8\n"
    assert etcdctl(member, "del", "k0", "--prev-kv").stdout == "1\nk0\nv9\n"
    assert etcdctl(member, "del", "k", "--prefix").stdout == "9\n"
    assert etcdctl(member, "del", "nothing").stdout == "0\n"


def test_txn(member):
    etcdctl(member, "put", "a", "1")
    script = 'value("a") = "1"\nversion("a") > "0"\n\nput b 2\nget a\n\nput c 3\n\n'
    answer = etcdctl(member, "txn", stdin=script).stdout
    assert answer == "SUCCESS\n\nOK\n\na\n1\n"
    answer = etcdctl(member, "txn", stdin='mod("a") < "1"\n\nput b 9\n\nget b\ndel a\n\n').stdout
    assert answer == "FAILURE\n\nb\n2\n\n1\n"
    refused = etcdctl(member, "txn", stdin="\nput x 1\nput x 2\n\n\n", check=False)
    assert refused.returncode == 1 and "duplicate key given in txn request" in refused.stderr


def test_compaction_and_defragmentation(member):
    for number in range(20):
        etcdctl(member, "put", "key", str(number))
    assert etcdctl(member, "compaction", "10").stdout == "compacted revision 10\n"
    assert etcdctl(member, "compaction", "15", "--physical").stdout == "compacted revision 15\n"
    again = etcdctl(member, "compaction", "15", check=False)
    assert again.returncode == 1 and "required revision has been compacted" in again.stderr
    old = etcdctl(member, "get", "key", "--rev", "9", check=False)
    assert old.returncode == 1 and "required revision has been compacted" in old.stderr
    future = etcdctl(member, "compaction", "9999", check=False)
    assert "required revision is a future revision" in future.stderr
    before = member.hashkv()
    for _ in range(2):
        assert "Finished defragmenting" in etcdctl(member, "defrag").stdout
    assert member.hashkv() == before
    assert etcdctl(member, "get", "key").stdout == "key\n19\n"


def test_endpoints_members_alarms(member):
    assert re.search(r"is healthy", etcdctl(member, "endpoint", "health").stdout)
    status = json.loads(etcdctl(member, "endpoint", "status", "-w", "json").stdout)[0]["Status"]
    assert status["version"] == "3.7.1" and status["leader"] == status["header"]["member_id"]
    # Since 3.6 with the revision that was hashed.
    assert re.fullmatch(r"127\.0\.0\.1:\d+, \d+(, \d+)?\n", etcdctl(member, "endpoint", "hashkv").stdout)
    listed = etcdctl(member, "member", "list").stdout
    assert f", started, default, http://127.0.0.1:{member.peer}, http://127.0.0.1:{member.client}, false" in listed
    assert etcdctl(member, "alarm", "list").stdout == ""
    assert etcdctl(member, "alarm", "disarm").stdout == ""


def test_snapshot(member, tmp_path):
    for number in range(100):
        member.put(f"key{number}", "x" * 100)
    path = str(tmp_path / "saved.db")
    etcdctl(member, "snapshot", "save", path)
    status = json.loads(harness.etcdutl("snapshot", "status", path, "-w", "json").stdout)
    assert status["revision"] == 101 and status["totalKey"] >= 100
    restored = harness.Member(tmp_path / "restored", program=harness.go_program("etcd"))
    peer = f"http://127.0.0.1:{restored.peer}"
    harness.etcdutl(
        "snapshot", "restore", path, "--data-dir", str(restored.directory), "--initial-cluster", f"default={peer}",
        "--initial-advertise-peer-urls", peer)
    ours = harness.Member(tmp_path / "restored", ports=(restored.client, restored.peer))
    with ours:
        assert ours.hashkv() == member.hashkv()
        assert len(ours.all_keys()) == 100


@pytest.mark.skipif("ETCD_LONG_TESTS" not in os.environ, reason="takes a minute; set ETCD_LONG_TESTS")
def test_check_perf(member):
    result = etcdctl(member, "check", "perf", "--load", "s", check=False, timeout=150)
    # The verdict is the machine's; that all its requests were served is ours.
    assert "Too many errors" not in result.stdout + result.stderr


def test_quota_alarm(tmp_path):
    member = harness.Member(tmp_path / "data", extra=["--quota-backend-bytes", str(1 << 20)])
    with member:
        refused = None
        for number in range(200):
            result = etcdctl(member, "put", f"key{number}", "x" * 20000, check=False)
            if result.returncode != 0:
                refused = result
                break
        assert refused and "mvcc: database space exceeded" in refused.stderr
        for _ in range(50):
            if "NOSPACE" in etcdctl(member, "alarm", "list").stdout:
                break
        assert "NOSPACE" in etcdctl(member, "alarm", "list").stdout
        assert member.get("/health")[0] == 503
        etcdctl(member, "del", "key", "--prefix")
        revision = json.loads(etcdctl(member, "get", "x", "-w", "json").stdout)["header"]["revision"]
        etcdctl(member, "compaction", str(revision), "--physical")
        etcdctl(member, "defrag")
        assert "NOSPACE" in etcdctl(member, "alarm", "disarm").stdout
        assert etcdctl(member, "put", "a", "b").stdout == "OK\n"


def test_leases(member):
    granted = etcdctl(member, "lease", "grant", "100").stdout
    lease = re.match(r"lease ([0-9a-f]+) granted with TTL\(100s\)", granted).group(1)
    etcdctl(member, "put", "held", "x", "--lease", lease)
    shown = etcdctl(member, "lease", "timetolive", lease, "--keys").stdout
    assert re.match(rf"lease {lease} granted with TTL\(100s\), remaining\((100|99|98)s\), attached keys\(\[held\]\)", shown)
    assert lease in etcdctl(member, "lease", "list").stdout
    assert etcdctl(member, "lease", "keep-alive", lease, "--once").stdout == f"lease {lease} keepalived with TTL(100)\n"
    assert etcdctl(member, "lease", "revoke", lease).stdout == f"lease {lease} revoked\n"
    assert etcdctl(member, "get", "held").stdout == ""
    assert "requested lease not found" in etcdctl(member, "lease", "revoke", lease, check=False).stderr


def test_leases_expire_and_survive_a_restart(tmp_path):
    member = harness.Member(tmp_path / "data")
    member.start()
    short = json.loads(etcdctl(member, "lease", "grant", "2", "-w", "json").stdout)["ID"]
    long = json.loads(etcdctl(member, "lease", "grant", "600", "-w", "json").stdout)["ID"]
    etcdctl(member, "put", "short", "x", "--lease", f"{short:x}")
    etcdctl(member, "put", "long", "x", "--lease", f"{long:x}")
    member.kill()
    member.start()
    # Never early: a restarted member gives every lease its whole time again.
    assert etcdctl(member, "get", "short").stdout == "short\nx\n"
    deadline = time.monotonic() + 15
    while etcdctl(member, "get", "short").stdout != "":
        assert time.monotonic() < deadline, "the lease did not expire"
    assert etcdctl(member, "get", "long").stdout == "long\nx\n"
    assert "attached keys([long])" in etcdctl(member, "lease", "timetolive", f"{long:x}", "--keys").stdout
    member.kill()
