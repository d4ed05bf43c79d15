"""Our etcdctl as 3.7.1's is: what it prints is written out here, and Go's own says the same where this run's is a 3.7."""

import json
import re
import subprocess

import pytest

import harness
from test_etcdctl_ours import OURS, Running, call, ctl, environment

pytestmark = pytest.mark.skipif(not OURS, reason="CTL_UNDER_TEST names no etcdctl to test")

HEADER = r'"cluster_id":\d+,"member_id":\d+,"revision":\d+,"raft_term":\d+'
USAGE = r"Usage:\n  etcdctl get \[options\] <key> \[range_end\] \[flags\]\n.*"
LOGGED = r'\{"level":"warn","ts":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z","logger":"%s","caller":"v3/retry_interceptor\.go:\d+",' \
    r'"msg":"retrying of unary invoker failed","target":"etcd-endpoints://0x[0-9a-f]+/%s","peer":"%s","method":"%s","attempt":0,"error":"%s"\}\n'
NOBODY = "Peer{Addr: <nil>, LocalAddr: <nil>, AuthInfo: <nil>}"
REFUSED = r'rpc error: code = DeadlineExceeded desc = latest balancer error: connection error: desc = \\"transport: Error while dialing: ' \
    r'dial tcp 127\.0\.0\.1:1: connect: connection refused\\"'
QUICK = "--command-timeout 1s --dial-timeout 1s --endpoints "

