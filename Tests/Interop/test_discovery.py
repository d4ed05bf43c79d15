"""Members that find each other: in a running etcd, and by DNS."""

import socket
import struct
import subprocess
import threading
import time

import pytest

import harness
from cluster import Cluster, ClusterMember, retry
from test_tls import Authority, SecureMember, etcdctl


class DiscoveredMember(ClusterMember):
    def __init__(self, directory, name, flags):
        super().__init__(directory, name=name)
        self.flags = flags

    def arguments(self):
        arguments = super().arguments()
        position = arguments.index("--initial-cluster")
        return arguments[:position] + arguments[position + 2:] + self.flags


@pytest.mark.parametrize("service", ["ours", "go"])
def test_discovery_service(tmp_path, service):
    program = harness.go_program("etcd") if service == "go" else None
    with harness.Member(tmp_path / "service", program=program) as registry:
        registry.put("/_etcd/registry/token1/_config/size", "3")
        flags = ["--discovery-token", "token1", "--discovery-endpoints", f"http://{registry.endpoint}"]
        cluster = Cluster(tmp_path, ())
        cluster.members = [DiscoveredMember(tmp_path / f"m{n}", f"m{n}", flags) for n in range(3)]
        with cluster:
            for member in cluster.members:
                member.put(f"from-{member.name}", "1")
            cluster.wait_equal()
            late = DiscoveredMember(tmp_path / "m3", "m3", flags)
            late.start(wait=False)
            assert late.process.wait(20) == 1
            assert "discovery: cluster is full" in late.log()
        stray = DiscoveredMember(tmp_path / "m4", "m4", ["--discovery-token", "none"] + flags[2:])
        stray.start(wait=False)
        assert stray.process.wait(20) == 1
        assert "discovery: size key not found" in stray.log()


@pytest.mark.parametrize("service", ["ours", "go"])
def test_discovery_service_with_certificates_and_a_user(tmp_path, service):
    """Every flag by which members reach their discovery service has its effect."""
    authority = Authority(tmp_path)
    server, client = authority.issue("server"), authority.issue("client", common_name=None)
    program = harness.go_program("etcd") if service == "go" else None
    # The gateway turns away whoever shows a certificate with a name.
    secure = ["--cert-file", server[0], "--key-file", server[1], "--trusted-ca-file", authority.path, "--client-cert-auth"]
    with SecureMember(tmp_path / "service", program=program, extra=secure) as registry:
        def ctl(*arguments):
            done = etcdctl(registry, authority.path, client, arguments)
            assert done.returncode == 0, done.stderr

        ctl("put", "/_etcd/registry/token1/_config/size", "1")
        ctl("user", "add", "root:secret")
        ctl("user", "grant-role", "root", "root")
        ctl("auth", "enable")
        reached = [
            "--discovery-token", "token1", "--discovery-endpoints", f"127.0.0.1:{registry.client}",
            "--discovery-insecure-transport=false", "--discovery-cert", client[0], "--discovery-key", client[1],
            "--discovery-dial-timeout", "3s", "--discovery-request-timeout", "4s", "--discovery-keepalive-time", "1s",
            "--discovery-keepalive-timeout", "3s", "--discovery-fallback", "exit"]
        trusting = ["--discovery-cacert", authority.path]

        def found(number, flags):
            member = DiscoveredMember(tmp_path / f"m{number}", f"m{number}", reached + flags)
            try:
                member.start()
                member.put("a", "1")
            finally:
                member.kill()

        def turned_away(number, flags):
            member = DiscoveredMember(tmp_path / f"m{number}", f"m{number}", reached + flags)
            try:
                member.start(wait=False)
                retry(lambda: _retries(member))
            finally:
                member.kill()

        # Nobody, somebody with a wrong password, and one whose service it cannot trust.
        turned_away(1, trusting)
        turned_away(2, trusting + ["--discovery-user", "root:wrong"])
        turned_away(3, ["--discovery-user", "root:secret"])
        found(4, trusting + ["--discovery-user", "root", "--discovery-password", "secret"])
        # The place is taken; who reads the full list has got in.
        late = DiscoveredMember(
            tmp_path / "m5", "m5",
            reached + ["--discovery-insecure-skip-tls-verify", "--discovery-user", "root:secret"])
        late.start(wait=False)
        assert late.process.wait(20) == 1
        assert "discovery: cluster is full" in late.log()


def _retries(member):
    assert "retry connecting to discovery service" in member.log()


class NameServer:
    """Answers one SRV question, for ports on loopback."""

    def __init__(self, name, ports):
        self.name, self.ports = name, ports
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                question, client = self.socket.recvfrom(4096)
            except OSError:
                return
            end = question.index(b"\0", 12) + 5
            labels, at = [], 12
            while question[at]:
                labels.append(question[at + 1:at + 1 + question[at]].decode())
                at += 1 + question[at]
            answers = b""
            known = ".".join(labels).lower() == self.name and question[at + 1:at + 3] == b"\0\x21"
            if known:
                for number, port in enumerate(self.ports):
                    host = b"\x09localhost\0"
                    data = struct.pack(">HHH", number, 0, port) + host
                    answers += b"\xc0\x0c" + struct.pack(">HHIH", 33, 1, 60, len(data)) + data
            flags = 0x8180 if known else 0x8183
            head = question[:2] + struct.pack(">HHHHH", flags, 1, len(self.ports) if known else 0, 0, 0)
            self.socket.sendto(head + question[12:end] + answers, client)

    def close(self):
        self.socket.close()


def test_service_records(tmp_path):
    """In a mount namespace of its own, where the resolver's configuration names our server."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        pytest.skip("no namespaces here")
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
    flags = ["--discovery-srv", "cluster.test", "--initial-cluster-token", "by-dns"]
    members = [DiscoveredMember(tmp_path / f"m{n}", f"m{n}", flags) for n in range(3)]
    try:
        server = NameServer("_etcd-server._tcp.cluster.test", [member.peer for member in members])
    except OSError as error:
        pytest.skip(f"no port 53 here: {error}")
    cluster = Cluster(tmp_path, ())
    cluster.members = members
    for member in members:
        member.wrapper = [
            "unshare", "-m", "sh", "-c", f'mount --bind {resolver} /etc/resolv.conf && exec "$@"', "sh"]
        before = member.arguments
        member.arguments = lambda before=before: [
            text.replace("http://127.0.0.1", "http://localhost") if "peer-urls" in last else text
            for last, text in zip([""] + before(), before())]
    try:
        with cluster:
            for member in members:
                member.put(f"from-{member.name}", "1")
            cluster.wait_equal()
    finally:
        server.close()
