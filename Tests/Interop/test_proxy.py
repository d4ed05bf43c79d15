"""`etcd gateway` and `etcd grpc-proxy`: ours in front of members of ours and of Go's, and Go's proxy beside it."""

import collections
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import grpc
import harness
import pytest
from cluster import Cluster
from harness import wait_for
from test_grpc import field, fields, unary
from test_tls import Authority, SecureMember
from test_watch import Watch, lock_story, number, script

KV, LEASE = "/etcdserverpb.KV/", "/etcdserverpb.Lease/"


class Proxy:
    """A proxy process. `kind` is "gateway" or "grpc-proxy". Ends only what it started, by pid."""

    def __init__(self, folder, kind, endpoints, *extra, program=None, name="proxy"):
        self.client = harness.free_port()
        self.endpoint = f"127.0.0.1:{self.client}"
        self.log_path = Path(folder) / f"{name}-{kind}-{self.client}.log"
        listed = endpoints if isinstance(endpoints, str) else ",".join(endpoints)
        self.command = [program or harness.OURS, kind, "start", "--listen-addr", self.endpoint, "--endpoints", listed, *extra]
        if kind == "grpc-proxy":
            self.command += ["--data-dir", str(Path(folder) / f"{name}.proxy")]
        self.process = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=harness.clean_environment())
        end = time.monotonic() + 15
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log()
            try:
                socket.create_connection(("127.0.0.1", self.client), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"the proxy did not listen:\n{self.log()}")

    def log(self):
        return self.log_path.read_text(errors="replace")

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://{self.endpoint}{path}", timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    __enter__ = start

    def __exit__(self, *_):
        self.kill()


def metric(page, name):
    """The sum of a family's lines."""
    found = [float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if re.match(re.escape(name) + r"[ {]", line)]
    return sum(found)


def member_metric(member, name, having=""):
    with urllib.request.urlopen(f"http://{member.endpoint}/metrics", timeout=10) as response:
        page = response.read().decode()
    return metric("\n".join(line for line in page.splitlines() if having in line), name)


def go_member(folder):
    return harness.Member(folder, program=harness.go_program("etcd"))


MEMBERS = {"ours": harness.Member, "go": go_member}


@pytest.fixture(params=["ours", "go"])
def behind(request, tmp_path):
    """A member to stand in front of."""
    with MEMBERS[request.param](tmp_path / "member") as member:
        yield member


def etcdctl_story(proxy):
    """What etcdctl says to a life with keys, leases, locks and users, without what differs from run to run."""
    said = []

    def ask(*arguments, stdin=None):
        result = harness.etcdctl(proxy, *arguments, stdin=stdin, check=False, timeout=20)
        errors = re.sub(r'(?m)^\{"level".*$\n?', "", result.stderr)
        said.append((arguments, result.returncode, result.stdout, errors))
        return result.stdout

    ask("put", "a", "1")
    ask("put", "b", "2", "--prev-kv")
    ask("put", "a", "3", "--prev-kv")
    ask("get", "a")
    ask("get", "--prefix", "", "--keys-only")
    ask("get", "a", "--consistency=s")
    ask("put", "a", "4")
    ask("get", "a", "--consistency=s")
    ask("get", "a", "--consistency=s")
    ask("get", "a", "--rev=2")
    ask("get", "a", "--rev=99")
    ask("txn", stdin='value("a") = "4"\n\nput a 5\nget a\n\nput b no\n\n')
    ask("get", "a", "--consistency=s")
    ask("del", "b", "--prev-kv")
    ask("get", "--from-key", "a", "--consistency=s")
    ask("compaction", "4")
    ask("get", "a", "--rev=2", "--consistency=s")
    ask("compaction", "4")
    ask("watch", "a", "--rev=2")
    ask("put", "x", "1", "--lease=1234")
    ask("lease", "revoke", "1234")
    ask("get", "")
    lease = re.search(r"lease (\w+) granted", ask("lease", "grant", "100")).group(1)
    said.pop()
    for arguments in (
        ("put", "l", "1", f"--lease={lease}"), ("lease", "keep-alive", "--once", lease), ("lease", "list"),
        ("lease", "revoke", lease), ("lease", "keep-alive", "--once", lease), ("get", "l"),
    ):
        ask(*arguments)
    said[:] = [json.loads(json.dumps(line).replace(lease, "LEASE")) for line in said]
    ask("lock", "m", "echo", "held")
    ask("role", "add", "r")
    ask("role", "grant-permission", "r", "readwrite", "a", "b")
    ask("user", "add", "root:root")
    ask("user", "grant-role", "root", "root")
    ask("user", "add", "u:u")
    ask("user", "grant-role", "u", "r")
    ask("user", "get", "u")
    ask("auth", "enable")
    ask("--user", "u:u", "put", "a", "by u")
    ask("--user", "u:u", "put", "b", "by u")
    ask("--user", "u:u", "get", "a", "--consistency=s")
    ask("--user", "u:wrong", "get", "a")
    ask("--user", "u:u", "watch", "b")
    ask("watch", "a")
    ask("get", "a", "--consistency=s")
    ask("--user", "root:root", "auth", "disable")
    ask("get", "a")
    return said


