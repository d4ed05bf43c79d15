"""A collector of traces: OTLP over gRPC, as far as the tests need it."""

import concurrent.futures
import contextlib
import threading
import time

import grpc

import harness
from test_grpc import fields

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def attribute(message):
    pair = dict(fields(message))
    ((kind, value),) = fields(pair[2])
    if kind == 1:
        value = value.decode()
    elif kind == 2:
        value = bool(value)
    elif kind == 3 and value >= 1 << 63:
        value -= 1 << 64
    return pair[1].decode(), value


class Span:
    def __init__(self, message, resource, scope):
        self.resource, self.scope = resource, scope
        self.attributes, self.events = {}, []
        self.trace_id = self.span_id = self.parent_id = b""
        self.name = self.state = ""
        self.kind = self.begun = self.ended = self.flags = 0
        self.status = (0, "")
        for number, value in fields(message):
            if number == 1:
                self.trace_id = value.hex()
            elif number == 2:
                self.span_id = value.hex()
            elif number == 3:
                self.state = value.decode()
            elif number == 4:
                self.parent_id = value.hex()
            elif number == 5:
                self.name = value.decode()
            elif number == 6:
                self.kind = value
            elif number == 7:
                self.begun = value
            elif number == 8:
                self.ended = value
            elif number == 9:
                name, content = attribute(value)
                assert name not in self.attributes
                self.attributes[name] = content
            elif number == 11:
                self.events.append(dict(attribute(v) for n, v in fields(value) if n == 3))
            elif number == 15:
                status = dict(fields(value))
                self.status = (status.get(3, 0), status.get(2, b"").decode())
            elif number == 16:
                self.flags = value


class Collector:
    """Keeps what it is sent; `answer` may be replaced by something that refuses, or takes long."""

    def __init__(self, port=None):
        self.port = port or harness.free_port()
        self.spans, self.requests = [], 0
        self.lock = threading.Lock()
        self.answer = lambda context: b""

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def export(self, message, context):
        answer = self.answer(context)
        found = []
        for _, part in fields(message):
            part = fields(part)
            resource = dict(attribute(value) for number, value in fields(part[0][1]) if number == 1)
            for number, scope_spans in part:
                if number != 2:
                    continue
                scope = dict(fields(next(value for n, value in fields(scope_spans) if n == 1)))
                found += [
                    Span(value, resource, (scope[1].decode(), scope.get(2, b"").decode()))
                    for n, value in fields(scope_spans) if n == 2]
        with self.lock:
            self.requests += 1
            self.spans += found
        return answer

    def __enter__(self):
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        service, method = METHOD[1:].split("/")
        handler = grpc.unary_unary_rpc_method_handler(self.export)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        assert self.server.add_insecure_port(self.address)
        self.server.start()
        return self

    def __exit__(self, *_):
        self.server.stop(0).wait(5)

    def named(self, name):
        with self.lock:
            return [span for span in self.spans if span.name == name]

    def wait(self, name, count=1, seconds=20):
        deadline = time.monotonic() + seconds
        while len(self.named(name)) < count:
            assert time.monotonic() < deadline, f"{name}: {sorted({span.name for span in self.spans})}"
            time.sleep(0.05)
        return self.named(name)


@contextlib.contextmanager
def silent_port():
    """A port that takes connections and never says a word."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
