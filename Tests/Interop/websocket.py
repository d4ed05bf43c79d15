"""A WebSocket client by hand: enough to talk to the gateway, and to be rude to it."""

import base64
import json
import os
import socket
import struct


class WebSocket:
    def __init__(self, member, path, fields=(), timeout=10):
        self.connection = socket.create_connection(("127.0.0.1", member.client), timeout=timeout)
        head = [
            f"GET {path} HTTP/1.1", f"Host: {member.endpoint}", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode(), *fields,
        ]
        self.connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        self.reader = self.connection.makefile("rb")
        self.status = int(self.reader.readline().split()[1])
        self.fields = {}
        while line := self.reader.readline().strip().decode():
            name, value = line.split(":", 1)
            self.fields[name.lower()] = value.strip()

    def send(self, message, opcode=1, final=True):
        """One frame; frames of clients are masked."""
        raw = message if isinstance(message, bytes) else json.dumps(message).encode()
        mask = os.urandom(4)
        size = len(raw)
        length = (
            bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + struct.pack(">H", size) if size < 65536
            else bytes([0x80 | 127]) + struct.pack(">Q", size))
        body = bytes(byte ^ mask[index % 4] for index, byte in enumerate(raw))
        self.connection.sendall(bytes([(0x80 if final else 0) | opcode]) + length + mask + body)

    def receive(self):
        """The next frame: its opcode and content; (None, b"") at the end of the connection."""
        head = self.reader.read(2)
        if len(head) < 2:
            return None, b""
        size = head[1] & 0x7F
        if size == 126:
            size = struct.unpack(">H", self.reader.read(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.reader.read(8))[0]
        return head[0] & 0xF, self.reader.read(size)

    def json(self):
        opcode, content = self.receive()
        assert opcode == 1, (opcode, content)
        return json.loads(content)

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