def test_etcdctl_through_the_grpc_proxy(tmp_path):
    """The same script through Go's proxy and ours, before members of both kinds."""
    stories = {}
    go = harness.go_program("etcd")
    for name, member, program in (("go-go", "go", go), ("go-ours", "go", None), ("ours-ours", "ours", None)):
        (tmp_path / name).mkdir()
        with MEMBERS[member](tmp_path / name / "member") as behind:
            with Proxy(tmp_path / name, "grpc-proxy", behind.endpoint, program=program) as proxy:
                stories[name] = etcdctl_story(proxy)
    for name in ("go-ours", "ours-ours"):
        for ours, go_line in zip(stories[name], stories["go-go"], strict=True):
            assert ours == go_line, name


def test_gateway(tmp_path, behind):
    """A dead endpoint is noticed and left out; the story goes as without a gateway."""
    dead = f"127.0.0.1:{harness.free_port()}"
    with Proxy(tmp_path, "gateway", [f"http://{dead}", behind.endpoint], "--retry-delay", "200ms") as proxy:
        assert harness.etcdctl(proxy, "put", "a", "1").stdout == "OK\n"
        assert harness.etcdctl(proxy, "get", "a").stdout == "a\n1\n"
        wait_for(lambda: '"msg":"deactivated endpoint","address":"%s"' % dead in proxy.log())
        wait_for(lambda: "failed to activate endpoint (stay inactive for another interval)" in proxy.log())
        watch = subprocess.Popen(
            [harness.go_program("etcdctl"), "--endpoints", proxy.endpoint, "watch", "a"], stdout=subprocess.PIPE, text=True)
        try:
            wait_for(lambda: member_metric(behind, "etcd_debugging_mvcc_watcher_total") == 1)
            harness.etcdctl(proxy, "put", "a", "2")
            assert [watch.stdout.readline() for _ in range(3)] == ["PUT\n", "a\n", "2\n"]
        finally:
            watch.kill()
            watch.wait(10)


class Echo(threading.Thread):
    """A server that answers only when the client has finished sending, and reads nothing before it is told to."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.go = threading.Event()

    def run(self):
        connection, _ = self.listener.accept()
        self.go.wait(20)
        size = 0
        while piece := connection.recv(1 << 16):
            size += len(piece)
        connection.sendall(b"got %d" % size)
        connection.close()


def test_gateway_half_close_and_back_pressure(tmp_path):
    """The end of what a client sends arrives, and the answer after it; what nobody reads isn't piled up in between."""
    server = Echo()
    server.start()
    with server.listener:
        proxy = Proxy(tmp_path, "gateway", f"127.0.0.1:{server.port}")
        with open(proxy.log_path, "ab") as log:
            proxy.process = subprocess.Popen(proxy.command, stdout=log, stderr=log)
        try:
            wait_for(lambda: "ready to proxy client requests" in proxy.log())
            with socket.create_connection(("127.0.0.1", proxy.client), timeout=20) as client:
                client.setblocking(False)
                sent, chunk, quiet = 0, b"x" * (1 << 16), 0
                # Until the buffers between here and the server are full.
                while quiet < 50 and sent < 256 << 20:
                    try:
                        sent += client.send(chunk)
                        quiet = 0
                    except BlockingIOError:
                        quiet += 1
                        time.sleep(0.01)
                assert sent < 64 << 20
                server.go.set()
                client.settimeout(20)
                client.shutdown(socket.SHUT_WR)
                assert client.recv(100) == b"got %d" % sent
        finally:
            proxy.kill()


