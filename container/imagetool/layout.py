"""OCI image layout: blobs named by their sha256, manifests, the index, and the tar that docker loads."""

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
REFERENCE = "org.opencontainers.image.ref.name"


def encode(value):
    """JSON that is the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def compress(data):
    """As gzip's format; the same bytes for the same data."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9, mtime=0, filename="") as file:
        file.write(data)
    return buffer.getvalue()


def compress_well(data):
    """As gzip's format too, smaller, and slower by far."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return subprocess.run(["zopfli", "-c", "--i5", file.name], check=True, capture_output=True).stdout


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layout:
    """A directory in the OCI image layout."""

    def __init__(self, path):
        self.path = Path(path)

    def create(self):
        (self.path / "blobs/sha256").mkdir(parents=True)
        (self.path / "oci-layout").write_bytes(encode({"imageLayoutVersion": "1.0.0"}))
        self.write_index([])

    def add(self, data, media_type, **fields):
        """Writes a blob and returns its descriptor."""
        name = digest(data)
        self.blob_path(name).write_bytes(data)
        return {"mediaType": media_type, "digest": name, "size": len(data), **fields}

    def blob_path(self, name):
        return self.path / "blobs" / name.replace(":", "/")

    def read(self, descriptor):
        return self.blob_path(descriptor["digest"]).read_bytes()

    def load(self, descriptor):
        return json.loads(self.read(descriptor))

    def index(self):
        return json.loads((self.path / "index.json").read_bytes())["manifests"]

    def write_index(self, manifests):
        # The same descriptors in the same order, whatever was added when.
        ordered = sorted(manifests, key=lambda entry: (entry["annotations"].get("kind", "z"), entry["digest"]))
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": ordered}
        (self.path / "index.json").write_bytes(encode(index))

    def refer(self, descriptor, **annotations):
        """Puts a manifest into the index, in place of one of the same name."""
        others = [entry for entry in self.index() if entry["digest"] != descriptor["digest"]]
        name = annotations.get(REFERENCE)
        others = [entry for entry in others if name is None or entry["annotations"].get(REFERENCE) != name]
        self.write_index([*others, {**descriptor, "annotations": annotations}])

    def prune(self):
        """Removes blobs that nothing refers to any more, such as those of former signatures."""
        reached = set()
        for entry in self.index():
            manifest = self.load(entry)
            reached |= {part["digest"] for part in [entry, manifest["config"], *manifest["layers"]]}
        for path in (self.path / "blobs/sha256").iterdir():
            if f"sha256:{path.name}" not in reached:
                path.unlink()

    def image(self):
        """The descriptor of the image itself."""
        images = [entry for entry in self.index() if entry["annotations"].get("kind") == "dev.cosignproject.cosign/image"]
        if len(images) != 1:
            raise ValueError(f"{self.path}: not one image, but {len(images)}")
        return images[0]

    def add_image(self, layer_tar, config, annotations, name, compressor=compress):
        """Adds an image of one layer; returns its descriptor."""
        compressed = compressor(layer_tar)
        config = {**config, "rootfs": {"type": "layers", "diff_ids": [digest(layer_tar)]}}
        manifest = {
            "schemaVersion": 2, "mediaType": MANIFEST, "config": self.add(encode(config), CONFIG),
            "layers": [self.add(compressed, LAYER)], "annotations": annotations,
        }
        descriptor = self.add(encode(manifest), MANIFEST)
        # The kind is where cosign looks for an image in a layout.
        self.refer(descriptor, kind="dev.cosignproject.cosign/image", **{REFERENCE: name})
        return descriptor

    def attach(self, subject, artifact_type, data, annotations):
        """Adds `data` as an artifact that refers to the manifest `subject`."""
        plain = {key: subject[key] for key in ["mediaType", "digest", "size"]}
        manifest = {
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": artifact_type,
            "config": self.add(b"{}", EMPTY), "layers": [self.add(data, artifact_type)], "subject": plain,
            "annotations": annotations,
        }
        self.refer(self.add(encode(manifest), MANIFEST, artifactType=artifact_type), **annotations)


def docker_archive(layout, name, target):
    """Writes the tar that `docker load` and `podman load` take: an OCI layout that also has docker's manifest.json."""
    image = layout.image()
    manifest = layout.load(image)
    blob = lambda descriptor: "blobs/" + descriptor["digest"].replace(":", "/")
    legacy = [{"Config": blob(manifest["config"]), "RepoTags": [name], "Layers": [blob(part) for part in manifest["layers"]]}]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {**{key: image[key] for key in ["mediaType", "digest", "size"]}, "annotations": {
            REFERENCE: name.split(":")[-1], "io.containerd.image.name": name}}]}
    files = {
        "oci-layout": (layout.path / "oci-layout").read_bytes(), "index.json": encode(index), "manifest.json": encode(legacy)}
    for descriptor in [image, manifest["config"], *manifest["layers"]]:
        files[blob(descriptor)] = layout.read(descriptor)
    directories = {str(parent) for path in files for parent in Path(path).parents if str(parent) != "."}
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted([*files, *directories]):
            header = tarfile.TarInfo(path)
            if path in directories:
                header.type, header.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(header)
            else:
                header.size = len(files[path])
                archive.addfile(header, io.BytesIO(files[path]))
