"""Signatures in cosign's form, made and checked with openssl: no registry, no network, no service.

The key is a PEM file with an ECDSA P-256 private key; cosign takes its public half as it is."""

import base64
import json
import subprocess
import tempfile

from . import layout, provenance
from .layout import MANIFEST, REFERENCE, encode

PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
STATEMENT = "application/vnd.in-toto+json"
SIGNATURE = "dev.cosignproject.cosign/signature"


def sign(data, key):
    """The signature's DER bytes."""
    run = subprocess.run(["openssl", "dgst", "-sha256", "-sign", str(key)], input=data, capture_output=True)
    if run.returncode != 0:
        raise SystemExit(f"{key}: {run.stderr.decode().strip()}")
    return run.stdout


def is_signed(data, signature, public_key):
    with tempfile.NamedTemporaryFile() as file:
        file.write(signature)
        file.flush()
        run = subprocess.run(
            ["openssl", "dgst", "-sha256", "-verify", str(public_key), "-signature", file.name], input=data, capture_output=True)
    return run.returncode == 0


def authenticated(body):
    """What a DSSE signature is made over."""
    kind = STATEMENT.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


def envelope(statement, key):
    body = encode(statement)
    signature = base64.b64encode(sign(authenticated(body), key)).decode()
    return encode({
        "payloadType": STATEMENT, "payload": base64.b64encode(body).decode(), "signatures": [{"keyid": "", "sig": signature}]})


def add_signed_manifest(target, parts, kind, name):
    """Stores `parts` of (bytes, media type, annotations) as cosign does: as layers of an image of their own."""
    layers = [target.add(data, media_type, annotations=annotations) for data, media_type, annotations in parts]
    config = {
        "architecture": "", "os": "", "config": {}, "created": "0001-01-01T00:00:00Z",
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}}
    manifest = {
        "schemaVersion": 2, "mediaType": MANIFEST, "config": target.add(encode(config), layout.CONFIG), "layers": layers}
    target.refer(target.add(encode(manifest), MANIFEST), kind=kind, **{REFERENCE: name})


def sign_layout(target, predicates, key):
    """Signs the image and attests each of `predicates`, a list of (predicate type, predicate)."""
    digest = target.image()["digest"]
    tag = digest.replace(":", "-")
    payload = encode({
        "critical": {
            "identity": {"docker-reference": ""}, "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature"},
        "optional": None})
    signature = base64.b64encode(sign(payload, key)).decode()
    add_signed_manifest(
        target, [(payload, PAYLOAD, {SIGNATURE: signature})], "dev.cosignproject.cosign/sigs", f"{tag}.sig")
    attestations = [
        (envelope(provenance.statement(digest, kind, predicate), key), ENVELOPE, {SIGNATURE: "", "predicateType": kind})
        for kind, predicate in predicates]
    add_signed_manifest(target, attestations, "dev.cosignproject.cosign/atts", f"{tag}.att")
    target.prune()


def check_layout(target, public_key):
    """What is wrong with the signatures, as sentences; none if all is well."""
    problems = []
    digest = target.image()["digest"]
    by_kind = {entry["annotations"].get("kind", ""): entry for entry in target.index()}
    signatures = by_kind.get("dev.cosignproject.cosign/sigs")
    attestations = by_kind.get("dev.cosignproject.cosign/atts")
    if not signatures or not attestations:
        return ["the image is not signed"]
    valid = False
    for part in target.load(signatures)["layers"]:
        payload = target.read(part)
        if is_signed(payload, base64.b64decode(part["annotations"][SIGNATURE]), public_key):
            valid = valid or json.loads(payload)["critical"]["image"]["docker-manifest-digest"] == digest
    if not valid:
        problems.append("no signature of the image was made with this key")
    attested = set()
    for part in target.load(attestations)["layers"]:
        sealed = target.load(part)
        body = base64.b64decode(sealed["payload"])
        statement = json.loads(body)
        signed = any(
            is_signed(authenticated(body), base64.b64decode(one["sig"]), public_key) for one in sealed["signatures"])
        subject = {f"sha256:{entry['digest']['sha256']}" for entry in statement["subject"]}
        if signed and digest in subject:
            attested.add(statement["predicateType"])
    for wanted in [provenance.SLSA, provenance.SPDX, provenance.CYCLONEDX]:
        if wanted not in attested:
            problems.append(f"no attestation {wanted} of the image was made with this key")
    return problems
