"""Signatures: good ones pass, here and with cosign; one altered byte anywhere does not."""

import os
import random
import shutil
import subprocess

import pytest

from conftest import ROOT, make_key
from imagetool import verify
from imagetool.layout import Layout

COSIGN = shutil.which("cosign") or shutil.which(str(ROOT / ".build-image/cosign/usr/bin/cosign"))
OFFLINE = ["--insecure-ignore-tlog=true", "--private-infrastructure", "--offline"]
ATTESTATIONS = ["https://slsa.dev/provenance/v1", "https://spdx.dev/Document", "https://cyclonedx.org/bom"]


def test_what_was_signed_passes(signed):
    release, _, public = signed
    assert verify.check_release(release, public) == []


def test_unsigned_release_is_refused(release, signed, tmp_path):
    copy = tmp_path / "release"
    shutil.copytree(release, copy, ignore=shutil.ignore_patterns("*-dev*", "*.tar", "*.sig"))
    assert verify.check_release(copy, signed[2])


def test_another_key_is_refused(signed, tmp_path):
    _, other = make_key(tmp_path, "other")
    problems = verify.check_release(signed[0], other)
    assert any("no signature" in problem for problem in problems)
    assert sum("no attestation" in problem for problem in problems) == len(ATTESTATIONS)


def test_one_altered_byte_is_found(signed):
    """In every file of the release, blobs and all, at a place drawn at random."""
    release, _, public = signed
    seed = int(os.environ.get("IMAGE_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"IMAGE_SEED={seed}")
    draw = random.Random(seed)
    for path in sorted(path for path in release.rglob("*") if path.is_file()):
        good = path.read_bytes()
        place = draw.randrange(len(good))
        bad = bytes([good[place] ^ (1 << draw.randrange(8))])
        path.write_bytes(good[:place] + bad + good[place + 1:])
        try:
            # The last line feed of the signature's text is no part of it.
            if path.name != "SHA256SUMS.sig" or place < len(good) - 1:
                assert verify.check_release(release, public), f"{path}, byte {place} passed"
        finally:
            path.write_bytes(good)
    assert verify.check_release(release, public) == []


def test_another_image_under_the_signature_is_refused(signed, tmp_path):
    copy = tmp_path / "release"
    shutil.copytree(signed[0], copy)
    layout = Layout(copy / "swift-etcd")
    image = layout.image()
    manifest = layout.load(image)
    config = layout.load(manifest["config"])
    config["config"]["User"] = "0:0"
    from imagetool.layout import CONFIG, MANIFEST, encode

    manifest["config"] = layout.add(encode(config), CONFIG)
    layout.refer(layout.add(encode(manifest), MANIFEST), **image["annotations"])
    problems = verify.check_release(copy, signed[2])
    assert problems, "an image that runs as root has passed"


def cosign(*arguments):
    return subprocess.run([COSIGN, *map(str, arguments)], capture_output=True, text=True)


@pytest.mark.skipif(not COSIGN, reason="cosign is not to be had on this machine: dev/install-cosign.sh")
def test_cosign_agrees(signed, tmp_path):
    release, _, public = signed
    image = ["--local-image", *OFFLINE, release / "swift-etcd"]
    run = cosign("verify", "--key", public, *image)
    assert run.returncode == 0, run.stderr
    for kind in ATTESTATIONS:
        run = cosign("verify-attestation", "--type", kind, "--key", public, *image)
        assert run.returncode == 0, run.stderr
    run = cosign("verify-blob", "--key", public, "--signature", release / "SHA256SUMS.sig", *OFFLINE, release / "SHA256SUMS")
    assert run.returncode == 0, run.stderr
    _, other = make_key(tmp_path, "other")
    assert cosign("verify", "--key", other, *image).returncode != 0
