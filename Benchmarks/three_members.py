"""Three of our members beside three of Go's, in one run: writes, follower reads, and how long a lost leader is missed.

    python Benchmarks/three_members.py --ours .build/release/etcd [--rounds 3] [--failovers 20]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Tests" / "Interop"))

import harness
from bench import GET, PUT, cpu_seconds, h2load, resident_bytes
from cluster import Cluster

WORKLOADS = {
    "put 1000x1, at the leader": ("Put", PUT, 1000, 1, 20000, True),
    "put 100x10, at the leader": ("Put", PUT, 100, 10, 30000, True),
    "put 1000x1, at a follower": ("Put", PUT, 1000, 1, 20000, False),
    "get linearizable 100x10, at a follower": ("Range", GET, 100, 10, 40000, False),
    "get serializable 100x10, at a follower": ("Range", GET + b"\x38\x01", 100, 10, 60000, False),
}


def measure(cluster, method, message, connections, streams, requests, at_leader, folder):
    leader = cluster.leader()
    member = leader if at_leader else next(one for one in cluster.members if one is not leader)
    before = [cpu_seconds(one.process.pid) for one in cluster.members]
    result = h2load(member, method, message, connections, streams, requests, folder)
    result["all_cpu_us"] = sum(
        cpu_seconds(one.process.pid) - then for one, then in zip(cluster.members, before)) / requests * 1e6
    return result


def failover(cluster):
    """Seconds from the leader's end until a write is acknowledged by those who are left."""
    leader = cluster.leader()
    rest = [member for member in cluster.members if member is not leader]
    leader.kill()
    begun = time.monotonic()
    number = 0
    while True:
        number += 1
        try:
            rest[number % len(rest)].put("failover", str(number), timeout=0.1)
            break
        except (OSError, AssertionError, ValueError):
            pass
    seconds = time.monotonic() - begun
    leader.start()
    # Its streams stand, and it has caught up.
    cluster.wait_equal()
    time.sleep(0.5)
    return seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--failovers", type=int, default=20)
    options = parser.parse_args()
    harness.OURS = os.path.abspath(options.ours)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for kind in ("ours", "go"):
            (folder / kind).mkdir()
        with Cluster(folder / "ours", ("ours",) * 3) as ours, Cluster(folder / "go", ("go",) * 3) as theirs:
            sides = [("ours", ours), ("go", theirs)]
            print(f"{'ratio ours / Go':42}{'CPU, all':>10}{'CPU':>8}{'req/s':>8}{'p50':>8}{'p99':>8}")
            for name, workload in WORKLOADS.items():
                samples = {"ours": [], "go": []}
                for number in range(options.rounds):
                    for side, cluster in sides if number % 2 == 0 else sides[::-1]:
                        samples[side].append(measure(cluster, *workload, folder))
                middle = {
                    side: {key: statistics.median(one[key] for one in rows) for key in rows[0]} for side, rows in samples.items()}
                ratio = {key: middle["ours"][key] / max(middle["go"][key], 1e-9) for key in middle["go"]}
                print(
                    f"{name:42}{ratio['all_cpu_us']:10.2f}{ratio['cpu_us']:8.2f}{ratio['rps']:8.2f}{ratio['p50_us']:8.2f}"
                    f"{ratio['p99_us']:8.2f}", flush=True)
            for side, cluster in sides:
                print(f"{side}: resident MB {[round(resident_bytes(m.process.pid) / 2**20) for m in cluster.members]}")
            for side, cluster in sides:
                times = [failover(cluster) for _ in range(options.failovers)]
                if times:
                    print(f"{side}: failover median {statistics.median(times):.2f} s, longest {max(times):.2f} s", flush=True)


if __name__ == "__main__":
    main()
