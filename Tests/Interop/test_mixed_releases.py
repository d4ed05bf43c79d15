"""Clusters of ours and of whichever releases of Go etcd this run has, in which every make leads, hands over, compares and is
compared, and none has a word of complaint."""

import json
import os
import time

import pytest

import harness
from cluster import Cluster, ClusterMember, ClusterWriters, retry
from harness import b64
from logbook import complaints
from test_cluster import mix_name
from test_cluster_care import spoil
from test_data_directories import ask, hash_at
from test_disk import check

MIXES = [("ours", "go", "go"), ("go", "ours", "ours")]
if harness.OTHER_GO_PROGRAMS:
    MIXES.append(("ours", "go", "other"))
SNAPSHOTS = ["--snapshot-count", "60"]
# While members come, go, and take their turns.
LEADERSHIP_MOVES = (
    "lost TCP streaming connection", "prober detected unhealthy status", "peer became inactive", "closed existing TCP streaming connection",
    "closed TCP streaming connection with remote peer",
    "dropped internal Raft message since sending buffer is full", "failed to reach the peer URL", "failed to get version",
    "leader found higher-versioned member",
    # Of one that has just joined, by a race; Go's may wait for an entry that came with the snapshot.
    "failed to find remote peer in cluster", "failed to publish local member to cluster through raft",
    # Of a Go member that is younger than its file's first commit.
    "Failed to detect schema version", "failed to update storage version",
)


def lowest(kinds):
    """The version a cluster of these settles on."""
    return "%d.%d.0" % min(harness.go_version(kind)[:2] for kind in kinds)


def hash_checks(kind):
    if harness.go_version(kind) >= (3, 6):
        return ["--feature-gates", "CompactHashCheck=true", "--compact-hash-check-time", "1s"]
    return ["--experimental-compact-hash-check-enabled", "--experimental-compact-hash-check-time", "1s"]


def settled(cluster, version):
    for member in cluster.members:
        assert member.get("/version")[1]["etcdcluster"] == version


def lead(cluster, member):
    def move():
        if cluster.leader() is not member:
            cluster.move_leader(member)
        assert cluster.leader() is member

    retry(move)


def quiet(cluster):
    for member in cluster.members:
        found = complaints(member, LEADERSHIP_MOVES)
        assert not found, (member.kind, found)


@pytest.mark.parametrize("kinds", MIXES, ids=mix_name)
def test_every_make_leads(tmp_path, kinds):
    """No ceiling: the cluster finds the version all can go along with by itself."""
    with Cluster(tmp_path, kinds, extra=SNAPSHOTS, ceiling=False) as cluster:
        retry(lambda: settled(cluster, lowest(kinds)))
        for turn, leader in enumerate(cluster.members):
            lead(cluster, leader)
            for member in cluster.members:
                for number in range(25):
                    member.put(f"{turn}/{member.name}/{number % 5}", f"v{number}")
                lease = ask(member, "/v3/lease/grant", {"TTL": 100})["ID"]
                ask(member, "/v3/kv/put", {"key": b64(f"{turn}/leased"), "value": b64("v"), "lease": lease})
                for other in cluster.members:
                    assert ask(other, "/v3/lease/keepalive", {"ID": lease})["result"]["TTL"] == "100"
                    left = ask(other, "/v3/lease/timetolive", {"ID": lease, "keys": True})
                    assert left["grantedTTL"] == "100" and left["keys"] == [b64(f"{turn}/leased")]
                ask(member, "/v3/lease/revoke", {"ID": lease})
                ask(member, "/v3/kv/txn", {
                    "compare": [{"key": b64(f"{turn}/{member.name}/0"), "target": "VALUE", "value": b64("v20")}],
                    "success": [{"request_put": {"key": b64("told"), "value": b64(member.name)}}]})
                ask(member, "/v3/maintenance/alarm", {"action": "ACTIVATE", "memberID": "7", "alarm": "NOSPACE"})
                for other in cluster.members:
                    retry(lambda: _one_alarm(other))
                ask(member, "/v3/maintenance/alarm", {"action": "DEACTIVATE", "memberID": "7", "alarm": "NOSPACE"})
            revision, _ = cluster.wait_equal()
            ask(leader, "/v3/kv/compaction", {"revision": str(int(revision) - 20), "physical": True})
            for at in (int(revision) - 10, int(revision)):
                retry(lambda: _one_hash(cluster, at))
        quiet(cluster)


def _one_alarm(member):
    assert len(ask(member, "/v3/maintenance/alarm", {"action": "GET"}).get("alarms", [])) == 1


def _one_hash(cluster, revision):
    """Of the compactions, followers may hear a little later."""
    assert len({hash_at(member, revision) for member in cluster.members}) == 1


@pytest.mark.skipif(harness.go_version() < (3, 5, 30), reason="compares no compactions, or others")
@pytest.mark.parametrize("kinds", MIXES, ids=mix_name)
def test_compactions_are_compared_across_makes(tmp_path, kinds):
    """Whoever leads asks members of every make, and finds the one whose keys were changed behind its back."""
    with Cluster(tmp_path, kinds, extra=hash_checks) as cluster:
        retry(lambda: settled(cluster, lowest(kinds)))
        for turn, leader in enumerate(cluster.members):
            lead(cluster, leader)
            for number in range(5):
                leader.put("key", f"{turn}-{number}")
            leader.put("other", "sound-value")
            revision, _ = cluster.wait_equal()
            before = leader.log().count("successfully checked hash on whole cluster")
            ask(leader, "/v3/kv/compaction", {"revision": str(revision), "physical": True})
            retry(lambda: _more(leader, before))
        quiet(cluster)
        # The last leader is of another make than the first member.
        victim = cluster.members[0]
        number = cluster.id(victim)
        victim.stop()
        spoil(victim)
        victim.start()
        retry(lambda: lead(cluster, cluster.members[-1]))
        leader.put("key", "last")
        ask(leader, "/v3/kv/compaction", {"revision": str(leader.put("key", "very last"))})
        retry(lambda: _alarmed_or_unknown(cluster, number))


