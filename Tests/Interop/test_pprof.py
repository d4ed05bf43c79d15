"""`/debug/pprof/`: the same pages as Go's, profiles that its tools can read, and a member that serves meanwhile."""

import re
import socket
import threading
import time
import urllib.error
import urllib.request

import harness
import pytest
from pprof import Profile
from test_proxy import Proxy

KINDS = ("allocs", "block", "goroutine", "heap", "mutex", "threadcreate")


class Unmoved(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def ask(port, path, method="GET", body=None, timeout=30):
    """(status, fields, body), redirections as they are."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/debug/pprof{path}", data=body, method=method)
    try:
        with urllib.request.build_opener(Unmoved).open(request, timeout=timeout) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pprof")
    ours = harness.Member(folder / "ours", environment={"ETCD_ENABLE_PPROF": "true"})
    theirs = harness.Member(folder / "go", program=harness.go_program("etcd"), extra=["--enable-pprof"])
    with ours, theirs:
        yield {"ours": ours, "go": theirs}


PAGES = [
    "", "?a=b&c=\"<'>", "/", "/cmdline", "/profile?seconds=1", "/symbol", "/symbol?0x1", *(f"/{kind}" for kind in KINDS),
    *(f"/{kind}?debug=1" for kind in KINDS), "/goroutine?debug=2", *(f"/{kind}?seconds=1" for kind in KINDS), "/heap?gc=1",
    "/nothing", "/profile/", "/heap?seconds=x", "/heap?seconds=0", "/heap?seconds=1&debug=1", "/heap?seconds=&debug=0",
]


def shape(answer):
    """What does not depend on what the process does."""
    status, fields, body = answer
    if status == 301:
        # The library that Go etcd 3.7 is built with says that the page may come back.
        status, body = 307, body.replace(b"Moved Permanently", b"Temporary Redirect")
    names = ("content-type", "content-disposition", "x-content-type-options", "x-go-pprof", "location")
    return status, {name: fields[name] for name in names}, body if status >= 300 else None


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_as_those_of_go(members, path):
    ours, theirs = (ask(members[kind].client, path) for kind in ("ours", "go"))
    assert shape(ours) == shape(theirs)
    if "application/octet-stream" in ours[1].get("content-type", ""):
        one, other = Profile(ours[2]), Profile(theirs[2])
        assert one.types == other.types and one.period_type == other.period_type
        assert one.default_type == other.default_type
        assert 0 < one.nanoseconds and ("seconds=1" in path) == (one.duration > 0)


def test_methods(members):
    for method in ("HEAD", "POST", "PUT"):
        one, other = (shape(ask(members[kind].client, "/heap", method)) for kind in ("ours", "go"))
        assert one == other, method


def test_the_index_lists_what_go_lists(members):
    def names(kind):
        return re.findall(r"<a href='([a-z]+)\?debug=1'>", ask(members[kind].client, "/")[2].decode())

    # Two that came with later releases of Go's library.
    theirs = [name for name in names("go") if name not in ("goroutineleak", "symbol")]
    assert names("ours") == theirs == sorted([*KINDS, "cmdline", "profile", "trace"])


def test_the_command_line(members):
    for member in members.values():
        assert ask(member.client, "/cmdline")[2].split(b"\0") == [text.encode() for text in member.arguments()]


def test_the_log_says_so(members):
    for member in members.values():
        assert '"msg":"pprof is enabled","path":"/debug/pprof"' in member.log()


def test_traces_are_refused(members):
    status, fields, body = ask(members["ours"].client, "/trace?seconds=1")
    assert status == 501 and fields["x-go-pprof"] == "1" and b"not a program of Go" in body


@pytest.mark.parametrize("kind", ["ours", "go"])
def test_a_profile_of_a_busy_member(members, kind):
    """It has samples with stacks in files that are mapped, and who puts meanwhile does not wait for it."""
    member = members[kind]
    answer = {}
    thread = threading.Thread(target=lambda: answer.update(page=ask(member.client, "/profile?seconds=3")))
    begun = time.monotonic()
    thread.start()
    puts = 0
    while thread.is_alive():
        member.put(f"k{puts % 10}", "x" * 100)
        puts += 1
    assert time.monotonic() - begun >= 3
    assert puts > 100
    status, _, body = answer["page"]
    assert status == 200
    profile = Profile(body)
    assert profile.types == [("samples", "count"), ("cpu", "nanoseconds")]
    assert profile.period == 10_000_000 and 3e9 <= profile.duration < 30e9
    assert profile.total() > 0 and profile.total(1) == profile.total() * 10_000_000
    if kind == "ours":
        assert max(len(stack) for stack, _, _ in profile.samples) > 5
        assert any(labels["thread"].startswith("NIO-ELT") for _, _, labels in profile.samples)
        places = [place for stack, _, _ in profile.samples for place in stack]
        known = [place for place in places if place[1]]
        assert len(known) > 0.9 * len(places)
        for address, mapping, _ in known:
            start, limit = profile.mappings[mapping][:2]
            assert start <= address < limit
        assert any(mapping[3].endswith("/etcd") for mapping in profile.mappings.values())


@pytest.mark.parametrize("kind", ["ours", "go"])
def test_there_is_one_profile_at_a_time(members, kind):
    member = members[kind]
    deadline = time.monotonic() + 60
    while True:
        # A client that goes away ends its own.
        with socket.create_connection(("127.0.0.1", member.client)) as first:
            first.sendall(b"GET /debug/pprof/profile?seconds=600 HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = ask(member.client, "/profile?seconds=1")
        if answer[0] != 200:
            break
        # The second was begun before the first, which was refused then: both again.
        assert time.monotonic() < deadline
    assert answer[0] == 500 and answer[1]["x-go-pprof"] == "1"
    assert answer[2] == b"Could not enable CPU profiling: cpu profiling already in use\n"
    deadline = time.monotonic() + 30
    while ask(member.client, "/profile?seconds=1")[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_over_http2(members):
    """The other way to the same pages."""
    import subprocess

    url = f"http://127.0.0.1:{members['ours'].client}/debug/pprof"
    def fetch(path):
        return subprocess.run(["curl", "-s", "--http2-prior-knowledge", "-m", "20", url + path], capture_output=True).stdout

    assert Profile(fetch("/heap")).total(3) > 0
    assert Profile(fetch("/profile?seconds=1")).types[0] == ("samples", "count")
    assert subprocess.run(
        ["curl", "-s", "--http2-prior-knowledge", "-m", "1", url + "/profile?seconds=600"], capture_output=True).returncode == 28
    deadline = time.monotonic() + 30
    while fetch("/profile?seconds=1").startswith(b"Could not"):
        assert time.monotonic() < deadline


def test_threads_and_memory(members):
    port = members["ours"].client
    threads = Profile(ask(port, "/goroutine")[2])
    names = {stack[0][2][0] for stack, _, _ in threads.samples}
    assert {"etcd-log", "etcd-commit", "etcd-chores"} <= names
    assert threads.total() >= len(names)
    assert 1 << 20 < Profile(ask(port, "/heap")[2]).total(3) < 4 << 30


def test_signals_that_come_late_do_no_harm(members):
    """After a profile the signal is ignored: it would end the process."""
    import os
    import signal

    member = members["ours"]
    assert ask(member.client, "/profile?seconds=1")[0] == 200
    os.kill(member.process.pid, signal.SIGPROF)
    member.put("a", "1")
    assert member.process.poll() is None


def test_profiles_again_and_again_under_load(members):
    """Begun and ended many times while the member writes: nothing is lost, and it goes on."""
    member = members["ours"]
    ended = threading.Event()
    failures, acknowledged = [], {}

    def put():
        number = 0
        while not ended.is_set():
            number += 1
            try:
                member.put(f"load-{number % 50}", str(number))
                acknowledged[f"load-{number % 50}"] = str(number)
            except (OSError, AssertionError) as error:
                failures.append(error)

    thread = threading.Thread(target=put)
    thread.start()
    try:
        for _ in range(15):
            with socket.create_connection(("127.0.0.1", member.client)) as client:
                client.sendall(b"GET /debug/pprof/profile?seconds=600 HTTP/1.1\r\nHost: a\r\n\r\n")
                time.sleep(0.1)
        assert Profile(poll_profile(member.client)).total() > 0
    finally:
        ended.set()
        thread.join(20)
    assert not failures
    kept = {pair["key"]: pair["value"] for pair in member.all_keys()}
    assert all(kept[harness.b64(key)] == harness.b64(value) for key, value in acknowledged.items())


def poll_profile(port, seconds=10):
    deadline = time.monotonic() + seconds
    while True:
        status, _, body = ask(port, "/profile?seconds=1")
        if status == 200:
            return body
        assert time.monotonic() < deadline, body


def test_only_where_it_is_asked_for(tmp_path):
    metrics = harness.free_port()
    with harness.Member(tmp_path / "off") as member:
        assert ask(member.client, "/")[0] == ask(member.client, "/heap")[0] == 404
    extra = ["--log-level", "debug", "--listen-metrics-urls", f"http://127.0.0.1:{metrics}"]
    for program in (None, harness.go_program("etcd")):
        with harness.Member(tmp_path / ("go" if program else "ours"), program=program, extra=extra) as member:
            assert ask(member.client, "/")[0] == 200
            assert ask(metrics, "/")[0] == 404
            assert "pprof is enabled" not in member.log()


@pytest.mark.parametrize("program", ["ours", "go"])
def test_the_proxy_has_them_too(tmp_path, program):
    with harness.Member(tmp_path / "m", program=harness.go_program("etcd")) as member:
        kind = None if program == "ours" else harness.go_program("etcd")
        with Proxy(tmp_path, "grpc-proxy", [member.endpoint], "--enable-pprof", program=kind) as proxy:
            assert ask(proxy.client, "")[0] in ((307,) if program == "ours" else (301, 307))
            assert Profile(ask(proxy.client, "/profile?seconds=1")[2]).period == 10_000_000
            # Go samples one allocation in half a megabyte; a young proxy may have none.
            assert Profile(ask(proxy.client, "/heap")[2]).total(3) >= (1 if program == "ours" else 0)
            assert ask(proxy.client, "/symbol", body=b"0x1")[2].startswith(b"num_symbols: 1\n")
            assert ask(proxy.client, "/nothing")[0] == 404
            assert '"msg":"gRPC proxy enabled pprof","path":"/debug/pprof"' in proxy.log()
        with Proxy(tmp_path, "grpc-proxy", [member.endpoint], program=kind) as proxy:
            assert ask(proxy.client, "/heap")[0] == 404


def test_a_member_stops_while_it_is_profiled(tmp_path):
    with harness.Member(tmp_path / "m", extra=["--enable-pprof"]) as member:
        with socket.create_connection(("127.0.0.1", member.client)) as client:
            client.sendall(b"GET /debug/pprof/profile?seconds=600 HTTP/1.1\r\nHost: a\r\n\r\n")
            deadline = time.monotonic() + 30
            while ask(member.client, "/profile?seconds=1")[0] == 200:
                assert time.monotonic() < deadline
            member.put("a", "1")
            assert member.stop() == -15
