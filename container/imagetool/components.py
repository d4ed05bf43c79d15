"""What the image is made of: one list for the SBOMs, the provenance and the document."""

import hashlib
import json
from dataclasses import dataclass, field

from . import packages, programs, recipe

SWIFT_LICENSE = "Apache-2.0 WITH Swift-exception"


@dataclass
class Component:
    """A package with its version, and those of its files that are in the image."""

    name: str
    version: str
    license: str
    purl: str
    kind: str  # "program", "swift", "bundled" (by a Swift package), "debian" or "debian-linked"
    sha256: str | None = None  # of the Debian package file
    revision: str | None = None  # of the Swift package
    location: str | None = None
    files: list = field(default_factory=list)  # (path, bytes)


def collect(tree, debian):
    """The components of the distroless image `tree`; the first is this project's programs."""
    own = Component(
        recipe.TITLE, recipe.VERSION, recipe.LICENSES, f"pkg:generic/{recipe.TITLE}@{recipe.VERSION}", "program",
        revision=programs.revision())
    found = [own]
    for pin in programs.locked():
        where = pin["location"].removeprefix("https://").removesuffix(".git")
        found.append(Component(
            pin["identity"], pin["version"], pin["license"], f"pkg:swift/{where}@{pin['version']}", "swift",
            revision=pin["revision"], location=pin["location"]))
    for name, version, license, purl in programs.bundled():
        found.append(Component(name, version, license, purl, "bundled"))
    version = programs.swift_version()
    found.append(Component("swift-runtime", version, SWIFT_LICENSE, f"pkg:generic/swift-runtime@{version}", "swift"))
    for package in debian:
        kind = "debian" if package["name"] in recipe.RUNTIME_FILES else "debian-linked"
        found.append(Component(
            package["name"], package["version"], package["license"],
            f"pkg:deb/debian/{package['name']}@{package['version'].replace('+', '%2B').replace(':', '%3A')}"
            f"?arch={package['architecture']}&distro=debian-12",
            kind, sha256=package["sha256"]))
    by_name = {component.name: component for component in found}
    for path, entry in sorted(tree.entries.items()):
        file = tree.entries[entry.twin] if entry.twin else entry
        if file.data is not None:
            by_name[file.package or recipe.TITLE].files.append((path, file.data))
    return found


def installed(tree, debian_status):
    """The components of the -dev variant: those of `tree`, and what dpkg's status says is installed beside them."""
    found = []
    for paragraph in debian_status.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and not line.startswith(" "))
        if not fields.get("Package"):
            continue
        version = fields["Version"]
        found.append(Component(
            fields["Package"], version, "NOASSERTION",
            f"pkg:deb/debian/{fields['Package']}@{version.replace('+', '%2B').replace(':', '%3A')}?distro=debian-12", "debian"))
    return found


def hashes(data):
    return hashlib.sha1(data).hexdigest(), hashlib.sha256(data).hexdigest()


def as_table(found):
    """Lines for people."""
    return "".join(f"{part.name}\t{part.version}\t{part.license}\t{part.kind}\n" for part in found)


def as_json(value):
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