def _alarmed_or_unknown(cluster, number):
    """A leader that asks while one has not compacted yet cannot tell who is wrong, and names nobody."""
    raised = ask(cluster.leader(), "/v3/maintenance/alarm", {"action": "GET"}).get("alarms", [])
    assert [one["alarm"] for one in raised] == ["CORRUPT"]
    assert raised[0].get("memberID", "0") in ("0", str(number))


def _more(leader, before):
    assert leader.log().count("successfully checked hash on whole cluster") > before


@pytest.mark.parametrize("first,joiner", [("ours", "go"), ("go", "ours")])
def test_a_large_database_comes_by_snapshot(tmp_path, first, joiner):
    if first == "go" and harness.go_version() < (3, 5, 3):
        pytest.skip("keeps 5000 entries, whatever it is told")

    def flags(kind):
        if harness.go_version(kind) < (3, 5, 3):
            return []
        prefix = "--" if harness.go_version(kind) >= (3, 6) else "--experimental-"
        patience = ["--election-timeout", "10000"] if kind == "ours" else []
        return ["--snapshot-count", "10", f"{prefix}snapshot-catchup-entries", "5"] + patience

    with Cluster(tmp_path, (first,), extra=flags) as cluster:
        origin = cluster.members[0]
        for number in range(40):
            origin.put(f"large{number}", str(number % 10) * 700_000, timeout=20)
        # Go lets entries go by the hundred.
        for number in range(250):
            origin.put(f"small{number}", "v")
        joined = cluster.add(joiner, learner=True)
        retry(lambda: cluster.status(joined))
        if joiner == "ours":
            # It knows from the start whose streams these are, and by the snapshot that what it told of itself is known: it does
            # not tell it again when the request's time, long here, is over, and has not waited for that.
            assert "failed to find remote peer in cluster" not in joined.log()
            wal = b"".join(path.read_bytes() for path in (origin.directory / "member" / "wal").glob("*.wal"))
            assert wal.count(joined.endpoint.encode()) == 1
        number = cluster.id(joined)
        retry(lambda: cluster.ctl("member", "promote", format(number, "x")))
        retry(lambda: joined.put("from-joined", "1"))
        cluster.wait_equal()
        assert (joined.directory / "member" / "snap" / "db").stat().st_size > 28_000_000
        assert "applied snapshot" in joined.log()
        assert "sent database snapshot" in origin.log() or "sent merged snapshot" in origin.log()
        quiet(cluster)


@pytest.mark.parametrize("kind", ["go", "other"])
def test_downgrade_to_the_release_before(tmp_path, kind):
    """From 3.7 to 3.6 for good: every data directory that ours and 3.7 wrote is taken over by 3.6 in place, under writes."""
    if kind == "other" and not harness.OTHER_GO_PROGRAMS or harness.go_version(kind)[:2] != (3, 6):
        pytest.skip("needs Go etcd 3.6")
    newer = "go" if kind == "other" and harness.go_version() >= (3, 7) else "ours"
    with Cluster(tmp_path, ("ours", newer, "ours"), extra=SNAPSHOTS, ceiling=False) as cluster, ClusterWriters(cluster) as writers:
        retry(lambda: settled(cluster, "3.7.0"))
        ctl = [member for member in cluster.members if member.kind == "ours"][0]
        for action in ("VALIDATE", "ENABLE"):
            status, body = ctl.post("/v3/maintenance/downgrade", {"action": action, "version": "3.6.0"})
            assert status == 200, body
        retry(lambda: settled(cluster, "3.6.0"))
        for member in cluster.members:
            retry(lambda: _stored(member, "3.6.0"))
        for number, old in enumerate(list(cluster.members)):
            old.stop()
            heir = ClusterMember(old.directory, kind, old.name, SNAPSHOTS, ports=(old.client, old.peer))
            heir.log_path = tmp_path / f"heir{number}.log"
            heir.initial, heir.state = old.initial, old.state
            cluster.members[number] = heir
            heir.start(wait=False)
            heir.wait_ready(30)
        time.sleep(1)
        acknowledged = writers.finish()
        cluster.wait_equal()
        for member in cluster.members:
            check(member, acknowledged)
            found = complaints(member, LEADERSHIP_MOVES)
            assert not found, found
        # All are there, which ends it.
        retry(lambda: _over(cluster))
        # And back again.
        for number, old in enumerate(list(cluster.members)):
            old.stop()
            heir = ClusterMember(old.directory, "ours", old.name, SNAPSHOTS, ceiling=False, ports=(old.client, old.peer))
            heir.log_path = tmp_path / f"again{number}.log"
            heir.initial, heir.state = old.initial, old.state
            cluster.members[number] = heir
            heir.start(wait=False)
            heir.wait_ready(30)
        retry(lambda: settled(cluster, "3.7.0"))
        cluster.wait_equal()
        for member in cluster.members:
            check(member, acknowledged)


def _stored(member, version):
    assert member.get("/version")[1]["storage"] == version


def _over(cluster):
    for member in cluster.members:
        assert not cluster.status(member).get("downgradeInfo", {}).get("enabled")
