"""The bill of materials, as SPDX 2.3 and as CycloneDX 1.6."""

import datetime
import hashlib
import re
import uuid

from . import recipe
from .components import as_json, hashes

SPDX_TYPE = "application/spdx+json"
CYCLONEDX_TYPE = "application/vnd.cyclonedx+json"

# What SPDX's list of licences does not have.
OTHER_LICENSES = {
    "LicenseRef-public-domain": "The time zone database is in the public domain.",
}


def timestamp(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def spdx_name(text):
    return re.sub(r"[^A-Za-z0-9.-]", "-", text)


def verification_code(files):
    """SPDX's one hash over the hashes of files, here those of the package that are in the image."""
    return hashlib.sha1("".join(sorted(hashes(data)[0] for _, data in files)).encode()).hexdigest()


def spdx(found, image_digest, time):
    """The document for the image whose manifest has `image_digest`."""
    image = {
        "SPDXID": "SPDXRef-Image", "name": recipe.IMAGE_NAME, "versionInfo": recipe.VERSION,
        "downloadLocation": recipe.SOURCE or "NOASSERTION", "filesAnalyzed": False, "primaryPackagePurpose": "CONTAINER",
        "licenseConcluded": "NOASSERTION", "licenseDeclared": recipe.LICENSES, "copyrightText": "NOASSERTION",
        "checksums": [{"algorithm": "SHA256", "checksumValue": image_digest.removeprefix("sha256:")}],
    }
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image")]
    listed, files = [image], []
    for part in found:
        identifier = f"SPDXRef-Package-{part.kind}-{spdx_name(part.name)}"
        package = {
            "SPDXID": identifier, "name": part.name, "versionInfo": part.version, "filesAnalyzed": False,
            "downloadLocation": f"git+{part.location}@{part.revision}" if part.location else "NOASSERTION",
            "licenseConcluded": "NOASSERTION", "licenseDeclared": part.license, "copyrightText": "NOASSERTION",
            "supplier": "Organization: Debian" if part.kind.startswith("debian") else "NOASSERTION",
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": part.purl}],
        }
        if part.files:
            package.update(
                filesAnalyzed=True, licenseInfoFromFiles=["NOASSERTION"],
                packageVerificationCode={"packageVerificationCodeValue": verification_code(part.files)})
        if part.sha256:
            package["checksums"] = [{"algorithm": "SHA256", "checksumValue": part.sha256}]
        listed.append(package)
        # A linked package is inside of the programs, the others lie beside them.
        relations.append(("SPDXRef-Image", "CONTAINS", identifier))
        if part.kind in ["swift", "bundled", "debian-linked"]:
            relations.append((f"SPDXRef-Package-program-{recipe.TITLE}", "STATIC_LINK", identifier))
        for path, data in part.files:
            sha1, sha256 = hashes(data)
            file = f"SPDXRef-File-{sha1[:12]}-{spdx_name(path)}"
            files.append({
                "SPDXID": file, "fileName": f"./{path}", "copyrightText": "NOASSERTION",
                "licenseConcluded": "NOASSERTION", "licenseInfoInFiles": ["NOASSERTION"],
                "checksums": [
                    {"algorithm": "SHA1", "checksumValue": sha1}, {"algorithm": "SHA256", "checksumValue": sha256}],
            })
            relations.append((identifier, "CONTAINS", file))
    return as_json({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": recipe.IMAGE_NAME,
        "documentNamespace": f"urn:{recipe.IMAGE_NAME}:{image_digest}",
        "creationInfo": {"created": timestamp(time), "creators": ["Tool: swift-etcd-imagetool"]},
        "packages": listed, "files": files,
        "relationships": [
            {"spdxElementId": one, "relationshipType": relation, "relatedSpdxElement": other}
            for one, relation, other in relations],
        "hasExtractedLicensingInfos": [
            {"licenseId": name, "name": name.removeprefix("LicenseRef-"), "extractedText": text}
            for name, text in OTHER_LICENSES.items()],
    })


def cyclonedx(found, image_digest, time):
    """The same as CycloneDX."""
    purl = f"pkg:oci/{recipe.IMAGE_NAME}@{image_digest.replace(':', '%3A')}"
    components, references = [], []
    for part in found:
        reference = part.purl
        references.append(reference)
        component = {
            "type": "application" if part.kind == "program" else "library", "bom-ref": reference, "name": part.name,
            "version": part.version, "purl": part.purl,
            "properties": [{"name": "swift-etcd:kind", "value": part.kind}],
        }
        if part.license.startswith("LicenseRef-"):
            component["licenses"] = [{"license": {"name": part.license.removeprefix("LicenseRef-")}}]
        elif part.license != "NOASSERTION":
            component["licenses"] = [{"expression": part.license}]
        if part.sha256:
            component["hashes"] = [{"alg": "SHA-256", "content": part.sha256}]
        if part.location:
            component["externalReferences"] = [{"type": "vcs", "url": part.location, "comment": f"revision {part.revision}"}]
        if part.files:
            component["components"] = [
                {
                    "type": "file", "bom-ref": f"file:{path}", "name": f"/{path}",
                    "hashes": [{"alg": "SHA-256", "content": hashes(data)[1]}],
                }
                for path, data in part.files]
        components.append(component)
    return as_json({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, image_digest)}", "version": 1,
        "metadata": {
            "timestamp": timestamp(time),
            "component": {
                "type": "container", "bom-ref": purl, "name": recipe.IMAGE_NAME, "version": recipe.VERSION, "purl": purl,
                "hashes": [{"alg": "SHA-256", "content": image_digest.removeprefix("sha256:")}],
            },
        },
        "components": components,
        "dependencies": [
            {"ref": purl, "dependsOn": references}, *[{"ref": reference, "dependsOn": []} for reference in references]],
    })
