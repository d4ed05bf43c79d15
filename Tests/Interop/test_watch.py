"""Watch, lock and election: generated scripts against ours and Go etcd 3.5.1, stock clients, slow readers."""

import os
import queue
import random
import re
import subprocess
import threading
import time

import grpc
import harness
import pytest
from test_grpc import field, fields, unary

SEED = int(os.environ.get("ETCD_WATCH_SEED", "11"))
# The identifier of answers that concern no single watcher.
NOBODY = 0xFFFFFFFFFFFFFFFF
KV, LEASE = "/etcdserverpb.KV/", "/etcdserverpb.Lease/"


def number(message, wanted, default=0):
    for found, value in fields(message):
        if found == wanted:
            return value
    return default


def pair(message):
    return tuple(number(message, index, b"" if index in (1, 5) else 0) for index in range(1, 7)) if message else None


class Watch:
    """One stream; what comes in is kept in order."""

    def __init__(self, channel, metadata=None):
        self.requests = queue.Queue()
        self.call = channel.stream_stream("/etcdserverpb.Watch/Watch")(iter(self.requests.get, None), metadata=metadata)
        self.messages = []
        self.error = None
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        try:
            for message in self.call:
                self.messages.append(message)
        except grpc.RpcError as error:
            self.error = error

    def create(self, key, end=b"", start=0, filters=(), prev=False, watch_id=0, fragment=False, progress=False):
        request = field(1, key) + field(2, end)
        request += field(3, start & 0xFFFFFFFFFFFFFFFF) if start else b""
        request += field(4, 1) if progress else b""
        request += field(5, bytes(filters)) if filters else b""
        request += field(6, 1) if prev else b""
        request += field(7, watch_id & 0xFFFFFFFFFFFFFFFF) if watch_id else b""
        request += field(8, 1) if fragment else b""
        self.requests.put(field(1, request))

    def cancel(self, watch_id):
        self.requests.put(field(2, field(1, watch_id) if watch_id else b""))

    def progress(self):
        self.requests.put(field(3, b""))

    def settle(self, quiet=0.25, seconds=10):
        """Waits until nothing has come for a while."""
        end, seen, since = time.time() + seconds, len(self.messages), time.time()
        while time.time() < end and time.time() - since < quiet:
            time.sleep(0.02)
            if len(self.messages) != seen:
                seen, since = len(self.messages), time.time()
        return self

    def wait(self, condition, seconds=10):
        end = time.time() + seconds
        while time.time() < end:
            if condition(self):
                return self
            time.sleep(0.01)
        raise AssertionError(f"not within {seconds} s: {len(self.messages)} messages, error {self.error}")

    def close(self):
        self.requests.put(None)
        self.call.cancel()

    def by_id(self):
        """For each watcher what it was told, however it was cut into messages."""
        told = {}
        for message in self.messages:
            watch_id = number(message, 2)
            list_ = told.setdefault(watch_id, [])
            control = (number(message, 3), number(message, 4), number(message, 5), number(message, 6, b""))
            header = number(message, 1, b"")
            # 3.5 answers a request for progress whether the watchers have got there or not: no promise to compare.
            if watch_id == NOBODY and not any(control):
                continue
            if any(control) or not any(found == 11 for found, _ in fields(message)):
                list_.append(("control", control, number(header, 3)))
            for found, event in fields(message):
                if found == 11:
                    list_.append(("event", number(event, 1), pair(number(event, 2, b"")), pair(number(event, 3, b""))))
        return told

    def events(self):
        return [event for list_ in self.by_id().values() for event in list_ if event[0] == "event"]


@pytest.fixture
def channel(member):
    with grpc.insecure_channel(member.endpoint, options=[("grpc.max_receive_message_length", -1)]) as channel:
        yield channel


def put(channel, key, value=b"v"):
    return unary(channel, KV + "Put", field(1, key) + field(2, value))


