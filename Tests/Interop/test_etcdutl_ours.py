"""Our etcdutl beside Go's 3.5.1 on the same files: what both print, what either writes, and who can start with it."""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

import harness
from cluster import Cluster
from conftest import golden

OURS = os.environ.get("UTL_UNDER_TEST", "")
pytestmark = pytest.mark.skipif(not OURS, reason="UTL_UNDER_TEST names no etcdutl to test")
CEILING = harness.ceiling()
PAGE = 4096


def run(program, *words, cwd=None, check=False, timeout=60):
    result = subprocess.run([program, *map(str, words)], capture_output=True, text=True, errors="replace", cwd=cwd, timeout=timeout)
    if check:
        assert result.returncode == 0, f"{words}\n{result.stdout}{result.stderr}"
    return result


def ours(*words, **more):
    return run(OURS, *words, **more)


def theirs(*words, **more):
    return run(harness.go_program("etcdutl"), *words, **more)


def utl(kind, *words, **more):
    return (ours if kind == "ours" else theirs)(*words, check=True, **more)


def errors(text):
    """The first `Error:` line."""
    return [line for line in text.splitlines() if line.startswith("Error:")][:1]


def save(member, path):
    harness.etcdctl(member, "snapshot", "save", str(path))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A directory of Go's and one of ours, both stopped, each with its snapshot; the same keys in both."""
    base = tmp_path_factory.mktemp("utl")
    for name, program, extra in [("go", harness.go_program("etcd"), []), ("ours", None, CEILING)]:
        member = harness.Member(base / name, program=program, extra=extra)
        with member:
            for number in range(60):
                member.put(f"k{number % 20}", f"v{number}" + "x" * 300)
            harness.etcdctl(member, "del", "k3")
            harness.etcdctl(member, "lease", "grant", "1000")
            save(member, base / f"{name}.db")
            (base / f"{name}.hash").write_text(str(member.hashkv()))
            member.stop()
    return base


@pytest.fixture
def work(files, tmp_path):
    for name in ("go", "ours"):
        shutil.copytree(files / name, tmp_path / name)
        shutil.copy(files / f"{name}.db", tmp_path / f"{name}.db")
    return tmp_path


def database(directory):
    return Path(directory) / "member" / "snap" / "db"


def overwrite(path, offset, raw):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(raw)


# --- What both print ---

@pytest.mark.parametrize("maker", ["go", "ours"])
def test_status_agrees(work, maker):
    for path in (work / f"{maker}.db", database(work / maker)):
        got, want = (json.loads(utl(kind, "snapshot", "status", path, "-w", "json").stdout) for kind in ("ours", "go"))
        texts = [[utl(kind, "snapshot", "status", path, "-w", form).stdout for kind in ("ours", "go")] for form in ("fields", "simple")]
        assert got["totalKey"] == 19
        if harness.go_version() >= (3, 6):
            assert got == want and all(one == other for one, other in texts)
            continue
        assert got.pop("version") == ""
        # 3.5.1 counts every bucket's rows, of keys 60 puts and a tombstone; since 3.6 living keys are counted.
        assert want.pop("totalKey") > 61 and got.pop("totalKey") == 19
        assert got == want
        got, want = (text.splitlines() for text in texts[0])
        assert [line for line in got if '"Keys"' not in line and '"Version"' not in line] == [
            line for line in want if '"Keys"' not in line]
        got, want = (text.strip("\n").split(", ") for text in texts[1])
        assert got[:2] == want[:2] and got[3] == want[3] and got[4] == ""


def test_formats(work):
    status = json.loads(ours("snapshot", "status", work / "go.db", "-w", "json").stdout)
    table = ours("snapshot", "status", work / "go.db", "-w", "table").stdout.splitlines()
    assert table[1].split() == "│ HASH │ REVISION │ TOTAL KEYS │ TOTAL SIZE │ VERSION │".split()
    assert table[3].split()[1] == format(status["hash"], "x") and table[0][0] == "┌" and len(table) == 5
    got = json.loads(ours("hashkv", work / "go.db", "-w", "json").stdout)
    assert sorted(got) == ["compactRevision", "hash", "hashRevision"] and got["hashRevision"] == status["revision"]
    assert ours("hashkv", work / "go.db").stdout == "{hash}, {hashRevision}, {compactRevision}\n".format(**got)
    assert ours("hashkv", work / "go.db", "-w", "fields").stdout == (
        '"Hash" : {hash}\n"Hash revision" : {hashRevision}\n"Compact revision" : {compactRevision}\n'.format(**got))