def test_watchers_share_one_watch(tmp_path, behind):
    with Proxy(tmp_path, "grpc-proxy", behind.endpoint) as proxy, grpc.insecure_channel(proxy.endpoint) as channel:
        watches = [Watch(channel) for _ in range(10)]
        for watch in watches:
            for _ in range(5):
                watch.create(b"k")
        for watch in watches:
            watch.wait(lambda watch: len(watch.messages) == 5)
        wait_for(lambda: member_metric(behind, "etcd_debugging_mvcc_watcher_total") == 1)
        assert metric(proxy.get("/proxy/metrics")[1], "etcd_grpc_proxy_watchers_coalescing_total") == 49
        behind.put("k", "1")
        behind.put("other", "1")
        behind.put("k", "2")
        for watch in watches:
            watch.wait(lambda watch: len(watch.events()) == 10)
            for list_ in watch.by_id().values():
                assert [event[2][4] for event in list_ if event[0] == "event"] == [b"1", b"2"]
        # One of the past has a watch of its own until it has caught up.
        late = Watch(channel)
        late.create(b"k", start=2, prev=True)
        late.wait(lambda watch: len(watch.events()) == 2)
        behind.put("k", "3")
        late.wait(lambda watch: len(watch.events()) == 3)
        assert late.events()[2][3][4] == b"2"
        wait_for(lambda: member_metric(behind, "etcd_debugging_mvcc_watcher_total") == 1)
        behind.put("k", "4")
        late.wait(lambda watch: len(watch.events()) == 4)
        # Progress on demand, one that is cancelled, and the last one closes the watch behind.
        late.progress()
        late.wait(lambda watch: any(number(message, 2) == 0xFFFFFFFFFFFFFFFF for message in watch.messages))
        late.cancel(0)
        late.wait(lambda watch: number(watch.messages[-1], 4) == 1)
        for watch in watches:
            watch.close()
        wait_for(lambda: member_metric(behind, "etcd_debugging_mvcc_watcher_total") == 0)


def test_watch_script(tmp_path, member):
    """A random life of watchers says through the proxy what it says to the member."""
    seed = int(os.environ.get("ETCD_WATCH_SEED", "1"))
    told = []
    with Proxy(tmp_path, "grpc-proxy", member.endpoint) as proxy, grpc.insecure_channel(proxy.endpoint) as channel:
        told.append(script(seed, channel))
    with harness.Member(tmp_path / "other") as other, grpc.insecure_channel(other.endpoint) as channel:
        told.append(script(seed, channel))
    # The revision in answers that bring no event is what the proxy knows of the store, which may be a moment old.
    told = [
        {watch_id: [item[:2] if item[0] == "control" else item for item in list_] for watch_id, list_ in each.items()} for each in told]
    assert told[0] == told[1]


def test_lease_renewals_are_shared(tmp_path, behind):
    with Proxy(tmp_path, "grpc-proxy", behind.endpoint) as proxy, grpc.insecure_channel(proxy.endpoint) as channel:
        unary(channel, LEASE + "LeaseGrant", field(1, 600) + field(2, 77))
        before = member_metric(behind, "etcd_debugging_lease_renewed_total")
        for _ in range(20):
            replies = channel.stream_stream(LEASE + "LeaseKeepAlive")(iter([field(1, 77)]), timeout=10)
            answers = list(replies)
            assert [number(answer, 2) for answer in answers] == [77] and 590 < number(answers[0], 3) <= 600
        assert member_metric(behind, "etcd_debugging_lease_renewed_total") - before == 1
        unary(channel, LEASE + "LeaseRevoke", field(1, 77))
        answers = list(channel.stream_stream(LEASE + "LeaseKeepAlive")(iter([field(1, 77)]), timeout=10))
        assert number(answers[0], 3) == 0


