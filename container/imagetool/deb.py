"""The Debian package: programs, systemd unit, sysusers, manual pages; the same bytes from the same commit."""

import gzip
import os
import re
import shutil
import subprocess
import time

from . import manual, packages, programs, recipe

TREE = recipe.WORK / "deb"
SOURCES = recipe.CONTAINER / "debian"
REVISION = "1"
MAINTAINER = os.environ.get("DEB_MAINTAINER", "swift-etcd maintainers <maintainers@swift-etcd.invalid>")

CONTROL = """\
Package: swift-etcd
Version: {version}
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {size}
Depends: libc6 (>= 2.36), libgcc-s1 (>= 3.0), systemd | systemd-standalone-sysusers
Conflicts: etcd, etcd-server, etcd-client
Provides: etcd-server, etcd-client
Replaces: etcd, etcd-server, etcd-client
Section: net
Priority: optional
Description: distributed, reliable key-value store, in Swift
 A member of an etcd cluster and the programs to talk to it and to look after
 its files. It speaks etcd 3.7's protocols and uses etcd's data directories.
"""


def build():
    """Writes the package into RELEASE and returns its path."""
    moment = programs.source_date()
    shutil.rmtree(TREE, ignore_errors=True)
    first, *others = recipe.PROGRAMS
    put(f"usr/bin/{first}", (programs.PROGRAMS / first).read_bytes(), 0o755)
    for name in others:
        (TREE / "usr/bin" / name).hardlink_to(TREE / "usr/bin" / first)
    put("lib/systemd/system/etcd.service", (recipe.CONTAINER / "etcd.service").read_bytes())
    put("usr/lib/sysusers.d/swift-etcd.conf", (SOURCES / "sysusers.conf").read_bytes())
    put("etc/default/etcd", (SOURCES / "etcd.default").read_bytes())
    documents(moment)
    for name, text in manual.pages(programs.PROGRAMS, recipe.PROGRAMS, moment).items():
        put(f"usr/share/man/man1/{name}.1.gz", compressed(text.encode()))
    control()
    recipe.RELEASE.mkdir(parents=True, exist_ok=True)
    target = recipe.RELEASE / f"swift-etcd_{recipe.VERSION}-{REVISION}_{recipe.ARCHITECTURE}.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(TREE), str(target)], check=True,
        capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": str(moment)})
    return target


def put(path, data, mode=0o644):
    target = TREE / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    target.chmod(mode)


def compressed(data):
    return gzip.compress(data, compresslevel=9, mtime=0)


def documents(moment):
    folder = "usr/share/doc/swift-etcd"
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(moment))
    put(f"{folder}/changelog.Debian.gz", compressed((
        f"swift-etcd ({recipe.VERSION}-{REVISION}) stable; urgency=medium\n\n"
        f"  * Built from revision {programs.revision()}.\n\n -- {MAINTAINER}  {date}\n").encode()))
    put(f"{folder}/CONTAINER.md.gz", compressed((recipe.ROOT / "Documentation/CONTAINER.md").read_bytes()))
    put(f"{folder}/OPERATIONS.md.gz", compressed((recipe.ROOT / "Documentation/OPERATIONS.md").read_bytes()))
    put(f"{folder}/copyright", copyright_text().encode())


def copyright_text():
    """Licences of the programs and of everything that is linked into them, in full."""
    text = [
        f"swift-etcd {recipe.VERSION} is licensed under {recipe.LICENSES}; on Debian systems that licence is in\n"
        "/usr/share/common-licenses/Apache-2.0. Linked into its programs are the following.\n"]
    seen = {}
    for identity, path in programs.license_files():
        content = without_apache(path.read_text(errors="replace"))
        seen.setdefault(content, []).append(f"{identity} ({path.name})")
    debian = packages.fetch()
    for package in debian:
        if package["name"] in recipe.LINKED_ARCHIVES:
            content = packages.copyright_of(package, debian).decode()
            seen.setdefault(content.strip(), []).append(package["name"])
    for content, owners in seen.items():
        text.append("\n" + "=" * 70 + "\n" + "\n".join(owners) + "\n\n" + content + "\n")
    return "".join(text)


def without_apache(text):
    """The text with the Apache licence replaced by the place where Debian keeps it; exceptions behind it stay."""
    return re.sub(
        r"\s*Apache License\s+Version 2\.0, January 2004.*?limitations under the License\.",
        "Apache License, Version 2.0: see /usr/share/common-licenses/Apache-2.0", text, count=1, flags=re.DOTALL).strip()


def control():
    sizes = {path.stat().st_ino: path.stat().st_size for path in TREE.rglob("*") if path.is_file()}
    size = sum(sizes.values())
    put("DEBIAN/control", CONTROL.format(
        version=f"{recipe.VERSION}-{REVISION}", architecture=recipe.ARCHITECTURE, maintainer=MAINTAINER,
        size=(size + 1023) // 1024).encode())
    put("DEBIAN/conffiles", b"/etc/default/etcd\n")
    for script in ["postinst", "prerm", "postrm"]:
        put(f"DEBIAN/{script}", (SOURCES / script).read_bytes(), 0o755)
    sums = [
        f"{packages.md5(path)}  {path.relative_to(TREE)}\n"
        for path in sorted(TREE.rglob("*")) if path.is_file() and "DEBIAN" not in path.parts]
    put("DEBIAN/md5sums", "".join(sums).encode())
    for directory in [TREE, *[path for path in TREE.rglob("*") if path.is_dir()]]:
        directory.chmod(0o755)
