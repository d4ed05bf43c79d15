"""Puts a release together: layouts, docker archives, SBOMs, sums; signs it; builds it twice to prove it."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import components, debian, layout, packages, programs, provenance, recipe, rootfs, sbom, signing
from .layout import REFERENCE, Layout

PROVENANCE_TYPE = "application/vnd.in-toto+json"


def image_name(variant):
    return recipe.IMAGE_NAME + ("-dev" if variant == "dev" else "")


def tag(variant):
    return f"localhost/{recipe.IMAGE_NAME}:{recipe.VERSION}" + ("-dev" if variant == "dev" else "")


def configuration(time):
    """The image's configuration, the same for both variants."""
    return {
        "architecture": recipe.ARCHITECTURE, "os": "linux", "created": sbom.timestamp(time),
        "config": {
            "User": f"{recipe.USER_ID}:{recipe.USER_ID}", "Entrypoint": ["/usr/local/bin/etcd"],
            "Env": recipe.ENVIRONMENT, "WorkingDir": recipe.DATA_DIRECTORY,
            "ExposedPorts": {port: {} for port in recipe.PORTS}, "Labels": labels(time), "StopSignal": "SIGTERM",
        },
        "history": [{"created": sbom.timestamp(time), "created_by": "make image"}],
    }


def labels(time):
    prefix = "org.opencontainers.image."
    values = {
        "title": recipe.TITLE, "description": recipe.DESCRIPTION, "version": recipe.VERSION,
        "revision": programs.revision(), "licenses": recipe.LICENSES, "created": sbom.timestamp(time),
    }
    if recipe.SOURCE:
        values["source"] = recipe.SOURCE
    return {prefix + key: value for key, value in values.items()}


def build(variants):
    """Builds the programs and the images of `variants` into RELEASE, in place of what was there."""
    debs = packages.fetch()
    programs.build(debs)
    shutil.rmtree(recipe.RELEASE, ignore_errors=True)
    recipe.RELEASE.mkdir(parents=True)
    time = programs.source_date()
    tree = rootfs.distroless(debs)
    found = components.collect(tree, debs)
    for variant in variants:
        print(f"putting {image_name(variant)} together", flush=True)
        if variant == "dev":
            tar, status = debian.build(time)
            own = [part for part in found if part.kind != "debian"]
            publish(variant, tar, own + components.installed(tree, status), time)
        else:
            size = publish(variant, tree.tar(time), found, time)
            (recipe.RELEASE / "components.tsv").write_text(components.as_table(found))
            if size > recipe.SIZE_BUDGET:
                raise SystemExit(f"the image has {size} bytes, more than the {recipe.SIZE_BUDGET} it may have")
    write_sums()


def publish(variant, tar, found, time):
    """Writes layout, docker archive and SBOMs of a variant; returns the compressed size."""
    name = image_name(variant)
    target = Layout(recipe.RELEASE / name)
    target.create()
    config = configuration(time)
    compressor = layout.compress if variant == "dev" else layout.compress_well
    image = target.add_image(tar, config, config["config"]["Labels"], tag(variant).split(":")[-1], compressor)
    documents = {
        "spdx.json": (sbom.SPDX_TYPE, sbom.spdx(found, image["digest"], time)),
        "cyclonedx.json": (sbom.CYCLONEDX_TYPE, sbom.cyclonedx(found, image["digest"], time)),
        "provenance.json": (PROVENANCE_TYPE, components.as_json(
            provenance.statement(image["digest"], provenance.SLSA, provenance.predicate(found, variant)))),
    }
    for suffix, (media_type, data) in documents.items():
        (recipe.RELEASE / f"{name}.{suffix}").write_bytes(data)
        target.attach(image, media_type, data, {
            "org.opencontainers.image.created": sbom.timestamp(time), REFERENCE: f"{name}.{suffix}"})
    layout.docker_archive(target, tag(variant), recipe.RELEASE / f"{name}-{recipe.VERSION}.tar")
    size = sum(part["size"] for part in target.load(image)["layers"])
    print(f"{name}: {image['digest']}, {size / 1024 / 1024:.1f} MiB compressed")
    return size


def images():
    """The layouts of the release."""
    return [Layout(path.parent) for path in sorted(recipe.RELEASE.glob("*/index.json"))]


def write_sums():
    """SHA256SUMS over all files of the release but the blobs, which carry their hashes in their names."""
    lines = []
    for path in sorted(recipe.RELEASE.rglob("*")):
        name = path.relative_to(recipe.RELEASE)
        if path.is_file() and "blobs" not in name.parts and not name.name.startswith("SHA256SUMS"):
            lines.append(f"{packages.sha256(path)}  {name}\n")
    (recipe.RELEASE / "SHA256SUMS").write_text("".join(lines))


def sign(key):
    """Signs images, attestations and sums with the private key in the file `key`."""
    for target in images():
        name = target.path.name
        read = lambda suffix: json.loads((recipe.RELEASE / f"{name}.{suffix}").read_bytes())
        signing.sign_layout(target, [
            (provenance.SLSA, read("provenance.json")["predicate"]), (provenance.SPDX, read("spdx.json")),
            (provenance.CYCLONEDX, read("cyclonedx.json"))], key)
    write_sums()
    sums = recipe.RELEASE / "SHA256SUMS"
    signature = signing.sign(sums.read_bytes(), key)
    (recipe.RELEASE / "SHA256SUMS.sig").write_bytes(base64.b64encode(signature) + b"\n")


def digests():
    """Variant's name -> digest, and every unsigned document's hash: what two builds must agree in."""
    found = {target.path.name: target.image()["digest"] for target in images()}
    for path in [*recipe.RELEASE.glob("*.json"), *recipe.RELEASE.glob("*.deb")]:
        found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def verify_by_rebuilding():
    """Builds the commit once more in another directory and compares. The tree must be clean."""
    if programs.revision().endswith("-dirty"):
        raise SystemExit("the tree differs from its commit: commit first, for only a commit can be built again")
    ours = digests()
    if not ours:
        raise SystemExit("there is no image yet: run `make image` first")
    variants = ["dev" if name.endswith("-dev") else "distroless" for name in ours if "." not in name]
    with tempfile.TemporaryDirectory(prefix="image-verify-") as directory:
        clone = Path(directory) / "somewhere" / "else"
        subprocess.run(["git", "clone", "--quiet", str(recipe.ROOT), str(clone)], check=True)
        environment = {**os.environ, "PYTHONPATH": str(clone / "container")}
        command = ["python3", "-B", "-m", "imagetool"]
        subprocess.run([*command, "build", *variants], check=True, cwd=clone, env=environment)
        if any(name.endswith(".deb") for name in ours):
            subprocess.run([*command, "deb"], check=True, cwd=clone, env=environment)
        theirs = json.loads(
            subprocess.run([*command, "digests"], check=True, cwd=clone, env=environment, capture_output=True).stdout)
    for name in sorted(ours.keys() | theirs.keys()):
        same = ours.get(name) == theirs.get(name)
        print(f"{'same' if same else 'DIFFERENT'}  {name}  {ours.get(name)}" + ("" if same else f"  {theirs.get(name)}"))
    if ours != theirs:
        raise SystemExit("the builds differ")
