"""What clients are told while a cluster has no leader, loses one, or a member loses its way to it. etcd's words."""

import signal
import threading

import grpc
import pytest

from cluster import Cluster, retry
from network import PartitionedCluster, Relay
from test_grpc import field

KEY = field(1, b"k") + field(2, b"v")
NEEDS_LEADER = (("hasleader", "true"),)


def answer(member, path, request, seconds=20, metadata=()):
    """The status of one call: its code and its text."""
    with grpc.insecure_channel(member.endpoint) as channel:
        try:
            channel.unary_unary(path)(request, timeout=seconds, metadata=metadata)
            return None
        except grpc.RpcError as error:
            return error.code(), error.details()


def stream(member, path, request, metadata):
    """A stream with one message, and how it ends."""
    channel = grpc.insecure_channel(member.endpoint)
    done = threading.Event()

    def requests():
        yield request
        done.wait(60)

    call = channel.stream_stream(path)(requests(), metadata=metadata)
    first = next(call)
    return channel, call, done, first


def leaderless(cluster, member):
    assert cluster.status(member).get("leader", "0") == "0"


def test_streams_and_calls_that_require_a_leader(tmp_path):
    """Open streams end three election timeouts after the leader is lost; those that do not ask for one stay."""
    with Cluster(tmp_path) as cluster:
        alone = cluster.members[0]
        grant = alone.post("/v3/lease/grant", {"TTL": "600"})[1]
        watch = field(1, field(1, b"k"))
        keep = field(1, int(grant["ID"]))
        cases = [("/etcdserverpb.Watch/Watch", watch), ("/etcdserverpb.Lease/LeaseKeepAlive", keep)]
        needing = [stream(alone, path, request, NEEDS_LEADER) for path, request in cases]
        content = stream(alone, "/etcdserverpb.Watch/Watch", watch, ())
        for member in cluster.members[1:]:
            member.kill()
        retry(lambda: leaderless(cluster, alone))
        for channel, call, done, _ in needing:
            with pytest.raises(grpc.RpcError) as caught:
                next(call)
            assert (caught.value.code(), caught.value.details()) == (
                grpc.StatusCode.UNAVAILABLE, "etcdserver: no leader")
            done.set()
            channel.close()
        channel, call, done, _ = content
        assert call.is_active()
        done.set()
        channel.close()
        # New ones are refused at once, and so are calls.
        for path, request in cases:
            with grpc.insecure_channel(alone.endpoint) as channel, pytest.raises(grpc.RpcError) as caught:
                next(channel.stream_stream(path)(iter([request]), timeout=10, metadata=NEEDS_LEADER))
            assert caught.value.details() == "etcdserver: no leader"
        for path, request in [("/etcdserverpb.KV/Put", KEY), ("/etcdserverpb.KV/Range", field(1, b"k"))]:
            assert answer(alone, path, request, metadata=NEEDS_LEADER) == (
                grpc.StatusCode.UNAVAILABLE, "etcdserver: no leader")
        # A read that needs a leader and does not say so waits, and is told that time is over.
        assert answer(alone, "/etcdserverpb.KV/Range", field(1, b"k")) == (
            grpc.StatusCode.UNAVAILABLE, "etcdserver: request timed out")


def test_a_leader_without_followers_runs_out_of_time(tmp_path):
    """What it has put into its log and nobody has confirmed when it steps down."""
    with Cluster(tmp_path) as cluster:
        leader = cluster.leader()
        for member in cluster.members:
            if member is not leader:
                member.process.send_signal(signal.SIGSTOP)
        try:
            assert answer(leader, "/etcdserverpb.KV/Put", KEY) == (
                grpc.StatusCode.UNAVAILABLE, "etcdserver: request timed out")
        finally:
            for member in cluster.members:
                member.process.send_signal(signal.SIGCONT)


def test_a_leader_that_fails_is_named_as_the_cause(tmp_path):
    with Cluster(tmp_path) as cluster:
        leader = cluster.leader()
        follower = next(member for member in cluster.members if member is not leader)
        answer(follower, "/etcdserverpb.KV/Put", KEY)
        # It takes the proposal off its socket never more.
        leader.process.send_signal(signal.SIGSTOP)
        try:
            assert answer(follower, "/etcdserverpb.KV/Put", KEY) == (
                grpc.StatusCode.UNAVAILABLE, "etcdserver: request timed out, possibly due to previous leader failure")
        finally:
            leader.kill()


class OneWayRelay(Relay):
    """Lets its member's streams be read, and nothing be posted by those who are gagged."""

    gagged = frozenset()

    def serve(self, connection):
        import socket

        head = connection.recv(4, socket.MSG_PEEK)
        if self.gagged and head == b"POST":
            return connection.close()
        super().serve(connection)


class OneWayCluster(PartitionedCluster):
    def make(self, kind):
        member = super().make(kind)
        member.relay.listener.close()
        member.relay = OneWayRelay(member.peer)
        return member


def test_a_lost_connection_is_named_as_the_cause(tmp_path):
    """A follower that hears its leader, while nothing it says gets there."""
    with OneWayCluster(tmp_path) as cluster:
        leader = cluster.leader()
        mute = next(member for member in cluster.members if member is not leader)
        answer(mute, "/etcdserverpb.KV/Put", KEY)
        for member in cluster.members:
            if member is not mute:
                # Nobody reads its streams, and nobody takes its posts.
                member.relay.gagged = frozenset(["*"])
                mute.relay.block({cluster.ids[member.name]})
        mute.relay.block({cluster.ids[member.name] for member in cluster.members if member is not mute})
        assert answer(mute, "/etcdserverpb.KV/Put", KEY) == (
            grpc.StatusCode.UNAVAILABLE, "etcdserver: request timed out, possibly due to connection lost")
