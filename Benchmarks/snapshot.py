"""What it costs a member of one to send its database to a new member: memory, and how long writes wait meanwhile.

    python Benchmarks/snapshot.py --ours .build/release/etcd [--megabytes 2048] [--kinds ours go]

The new member is a learner of the same make on the same disk, so both write where the other syncs.
"""

import argparse
import http.client
import json
import os
import random
import re
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Tests" / "Interop"))

import harness
from cluster import Cluster
from test_connections import resident

VALUE_BYTES = 1_000_000


class Writer:
    """Puts one key a hundred times a second, and remembers how long each took."""

    def __init__(self, member):
        self.member, self.waits, self.peak, self.ended = member, [], 0, threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended.wait(0.01):
            begun = time.monotonic()
            self.member.put("beat", str(begun), timeout=30)
            self.waits.append(time.monotonic() - begun)
            if len(self.waits) % 5 == 0:
                self.peak = max(self.peak, resident(self.member))

    def finish(self):
        self.ended.set()
        self.thread.join()
        waits = sorted(self.waits)
        return waits[len(waits) // 2] * 1e3, waits[int(len(waits) * 0.99)] * 1e3, waits[-1] * 1e3, self.peak


def metrics_page(member):
    return urllib.request.urlopen(f"http://{member.endpoint}/metrics", timeout=30).read().decode()


def measure(folder, kind, megabytes):
    extra = ["--quota-backend-bytes", str(16 << 30), "--snapshot-count", "100"]
    with Cluster(folder, (kind,), extra=extra) as cluster:
        sender = cluster.members[0]
        generator = random.Random(1)
        for number in range(megabytes * (1 << 20) // VALUE_BYTES):
            sender.put(f"large{number}", generator.randbytes(VALUE_BYTES // 2).hex(), timeout=30)
        # Until no entry with a large value is left in the log that members keep for each other: 5,000 behind a snapshot.
        connection = http.client.HTTPConnection("127.0.0.1", sender.client)
        for number in range(5300):
            connection.request("POST", "/v3/kv/put", json.dumps({"key": harness.b64("small"), "value": harness.b64(str(number))}))
            connection.getresponse().read()
        connection.close()
        time.sleep(5)
        quiet = Writer(sender)
        time.sleep(10)
        median, p99, longest, before = quiet.finish()
        print(f"{kind}: alone       median {median:6.1f} ms  p99 {p99:6.1f} ms  longest {longest:6.1f} ms  memory {before / 1e6:.0f} MB")
        writer = Writer(sender)
        begun = time.monotonic()
        learner = cluster.add(kind, learner=True)
        caught_up = None
        while time.monotonic() - begun < 300:
            try:
                if int(cluster.status(learner).get("dbSize", 0)) >= megabytes * (1 << 20) * 0.9:
                    caught_up = time.monotonic() - begun
                    break
            except (OSError, AssertionError, ValueError):
                pass
            time.sleep(0.1)
        median, p99, longest, peak = writer.finish()
        sent = re.findall(r"^etcd_network_snapshot_send_success\S* (\d+)", metrics_page(sender), re.M)
        if sum(map(int, sent)) != 1:
            raise SystemExit(f"{kind}: the new member has caught up without a snapshot")
        took = f"{caught_up:.1f} s" if caught_up else "not within 300 s"
        print(
            f"{kind}: with sending median {median:6.1f} ms  p99 {p99:6.1f} ms  longest {longest:6.1f} ms  "
            f"memory +{(peak - before) / 1e6:.0f} MB  took {took}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--megabytes", type=int, default=2048)
    parser.add_argument("--kinds", nargs="+", default=["ours", "go"])
    options = parser.parse_args()
    harness.OURS = os.path.abspath(options.ours)
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), kind, options.megabytes)


if __name__ == "__main__":
    main()