# Words, input, exit code, standard output, standard error without the log's lines. In order: rows find what others left.
ROWS = [
    ("put k4 1", "", 0, "OK\n", ""), ("put k2 1", "", 0, "OK\n", ""), ("put k3 1", "", 0, "OK\n", ""), ("put k1 2", "", 0, "OK\n", ""),
    # Where no order is asked for, what the limit leaves of the keys' order is sorted; else all is.
    ("get k --prefix --sort-by MODIFY", "", 0, "k4\n1\nk2\n1\nk3\n1\nk1\n2\n", ""),
    ("get k --prefix --sort-by MODIFY --limit 2", "", 0, "k2\n1\nk3\n1\n", ""),
    ("get k --prefix --sort-by MODIFY --order ASCEND --limit 2", "", 0, "k4\n1\nk2\n1\n", ""),
    ("get k --prefix --sort-by MODIFY --stream", "", 0, "k4\n1\nk2\n1\nk3\n1\nk1\n2\n", ""),
    ("get k --prefix --order DESCEND --stream", "", 1, "", "Error: rpc error: code = Unimplemented desc = RangeStream does not support custom sort orders\n"),
    ("get k --prefix --min-mod-rev 2 --stream", "", 1, "", "Error: rpc error: code = Unimplemented desc = RangeStream does not support revision filters\n"),
    # Large and small messages.
    ("get k1 --max-request-bytes 10", "", 0, "k1\n2\n", ""),
    ("put k1 12345678901234567890 --max-request-bytes 10", "", 1, "", r"Error: rpc error: code = ResourceExhausted desc = trying to send message larger than max \(26 vs\. 10\)\n"),
    ("get k --prefix --max-recv-bytes 10", "", 1, "", r"Error: rpc error: code = ResourceExhausted desc = grpc: received message larger than max \(\d+ vs\. 10\)\n"),
    # What is missing is null.
    ("watch k1 --rev 5 -w json -- false", "", 1, rf'{{"Header":{{{HEADER}}},"Events":\[.*\],"CompactRevision":0,"Canceled":false,"Created":false,"CancelReason":""}}\n', ".*"),
    ("compaction 5", "", 0, "compacted revision 5\n", ""),
    ("watch k1 --rev 3 -w json", "", 5, r'\{"Header":\{.*\},"Events":null,"CompactRevision":5,"Canceled":true,"Created":false,"CancelReason":""\}\n',
     r"watch was canceled \(etcdserver: mvcc: required revision has been compacted\)\nError: watch is canceled by the server\n"),
    (QUICK + "127.0.0.1:1 endpoint status -w json", "", 1, "null\n", r"Failed to get the status of endpoint 127\.0\.0\.1:1 \(context deadline exceeded\)\n"),
    ("endpoint status -w json --endpoints=", "", 0, "null\n", ""), ("endpoint health -w json --endpoints=", "", 0, "null\n", ""),
    ("endpoint hashkv -w json --endpoints=", "", 0, "null\n", ""), ("endpoint health --endpoints=", "", 0, "", ""),
    ("get k1 --endpoints=", "", 2, "", "Error: etcdclient: no available endpoints\n"),
    # A member that isn't there is said before a format that doesn't fit.
    (QUICK + "127.0.0.1:1 get k1 --count-only", "", 1, "", "Error: context deadline exceeded\n"),
    (QUICK + "127.0.0.1:1 get k1 --print-value-only -w json", "", 1, "", "Error: context deadline exceeded\n"),
    ("get k1 --print-value-only -w json", "", 128, "", "Error: print-value-only is only for `--write-out=simple`\n"),
    # Members' addresses are judged here.
    ("member add a --peer-urls bad", "", 1, "", "Error: URL scheme must be http, https, unix, or unixs: bad\n"),
    ("member add a --peer-urls http://x", "", 1, "", 'Error: URL address does not have the form "host:port": http://x\n'),
    ("member add a --peer-urls http://x:1/path", "", 1, "", "Error: URL must not contain a path: http://x:1/path\n"),
    ("member update 1 --peer-urls bad", "", 1, "", "Error: URL scheme must be http, https, unix, or unixs: bad\n"),
    # Transactions.
    ("txn", 'mod("k1")> "0"\n\n\n\n', 3, "", 'Error: malformed comparison: mod\\("k1"\\)> "0"; got mod\\("k1"\\)  ""\n'),
    ("txn", "\nget a --bogus\n\n\n", 3, "", r"Usage:\n   get \[options\] <key> \[range_end\] \[flags\]\n.*\nError: invalid txn request: get a --bogus\n"),
    # Alarms that were ended come without a header.
    ("alarm disarm -w json", "", 0, r"\{\}\n", ""), ("alarm disarm -w fields", "", 0, '"ClusterID" : 0\n"MemberID" : 0\n"RaftTerm" : 0\n', ""),
    # Files of TLS.
    ("get k1 --cert /nowhere", "", 128, "", r"Error: KeyFile and CertFile must both be present\[key: , cert: /nowhere\]\n"),
    ("get k1 --key /nowhere", "", 128, "", r"Error: KeyFile and CertFile must both be present\[key: /nowhere, cert: \]\n"),
    # Help of a command that further words say nothing about; the order of commands.
    ("help get nothing", "", 0, f".*{USAGE}", ""),
    ("help", "", 0, r".*\nUtility commands\n  check .*\n  completion .*\n  help .*\n  make-mirror .*\n  options .*\n  version .*", ""),
    ("help nothing", "", 0, "", r"Unknown help topic \[`nothing`\]\nUsage:\n.*\n  completion .*\n  help .*\n  make-mirror .*"),
    ("auth", "", 0, r".*Available Commands:\n  disable .*\n  enable .*\n  status .*", ""),
    # Who has no name or no password is nobody in particular.
    ("user add root:pw", "", 0, "User root created\n", ""), ("user add nopw --no-password", "", 0, "User nopw created\n", ""),
    ("auth enable", "", 0, "Authentication Enabled\n", ""),
    ("get k1 --user root:", "", 1, "", "Error: etcdserver: user name is empty\n"), ("get k1 --user :pw", "", 1, "", "Error: etcdserver: user name is empty\n"),
    ("get k1 --user root", "", 1, "Password: \n", "Error: etcdserver: user name is empty\n"),
    ("auth status --user root:", "", 0, "Authentication Status: true\nAuthRevision: .*", ""),
    ("get k1 --user nopw:x", "", 2, "", "Error: rpc error: code = Unknown desc = auth: authentication failed, password was given for no password user\n"),
    ("snapshot save /nowhere/x --user root:bad", "", 5, "", "Error: etcdserver: authentication failed, invalid user ID or password\n"),
    ("snapshot save saved.db", "", 5, "", "Error: rpc error: code = InvalidArgument desc = etcdserver: user name is empty\n"),
    ("--user root:pw auth disable", "", 0, "Authentication Disabled\n", ""),
]


@pytest.fixture(params=["ours", "go"])
def program(request):
    if request.param == "ours":
        return OURS
    if harness.go_version() < (3, 7):
        pytest.skip("the Go programs of this run are older")
    return harness.go_program("etcdctl")


@pytest.fixture
def member(tmp_path):
    with harness.Member(tmp_path / "data") as one:
        yield one