def test_serializable_reads_come_from_the_cache(tmp_path, behind):
    with Proxy(tmp_path, "grpc-proxy", behind.endpoint) as proxy:
        harness.etcdctl(proxy, "put", "a", "1")
        for _ in range(3):
            assert harness.etcdctl(proxy, "get", "a", "--consistency=s").stdout == "a\n1\n"
        page = proxy.get("/proxy/metrics")[1]
        assert metric(page, "etcd_grpc_proxy_cache_hits_total") == 2
        assert metric(page, "etcd_grpc_proxy_cache_keys_total") == 1
        # What is written beside the proxy isn't seen, what is written through it is.
        behind.put("a", "2")
        assert harness.etcdctl(proxy, "get", "a", "--consistency=s").stdout == "a\n1\n"
        assert harness.etcdctl(proxy, "get", "a").stdout == "a\n2\n"
        harness.etcdctl(proxy, "put", "a", "3")
        assert harness.etcdctl(proxy, "get", "a", "--consistency=s").stdout == "a\n3\n"
        harness.etcdctl(proxy, "del", "--prefix", "")
        assert harness.etcdctl(proxy, "get", "a", "--consistency=s").stdout == ""


def test_namespaces(tmp_path, behind):
    with Proxy(tmp_path, "grpc-proxy", behind.endpoint, "--namespace", "one/", name="one") as one, Proxy(
            tmp_path, "grpc-proxy", behind.endpoint, "--namespace", "two/", name="two") as two:
        with grpc.insecure_channel(one.endpoint) as channel, grpc.insecure_channel(two.endpoint) as other:
            watch = Watch(channel)
            watch.create(b"\0", b"\0")
            watch.wait(lambda watch: watch.messages)
            for proxy in (one, two):
                harness.etcdctl(proxy, "put", "k", proxy.endpoint)
            assert harness.etcdctl(one, "get", "--prefix", "").stdout == f"k\n{one.endpoint}\n"
            assert harness.etcdctl(two, "get", "--from-key", "a").stdout == f"k\n{two.endpoint}\n"
            keys = harness.etcdctl(behind, "get", "--prefix", "", "--keys-only").stdout.split()
            assert keys == ["one/k", "two/k"]
            watch.wait(lambda watch: len(watch.events()) == 1)
            assert watch.events()[0][2][0] == b"k"
            unary(channel, LEASE + "LeaseGrant", field(1, 600) + field(2, 55))
            for there, key in ((channel, b"x"), (other, b"y")):
                unary(there, KV + "Put", field(1, key) + field(3, 55))
            held = unary(channel, LEASE + "LeaseTimeToLive", field(1, 55) + field(2, 1))
            assert [value for found, value in fields(held) if found == 5] == [b"x"]
            # The same lock in two namespaces is two locks.
            keys = [number(unary(there, "/v3lockpb.Lock/Lock", field(1, b"m") + field(2, 55)), 2, b"") for there in (channel, other)]
            assert keys == [b"m/37", b"m/37"]
            assert harness.etcdctl(one, "get", "m/37", "--keys-only").stdout.split() == ["m/37"]
            unary(channel, "/v3lockpb.Lock/Unlock", field(1, keys[0]))
            assert harness.etcdctl(one, "get", "m/37").stdout == ""
            assert harness.etcdctl(one, "txn", stdin='value("k") = "no"\n\nput k 1\n\nput k 2\nget k\n\n').stdout == "FAILURE\n\nOK\n\nk\n2\n"
            harness.etcdctl(one, "del", "--prefix", "")
            assert harness.etcdctl(behind, "get", "one/", "--prefix").stdout == ""
            assert harness.etcdctl(two, "get", "k").stdout == f"k\n{two.endpoint}\n"
            with pytest.raises(grpc.RpcError) as refused:
                unary(channel, KV + "Put", field(2, b"v"))
            assert refused.value.details() == "etcdserver: key is not provided"


def value_of(endpoint, key, timeout=10):
    """By a linearizable read; None where there is no such key."""
    with grpc.insecure_channel(endpoint) as channel:
        answer = fields(unary(channel, KV + "Range", field(1, key), timeout=timeout))
    pairs = [dict(fields(pair)) for tag, pair in answer if tag == 2]
    return pairs[0].get(5, b"") if pairs else None


def own(proxy, member, key, leasing):
    """Reads a key until the proxy owns it."""
    def owned():
        value_of(proxy.endpoint, key)
        return value_of(member.endpoint, leasing) == b""
    wait_for(owned)


