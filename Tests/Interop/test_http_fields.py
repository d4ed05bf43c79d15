"""What stands around HTTP's answers: status, fields, and who may ask at all; ours beside Go's."""

import email.utils
import http.client
import json
import time

import pytest

import harness
from harness import b64

# Where 3.7 differs from 3.5: the gateway's answers to what it does not know, and the bodies.
GATEWAY_MISTAKES = {"/v3/kv/nothing"}
REQUESTS = [
    ("POST", "/v3/kv/put", {}, json.dumps({"key": b64("k"), "value": b64("v")})),
    ("POST", "/v3/kv/range", {}, json.dumps({"key": b64("k")})),
    ("POST", "/v3/kv/put", {}, "{}"),
    ("POST", "/v3/kv/put", {}, '{"key'),
    ("POST", "/v3/kv/nothing", {}, "{}"),
    ("POST", "/v3/kv/range", {"Origin": "http://browser:80"}, json.dumps({"key": b64("k")})),
    ("POST", "/v3/kv/range", {"Origin": "http://other"}, json.dumps({"key": b64("k")})),
    ("OPTIONS", "/v3/kv/range", {"Origin": "http://browser:80"}, ""),
    ("OPTIONS", "/health", {}, ""),
    ("GET", "/version", {"Origin": "http://browser:80"}, ""),
    ("HEAD", "/version", {}, ""),
    ("GET", "/health", {}, ""),
    ("HEAD", "/health", {}, ""),
    ("POST", "/health", {}, ""),
    ("GET", "/metrics", {}, ""),
    ("GET", "/nothing", {}, ""),
]


def ask(member, method, path, fields, body):
    connection = http.client.HTTPConnection("127.0.0.1", member.client, timeout=10)
    connection.request(method, path, body, fields)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), text


@pytest.mark.parametrize("cors", [None, "http://browser:80,http://second:80"])
def test_fields_are_those_of_go(tmp_path, cors):
    extra = ["--cors", cors] if cors else []
    with harness.Member(tmp_path / "ours", extra=extra) as ours, harness.Member(
            tmp_path / "go", program=harness.go_program("etcd"), extra=extra) as go:
        for request in REQUESTS:
            answers = [ask(member, *request) for member in (ours, go)]
            for _, fields, _ in answers:
                assert abs(email.utils.parsedate_to_datetime(fields.pop("Date")).timestamp() - time.time()) < 30
                # Lengths differ with the bodies, and Go sends pages whose length it does not know in chunks.
                for name in ("Content-Length", "Transfer-Encoding"):
                    fields.pop(name, None)
                if request[1] in GATEWAY_MISTAKES:
                    for name in ("Content-Type", "X-Content-Type-Options"):
                        fields.pop(name, None)
                if request[1] == "/metrics":
                    fields["Content-Type"] = fields["Content-Type"].split(";")[0]
            (status, fields, _), (wanted, wanted_fields, _) = answers
            assert (status, fields) == (wanted, wanted_fields), request


def test_hosts_that_are_not_meant(tmp_path):
    extra = ["--host-whitelist", "etcd.example,127.0.0.1"]
    with harness.Member(tmp_path / "ours", extra=extra) as ours, harness.Member(
            tmp_path / "go", program=harness.go_program("etcd"), extra=extra) as go:
        for host in ("etcd.example", "etcd.example:2379", "evil.example", "evil.example:80", "", "[::1]:2379"):
            for path in ("/version", "/v3/kv/range"):
                answers = [ask(member, "GET" if path == "/version" else "POST", path, {"Host": host}, "{}") for member in (ours, go)]
                statuses = [status for status, _, _ in answers]
                assert statuses[0] == statuses[1], (host, path)
                if statuses[0] == 421:
                    assert answers[0][2] == answers[1][2], (host, path)
                    for _, fields, _ in answers:
                        del fields["Date"]
                    assert answers[0][1] == answers[1][1]
        # Once for each request, and twice of each path.
        assert ours.log().count('"msg":"rejecting HTTP request to prevent DNS rebinding attacks","host":"evil.example"') == 4
        upgrade = {"Host": "evil.example", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                   "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
        for member in (ours, go):
            assert ask(member, "GET", "/v3/watch", upgrade, "")[0] == 421


PATHS = {
    "//health?serializable=true": (307, "/health?serializable=true"), "/./version": (307, "/version"),
    "/health/../version": (307, "/version"), "/v3": (307, "/v3/"), "/v3//kv/range": (307, "/v3/kv/range"),
    "/livez/": (404, None), "/livez/nothing": (404, None), "/readyz/livez": (404, None), "/%68ealth": (200, None),
    "/readyz/linearizable_read?exclude=linearizable_read&verbose": (200, None), "/version/": (404, None),
}


def test_paths_that_are_not_plain(tmp_path, member):
    """What is nearly a page leads there; what is below a page and no check of it is nothing, whatever the method."""
    members = [member]
    if harness.go_version() >= (3, 7):
        members.append(harness.Member(tmp_path / "go", program=harness.go_program("etcd")).start())
    try:
        for path, (status, location) in PATHS.items():
            for method in ("GET", "HEAD", "POST"):
                answers = [ask(one, method, path, {}, None if method != "POST" else "{}") for one in members]
                expected = 405 if status == 200 and method != "GET" else status
                assert {answer[0] for answer in answers} == {expected}, (method, path, answers)
                assert {answer[1].get("Location") for answer in answers} == {location}
                assert len({answer[2] for answer in answers}) == 1, (method, path, answers)
    finally:
        for one in members[1:]:
            one.kill()
    page = ask(member, "GET", "//health?a=<\"", {}, None)[2]
    assert page == b'<a href="/health?a=&lt;&#34;">Temporary Redirect</a>.\n\n'
    one = ask(member, "GET", "/readyz/linearizable_read?exclude=linearizable_read&verbose", {}, None)[2]
    assert one == b"[+]linearizable_read ok\nok\n"
