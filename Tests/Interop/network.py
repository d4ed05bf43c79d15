"""A network between members that can be cut: each member's peer URL is a relay in front of it."""

import socket
import threading

import harness
from cluster import Cluster, ClusterMember


class Relay:
    """Passes connections on to a member's peer port, unless their sender is cut off."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.blocked = set()
        self.connections = {}
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                piece = connection.recv(65536)
                if not piece:
                    return connection.close()
                head += piece
        except OSError:
            return connection.close()
        fields = dict(
            line.split(b":", 1) for line in head.split(b"\r\n\r\n")[0].lower().split(b"\r\n")[1:] if b":" in line)
        # Probes do not say who they are.
        sender = fields.get(b"x-server-from", b"").strip().decode()
        with self.lock:
            if sender in self.blocked or "*" in self.blocked:
                return connection.close()
        try:
            onward = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            onward.settimeout(None)
            onward.sendall(head)
        except OSError:
            return connection.close()
        with self.lock:
            self.connections[connection] = (onward, sender)
        threading.Thread(target=self.pump, args=(onward, connection), daemon=True).start()
        self.pump(connection, onward)
        with self.lock:
            self.connections.pop(connection, None)

    @staticmethod
    def pump(source, sink):
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def block(self, senders):
        """Ends what is open from them, and lets nothing new in."""
        with self.lock:
            self.blocked = set(senders)
            for connection, (onward, sender) in list(self.connections.items()):
                if sender in self.blocked or "*" in self.blocked:
                    for end in (connection, onward):
                        try:
                            end.shutdown(socket.SHUT_RDWR)
                        except OSError:
                            pass

    def close(self):
        self.listener.close()
        self.block({"*"})


class RelayedMember(ClusterMember):
    relay = None

    @property
    def peer_url(self):
        return f"http://127.0.0.1:{self.relay.port if self.relay else self.peer}"

    def arguments(self):
        arguments = super().arguments()
        position = arguments.index("--initial-advertise-peer-urls")
        arguments[position + 1] = self.peer_url
        return arguments


class PartitionedCluster(Cluster):
    def make(self, kind):
        name = f"m{self.count}"
        self.count += 1
        member = RelayedMember(self.folder / name, kind, name, self.extra)
        member.relay = Relay(member.peer)
        return member

    def __enter__(self):
        super().__enter__()
        self.ids = {member.name: format(self.id(member), "x") for member in self.members}
        return self

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        for member in self.members:
            member.relay.close()

    def isolate(self, member, hears=False, speaks=False):
        """Cuts a member off; it may still hear the others, or be heard."""
        for other in self.members:
            if other is member:
                if not hears:
                    other.relay.block(set(self.ids.values()))
            elif not speaks:
                other.relay.block({self.ids[member.name]})

    def heal(self):
        for member in self.members:
            member.relay.block(set())
