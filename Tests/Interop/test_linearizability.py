"""Histories of real processes under kills, freezes, partitions and moving leaders: every answer must fit one order."""

import json
import os
import random
import signal
import threading
import time

import pytest

import harness
from cluster import retry
from harness import b64
from network import PartitionedCluster
from test_cluster import MIXES, mix_name


class History:
    """Operations on a few keys. Every value is written once, and revisions order the writes of a key."""

    def __init__(self, cluster, clients=6, keys=4, seed=1):
        self.cluster, self.keys, self.seed = cluster, keys, seed
        self.operations, self.begun = [], {}
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        generator = random.Random(f"{self.seed}-{number}")
        count = 0
        while not self.ended.is_set():
            count += 1
            member = generator.choice(self.cluster.members)
            key, isWrite = f"r{generator.randrange(self.keys)}", generator.random() < 0.5
            value = f"{number}-{count}"
            begun = time.monotonic()
            if isWrite:
                with self.lock:
                    self.begun[value] = (key, begun)
            try:
                path = "/v3/kv/put" if isWrite else "/v3/kv/range"
                body = {"key": b64(key), "value": b64(value)} if isWrite else {"key": b64(key)}
                status, answer = member.request(path, json.dumps(body).encode(), timeout=1.5)
            except (OSError, ValueError):
                continue
            if status != 200:
                continue
            ended = time.monotonic()
            if isWrite:
                revision = int(answer["header"]["revision"])
            else:
                found = answer.get("kvs", [{}])[0]
                revision, value = int(found.get("mod_revision", 0)), found.get("value")
            with self.lock:
                self.operations.append((key, isWrite, begun, ended, revision, value))
            time.sleep(0.001)

    def finish(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(20)

    def check(self):
        written = {}
        for key, isWrite, begun, ended, revision, value in self.operations:
            if isWrite:
                assert (key, revision) not in written, f"two writes of {key} at revision {revision}"
                written[key, revision] = b64(value)
        plain = {b64(value): place for value, place in self.begun.items()}
        for key, isWrite, begun, ended, revision, value in self.operations:
            if isWrite or revision == 0:
                continue
            assert value in plain and plain[value][0] == key, f"{key} holds what nobody wrote: {value}"
            assert plain[value][1] <= ended, f"{key} was read before it was written"
            if (key, revision) in written:
                assert written[key, revision] == value, f"{key} at revision {revision} was read with another value"
            written[key, revision] = value
        # Who begins after another has ended sees at least what that one saw; a writer, less than what it makes.
        for key in {operation[0] for operation in self.operations}:
            mine = [operation for operation in self.operations if operation[0] == key]
            byEnd = sorted(mine, key=lambda operation: operation[3])
            seen, position = 0, 0
            for _, isWrite, begun, ended, revision, value in sorted(mine, key=lambda operation: operation[2]):
                while byEnd[position][3] < begun:
                    seen = max(seen, byEnd[position][4])
                    position += 1
                assert revision > seen if isWrite else revision >= seen, (
                    f"{key}: {'write' if isWrite else 'read'} at {revision} after {seen} was seen")
        return len(self.operations)


def test_the_check_bites():
    history = History.__new__(History)
    history.begun = {"a": ("r0", 0.0), "b": ("r0", 2.0)}
    history.operations = [("r0", True, 0, 1, 5, "a"), ("r0", True, 2, 3, 6, "b"), ("r0", False, 4, 5, 5, b64("a"))]
    with pytest.raises(AssertionError, match="read at 5 after 6"):
        history.check()
    history.operations[2] = ("r0", False, 4, 5, 6, b64("b"))
    assert history.check() == 3


def trouble(cluster, generator):
    """One fault and its end."""
    victim = cluster.leader(20) if generator.random() < 0.6 else generator.choice(cluster.members)
    kind = generator.choice(["kill", "freeze", "isolate", "deaf", "mute", "move"])
    if kind == "kill":
        victim.fail()
        time.sleep(generator.random() * 2)
        victim.start(wait=False)
    elif kind == "freeze":
        victim.process.send_signal(signal.SIGSTOP)
        time.sleep(0.5 + generator.random() * 2.5)
        victim.process.send_signal(signal.SIGCONT)
    elif kind == "move":
        target = generator.choice([member for member in cluster.members if member is not victim])
        harness.etcdctl(victim, "move-leader", cluster.ids[target.name], check=False)
    else:
        cluster.isolate(victim, hears=kind == "mute", speaks=kind == "deaf")
        time.sleep(1 + generator.random() * 2.5)
        cluster.heal()
    return kind


@pytest.mark.parametrize("kinds", MIXES, ids=mix_name)
def test_histories_under_faults(tmp_path, kinds):
    seconds = float(os.environ.get("ETCD_FAULT_SECONDS", "15"))
    seed = int(os.environ.get("ETCD_FAULT_SEED", "7"))
    generator = random.Random(f"{seed}-{kinds}")
    with PartitionedCluster(tmp_path, kinds, extra=["--snapshot-count", "200"]) as cluster:
        history = History(cluster, seed=seed)
        faults = []
        try:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                faults.append(trouble(cluster, generator))
                time.sleep(generator.random() * 1.5)
            for member in cluster.members:
                retry(lambda: member.put("after", "all"), 40)
        finally:
            history.finish()
        count = history.check()
        assert count > 100, f"{count} operations with {faults}"
        cluster.wait_equal(40)
