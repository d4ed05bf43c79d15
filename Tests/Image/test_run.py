"""The image as it runs: in a container where podman and runc work, else in a changed root with as few rights."""

import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
import uuid

import pytest
import yaml

from conftest import ROOT

USER = 65532
START_SECONDS = 60
STOP_SECONDS = 60
# Without limits of its own runc asks for more than a confined machine may give.
LIMITS = ["--ulimit", "nofile=1024:4096", "--ulimit", "nproc=4096:4096"]
READ_ONLY = ["--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--network", "host", *LIMITS]


def ports():
    """Two ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    numbers = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return numbers


def flags(client, peer):
    return [
        f"--listen-client-urls=http://127.0.0.1:{client}", f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}"]


def ask(port, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=10) as answer:
        return json.load(answer)


class Podman:
    """The release's docker archive, loaded into a store of its own."""

    kind = "podman"

    def __init__(self, release, folder):
        self.command = [
            "podman", "--cgroup-manager", "cgroupfs", "--storage-driver", "vfs", "--runtime", "runc",
            "--root", str(folder / "store"), "--runroot", str(folder / "run")]
        self.image = self.podman("load", "-q", "-i", str(release / "swift-etcd-3.7.1.tar")).split()[-1]
        self.podman("run", "--rm", *READ_ONLY, self.image, "--version")

    def podman(self, *arguments):
        return subprocess.run([*self.command, *arguments], check=True, capture_output=True, text=True, timeout=120).stdout

    def start(self, volume, arguments, environment=()):
        name = f"swift-etcd-test-{uuid.uuid4().hex[:8]}"
        settings = [word for entry in environment for word in ("--env", entry)]
        self.podman("run", "--detach", "--name", name, *READ_ONLY, "-v", f"{volume}:/var/lib/etcd", *settings, self.image, *arguments)
        return name

    def pid(self, name):
        return int(self.podman("inspect", "--format", "{{.State.Pid}}", name))

    def run(self, name, *words):
        return subprocess.run([*self.command, "exec", name, *words], capture_output=True, text=True, timeout=60)

    def log(self, name):
        run = subprocess.run([*self.command, "logs", name], capture_output=True, text=True, timeout=60)
        return run.stdout + run.stderr

    def stop(self, name):
        self.podman("kill", "--signal", "TERM", name)
        return self.wait(name)

    def wait(self, name):
        return int(self.podman("wait", name))

    def remove(self, name):
        subprocess.run([*self.command, "rm", "--force", name], capture_output=True, timeout=120)