# Words, with FILE for a snapshot, DIR for a stopped directory and NEW for a place where nothing is.
SAME = [
    "bogus", "snapshot bogus", "defrag", "defrag --bogus", "defrag --data-dir", "snapshot status", "snapshot status FILE FILE",
    "snapshot status nofile", "snapshot status FILE -w nothing", "snapshot status FILE -w protobuf",
    "snapshot restore nofile --data-dir NEW", "snapshot restore FILE --data-dir DIR", "snapshot restore FILE --data-dir NEW --name x",
    "snapshot restore FILE --data-dir NEW --initial-cluster foo", "snapshot restore FILE --data-dir NEW --initial-advertise-peer-urls bogus",
    "snapshot restore DB --data-dir NEW", "snapshot restore FILE --data-dir NEW --skip-hash-check=maybe",
    "snapshot restore FILE --data-dir NEW --initial-cluster a=http://localhost:1,b=http://localhost:1 --name a"
    " --initial-advertise-peer-urls http://localhost:1",
    "snapshot restore FILE --data-dir NEW --wal-dir DIR", "snapshot restore EMPTY --data-dir NEW",
    "snapshot restore FLIPPED --data-dir NEW", "snapshot restore SHORT --data-dir NEW", "snapshot status SHORT",
]


def test_errors_agree(work):
    whole = (work / "go.db").read_bytes()
    flipped = bytearray(whole)
    flipped[20000] ^= 1
    (work / "empty").write_bytes(b"")
    (work / "flipped").write_bytes(flipped)
    (work / "short").write_bytes(whole[:1000])
    different = []
    for words in SAME:
        results = []
        for kind, program in (("go", harness.go_program("etcdutl")), ("ours", OURS)):
            names = {"FILE": "go.db", "DIR": "go", "DB": database("go"), "EMPTY": "empty", "FLIPPED": "flipped", "SHORT": "short",
                     "NEW": f"new/{kind}/{len(results)}/{SAME.index(words)}"}
            result = run(program, *[str(names.get(word, word)) for word in words.split()], cwd=work)
            results.append((result.returncode, errors(result.stderr)))
        if results[0] != results[1]:
            different.append(f"{words}\n  Go:   {results[0]}\n  ours: {results[1]}")
    assert not different, "\n".join(different)


def test_errors_of_later_versions(work):
    """Rows of 3.6 and 3.7, against the catalogue."""
    rows = [
        ("snapshot restore", 128, "Error: snapshot restore requires exactly one argument"),
        ("snapshot restore go.db --data-dir n --bump-revision 5", 128, "Error: --mark-compacted required if --revision-bump > 0"),
        ("snapshot restore go.db --data-dir n --mark-compacted", 128, "Error: --mark-compacted required if --revision-bump > 0"),
        ("defrag --data-dir n", 1, "Error: Failed to defragment etcd data[n] (stat n/member/snap/db: no such file or directory)"),
        ("hashkv", 1, "Error: accepts 1 arg(s), received 0"),
        ("hashkv n", 1, "Error: stat n: no such file or directory"),
        ("hashkv go.db --rev 999", 1, "Error: mvcc: required revision is a future revision"),
        ("migrate --data-dir go", 1, 'Error: required flag(s) "target-version" not set'),
        ("migrate", 1, 'Error: required flag(s) "data-dir", "target-version" not set'),
        ("migrate --data-dir go --target-version 3", 128, 'Error: wrong target version format, expected "X.Y", got "3"'),
        ("migrate --data-dir go --target-version 3.a", 128, 'Error: failed to parse target version: strconv.ParseInt: parsing "a": invalid syntax'),
        ("migrate --data-dir go --target-version 3.4", 128, 'Error: target version "3.4" not supported. Minimal "3.5"'),
        ("migrate --data-dir n --target-version 3.6", 1, "Error: stat n/member/snap/db: no such file or directory"),
        ("bbolt check n", 1, 'Error: source database file "n" doesn\'t exist'),
        ("bbolt surgery revert-meta-page go.db", 1, 'Error: required flag(s) "output" not set'),
        ("completion klingon", 1, 'Error: invalid argument "klingon" for "etcdutl completion"'),
    ]
    for words, code, message in rows:
        result = ours(*words.split(), cwd=work)
        assert (result.returncode, errors(result.stderr)) == (code, [message]), words
    assert ours("version").stdout == "etcdutl version: 3.7.1\nAPI version: 3.7\n"
    for shell in ("bash", "zsh", "fish", "powershell"):
        assert "__complete" in ours("completion", shell, check=True).stdout


# --- Snapshots cross ---

