"""Names of hosts, where they stand for addresses: in the members' URLs and in their certificates.

In mount namespaces of their own, where /etc/hosts is ours."""

import subprocess

import pytest

import harness
from cluster import retry
from test_cluster_care import SecureCluster, flags
from test_tls import Authority

pytestmark = pytest.mark.skipif(
    subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0, reason="no namespaces here")


def resolving(tmp_path, lines):
    """A wrapper under which a program knows these hosts."""
    hosts = tmp_path / "hosts"
    hosts.write_text("\n".join(lines) + "\n")
    return ["unshare", "-m", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"]


class NamedMember(harness.Member):
    """Advertised by a name, in a cluster that names its address."""

    def arguments(self):
        arguments = super().arguments()
        position = arguments.index("--initial-advertise-peer-urls")
        arguments[position + 1] = f"http://member.test:{self.peer}"
        return arguments


@pytest.mark.parametrize("kind", ["ours", "go"])
def test_a_name_is_as_good_as_its_address(tmp_path, kind):
    program = harness.go_program("etcd") if kind == "go" else None
    wrapper = resolving(tmp_path, ["127.0.0.1 localhost member.test"])
    with NamedMember(tmp_path / "data", program=program, wrapper=wrapper) as member:
        member.put("a", "1")


@pytest.mark.parametrize("kind", ["ours", "go"])
def test_a_name_of_another_address_is_refused(tmp_path, kind):
    program = harness.go_program("etcd") if kind == "go" else None
    wrapper = resolving(tmp_path, ["127.0.0.1 localhost", "127.0.0.9 member.test"])
    member = NamedMember(tmp_path / "data", program=program, wrapper=wrapper)
    member.start(wait=False)
    assert member.process.wait(20) == 1
    log = member.log()
    assert f"--initial-cluster has default=http://127.0.0.1:{member.peer} but missing from" in log
    # 3.5's Go puts the two into other words.
    assert kind == "go" or f'resolved urls: \\"http://127.0.0.9:{member.peer}\\" != \\"http://127.0.0.1:{member.peer}\\"' in log


@pytest.mark.parametrize("kinds", [("ours", "ours"), ("go", "ours")], ids="-".join)
@pytest.mark.parametrize("lines,passes", [
    # The address leads back to a host that the certificate's pattern covers.
    (["127.0.0.1 one.members.test localhost"], True),
    # A second name of the address does, too.
    (["127.0.0.1 localhost one.members.test"], True),
    (["127.0.0.1 localhost one.elsewhere.test"], False),
])
def test_certificates_may_cover_hosts_by_a_pattern(tmp_path, kinds, lines, passes):
    authority = Authority(tmp_path)
    serving = authority.issue("serving")
    shown = authority.issue("shown", hosts=("*.members.test",), address="127.0.0.9")

    def files(member):
        # 3.5's Go asks with what it serves with.
        own = [] if member.kind == "go" else ["--peer-client-cert-file", shown[0], "--peer-client-key-file", shown[1]]
        return flags(serving[0], serving[1], authority.path) + own

    cluster = SecureCluster(tmp_path, kinds, files)
    wrapper = resolving(tmp_path, lines)
    for member in cluster.members:
        member.wrapper = wrapper
    if passes:
        with cluster:
            cluster.members[0].put("a", "1")
    else:
        try:
            for member in cluster.members:
                member.start(wait=False)
            retry(lambda: rejected(cluster))
        finally:
            cluster.__exit__()


def rejected(cluster):
    """In the words of both: Go 3.5 says less."""
    assert any("rejected connection" in member.log() for member in cluster.members)