@pytest.mark.parametrize("namespace", ["", "n/"])
def test_leasing_reads_need_no_member(tmp_path, behind, namespace):
    """A key that the proxy owns is read while no member answers, as Go's proxy has it; a write through another takes it away."""
    flags = ["--experimental-leasing-prefix", "lease/"] + (["--namespace", namespace] if namespace else [])
    inside, leasing = (namespace + "k").encode(), (namespace + "lease/k").encode()
    with Proxy(tmp_path, "grpc-proxy", behind.endpoint, *flags) as near, Proxy(tmp_path, "grpc-proxy", behind.endpoint, *flags) as far:
        harness.etcdctl(near, "put", "k", "1")
        assert value_of(behind.endpoint, inside) == b"1"
        own(near, behind, b"k", leasing)
        behind.process.send_signal(signal.SIGSTOP)
        try:
            assert value_of(near.endpoint, b"k", timeout=3) == b"1"
            assert harness.etcdctl(near, "get", "k", "--keys-only").stdout == "k\n\n"
            assert harness.etcdctl(near, "get", "k", "--count-only", "-w", "fields").stdout.splitlines()[-1] == '"Count" : 1'
            read = harness.etcdctl(near, "txn", stdin='value("k") = "1"\nversion("k") > "1"\n\n\nget k\n\n').stdout
            assert read == "FAILURE\n\nk\n1\n"
            read = harness.etcdctl(near, "txn", stdin='ver("k") < "2"\n\nget k\n\n\n').stdout
            assert read == "SUCCESS\n\nk\n1\n"
            with pytest.raises(grpc.RpcError):
                value_of(near.endpoint, b"other", timeout=1)
        finally:
            behind.process.send_signal(signal.SIGCONT)
        # The owner's own writes stay in memory; others' take the key away first.
        harness.etcdctl(near, "put", "k", "2")
        assert value_of(behind.endpoint, leasing) == b"" and value_of(near.endpoint, b"k") == b"2"
        for command in (["put", "k", "3"], ["del", "k"], ["put", "k", "4"], ["del", "--prefix", "k"]):
            own(near, behind, b"k", leasing)
            assert harness.etcdctl(far, *command).returncode == 0
            assert value_of(near.endpoint, b"k") == (command[2].encode() if command[0] == "put" else None)
        own(near, behind, b"k", leasing)
        done = harness.etcdctl(far, "txn", stdin='version("k") = "0"\n\nput k 5\nget k\n\n\n').stdout
        assert done == "SUCCESS\n\nOK\n\nk\n5\n"
        assert value_of(near.endpoint, b"k") == b"5"
        # A key on a lease is kept by nobody.
        lease = harness.etcdctl(near, "lease", "grant", "100").stdout.split()[1]
        harness.etcdctl(near, "put", "k", "6", f"--lease={lease}")
        time.sleep(2.5)
        assert value_of(near.endpoint, b"k") == b"6" and value_of(behind.endpoint, leasing) is None


