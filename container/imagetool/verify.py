"""Looks at every byte of a release: blobs against their names, descriptors against blobs, signatures against a key."""

import base64
import gzip
import hashlib
import json
import zlib

from . import signing
from .layout import Layout, digest


def check_blobs(target):
    """Sentences about what does not fit in a layout; none if all is well."""
    problems = []
    blobs = {f"sha256:{path.name}": path for path in sorted((target.path / "blobs/sha256").iterdir())}
    for name, path in blobs.items():
        with open(path, "rb") as file:
            if "sha256:" + hashlib.file_digest(file, "sha256").hexdigest() != name:
                problems.append(f"blob {name} is altered")
    if problems:
        return problems
    reached = set()
    for entry in target.index():
        problems += check_descriptor(blobs, entry, reached)
        if problems:
            continue
        manifest = target.load(entry)
        for part in [manifest["config"], *manifest["layers"]]:
            problems += check_descriptor(blobs, part, reached)
        if "subject" in manifest and manifest["subject"]["digest"] not in blobs:
            problems.append(f"{entry['digest']} refers to an image that is not here")
    for name in sorted(blobs.keys() - reached):
        problems.append(f"blob {name} belongs to nothing")
    return problems or check_content(target)


def check_descriptor(blobs, descriptor, reached):
    name = descriptor["digest"]
    reached.add(name)
    if name not in blobs:
        return [f"blob {name} is missing"]
    if blobs[name].stat().st_size != descriptor["size"]:
        return [f"blob {name} is not {descriptor['size']} bytes long"]
    return []


def check_content(target):
    """The unpacked layers against the image's configuration."""
    manifest = target.load(target.image())
    wanted = target.load(manifest["config"])["rootfs"]["diff_ids"]
    try:
        found = [digest(gzip.decompress(target.read(part))) for part in manifest["layers"]]
    except (OSError, EOFError, zlib.error) as error:
        return [f"a layer cannot be unpacked: {error}"]
    return [] if found == wanted else ["the layers are not those of the image's configuration"]


def check_sums(release, public_key):
    """SHA256SUMS, its signature, and the files it names."""
    sums = release / "SHA256SUMS"
    signature = release / "SHA256SUMS.sig"
    if not sums.exists() or not signature.exists():
        return ["SHA256SUMS is not signed"]
    text = signature.read_bytes().strip()
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        decoded = b""
    # Only one spelling of a signature counts.
    if base64.b64encode(decoded) != text or not signing.is_signed(sums.read_bytes(), decoded, public_key):
        return ["the signature of SHA256SUMS was not made with this key"]
    problems = []
    for line in sums.read_text().splitlines():
        wanted, name = line.split("  ", 1)
        path = release / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
            problems.append(f"{name} is altered or missing")
    return problems


def check_release(release, public_key):
    """All sentences about a release directory."""
    problems = check_sums(release, public_key)
    for index in sorted(release.glob("*/index.json")):
        target = Layout(index.parent)
        try:
            found = check_blobs(target) or signing.check_layout(target, public_key)
        except (KeyError, ValueError, TypeError, OSError, json.JSONDecodeError) as error:
            found = [f"not an image layout of ours: {error!r}"]
        problems += [f"{target.path.name}: {problem}" for problem in found]
    return problems