@pytest.mark.parametrize("server", ["go", "ours"])
@pytest.mark.parametrize("restorer", ["go", "ours"])
@pytest.mark.parametrize("maker", ["go", "ours"])
def test_snapshots_cross(files, tmp_path, maker, restorer, server):
    """Saved from either member, restored by either program, started by either server: the same hash at the same revision."""
    member = harness.Member(
        tmp_path / "data", program=harness.go_program("etcd") if server == "go" else None, extra=CEILING if server == "ours" else [])
    peer = f"http://127.0.0.1:{member.peer}"
    utl(restorer, "snapshot", "restore", files / f"{maker}.db", "--data-dir", member.directory,
        "--initial-cluster", f"default={peer}", "--initial-advertise-peer-urls", peer)
    with member:
        assert str(member.hashkv(62)) == (files / f"{maker}.hash").read_text()
        assert len(member.all_keys()) == 19
        member.put("after", "restore")


def test_restored_files_are_go_s(files, tmp_path):
    """Identifiers, log and membership come out as Go's etcdutl makes them."""
    cluster = "m0=http://127.0.0.1:11,m1=http://127.0.0.1:12,m2=http://127.0.0.1:13"
    dumps = []
    for kind in ("go", "ours"):
        directory = tmp_path / kind
        utl(kind, "snapshot", "restore", files / "go.db", "--data-dir", directory, "--name", "m1", "--initial-cluster", cluster,
            "--initial-cluster-token", "t", "--initial-advertise-peer-urls", "http://127.0.0.1:12")
        rows = [ours("bbolt", "get", database(directory), "members", key, check=True).stdout
                for key in ours("bbolt", "keys", database(directory), "members").stdout.split()]
        (wal,) = (directory / "member" / "wal").iterdir()
        (snap,) = (directory / "member" / "snap").glob("*.snap")
        state = json.loads(snap.read_bytes()[snap.read_bytes().index(b'{"Root"'):snap.read_bytes().rindex(b"}") + 1])
        members = state["Root"]["Children"]["0"]["Children"]["members"]
        dumps.append((
            ours("wal", "dump", directory, "--start-index", "1", check=True).stdout, rows, wal.name, snap.name,
            # Where its nodes were made differs, for 3.5's has a whole v2 store behind it.
            {id: node["Children"]["raftAttributes"]["Value"] for id, node in members["Children"].items()}, wal.stat().st_size,
            ours("bbolt", "get", database(directory), "meta", "consistent_index", "--format", "hex").stdout,
            oct((directory / "member").stat().st_mode)))
    assert dumps[0] == dumps[1]
    assert "vote=" in dumps[0][0] and len(dumps[0][1]) == 3


def test_restore_to_three_members(files, tmp_path):
    """Restored three times, by ours, ours and Go's; the cluster starts, two of its members ours."""
    with_cluster = Cluster(tmp_path, ("ours", "ours", "go"))
    initial = with_cluster.members[0].initial
    for member, kind in zip(with_cluster.members, ("ours", "go", "ours")):
        utl(kind, "snapshot", "restore", files / "ours.db", "--data-dir", member.directory, "--name", member.name,
            "--initial-cluster", initial, "--initial-advertise-peer-urls", member.peer_url)
    with with_cluster as cluster:
        assert cluster.wait_equal() == ("62", int((files / "ours.hash").read_text()))
        cluster.members[0].put("after", "restore")
        assert cluster.wait_equal()[0] == "63"


@pytest.mark.parametrize("server", ["go", "ours"])
def test_raised_revision(files, tmp_path, server):
    """A watch from before the raised revision is told that it is compacted; later revisions go on from there."""
    member = harness.Member(
        tmp_path / "data", program=harness.go_program("etcd") if server == "go" else None, extra=CEILING if server == "ours" else [])
    peer = f"http://127.0.0.1:{member.peer}"
    result = ours("snapshot", "restore", files / "go.db", "--data-dir", member.directory, "--initial-cluster", f"default={peer}",
                  "--initial-advertise-peer-urls", peer, "--bump-revision", "1000", "--mark-compacted", check=True)
    assert '"new-latest-revision": 1062' in result.stderr
    with member:
        watch = harness.etcdctl(member, "watch", "k1", "--rev", "50", check=False)
        assert "required revision has been compacted" in watch.stdout + watch.stderr
        assert member.put("k1", "next") == 1063
        assert len(member.all_keys()) == 19


