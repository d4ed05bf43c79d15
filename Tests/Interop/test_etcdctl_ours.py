"""Our etcdctl beside Go's 3.5.1, each against a member of its own that has seen the same: what they print and their exit codes."""

import json
import os
import pty
import re
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import harness
import test_discovery
import test_tls
from cluster import Cluster, retry
from harness import wait_for

OURS = os.environ.get("CTL_UNDER_TEST", "")
pytestmark = pytest.mark.skipif(not OURS, reason="CTL_UNDER_TEST names no etcdctl to test")

# What is bound to differ: ids, ports, times, sizes, terms of elections.
MASKS = [
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r'"(cluster_id|member_id|raft_term|ID|id|leader|raftIndex|raftTerm|raftAppliedIndex|dbSize|dbSizeInUse|dbSizeQuota)":"?[0-9a-f]+"?', r'"\1":N'),
    (r'"(ClusterID|MemberID|RaftTerm|ID)" : \d+', r'"\1" : N'),
    # 3.7 tells why a watch ended, and has null for no events.
    (r',"CancelReason":"[^"]*"', ""),
    (r'"Events":null', '"Events":[]'),
    # It leaves a revision of 0 out, and says how long defragmenting took.
    (r'"Revision" : 0\n', ""),
    (r"\. took [0-9.]+[mµn]?s", ""),
    (r"\b[0-9a-f]{14,16}\b", "HEX"),
    (r"took[ =]+[0-9.]+[mµn]?s", "took T"),
    (r'"took":"[^"]*"', '"took":"T"'),
    (r"remaining\(\d+s\)", "remaining(S)"),
    (r'"Took" : [0-9.]+[mµn]?s', '"Took" : T'),
]


def masked(text):
    for pattern, replacement in MASKS:
        text = re.sub(pattern, replacement, text)
    return text


def errors(text):
    """The `Error:` lines: the log lines around them name versions and source files."""
    return [line for line in masked(text).splitlines() if line.startswith("Error:")][:1]


def environment(**more):
    """Without the variables of these tests, which etcdctl would warn of."""
    kept = {key: value for key, value in harness.clean_environment().items() if not key.startswith("ETCDCTL_")}
    return {**kept, **more}


def call(program, member, *words, stdin=None, timeout=30, **variables):
    endpoints = [] if "ETCDCTL_ENDPOINTS" in variables else ["--endpoints", member if isinstance(member, str) else member.endpoint]
    return subprocess.run(
        [program, *endpoints, *words], input=stdin if stdin is not None else "", text=True, errors="surrogateescape",
        capture_output=True, timeout=timeout, env=environment(**variables))


def ctl(member, *words, **more):
    """Ours, and it must do it."""
    got = call(OURS, member, *words, **more)
    assert got.returncode == 0, got.stdout + got.stderr
    return got.stdout