def test_what_3_7_says(program, member, tmp_path):
    different = []
    for words, stdin, code, out, error in ROWS:
        given = words.split()
        # A variable beside the flag would be refused.
        where = {} if "--endpoints" in words else {"ETCDCTL_ENDPOINTS": member.endpoint}
        got = subprocess.run([program, *given], input=stdin, text=True, capture_output=True, timeout=30, env=environment(**where), cwd=tmp_path)
        errors = "".join(line for line in got.stderr.splitlines(True) if not line.startswith(('{"level"', "stty:")))
        if got.returncode != code or not re.fullmatch(out, got.stdout, re.S) or not re.fullmatch(error, errors, re.S):
            different.append(f"{words!r}: {got.returncode} {got.stdout!r} {errors!r}")
    assert not different, "\n".join(different)


def test_bytes_of_an_empty_list_of_leases(program, member):
    got = call(program, member, "lease", "list", "-w", "protobuf")
    # Nothing but the header: cluster, member, revision and term.
    assert got.returncode == 0 and got.stdout[0] == "\x08" and got.stdout.endswith("\x18\x01 \x02"), got


def test_answers_may_be_large(program, member):
    """Ranges and watches far above what a request may have: the limit of requests is none of answers."""
    for number in range(4):
        assert call(program, member, "put", f"big{number}", stdin="x" * 1_000_000).returncode == 0
    got = call(program, member, "get", "big", "--prefix", "--print-value-only")
    assert got.returncode == 0 and len(got.stdout) == 4 * 1_000_001, got.stderr[-300:]
    assert len(call(program, member, "get", "big", "--prefix", "--stream").stdout) == 4 * 1_000_006
    got = call(program, member, "txn", "-w", "json", stdin="\nget big --prefix\n\n\n")
    assert json.loads(got.stdout)["responses"][0]["Response"]["response_range"]["count"] == 4
    with Running(member, "watch", "big", "--prefix", "--rev", "1", program=program) as watch:
        assert [len(line) for line in watch.lines(12)] == [3, 4, 1_000_000] * 4


def test_failed_attempts_are_logged(program, member):
    """Who was asked for what, and who did not answer, as scripts that read standard error find it."""
    def logged(logger, target, peer, method, error):
        return LOGGED % (logger, re.escape(target), peer, re.escape(method), error)

    got = call(program, "", "get", "a", ETCDCTL_ENDPOINTS="http://127.0.0.1:1", ETCDCTL_COMMAND_TIMEOUT="1s")
    want = logged("etcd-client", "127.0.0.1:1", re.escape(NOBODY), "/etcdserverpb.KV/Range", REFUSED)
    assert re.fullmatch(want + "Error: context deadline exceeded\n", got.stderr), got.stderr
    got = call(program, "", "endpoint", "health", ETCDCTL_ENDPOINTS="127.0.0.1:1", ETCDCTL_COMMAND_TIMEOUT="1s")
    want = logged("client", "127.0.0.1:1", re.escape(NOBODY), "/etcdserverpb.KV/Range", REFUSED)
    assert re.match(want, got.stderr), got.stderr
    got = call(program, member, "get", "a", "--rev", "99")
    peer = rf"Peer\{{Addr: '{re.escape(member.endpoint)}', LocalAddr: \S+, AuthInfo: 'insecure'\}}"
    want = logged("etcd-client", member.endpoint, peer, "/etcdserverpb.KV/Range",
                  "rpc error: code = OutOfRange desc = etcdserver: mvcc: required revision is a future revision")
    assert re.match(want, got.stderr), got.stderr


def test_usage_keeps_its_shape(program):
    """What follows an error is the usage of the command alone, with no line about options of all commands."""
    got = call(program, "", "get", "--bogus", ETCDCTL_ENDPOINTS="")
    assert re.fullmatch(rf"Error: unknown flag: --bogus\n{USAGE}\nFlags:\n.*--consistency string .*--stream .*\n\n", got.stderr, re.S), got.stderr
    assert got.returncode == 1 and got.stdout == ""


def test_a_listed_order(member):
    """The rows above stand for all commands: subcommands come by name in every folder."""
    for folder in ("alarm", "auth", "check", "downgrade", "endpoint", "lease", "member", "role", "snapshot", "user"):
        shown = ctl(member, folder, "--help").split("Available Commands:\n")[1].split("\n\n")[0]
        names = [line.split()[0] for line in shown.splitlines()]
        assert names == sorted(names), folder
