"""The bills of materials and the provenance: valid to their public validators, complete, attached to the image."""

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from imagetool import packages, programs, recipe


def document(layout, suffix):
    return layout.path.parent / f"{layout.path.name}.{suffix}"


def test_spdx_is_valid(layout):
    tool = Path(sys.executable).parent / "pyspdxtools"
    run = subprocess.run(
        [sys.executable, str(tool), "-i", str(document(layout, "spdx.json"))], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert json.loads(document(layout, "spdx.json").read_text())["spdxVersion"] == "SPDX-2.3"


def test_cyclonedx_is_valid(layout):
    text = document(layout, "cyclonedx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.replace('"library"', '"nonsense"')) is not None


def test_every_package_is_named(layout):
    spdx = json.loads(document(layout, "spdx.json").read_text())["packages"]
    cyclonedx = json.loads(document(layout, "cyclonedx.json").read_text())["components"]
    for listed in [{part["name"]: part["versionInfo"] for part in spdx}, {part["name"]: part["version"] for part in cyclonedx}]:
        for pin in programs.locked():
            assert listed[pin["identity"]] == pin["version"]
        for name, *_ in recipe.BUNDLED:
            assert listed[name]
        for package in packages.names():
            if layout.path.name == "swift-etcd" or package in recipe.RUNTIME_FILES:
                assert listed[package]
    licenses = {part["name"]: part["licenseDeclared"] for part in spdx}
    assert all(licenses[pin["identity"]] != "NOASSERTION" for pin in programs.locked())


def test_the_users_page_lists_what_is_in_it(release):
    table = (release / "components.tsv").read_text().splitlines()
    wanted = {tuple(line.split("\t")[:3]) for line in table if not line.startswith((f"{recipe.TITLE}\t", "swift-runtime\t"))}
    page = (recipe.ROOT / "Documentation/CONTAINER.md").read_text().split("Components of the distroless image:")[1]
    listed = {
        tuple(cell.strip() for cell in line.split("|")[1:4]) for line in page.splitlines()
        if line.startswith("|") and not line.startswith(("|---", "| Component ", "| Swift runtime"))}
    # Packages that Debian has replaced since are the newer ones in a test's image.
    names = lambda rows: {row[0] for row in rows}
    assert names(listed) == names(wanted)
    locked = {(package["name"], package["version"], package["license"]) for package in packages.locked()}
    swift = {row for row in wanted if row[0] not in names(locked)}
    assert listed == swift | locked


def test_every_file_is_named_with_its_hash(distroless):
    spdx = json.loads(document(distroless, "spdx.json").read_text())
    listed = {
        entry["fileName"].removeprefix("./"): entry["checksums"][1]["checksumValue"] for entry in spdx["files"]}
    manifest = distroless.load(distroless.image())
    with tarfile.open(fileobj=io.BytesIO(distroless.read(manifest["layers"][0]))) as archive:
        from imagetool.components import hashes

        found = {entry.name: hashes(archive.extractfile(entry).read())[1] for entry in archive if entry.isreg() or entry.islnk()}
    assert found == listed


def test_documents_refer_to_the_image(layout):
    image = layout.image()["digest"]
    found = {}
    for entry in layout.index():
        manifest = layout.load(entry)
        if "subject" in manifest:
            assert manifest["subject"]["digest"] == image
            found[manifest["artifactType"]] = layout.read(manifest["layers"][0])
    assert found == {
        "application/spdx+json": document(layout, "spdx.json").read_bytes(),
        "application/vnd.cyclonedx+json": document(layout, "cyclonedx.json").read_bytes(),
        "application/vnd.in-toto+json": document(layout, "provenance.json").read_bytes(),
    }


def test_provenance_names_the_sources(layout):
    statement = json.loads(document(layout, "provenance.json").read_text())
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert f"sha256:{statement['subject'][0]['digest']['sha256']}" == layout.image()["digest"]
    dependencies = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    commits = {entry["digest"]["gitCommit"] for entry in dependencies if "gitCommit" in entry.get("digest", {})}
    assert {pin["revision"] for pin in programs.locked()} <= commits
