"""The files of the distroless image, and the tar that holds them: sorted, with fixed owners and times."""

import io
import os
import stat
import tarfile
from dataclasses import dataclass

from . import packages, programs, recipe


@dataclass
class Entry:
    """A file, link or directory of the image."""

    mode: int = 0o644
    data: bytes | None = None  # None: no regular file
    link: str | None = None
    twin: str | None = None  # the path of an entry before this one that is the same file
    owner: int = 0
    package: str | None = None  # what it comes from, for the SBOM


class Tree:
    """Entries by path without leading slash; directories above them appear by themselves."""

    def __init__(self):
        self.entries = {}

    def file(self, path, data, mode=0o644, package=None):
        self._put(path, Entry(mode=mode, data=data, package=package))

    def symlink(self, path, target, package=None):
        self._put(path, Entry(mode=0o777, link=target, package=package))

    def hard_link(self, path, first):
        self._put(path, Entry(mode=self.entries[first].mode, twin=first))

    def directory(self, path, mode=0o755, owner=0):
        self._put(path, Entry(mode=mode, owner=owner))

    def _put(self, path, entry):
        parent = os.path.dirname(path)
        if parent and parent not in self.entries:
            self.directory(parent)
        self.entries[path] = entry

    def tar(self, time):
        """The bytes of the layer; `time` is that of every file."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path, entry in sorted(self.entries.items()):
                header = tarfile.TarInfo(path)
                header.mode, header.mtime = entry.mode, time
                header.uid = header.gid = entry.owner
                if entry.link is not None:
                    header.type, header.linkname = tarfile.SYMTYPE, entry.link
                elif entry.twin is not None:
                    header.type, header.linkname = tarfile.LNKTYPE, entry.twin
                elif entry.data is None:
                    header.type = tarfile.DIRTYPE
                else:
                    header.size = len(entry.data)
                archive.addfile(header, io.BytesIO(entry.data) if entry.data is not None else None)
        return buffer.getvalue()


def distroless(debian):
    """The tree of the image from the programs and the fetched `debian` packages."""
    tree = Tree()
    for directory in ["lib", "lib64"]:
        tree.symlink(directory, f"usr/{directory}")
    for package in debian:
        add_package(tree, package)
    add_accounts(tree)
    add_programs(tree)
    tree.directory("tmp", mode=0o1777)
    return tree


def add_package(tree, package):
    name = package["name"]
    prefixes = recipe.RUNTIME_FILES.get(name, [])
    files = packages.content(package)
    certificates = []
    for path, (entry, data) in sorted(files.items()):
        if path == f"usr/share/doc/{name}/copyright":
            tree.file(f"usr/share/doc/{name}/copyright", data, package=name)
        if not any(path.startswith(prefix) for prefix in prefixes) or "/zoneinfo/right/" in path or "/zoneinfo/posix/" in path:
            continue
        if name == "ca-certificates":
            certificates.append(data)
            continue
        target = f"usr/{path}" if path.startswith(("lib/", "lib64/")) else path
        if entry.issym():
            tree.symlink(target, entry.linkname, package=name)
        else:
            tree.file(target, data, mode=stat.S_IMODE(entry.mode), package=name)
    if certificates:
        bundle = b"".join(data if data.endswith(b"\n") else data + b"\n" for data in certificates)
        tree.file("etc/ssl/certs/ca-certificates.crt", bundle, package=name)
    # Scanners take the packages of an image without dpkg from here.
    tree.file(f"var/lib/dpkg/status.d/{name}", packages.control(package), package=name)


def add_accounts(tree):
    user, number, home = recipe.USER, recipe.USER_ID, recipe.DATA_DIRECTORY
    tree.file("etc/passwd", (
        "root:x:0:0:root:/nonexistent:/nonexistent\n"
        f"{user}:x:{number}:{number}:{user}:{home}:/nonexistent\n").encode())
    tree.file("etc/group", f"root:x:0:\n{user}:x:{number}:\n".encode())
    tree.file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n")
    tree.directory(home.lstrip("/"), mode=0o700, owner=number)


def add_programs(tree):
    first, *others = [f"usr/local/bin/{name}" for name in recipe.PROGRAMS]
    tree.file(first, (programs.PROGRAMS / recipe.PROGRAMS[0]).read_bytes(), mode=0o755, package=recipe.TITLE)
    for path in others:
        tree.hard_link(path, first)
    for identity, path in programs.license_files():
        tree.file(f"usr/share/doc/{recipe.TITLE}/{identity}/{path.name}", path.read_bytes(), package=recipe.TITLE)
