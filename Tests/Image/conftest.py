"""The release that `make image` built; the tests look at it, run it, and change copies of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "container"))
sys.dont_write_bytecode = True

from imagetool.layout import Layout  # noqa: E402


@pytest.fixture(scope="session")
def release():
    path = Path(os.environ.get("IMAGE_RELEASE", ROOT / ".build-image/release"))
    assert (path / "swift-etcd/index.json").exists(), f"no image in {path}: run `make image` first"
    return path


@pytest.fixture(scope="session", params=["swift-etcd", "swift-etcd-dev"])
def layout(request, release):
    if not (release / request.param).is_dir():
        pytest.skip(f"{request.param} was not built")
    return Layout(release / request.param)


@pytest.fixture(scope="session")
def distroless(release):
    return Layout(release / "swift-etcd")


def make_key(folder, name="key"):
    """(private, public) key files."""
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(private)],
        check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", str(private), "-pubout", "-out", str(public)], check=True)
    return private, public


@pytest.fixture(scope="session")
def signed(release, tmp_path_factory):
    """(folder, private key, public key): a signed copy of the distroless part of the release."""
    folder = tmp_path_factory.mktemp("signed")
    copy = folder / "release"
    shutil.copytree(release, copy, ignore=shutil.ignore_patterns("*-dev*", "*.tar", "*.sig", "SHA256SUMS*"))
    private, public = make_key(folder)
    environment = {**os.environ, "IMAGE_RELEASE": str(copy)}
    subprocess.run(
        [sys.executable, "-B", "-m", "imagetool", "sign", str(private)], check=True, cwd=ROOT / "container", env=environment)
    return copy, private, public
