"""Our release build beside Go etcd in one run: interleaved rounds, the same load, ratios of medians.

    python Benchmarks/bench.py --ours .build/release/etcd [--rounds 3] [--quick]

The load is h2load (Debian's nghttp2-client) with prepared gRPC messages; CPU is user and system time of the server's
process, from /proc, around each measurement.
"""

import argparse
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Tests" / "Interop"))

import harness

TICKS = os.sysconf("SC_CLK_TCK")


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, payload):
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def frame(message):
    return b"\0" + len(message).to_bytes(4, "big") + message


KEY, VALUE = b"bench-key-000001", b"v" * 256
PUT = field(1, KEY) + field(2, VALUE)
GET = field(1, KEY)
RANGE = field(1, b"r") + field(2, b"s") + field(3, 1000)
COMPARE = field(1, 0) + field(2, 0) + field(3, KEY) + field(4, 0)
TXN = field(1, field(2, 1) + field(3, KEY)) + field(2, field(2, PUT)) + field(3, field(1, GET))

# name: method, message, connections, streams, requests of a round
WORKLOADS = {
    "put 1x1": ("Put", PUT, 1, 1, 1500),
    "put 64x1": ("Put", PUT, 64, 1, 20000),
    "put 100x10": ("Put", PUT, 100, 10, 40000),
    "put 1000x1": ("Put", PUT, 1000, 1, 30000),
    "get serializable 100x1": ("Range", GET + field(7, 1), 100, 1, 40000),
    "get serializable 100x10": ("Range", GET + field(7, 1), 100, 10, 100000),
    "get linearizable 100x1": ("Range", GET, 100, 1, 30000),
    "get linearizable 100x10": ("Range", GET, 100, 10, 60000),
    "range of 1000 10x1": ("Range", RANGE + field(7, 1), 10, 1, 1000),
    "txn 64x1": ("Txn", TXN, 64, 1, 15000),
    "mixed 20 puts, 70 gets": None,
}


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_bytes(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def h2load(member, method, message, connections, streams, requests, folder):
    body, log = folder / "body", folder / "latencies"
    body.write_bytes(frame(message))
    log.unlink(missing_ok=True)
    before, begun = cpu_seconds(member.process.pid), time.monotonic()
    result = subprocess.run(
        ["h2load", "-n", str(requests), "-c", str(connections), "-m", str(streams), "-d", str(body),
         "-H", "content-type: application/grpc", "-H", "te: trailers", f"--log-file={log}",
         f"http://{member.endpoint}/etcdserverpb.KV/{method}"], capture_output=True, text=True, timeout=300)
    seconds = time.monotonic() - begun
    cpu = cpu_seconds(member.process.pid) - before
    done = [line for line in result.stdout.splitlines() if line.startswith("requests:")]
    if os.environ.get("BENCH_VERBOSE"):
        print(member.program[-20:], [l for l in result.stdout.splitlines() if l.startswith("finished")], file=sys.stderr)
    if not done or f"{requests} succeeded" not in done[0]:
        raise SystemExit(f"{method} failed: {done or result.stderr}")
    rate = [line for line in result.stdout.splitlines() if line.startswith("finished in")][0]
    latencies = sorted(int(line.split()[2]) for line in log.read_text().splitlines() if line)
    at = lambda share: latencies[min(len(latencies) - 1, int(len(latencies) * share))] if latencies else 0
    return {
        "cpu_us": cpu / requests * 1e6, "rps": float(rate.split(",")[1].split()[0]), "p50_us": at(0.5), "p99_us": at(0.99),
        "seconds": seconds,
    }


def mixed(member, folder):
    """Two writers for every seven readers, at once; the figures are of both together."""
    halves = [("Put", PUT, 20, 4000, folder / "mixed-put"), ("Range", GET, 70, 14000, folder / "mixed-get")]
    before, begun = cpu_seconds(member.process.pid), time.monotonic()
    running = []
    for method, message, connections, requests, body in halves:
        body.write_bytes(frame(message))
        log = body.with_suffix(".log")
        log.unlink(missing_ok=True)
        running.append((requests, log, subprocess.Popen(
            ["h2load", "-n", str(requests), "-c", str(connections), "-m", "1", "-d", str(body), "-H", "content-type: application/grpc",
             "-H", "te: trailers", f"--log-file={log}", f"http://{member.endpoint}/etcdserverpb.KV/{method}"],
            stdout=subprocess.PIPE, text=True)))
    latencies, total = [], 0
    for requests, log, process in running:
        output = process.communicate(timeout=300)[0]
        if f"{requests} succeeded" not in output:
            raise SystemExit(f"mixed failed: {output}")
        total += requests
        latencies += [int(line.split()[2]) for line in log.read_text().splitlines() if line]
    seconds = time.monotonic() - begun
    latencies.sort()
    return {
        "cpu_us": (cpu_seconds(member.process.pid) - before) / total * 1e6, "rps": total / seconds,
        "p50_us": latencies[len(latencies) // 2], "p99_us": latencies[len(latencies) * 99 // 100], "seconds": seconds,
    }


def fill(member, keys, prefix="k", value_bytes=256, batch=100):
    value = base64.b64encode(b"x" * value_bytes).decode()
    for start in range(0, keys, batch):
        puts = [
            {"request_put": {"key": harness.b64(f"{prefix}{n:09d}"), "value": value}}
            for n in range(start, min(keys, start + batch))
        ]
        status, body = member.post("/v3/kv/txn", {"success": puts})
        assert status == 200, body


def measure_requests(ours, theirs, rounds, folder):
    rows = {}
    for name, workload in WORKLOADS.items():
        samples = {"ours": [], "go": []}
        for number in range(rounds):
            order = [("ours", ours), ("go", theirs)]
            for side, member in order if number % 2 == 0 else order[::-1]:
                samples[side].append(h2load(member, *workload, folder) if workload else mixed(member, folder))
        rows[name] = {
            side: {key: statistics.median(sample[key] for sample in list_) for key in list_[0]}
            for side, list_ in samples.items()
        }
        report(name, rows[name])
    return rows


def report(name, row):
    ours, go = row["ours"], row["go"]
    ratio = lambda key: ours[key] / go[key] if go[key] else float("nan")
    print(
        f"| {name:24} | {ours['cpu_us']:7.1f} | {go['cpu_us']:7.1f} | {ratio('cpu_us'):5.2f} | {ours['rps']:8.0f} | {go['rps']:8.0f} "
        f"| {ratio('rps'):5.2f} | {ratio('p50_us'):5.2f} | {ratio('p99_us'):5.2f} |", flush=True)


def measure_store(program, keys, folder, name):
    """Memory, size and start-up of a store with many keys."""
    member = harness.Member(folder / name, program=program, extra=["--quota-backend-bytes", str(8 << 30)])
    member.start()
    fill(member, keys)
    member.stop(60)
    begun = time.monotonic()
    member.start(wait=False)
    member.wait_ready(120)
    startup = time.monotonic() - begun
    time.sleep(1)
    memory = resident_bytes(member.process.pid)
    size = (member.directory / "member" / "snap" / "db").stat().st_size
    member.kill()
    return {"startup_s": startup, "memory_mb": memory / 1e6, "db_mb": size / 1e6}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keys", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    for name in list(WORKLOADS):
        if arguments.only not in name:
            del WORKLOADS[name]
    with tempfile.TemporaryDirectory(dir=".") as path:
        folder = Path(path)
        ours = harness.Member(folder / "ours", program=arguments.ours)
        theirs = harness.Member(folder / "go", program=harness.go_program("etcd"))
        print("| workload                 | cpu us   | Go       | ratio | req/s    | Go       | ratio | p50   | p99   |")
        print("|---|---|---|---|---|---|---|---|---|")
        with ours, theirs:
            for member in (ours, theirs):
                fill(member, 1000, prefix="r")
                member.put(KEY, VALUE)
            rows = measure_requests(ours, theirs, arguments.rounds, folder)
            memory = {side: resident_bytes(member.process.pid) / 1e6 for side, member in (("ours", ours), ("go", theirs))}
        print(f"\nresident after it: {memory['ours']:.0f} MB, Go {memory['go']:.0f} MB, ratio {memory['ours'] / memory['go']:.2f}")
        stores = {}
        for keys in arguments.keys:
            stores[keys] = {
                "ours": measure_store(arguments.ours, keys, folder, f"ours-{keys}"),
                "go": measure_store(harness.go_program("etcd"), keys, folder, f"go-{keys}"),
            }
            for figure in ("memory_mb", "startup_s", "db_mb"):
                left, right = stores[keys]["ours"][figure], stores[keys]["go"][figure]
                print(f"{keys} keys x 256 B, {figure}: {left:.2f}, Go {right:.2f}, ratio {left / right:.2f}")
    print(json.dumps({"requests": rows, "stores": stores}), file=sys.stderr)


if __name__ == "__main__":
    main()