def test_wal_directory_of_its_own(files, tmp_path):
    directory, wal = tmp_path / "data", tmp_path / "logs" / "wal"
    ours("snapshot", "restore", files / "go.db", "--data-dir", directory, "--wal-dir", wal, check=True)
    assert list(wal.glob("*.wal")) and not (directory / "member" / "wal").exists()
    again = ours("snapshot", "restore", files / "go.db", "--data-dir", tmp_path / "other", "--wal-dir", wal)
    assert again.returncode == 1 and errors(again.stderr) == [f'Error: wal-dir "{wal}" exists']


def test_copied_database(work):
    """Without a checksum it is restored only if asked to be; with a wrong one, too."""
    path = database(work / "go")
    assert ours("snapshot", "restore", path, "--data-dir", work / "a").returncode == 1
    ours("snapshot", "restore", path, "--data-dir", work / "b", "--skip-hash-check", check=True)
    whole = bytearray((work / "go.db").read_bytes())
    whole[-1] ^= 1
    (work / "wrong").write_bytes(whole)
    assert ours("snapshot", "restore", work / "wrong", "--data-dir", work / "c").returncode == 1
    ours("snapshot", "restore", work / "wrong", "--data-dir", work / "d", "--skip-hash-check", check=True)
    assert theirs("snapshot", "status", database(work / "d"), check=True).stdout == (
        theirs("snapshot", "status", database(work / "b"), check=True).stdout)


# --- A directory at rest ---

@pytest.mark.parametrize("maker", ["go", "ours"])
def test_defrag(work, maker):
    before = json.loads(theirs("snapshot", "status", database(work / maker), "-w", "json").stdout)
    shutil.copytree(work / maker, work / "copy")
    theirs("defrag", "--data-dir", work / "copy")
    least = json.loads(theirs("snapshot", "status", database(work / "copy"), "-w", "json").stdout)["totalSize"]
    result = ours("defrag", "--data-dir", work / maker, check=True)
    assert result.stdout == "" and "finished defragmenting directory" in result.stderr
    after = json.loads(theirs("snapshot", "status", database(work / maker), "-w", "json").stdout)
    assert after["hash"] == before["hash"]
    # A fresh file may even be a page larger than one that had nothing to give back; so is Go's.
    assert after["totalSize"] <= max(before["totalSize"], least), (before, least)
    member = harness.Member(work / maker, program=harness.go_program("etcd"))
    with member:
        assert len(member.all_keys()) == 19


def test_hashkv_changes_nothing(work):
    for maker in ("go", "ours"):
        path = database(work / maker)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert json.loads(ours("hashkv", path, "-w", "json", check=True).stdout)["hashRevision"] == 62
        assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_hashkv_is_the_member_s(files):
    for maker in ("go", "ours"):
        got = ours("hashkv", files / f"{maker}.db", check=True).stdout.split(", ")
        assert got[0] == (files / f"{maker}.hash").read_text()


def test_migrate(work):
    """Up to 3.6 and back to 3.5; Go 3.5.1 opens the result."""
    directory = work / "ours"
    # 3.5 is told by the term in the file.
    up = ours("migrate", "--data-dir", directory, "--target-version", "3.6", check=True)
    assert '"new-storage-version": "3.6.0"' in up.stderr
    assert json.loads(ours("snapshot", "status", database(directory), "-w", "json").stdout)["version"] == "3.6.0"
    assert "storage version up-to-date" in ours("migrate", "--data-dir", directory, "--target-version", "3.6", check=True).stderr
    ours("migrate", "--data-dir", directory, "--target-version", "3.7", check=True)
    too_far = ours("migrate", "--data-dir", directory, "--target-version", "3.8")
    assert too_far.returncode == 1
    assert errors(too_far.stderr) == ['Error: cannot create migration plan: version "3.8.0" is not supported']
    ours("migrate", "--data-dir", directory, "--target-version", "3.5", check=True)
    assert json.loads(ours("snapshot", "status", database(directory), "-w", "json").stdout)["version"] == ""
    with harness.Member(directory, program=harness.go_program("etcd")) as member:
        assert len(member.all_keys()) == 19


