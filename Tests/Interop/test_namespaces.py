"""Members on hosts of their own, whose packets vanish: nobody resets a connection, it only falls silent."""

import os
import random
import time

import pytest

import harness
import namespaces
from cluster import retry
from harness import b64
from test_linearizability import History, trouble

_missing = namespaces.missing()
pytestmark = pytest.mark.skipif(bool(_missing), reason=_missing or "namespaces")


@pytest.fixture
def hosts():
    with namespaces.Hosts(3) as hosts:
        yield hosts


def others(cluster, member):
    return [one for one in cluster.members if one is not member]


@pytest.mark.parametrize("kinds", [("ours",) * 3, ("ours", "go", "ours")], ids="-".join)
def test_a_silent_leader_is_replaced_and_returns(hosts, tmp_path, kinds):
    with namespaces.HostCluster(hosts, tmp_path, kinds) as cluster:
        cluster.members[0].put("before", "1")
        lost = cluster.leader()
        cluster.isolate(lost)
        for member in others(cluster, lost):
            retry(lambda: member.put(f"from-{member.name}", "1"))
        # The one that is cut off knows by now that it leads nobody, acknowledges nothing, and reads only what it has.
        retry(lambda: leaderless(cluster, lost))
        status, body = lost.request(
            "/v3/kv/range", b'{"key": "%s", "serializable": true}' % b64("before").encode(), timeout=3)
        assert status == 200 and body["kvs"]
        refused = harness.etcdctl(lost, "put", "alone", "1", "--command-timeout=2s", check=False)
        assert refused.returncode != 0
        cluster.heal()
        retry(lambda: lost.put("after", "1"))
        cluster.wait_equal()


def leaderless(cluster, member):
    assert cluster.status(member).get("leader", "0") == "0"


@pytest.mark.parametrize("hears,speaks", [(False, True), (True, False)], ids=["deaf", "mute"])
def test_packets_are_lost_one_way(hosts, tmp_path, hears, speaks):
    """A leader that only hears, or is only heard, must not keep the others from their work."""
    with namespaces.HostCluster(hosts, tmp_path) as cluster:
        half = cluster.leader()
        cluster.isolate(half, hears=hears, speaks=speaks)
        for member in others(cluster, half):
            retry(lambda: member.put(f"from-{member.name}", "1"))
        cluster.heal()
        retry(lambda: half.put("after", "1"))
        cluster.wait_equal()


def test_histories_while_packets_are_lost(hosts, tmp_path):
    """As over relays, but that a third of the packets goes astray at times, too."""
    seconds = float(os.environ.get("ETCD_FAULT_SECONDS", "12"))
    seed = int(os.environ.get("ETCD_FAULT_SEED", "7"))
    generator = random.Random(f"{seed}-hosts")
    with namespaces.HostCluster(hosts, tmp_path, extra=["--snapshot-count", "200"]) as cluster:
        history = History(cluster, seed=seed)
        faults = []
        try:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if generator.random() < 0.3:
                    cluster.lose(30)
                    time.sleep(1 + generator.random() * 2)
                    cluster.heal()
                    faults.append("loss")
                else:
                    faults.append(trouble(cluster, generator))
                time.sleep(generator.random() * 1.5)
            for member in cluster.members:
                retry(lambda: member.put("after", "all"), 40)
        finally:
            history.finish()
        count = history.check()
        assert count > 100, f"{count} operations with {faults}"
        cluster.wait_equal(40)
