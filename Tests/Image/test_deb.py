"""The Debian package: what is in it, and what Debian's own checker says."""

import hashlib
import os
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT
from imagetool import recipe


@pytest.fixture(scope="session")
def package(release):
    found = list(release.glob("*.deb"))
    assert len(found) == 1, "no Debian package: run `make deb` first"
    return found[0]


@pytest.fixture(scope="session")
def unpacked(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("deb")
    subprocess.run(["dpkg-deb", "-R", str(package), str(folder)], check=True)
    return folder


def test_files(unpacked):
    for path in [
        "lib/systemd/system/etcd.service", "usr/lib/sysusers.d/swift-etcd.conf", "etc/default/etcd",
        "usr/share/doc/swift-etcd/copyright", "usr/share/man/man1/etcd.1.gz",
    ]:
        assert (unpacked / path).is_file()
    for name in recipe.PROGRAMS:
        assert os.access(unpacked / "usr/bin" / name, os.X_OK)
        assert (unpacked / f"usr/share/man/man1/{name}.1.gz").is_file()


def test_programs_run(unpacked):
    for name in recipe.PROGRAMS:
        word = "--version" if name == "etcd" else "version"
        run = subprocess.run([unpacked / "usr/bin" / name, word], capture_output=True, text=True)
        assert run.returncode == 0 and run.stdout.lower().startswith(f"{name} version: 3.7.1\n"), run.stdout + run.stderr


def test_one_file_under_three_names(unpacked, tmp_path):
    first, *others = [unpacked / "usr/bin" / name for name in recipe.PROGRAMS]
    assert all(path.samefile(first) for path in others)
    (tmp_path / "renamed").symlink_to(first)
    run = subprocess.run([tmp_path / "renamed", "--version"], capture_output=True, text=True)
    assert run.returncode == 0 and run.stdout.startswith("etcd Version: 3.7.1\n")


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
def test_manual_pages_are_readable(unpacked):
    for page in sorted((unpacked / "usr/share/man/man1").iterdir()):
        run = subprocess.run(
            ["man", "--warnings", "-l", str(page)], capture_output=True, text=True,
            env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80", "MANPAGER": "cat"})
        assert run.returncode == 0 and not run.stderr, f"{page.name}: {run.stderr[:500]}"
    text = subprocess.run(
        ["man", "-l", str(unpacked / "usr/share/man/man1/etcd.1.gz")], capture_output=True, text=True,
        env={**os.environ, "MANPAGER": "cat"}).stdout
    assert "--listen-client-urls" in text and "@" not in text.split("DESCRIPTION")[0]


@pytest.mark.skipif(not shutil.which("lintian"), reason="lintian is not installed")
def test_lintian(package):
    ignored = [
        # Pinned and named in the bill of materials; Debian's own packages would link it dynamically.
        "embedded-library",
        # Not uploaded to Debian, so there is no request for a package to close.
        "initial-upload-closes-no-bugs",
        # The package is built by a script, not by debhelper, which writes the same calls into the scripts.
        "maintainer-script-calls-systemctl",
    ]
    run = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", "--suppress-tags", ",".join(ignored), str(package)],
        capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_same_bytes_again(package, tmp_path):
    environment = {**os.environ, "IMAGE_RELEASE": str(tmp_path), "PYTHONPATH": str(ROOT / "container")}
    subprocess.run([sys.executable, "-B", "-m", "imagetool", "deb"], check=True, env=environment, cwd=tmp_path)
    again, = tmp_path.glob("*.deb")
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(package.read_bytes()).digest()