class Running:
    """An etcdctl that goes on, ours unless told otherwise."""

    def __init__(self, member, *words, program=None, **variables):
        self.process = subprocess.Popen(
            [program or OURS, "--endpoints", member if isinstance(member, str) else member.endpoint, *words], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(ETCDCTL_API="3", **variables) if program else environment(**variables))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()

    def type(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def lines(self, count):
        """The next lines; empty ones in place of those that do not come within a minute."""
        patience = threading.Timer(60, self.process.kill)
        patience.start()
        try:
            return [self.process.stdout.readline().rstrip("\n") for _ in range(count)]
        finally:
            patience.cancel()

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(15)


@pytest.fixture(scope="module", params=["go", "ours"])
def pair(request, tmp_path_factory):
    """Two fresh members of one kind: what one etcdctl does must not be seen by the other."""
    base = tmp_path_factory.mktemp("ctl")
    program = harness.go_program("etcd") if request.param == "go" else None
    members = [harness.Member(base / name, program=program).start() for name in ("theirs", "ours")]
    yield members
    for member in members:
        member.kill()


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    with harness.Member(tmp_path_factory.mktemp("one") / "data") as member:
        yield member


@pytest.fixture(scope="module")
def go(tmp_path_factory):
    with harness.Member(tmp_path_factory.mktemp("go") / "data", program=harness.go_program("etcd")) as member:
        yield member


TXN = 'value("a") = "1"\nversion("a") > "0"\n\nput b 2\nget a\n\nput c 3\n\n'

# In order: each row finds what the rows before it left.
ROWS = [
    ("put a 1", None), ("put a 2 --prev-kv", None), ("put a 3 -w json", None), ("put a 1 -w fields --prev-kv", None),
    ("put", None), ("put x", ""), ("put x", "from input"), ("put a b c --ignore-value", None), ("put a --ignore-value", None),
    ("put a 1 --lease zz", None), ("put a 1 --lease 7b", None), ("get", None), ("get a", None), ("get a -w json", None),
    ("get a -w fields", None), ("get a -w protobuf", None), ("get a -w table", None), ("get a -w nothing", None),
    ("get a --hex", None), ("get nothing", None), ("get a --rev 99", None),
    ("get a --prefix --from-key", None), ("get a z --prefix", None), ("get --prefix a --keys-only", None),
    ("get a --print-value-only", None), ("get a --print-value-only -w json", None), ("get a --count-only -w fields", None),
    ("get a --order UP", None), ("get a --sort-by NAME", None), ("get --from-key a --sort-by MODIFY --order descend", None),
    ("get a --consistency s", None), ("get a --consistency q", None), ("get a --limit x", None), ("get --bogus", None),
    ("get a --rev", None), ("bogus", None),
    ("txn", TXN), ("txn -w json", TXN), ("txn -w fields", TXN), ("txn -i", TXN), ("txn", "nonsense\n\n\n\n"), ("txn x", None),
    ("txn", 'val("b") = "\\x32"\n\nput "q q" "\\xff\\u00e9"\nget "q q"\n\n\n'), ("txn", 'mod(a) = "1"\n\n\n\n'), ("txn", 'mod("a") > "0"'), ("txn", "\nmove a b\n\n\n"),
    ("txn", "\nput\n\n\n"), ("txn", "\nget a --bogus\n\n\n"), ("get --prefix q --hex", None), ("del --prefix q", None),
    ("get a --limit 0x1", None), ("get a --dial-timeout 5", None), ("get a --dial-timeout 1x", None), ("get", None), ("get a --keys-only --count-only", None),
    ("put a 1 --lease zz", None), ("put a", "\udcff\udcfe\n"), ("get a", None), ("put a 1", None), ("get a -w table --hex", None),
    ("txn", 'mod("a") < "1"\n\nput b 9\n\nget b\ndel b\n\n'), ("txn", "\nput x 1\nput x 2\n\n\n"), ("txn", 'size("a") = "1"\n\n\n\n'),
    ("del nothing", None), ("del", None), ("del x --prev-kv", None), ("del c --prev-kv -w json", None), ("del b -w fields", None),
    ("compaction 3", None), ("compaction 3", None), ("compaction 9999", None), ("compaction", None), ("compaction x", None),
    ("get a --rev 2", None), ("watch", None), ("watch --", None), ("watch a --", None), ("watch a b --prefix", None),
    ("watch a --rev 1", None), ("watch a --rev 1 -w json", None), ("watch -i", "bogus\n\nwatch\n"), ("watch -i", "watch a --bogus\n"), ("watch -i", "watch a --\n"),
    ("lease", None), ("lease grant", None), ("lease grant x", None), ("lease grant 100", None), ("lease grant 100 -w fields", None),
    ("lease revoke zz", None), ("lease revoke 1234", None), ("lease timetolive 1234", None), ("lease timetolive 1234 -w json", None),
    ("lease keep-alive", None), ("lease keep-alive 1234 --once", None),
    ("member list -w json", None), ("member list -w fields", None), ("member add", None),
    ("member add new", None), ("member remove zz", None), ("member remove 1234", None), ("member promote 1234", None),
    ("member update 1234", None), ("endpoint health", None), ("endpoint health -w json", None), ("move-leader", None), ("move-leader 1234", None),
    ("defrag", None), ("alarm list", None), ("alarm disarm", None), ("alarm list x", None), ("alarm list -w fields", None),
    ("alarm list -w json", None), ("defrag --cluster", None), ("endpoint health --cluster", None), ("endpoint health -w fields", None),
    ("move-leader zz", None), ("elect", None), ("elect a", None), ("elect a b -l", None), ("elect a b c", None),
    ("make-mirror", None), ("make-mirror a b", None), ("check perf --load huge", None),
    ("lock name -- sh -c exit\\t3", None), ("lock name nosuchprogram", None), ("lock name -x", None), ("lock name -- true", None),
    ("user add u:pw", None), ("user add u --new-user-password pw", None), ("user add", None), ("user add v --interactive=false", "word more\n"), ("user add :x", None), ("user list", None),
    ("role add r", None), ("role add r", None), ("role add r2", None), ("role grant-permission r2 read", None),
    ("role grant-permission r2 read a --prefix --from-key", None), ("role grant-permission r2 read a b --prefix", None), ("role delete r2", None), ("role list", None), ("role list -w json", None),
    ("role grant-permission r read a", None), ("role grant-permission r write b --prefix", None),
    ("role grant-permission r readwrite c d", None), ("role grant-permission r readwrite e --from-key", None),
    ("role grant-permission r fly a", None), ("role grant-permission r", None), ("role get r", None), ("role get r -w fields", None),
    ("role get nobody", None), ("role revoke-permission r b --prefix", None), ("role revoke-permission r c d", None),
    ("role revoke-permission r a", None), ("user grant-role u r", None), ("user get u", None), ("user get u --detail", None),
    ("user get u -w json", None), ("user revoke-role u r", None), ("user revoke-role u r", None), ("user passwd u --interactive=false", "new\n"),
    ("auth status", None), ("auth enable", None), ("user add root:pw", None), ("auth enable", None), ("get a", None),
    ("--user root:wrong get a", None), ("--user root:pw get a", None), ("--user u:new get a", None), ("--user root:pw user delete u", None),
    ("--user root:pw role delete r", None), ("--user root:pw auth disable", None), ("auth disable x", None),
    ("--cert /nowhere --key /nowhere get a", None), ("--insecure-transport=maybe get a", None),
]


def test_every_row(pair):
    theirs, ours = pair
    different = []
    with ThreadPoolExecutor(2) as hands:
        for words, stdin in ROWS:
            # A tabulator stands for a blank within a word.
            given = [word.replace("\\t", " ") for word in words.split()]
            both = [
                hands.submit(call, harness.go_program("etcdctl"), theirs, *given, stdin=stdin, ETCDCTL_API="3"),
                hands.submit(call, OURS, ours, *given, stdin=stdin)]
            want, got = both[0].result(), both[1].result()
            # Texts of help are our own, and in 3.7's layout.
            shows_help = "NAME:" in want.stdout or "Usage:\n" in want.stdout
            if want.returncode != got.returncode or errors(want.stderr) != errors(got.stderr) or (
                    not shows_help and "-w protobuf" not in words and masked(want.stdout) != masked(got.stdout)):
                different.append(
                    f"{words!r}\n  Go:   {want.returncode} {masked(want.stdout)!r} {errors(want.stderr)}"
                    f"\n  ours: {got.returncode} {masked(got.stdout)!r} {errors(got.stderr)}")
    assert not different, "\n".join(different)


# What 3.7 has and 3.5.1 has not, or says otherwise: words, input, exit code, a pattern of the whole output, of the errors.
NEW_ROWS = [
    ("version", "", 0, r"etcdctl version: 3\.7\.1\nAPI version: 3\.7\n", ""),
    ("put s1 x", "", 0, "OK\n", ""), ("put s2 y", "", 0, "OK\n", ""),
    ("get s --prefix --stream", "", 0, "s1\nx\ns2\ny\n", ""),
    ("get s1 --stream -w json", "", 0, r'\{"header":\{"cluster_id":\d+,"member_id":\d+,"revision":3,"raft_term":\d+\},"kvs":\[\{.*\}\],"count":1\}\n', ""),
    ("get --stream", "", 128, "", "Error: get command needs one argument as key.*"),
    ("del s1 s3", "", 0, "2\n", r'Warning: Keys between "s1" and "s3" will be deleted\. Please interrupt .*`--range` flag to avoid the delay\.\n'),
    ("del s1 s3 --range", "", 0, "0\n", ""),
    ("get a --count-only", "", 128, "", "Error: --count-only is only for `--write-out=fields`\n"),
    ("member list", "", 0, r"[0-9a-f]+, started, default, http://\S+, http://\S+, false\n", ""),
    ("member list -w table", "", 0, r"┌─+┬.*│ +ID +│ +STATUS.*IS LEARNER │\n├.*└─+.*┘\n", ""),
    ("member list --consistency s", "", 0, ".*started.*", ""), ("member list --consistency q", "", 4, "", 'Error: unknown consistency flag "q"\n'),
    ("member list --hex -w fields", "", 0, r'"ClusterID" : [0-9a-f]+\n"MemberID" : [0-9a-f]+\n"RaftTerm" : \d+\n"ID" : [0-9a-f]+\n"Name" : "default"\n.*', ""),
    ("member list -w json --hex", "", 0, r'\{"header":\{"cluster_id":"[0-9a-f]+","member_id":"[0-9a-f]+","raft_term":\d+\},"members":\[\{"ID":"[0-9a-f]+","name":"default",.*"clientURLs":\["\S+"\]\}\]\}\n', ""),
    ("get a --min-mod-rev 5 --max-mod-rev 4", "", 4, "", r"Error: getMinModRev\(=5\) > getMaxModRev\(=4\)\n"),
    ("endpoint status", "", 0, r"\S+, [0-9a-f]+, 3\.7\.1, 3\.7\.0, \d+ kB, \d+ kB, \d+%, 2\.1 GB, true, false, \d+, \d+, \d+, , , false\n", ""),
    ("endpoint status -w json", "", 0, r'\[\{"Endpoint":"\S+","Status":\{"header":\{.*"storageVersion":"3\.7\.0","dbSizeQuota":2147483648,"downgradeInfo":\{\}\}\}\]\n', ""),
    ("endpoint status -w fields", "", 0, r'"ClusterID".*"StorageVersion" : "3\.7\.0"\n.*"DowngradeEnabled" : false\n\n', ""),
    ("endpoint status -w table", "", 0, r"┌.*PERCENTAGE NOT IN USE.*┘\n", ""), ("endpoint status -w protobuf", "", 4, "", "Error: protobuf not supported as output format\n"),
    ("endpoint hashkv", "", 0, r"\S+, \d+, 4\n", ""), ("endpoint hashkv --rev 99", "", 1, "\n?", "Failed to get the hash of endpoint .*Error: etcdserver: mvcc: required revision is a future revision\n"),
    ("endpoint hashkv -w json", "", 0, r'\[\{"Endpoint":"\S+","HashKV":\{"header":\{.*\},"hash":\d+.*"hash_revision":4\}\}\]\n', ""),
    ("auth status -w json", "", 0, r'\{"header":\{.*\},"authRevision":\d+\}\n', ""),
    ("downgrade validate 3.6", "", 0, r"Downgrade validate success, cluster version 3\.7\n", ""),
    ("downgrade validate 3.1", "", 1, "", "Error: etcdserver: invalid downgrade target version\n"),
    ("downgrade validate x", "", 1, "", "Error: etcdserver: wrong downgrade target version format\n"),
    ("downgrade validate", "", 128, "", "Error: TARGET_VERSION not provided\n"), ("downgrade validate 3.6 x", "", 128, "", "Error: too many arguments\n"),
    ("downgrade enable 3.6", "", 0, r"Downgrade enable success, cluster version 3\.7\n", ""),
    ("endpoint status -w fields", "", 0, r'.*"DowngradeTargetVersion" : "3\.6\.0"\n"DowngradeEnabled" : true\n\n', ""),
    ("downgrade cancel", "", 0, r"Downgrade cancel success, cluster version 3\.7\n", ""),
    ("snapshot save", "", 128, "", "Error: snapshot save expects one argument <filename>\n"),
    ("snapshot save /nowhere/x", "", 5, "", r"Error: could not open /nowhere/x\.part \(open /nowhere/x\.part: no such file or directory\)\n"),
    ("user add u", "", 128, "Password of u: \n", "Error: empty password\n"), ("user add u", "\n", 128, "Password of u: \n", "Error: empty password\n"),
    ("user add u", "a\nb\n", 128, "Password of u: \nType password of u again for confirmation: \n", "Error: given passwords are different\n"),
    ("user add u", "a\na\n", 0, "Password of u: \nType password of u again for confirmation: \nUser u created\n", ""),
    ("lock", "", 128, "", "Error: lock takes a lock name argument and an optional command to execute\n"),
    ("lease timetolive 1 -w protobuf", "", 4, "", "Error: .*"), ("lease keep-alive 1 --once", "", 2, "", ".*Error: etcdserver: requested lease not found\n"),
    ("help nothing", "", 0, "", r"Unknown help topic \[`nothing`\]\n.*"), ("completion", "", 1, "", r"Error: accepts 1 arg\(s\), received 0\nUsage:\n  etcdctl completion \[bash\|zsh\|fish\|powershell\]\n\n.*"),
    ("completion tcsh", "", 1, "", 'Error: invalid argument "tcsh" for "etcdctl completion"\nUsage:\n.*'), ("options", "", 0, ".*--write-out string .*", ""),
    ("check datascale --load huge", "", 4, "", "Error: unknown load option huge\n"),
]


def test_what_3_7_has(ours):
    different = []
    for words, stdin, code, out, error in NEW_ROWS:
        got = call(OURS, ours, *words.split(), stdin=stdin)
        # The log's lines are not compared.
        errors = "".join(line for line in got.stderr.splitlines(True) if not line.startswith('{"level"'))
        if got.returncode != code or not re.fullmatch(out, got.stdout, re.S) or not re.fullmatch(error, errors, re.S):
            different.append(f"{words!r}: {got.returncode} {got.stdout!r} {errors!r}")
    assert not different, "\n".join(different)


def test_no_server_says_so():
    member = harness.Member("/nowhere/data")
    got = call(OURS, member, "--command-timeout", "500ms", "get", "a")
    assert got.returncode == 1 and got.stderr.splitlines()[-1] == "Error: context deadline exceeded"
    warning = json.loads(got.stderr.splitlines()[0])
    assert warning["level"] == "warn" and "connection refused" in warning["error"]


def test_snapshot_is_whole(pair, tmp_path):
    path = tmp_path / "saved.db"
    got = call(OURS, pair[1], "snapshot", "save", str(path))
    assert got.returncode == 0 and got.stdout.startswith(f"Snapshot saved at {path}\n")
    status = json.loads(harness.etcdutl("snapshot", "status", str(path), "-w", "json").stdout)
    assert status["revision"] > 1 and not path.with_suffix(".db.part").exists()


def test_the_next_endpoint_answers_when_one_is_away(ours):
    got = call(OURS, f"127.0.0.1:{harness.free_port()},{ours.endpoint}", "put", "failover", "1")
    assert (got.returncode, got.stdout, got.stderr) == (0, "OK\n", "")


def test_every_byte_is_kept(ours, go):
    key, value, new = b"k\xff\xfe", b"v\x80\xf4\x8f\xba\x80", b"w\xff"
    for member in (ours, go):
        for program, variables in ((OURS, {}), (harness.go_program("etcdctl"), {"ETCDCTL_API": "3"})):
            def run(*words, stdin=b""):
                return subprocess.run(
                    [program, "--endpoints", member.endpoint, *words], input=stdin, capture_output=True, env=environment(**variables)).stdout

            assert run("put", key, value) == b"OK\n"
            assert run("get", key) == key + b"\n" + value + b"\n"
            assert run("get", key, "-w", "fields").splitlines()[4] == rb'"Key" : "k\xff\xfe"'
            assert run("txn", stdin=b'val("k\\xff\\xfe") = "v\\x80\xf4\x8f\xba\x80"\n\nput "k\\xff\\xfe" w\xff\n\n\n') == b"SUCCESS\n\nOK\n"
            assert run("del", b"k\xff", "--prefix", "--prev-kv") == b"1\n" + key + b"\n" + new + b"\n"


# Settings


def test_environment(ours):
    # What was put to the variable is as good as the flag, and a contradiction ends it, with Go's too.
    assert json.loads(ctl(ours, "get", "e", ETCDCTL_WRITE_OUT="json"))["header"]
    assert ctl(ours, "put", "e", "1", ETCDCTL_ENDPOINTS=ours.endpoint) == "OK\n"
    assert ctl(ours, "get", "e", ETCDCTL_HEX="true") == "\\x65\n\\x31\n"
    got = call(OURS, ours, "put", "e", "1", ETCDCTL_FOO="1", ETCDCTL_DIAL_TIMEOUT="soon")
    assert got.returncode == 0 and json.loads(got.stderr)["environment-variable"] == "ETCDCTL_FOO=1"
    for program in (OURS, harness.go_program("etcdctl")):
        got = call(program, ours, "-w", "json", "get", "e", ETCDCTL_WRITE_OUT="simple", ETCDCTL_API="3")
        fatal = [json.loads(line) for line in got.stderr.splitlines() if '"fatal"' in line]
        assert got.returncode == 1 and got.stdout == "" and fatal[0]["environment-variable"] == "ETCDCTL_WRITE_OUT"
        assert fatal[0]["msg"].startswith("conflicting environment variable is shadowed")
    got = call(OURS, ours, "--debug", "get", "e")
    assert f"ETCDCTL_ENDPOINTS=[{ours.endpoint}]\n" in got.stderr and "ETCDCTL_COMMAND_TIMEOUT=5s\n" in got.stderr
    with Running(ours, "watch", "--rev", "1", ETCDCTL_WATCH_KEY="e", ETCDCTL_WATCH_RANGE_END="f") as watch:
        assert watch.lines(3) == ["PUT", "e", "1"]
    got = call(OURS, ours, "watch", ETCDCTL_WATCH_RANGE_END="f")
    assert got.returncode == 128 and got.stderr == 'Error: ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END="f"\n'


def test_endpoints_from_dns(ours, tmp_path):
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        pytest.skip("no namespaces here")
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
    try:
        server = test_discovery.NameServer("_etcd-client-blue._tcp.cluster.test", [ours.client])
    except OSError as error:
        pytest.skip(f"no port 53 here: {error}")

    def run(*words):
        return subprocess.run(
            ["unshare", "-m", "sh", "-c", f'mount --bind {resolver} /etc/resolv.conf && exec "$@"', "sh", OURS, *words],
            capture_output=True, text=True, timeout=30, env=environment())

    try:
        assert run("--discovery-srv", "cluster.test", "--discovery-srv-name", "blue", "put", "dns", "1").stdout == "OK\n"
        got = run("-d", "cluster.test", "get", "dns")
        assert got.returncode == 1 and got.stderr.startswith("Error: dns lookup errors: lookup _etcd-client-ssl._tcp.cluster.test")
        got = run("-d", "cluster.test", "--discovery-srv-name", "blue", "--insecure-discovery=false", "--command-timeout=300ms", "get", "dns")
        assert f'ignoring discovered insecure endpoint "http://localhost:{ours.client}"\n' in got.stderr
    finally:
        server.close()


@pytest.mark.parametrize("kind", ["ours", "go"])
def test_secure_transport(tmp_path, kind):
    authority = test_tls.Authority(tmp_path)
    server, client = authority.issue("server"), authority.issue("client")
    other = test_tls.Authority(tmp_path, "other")
    stranger = other.issue("stranger")
    extra = ["--cert-file", server[0], "--key-file", server[1], "--trusted-ca-file", authority.path, "--client-cert-auth"]
    program = harness.go_program("etcd") if kind == "go" else None
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate\n")
    with test_tls.SecureMember(tmp_path / "m", program=program, extra=extra) as member:
        own = ["--cert", client[0], "--key", client[1]]
        secure = ["--command-timeout", "1s", "--cacert", authority.path]
        assert ctl(f"https://{member.endpoint}", *secure, *own, "put", "a", "1") == "OK\n"
        # Certificates turn TLS on for an endpoint without a scheme, too.
        assert ctl(member, *secure, *own, "get", "a") == "a\n1\n"
        assert ctl(member, "--insecure-skip-tls-verify", *own, "get", "a") == "a\n1\n"
        assert "is healthy" in ctl(f"https://{member.endpoint}", *secure, *own, "endpoint", "health")
        for words in (
                secure,  # no certificate where one is asked for
                [*secure, "--cert", stranger[0], "--key", stranger[1]],  # one of another authority
                ["--command-timeout", "1s", "--cacert", other.path, *own],  # the member's is of another authority
                ["--command-timeout", "1s"]):  # plain text
            got = call(OURS, member, *words, "get", "a")
            assert (got.returncode, got.stdout) == (1, "") and "Error: " in got.stderr, (words, got.stderr)
        for words, message in (
                (["--cert", client[0]], f"KeyFile and CertFile must both be present[key: , cert: {client[0]}]"),
                (["--cert", "", "--key", client[1]], "empty string is passed to --cert option"),
                (["--cert", str(junk), "--key", client[1]], "tls: failed to find any PEM data in certificate input"),
                (["--cert", client[0], "--key", str(junk)], "tls: failed to find any PEM data in key input"),
                (["--cert", client[0], "--key", stranger[1]], "tls: private key does not match public key"),
                (["--cacert", "/nowhere.pem"], "open /nowhere.pem: no such file or directory")):
            for program in (OURS, harness.go_program("etcdctl")):
                got = call(program, member, *words, "get", "a", ETCDCTL_API="3")
                assert got.returncode == 128 and got.stderr.splitlines()[-1] == f"Error: {message}", (program, words, got.stderr)


def test_wrong_passwords(tmp_path):
    with harness.Member(tmp_path / "data") as member:
        ctl(member, "user", "add", "root", "--new-user-password", "pw")
        assert ctl(member, "auth", "enable") == "Authentication Enabled\n"
        for words, code, message in (
                (["--user", "root:wrong"], 2, "etcdserver: authentication failed, invalid user ID or password"),
                (["--user", "nobody:pw"], 2, "etcdserver: authentication failed, invalid user ID or password"),
                ([], 1, "etcdserver: user name is empty"), (["--auth-jwt-token", "x"], 1, "etcdserver: invalid auth token")):
            got = call(OURS, member, *words, "get", "a")
            assert got.returncode == code and got.stderr.splitlines()[-1] == f"Error: {message}", got.stderr
        assert ctl(member, "--user", "root", "--password", "pw", "put", "a", "1") == "OK\n"
        asked = call(OURS, member, "--user", "root", "get", "a", stdin="pw\n")
        assert asked.stdout == "Password: \na\n1\n" and asked.stderr == ""
        # A member that refuses somebody works.
        got = call(OURS, member, "--user", "root:wrong", "endpoint", "health")
        assert got.returncode == 1 and "is unhealthy: failed to commit proposal: etcdserver: authentication failed" in got.stderr
        assert ctl(member, "--user", "root:pw", "auth", "disable") == "Authentication Disabled\n"


# What goes on for a while


def test_interactive_watch(ours):
    with Running(ours, "watch", "-i") as watch:
        watch.type("watch 'i w' --rev 1 --prev-kv")
        ctl(ours, "put", "i w", "1")
        assert watch.lines(3) == ["PUT", "i w", "1"]
        watch.type("progress")
        revision = json.loads(ctl(ours, "get", "i w", "-w", "json"))["header"]["revision"]
        assert watch.lines(1) == [f"progress notify: {revision}"]
        watch.type("watch ip --prefix -- sh -c 'echo $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY $ETCD_WATCH_VALUE; cat'")
        # The second watch begins with what comes after it is there.
        wait_for(lambda: ctl(ours, "put", "ip1", "x y") and "x y" in watch.lines(3))
        assert watch.lines(1) == ['"PUT" "ip1" "x y"']
        watch.process.stdin.close()
        assert watch.process.wait(10) == 3
        assert watch.process.stderr.read().splitlines()[-1] == "Error: error reading watch request line: EOF"


def test_watch_runs_commands(ours, go):
    for member in (ours, go):
        for program in (OURS, harness.go_program("etcdctl")):
            ctl(member, "put", "w", "x\ny")
            revision = json.loads(ctl(member, "get", "w", "-w", "json"))["header"]["revision"]
            words = ["watch", "w", "--rev", str(revision), "--", "sh", "-c"]
            with Running(member, *words, 'printf "%s\\n" "$ETCD_WATCH_REVISION $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY $ETCD_WATCH_VALUE"', program=program) as watch:
                assert watch.lines(5) == ["PUT", "w", "x", "y", f'{revision} "PUT" "w" "x\\ny"']
            with Running(member, *words, "exit 4", program=program) as watch:
                assert watch.process.wait(10) == 1
                assert watch.process.stderr.read().splitlines()[-1] == 'command ["sh" "-c" "exit 4"] error (exit status 4)'


def test_watch_survives_the_member(tmp_path):
    with harness.Member(tmp_path / "data") as member, Running(member, "watch", "k", "--rev", "1") as watch:
        member.put("k", "1")
        assert watch.lines(3) == ["PUT", "k", "1"]
        member.kill()
        member.start()
        member.put("k", "2")
        assert watch.lines(3) == ["PUT", "k", "2"]


def test_a_lease_is_kept_until_it_is_gone(ours):
    lease = ctl(ours, "lease", "grant", "30").split()[1]
    with Running(ours, "lease", "keep-alive", lease) as keeper:
        assert keeper.lines(1) == [f"lease {lease} keepalived with TTL(30)"]
        ctl(ours, "lease", "revoke", lease)
        # It is noticed at the next renewal.
        assert keeper.lines(1) == [f"lease {lease} expired or revoked."]
        assert keeper.process.wait(10) == 0


@pytest.mark.parametrize("kind", ["ours", "go"])
def test_locks_and_elections_stand_in_line(kind, request):
    member = request.getfixturevalue(kind)
    theirs = harness.go_program("etcdctl")
    for first, second in ((OURS, theirs), (theirs, OURS)):
        with Running(member, "lock", "name", program=first) as holder:
            key, empty = holder.lines(2)
            assert key.startswith("name/") and empty == ""
            with Running(member, "lock", "name", "--", "sh", "-c", "echo $ETCD_LOCK_KEY; exit 7", program=second) as waiter:
                wait_for(lambda: len(ctl(member, "get", "name/", "--prefix", "--keys-only").split()) == 2)
                assert holder.stop() == 0
                assert waiter.lines(1)[0].startswith("name/") and waiter.process.wait(10) == 7
                assert waiter.process.stderr.read().endswith("Error: exit status 7\n")
        with Running(member, "elect", "chair", "one", program=first) as leader:
            assert leader.lines(2)[1] == "one"
            with Running(member, "elect", "-l", "chair", program=second) as listener, Running(member, "elect", "chair", "two", program=second) as next_one:
                assert listener.lines(2)[1] == "one"
                wait_for(lambda: len(ctl(member, "get", "chair/", "--prefix", "--keys-only").split()) == 2)
                assert leader.stop(signal.SIGINT) == 0
                assert next_one.lines(2)[1] == "two" and listener.lines(2)[1] == "two"
                assert next_one.stop() == 0 and listener.stop() == 0


def test_who_waits_for_a_lock_can_be_told_to_stop(ours):
    with Running(ours, "lock", "busy") as holder:
        assert holder.lines(1)[0].startswith("busy/")
        with Running(ours, "lock", "busy") as waiter:
            wait_for(lambda: len(ctl(ours, "get", "busy/", "--prefix", "--keys-only").split()) == 2)
            assert waiter.stop() == 1 and waiter.process.stderr.read().endswith("Error: context canceled\n")
        wait_for(lambda: len(ctl(ours, "get", "busy/", "--prefix", "--keys-only").split()) == 1)


@pytest.mark.parametrize("source, destination", [("ours", "go"), ("go", "ours")])
def test_mirror(source, destination, request):
    source, destination = request.getfixturevalue(source), request.getfixturevalue(destination)
    prefix, copy = f"m{source.client}/", f"c{source.client}/"
    ctl(source, "put", prefix + "a", "1")
    ctl(source, "put", prefix + "b", "2")

    def copied():
        return dict(zip(*[iter(ctl(destination, "get", copy, "--prefix").splitlines())] * 2))

    with Running(source, "make-mirror", "--prefix", prefix, "--dest-prefix", copy, "--max-txn-ops", "2", destination.endpoint) as mirror:
        wait_for(lambda: copied() == {copy + "a": "1", copy + "b": "2"})
        ctl(source, "txn", stdin=f"\nput {prefix}c 3\nput {prefix}d 4\nput {prefix}e 5\ndel {prefix}a\n\n\n")
        ctl(source, "put", prefix + "b", "6")
        wait_for(lambda: copied() == {copy + "b": "6", copy + "c": "3", copy + "d": "4", copy + "e": "5"})
        assert mirror.process.poll() is None
    revision = json.loads(ctl(source, "get", prefix + "b", "-w", "json"))["kvs"][0]["mod_revision"]
    ctl(destination, "del", copy, "--prefix")
    with Running(source, "make-mirror", "--prefix", prefix, "--dest-prefix", copy, "--rev", str(revision), destination.endpoint):
        wait_for(lambda: copied() == {copy + "b": "6"})
    # The prefix stands for itself where all is copied, and for nothing after a revision: Go's 3.7 has it so.
    ctl(source, "put", prefix + copy + "x", "7")
    mirror = ["make-mirror", "--prefix", prefix]
    with Running(source, *mirror, "--rev", str(revision), "--max-txn-ops", "0", destination.endpoint):
        wait_for(lambda: copied() == {copy + "b": "6", copy + "x": "7"})
    with Running(source, *mirror, "--rev", "1", destination.endpoint):
        wait_for(lambda: prefix + "b" in ctl(destination, "get", prefix, "--prefix", "--keys-only").split())
    ctl(source, "del", prefix + copy + "x")
    # History that is gone ends it.
    ctl(source, "compaction", str(revision + 2))
    got = call(OURS, source, "make-mirror", "--prefix", prefix, "--rev", "2", destination.endpoint)
    assert got.returncode == 1 and got.stderr == "Error: etcdserver: mvcc: required revision has been compacted\n"
    got = call(OURS, source, "make-mirror", "--dest-prefix", "a", "--no-dest-prefix", destination.endpoint)
    assert got.returncode == 128


# Clusters, checks, snapshots


def test_members_come_and_go(tmp_path):
    with Cluster(tmp_path, ("ours", "ours", "ours")) as cluster:
        leader = cluster.leader()
        everyone = ",".join(member.endpoint for member in cluster.members)
        assert len(ctl(leader, "endpoint", "status", "--cluster").splitlines()) == 3
        assert ctl(leader, "endpoint", "health", "--cluster").count("is healthy") == 3
        assert len({line.split(", ")[1] for line in retry(lambda: ctl(leader, "endpoint", "hashkv", "--cluster", "--rev", "1")).splitlines()}) == 1
        # Leadership goes where it is told, from a leader that is found among the endpoints.
        target = next(member for member in cluster.members if member is not leader)
        old, new = format(cluster.id(leader), "x"), format(cluster.id(target), "x")
        assert ctl(everyone, "move-leader", new) == f"Leadership transferred from {old} to {new}\n"
        wait_for(lambda: cluster.leader() is target)
        got = call(OURS, leader, "move-leader", old)
        assert got.returncode == 128 and got.stderr == f"Error: no leader endpoint given at [{leader.endpoint}]\n"
        # A learner comes with what etcdctl prints, gets a vote, another address, and goes.
        member = cluster.make("ours")
        printed = retry(lambda: ctl(target, "member", "add", member.name, f"--peer-urls={member.peer_url}", "--learner"))
        added = re.match(r"Member ([0-9a-f ]{16}) added as learner to cluster [0-9a-f ]{16}\n\nETCD_NAME=\"(\S+)\"\nETCD_INITIAL_CLUSTER=\"(\S+)\"\n"
                         r"ETCD_INITIAL_ADVERTISE_PEER_URLS=\"(\S+)\"\nETCD_INITIAL_CLUSTER_STATE=\"existing\"\n$", printed)
        assert added and added[2] == member.name and added[4] == member.peer_url
        assert ", unstarted, , " in ctl(target, "member", "list")
        member.initial, member.state = added[3], "existing"
        cluster.members.append(member)
        member.start(wait=False)
        number = added[1].strip()
        assert retry(lambda: ctl(target, "member", "promote", number)).startswith(f"Member {added[1]} promoted in cluster ")
        member.wait_ready(30)
        assert ctl(target, "member", "update", number, f"--peer-urls={member.peer_url}").startswith(f"Member {added[1]} updated in cluster ")
        got = json.loads(ctl(target, "member", "list", "-w", "json", "--hex"))
        assert number in [one["ID"] for one in got["members"]] and len(got["members"]) == 4
        removed = retry(lambda: json.loads(ctl(target, "member", "remove", number, "-w", "json")))
        assert len(removed["members"]) == 3
        cluster.members.remove(member)
        member.kill()
        for words in (["promote", number], ["remove", number], ["update", number, "--peer-urls=http://127.0.0.1:1"]):
            got = call(OURS, target, "member", *words)
            assert got.returncode == 1 and got.stderr.splitlines()[-1] == "Error: etcdserver: member not found"
        # A member that is away makes the cluster unhealthy, and is named.
        leader.kill()
        got = call(OURS, everyone, "--command-timeout", "1s", "endpoint", "health")
        assert got.returncode == 1 and got.stdout.count("is healthy") == 2 and f"{leader.endpoint} is unhealthy" in got.stderr
        assert got.stderr.splitlines()[-1] == "Error: unhealthy cluster"
        got = call(OURS, everyone, "--command-timeout", "1s", "endpoint", "status")
        assert got.returncode == 1 and len(got.stdout.splitlines()) == 2 and f"Failed to get the status of endpoint {leader.endpoint}" in got.stderr


def test_alarms(tmp_path):
    with harness.Member(tmp_path / "data", extra=["--quota-backend-bytes", "200000"]) as member:
        wait_for(lambda: call(OURS, member, "put", "big", "x" * 50_000).returncode == 1)
        assert re.fullmatch(r"memberID:\d+ alarm:NOSPACE\n", ctl(member, "alarm", "list"))
        got = call(OURS, member, "endpoint", "health")
        assert got.returncode == 1 and "failed to commit proposal: Active Alarm(s): NOSPACE \n" in got.stderr
        got = call(OURS, member, "put", "a", "1")
        assert got.stderr.endswith("Error: etcdserver: mvcc: database space exceeded\n")
        assert '"AlarmType" : NOSPACE\n' in ctl(member, "alarm", "disarm", "-w", "fields")
        assert ctl(member, "alarm", "list") == ""


def test_checks(ours, tmp_path):
    got = call(OURS, ours, "check", "perf", "--duration", "2s", "--auto-compact", "--auto-defrag", timeout=60)
    lines = got.stdout.splitlines()
    assert lines[0].startswith("Compacting with revision ") and lines[3].startswith("Defragmented ")
    # How fast this machine is, is not judged here: the verdict and the exit code belong together.
    assert re.fullmatch(r"(PASS: Throughput is|FAIL: Throughput too low:) \d+ writes/s", lines[4])
    assert re.fullmatch(r"(PASS: Slowest request took|Slowest request took too long:) \d+\.\d{6}s", lines[5])
    assert re.fullmatch(r"(PASS: Stddev is|Stddev too high:) \d+\.\d{6}s", lines[6])
    assert (lines[7], got.returncode) in (("PASS", 0), ("FAIL", 1)) and len(lines) == 8
    assert ctl(ours, "get", "/etcdctl-check-perf/", "--prefix") == ""
    ctl(ours, "put", "/etcdctl-check-perf/x", "1")
    got = call(OURS, ours, "check", "perf")
    assert got.returncode == 3 and got.stderr == (
        "Error: prefix \"/etcdctl-check-perf/\" has keys. Delete with 'etcdctl del --prefix /etcdctl-check-perf/' first\n")
    # An interrupt ends the load early, and what was written goes.
    with Running(ours, "check", "perf", "--prefix", "cut/") as check:
        wait_for(lambda: ctl(ours, "get", "cut/", "--prefix", "--limit", "1", "--keys-only", "--hex"))
        check.stop(signal.SIGINT)
        assert ctl(ours, "get", "cut/", "--prefix", "--keys-only", "--hex") == ""
    out = ctl(ours, "check", "datascale", "--prefix", "scale/", "--keys", "500", timeout=90)
    assert out.startswith("Start data scale check for work load [500 key-value pairs, 1024 bytes per key-value, 50 concurrent clients].\n")
    assert re.search(r"\nPASS: Approximate system memory used : -?\d+\.\d\d MB\.\n$", out) and ctl(ours, "get", "scale/", "--prefix") == ""


def test_snapshots_of_both_kinds(ours, go, tmp_path):
    for number, member in enumerate((ours, go)):
        path = tmp_path / f"saved{number}.db"
        ctl(member, "put", "saved", "1")
        got = call(OURS, member, "snapshot", "save", str(path))
        assert got.returncode == 0 and got.stdout.startswith(f"Snapshot saved at {path}\n")
        # Members tell it since 3.6.
        told = "3.7.0" if member is ours or harness.go_version() >= (3, 7) else "3.6.0" if harness.go_version() >= (3, 6) else None
        assert got.stdout == f"Snapshot saved at {path}\n" + (f"Server version {told}\n" if told else "")
        assert [json.loads(line)["msg"] for line in got.stderr.splitlines()] == [
            "created temporary db file", "opened snapshot stream; downloading", "fetching snapshot",
            "completed snapshot read; closing", "fetched snapshot", "saved"]
        assert path.stat().st_mode & 0o777 == 0o600
        assert json.loads(harness.etcdutl("snapshot", "status", str(path), "-w", "json").stdout)["revision"] > 1
    got = call(OURS, f"{ours.endpoint},{go.endpoint}", "snapshot", "save", str(tmp_path / "no.db"))
    assert got.returncode == 5 and got.stderr.splitlines()[-1].startswith("Error: snapshot must be requested to one selected node, not multiple [")
    got = call(OURS, f"127.0.0.1:{harness.free_port()}", "--command-timeout", "500ms", "snapshot", "save", str(tmp_path / "no.db"))
    assert got.returncode == 5 and sorted(path.name for path in tmp_path.iterdir()) == ["saved0.db", "saved1.db"]


def test_progress_is_for_terminals(ours, tmp_path):
    controller, terminal = pty.openpty()
    subprocess.run(
        [OURS, "--endpoints", ours.endpoint, "snapshot", "save", str(tmp_path / "s.db")], stderr=terminal, stdout=subprocess.DEVNULL, env=environment(), check=True)
    os.close(terminal)
    seen = os.read(controller, 65536)
    os.close(controller)
    assert b"\r\x1b[K" in seen and b" of " in seen


# Texts


def test_completion(ours):
    script = ctl(ours, "completion", "bash")
    folder = os.path.dirname(OURS)
    got = subprocess.run(
        ["bash", "-c", f'PATH="{folder}:$PATH"; eval "$SCRIPT"; COMP_WORDS=(etcdctl member ""); COMP_CWORD=2; __etcdctl_complete; echo "${{COMPREPLY[@]}}"'],
        capture_output=True, text=True, env=environment(SCRIPT=script))
    assert got.stdout == "add list promote remove update\n", got.stderr
    for words, offered in ((["de"], "defrag\ndel\n"), (["get", "-w", "pro"], "protobuf\n"), (["completion", ""], "bash\nzsh\nfish\npowershell\n")):
        assert subprocess.run([OURS, "__complete", *words], capture_output=True, text=True, env=environment()).stdout == offered


def test_the_manual(tmp_path):
    assert subprocess.run([OURS, "__manual", str(tmp_path / "man")], env=environment()).returncode == 0
    pages = sorted(path.name for path in (tmp_path / "man").iterdir())
    assert "etcdctl.1" in pages and "etcdctl-role-grant-permission.1" in pages and len(pages) > 50
    for page in (tmp_path / "man").iterdir():
        text = page.read_text()
        assert all(section in text for section in (".TH ", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION")), page


def test_examples_work_when_pasted(tmp_path):
    """Every example of every command's help, in a shell, against a member of its own; those that need members or leases of
    somebody else's cluster need only be understood."""
    elsewhere = re.compile(r"10\.0\.0\.|8e9e05c52164694d|694d5765fc71500b|watch |elect |^source|completion (zsh|fish)")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "etcdctl").symlink_to(OURS)

    def commands(path=()):
        text = subprocess.run([OURS, *path, "--help"], capture_output=True, text=True, env=environment()).stdout
        yield path, re.search(r"\nExamples:\n(.*?)\n\n", text + "\n\n", re.S)
        for group in re.findall(r"ommands:?\n((?:  \S.*\n)+)", text):
            for name in re.findall(r"^  (\S+)", group, re.M):
                if path != ("help",) and name != "help":
                    yield from commands((*path, name))

    skipped = seen = 0
    with harness.Member(tmp_path / "data") as member:
        settings = environment(ETCDCTL_ENDPOINTS=member.endpoint, PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        for number in range(5):
            member.put("greeting", str(number))
        for path, examples in commands():
            if path[:1] in (("auth",), ("check",), ("user",), ("role",), ("move-leader",), ("downgrade",), ("alarm",)) or not examples:
                # They depend on each other; the rows have them.
                continue
            for line in examples[1].splitlines():
                if elsewhere.search(line):
                    skipped += 1
                    continue
                seen += 1
                line = line.replace("--endpoints=127.0.0.1:2379 ", "")
                got = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=settings, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30)
                assert got.returncode == 0, (path, line, got.stderr)
    assert seen >= 20 and skipped < 20
