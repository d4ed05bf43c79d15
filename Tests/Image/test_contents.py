"""What is in the images, and what their configurations say."""

import io
import re
import subprocess
import tarfile

from imagetool import recipe


def layer(layout):
    manifest = layout.load(layout.image())
    return tarfile.open(fileobj=io.BytesIO(layout.read(manifest["layers"][0])))


def configuration(layout):
    return layout.load(layout.load(layout.image())["config"])


def test_configuration(layout):
    config = configuration(layout)["config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/usr/local/bin/etcd"] and "Cmd" not in config
    assert set(config["ExposedPorts"]) == {"2379/tcp", "2380/tcp"}
    # Some runtimes give a volume that the image declares to root.
    assert "Volumes" not in config
    # A flag conflicts with a variable of the same setting.
    assert not [entry for entry in config["Env"] if entry.startswith("ETCD_")]
    wanted = {"title", "version", "revision", "licenses", "created"} | ({"source"} if recipe.SOURCE else set())
    assert wanted <= {name.removeprefix("org.opencontainers.image.") for name in config["Labels"]}


def test_user_and_directories(layout):
    with layer(layout) as archive:
        entries = {entry.name: entry for entry in archive}
        passwd = archive.extractfile(entries["etc/passwd"]).read().decode()
        group = archive.extractfile(entries["etc/group"]).read().decode()
    assert "\netcd:x:65532:65532:etcd:/var/lib/etcd:" in passwd and passwd.count("root:x:0:0") == 1
    assert "\netcd:x:65532:" in group
    data = entries["var/lib/etcd"]
    assert (data.uid, data.gid, data.mode) == (65532, 65532, 0o700)
    for name in recipe.PROGRAMS:
        assert entries[f"usr/local/bin/{name}"].mode == 0o755
    for path in ["etc/ssl/certs/ca-certificates.crt", "usr/share/zoneinfo/Europe/Berlin", "etc/nsswitch.conf"]:
        assert path in entries


def test_nothing_else_can_run(distroless):
    with layer(distroless) as archive:
        files = [entry for entry in archive if entry.isreg() or entry.islnk()]
        executable = {entry.name for entry in files if entry.mode & 0o111}
        writable = {entry.name for entry in archive if not entry.issym() and entry.mode & 0o022}
        special = {entry.name for entry in files if entry.mode & 0o6000}
    libraries = {name for name in executable if re.search(r"\.so(\.[0-9.]+)?$|/ld-linux", name)}
    assert executable - libraries == {f"usr/local/bin/{name}" for name in recipe.PROGRAMS}
    assert writable == {"tmp"} and not special


def test_libraries_are_all_there(distroless, tmp_path):
    with layer(distroless) as archive:
        archive.extractall(tmp_path, filter="tar")
    libraries = {path.name for path in (tmp_path / "usr/lib/x86_64-linux-gnu").iterdir()}
    for name in recipe.PROGRAMS:
        header = subprocess.run(
            ["readelf", "-d", str(tmp_path / "usr/local/bin" / name)], capture_output=True, text=True, check=True).stdout
        needed = set(re.findall(r"NEEDED.*\[(.+)\]", header))
        assert needed and needed <= libraries
        assert "PIE" in header and not re.search(r"RPATH|RUNPATH", header)


def test_programs_are_hardened(distroless, tmp_path):
    with layer(distroless) as archive:
        archive.extract("usr/local/bin/etcd", tmp_path, filter="tar")
    program = str(tmp_path / "usr/local/bin/etcd")
    segments = subprocess.run(["readelf", "-lW", program], capture_output=True, text=True, check=True).stdout
    assert re.search(r"GNU_RELRO", segments) and re.search(r"GNU_STACK .* RW ", segments)
    assert not re.search(r"LOAD .* [R ]WE ", segments)
    flags = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout
    assert "NOW" in flags


def test_the_place_of_the_build_is_not_in_the_programs(distroless):
    place = str(recipe.WORK).encode()
    with layer(distroless) as archive:
        for name in recipe.PROGRAMS:
            assert place not in archive.extractfile(f"usr/local/bin/{name}").read()


def test_size(distroless):
    manifest = distroless.load(distroless.image())
    assert sum(part["size"] for part in manifest["layers"]) <= 15 * 1024 * 1024


def test_dev_has_a_shell_and_a_package_manager(release):
    from imagetool.layout import Layout
    import pytest

    if not (release / "swift-etcd-dev").is_dir():
        pytest.skip("swift-etcd-dev was not built")
    with layer(Layout(release / "swift-etcd-dev")) as archive:
        names = set(archive.getnames())
    assert {"usr/bin/apt-get", "usr/bin/dpkg"} <= names and ({"bin/bash", "usr/bin/bash"} & names)
