"""HTTP/2 frames by hand: a client that can be as rude as no library is."""

import select
import socket
import struct
import time

DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW_MAX = (1 << 31) - 1


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def number(value):
    return struct.pack(">I", value)


def settings(**values):
    numbers = {"table": 1, "push": 2, "streams": 3, "window": 4, "size": 5, "list": 6}
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", numbers[name], value) for name, value in values.items()))


def hpack_integer(value, bits, first=0):
    """An integer of HPACK, in front of it the bits of `first`."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([first | value])
    out, value = bytearray([first | limit]), value - limit
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def literal(name, value, indexed=False):
    return (
        (b"\x40" if indexed else b"\0") + hpack_integer(len(name), 7) + name + hpack_integer(len(value), 7) + value)


def head(path, *fields):
    """The head of a gRPC call as a block."""
    return b"\x83\x86" + b"".join(
        literal(name, value) for name, value in
        [(b":path", path), (b":authority", b"a"), (b"content-type", b"application/grpc"), (b"te", b"trailers"), *fields])


def message(body):
    return b"\0" + number(len(body)) + body


class Connection:
    def __init__(self, port, greets=True, timeout=10, **values):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.buffer = bytearray()
        self.is_over = False
        if greets:
            self.send(PREFACE + settings(**values))

    def send(self, data):
        """False once the member has ended the connection, or takes nothing any more for two seconds."""
        deadline = time.monotonic() + 2
        view = memoryview(data)
        self.socket.setblocking(False)
        try:
            while view:
                try:
                    view = view[self.socket.send(view):]
                except BlockingIOError:
                    if not select.select([], [self.socket], [], deadline - time.monotonic())[1]:
                        return False
                except OSError:
                    self.is_over = True
                    return False
            return True
        finally:
            self.socket.settimeout(10)

    def call(self, stream, path, body, ends=True, *fields):
        return self.send(
            frame(HEADERS, END_HEADERS, stream, head(path, *fields))
            + frame(DATA, END_STREAM if ends else 0, stream, message(body)))

    def frames(self, seconds=1.0):
        """What comes within the time, or until the connection ends."""
        deadline = time.monotonic() + seconds
        while True:
            while len(self.buffer) >= 9:
                size = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) < 9 + size:
                    break
                kind, flags = self.buffer[3], self.buffer[4]
                stream = int.from_bytes(self.buffer[5:9], "big") & WINDOW_MAX
                payload = bytes(self.buffer[9:9 + size])
                del self.buffer[:9 + size]
                yield kind, flags, stream, payload
            left = deadline - time.monotonic()
            if left <= 0 or self.is_over:
                return
            self.socket.settimeout(left)
            try:
                piece = self.socket.recv(1 << 18)
            except TimeoutError:
                return
            except OSError:
                piece = b""
            if not piece:
                self.is_over = True
            self.buffer += piece

    def sent_away(self, seconds=5.0):
        """Whether the member ends the connection or says GOAWAY with an error."""
        for kind, _, _, payload in self.frames(seconds):
            if kind == GOAWAY and payload[4:8] != number(0):
                return True
        return self.is_over

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