def script(seed, channel):
    """A random life of a store with watchers; every request is answered before the next is sent."""
    dice = random.Random(seed)
    watch = Watch(channel)
    revision, made = 1, 0
    keys = [b"k%02d" % index for index in range(8)]
    for _ in range(dice.randrange(20, 60)):
        action = dice.random()
        if action < 0.4:
            reply = put(channel, dice.choice(keys), b"v%d" % dice.randrange(100))
            revision = number(number(reply, 1, b""), 3)
        elif action < 0.5:
            end = dice.choice([b"", b"", b"k05", b"\0"])
            reply = unary(channel, KV + "DeleteRange", field(1, dice.choice(keys)) + field(2, end))
            revision = number(number(reply, 1, b""), 3)
        elif action < 0.6:
            chosen = dice.sample(keys, 3)
            operations = b"".join(field(2, field(2, field(1, key) + field(2, b"t"))) for key in chosen[:2])
            operations += field(2, field(3, field(1, chosen[2])))
            reply = unary(channel, KV + "Txn", operations)
            revision = number(number(reply, 1, b""), 3)
        elif action < 0.64 and revision > 3:
            try:
                unary(channel, KV + "Compact", field(1, dice.randrange(1, revision)) + field(2, 1))
            except grpc.RpcError:
                pass
            watch.settle(0.3)
        elif action < 0.92:
            watch.create(
                dice.choice(keys + [b""]), dice.choice([b"", b"", b"k05", b"\0", b"l", b"a"]),
                # Below zero 3.5 has no check yet; 3.7 has.
                dice.choice([0, 0, 1, revision, max(0, revision - 2), revision + 2]), dice.choice([(), (), (0,), (1,), (0, 1)]),
                dice.random() < 0.4, dice.choice([0, 0, 0, 7, 8, 9]), dice.random() < 0.3)
            made += 1
            watch.wait(lambda watch: sum(number(message, 3) for message in watch.messages) >= made)
            watch.settle(0.15)
        elif action < 0.97:
            watch.cancel(dice.randrange(8))
            watch.settle(0.1)
        else:
            watch.settle(0.3)
            watch.progress()
            watch.settle(0.2)
    watch.settle(0.5)
    told = watch.by_id()
    watch.close()
    return told


def test_scripts_agree_with_go(tmp_path):
    for seed in range(SEED, SEED + int(os.environ.get("ETCD_WATCH_SCRIPTS", "6"))):
        told = []
        for name, program in (("ours", None), ("go", harness.go_program("etcd"))):
            with harness.Member(tmp_path / f"{name}{seed}", program=program) as member:
                with grpc.insecure_channel(member.endpoint) as channel:
                    told.append(script(seed, channel))
        ours, theirs = told
        assert set(ours) == set(theirs), f"seed {seed}"
        for watch_id in theirs:
            assert ours[watch_id] == theirs[watch_id], f"seed {seed}, watcher {watch_id}"


def test_past_present_and_future(channel):
    for index in range(3000):
        put(channel, b"key%d" % (index % 10), b"%d" % index)
    watch = Watch(channel)
    watch.create(b"key", b"kez", 2, prev=True)
    watch.create(b"key3", b"", 3500)
    watch.wait(lambda watch: len(watch.events()) == 3000)
    for index in range(700):
        put(channel, b"key%d" % (index % 10), b"later%d" % index)
    watch.wait(lambda watch: len(watch.by_id().get(0, [])) == 3701 and watch.by_id()[0][-1][2][2] == 3701)
    told = watch.by_id()
    revisions = [event[2][2] for event in told[0] if event[0] == "event"]
    assert revisions == list(range(2, 3702)), "in order, none missing, none twice"
    values = {}
    for _, _, now, before in told[0][1:]:
        assert (before and before[4]) == values.get(now[0]), "prev_kv is what was there before"
        values[now[0]] = now[4]
    assert all(event[2][2] >= 3500 for event in told[1] if event[0] == "event") and len(told[1]) > 10
    watch.close()


def test_revision_is_never_torn_and_fragments_join(tmp_path):
    with harness.Member(tmp_path / "m", extra=["--max-request-bytes", "1000000"]) as member, grpc.insecure_channel(
        member.endpoint, options=[("grpc.max_receive_message_length", -1)]
    ) as channel:
        watch = Watch(channel)
        watch.create(b"big", b"bih", fragment=True)
        watch.create(b"big", b"bih")
        watch.wait(lambda watch: len(watch.messages) == 2)
        for index in range(20):
            put(channel, b"big%02d" % index, b"x" * 200_000)
        late = Watch(channel)
        late.create(b"big", b"bih", 2, fragment=True)
        late.wait(lambda watch: len(watch.events()) == 20)
        fragments = [number(message, 7) for message in late.messages[1:]]
        assert len(fragments) >= 3 and fragments[-1] == 0 and all(fragments[:-1])
        assert all(len(message) < 1_000_000 + (512 << 10) for message in late.messages)
        watch.wait(lambda watch: len(watch.events()) == 40)
        watch.close()
        late.close()


