"""Data directories that move between ours and Go's, and members that are killed."""

import json
import os
import random
import time

import pytest

import harness
from harness import b64

CEILING = harness.ceiling()


class Writers(harness.Putters):
    """Threads that put until the member is gone, and remember what was acknowledged."""

    def __init__(self, member, count=4, keys=20, seed=1):
        self.member = member
        self.begin(count, keys, seed)

    def run(self, number, keys, seed):
        generator = random.Random(f"{seed}-{number}")
        counter = 0
        while not self.ended.is_set():
            counter += 1
            key = f"w{number}-{generator.randrange(keys)}"
            value = f"{seed}-{counter}-" + "x" * generator.randrange(2000)
            try:
                revision = self.member.put(key, value)
            except (OSError, AssertionError, ValueError):
                return
            self.remember(key, revision, value)


def check(member, acknowledged):
    """Every acknowledged write is there, or a later write to its key that was under way."""
    stored = {kv["key"]: (int(kv["mod_revision"]), kv.get("value", "")) for kv in member.all_keys()}
    for key, (revision, value) in acknowledged.items():
        found = stored.get(b64(key))
        assert found is not None, f"{key} is lost"
        assert found[0] >= revision, f"{key} fell back from revision {revision} to {found[0]}"
        if found[0] == revision:
            assert found[1] == b64(value)


def test_go_opens_what_ours_wrote(tmp_path):
    member = harness.Member(tmp_path / "data", extra=CEILING + ["--snapshot-count", "200"])
    member.start()
    writers = Writers(member)
    time.sleep(3)
    member.kill()
    writers.finish()
    assert len(writers.acknowledged) > 20
    member.start()
    ours = (member.hashkv(), member.all_keys())
    member.kill()
    go = harness.Member(tmp_path / "data", program=harness.go_program("etcd"), ports=(member.client, member.peer))
    with go:
        check(go, writers.acknowledged)
        assert (go.hashkv(), go.all_keys()) == ours
        go.put("from-go", "1")
        go.kill()
    with harness.Member(tmp_path / "data", extra=CEILING, ports=(member.client, member.peer)) as back:
        assert [kv for kv in back.all_keys() if kv["key"] == b64("from-go")]
        check(back, writers.acknowledged)


def test_ours_opens_what_go_wrote(tmp_path):
    go = harness.Member(tmp_path / "data", program=harness.go_program("etcd"), extra=["--snapshot-count", "100"])
    go.start()
    writers = Writers(go, seed=2)
    time.sleep(2)
    go.kill()
    writers.finish()
    go.start()
    theirs = (go.hashkv(), go.all_keys())
    go.stop()
    with harness.Member(tmp_path / "data", ports=(go.client, go.peer)) as ours:
        assert (ours.hashkv(), ours.all_keys()) == theirs
        check(ours, writers.acknowledged)


def test_kill_rounds(tmp_path):
    """Killed at a random moment, again and again; with compactions, snapshots and defragmentation under way."""
    rounds = int(os.environ.get("ETCD_CRASH_ROUNDS", "12"))
    seed = int(os.environ.get("ETCD_CRASH_SEED", "7"))
    generator = random.Random(seed)
    member = harness.Member(tmp_path / "data", extra=CEILING + ["--snapshot-count", "50"])
    acknowledged = {}
    for number in range(rounds):
        member.start()
        check(member, acknowledged)
        writers = Writers(member, seed=seed * 1000 + number)
        ended = time.monotonic() + generator.uniform(0.05, 0.8)
        while time.monotonic() < ended:
            try:
                choice = generator.randrange(6)
                if choice == 0:
                    revision = int(member.post("/v3/kv/range", {"key": b64("x")})[1]["header"]["revision"])
                    member.post("/v3/kv/compaction", {"revision": str(max(1, revision - 5)), "physical": generator.random() < 0.5})
                elif choice == 1:
                    member.post("/v3/maintenance/defragment", {})
                else:
                    time.sleep(generator.uniform(0, 0.1))
            except (OSError, KeyError):
                pass
        member.kill()
        writers.finish()
        for key, entry in writers.acknowledged.items():
            if entry[0] > acknowledged.get(key, (0, ""))[0]:
                acknowledged[key] = entry
    assert acknowledged
    go = harness.Member(tmp_path / "data", program=harness.go_program("etcd"), ports=(member.client, member.peer))
    with go:
        check(go, acknowledged)


def test_stop_and_start(tmp_path):
    member = harness.Member(tmp_path / "data")
    member.start()
    member.put("a", "1")
    assert member.stop() == -15
    messages = [json.loads(line)["msg"] for line in member.log().splitlines()]
    assert "closed etcd server" in messages
    member.start()
    assert [kv["value"] for kv in member.all_keys()] == [b64("1")]
    member.kill()


def test_force_new_cluster(tmp_path):
    member = harness.Member(tmp_path / "data")
    member.start()
    for number in range(5):
        member.put(f"k{number}", "v")
    before = member.hashkv()
    member.kill()
    member.extra = ["--force-new-cluster"]
    with member:
        assert member.hashkv() == before
        member.put("after", "v")


@pytest.mark.parametrize("where", ["wal", "db"])
def test_corruption_is_named(tmp_path, where):
    member = harness.Member(tmp_path / "data")
    member.start()
    for number in range(200):
        member.put(f"k{number}", "v" * 500)
    member.stop()
    if where == "wal":
        (path,) = (tmp_path / "data" / "member" / "wal").glob("*.wal")
        offset = 20000
    else:
        path = tmp_path / "data" / "member" / "snap" / "db"
        offset = 16
    with open(path, "r+b") as file:
        file.seek(offset)
        original = file.read(64)
        file.seek(offset)
        file.write(bytes(byte ^ 0xFF for byte in original))
        if where == "db":
            file.seek(4096 + 16)
            file.write(b"\xff" * 64)
    member.start(wait=False)
    assert member.process.wait(20) != 0
    assert path.name in member.log_tail()


def test_read_only_directory(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    folder = tmp_path / "data"
    folder.mkdir(mode=0o500)
    member = harness.Member(folder)
    member.start(wait=False)
    assert member.process.wait(20) == 1
    assert "permission denied" in member.log_tail()
