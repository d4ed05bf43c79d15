"""Clusters of ours, and of ours and Go's: bootstrap, failover, membership, replacement under load."""

import json
import os
import signal
import threading
import time

import pytest

import harness
from cluster import Cluster, ClusterMember, ClusterWriters, retry
from harness import b64
from test_disk import check

MIXES = [("ours", "ours", "ours"), ("ours", "go", "go"), ("go", "ours", "ours")]


def mix_name(kinds):
    return "-".join(kinds)


@pytest.mark.parametrize("kinds", MIXES, ids=mix_name)
def test_bootstrap_and_service_on_every_member(tmp_path, kinds):
    with Cluster(tmp_path, kinds) as cluster:
        listed = json.loads(cluster.ctl("member", "list", "-w", "json").stdout)["members"]
        assert len(listed) == 3 and all(member.get("clientURLs") for member in listed)
        for member in cluster.members:
            member.put(f"from-{member.name}", "1")
        for member in cluster.members:
            # Linearizable, whoever is asked.
            keys = {kv["key"] for kv in member.all_keys()}
            assert keys == {b64(f"from-{other.name}") for other in cluster.members}
        for member in cluster.members:
            granted = harness.etcdctl(member, "lease", "grant", "60").stdout.split()[1]
            for other in cluster.members:
                assert "keepalived with TTL(60)" in harness.etcdctl(other, "lease", "keep-alive", "--once", granted).stdout
                assert "remaining(" in harness.etcdctl(other, "lease", "timetolive", granted).stdout
            harness.etcdctl(member, "lease", "revoke", granted)
            for other in cluster.members:
                retry(lambda: _expired(other, granted))
        cluster.wait_equal()


def _expired(member, lease):
    assert "already expired" in harness.etcdctl(member, "lease", "timetolive", lease).stdout


def test_ids_are_those_that_go_computes(tmp_path):
    """The same flags give the same member and cluster ids."""
    ids = []
    ports = None
    for kinds in [("go",) * 3, ("ours",) * 3]:
        (tmp_path / kinds[0]).mkdir()
        cluster = Cluster(tmp_path / kinds[0], kinds)
        if ports:
            for member, pair in zip(cluster.members, ports):
                member.client, member.peer = pair
            initial = ",".join(f"{member.name}={member.peer_url}" for member in cluster.members)
            for member in cluster.members:
                member.initial = initial
        ports = [(member.client, member.peer) for member in cluster.members]
        with cluster:
            ids.append([(cluster.status(m)["header"]["cluster_id"], cluster.id(m)) for m in cluster.members])
    assert ids[0] == ids[1]


@pytest.mark.parametrize("kinds", MIXES, ids=mix_name)
def test_leader_killed_under_load(tmp_path, kinds):
    with Cluster(tmp_path, kinds) as cluster, ClusterWriters(cluster) as writers:
        for _ in range(3):
            time.sleep(1)
            leader = cluster.leader()
            leader.fail()
            survivors = [member for member in cluster.members if member is not leader]
            for member in survivors:
                retry(lambda: member.put("probe", "1"))
            leader.start()
        acknowledged = writers.finish()
        assert len(acknowledged) > 20
        cluster.wait_equal()
        for member in cluster.members:
            check(member, acknowledged)


@pytest.mark.parametrize("kinds", MIXES, ids=mix_name)
def test_leadership_moves(tmp_path, kinds):
    with Cluster(tmp_path, kinds) as cluster:
        for target in cluster.members * 2:
            if cluster.leader() is not target:
                cluster.move_leader(target)
            assert cluster.leader() is target
            target.put("led-by", target.name)
        follower = next(member for member in cluster.members if member is not cluster.leader())
        refused = harness.etcdctl(follower, "move-leader", "1234", check=False)
        assert refused.returncode != 0
        cluster.wait_equal()


def test_writes_at_the_leader_outlive_a_move(tmp_path):
    """What comes while leadership is on its way waits for the next leader, and is not refused."""
    with Cluster(tmp_path) as cluster:
        leader = cluster.leader()
        ended, failures, done = threading.Event(), [], []

        def write(number):
            count = 0
            while not ended.is_set():
                count += 1
                try:
                    leader.put(f"k{number}", str(count), timeout=5)
                    done.append(1)
                except (OSError, AssertionError, ValueError) as error:
                    failures.append(error)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        other = next(member for member in cluster.members if member is not leader)
        time.sleep(0.5)
        for target in (other, leader, other, leader):
            cluster.move_leader(target)
            time.sleep(0.3)
        ended.set()
        for thread in threads:
            thread.join(10)
        assert len(done) > 50 and not failures, failures[:3]


