"""Clusters of real members, ours and Go's, and writers that go on while members come and go."""

import json
import random
import time

import harness
from harness import b64

CEILING = harness.ceiling()


class ClusterMember(harness.Member):
    """A member among others. `kind` is "ours", "go", or "other" for a second release of Go's."""

    def __init__(self, directory, kind="ours", name="m0", extra=(), ceiling=True, **more):
        self.kind = kind
        program = None if kind == "ours" else harness.go_program("etcd", kind)
        extra = list(extra) + (CEILING if kind == "ours" and ceiling else [])
        super().__init__(directory, program=program, name=name, extra=extra, **more)
        self.initial = f"{name}={self.peer_url}"
        self.state = "new"

    @property
    def peer_url(self):
        return f"http://127.0.0.1:{self.peer}"

    def arguments(self):
        before = super().arguments()
        position = before.index("--initial-cluster")
        before[position + 1] = self.initial
        return before + ["--initial-cluster-state", self.state]

    def fail(self):
        """Ends without a word. Go 3.5.1 gets its signal: killed under load it skips entries when it returns, as is known of
        3.5.0 to 3.5.2, and differs from the others ever after."""
        if self.kind != "ours" and harness.go_version(self.kind) < (3, 5, 3):
            self.stop()
        else:
            self.kill()

    def put(self, key, value, timeout=3):
        status, body = self.request(
            "/v3/kv/put", json.dumps({"key": b64(key), "value": b64(value)}).encode(), timeout=timeout)
        assert status == 200, body
        return int(body["header"]["revision"])


class Cluster:
    def __init__(self, folder, kinds=("ours", "ours", "ours"), extra=(), ceiling=True):
        """`extra` are flags for all, or what gives them for a kind. Without `ceiling` ours raise the cluster's version as far
        as the others let them."""
        self.folder, self.extra, self.ceiling = folder, extra, ceiling
        self.members = []
        self.count = 0
        for kind in kinds:
            self.members.append(self.make(kind))
        initial = ",".join(f"{member.name}={member.peer_url}" for member in self.members)
        for member in self.members:
            member.initial = initial

    def make(self, kind):
        name = f"m{self.count}"
        self.count += 1
        extra = self.extra(kind) if callable(self.extra) else self.extra
        return ClusterMember(self.folder / name, kind, name, extra, self.ceiling)

    def __enter__(self):
        try:
            for member in self.members:
                member.start(wait=False)
            for member in self.members:
                member.wait_ready(30)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for member in self.members:
            member.kill()

    def wait_ready_all(self):
        for member in self.members:
            member.wait_ready(30)

    # Questions

    def status(self, member):
        status, body = member.request("/v3/maintenance/status", b"{}", timeout=3)
        assert status == 200, body
        return body

    def leader(self, seconds=15):
        """The member that its cluster says leads."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for member in self.members:
                try:
                    body = self.status(member)
                except (OSError, AssertionError, ValueError):
                    continue
                if body.get("leader", "0") != "0" and body["leader"] == body["header"]["member_id"]:
                    return member
            time.sleep(0.05)
        raise AssertionError("no leader")

    def id(self, member):
        return int(self.status(member)["header"]["member_id"])

    def ctl(self, *arguments, member=None, check=True, timeout=20):
        return harness.etcdctl(member or self.leader(), *arguments, check=check, timeout=timeout)

    def wait_equal(self, seconds=20):
        """All members have the same keys at the same revision."""
        deadline = time.monotonic() + seconds
        seen = None
        while time.monotonic() < deadline:
            seen = []
            for member in self.members:
                try:
                    seen.append((self.status(member)["header"]["revision"], member.hashkv()))
                except (OSError, AssertionError, ValueError):
                    seen.append(None)
            if None not in seen and len(set(seen)) == 1:
                return seen[0]
            time.sleep(0.1)
        raise AssertionError(f"members differ: {seen}")

    # Changes

    def add(self, kind, learner=False, start=True):
        member = self.make(kind)
        arguments = ["member", "add", member.name, f"--peer-urls={member.peer_url}"] + (["--learner"] if learner else [])
        retry(lambda: self.ctl(*arguments))
        self.members.append(member)
        # A member that has not started yet has no name of its own.
        member.initial = ",".join(f"{one.name}={one.peer_url}" for one in self.members)
        member.state = "existing"
        if start:
            member.start(wait=False)
            if not learner:
                member.wait_ready(30)
        return member

    def remove(self, member):
        number = self.id(member)
        retry(lambda: self.ctl("member", "remove", format(number, "x")))
        self.members.remove(member)
        member.kill()

    def replace(self, member, kind):
        """One in, then one out: the quorum never shrinks."""
        added = self.add(kind)
        self.remove(member)
        return added

    def move_leader(self, to):
        self.ctl("move-leader", format(self.id(to), "x"))


def retry(body, seconds=20):
    """What a cluster refuses while a connection is too young, it takes a little later."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return body()
        except (AssertionError, OSError, ValueError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


class ClusterWriters(harness.Putters):
    """Threads that put to whichever member answers, and remember what was acknowledged."""

    def __init__(self, cluster, count=3, keys=30, seed=1, pause=0.002):
        self.cluster, self.pause = cluster, pause
        self.failures = 0
        self.begin(count, keys, seed)

    def run(self, number, keys, seed):
        generator = random.Random(f"{seed}-{number}")
        counter = 0
        while not self.ended.is_set():
            counter += 1
            # Each key has one writer, whose writes follow each other.
            key, value = f"w{number}-{generator.randrange(keys)}", f"{seed}-{counter}-" + "x" * generator.randrange(500)
            members = list(self.cluster.members)
            try:
                revision = members[generator.randrange(len(members))].put(key, value)
            except (OSError, AssertionError, ValueError):
                self.failures += 1
                time.sleep(0.02)
                continue
            self.remember(key, revision, value)
            time.sleep(self.pause)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.finish()
