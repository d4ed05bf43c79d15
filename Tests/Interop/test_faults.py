"""Disks that fail under a member: full, unable to sync, cut from power."""

import ctypes
import fcntl
import os
import random
import shutil
import subprocess
import time

import pytest

import harness
from test_disk import Writers, check

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for loop devices")
EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2


class LoopDisk:
    """A file system in a file."""

    def __init__(self, folder, megabytes):
        self.image, self.mount = folder / "disk.img", folder / "mnt"
        self.mount.mkdir()
        with open(self.image, "wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self.image)], check=True)
        self.attach()

    def attach(self):
        done = subprocess.run(["mount", "-o", "loop", str(self.image), str(self.mount)], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"no loop devices here: {done.stderr.strip()}")

    def cut_power(self):
        """What was not synced is gone."""
        handle = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, ctypes.c_uint32(NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def detach(self):
        subprocess.run(["umount", str(self.mount)], check=False)


@needs_root
def test_power_cuts(tmp_path):
    rounds = int(os.environ.get("ETCD_POWER_ROUNDS", "4"))
    disk = LoopDisk(tmp_path, 768)
    generator = random.Random(5)
    acknowledged = {}
    try:
        for number in range(rounds):
            member = harness.Member(disk.mount / "data", extra=["--snapshot-count", "100"])
            member.log_path = tmp_path / f"round-{number}.log"
            member.start()
            check(member, acknowledged)
            writers = Writers(member, seed=number)
            time.sleep(generator.uniform(0.05, 0.8))
            # The cut ends the disk but not the process, and a sync that it interrupts may still claim success: only
            # what was acknowledged before counts, as a machine without power acknowledges nothing.
            with writers.lock:
                before = dict(writers.acknowledged)
            disk.cut_power()
            member.kill()
            writers.finish()
            for key, entry in before.items():
                if entry[0] > acknowledged.get(key, (0, ""))[0]:
                    acknowledged[key] = entry
            disk.detach()
            disk.attach()
        assert acknowledged
        member = harness.Member(disk.mount / "data")
        member.log_path = tmp_path / "last.log"
        with member:
            check(member, acknowledged)
    finally:
        disk.detach()


@needs_root
def test_full_disk(tmp_path):
    disk = LoopDisk(tmp_path, 100)
    try:
        member = harness.Member(disk.mount / "data")
        member.log_path = tmp_path / "member.log"
        member.start()
        acknowledged = {}
        with pytest.raises((AssertionError, OSError)):
            for number in range(2000):
                revision = member.put(f"k{number}", "x" * 100_000)
                acknowledged[f"k{number}"] = (revision, "x" * 100_000)
        member.process.wait(20)
        assert "no space left on device" in member.log_tail()
        shutil.rmtree(disk.mount / "lost+found", ignore_errors=True)
        # The same data with room to breathe: all that was acknowledged is there.
        shutil.copytree(disk.mount / "data", tmp_path / "copy")
        with harness.Member(tmp_path / "copy") as again:
            check(again, acknowledged)
    finally:
        disk.detach()


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_failed_sync(tmp_path):
    """A sync that fails once: the member stops, names the file, and acknowledged nothing that is not there."""
    member = harness.Member(
        tmp_path / "data", wrapper=["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=60"])
    member.start()
    writers = Writers(member, count=2)
    try:
        member.process.wait(30)
    except subprocess.TimeoutExpired:
        member.kill()
        pytest.fail("the member went on after a failed sync")
    writers.finish()
    assert "input/output error" in member.log_tail() and (".wal" in member.log_tail() or "/db" in member.log_tail())
    member.wrapper = []
    with member:
        check(member, writers.acknowledged)
