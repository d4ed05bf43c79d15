"""Builds the programs the same way in every directory."""

import json
import os
import re
import shutil
import subprocess

from . import packages, recipe
from .recipe import ROOT, WORK

SOURCES = WORK / "source"
SCRATCH = WORK / "swift"
PROGRAMS = WORK / "programs"
ARCHIVES = WORK / "archives"

LOCK = recipe.CONTAINER / "swift-packages.lock.json"

# Differs from build to build though the code does not.
UNSTABLE_SECTION = ".swift_modhash"


def git(*arguments):
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True, text=True).stdout.strip()


def revision():
    """The commit, with "-dirty" when files differ from it or lie beside it."""
    return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain") else "")


def source_date():
    """Seconds since 1970 of the commit: the only clock that the build knows."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct"))


def build(debian):
    """Builds and strips the programs into PROGRAMS, linked with archives of the fetched `debian` packages; refuses Swift
    packages of other revisions than the lock file's. The programs are one file under three names."""
    copy_sources()
    relink = take_archives(debian)
    product = SCRATCH / "release" / recipe.PRODUCT
    if relink:
        product.unlink(missing_ok=True)
    subprocess.run([*swift(), "build", *flags(), "--product", recipe.PRODUCT], check=True, cwd=SOURCES, env=environment())
    check_revisions()
    shutil.rmtree(PROGRAMS, ignore_errors=True)
    PROGRAMS.mkdir(parents=True)
    first, *others = recipe.PROGRAMS
    strip(product, PROGRAMS / first)
    for name in others:
        (PROGRAMS / name).hardlink_to(PROGRAMS / first)


def swift():
    return os.environ.get("SWIFT", "swift").split()


def flags():
    mapping = f"{WORK}=/src"
    return [
        "-c", "release", "--static-swift-stdlib", "--disable-local-rpath", "--scratch-path", str(SCRATCH),
        # Nothing of the place of the build, no debugging information.
        *swiftc("-gnone", "-file-prefix-map", mapping), *clang("-g0", f"-ffile-prefix-map={mapping}"),
        # Overlapping access is looked for in the tests, which are built without this.
        *swiftc("-enforce-exclusivity=unchecked"),
        # What nothing calls is left out, what is the same is there once, and no name is kept for others to find.
        *swiftc("-Xfrontend", "-function-sections"), *clang("-ffunction-sections", "-fdata-sections"),
        *swiftc("-use-ld=lld"),
        *each("-Xlinker", "--gc-sections", "--icf=all", "--no-export-dynamic", "-z", "pack-relative-relocs", "-s"),
        *each("-Xlinker", "--build-id=none", "-z", "relro", "-z", "now"),
        # Nothing in the programs unwinds a stack; debuggers read the section that this one indexes.
        *each("-Xlinker", "--no-eh-frame-hdr"),
        # Found before the shared libraries of the same names.
        *swiftc(f"-L{ARCHIVES}"),
    ]


def each(flag, *words):
    return [part for word in words for part in (flag, word)]


def swiftc(*words):
    return each("-Xswiftc", *words)


def clang(*words):
    """For C and C++."""
    return [*each("-Xcc", *words), *each("-Xcxx", *words)]


def environment():
    """The variables of the build: pkg-config finds the archives instead of the system's libraries."""
    return {**os.environ, "PKG_CONFIG_PATH": str(ARCHIVES)}


def copy_sources():
    """A copy of the files that git does not ignore with the locked revisions of the packages; unchanged files keep their
    times."""
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True).stdout.decode().split("\0")
    wanted = set()
    for name in filter(None, tracked):
        source, target = ROOT / name, SOURCES / name
        if not source.is_file():
            continue
        wanted.add(target)
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    for old in [path for path in SOURCES.rglob("*") if path.is_file() and path not in wanted]:
        old.unlink()
    pins = [
        {
            "identity": pin["identity"], "kind": "remoteSourceControl", "location": pin["location"],
            "state": {"revision": pin["revision"], "version": pin["version"]},
        }
        for pin in locked()
    ]
    (SOURCES / "Package.resolved").write_text(json.dumps({"pins": pins, "version": 2}, indent=2))