def test_go_cluster_is_replaced_by_ours_and_back(tmp_path):
    """Member by member, under write load, by log and by snapshot."""
    with Cluster(tmp_path, ("go", "go", "go"), extra=["--snapshot-count", "100"]) as cluster, ClusterWriters(cluster) as writers:
        time.sleep(2)
        for kind in ("ours", "go"):
            for member in list(cluster.members):
                cluster.replace(member, kind)
                time.sleep(0.5)
            assert {member.kind for member in cluster.members} == {kind}
            cluster.leader()
        time.sleep(1)
        acknowledged = writers.finish()
        assert len(acknowledged) > 50
        cluster.wait_equal()
        for member in cluster.members:
            check(member, acknowledged)


def _known(member):
    """Names and addresses for clients, as one member knows them by itself."""
    status, body = member.request("/v3/cluster/member/list", b'{"linearizable":false}', timeout=3)
    assert status == 200, body
    return {listed["name"]: listed["clientURLs"] for listed in body["members"]}


def test_names_that_only_the_v2_store_knows(tmp_path):
    """Go 3.5.1 keeps them out of the database file: they come with the snapshot's own data, or from files and the log."""
    with Cluster(tmp_path, ("go", "go", "go"), extra=["--snapshot-count", "50"]) as cluster:
        for number in range(200):
            cluster.members[0].put(f"k{number % 40}", f"v{number}")
        joined = cluster.add("ours")
        expected = {member.name: [f"http://{member.endpoint}"] for member in cluster.members}
        retry(lambda: _equal(_known(joined), expected))
        # The log goes on; the leader, and who is started, are known after a restart, too.
        for number in range(70):
            cluster.members[0].put("more", str(number))
        joined.stop()
        joined.start(wait=False)
        joined.wait_ready(30)
        assert _known(joined) == expected
        # A directory of Go's, taken over in place.
        taken = cluster.members[0]
        taken.stop()
        heir = ClusterMember(taken.directory, "ours", taken.name, cluster.extra, ports=(taken.client, taken.peer))
        heir.initial, heir.state = taken.initial, taken.state
        cluster.members[0] = heir
        heir.start(wait=False)
        heir.wait_ready(30)
        assert _known(heir) == expected


def _equal(left, right):
    assert left == right


@pytest.mark.parametrize("kinds,kind", [(("go",) * 3, "ours"), (("ours",) * 3, "go"), (("ours",) * 3, "ours")])
def test_learner_joins_catches_up_and_is_promoted(tmp_path, kinds, kind):
    with Cluster(tmp_path, kinds, extra=["--snapshot-count", "50"]) as cluster:
        for number in range(400):
            cluster.members[0].put(f"k{number % 40}", f"v{number}")
        learner = cluster.add(kind, learner=True)
        retry(lambda: cluster.status(learner))
        number = cluster.id(learner)
        refused = harness.etcdctl(learner, "put", "a", "b", check=False)
        assert "rpc not supported for learner" in refused.stderr
        # On a follower: the question goes to the leader.
        follower = next(member for member in cluster.members if member not in (cluster.leader(), learner))
        retry(lambda: harness.etcdctl(follower, "member", "promote", format(number, "x")))
        retry(lambda: learner.put("from-learner", "1"))
        again = cluster.ctl("member", "promote", format(number, "x"), check=False)
        assert "can only promote a learner member" in again.stderr
        cluster.wait_equal()


def test_a_removed_member_stops_and_may_not_return(tmp_path):
    with Cluster(tmp_path) as cluster:
        gone = next(member for member in cluster.members if member is not cluster.leader())
        number = cluster.id(gone)
        retry(lambda: cluster.ctl("member", "remove", format(number, "x")))
        assert gone.process.wait(15) == 0
        assert "the member has been permanently removed from the cluster" in gone.log()
        cluster.members.remove(gone)
        gone.start(wait=False)
        assert gone.process.wait(20) == 0
        unknown = cluster.ctl("member", "remove", format(number, "x"), check=False)
        assert "member not found" in unknown.stderr.lower()