@pytest.mark.parametrize("kinds", [("ours", "ours"), ("ours", "go")])
def test_leasing_reads_are_never_old(tmp_path, behind, kinds):
    """Through two proxies that share a prefix, ours and Go's: who reads through ours sees every write acknowledged before.

    What Go's proxy reads is not judged: it may answer from memory without owning the key, also beside another of Go's and
    over Go's member (3.5.1 and 3.7.1: some hundred old reads in one run of ten). Of two reads at once the first makes
    the leasing key, and the second finds it there. If another proxy's REVOKE comes in between, the first read's watch gives
    the key up; the second's begins after the REVOKE and waits for one that never comes.
    """
    go = harness.go_program("etcd")
    proxies = [Proxy(tmp_path, "grpc-proxy", behind.endpoint, "--experimental-leasing-prefix", "lease/", name=f"{kind}{place}",
                     program=go if kind == "go" else None) for place, kind in enumerate(kinds)]
    keys, acknowledged, old, ended = [b"a", b"b", b"c"], {}, [], threading.Event()

    def revision(answer):
        return dict(fields(dict(fields(answer))[1])).get(3, 0)

    def write(seed):
        generator = random.Random(seed)
        with grpc.insecure_channel(proxies[0].endpoint) as one, grpc.insecure_channel(proxies[1].endpoint) as two:
            key, count = keys[seed], 0
            while not ended.is_set():
                count += 1
                channel = generator.choice([one, two])
                value = b"%d" % count
                if generator.random() < 0.3:
                    answer = unary(channel, KV + "Txn", field(2, field(2, field(1, key) + field(2, value))), timeout=20)
                else:
                    answer = unary(channel, KV + "Put", field(1, key) + field(2, value), timeout=20)
                acknowledged[key] = count
                revisions.append(revision(answer))
                ended.wait(generator.choice([0, 0.01, 0.3, 2.2]))

    def read(seed):
        generator = random.Random(seed)
        with grpc.insecure_channel(proxies[0].endpoint) as one, grpc.insecure_channel(proxies[1].endpoint) as two:
            while not ended.is_set():
                key = generator.choice(keys)
                # Now and then through Go's, for it to own keys, too; it would own most if it were read as often.
                place = int(generator.random() < (0.5 if kinds[1] == "ours" else 0.03))
                before, newest = acknowledged.get(key, 0), max(revisions)
                answer = unary([one, two][place], KV + "Range", field(1, key), timeout=20)
                pairs = [dict(fields(pair)) for tag, pair in fields(answer) if tag == 2]
                if kinds[place] != "ours":
                    continue
                if before and (not pairs or int(pairs[0][5]) < before):
                    old.append((key, before, pairs))
                # A member would have answered with a revision that is not lower than one already known.
                reads.append((key, revision(answer) < newest))
        done.append(seed)

    revisions, reads, done = [0], [], []
    with proxies[0], proxies[1]:
        threads = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
        threads += [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(12)
        ended.set()
        for thread in threads:
            thread.join(30)
        assert not old and len(done) == 4
        assert sum(from_memory for _, from_memory in reads) > 20, collections.Counter(reads)
        assert all(acknowledged[key] > 3 for key in keys)


@pytest.mark.parametrize("kind", ["ours", "go"])
def test_an_owner_of_a_leasing_key_is_asked_again(tmp_path, kind):
    """Whose REVOKE was overlooked before, as Go's proxies may do: a writer writes its own, and ours again if that is, too."""
    go = harness.go_program("etcd") if kind == "go" else None
    flags = ["--experimental-leasing-prefix", "lease/"]
    with harness.Member(tmp_path / "member") as member, Proxy(tmp_path, "grpc-proxy", member.endpoint, *flags, program=go) as proxy:
        # An owner, whom somebody has asked in vain.
        lease = harness.etcdctl(member, "lease", "grant", "100").stdout.split()[1]
        harness.etcdctl(member, "put", "lease/k", "REVOKE", f"--lease={lease}")
        with grpc.insecure_channel(member.endpoint) as direct, grpc.insecure_channel(proxy.endpoint) as channel:
            watch = Watch(direct)
            watch.create(b"lease/k")
            watch.wait(lambda watch: watch.messages)
            put = channel.unary_unary(KV + "Put").future(field(1, b"k") + field(2, b"1"), timeout=60)

            def asked():
                events = [dict(fields(event)) for message in watch.messages for tag, event in fields(message) if tag == 11]
                pairs = [dict(fields(event[2])) for event in events]
                assert all(pair[5] == b"REVOKE" and pair[6] == int(lease, 16) for pair in pairs), events
                return len(pairs)

            for times in (1, 2, 3) if kind == "ours" else (1,):
                wait_for(lambda: asked() >= times)
            assert not put.done() and value_of(member.endpoint, b"k") is None
            harness.etcdctl(member, "del", "lease/k")
            put.result(timeout=30)
            watch.close()
            assert value_of(member.endpoint, b"k") == b"1"


@pytest.mark.parametrize("namespace", [(), ("--namespace", "n/")])
def test_locks_and_elections_pass_through(tmp_path, namespace):
    with MEMBERS["ours"](tmp_path / "m") as behind, MEMBERS["ours"](tmp_path / "n") as plain:
        with Proxy(tmp_path, "grpc-proxy", behind.endpoint, *namespace) as proxy:
            with grpc.insecure_channel(proxy.endpoint) as channel, grpc.insecure_channel(plain.endpoint) as other:
                assert lock_story(channel) == lock_story(other)


def test_pages(tmp_path, behind):
    metrics = harness.free_port()
    with Proxy(tmp_path, "grpc-proxy", behind.endpoint, "--metrics-addr", f"http://127.0.0.1:{metrics}") as proxy:
        for path in ("/health", "/proxy/health"):
            assert proxy.get(path) == (200, '{"health":"true","reason":""}')
        assert "etcd_server_has_leader 1" in proxy.get("/metrics")[1]
        assert proxy.get("/nothing") == (404, "404 page not found\n")
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/proxy/metrics") as response:
            assert b"etcd_grpc_proxy_cache_hits_total" in response.read()
        behind.kill()
        status, body = proxy.get("/health")
        assert status == 503 and json.loads(body)["health"] == "false"


def test_registration(tmp_path, behind):
    """Proxies of one prefix are the members that clients see, as long as they live."""
    flags = ["--resolver-prefix", "proxies", "--resolver-ttl", "2"]
    proxies = [Proxy(tmp_path, "grpc-proxy", behind.endpoint, *flags, name=f"p{index}") for index in range(2)]
    for proxy in proxies:
        proxy.command += ["--advertise-client-url", proxy.endpoint]

    def listed():
        members = json.loads(harness.etcdctl(proxies[0], "member", "list", "-w", "json").stdout)["members"]
        return sorted(url for member in members for url in member["clientURLs"])

    with proxies[0], proxies[1]:
        wait_for(lambda: listed() == sorted(proxy.endpoint for proxy in proxies))
        entry = harness.etcdctl(behind, "get", f"proxies/{proxies[1].endpoint}", "--print-value-only").stdout
        assert json.loads(entry) == {
            "Op": 0, "Addr": proxies[1].endpoint, "Metadata": json.dumps({"name": socket.gethostname()}, separators=(",", ":"))}
        proxies[1].kill()
        wait_for(lambda: listed() == [proxies[0].endpoint], 20)
    with Proxy(tmp_path, "grpc-proxy", behind.endpoint, "--advertise-client-url", "", name="plain") as proxy:
        assert f"http://{behind.endpoint}" in harness.etcdctl(proxy, "member", "list").stdout


def test_failover(tmp_path):
    """Members go one after the other; who watches and renews through the proxy hears nothing of it."""
    with Cluster(tmp_path) as cluster:
        endpoints = [member.endpoint for member in cluster.members]
        with Proxy(tmp_path, "grpc-proxy", endpoints) as proxy, grpc.insecure_channel(proxy.endpoint) as channel:
            watch = Watch(channel)
            watch.create(b"k")
            watch.wait(lambda watch: watch.messages)
            unary(channel, LEASE + "LeaseGrant", field(1, 600) + field(2, 9))
            harness.etcdctl(proxy, "put", "k", "0")
            for round_, member in enumerate(cluster.members[:2], 1):
                member.kill()
                wait_for(lambda: harness.etcdctl(proxy, "put", "k", str(round_), check=False).returncode == 0, 30)
                assert harness.etcdctl(proxy, "get", "k").stdout == f"k\n{round_}\n"
                answers = list(channel.stream_stream(LEASE + "LeaseKeepAlive")(iter([field(1, 9)]), timeout=10))
                assert number(answers[0], 3) > 0
                watch.wait(lambda watch: watch.events() and watch.events()[-1][2][4] == b"%d" % round_, 30)
                member.start()
            assert len({event[2][2] for event in watch.events()}) == len(watch.events())
            # Without a quorum there is no leader: who wants to know that is told.
            wary = Watch(channel, metadata=[("hasleader", "true")])
            wary.create(b"k")
            wary.wait(lambda watch: watch.messages)
            for member in cluster.members[:2]:
                member.kill()
            wary.wait(lambda watch: watch.error, 30)
            assert (wary.error.code(), wary.error.details()) == (grpc.StatusCode.UNAVAILABLE, "etcdserver: no leader")
            assert watch.error is None


def test_tls_on_both_sides(tmp_path):
    authority = Authority(tmp_path)
    server, client, nameless = authority.issue("server"), authority.issue("client"), authority.issue("nameless", common_name="x")
    member_flags = ["--cert-file", server[0], "--key-file", server[1]]
    with SecureMember(tmp_path / "m", extra=member_flags) as member:
        flags = [
            "--cacert", authority.path, "--cert-file", server[0], "--key-file", server[1], "--trusted-ca-file", authority.path]
        with Proxy(tmp_path, "grpc-proxy", f"https://{member.endpoint}", *flags) as proxy:
            def ask(*more):
                return subprocess.run(
                    [harness.go_program("etcdctl"), "--endpoints", f"https://{proxy.endpoint}", "--command-timeout=3s",
                     "--dial-timeout=2s", "--cacert", authority.path, *more], capture_output=True, text=True, timeout=20)

            shown = ("--cert", client[0], "--key", client[1])
            assert ask(*shown, "put", "a", "1").stdout == "OK\n"
            assert ask(*shown, "get", "a").stdout == "a\n1\n"
            assert ask("get", "a").returncode != 0
            page = subprocess.run(
                ["curl", "-s", "--cacert", authority.path, *shown, f"https://{proxy.endpoint}/metrics"], capture_output=True, text=True)
            assert "etcd_server_has_leader 1" in page.stdout
        # A certificate that names somebody would make all clients that somebody.
        named = Proxy(
            tmp_path, "grpc-proxy", f"https://{member.endpoint}", "--cacert", authority.path, "--cert", nameless[0], "--key", nameless[1])
        done = subprocess.run(named.command, capture_output=True, text=True, timeout=20)
        assert done.returncode == 1 and "cert has non empty Common Name (x)" in done.stderr
    with MEMBERS["ours"](tmp_path / "plain") as member:
        with Proxy(tmp_path, "grpc-proxy", member.endpoint, "--auto-tls") as proxy:
            done = subprocess.run(
                [harness.go_program("etcdctl"), "--endpoints", f"https://{proxy.endpoint}", "--insecure-skip-tls-verify",
                 "--insecure-transport=false", "put", "a", "1"], capture_output=True, text=True, timeout=20)
            assert done.stdout == "OK\n"


def test_deadlines_and_errors(tmp_path, behind):
    with Proxy(tmp_path, "grpc-proxy", behind.endpoint) as proxy, grpc.insecure_channel(proxy.endpoint) as channel:
        for path, request, code, text in (
            (KV + "Range", field(1, b"a") + field(4, 99), grpc.StatusCode.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision"),
            (KV + "Put", field(1, b"a") + field(3, 5), grpc.StatusCode.NOT_FOUND, "etcdserver: requested lease not found"),
            ("/etcdserverpb.KV/Nothing", b"", grpc.StatusCode.UNIMPLEMENTED, "unknown method Nothing for service etcdserverpb.KV"),
            (KV + "Range", b"\xff", grpc.StatusCode.INTERNAL, None),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                unary(channel, path, request)
            assert refused.value.code() == code and text in (None, refused.value.details())
        unary(channel, LEASE + "LeaseGrant", field(1, 600) + field(2, 1))
        unary(channel, LEASE + "LeaseGrant", field(1, 600) + field(2, 2))
        unary(channel, "/v3lockpb.Lock/Lock", field(1, b"m") + field(2, 1))
        with pytest.raises(grpc.RpcError) as late:
            unary(channel, "/v3lockpb.Lock/Lock", field(1, b"m") + field(2, 2), timeout=0.5)
        assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        snapshot = b"".join(number(part, 3, b"") for part in channel.unary_stream("/etcdserverpb.Maintenance/Snapshot")(b"", timeout=20))
        assert len(snapshot) > 16384


@pytest.mark.parametrize("words", [
    (), ("start", "--help"), ("start", "--nothing"), ("start", "--listen-addr"),
])
@pytest.mark.parametrize("kind", ["gateway", "grpc-proxy"])
def test_command_lines(kind, words):
    """Help, errors and exit codes as Go's; flags that came after 3.5 aside."""
    if kind == "grpc-proxy" and words[:1] == ("start",):
        words, help_too = words, False
    else:
        help_too = True
    outcomes = []
    for program in (harness.OURS, harness.go_program("etcd")):
        done = subprocess.run([program, kind, *words], capture_output=True, text=True, timeout=20)
        lines = done.stderr.splitlines()
        outcomes.append((done.returncode, done.stdout if help_too else None, done.stderr if help_too else (lines[:1], lines[-1:])))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("flags, said", [
    (["--resolver-prefix", "p"], "invalid resolver-ttl 0"),
    (["--resolver-ttl", "3"], 'invalid resolver-prefix ""'),
    (["--resolver-prefix", "p", "--resolver-ttl", "3", "--advertise-client-url", ""], 'invalid advertise-client-url ""'),
])
def test_senseless_flags(tmp_path, flags, said):
    for program in (None, harness.go_program("etcd")):
        done = subprocess.run(
            Proxy(tmp_path, "grpc-proxy", "127.0.0.1:1", *flags, program=program).command, capture_output=True, text=True, timeout=20)
        assert (done.returncode, done.stderr.strip()) == (1, said)