def locked():
    return json.loads(LOCK.read_text())["pins"]


def check_revisions():
    resolved = json.loads((SOURCES / "Package.resolved").read_text())["pins"]
    found = {pin["identity"]: pin["state"]["revision"] for pin in resolved}
    expected = {pin["identity"]: pin["revision"] for pin in locked()}
    if found != expected:
        changed = sorted(set(found.items()) ^ set(expected.items()))
        raise SystemExit(f"Swift packages are not those of {LOCK.name}; `make image-update-lock` refreshes it: {changed}")


def take_archives(debian):
    """A directory with only the static archives, which the linker sees first; returns whether one is new."""
    ARCHIVES.mkdir(parents=True, exist_ok=True)
    changed = False
    for package in debian:
        if archive := recipe.LINKED_ARCHIVES.get(package["name"]):
            data = next(data for path, (_, data) in packages.content(package).items() if path.endswith(f"/{archive}"))
            if not (ARCHIVES / archive).is_file() or (ARCHIVES / archive).read_bytes() != data:
                (ARCHIVES / archive).unlink(missing_ok=True)
                (ARCHIVES / archive).write_bytes(data)
                changed = True
            for name in recipe.PKG_CONFIG_NAMES.get(archive, []):
                (ARCHIVES / f"{name}.pc").write_text(
                    f"Name: {name}\nDescription: {archive}\nVersion: {package['version'].split(':')[-1]}\n"
                    f"Libs: -L{ARCHIVES} -l{archive.removeprefix('lib').removesuffix('.a')}\n")
    return changed


def strip(source, target):
    # The compiler's own: that of GNU loses what the linker wrote for read-only relocations.
    tool = toolchain() / "bin/llvm-objcopy"
    subprocess.run([str(tool), f"--remove-section={UNSTABLE_SECTION}", str(source), str(target)], check=True)
    target.chmod(0o755)


def checkout(identity):
    """The directory of a Swift package's sources."""
    return next(path for path in (SCRATCH / "checkouts").iterdir() if path.name.lower() == identity)


def bundled():
    """(name, version, licence, package URL) of what Swift packages bring along of others' work."""
    for name, identity, file, pattern, license, location in recipe.BUNDLED:
        found = re.search(pattern, (checkout(identity) / file).read_text(), re.DOTALL)
        if not found:
            raise SystemExit(f"{identity}: {file} does not tell the version of {name} any more")
        version = ".".join(found.groups())
        yield name, version, license, location + version


def license_files():
    """(package, file) of the licences and notices that go with the linked Swift packages and Swift itself."""
    for pin in locked():
        for path in sorted(checkout(pin["identity"]).iterdir()):
            if path.is_file() and path.name.upper().startswith(("LICENSE", "NOTICE")):
                yield pin["identity"], path
    license = toolchain() / "share/swift/LICENSE.txt"
    if license.exists():
        yield "swift", license


def toolchain():
    """The directory that Swift is installed in."""
    return recipe.Path(os.path.realpath(shutil.which("swift") or "")).parents[1]


def swift_version():
    text = subprocess.run([*swift(), "--version"], check=True, capture_output=True, text=True).stdout
    return re.search(r"Swift version (\S+)", text).group(1)


def update_lock():
    """Writes the lock file of the Swift packages anew, with the newest revisions that Package.swift allows."""
    copy_sources()
    (SOURCES / "Package.resolved").unlink()
    subprocess.run([*swift(), "package", "--scratch-path", str(SCRATCH), "update"], check=True, cwd=SOURCES)
    known = {pin["identity"]: pin["license"] for pin in locked()}
    pins = [
        {
            "identity": pin["identity"], "location": pin["location"], "version": pin["state"]["version"],
            "revision": pin["state"]["revision"], "license": known.get(pin["identity"], "NOASSERTION"),
        }
        for pin in json.loads((SOURCES / "Package.resolved").read_text())["pins"]
    ]
    LOCK.write_text(json.dumps({"pins": pins}, indent=2) + "\n")
