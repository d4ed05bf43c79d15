"""How the image was made, as an in-toto statement with a SLSA provenance predicate."""

import os

from . import programs, recipe

SLSA = "https://slsa.dev/provenance/v1"
SPDX = "https://spdx.dev/Document"
CYCLONEDX = "https://cyclonedx.org/bom"
BUILD_TYPE = "urn:swift-etcd:make-image:v1"


def statement(image_digest, predicate_type, predicate):
    """An in-toto statement about the image."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": recipe.IMAGE_NAME, "digest": {"sha256": image_digest.removeprefix("sha256:")}}],
        "predicateType": predicate_type, "predicate": predicate,
    }


def predicate(found, variant):
    """What went in. Who built it is said by IMAGE_BUILDER; no service vouches for a build on somebody's own machine."""
    dependencies = []
    for part in found:
        entry = {"uri": part.purl, "name": part.name}
        if part.sha256:
            entry["digest"] = {"sha256": part.sha256}
        elif part.location:
            entry.update(uri=f"git+{part.location}", digest={"gitCommit": part.revision})
        if part.kind != "program":
            dependencies.append(entry)
    source = {"uri": f"git+{recipe.SOURCE}" if recipe.SOURCE else "urn:swift-etcd:source"}
    source["digest"] = {"gitCommit": programs.revision().removesuffix("-dirty")}
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "revision": programs.revision(), "variant": variant, "programs": recipe.PROGRAMS,
                "target": "make image"},
            "internalParameters": {"swift": programs.swift_version(), "sourceDateEpoch": programs.source_date()},
            "resolvedDependencies": [source, *dependencies],
        },
        "runDetails": {"builder": {"id": os.environ.get("IMAGE_BUILDER", "urn:swift-etcd:local-build")}},
    }
