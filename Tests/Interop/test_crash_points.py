"""Killed at each named step of the work on disk: strace ends the member within a chosen system call on a chosen file."""

import os
import random
import shutil
import signal
import subprocess
import time

import harness
import pytest
from harness import b64
from test_disk import CEILING, Writers, check

# Step, system calls, the file they are about (under the member's directory; empty for any), how many calls it may take
# until the one that kills, and what the clients do meanwhile.
STEPS = [
    ("wal append", "pwrite64,pwritev", "wal", 40, "small"),
    ("wal sync", "fdatasync", "wal", 20, "small"),
    ("wal preallocation", "fallocate", "", 1, "large"),
    ("wal cut", "rename,renameat,renameat2", "", 1, "large"),
    ("wal cut, directory", "fsync", "", 2, "large"),
    ("snapshot file", "rename,renameat,renameat2", "", 2, "snapshots"),
    ("snapshot sync", "fsync,fdatasync", "", 60, "snapshots"),
    ("old files leave", "unlink,unlinkat", "", 1, "snapshots large"),
    ("db pages", "pwrite64,pwritev", "snap/db", 12, "small"),
    ("db sync", "fdatasync,fsync", "snap/db", 6, "small"),
    ("db grows", "ftruncate,fallocate", "snap/db", 1, "large"),
    ("defragmentation writes", "pwrite64,pwritev", "", 60, "defragment"),
    ("defragmentation switches", "rename,renameat,renameat2", "", 1, "defragment"),
    ("defragmentation syncs", "fsync,fdatasync", "", 12, "defragment"),
]

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


class TracedMember(harness.Member):
    """A member whose tracer is the process that was started; both end together."""

    def kill(self):
        if self.process and self.process.poll() is None:
            for child in children(self.process.pid):
                os.kill(child, signal.SIGKILL)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(text) for text in file.read().split()]
    except OSError:
        return []


def wal_file(directory):
    """The segment that is written now: a tracer follows one path."""
    return sorted((directory / "member" / "wal").glob("*.wal"))[-1]


def crash_once(directory, ports, step, when, seed, acknowledged):
    name, calls, about, _, work = step
    tracer = ["strace", "-f", "-qq", "-o", "/dev/null"]
    if about:
        tracer += ["-P", str(wal_file(directory) if about == "wal" else directory / "member" / about)]
    tracer += ["-e", f"trace={calls}", "-e", f"inject={calls}:signal=KILL:when={when}"]
    snapshots = "30" if "snapshots" in work else "100000"
    member = TracedMember(directory, extra=CEILING + ["--snapshot-count", snapshots, "--max-wals", "1"], ports=ports, wrapper=tracer)
    try:
        member.start()
    except AssertionError:
        # Killed before it served: a step of the start.
        member.kill()
        return True
    writers = Writers(member, count=3, seed=seed)
    generator = random.Random(seed)
    # Only a slow machine needs all of it: the end comes with the step.
    ended = time.monotonic() + 120
    try:
        while member.process.poll() is None and time.monotonic() < ended:
            if "large" in work:
                key, value = f"large{generator.randrange(4)}", "L" * 1_000_000
                revision = member.put(key, value)
                acknowledged[key] = max(acknowledged.get(key, (0, "")), (revision, value))
            elif "defragment" in work:
                member.post("/v3/maintenance/defragment", {})
                time.sleep(0.05)
            else:
                time.sleep(0.02)
    except (OSError, AssertionError, ValueError, KeyError):
        pass
    time.sleep(0.1)
    died = member.process.poll() is not None
    member.kill()
    writers.finish()
    for key, entry in writers.acknowledged.items():
        acknowledged[key] = max(acknowledged.get(key, (0, "")), entry)
    return died


@needs_strace
def test_every_step(tmp_path):
    rounds = int(os.environ.get("ETCD_CRASH_POINT_ROUNDS", "1"))
    seed = int(os.environ.get("ETCD_CRASH_SEED", "21"))
    generator = random.Random(seed)
    directory, ports = tmp_path / "data", (harness.free_port(), harness.free_port())
    with harness.Member(directory, extra=CEILING, ports=ports) as member:
        member.put("first", "1")
    acknowledged, died = {}, {}
    for number in range(rounds):
        for step in STEPS:
            when = generator.randint(1, step[3])
            crashed = crash_once(directory, ports, step, when, seed * 1000 + number, acknowledged)
            died[step[0]] = died.get(step[0], 0) + crashed
            # The next start finds everything, and the file's own checker finds nothing.
            with harness.Member(directory, extra=CEILING, ports=ports) as member:
                try:
                    check(member, acknowledged)
                except AssertionError as error:
                    raise AssertionError(f"after {step[0]}, call {when}: {error}") from error
    with harness.Member(directory, program=harness.go_program("etcd"), ports=ports) as go:
        check(go, acknowledged)
    print(died)
    never = [name for name, count in died.items() if count == 0]
    assert not never, f"these steps were never reached, so nothing is known of them: {never}"
