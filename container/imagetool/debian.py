"""The -dev variant: Debian with a shell and a package manager under the same programs, user and directories."""

import io
import os
import subprocess
import tarfile

from . import recipe
from .rootfs import Tree, add_accounts, add_programs

RELEASE_NAME = "bookworm"
EXTRA_PACKAGES = ["bash", "ca-certificates", "tzdata"]

# Traces of the installation, of no use in an image and different from one to the next.
LEFT_OUT = ("var/log/", "var/cache/ldconfig/", "var/lib/apt/lists/", "var/cache/apt/", "dev/")


def sources():
    """The archives this machine uses, as lines for apt: the image gets the same ones."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)", "Created-By: Packages"],
        check=True, capture_output=True, text=True).stdout
    lines = set()
    for line in listing.splitlines():
        uri, release, component, origin = line.split(" ", 3)
        if origin.startswith("Debian") and release.startswith(RELEASE_NAME) and component == "main":
            lines.add(f"deb {uri} {release} {component}")
    return "\n".join(sorted(lines)) + "\n"


def base_tar(time):
    """A Debian file system as a tar, with the packages as the archive has them now."""
    target = recipe.WORK / "debian-base.tar"
    target.unlink(missing_ok=True)
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join(EXTRA_PACKAGES)}", RELEASE_NAME, str(target), "-"],
        input=sources().encode(), check=True, env={**os.environ, "SOURCE_DATE_EPOCH": str(time)})
    return target


def build(time):
    """(tar of the layer, dpkg's status) of the -dev variant."""
    ours = Tree()
    add_accounts(ours)
    add_programs(ours)
    accounts = {"etc/passwd", "etc/group"}
    replaced = ours.entries.keys() - accounts - {path for path, entry in ours.entries.items() if is_directory(entry)}
    entries, status = {}, ""
    with tarfile.open(base_tar(time)) as archive:
        for header in archive:
            name = header.name.removeprefix("./").rstrip("/")
            if not name or name.startswith(LEFT_OUT) or name in replaced:
                continue
            data = archive.extractfile(header).read() if header.isreg() else None
            if name in accounts:
                data += ours.entries[name].data.split(b"\n", 1)[1]  # the first line is root's, who is there already
                header.size = len(data)
            if name == "var/lib/dpkg/status":
                status = data.decode()
            header.name, header.mtime = name, time
            if header.islnk():
                header.linkname = header.linkname.removeprefix("./")
            header.uname = header.gname = ""
            header.pax_headers = {}
            entries[name] = (header, data)
    for path, entry in ours.entries.items():
        if path not in entries:
            header = tarfile.TarInfo(path)
            header.mode, header.mtime, header.uid, header.gid = entry.mode, time, entry.owner, entry.owner
            header.type = tarfile.DIRTYPE if is_directory(entry) else tarfile.REGTYPE
            if entry.twin is not None:
                header.type, header.linkname = tarfile.LNKTYPE, entry.twin
            header.size = len(entry.data or b"")
            entries[path] = (header, entry.data)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        # Hard links come after all files: a link may sort before its file.
        for path in sorted(entries, key=lambda path: (entries[path][0].islnk(), path)):
            header, data = entries[path]
            archive.addfile(header, io.BytesIO(data) if data is not None else None)
    return buffer.getvalue(), status


def is_directory(entry):
    return entry.data is None and entry.link is None and entry.twin is None