@golden
@pytest.mark.parametrize("version", ["3.5.1", "3.5.30", "3.6.14", "3.7.1"])
def test_recorded_files(tmp_path, version):
    """Every version's snapshot and directory: the hash of the recordings, and Go's own figures."""
    folder = Path(harness.GOLDEN) / version
    snapshot = tmp_path / "snapshot.db"
    with gzip.open(folder / "snapshot.db.gz") as source, open(snapshot, "wb") as target:
        shutil.copyfileobj(source, target)
    got = json.loads(ours("snapshot", "status", snapshot, "-w", "json", check=True).stdout)
    want = json.loads(theirs("snapshot", "status", snapshot, "-w", "json", check=True).stdout)
    assert got["version"] == {"3.6": "3.6.0", "3.7": "3.7.0"}.get(version[:3], "")
    assert {name: got[name] for name in ("hash", "revision", "totalSize")} == {
        name: want[name] for name in ("hash", "revision", "totalSize")}
    hashkv = json.loads(ours("hashkv", snapshot, "-w", "json", check=True).stdout)
    assert hashkv["hashRevision"] == 79 and hashkv["compactRevision"] in (22, 30)
    member = harness.Member(tmp_path / "restored", name="golden")
    peer = f"http://127.0.0.1:{member.peer}"
    ours("snapshot", "restore", snapshot, "--data-dir", member.directory, "--name", "golden", "--initial-cluster", f"golden={peer}",
         "--initial-advertise-peer-urls", peer, check=True)
    with member:
        assert member.hashkv(79) == hashkv["hash"]
    with tarfile.open(folder / "datadir-killed.tar.gz") as archive:
        archive.extractall(tmp_path / "killed", filter="data")
    (directory,) = (tmp_path / "killed").iterdir()
    dump = ours("wal", "dump", directory, check=True).stdout
    assert "method=ConfChangeAddNode" in dump and 'put:{ key:"a" value:"1" }' in dump
    assert "\nEntry types (Normal,ConfigChange) count is : " in dump


def test_lock_of_a_running_member(work):
    with harness.Member(work / "ours", extra=CEILING) as member:
        for words in ("defrag --data-dir ours", "migrate --data-dir ours --target-version 3.6"):
            result = ours(*words.split(), "--timeout", "200ms", cwd=work)
            assert result.returncode == 2 and '"error": "timeout"' in result.stderr, words
            assert result.stderr.splitlines()[-1] == "panic: failed to open database"
        for words in ("snapshot status", "hashkv", "bbolt check"):
            result = ours(*words.split(), database("ours"), "--timeout", "200ms", cwd=work)
            assert (result.returncode, errors(result.stderr)) == (1, ["Error: timeout"]), words
        # Who waits long enough gets it.
        waiting = subprocess.Popen([OURS, "defrag", "--data-dir", str(work / "ours"), "--timeout", "60s"], stderr=subprocess.PIPE, text=True)
        member.stop()
        _, log = waiting.communicate(timeout=60)
        assert waiting.returncode == 0 and "finished defragmenting directory" in log


def test_wal_dump(work):
    """Entries from an index, up to one, of a kind; every record of a log that is damaged, up to the damage."""
    text = ours("wal", "dump", work / "go", "--start-index", "5", "--end-index", "8", check=True).stdout
    assert text.splitlines()[0] == "Start dumping log entries from index 5."
    assert "WAL entries: 3\nlastIndex=7\n" in text
    puts = ours("wal", "dump", work / "go", "--entry-type", "IRRPut", check=True).stdout
    assert puts.count("put:{ key:") == 60 and "Entry types (IRRPut) count is : 60" in puts and "conf" not in puts
    assert "lease_grant:{ TTL:1000 " in ours("wal", "dump", work / "go", "--entry-type", "IRRLeaseGrant").stdout
    raw = ours("wal", "dump", work / "go", "--raw", check=True).stdout.splitlines()
    assert raw[0] == "CRC: 0" and raw[1].startswith("Metadata: NodeID:") and raw[2] == "Snapshot: index:0 term:0"
    assert raw[-1] == "EOF: All entries were processed." and "Entry: Term:1 Index:1 Type:EntryConfChange Data:" in raw[3]
    (wal,) = (work / "go" / "member" / "wal").glob("0*.wal")
    overwrite(wal, 12000, b"\xff" * 64)
    assert ours("wal", "dump", work / "go").returncode == 1
    damaged = ours("wal", "dump", work / "go", "--raw")
    assert damaged.returncode == 1 and wal.name in errors(damaged.stderr)[0]
    shown = damaged.stdout.splitlines()
    assert 10 < len(shown) < len(raw) and shown == raw[:len(shown)]


def test_help(work):
    for words in ("--help", "snapshot", "snapshot --help", "help snapshot"):
        got, want = ours(*words.split()), theirs(*words.split())
        # Commands and flags of later versions aside.
        known = {line.split("  ")[1].strip() for line in want.stdout.splitlines() if line.startswith("  ")} - {"backup"}
        assert got.returncode == 0 and got.stderr == "" and got.stdout.startswith("Usage:\n  etcdutl"), words
        shown = {line.split("  ")[1].strip() for line in got.stdout.splitlines() if line.startswith("  ")}
        assert known <= shown, words