def test_slow_reader_loses_nothing_and_costs_little(member, channel):
    stream = grpc.insecure_channel(member.endpoint, options=[("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)])
    requests = queue.Queue()
    call = stream.stream_stream("/etcdserverpb.Watch/Watch")(iter(requests.get, None))
    requests.put(field(1, field(1, b"s") + field(2, b"t")))
    next(call)

    def resident():
        with open(f"/proc/{member.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))

    before = resident()
    for index in range(4000):
        put(channel, b"s%d" % (index % 5), b"%06d" % index + b"y" * 10_000)
    grown = resident() - before
    seen = []
    while len(seen) < 4000:
        seen += [number(number(event, 2), 3) for found, event in fields(next(call)) if found == 11]
    assert seen == list(range(2, 4002))
    # 40 MB of values are stored (and mapped); a queue of them all would be as much again, on top.
    assert grown < 140_000, f"{grown} kB more"
    requests.put(None)
    call.cancel()
    stream.close()


def test_progress(tmp_path):
    with harness.Member(tmp_path / "m", extra=["--watch-progress-notify-interval", "300ms"]) as member, grpc.insecure_channel(
        member.endpoint
    ) as channel:
        watch = Watch(channel)
        watch.create(b"a", progress=True)
        watch.create(b"b")
        watch.wait(lambda watch: len(watch.by_id().get(0, [])) >= 3)
        assert len(watch.by_id()[1]) == 1, "who did not ask for notices gets none"
        put(channel, b"other")
        watch.progress()
        watch.wait(lambda watch: any(number(message, 2) == NOBODY for message in watch.messages))
        watch.close()


def test_streams_end_with_the_member(member, channel):
    watch = Watch(channel)
    watch.create(b"a")
    watch.wait(lambda watch: watch.messages)
    member.stop()
    watch.wait(lambda watch: watch.error is not None)
    assert watch.error.code() == grpc.StatusCode.UNAVAILABLE


def test_etcdctl_watch(member):
    process = subprocess.Popen(
        [harness.go_program("etcdctl"), "--endpoints", member.endpoint, "watch", "--prefix", "foo", "--prev-kv", "--rev", "1"],
        stdout=subprocess.PIPE, text=True)
    try:
        for arguments in (["put", "foo1", "a"], ["put", "foo1", "b"], ["del", "foo1"], ["put", "bar", "x"], ["put", "foo2", "c"]):
            harness.etcdctl(member, *arguments)
        lines = [process.stdout.readline().rstrip("\n") for _ in range(16)]
    finally:
        process.terminate()
        process.wait(10)
    assert [line for line in lines if line] == ["PUT", "foo1", "a", "PUT", "foo1", "a", "foo1", "b", "DELETE", "foo1", "b", "foo1", "PUT", "foo2", "c"]


def test_etcdctl_lock_and_elect(member):
    first = subprocess.Popen(
        [harness.go_program("etcdctl"), "--endpoints", member.endpoint, "lock", "mutex"], stdout=subprocess.PIPE, text=True)
    held = first.stdout.readline().strip()
    assert held.startswith("mutex/")
    second = subprocess.Popen(
        [harness.go_program("etcdctl"), "--endpoints", member.endpoint, "lock", "mutex"], stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    assert second.poll() is None
    first.send_signal(2)
    first.wait(10)
    assert second.stdout.readline().strip() not in ("", held)
    second.send_signal(2)
    second.wait(10)
    leader = subprocess.Popen(
        [harness.go_program("etcdctl"), "--endpoints", member.endpoint, "elect", "office", "me"], stdout=subprocess.PIPE, text=True)
    assert leader.stdout.readline().startswith("office/") and leader.stdout.readline().strip() == "me"
    listener = subprocess.Popen(
        [harness.go_program("etcdctl"), "--endpoints", member.endpoint, "elect", "-l", "office"], stdout=subprocess.PIPE, text=True)
    assert listener.stdout.readline().startswith("office/") and listener.stdout.readline().strip() == "me"
    for process in (listener, leader):
        process.send_signal(2)
        process.wait(10)


def test_make_mirror(member, tmp_path):
    harness.etcdctl(member, "put", "before", "1")
    with harness.Member(tmp_path / "mirror") as mirror:
        process = subprocess.Popen(
            [harness.go_program("etcdctl"), "--endpoints", member.endpoint, "make-mirror", mirror.endpoint],
            stdout=subprocess.DEVNULL)
        try:
            harness.etcdctl(member, "put", "after", "2")
            end = time.time() + 15
            while len(mirror.all_keys()) < 2 and time.time() < end:
                time.sleep(0.1)
            assert len(mirror.all_keys()) == 2
        finally:
            process.terminate()
            process.wait(10)


def lock_story(channel):
    """What a queue at a lock and an election says, with identifiers given by hand."""
    said = []

    def ask(path, request, wait=10):
        try:
            reply = unary(channel, path, request, timeout=wait)
            said.append([(found, value) for found, value in fields(reply) if found != 1] + [number(number(reply, 1), 3)])
        except grpc.RpcError as error:
            said.append((error.code(), error.details()))

    for lease in (101, 102, 103):
        unary(channel, LEASE + "LeaseGrant", field(1, 100) + field(2, lease))
    lock, election = "/v3lockpb.Lock/", "/v3electionpb.Election/"
    ask(lock + "Lock", field(1, b"m") + field(2, 101))
    ask(lock + "Lock", field(1, b"m") + field(2, 101))
    waiting = channel.unary_unary(lock + "Lock").future(field(1, b"m") + field(2, 102), timeout=10)
    time.sleep(0.3)
    assert not waiting.done()
    ask(lock + "Unlock", field(1, b"m/65"))
    said.append(number(waiting.result(), 2, b""))
    # One that gives up leaves the queue.
    try:
        unary(channel, lock + "Lock", field(1, b"m") + field(2, 103), timeout=0.4)
    except grpc.RpcError:
        said.append("gave up")
    time.sleep(0.3)
    ask(KV + "Range", field(1, b"m/") + field(2, b"m0") + field(9, 1))
    ask(lock + "Lock", field(1, b"m") + field(2, 999))
    ask(lock + "Unlock", b"")
    ask(election + "Leader", field(1, b"e"))
    ask(election + "Proclaim", field(2, b"v"))
    ask(election + "Resign", b"")
    observed = channel.unary_stream(election + "Observe")(field(1, b"e"), timeout=10)
    ask(election + "Campaign", field(1, b"e") + field(2, 101) + field(3, b"one"))
    leader = next(value for found, value in said[-1][:-1] if found == 2)
    said.append(number(next(observed), 2))
    ask(election + "Campaign", field(1, b"e") + field(2, 101) + field(3, b"two"))
    said.append(number(next(observed), 2))
    waiting = channel.unary_unary(election + "Campaign").future(field(1, b"e") + field(2, 102) + field(3, b"next"), timeout=10)
    time.sleep(0.3)
    ask(election + "Proclaim", field(1, leader) + field(2, b"three"))
    said.append(number(next(observed), 2))
    ask(election + "Leader", field(1, b"e"))
    ask(election + "Resign", field(1, leader))
    said.append(number(waiting.result(), 2))
    said.append(number(next(observed), 2))
    ask(election + "Proclaim", field(1, leader) + field(2, b"four"))
    ask(election + "Resign", field(1, leader))
    observed.cancel()
    return said


def test_lock_and_election_agree_with_go(tmp_path):
    stories = []
    for name, program in (("ours", None), ("go", harness.go_program("etcd"))):
        with harness.Member(tmp_path / name, program=program) as member, grpc.insecure_channel(member.endpoint) as channel:
            stories.append(lock_story(channel))
    assert stories[0] == stories[1]


def test_gateway_watch(member):
    """Lines of JSON on HTTP/1, until the client leaves."""
    process = subprocess.Popen(
        ["curl", "-sN", f"http://{member.endpoint}/v3/watch", "-d",
         '{"create_request":{"key":"Zm9v","range_end":"Zm9w"}}'], stdout=subprocess.PIPE, text=True)
    try:
        created = process.stdout.readline()
        assert '"created":true' in created and created.startswith('{"result":{')
        member.put("foo", "bar")
        event = process.stdout.readline()
        assert '"kv":{"key":"Zm9v"' in event and '"value":"YmFy"' in event
    finally:
        process.terminate()
        process.wait(10)