class ChangedRoot:
    """The image's files as the root of a process in namespaces of its own, as the image's user, without capabilities."""

    kind = "unshare"

    def __init__(self, release, folder):
        from imagetool.layout import Layout

        self.folder = folder
        layout = Layout(release / "swift-etcd")
        manifest = layout.load(layout.image())
        self.environment = layout.load(manifest["config"])["config"]["Env"]
        with tarfile.open(fileobj=io.BytesIO(layout.read(manifest["layers"][0]))) as archive:
            archive.extractall(folder / "root", filter="fully_trusted")
        (folder / "root/proc").mkdir()
        self.running = {}

    def start(self, volume, arguments, environment=()):
        name = uuid.uuid4().hex
        log = open(self.folder / f"{name}.log", "wb")
        script = (
            'mount --bind "$0" "$0" && mount --bind "$1" "$0/var/lib/etcd" && mount -t proc proc "$0/proc" '
            '&& mount -o remount,bind,ro "$0" && shift '
            f'&& exec chroot --userspec={USER}:{USER} "$0" /usr/local/bin/etcd "$@"')
        variables = dict(entry.split("=", 1) for entry in [*self.environment, *environment])
        self.running[name] = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, str(self.folder / "root"), str(volume),
             *arguments],
            stdout=log, stderr=subprocess.STDOUT, env={**variables, "PATH": os.environ["PATH"]})
        return name

    def pid(self, name):
        parent = self.running[name].pid
        with open(f"/proc/{parent}/task/{parent}/children") as file:
            return int(file.read().split()[0])

    def run(self, name, *words):
        target = str(self.pid(name))
        return subprocess.run(
            ["nsenter", "--target", target, "--mount", "--pid", "chroot", f"--userspec={USER}:{USER}", f"/proc/{target}/root",
             *words], capture_output=True, text=True, timeout=60)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def stop(self, name):
        os.kill(self.pid(name), 15)
        return self.wait(name)

    def wait(self, name):
        return self.running[name].wait(STOP_SECONDS)

    def remove(self, name):
        process = self.running.pop(name)
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def runtime(release, tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("needs root to give a volume to the image's user")
    if shutil.which("podman") and shutil.which("runc") and os.environ.get("IMAGE_RUNTIME") != "unshare":
        try:
            return Podman(release, tmp_path_factory.mktemp("podman"))
        except subprocess.CalledProcessError as error:
            print(f"podman does not work here: {error.stderr}")
    return ChangedRoot(release, tmp_path_factory.mktemp("root"))


@pytest.fixture
def volume(tmp_path):
    path = tmp_path / "volume"
    path.mkdir(mode=0o700)
    os.chown(path, USER, USER)
    # Others reach the volume through its parents.
    for parent in [tmp_path, *list(tmp_path.parents)[:-1]]:
        if parent.stat().st_uid == 0 and str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    return path


@pytest.fixture
def start(runtime):
    names = []

    def start_one(volume, arguments, environment=()):
        names.append(runtime.start(volume, arguments, environment))
        return names[-1]

    yield start_one
    for name in names:
        runtime.remove(name)


def wait_until_healthy(runtime, name, port):
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            if ask(port, "/health")["health"] == "true":
                return
        except (OSError, urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    pytest.fail(f"not healthy: {runtime.log(name)[-3000:]}")


def listeners(pid):
    """Listening sockets of a process: (address in hex, port)."""
    inodes = set()
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{entry}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    with open(f"/proc/{pid}/net/tcp") as file:
        for line in file.read().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, port = fields[1].split(":")
                found.add((address, int(port, 16)))
    return found


def test_put_and_get_with_few_rights(runtime, start, volume):
    client, peer = ports()
    name = start(volume, flags(client, peer))
    wait_until_healthy(runtime, name, client)
    pid = runtime.pid(name)
    assert {port for _, port in listeners(pid)} == {client, peer}

    put = ask(client, "/v3/kv/put", {"key": "aw==", "value": "dg=="})
    got = ask(client, "/v3/kv/range", {"key": "aw=="})
    assert got["kvs"][0]["value"] == "dg==" and got["kvs"][0]["mod_revision"] == put["header"]["revision"]

    with open(f"/proc/{pid}/status") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file)
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {str(USER)}
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    if runtime.kind == "podman":
        assert int(status["CapBnd"], 16) == 0 and status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    with open(f"/proc/{pid}/mountinfo") as file:
        mounts = {fields[4]: fields[5].split(",") for fields in map(str.split, file)}
    assert "ro" in mounts["/"]
    assert (volume / "member/snap/db").stat().st_uid == USER
    assert runtime.run(name, "/bin/sh", "-c", "true").returncode != 0


def test_etcdctl_of_the_image(runtime, start, volume):
    client, peer = ports()
    name = start(volume, flags(client, peer))
    wait_until_healthy(runtime, name, client)
    endpoint = f"--endpoints=http://127.0.0.1:{client}"
    assert runtime.run(name, "/usr/local/bin/etcdctl", endpoint, "put", "a", "b").stdout == "OK\n"
    assert runtime.run(name, "/usr/local/bin/etcdctl", endpoint, "get", "a").stdout == "a\nb\n"


def test_the_first_process_ends_at_sigterm_and_keeps_its_data(runtime, start, volume):
    client, peer = ports()
    name = start(volume, flags(client, peer))
    wait_until_healthy(runtime, name, client)
    ask(client, "/v3/kv/put", {"key": "aw==", "value": "dg=="})
    assert runtime.stop(name) == 0
    assert "received signal; shutting down" in runtime.log(name) and "closed etcd server" in runtime.log(name)
    again = start(volume, flags(client, peer))
    wait_until_healthy(runtime, again, client)
    assert ask(client, "/v3/kv/range", {"key": "aw=="})["kvs"][0]["value"] == "dg=="


def test_defaults_listen_everywhere_and_yield_to_variables(runtime, start, volume):
    """The defaults' own ports may be taken on this machine, so the defaults come with others here."""
    client, peer = ports()
    defaults = (
        f"SWIFT_ETCD_DEFAULTS=data-dir=/var/lib/etcd; listen-client-urls=http://0.0.0.0:{client} "
        f"advertise-client-urls=http://localhost:{client}; listen-peer-urls=http://0.0.0.0:{peer}")
    name = start(volume, [], [defaults, "ETCD_NAME=other"])
    wait_until_healthy(runtime, name, client)
    assert listeners(runtime.pid(name)) == {("00000000", client), ("00000000", peer)}
    assert (volume / "member").is_dir()
    member, = ask(client, "/v3/cluster/member/list", {})["members"]
    assert member["name"] == "other" and member["clientURLs"] == [f"http://localhost:{client}"]


def test_the_images_defaults(distroless):
    environment = distroless.load(distroless.load(distroless.image())["config"])["config"]["Env"]
    defaults, = [entry for entry in environment if entry.startswith("SWIFT_ETCD_DEFAULTS=")]
    for setting in ["data-dir=/var/lib/etcd", "listen-client-urls=http://0.0.0.0:2379", "listen-peer-urls=http://0.0.0.0:2380"]:
        assert setting in defaults


@pytest.mark.parametrize("mode, file", [(0o700, ""), (0o755, "/.touch")])
def test_volume_of_somebody_else(runtime, start, volume, mode, file):
    os.chown(volume, 0, 0)
    volume.chmod(mode)
    name = start(volume, flags(*ports()))
    assert runtime.wait(name) == 1
    log = runtime.log(name)
    assert f"cannot access data directory: open /var/lib/etcd{file}: permission denied" in log
    assert (
        "the data directory belongs to user 0, group 0, but etcd runs as user 65532, group 65532; "
        "change its owner (chown -R 65532:65532) or run etcd as the owner") in log


def test_no_volume_under_a_read_only_root(runtime, start, volume):
    name = start(volume, ["--data-dir=/elsewhere", *flags(*ports())])
    assert runtime.wait(name) == 1
    assert "cannot access data directory: mkdir /elsewhere: read-only file system" in runtime.log(name)


def compose_members():
    services = yaml.safe_load((ROOT / "container/compose.yaml").read_text())["services"]
    return [([], [f"{name}={value}" for name, value in each["environment"].items()]) for each in services.values()]


def pod_arguments():
    for each in yaml.safe_load_all((ROOT / "container/kubernetes/etcd.yaml").read_text()):
        if each["kind"] == "StatefulSet":
            container, = each["spec"]["template"]["spec"]["containers"]
            return [([word.replace("$(POD_NAME)", "etcd-0") for word in container["args"]], [])]


# As kubeadm writes them into its static pod.
KUBEADM = [([
    "--advertise-client-urls=https://127.0.0.1:2379", "--cert-file=/etc/etcd/server.crt", "--client-cert-auth=true",
    "--data-dir=/var/lib/etcd", "--feature-gates=InitialCorruptCheck=true", "--initial-advertise-peer-urls=https://127.0.0.1:2380",
    "--initial-cluster=node=https://127.0.0.1:2380", "--key-file=/etc/etcd/server.key",
    "--listen-client-urls=https://127.0.0.1:2379", "--listen-metrics-urls=http://127.0.0.1:2381",
    "--listen-peer-urls=https://127.0.0.1:2380", "--name=node", "--peer-cert-file=/etc/etcd/server.crt",
    "--peer-client-cert-auth=true", "--peer-key-file=/etc/etcd/server.key", "--peer-trusted-ca-file=/etc/etcd/ca.crt",
    "--snapshot-count=10000", "--trusted-ca-file=/etc/etcd/ca.crt", "--watch-progress-notify-interval=5s",
], [])]


@pytest.mark.parametrize("arguments, environment", [*compose_members(), *pod_arguments(), *KUBEADM])
def test_deployments_settings_are_understood(runtime, start, volume, arguments, environment):
    """All settings pass; the certificates, which are not there, are the first thing missed."""
    name = start(volume, arguments, environment)
    assert runtime.wait(name) == 1
    log = runtime.log(name)
    fatal = [line for line in log.splitlines() if '"level":"fatal"' in line]
    assert "/etc/etcd/server.crt" in fatal[-1], log[-2000:]
    assert "unrecognized" not in log and "not defined" not in log