# --- A file in doubt ---

def metas(path):
    """Transaction and freelist page of both metas."""
    raw = Path(path).read_bytes()[:2 * PAGE]
    number = lambda place, offset: int.from_bytes(raw[place * PAGE + 16 + offset:place * PAGE + 24 + offset], "little")  # noqa: E731
    return [(number(place, 48), number(place, 32)) for place in (0, 1)]


@pytest.mark.parametrize("maker", ["go", "ours"])
def test_looking(work, maker):
    path = database(work / maker)
    assert ours("bbolt", "check", path, check=True).stdout == "OK\n"
    assert "key" in ours("bbolt", "buckets", path).stdout.split()
    assert len(ours("bbolt", "keys", path, "key").stdout.split()) == 61
    assert "Number of keys/value pairs: " in ours("bbolt", "stats", path).stdout
    assert ours("bbolt", "info", path).stdout == "Page Size: 4096\n"
    assert ours("bbolt", "pages", path).stdout.splitlines()[2].split() == ["0", "meta", "0"]
    everything = ours("bbolt", "page", path, "--all", check=True).stdout
    assert f"Txn ID:     {max(metas(path))[0]}" in everything and "failed" not in everything
    assert ours("bbolt", "dump", path, "0").stdout.splitlines()[1].startswith("0000010 edda 0ced 0200 0000 0010 0000")
    compact = ours("bbolt", "compact", "-o", work / "compact", path, check=True).stdout
    assert re.fullmatch(r"\d+ -> \d+ bytes \(gain=[0-9.]+x\)\n", compact)
    assert theirs("snapshot", "status", work / "compact", check=True).stdout.split(", ")[0] == (
        theirs("snapshot", "status", path).stdout.split(", ")[0])


@pytest.mark.parametrize("maker", ["go", "ours"])
def test_damaged_meta(work, maker):
    """The later meta gone: either reader takes the other. Both gone: said so. Then the later one is copied back."""
    path = database(work / maker)
    later = 0 if metas(path)[0] > metas(path)[1] else 1
    broken = work / "broken"
    shutil.copy(path, broken)
    overwrite(broken, later * PAGE + 16, b"\xff" * 64)
    assert f"WARNING: The meta page {later} isn't valid: invalid database!" in ours("bbolt", "surgery", "meta", "validate", broken).stdout
    ours("bbolt", "check", broken, check=True)
    overwrite(broken, (1 - later) * PAGE + 16, b"\xff" * 64)
    gone = [run(program, "snapshot", "status", broken) for program in (OURS, harness.go_program("etcdutl"))]
    assert [(one.returncode, errors(one.stderr)) for one in gone] == [(1, ["Error: invalid database"])] * 2
    # Both metas' pages from the sound file: one is enough.
    with open(path, "rb") as file:
        file.seek(later * PAGE)
        overwrite(broken, later * PAGE, file.read(PAGE))
    ours("bbolt", "surgery", "copy-page", broken, "--output", work / "repaired", "--from-page", later, "--to-page", 1 - later, check=True)
    assert theirs("snapshot", "status", work / "repaired", check=True).stdout == theirs("snapshot", "status", path).stdout


@pytest.mark.parametrize("maker", ["go", "ours"])
def test_reverted_meta(work, maker):
    path, output = database(work / maker), work / "reverted"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert ours("bbolt", "surgery", "revert-meta-page", path, "--output", output, check=True).stdout == "The meta page is reverted.\n"
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest(), "the file itself is never touched"
    assert metas(output) == [min(metas(path))] * 2
    ours("bbolt", "check", output, check=True)
    theirs("snapshot", "status", output, check=True)
    itself = ours("bbolt", "surgery", "revert-meta-page", path, "--output", path)
    assert itself.returncode == 1 and digest == hashlib.sha256(path.read_bytes()).hexdigest()
    # One commit earlier, the log still has what it lacks.
    shutil.copy(output, path)
    with harness.Member(work / maker, program=harness.go_program("etcd")) as member:
        assert len(member.all_keys()) == 19


