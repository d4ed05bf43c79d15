"""Debian packages, pinned by version and sha256 in debian-packages.lock.json, and the files taken from them."""

import functools
import hashlib
import io
import json
import os
import subprocess
import tarfile

from . import recipe

LOCK = recipe.CONTAINER / "debian-packages.lock.json"
CACHE = recipe.WORK / "debian"

# Licences of the packages, from their copyright files, as SPDX expressions.
LICENSES = {
    "libc6": "LGPL-2.1-or-later",
    "libgcc-s1": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "gcc-12-base": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "ca-certificates": "MPL-2.0 AND GPL-2.0-or-later",
    "tzdata": "LicenseRef-public-domain",
    "libnghttp2-dev": "MIT",
    "zlib1g-dev": "Zlib",
    "libcrypt-dev": "LGPL-2.1-or-later",
    "libyaml-dev": "MIT",
    "libstdc++-12-dev": "GPL-3.0-or-later WITH GCC-exception-3.1",
}


def names():
    return [*recipe.RUNTIME_FILES, *recipe.LINKED_ARCHIVES]


def locked():
    return json.loads(LOCK.read_text())["packages"]


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def md5(path):
    """For dpkg's list of files only."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def download(name, version=None):
    """The package file in CACHE, or None where the archive has no such version any more."""
    CACHE.mkdir(parents=True, exist_ok=True)
    wanted = f"{name}={version}" if version else name
    before = set(CACHE.iterdir())
    if os.geteuid() == 0:  # apt's own user must be able to write there, else it complains
        os.chmod(CACHE, 0o777)
    command = ["apt-get", "download", "-q", wanted]
    if subprocess.run(command, cwd=CACHE, capture_output=True).returncode != 0:
        update_lists()
        if subprocess.run(command, cwd=CACHE, capture_output=True).returncode != 0:
            return None
    return next(iter(set(CACHE.iterdir()) - before), None) or newest(name)


@functools.cache
def update_lists():
    """apt's knowledge of the archive may be older than the archive."""
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run([*sudo, "apt-get", "update", "-qq"], capture_output=True)


def newest(name):
    return max(CACHE.glob(f"{name}_*.deb"), key=lambda path: path.stat().st_mtime)


def fetch(wanted=None, must=True):
    """The packages of the lock file, or those `wanted`, with "path" added; refuses one whose hash differs. What cannot be had
    is left out, with a warning, if it need not be there.

    Debian's archive keeps only the newest versions. With IMAGE_ALLOW_NEWER=1 a package whose locked version is gone is
    taken as it is now, with a warning: for tests of the tools, never for a release."""
    packages = []
    for package in locked():
        if wanted is not None and package["name"] not in wanted:
            continue
        name, version = package["name"], package["version"]
        path = CACHE / f"{name}_{version.replace(':', '%3a')}_{package['architecture']}.deb"
        if not path.exists():
            path = download(name, version)
        if path is None and os.environ.get("IMAGE_ALLOW_NEWER") == "1" and (path := download(name)):
            package = describe(path)
            print(f"warning: {name} {version} is gone from the archive; taking {package['version']}")
        elif path is None and not must:
            print(f"warning: {name} cannot be had")
            continue
        elif path is None:
            raise SystemExit(f"{name} {version} is not in the archive any more; `make image-update-lock` takes today's")
        if sha256(path) != package["sha256"]:
            raise SystemExit(f"{path.name} is not the file of {LOCK.name}: its sha256 differs")
        packages.append({**package, "path": path})
    return packages


def describe(path):
    fields = subprocess.run(
        ["dpkg-deb", "-f", str(path), "Package", "Version", "Architecture", "Source"],
        check=True, capture_output=True, text=True).stdout
    values = dict(line.split(": ", 1) for line in fields.splitlines())
    name = values["Package"]
    return {
        "name": name, "version": values["Version"], "architecture": values["Architecture"],
        "source": values.get("Source", name).split()[0], "license": LICENSES[name], "sha256": sha256(path),
    }


def update_lock():
    """Writes the lock file anew, from the archive as it is now. Run `apt-get update` first."""
    for old in CACHE.glob("*.deb"):
        old.unlink()
    packages = []
    for name in names():
        path = download(name)
        if path is None:
            raise SystemExit(f"{name} cannot be downloaded; run apt-get update")
        packages.append(describe(path))
    LOCK.write_text(json.dumps({"packages": packages}, indent=2) + "\n")


def control(package):
    """The package's control file, for the database that scanners read."""
    return subprocess.run(["dpkg-deb", "-f", str(package["path"])], check=True, capture_output=True).stdout


def content(package):
    """Name -> (tar entry, bytes) of the package's files, directories left out."""
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package["path"])], check=True, capture_output=True).stdout
    files = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for entry in archive:
            if not entry.isdir():
                file = archive.extractfile(entry) if entry.isreg() or entry.islnk() else None
                files[entry.name.removeprefix("./")] = (entry, file.read() if file else b"")
    return files


def copyright_of(package, among):
    """The text of a package's copyright file; GCC's packages share one, which lies in another package `among` those."""
    owners = [package, *[other for other in among if other["name"] == f"{package['source']}-base"]]
    for owner in owners:
        if data := content(owner).get(f"usr/share/doc/{owner['name']}/copyright", (None, b""))[1]:
            return data
    raise SystemExit(f"{package['name']} has no copyright file")
