"""What a member says when it starts, cannot start, and ends: the lines and exit codes that operators and scripts look for."""

import json

import pytest

import harness

# Flags behind those of a plain member, the exit code (None: it serves), and lines: level, message, and the error's text.
STARTS = {
    "certificates that nobody needs": (
        ["--cert-file", "/nothing", "--client-cert-auth"], None, [
            ("warn", "scheme is http or unix while key and cert files are present; ignoring key and cert files", None),
            ("warn", "scheme is http or unix while --client-cert-auth is enabled; ignoring client cert auth for this URL", None)]),
    "a peer's certificate without its key": (
        ["--peer-cert-file", "/nothing"], 1, [
            ("warn", "scheme is HTTP while key and cert files are present; ignoring key and cert files", None),
            ("error", "bootstrap failed", "KeyFile and CertFile must both be present[key: , cert: /nothing]"),
            ("fatal", "discovery failed", "KeyFile and CertFile must both be present[key: , cert: /nothing]")]),
    "peers' authorities that are not there": (
        ["--peer-trusted-ca-file", "/nothing"], 1, [
            ("error", "bootstrap failed", "open /nothing: no such file or directory"),
            ("fatal", "discovery failed", "open /nothing: no such file or directory")]),
    "a name that is not in the cluster": (
        ["--name", "other"], 1, [
            ("error", "bootstrap failed", "couldn't find local name \"other\" in the initial cluster configuration"),
            ("fatal", "discovery failed", "couldn't find local name \"other\" in the initial cluster configuration")]),
    "a cluster that is none": (
        ["--initial-cluster", "m"], 1, [
            ("fatal", "discovery failed", "error setting up initial cluster: URL scheme must be http, https, unix, or unixs: ")]),
    "no learner at all": (
        ["--max-learners", "-1"], 1, [
            ("error", "bootstrap failed", "membership: too many learner members in cluster"),
            ("fatal", "discovery failed", "membership: too many learner members in cluster")]),
    "a certificate of no time": (
        ["--auto-tls", "--self-signed-cert-validity", "0"], 1, [
            ("warn", "cannot generate cert", "selfSignedCertValidity is invalid,it should be greater than 0"),
            ("fatal", "failed to get client self-signed certs", "selfSignedCertValidity is invalid,it should be greater than 0")]),
    "one port for two": (
        ["--listen-client-http-urls", "http://127.0.0.1:{port}"], 1, [
            ("fatal", "discovery failed", "cannot bind both --listen-client-urls and --listen-client-http-urls on the same url "
             "http://127.0.0.1:{port}")]),
    "much of both": (
        ["--quota-backend-bytes", "9000000000", "--max-request-bytes", "20000000"], None, [
            ("warn", "exceeded recommended request limit", None), ("warn", "quota exceeds the maximum value", None),
            ("info", "enabled backend quota", None)]),
    "beta features off": (["--feature-gates", "AllBeta=false"], None, [("info", "ready to serve client requests", None)]),
    "a log that cannot be": (
        ["--log-outputs", "/nothing/at/all"], 1, [
            ("warn", "failed to verify flags", "open sink \"/nothing/at/all\": open /nothing/at/all: no such file or directory")]),
}


def entries(member):
    """The log's lines of JSON."""
    return [json.loads(line) for line in member.log().splitlines() if line.startswith("{")]


def programs():
    return ["ours", "go"] if harness.go_version() >= (3, 7) else ["ours"]


@pytest.mark.parametrize("kind", programs())
@pytest.mark.parametrize("case", STARTS)
def test_what_is_said_at_a_start(tmp_path, case, kind):
    flags, code, expected = STARTS[case]
    member = harness.Member(tmp_path / "data", program=harness.go_program("etcd") if kind == "go" else None)
    member.extra = [text.replace("{port}", str(member.client)) for text in flags]
    if code is None:
        with member:
            said = entries(member)
    else:
        member.start(wait=False)
        assert member.process.wait(30) == code
        said = entries(member)
    said = iter([(line["level"], line["msg"], line.get("error")) for line in said])
    for level, message, error in expected:
        error = error and error.replace("{port}", str(member.client))
        # In this order, others between them.
        assert (level, message, error) in said, (message, member.log_tail())


@pytest.mark.parametrize("kind", programs())
def test_what_is_said_at_an_end_and_at_the_next_start(tmp_path, kind):
    member = harness.Member(tmp_path / "data", program=harness.go_program("etcd") if kind == "go" else None)
    with member:
        member.stop()
    urls = {
        "advertise-peer-urls": [f"http://127.0.0.1:{member.peer}"], "advertise-client-urls": [f"http://{member.endpoint}"]}
    for message in ("closing etcd server", "closed etcd server"):
        (line,) = [line for line in entries(member) if line["msg"] == message]
        assert {name: line[name] for name in urls} == urls
    first = [line["dir-type"] for line in entries(member) if line["msg"] == "Initialize and start etcd server"]
    with member:
        lines = entries(member)
    assert first == ["empty"]
    assert [line["dir-type"] for line in lines if line["msg"] == "server has already been initialized"] == ["member"]
    assert [line["dir-type"] for line in lines if line["msg"] == "Initialize and start etcd server"] == ["empty"]
