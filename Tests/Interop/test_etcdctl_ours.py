"""Our etcdctl beside Go's 3.5.1, each against a member of its own that has seen the same: what they print and their exit codes."""

import json
import os
import re
import subprocess

import pytest

import harness

OURS = os.environ.get("ETCDCTL_UNDER_TEST", "")
pytestmark = pytest.mark.skipif(not OURS, reason="ETCDCTL_UNDER_TEST names no etcdctl to test")

# What is bound to differ: ids, ports, times, sizes, terms of elections.
MASKS = [
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r'"(cluster_id|member_id|raft_term|ID|id|leader|raftIndex|raftTerm|raftAppliedIndex|dbSize|dbSizeInUse|dbSizeQuota)":"?[0-9a-f]+"?', r'"\1":N'),
    (r'"(ClusterID|MemberID|RaftTerm|ID)" : \d+', r'"\1" : N'),
    # 3.7 leaves a revision of 0 out, and says how long defragmenting took.
    (r'"Revision" : 0\n', ""),
    (r"\. took [0-9.]+[mµn]?s", ""),
    (r"\b[0-9a-f]{14,16}\b", "HEX"),
    (r"took[ =]+[0-9.]+[mµn]?s", "took T"),
    (r'"took":"[^"]*"', '"took":"T"'),
    (r"remaining\(\d+s\)", "remaining(S)"),
]


def masked(text):
    for pattern, replacement in MASKS:
        text = re.sub(pattern, replacement, text)
    return text


def errors(text):
    """The `Error:` lines: the log lines around them name versions and source files."""
    return [line for line in masked(text).splitlines() if line.startswith("Error:")][:1]


def call(program, member, *words, stdin=None, timeout=30):
    return subprocess.run(
        [program, "--endpoints", member.endpoint, *words], input=stdin if stdin is not None else "", text=True, errors="replace",
        capture_output=True, timeout=timeout, env={**harness.clean_environment(), "ETCDCTL_API": "3"})


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two fresh members of one kind: what one etcdctl does must not be seen by the other."""
    base = tmp_path_factory.mktemp("ctl")
    go = harness.go_program("etcd")
    members = [harness.Member(base / name, program=go).start() for name in ("theirs", "ours")]
    yield members
    for member in members:
        member.kill()


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
    ("txn", 'mod("a") < "1"\n\nput b 9\n\nget b\ndel b\n\n'), ("txn", "\nput x 1\nput x 2\n\n\n"), ("txn", 'size("a") = "1"\n\n\n\n'),
    ("del nothing", None), ("del", None), ("del x --prev-kv", None), ("del c --prev-kv -w json", None), ("del b -w fields", None),
    ("compaction 3", None), ("compaction 3", None), ("compaction 9999", None), ("compaction", None), ("compaction x", None),
    ("get a --rev 2", None), ("watch", None), ("watch --", None),
    ("lease", None), ("lease grant", None), ("lease grant x", None), ("lease grant 100", None), ("lease grant 100 -w fields", None),
    ("lease revoke zz", None), ("lease revoke 1234", None), ("lease timetolive 1234", None), ("lease timetolive 1234 -w json", None),
    ("lease keep-alive", None), ("lease keep-alive 1234 --once", None),
    ("member list -w json", None), ("member list -w fields", None), ("member add", None),
    ("member add new", None), ("member remove zz", None), ("member remove 1234", None), ("member promote 1234", None),
    ("member update 1234", None), ("endpoint health", None), ("endpoint health -w json", None), ("move-leader", None), ("move-leader 1234", None),
    ("defrag", None), ("alarm list", None), ("alarm disarm", None), ("alarm list x", None), ("snapshot save", None),
    ("user add u:pw", None), ("user add u --new-user-password pw", None), ("user add", None), ("user list", None),
    ("role add r", None), ("role add r", None), ("role list", None), ("role list -w json", None),
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
    for words, stdin in ROWS:
        want = call(harness.go_program("etcdctl"), theirs, *words.split(), stdin=stdin)
        got = call(OURS, ours, *words.split(), stdin=stdin)
        # Where 3.5.1 prints usage or a folder's help, 3.7 prints it in another layout and elsewhere.
        shows_help = "NAME:" in want.stdout
        if want.returncode != got.returncode or errors(want.stderr) != errors(got.stderr) or (
                not shows_help and "-w protobuf" not in words and masked(want.stdout) != masked(got.stdout)):
            different.append(
                f"{words!r}\n  Go:   {want.returncode} {masked(want.stdout)!r} {errors(want.stderr)}"
                f"\n  ours: {got.returncode} {masked(got.stdout)!r} {errors(got.stderr)}")
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


def test_the_next_endpoint_answers_when_one_is_away(pair):
    got = subprocess.run(
        [OURS, "--endpoints", f"127.0.0.1:{harness.free_port()},{pair[1].endpoint}", "put", "failover", "1"],
        text=True, capture_output=True, timeout=20, env=harness.clean_environment())
    assert (got.returncode, got.stdout, got.stderr) == (0, "OK\n", "")


def test_lock_runs_a_command_and_lets_go(pair):
    for _ in range(2):
        got = call(OURS, pair[1], "lock", "name", "sh", "-c", "echo $ETCD_LOCK_KEY; exit 7")
        assert got.returncode == 7 and got.stdout.startswith("name/")


def test_elect_leads_until_told_to_stop(pair):
    for value in ("first", "second"):
        leader = subprocess.Popen(
            [OURS, "--endpoints", pair[1].endpoint, "elect", "chair", value], stdout=subprocess.PIPE, text=True,
            env=harness.clean_environment())
        try:
            assert leader.stdout.readline().startswith("chair/")
            assert leader.stdout.readline() == value + "\n"
            leader.terminate()
            assert leader.wait(10) == 0
        finally:
            leader.kill()


def test_watch_survives_the_member(tmp_path):
    with harness.Member(tmp_path / "data", program=harness.go_program("etcd")) as member:
        watch = subprocess.Popen(
            [OURS, "--endpoints", member.endpoint, "watch", "k", "--rev", "1"], stdout=subprocess.PIPE, text=True,
            env=harness.clean_environment())
        try:
            member.put("k", "1")
            assert [watch.stdout.readline() for _ in range(3)] == ["PUT\n", "k\n", "1\n"]
            member.kill()
            member.start()
            member.put("k", "2")
            assert [watch.stdout.readline() for _ in range(3)] == ["PUT\n", "k\n", "2\n"]
        finally:
            watch.kill()
            watch.wait()
