"""What leases have left survives a change of the leader and a restart, where LeaseCheckpoint is on, and never less than a
client was promised."""

import threading
import time

import grpc
import harness
import pytest

import harness
from cluster import Cluster
from prometheus_client.parser import text_string_to_metric_families

GO_GATES = (
    ["--feature-gates", "LeaseCheckpoint=true,LeaseCheckpointPersist=true"] if harness.go_version() >= (3, 7)
    else ["--experimental-enable-lease-checkpoint"])
GATES = ["--feature-gates", "LeaseCheckpoint=true,LeaseCheckpointPersist=true", "--lease-checkpoint-interval", "500ms"]
# Before 3.6 there are no gates, and what this flag stands for is of no use without its fellow.
GO_GATES = GATES[:2] if harness.go_version() >= (3, 6) else ["--experimental-enable-lease-checkpoint"]
TTL = 100


def ask(member, path, body):
    status, answer = member.post(path, body)
    assert status == 200, answer
    return answer


def left(member, lease):
    return int(ask(member, "/v3/lease/timetolive", {"ID": lease}).get("TTL", 0))


def renew(member, lease):
    """On a stream that stays open until it is answered, as clients keep it."""
    answered = threading.Event()

    def requests():
        number, field = int(lease), bytearray([0x08])
        while number > 0x7F:
            field.append(number & 0x7F | 0x80)
            number >>= 7
        yield bytes(field + bytes([number]))
        answered.wait(20)

    with grpc.insecure_channel(member.endpoint) as channel:
        call = channel.stream_stream("/etcdserverpb.Lease/LeaseKeepAlive")(requests(), timeout=10)
        answer = next(call)
        answered.set()
        call.cancel()
    # Header, ID, TTL: of the last field, 0x18, one byte is enough for a hundred seconds.
    return answer[-1] if answer[-2] == 0x18 else 0


def checkpoints(member):
    """How many entries of checkpoints the member has applied."""
    page = member.get("/metrics")[1]["text"]
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == "etcd_server_apply_duration_seconds_count" and sample.labels["op"] == "LeaseCheckpoint":
                return sample.value
    return 0


def wait(body, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            if value := body():
                return value
        except (OSError, AssertionError, ValueError):
            pass
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def wait_told(cluster, more=4):
    """Until every member of ours has applied that many checkpoints more."""
    ours = [member for member in cluster.members if member.kind == "ours"]
    before = [checkpoints(member) for member in ours]
    wait(lambda: all(checkpoints(member) >= count + more for member, count in zip(ours, before)))


def move(cluster):
    leader = cluster.leader()
    target = next(member for member in cluster.members if member is not leader)
    cluster.move_leader(target)
    wait(lambda: cluster.leader() is target)
    # The new one judges time once it has applied an entry of its own term.
    return target


def test_what_is_left_survives_changes_of_the_leader_and_a_restart(tmp_path):
    with Cluster(tmp_path, extra=GATES) as cluster:
        lease = ask(cluster.leader(), "/v3/lease/grant", {"TTL": TTL})["ID"]
        granted = time.monotonic()
        wait_told(cluster, 6)

        def check(member):
            """Less than the grant, and not less than there is; an election timeout is on top."""
            passed = time.monotonic() - granted
            seconds = left(member, lease)
            # Rounding, one interval of checkpoints, an election timeout, and the moment between the two clocks.
            assert TTL - passed - 2 <= seconds <= TTL - 1, (seconds, passed)

        check(cluster.leader())
        leader = move(cluster)
        wait(lambda: 0 < left(leader, lease) < TTL)
        check(leader)

        # Whoever renews has all of the time, under the next leader, too.
        leader = cluster.leader()
        assert renew(leader, lease) == TTL
        renewed = time.monotonic()
        leader = move(cluster)
        seconds = wait(lambda: left(leader, lease))
        assert seconds >= TTL - (time.monotonic() - renewed) - 2

        granted = renewed
        wait_told(cluster, 6)
        for member in cluster.members:
            member.stop()
        for member in cluster.members:
            member.start(wait=False)
        cluster.wait_ready_all()
        leader = cluster.leader()
        wait(lambda: 0 < left(leader, lease) < TTL)
        check(leader)
        # A follower passes renewals on, and the leader's word is everybody's.
        follower = next(member for member in cluster.members if member is not leader)
        assert renew(follower, lease) == TTL
        assert left(leader, lease) >= TTL - 3


def test_without_the_gate_a_new_leader_gives_all_of_the_time(tmp_path):
    with Cluster(tmp_path) as cluster:
        lease = ask(cluster.leader(), "/v3/lease/grant", {"TTL": TTL})["ID"]
        wait(lambda: left(cluster.leader(), lease) < TTL - 3)
        leader = move(cluster)
        wait(lambda: left(leader, lease) >= TTL - 1)
        assert all(checkpoints(member) == 0 for member in cluster.members)


@pytest.mark.parametrize("first", ["ours", "go"])
def test_go_and_ours_tell_each_other(tmp_path, first):
    """A leader of one kind, then one of the other: what the first told is what the second counts from. Go's interval cannot
    be set, so only ours tells."""
    cluster = Cluster(tmp_path, kinds=("ours", "go", "ours"))
    for member in cluster.members:
        member.extra += GATES if member.kind == "ours" else GO_GATES
    with cluster:
        goes = next(member for member in cluster.members if member.kind == "go")
        ours = next(member for member in cluster.members if member.kind == "ours")
        if cluster.leader() is not ours:
            cluster.move_leader(ours)
            wait(lambda: cluster.leader() is ours)
        lease = ask(ours, "/v3/lease/grant", {"TTL": TTL})["ID"]
        wait_told(cluster, 8)
        if first == "ours":
            cluster.move_leader(goes)
            wait(lambda: cluster.leader() is goes)
            assert wait(lambda: left(goes, lease)) < TTL
        else:
            # Go's leader says to ours that all is left again: ours must not remember the old.
            cluster.move_leader(goes)
            wait(lambda: cluster.leader() is goes)
            assert wait(lambda: renew(goes, lease)) == TTL
            renewed = time.monotonic()
            cluster.move_leader(ours)
            wait(lambda: cluster.leader() is ours)
            assert wait(lambda: left(ours, lease)) >= TTL - (time.monotonic() - renewed) - 2