def test_freelist(work):
    """Stored, damaged, found, thrown away, made anew; Go's reader opens each sound one."""
    path, stored, lost, again = database(work / "go"), work / "stored", work / "lost", work / "again"
    want = theirs("snapshot", "status", path).stdout
    ours("bbolt", "surgery", "freelist", "rebuild", path, "--output", stored, check=True)
    assert "freelist" in ours("bbolt", "pages", stored).stdout
    assert theirs("snapshot", "status", stored, check=True).stdout == want
    refused = ours("bbolt", "surgery", "freelist", "rebuild", stored, "--output", work / "no")
    assert errors(refused.stderr) == [
        "Error: the file already has freelist, please consider to abandon the freelist to forcibly rebuild it"]
    (page,) = {freelist for transaction, freelist in metas(stored) if transaction == max(metas(stored))[0]}
    overwrite(stored, page * PAGE + 8, b"\x02\x00")
    broken = ours("bbolt", "check", stored)
    assert broken.returncode == 1 and errors(broken.stderr) == ["Error: invalid value"] and "1 errors found" in broken.stdout
    ours("bbolt", "surgery", "freelist", "abandon", stored, "--output", lost, check=True)
    assert {freelist for _, freelist in metas(lost)} == {2**64 - 1}
    assert theirs("snapshot", "status", lost, check=True).stdout == want
    ours("bbolt", "surgery", "freelist", "rebuild", lost, "--output", again, check=True)
    shutil.copy(again, path)
    with harness.Member(work / "go", program=harness.go_program("etcd")) as member:
        assert len(member.all_keys()) == 19


@pytest.mark.parametrize("maker", ["go", "ours"])
def test_looking_closer(work, maker):
    path = database(work / maker)
    inside = ours("bbolt", "inspect", path, check=True).stdout
    assert inside.startswith('{\n    "name": "root",\n    "keyN": 0,\n    "buckets": [\n        {\n            "name": "alarm",\n')
    found = json.loads(inside)
    assert [bucket["name"] for bucket in found["buckets"]] == ours("bbolt", "buckets", path).stdout.split()
    assert {bucket["name"]: bucket["keyN"] for bucket in found["buckets"]}["key"] == 61
    leaves = [line.split() for line in ours("bbolt", "pages", path).stdout.splitlines() if line.split()[1] == "leaf"]
    leaf = max(leaves, key=lambda line: int(line[2]))[0]
    shown = ours("bbolt", "page", path, leaf).stdout.splitlines()[6]
    key, value = ours("bbolt", "page-item", path, leaf, "0", check=True).stdout.splitlines()
    assert shown.startswith(f"{key}: {value}") or shown.startswith(f'"{key}": ')
    assert ours("bbolt", "page-item", "--key-only", path, leaf, "0").stdout == key + "\n"
    assert len(ours("bbolt", "page-item", "--value-only", "--format", "hex", path, leaf, "0").stdout) > 2
    for words, error in [
        (["--key-only", "--value-only", path, leaf, "0"], "the --key-only or --value-only flag may be set, but not both"),
        ([path, leaf, "9999"], f"leafPageElement: expected item index less than {max(int(l[2]) for l in leaves)}, but got 9999"),
        ([path, "0", "0"], "leafPageElement: expected item index less than 0, but got 0"),
        ([path, "x", "0"], 'strconv.ParseUint: parsing "x": invalid syntax'),
        ([path, leaf, "0", "--format", "no"], "formatBytes: unsupported format: no"),
    ]:
        result = ours("bbolt", "page-item", *words)
        assert result.returncode == 1 and errors(result.stderr) == [f"Error: {error}"], words


