"""Members as hosts of their own: network namespaces on one bridge, whose packets nft drops. Needs root.

Where relays reset connections, here packets vanish: nobody is told, and connections hang until somebody gives them up.
Everything is inside of namespaces that are made here and go with the test, addresses, too.
"""

import ctypes
import itertools
import os
import shutil
import subprocess

from cluster import Cluster, ClusterMember

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()


def missing():
    """Why there can be none here; empty if there can."""
    if os.geteuid() != 0:
        return "namespaces need root"
    for program in ("ip", "nft", "unshare"):
        if not shutil.which(program):
            return f"no program {program}"
    # A loss by dice is the most that is asked of the kernel.
    trial = (
        "ip link add b0 type bridge && ip link add v0 type veth peer name v1 && nft add table inet f && "
        "nft 'add chain inet f i { type filter hook input priority 0; }' && "
        "nft 'add rule inet f i numgen random mod 100 < 30 drop'")
    ended = subprocess.run(["unshare", "-n", "sh", "-c", trial], capture_output=True, text=True)
    return "" if ended.returncode == 0 else f"no namespaces here: {ended.stderr.strip()}"


def run(*arguments):
    ended = subprocess.run(arguments, capture_output=True, text=True)
    assert ended.returncode == 0, f"{' '.join(arguments)}: {ended.stderr}"


def enter(descriptor):
    """This thread and those it starts are in that namespace from now on."""
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Hosts:
    """A hub, in which the test itself is as long as this lasts, and hosts around it."""

    def __init__(self, count):
        prefix = f"etcd-{os.getpid()}-{next(_numbers)}"
        self.hub = f"{prefix}-hub"
        self.names = [f"{prefix}-{number}" for number in range(count)]
        self.addresses = [f"10.99.0.{number + 1}" for number in range(count)]
        self.made = []

    def __enter__(self):
        self.outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            self.make(self.hub)
            self.inside(self.hub, "ip", "link", "add", "bridge", "type", "bridge")
            self.inside(self.hub, "ip", "address", "add", "10.99.0.254/24", "dev", "bridge")
            self.inside(self.hub, "ip", "link", "set", "bridge", "up")
            for number, (name, address) in enumerate(zip(self.names, self.addresses)):
                self.make(name)
                self.inside(
                    self.hub, "ip", "link", "add", f"host{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
                self.inside(self.hub, "ip", "link", "set", f"host{number}", "master", "bridge", "up")
                self.inside(name, "ip", "address", "add", f"{address}/24", "dev", "eth0")
                self.inside(name, "ip", "link", "set", "eth0", "up")
                self.inside(name, "nft", "add", "table", "inet", "faults")
                self.inside(
                    name, "nft", "add", "chain", "inet", "faults", "input", "{ type filter hook input priority 0; }")
            with open(f"/run/netns/{self.hub}", "rb") as file:
                enter(file.fileno())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        enter(self.outside)
        os.close(self.outside)
        for name in self.made:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)

    def make(self, name):
        run("ip", "netns", "add", name)
        self.made.append(name)
        self.inside(name, "ip", "link", "set", "lo", "up")

    @staticmethod
    def inside(name, *arguments):
        run("ip", "netns", "exec", name, *arguments)

    # Faults. The hub's packets, which are the clients', are never touched.

    def drop(self, target, source, percent=100):
        """Of what the source sends, so much is lost on its way to the target."""
        rule = ["ip", "saddr", self.addresses[source]]
        if percent < 100:
            rule += ["numgen", "random", "mod", "100", "<", str(percent)]
        self.inside(self.names[target], "nft", "add", "rule", "inet", "faults", "input", *rule, "drop")

    def heal(self):
        for name in self.names:
            self.inside(name, "nft", "flush", "chain", "inet", "faults", "input")


class HostMember(ClusterMember):
    hosts = None
    number = 0

    @property
    def address(self):
        return self.hosts.addresses[self.number]

    @property
    def endpoint(self):
        return f"{self.address}:{self.client}"

    @property
    def peer_url(self):
        return f"http://{self.address}:{self.peer}" if self.hosts else ""

    def arguments(self):
        return [text.replace("127.0.0.1", self.address) for text in super().arguments()]


class HostCluster(Cluster):
    """Each member on a host of its own."""

    def __init__(self, hosts, folder, kinds=("ours", "ours", "ours"), extra=()):
        self.hosts = hosts
        super().__init__(folder, kinds, extra)

    def make(self, kind):
        number = self.count
        self.count += 1
        member = HostMember(self.folder / f"m{number}", kind, f"m{number}", self.extra)
        member.hosts, member.number = self.hosts, number
        member.wrapper = ["ip", "netns", "exec", self.hosts.names[number]]
        return member

    def __enter__(self):
        super().__enter__()
        self.ids = {member.name: format(self.id(member), "x") for member in self.members}
        return self

    def isolate(self, member, hears=False, speaks=False):
        """Packets between the member and the others vanish; it may still hear, or be heard."""
        for other in self.members:
            if other is member:
                continue
            if not hears:
                self.hosts.drop(member.number, other.number)
            if not speaks:
                self.hosts.drop(other.number, member.number)

    def lose(self, percent):
        """So many of a hundred packets between any two are lost."""
        for one in self.members:
            for other in self.members:
                if one is not other:
                    self.hosts.drop(one.number, other.number, percent)

    def heal(self):
        self.hosts.heal()
