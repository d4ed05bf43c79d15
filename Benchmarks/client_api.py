"""The client API beside Go etcd's in one run: watches, leases, the gateway, mTLS, idle connections. Ratios of medians.

    python Benchmarks/client_api.py --ours .build/release/etcd [--rounds 3] [--quick] [--only watch] [--leases 1000000]

Both sides take turns, each measurement on a fresh member. The load is prepared frames over raw sockets, or h2load; what
comes back is counted by looking for a mark in the bytes, so that the load generator is not what is measured. CPU is that
of the member's process, memory what it has for itself (RssAnon).
"""

import argparse
import collections
import json
import os
import resource
import selectors
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Tests" / "Interop"))

import harness
from bench import cpu_seconds, field, varint
from frames import (
    ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, WINDOW, WINDOW_MAX, frame, head, message, number, settings,
)
from test_connections import resident

PUT, WATCH, KEEPALIVE = b"/etcdserverpb.KV/Put", b"/etcdserverpb.Watch/Watch", b"/etcdserverpb.Lease/LeaseKeepAlive"
# What no key, header or frame contains.
MARK = b"\xf0\x9f\x8f\x81mark:"


class Link:
    """A connection that sends what was prepared and counts what comes. Its windows are as large as they can be."""

    def __init__(self, port, context=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.stream = -1
        self.tail = b""
        self.rest = bytearray()
        self.send(
            PREFACE + settings(window=WINDOW_MAX) + frame(WINDOW, 0, 0, number(WINDOW_MAX - 65535)) + frame(SETTINGS, ACK, 0))

    def send(self, data):
        self.socket.sendall(data)

    def next_stream(self):
        self.stream += 2
        return self.stream

    def call(self, path, body, ends=True):
        """The frames of one call."""
        stream = self.next_stream()
        return frame(HEADERS, END_HEADERS, stream, head(path)) + frame(DATA, END_STREAM if ends else 0, stream, message(body))

    def count(self, mark):
        """How often the mark comes in what is read now; one that is cut in two counts with its end."""
        piece = self.socket.recv(1 << 20)
        if not piece:
            raise SystemExit("the member ended a connection")
        data = self.tail + piece
        self.tail = data[-(len(mark) - 1):]
        return data.count(mark)

    def wait_marks(self, mark, wanted):
        """Reads until the mark has come as often as wanted. A cut mark is in the tail, which never holds a whole one."""
        while wanted > 0:
            wanted -= self.count(mark)

    def wait_ends(self, wanted):
        """Reads until as many streams have ended."""
        self.read_frames(wanted, lambda kind, flags, _, __: int(kind == HEADERS and flags & END_STREAM != 0))

    def wait_messages(self, wanted):
        """Reads until as many messages have come; slow."""
        streams = collections.defaultdict(bytearray)

        def messages(kind, _, stream, payload):
            if kind != DATA:
                return 0
            data, count = streams[stream], 0
            data += payload
            while len(data) >= 5 and len(data) >= (size := 5 + int.from_bytes(data[1:5], "big")):
                del data[:size]
                count += 1
            return count

        self.read_frames(wanted, messages)
        if self.rest or any(streams.values()):
            raise SystemExit("there was more than was asked for")

    def read_frames(self, wanted, count):
        while wanted > 0:
            piece = self.socket.recv(1 << 18)
            if not piece:
                raise SystemExit("the member ended a connection")
            rest, at = self.rest, 0
            rest += piece
            while len(rest) - at >= 9:
                size = int.from_bytes(rest[at:at + 3], "big")
                if len(rest) - at < 9 + size:
                    break
                kind, flags = rest[at + 3], rest[at + 4]
                if kind in (3, 7):
                    raise SystemExit("a stream was reset, or the connection ends")
                stream = int.from_bytes(rest[at + 5:at + 9], "big")
                wanted -= count(kind, flags, stream, rest[at + 9:at + 9 + size])
                at += 9 + size
            del rest[:at]

    def close(self):
        self.socket.close()


def rare_byte(member):
    """One that answers hold in values alone: not in the identifiers of every header, nor in small numbers."""
    header = member.post("/v3/kv/range", {"key": "AA=="})[1]["header"]
    common = varint(int(header["cluster_id"])) + varint(int(header["member_id"]))
    return next(bytes([byte]) for byte in range(0xFF, 0xC0, -1) if byte not in common)


def settle(member):
    """Until memory and CPU are quiet, or ten seconds are over."""
    time.sleep(1)
    before = cpu_seconds(member.process.pid)
    for _ in range(20):
        time.sleep(0.5)
        now = cpu_seconds(member.process.pid)
        if now - before < 0.02:
            return
        before = now


def watchers_on(member, count, streams, key):
    """Links with one stream each that holds its part of the watchers; `key` names the key of each."""
    links, each = [], count // streams
    for index in range(streams):
        link = Link(member.client)
        stream = link.next_stream()
        link.send(
            frame(HEADERS, END_HEADERS, stream, head(WATCH)) + b"".join(
                frame(DATA, 0, stream, message(field(1, field(1, key(index * each + one))))) for one in range(each)))
        links.append(link)
    for link in links:
        link.wait_messages(each)
    return links


# Each measurement: a member and sizes, figures out.


def watch_fan_out(member, sizes):
    """Puts all at once, which lets a member send several events together, and one put at a time, which does not."""
    count, puts = sizes["watchers"], sizes["fan_puts"]
    # Bytes, unlike longer marks, are never cut in two by a frame's head. Revisions stay below 128, and take one byte.
    mark, figures = rare_byte(member), {}
    links = watchers_on(member, count, sizes["watch_links"], lambda _: b"k")
    writer = Link(member.client)
    selector = selectors.DefaultSelector()
    for link in links:
        selector.register(link.socket, selectors.EVENT_READ, link)

    def receive(events):
        left = 9 * events
        while left > 0:
            ready = selector.select(60)
            if not ready:
                raise SystemExit(f"{left // 9} of {events} events are missing")
            for key, _ in ready:
                left -= key.data.socket.recv(1 << 20).count(mark)

    for name, together in (("watch fan-out", puts), ("watch fan-out, a put at a time", 1)):
        load, begun, cpu = time.process_time(), time.monotonic(), cpu_seconds(member.process.pid)
        for _ in range(puts // together):
            writer.send(b"".join(writer.call(PUT, field(1, b"k") + field(2, mark * 9)) for _ in range(together)))
            receive(count * together)
        seconds, spent = time.monotonic() - begun, cpu_seconds(member.process.pid) - cpu
        figures[f"{name}, events/s"] = count * puts / seconds
        figures[f"{name}, CPU us per event"] = spent / (count * puts) * 1e6
        figures[f"({name}: the load generator's share of the time)"] = (time.process_time() - load) / seconds
    for link in links + [writer]:
        link.close()
    return figures


def watch_memory(member, sizes):
    count, streams = sizes["watchers"], sizes["watch_links"]
    warm = watchers_on(member, streams, streams, lambda one: b"warm%06d" % one)
    settle(member)
    before = resident(member)
    links = watchers_on(member, count, streams, lambda one: b"idle%06d" % one)
    settle(member)
    after = resident(member)
    for link in warm + links:
        link.close()
    return {"memory per idle watcher, bytes": (after - before) / count}


def watch_latency(member, sizes):
    """Streams on their connections, ten each; every event's way from the put's sending to its arrival."""
    streams, rate, seconds = sizes["latency_streams"], 100, sizes["latency_seconds"]
    selector, links = selectors.DefaultSelector(), []
    for _ in range(streams // 10):
        link = Link(member.client)
        for _ in range(10):
            link.send(link.call(WATCH, field(1, field(1, b"k")), ends=False))
        link.wait_messages(10)
        links.append(link)
        selector.register(link.socket, selectors.EVENT_READ, link)
    writer = Link(member.client)
    selector.register(writer.socket, selectors.EVENT_READ, None)
    puts = rate * seconds
    # The number of a put is in its value; each is eight digits wide.
    prepared = [writer.call(PUT, field(1, b"k") + field(2, MARK + b"%08d" % one)) for one in range(puts)]
    sent, latencies, wide = [], [], len(MARK) + 8
    begun, arrived, cpu = time.monotonic(), 0, cpu_seconds(member.process.pid)
    # A number that a frame's head has cut in two is not seen: few, and at the end nothing comes for a while.
    last = begun
    while arrived < puts * streams and (len(sent) < puts or time.monotonic() - last < 3):
        now = time.monotonic()
        while len(sent) < puts and begun + len(sent) / rate <= now:
            writer.send(prepared[len(sent)])
            sent.append(time.monotonic())
        pause = begun + len(sent) / rate - time.monotonic() if len(sent) < puts else 1
        for key, _ in selector.select(max(0, pause)):
            link = key.data
            if link is None:
                writer.socket.recv(1 << 16)
                continue
            piece = link.socket.recv(1 << 20)
            now = time.monotonic()
            data = link.tail + piece
            parts = data.split(MARK)
            for part in parts[1:]:
                if len(part) >= 8 and part[:8].isdigit():
                    latencies.append(now - sent[int(part[:8])])
                    arrived, last = arrived + 1, now
            # A mark whose number is not whole yet waits, as does a mark that is cut.
            cut = data.rfind(MARK)
            link.tail = data[cut:] if cut >= 0 and len(data) - cut < wide else data[-(len(MARK) - 1):]
    spent = cpu_seconds(member.process.pid) - cpu
    latencies.sort()
    if len(latencies) < 0.99 * puts * streams:
        raise SystemExit(f"{len(latencies)} of {puts * streams} events have come")
    for link in links + [writer]:
        link.close()
    return {
        f"{streams} streams, 100 puts/s: p50, us": latencies[len(latencies) // 2] * 1e6,
        f"{streams} streams, 100 puts/s: p99, us": latencies[len(latencies) * 99 // 100] * 1e6,
        f"{streams} streams, 100 puts/s: CPU us per event": spent / len(latencies) * 1e6,
    }


def keepalives(member, sizes):
    links, ahead, rounds = [], 20, sizes["keepalives"] // (sizes["keepalive_links"] * 20)
    for _ in range(sizes["keepalive_links"]):
        status, lease = member.post("/v3/lease/grant", {"TTL": "3600"})
        assert status == 200
        link, identifier = Link(member.client), varint(int(lease["ID"]))
        stream = link.next_stream()
        link.send(frame(HEADERS, END_HEADERS, stream, head(KEEPALIVE)))
        link.mark = b"\x10" + identifier + b"\x18"
        link.batch = frame(DATA, 0, stream, message(b"\x08" + identifier)) * ahead
        links.append(link)
    begun, cpu = time.monotonic(), cpu_seconds(member.process.pid)
    for _ in range(rounds):
        for link in links:
            link.send(link.batch)
        for link in links:
            link.wait_marks(link.mark, ahead)
    seconds, done = time.monotonic() - begun, rounds * ahead * len(links)
    spent = cpu_seconds(member.process.pid) - cpu
    for link in links:
        link.close()
    return {"lease keepalives/s": done / seconds, "lease keepalive, CPU us": spent / done * 1e6}


def h2load(member, path, body, requests, connections, *options):
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        begun, cpu = time.monotonic(), cpu_seconds(member.process.pid)
        result = subprocess.run(
            ["h2load", "-n", str(requests), "-c", str(connections), "-d", file.name, *options, f"http://{member.endpoint}{path}"],
            capture_output=True, text=True, timeout=900)
        spent = cpu_seconds(member.process.pid) - cpu
    if f"{requests} succeeded" not in result.stdout:
        raise SystemExit(result.stdout + result.stderr)
    rate = next(line for line in result.stdout.splitlines() if line.startswith("finished in"))
    return float(rate.split(",")[1].split()[0]), spent / requests * 1e6


def lease_memory(member, sizes):
    settle(member)
    before = resident(member)
    rate, cpu = h2load(
        member, "/etcdserverpb.Lease/LeaseGrant", message(field(1, 36000)), sizes["leases"], 20, "-m", "50",
        "-H", "content-type: application/grpc", "-H", "te: trailers")
    settle(member)
    grown = resident(member) - before
    return {f"memory of {sizes['leases']} leases, MB": grown / 1e6, "lease grants/s": rate, "lease grant, CPU us": cpu}


def gateway(member, sizes):
    body = json.dumps({"key": harness.b64("bench-key-000001"), "value": harness.b64("v" * 256)}).encode()
    rate, cpu = h2load(
        member, "/v3/kv/put", body, sizes["gateway_puts"], 50, "--h1", "-H", "content-type: application/json")
    return {"gateway put, requests/s": rate, "gateway put, CPU us": cpu}


def mtls(member, sizes):
    context = ssl.create_default_context(cafile=member.ca)
    context.load_cert_chain(*member.certificate)
    context.set_alpn_protocols(["h2"])
    begun, cpu = time.monotonic(), cpu_seconds(member.process.pid)
    links = [Link(member.client, context) for _ in range(sizes["tls_links"])]
    for link in links:
        link.send(link.call(PUT, field(1, b"k") + field(2, b"v")))
        link.wait_ends(1)
    shaken = cpu_seconds(member.process.pid) - cpu
    rounds, ahead = sizes["tls_puts"] // (len(links) * 10), 10
    begun, cpu = time.monotonic(), cpu_seconds(member.process.pid)
    for _ in range(rounds):
        for link in links:
            link.send(b"".join(link.call(PUT, field(1, b"bench-key-000001") + field(2, b"v" * 256)) for _ in range(ahead)))
        for link in links:
            link.wait_ends(ahead)
    done, seconds = rounds * ahead * len(links), time.monotonic() - begun
    spent = cpu_seconds(member.process.pid) - cpu
    for link in links:
        link.close()
    return {
        "mTLS put, CPU us": spent / done * 1e6, "mTLS put, requests/s": done / seconds,
        "mTLS handshake and a put, CPU us": shaken / len(links) * 1e6,
    }


def idle_connections(member, sizes):
    """Each has said hello and made one call; then it does nothing."""
    settle(member)
    before, links = resident(member), []
    for _ in range(sizes["idle"]):
        link = Link(member.client)
        link.send(link.call(b"/etcdserverpb.KV/Range", field(1, b"k")))
        links.append(link)
    for link in links:
        link.wait_ends(1)
    settle(member)
    grown = resident(member) - before
    for link in links:
        link.close()
    return {f"memory of {len(links)} idle connections, MB": grown / 1e6}


MEASUREMENTS = {
    "watch fan-out": watch_fan_out, "watch memory": watch_memory, "watch latency": watch_latency, "keepalives": keepalives,
    "lease memory": lease_memory, "gateway": gateway, "mtls": mtls, "idle": idle_connections,
}
FULL = {
    "watchers": 10_000, "watch_links": 100, "fan_puts": 50, "latency_streams": 1000, "latency_seconds": 20, "keepalives": 1_000_000,
    "keepalive_links": 50, "leases": 100_000, "gateway_puts": 30_000, "tls_links": 50, "tls_puts": 50_000, "idle": 9_000,
}
QUICK = {
    "watchers": 500, "watch_links": 10, "fan_puts": 10, "latency_streams": 100, "latency_seconds": 2, "keepalives": 4000,
    "keepalive_links": 10, "leases": 2000, "gateway_puts": 2000, "tls_links": 5, "tls_puts": 1000, "idle": 200,
}
# What the project wants, where it wants something.
GOALS = {
    "(watch": "", "watch fan-out, events/s": ">= 2", "watch fan-out, CPU us per event": "<= 0.3",
    "a put at a time, events/s": ">= 2", "a put at a time, CPU us per event": "<= 0.3", "memory per idle watcher, bytes": "<= 0.5",
    "p99": "<= 1", "lease keepalives/s": ">= 2", "memory of": "<= 0.5", "gateway put, requests/s": ">= 3", "mTLS put, CPU us": "<= 0.7",
}


def start(side, program, folder, is_secure):
    extra = ["--quota-backend-bytes", str(8 << 30)]
    if not is_secure:
        return harness.Member(folder / side, program=program, extra=extra)
    from test_tls import Authority, SecureMember

    (folder / "certificates").mkdir(exist_ok=True)
    authority = Authority(folder / "certificates")
    certificate, key, _ = authority.issue("both")
    member = SecureMember(folder / side, program=program, extra=extra + [
        "--cert-file", certificate, "--key-file", key, "--trusted-ca-file", authority.path, "--client-cert-auth"])
    member.ca, member.certificate = authority.path, (certificate, key)
    return member


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="tiny numbers: whether it works, no figures")
    parser.add_argument("--only", default="", help="of: " + ", ".join(MEASUREMENTS))
    parser.add_argument("--leases", type=int, help="a million takes a minute a side and round, and a gigabyte of Go's memory")
    options = parser.parse_args()
    sizes = dict(QUICK if options.quick else FULL)
    if options.leases:
        sizes["leases"] = options.leases
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sizes["idle"] = min(sizes["idle"], hard - 1000)
    programs = {"ours": os.path.abspath(options.ours), "go": harness.go_program("etcd")}
    rows = {}
    print(f"| {'figure':64} | {'ours':>12} | {'Go':>12} | {'ratio':>6} | {'wanted':>8} |\n|---|---|---|---|---|")
    for name, measure in MEASUREMENTS.items():
        if options.only not in name:
            continue
        samples = {side: collections.defaultdict(list) for side in programs}
        for turn in range(1 if options.quick else options.rounds):
            for side in list(programs) if turn % 2 == 0 else list(programs)[::-1]:
                with tempfile.TemporaryDirectory(dir=".") as folder:
                    with start(side, programs[side], Path(folder), name == "mtls") as member:
                        for figure, value in measure(member, sizes).items():
                            samples[side][figure].append(value)
        for figure in samples["ours"]:
            ours, go = (statistics.median(samples[side][figure]) for side in ("ours", "go"))
            goal = next((goal for part, goal in GOALS.items() if part in figure), "")
            ratio = ours / go if go else float("nan")
            rows[figure] = {"ours": ours, "go": go, "ratio": ratio}
            print(f"| {figure:64} | {ours:12.2f} | {go:12.2f} | {ratio:6.2f} | {goal:>8} |", flush=True)
    print(json.dumps(rows), file=sys.stderr)


if __name__ == "__main__":
    main()