def test_cleared_pages(work):
    """All and some elements of a leaf: what is left is sound, and Go's reader counts it."""
    path, output = database(work / "go"), work / "cleared"
    everything = ours("bbolt", "keys", path, "key", "--format", "hex").stdout.split()
    pages = [line.split() for line in ours("bbolt", "pages", path).stdout.splitlines()[2:]]
    leaf = next(page[0] for page in pages if page[1] == "leaf" and ours(
        "bbolt", "page-item", "--key-only", "--format", "hex", path, page[0], "0").stdout.strip() == everything[0])
    count = int(next(page[2] for page in pages if page[0] == leaf))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    surgery = ["bbolt", "surgery"]

    def cleared(first, last):
        output.unlink(missing_ok=True)
        said = ours(*surgery, "clear-page-elements", path, "--output", output, "--pageId", leaf, "--from-index", first,
                    "--to-index", last, check=True).stdout
        assert said.endswith(f"All elements in [{first}, {last}) in page {leaf} were cleared\n")
        assert ours("bbolt", "check", output, check=True).stdout == "OK\n"
        return ours("bbolt", "keys", output, "key", "--format", "hex").stdout.split()

    for first, last in ((1, 3), (0, 2), (count - 1, count), (2, -1)):
        end = count if last == -1 else last
        assert cleared(first, last) == everything[:first] + everything[end:], (first, last)
    theirs("snapshot", "status", output, check=True)
    said = ours(*surgery, "clear-page", path, "--output", output, "--pageId", leaf, check=True).stdout
    assert said.endswith(f"The page ({leaf}) was cleared\n")
    assert ours("bbolt", "keys", output, "key", "--format", "hex").stdout.split() == everything[count:]
    theirs("snapshot", "status", output, check=True)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest(), "the file itself is never touched"
    for words, error in [
        (["clear-page", path, "--output", output, "--pageId", 1], "the pageId must be at least 2, but got 1"),
        (["clear-page", path, "--pageId", 3], 'required flag(s) "output" not set'),
        (["clear-page-elements", path, "--output", output, "--pageId", leaf, "--from-index", count, "--to-index", -1],
         f"clear-page-element command failed: the start index ({count}) is out of range [0, {count})"),
        (["clear-page-elements", path, "--output", output, "--pageId", leaf, "--from-index", 2, "--to-index", 1],
         "clear-page-element command failed: the start index (2) is bigger than the end index (1)"),
        (["clear-page-elements", path, "--output", output, "--pageId", leaf, "--from-index", 2, "--to-index", 2],
         "clear-page-element command failed: invalid: the start index (2) is equal to the end index (2)"),
    ]:
        result = ours(*surgery, *words)
        assert result.returncode == 1 and errors(result.stderr)[0] == f"Error: {error}", words


def test_updated_meta(work):
    """Both metas damaged, and made good again field by field; Go's reader takes the file."""
    path = database(work / "go")
    want = theirs("snapshot", "status", path).stdout
    raw = path.read_bytes()
    later = 0 if metas(path)[0] > metas(path)[1] else 1
    fields = [int.from_bytes(raw[later * PAGE + 16 + at:later * PAGE + 24 + at], "little") for at in (16, 40)]
    broken = work / "broken"
    shutil.copy(path, broken)
    overwrite(broken, later * PAGE + 16, b"\xff" * 4)
    overwrite(broken, later * PAGE + 32, b"\xff" * 8)
    overwrite(broken, later * PAGE + 56, b"\0" * 8)
    update = ["bbolt", "surgery", "meta", "update"]
    said = ours(*update, broken, "--output", work / "good", "--meta-page", later, "--fields", f"root:{fields[0]}",
                "--fields", f"pgid:{fields[1]},pageSize:4096", check=True).stdout
    assert said == f"The meta page {later} has been updated!\n"
    assert ours("bbolt", "check", work / "good", check=True).stdout == "OK\n"
    assert theirs("snapshot", "status", work / "good", check=True).stdout == want
    assert metas(work / "good") == metas(path)
    assert ours(*update, work / "good", "--output", work / "again", "--meta-page", later, check=True).stdout == "Nothing changed!\n"
    said = ours(*update, work / "good", "--output", work / "again", "--meta-page", 1, "--fields", "pageSize:8192", check=True).stdout
    assert said == (
        "WARNING: The page size (4096) in the first meta page doesn't match the second meta page (8192)\n"
        "The meta page 1 has been updated!\n")
    for words, error in [
        (["--meta-page", 2], "invalid meta page id: 2"), (["--fields", "root"], "invalid key-value pair: root"),
        (["--fields", "txid:1"], 'field "txid" isn\'t allowed to be updated'),
        (["--fields", "root:x"], 'invalid value "x" for field "root"'),
    ]:
        result = ours(*update, broken, "--output", work / "no", *words)
        assert result.returncode == 1 and errors(result.stderr) == [f"Error: {error}"], words


def test_damaged_database(work):
    """A page of the tree that is none: every command says so, none goes on."""
    path = database(work / "go")
    leaf = next(int(line.split()[0]) for line in ours("bbolt", "pages", path).stdout.splitlines() if line.split()[1] == "leaf")
    overwrite(path, leaf * PAGE + 8, b"\x20\x00")
    check = ours("bbolt", "check", path)
    assert check.returncode == 1 and f"page {leaf}" in check.stdout
    status = ours("snapshot", "status", path)
    assert status.returncode == 1
    assert errors(status.stderr) == ["Error: snapshot file integrity check failed. 1 errors found."]
    for words in (["defrag", "--data-dir", work / "go"], ["migrate", "--data-dir", work / "go", "--target-version", "3.6"]):
        result = ours(*words)
        assert result.returncode == 2 and "panic: failed to open database" in result.stderr
    shown = ours("bbolt", "page", path, leaf, check=True).stdout
    assert "Page Type:  unknown<20>" in shown