def test_refusals_of_membership_changes(tmp_path):
    with Cluster(tmp_path) as cluster:
        retry(lambda: _refused(cluster, "Peer URLs already exists", "add", "x", f"--peer-urls={cluster.members[0].peer_url}"))
        malformed = cluster.ctl("member", "add", "x", "--peer-urls=nonsense", check=False)
        assert malformed.returncode != 0
        retry(lambda: cluster.ctl("member", "add", "l1", "--learner", "--peer-urls=http://127.0.0.1:1"))
        many = cluster.ctl("member", "add", "l2", "--learner", "--peer-urls=http://127.0.0.1:2", check=False)
        assert "too many learner members in cluster" in many.stderr
        learner = next(
            member for member in json.loads(cluster.ctl("member", "list", "-w", "json").stdout)["members"]
            if member.get("isLearner"))
        behind = cluster.ctl("member", "promote", format(learner["ID"], "x"), check=False)
        assert "can only promote a learner member which is in sync with leader" in behind.stderr
        # Three of four voters run: a fifth that does not would still leave a quorum, a sixth would not.
        cluster.ctl("member", "remove", format(learner["ID"], "x"))
        retry(lambda: cluster.ctl("member", "add", "v4", "--peer-urls=http://127.0.0.1:4"))
        fifth = cluster.ctl("member", "add", "v5", "--peer-urls=http://127.0.0.1:5", check=False)
        if fifth.returncode == 0:
            sixth = cluster.ctl("member", "add", "v6", "--peer-urls=http://127.0.0.1:6", check=False)
            assert "re-configuration failed due to not enough started members" in sixth.stderr


def _refused(cluster, reason, *arguments):
    """Other than for connections that are too young."""
    assert reason in cluster.ctl("member", *arguments, check=False).stderr


def test_member_update(tmp_path):
    with Cluster(tmp_path) as cluster:
        member = cluster.members[0]
        new = harness.free_port()
        cluster.ctl("member", "update", format(cluster.id(member), "x"), f"--peer-urls=http://127.0.0.1:{new}")
        member.stop()
        member.peer = new
        member.start()
        member.put("moved", "1")
        cluster.wait_equal()


def test_lost_data_is_refused(tmp_path):
    with Cluster(tmp_path) as cluster:
        victim = cluster.members[2]
        victim.kill()
        import shutil

        shutil.rmtree(victim.directory)
        victim.start(wait=False)
        assert victim.process.wait(20) == 1
        assert "has already been bootstrapped" in victim.log()


def test_joining_with_other_members_than_the_clusters_is_refused(tmp_path):
    with Cluster(tmp_path) as cluster:
        stranger = ClusterMember(tmp_path / "stranger", name="stranger")
        stranger.initial = f"{cluster.members[0].name}={cluster.members[0].peer_url},stranger={stranger.peer_url}"
        stranger.state = "existing"
        stranger.start(wait=False)
        assert stranger.process.wait(20) == 1
        assert "member count is unequal" in stranger.log()


def test_no_quorum(tmp_path):
    """One of three: reads that must be current fail, serializable ones are served, and nothing is acknowledged."""
    with Cluster(tmp_path) as cluster:
        cluster.members[0].put("before", "1")
        cluster.wait_equal()
        for member in cluster.members[1:]:
            member.kill()
        alone = cluster.members[0]
        retry(lambda: _leaderless(cluster, alone))
        status, body = alone.post("/v3/kv/range", {"key": b64("before"), "serializable": True})
        assert status == 200 and body["kvs"]
        refused = harness.etcdctl(alone, "put", "after", "1", "--command-timeout=2s", check=False)
        assert refused.returncode != 0
        status, body = alone.request("/health", None, timeout=15)
        assert status == 503 and body["health"] == "false"
        for member in cluster.members[1:]:
            member.start(wait=False)
        for member in cluster.members:
            member.wait_ready(30)
        cluster.wait_equal()


def _leaderless(cluster, member):
    assert cluster.status(member).get("leader", "0") == "0"


def test_a_frozen_leader_is_replaced_and_returns(tmp_path):
    with Cluster(tmp_path) as cluster, ClusterWriters(cluster) as writers:
        frozen = cluster.leader()
        frozen.process.send_signal(signal.SIGSTOP)
        others = [member for member in cluster.members if member is not frozen]
        try:
            for member in others:
                retry(lambda: member.put("while-frozen", "1"))
        finally:
            frozen.process.send_signal(signal.SIGCONT)
        retry(lambda: frozen.put("thawed", "1"))
        acknowledged = writers.finish()
        cluster.wait_equal()
        for member in cluster.members:
            check(member, acknowledged)
