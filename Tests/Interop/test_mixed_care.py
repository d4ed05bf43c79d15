"""What ours and Go's members owe each other besides keys: users and tokens, certificates, sums of what they hold, files that
the other make's tools change."""

import json
import subprocess

import pytest

import harness
from boltfile import BoltFile, database
from cluster import Cluster, retry
from harness import b64
from logbook import complaints
from test_auth import CHEAP, expect, key_pair, log_in, set_up
from test_cluster import mix_name
from test_cluster_care import SecureCluster, spoil
from test_data_directories import UNREACHED, ask, clear, compacted, fill, member, state
from test_mixed_releases import MIXES, lead, quiet


@pytest.mark.parametrize("tokens", ["simple", "jwt"])
@pytest.mark.parametrize("kinds", MIXES, ids=mix_name)
def test_users_and_tokens_of_every_make(tmp_path, kinds, tokens):
    """A token that one member gave is good at all of them, whoever leads, until something about the users changes."""
    flags = list(CHEAP)
    if tokens == "jwt":
        private, public, _ = key_pair("RS256", tmp_path)
        flags += ["--auth-token", f"jwt,priv-key={private},pub-key={public},sign-method=RS256,ttl=5m"]
    if any(harness.go_version(kind) < (3, 5, 3) for kind in kinds):
        pytest.skip("its tokens have other names than those of later members, and old ones get another error")
    with Cluster(tmp_path, kinds, extra=flags) as cluster:
        for one in cluster.members:
            one.put("a", "1")
        set_up(cluster.members[0])
        revisions = []
        for turn, leader in enumerate(cluster.members):
            root = retry(lambda: log_in(leader, "root", "rp"))
            leads = int(expect(leader, "/v3/maintenance/status", {}, root)["header"]["member_id"])
            now = int(expect(leader, "/v3/maintenance/status", {}, root)["leader"])
            if leads != now:
                ask_as(next(one for one in cluster.members if id_of(one, root) == now), root, leads)
            for giver in cluster.members:
                token = retry(lambda: log_in(giver, "u", "up"))
                for taker in cluster.members:
                    retry(lambda: expect(taker, "/v3/kv/range", {"key": b64("a")}, token))
                    retry(lambda: expect(taker, "/v3/kv/put", {"key": b64("x"), "value": b64(giver.name)}, token))
                    refused = expect(taker, "/v3/kv/put", {"key": b64("a")}, token, 403)
                    assert refused["message"] == "etcdserver: permission denied"
                    expect(taker, "/v3/kv/range", {"key": b64("a")}, None, 400)
                    wrong = expect(taker, "/v3/auth/authenticate", {"name": "u", "password": "no"}, status=400)
                    assert wrong["message"] == "etcdserver: authentication failed, invalid user ID or password"
            expect(leader, "/v3/auth/user/add", {"name": f"more{turn}", "password": "p"}, root)
            for one in cluster.members:
                fresh = retry(lambda: log_in(one, f"more{turn}", "p"))
                retry(lambda: expect(one, "/v3/kv/range", {"key": b64("a")}, fresh, 403))
                if tokens == "jwt":
                    retry(lambda: expect(one, "/v3/kv/range", {"key": b64("a")}, token, 400))
            revisions.append({expect(one, "/v3/auth/status", {}, log_in(one, "root", "rp"))["authRevision"] for one in cluster.members})
        assert all(len(each) == 1 for each in revisions)
        expect(cluster.members[1], "/v3/auth/disable", {}, log_in(cluster.members[1], "root", "rp"))
        cluster.wait_equal()
        # A refused token is told of, as by Go's members.
        told = ("invalid auth token", "failed to parse a JWT token", "invalid jwt token", "cannot get information from TLS",
                "invalid authentication", "simple token is not", "request auth revision is less than current")
        for one in cluster.members:
            unexpected = [line for line in complaints(one, UNREACHED + told) if "panic" in line or "mismatch" in line]
            assert not unexpected


@pytest.mark.parametrize("kind", ["go", "ours"])
def test_what_a_token_names(tmp_path, kind):
    """The last entry before its own: a member that counts otherwise gives tokens that no other takes."""
    if kind == "go" and harness.go_version() < (3, 5, 3):
        pytest.skip("names its own")
    with member(kind, tmp_path / "data", extra=CHEAP) as one:
        set_up(one)
        retry(lambda: settled(one))
        for _ in range(3):
            root = log_in(one, "root", "rp")
            applied = int(expect(one, "/v3/maintenance/status", {}, root)["raftAppliedIndex"])
            letters, named = log_in(one, "u", "up").split(".")
            assert len(letters) == 16 and int(named) == applied


def settled(one):
    """What a member says to itself at first is over."""
    assert one.get("/version")[1]["etcdcluster"] == "%d.%d.0" % min(harness.go_version()[:2], (3, 7))


def id_of(one, token):
    return int(expect(one, "/v3/maintenance/status", {}, token)["header"]["member_id"])


def ask_as(leader, token, target):
    """Leadership goes to `target`."""
    done = subprocess.run(
        [harness.go_program("etcdctl"), f"--endpoints={leader.endpoint}", "--user=root:rp", "move-leader", format(target, "x")],
        capture_output=True, text=True, timeout=20, env=harness.clean_environment())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kinds", MIXES, ids=mix_name)
def test_self_made_certificates_of_every_make(tmp_path, kinds):
    with SecureCluster(tmp_path, kinds, lambda _: ["--peer-auto-tls"]) as cluster:
        for leader in cluster.members:
            lead(cluster, leader)
            for one in cluster.members:
                one.put(f"from-{one.name}", leader.name)
        cluster.wait_equal()


def initial_check(kind):
    if harness.go_version(kind) >= (3, 6):
        return ["--feature-gates", "InitialCorruptCheck=true"]
    return ["--experimental-initial-corrupt-check"]


@pytest.mark.parametrize("kinds", MIXES, ids=mix_name)
def test_a_spoiled_member_of_any_make_is_not_let_in(tmp_path, kinds):
    with Cluster(tmp_path, kinds, extra=initial_check) as cluster:
        cluster.members[0].put("key", "sound-value")
        cluster.wait_equal()
        for one in cluster.members:
            # A sound one passes, compared with the others' hashes by its own rules.
            one.stop()
            one.start()
            assert "initial corruption checking passed" in one.log()
            cluster.wait_equal()
        # Go 3.5 does not know the others yet when it would compare.
        for victim in (one for one in (cluster.members[0], cluster.members[-1]) if harness.go_version(one.kind) >= (3, 6)):
            victim.stop()
            path = database(victim.directory)
            sound = path.read_bytes()
            spoil(victim)
            victim.start(wait=False)
            assert victim.process.wait(30) != 0
            assert "found data inconsistency with peers" in victim.log()
            path.write_bytes(sound)
            victim.start()
        cluster.wait_equal()


def periodic_check(kind):
    prefix = "--" if harness.go_version(kind) >= (3, 6) else "--experimental-"
    return [f"{prefix}corrupt-check-time", "1s"]


@pytest.mark.parametrize("kinds", MIXES, ids=mix_name)
def test_every_make_s_leader_finds_a_spoiled_follower(tmp_path, kinds):
    for leads in (0, len(kinds) - 1):
        (tmp_path / str(leads)).mkdir()
        with Cluster(tmp_path / str(leads), kinds, extra=periodic_check) as cluster:
            leader, victim = cluster.members[leads], cluster.members[len(kinds) - 1 - leads]
            lead(cluster, leader)
            leader.put("key", "sound-value")
            cluster.wait_equal()
            number = cluster.id(victim)
            retry(lambda: _checked(leader))
            quiet(cluster)
            victim.stop()
            spoil(victim)
            victim.start(wait=False)
            retry(lambda: _named(leader, number))


def _checked(leader):
    assert "finished peer corruption check" in leader.log()


def _named(leader, number):
    alarms = ask(leader, "/v3/maintenance/alarm", {"action": "GET"}).get("alarms", [])
    named = [one.get("memberID") for one in alarms if one["alarm"] == "CORRUPT"]
    # Go 3.5 dares to name nobody.
    assert str(number) in named or None in named and harness.go_version(leader.kind) < (3, 6)


@pytest.mark.skipif(harness.go_version() < (3, 6), reason="3.5's etcdutl knows no storage versions")
def test_go_s_etcdutl_on_our_files(tmp_path):
    """Hashed, migrated, defragmented and shown by Go's etcdutl, and served again by ours with all that was there."""
    with member("ours", tmp_path / "data") as one:
        fill(one, 1)
        low = compacted(one)
        expected = state(one, low)
        newest = one.hashkv()
        one.stop()
    path = database(one.directory)
    # 3.6's cannot where keys have leases.
    if harness.go_version() >= (3, 7):
        hashed = json.loads(harness.etcdutl("hashkv", str(path), "-w", "json").stdout)
        assert hashed["hash"] == newest
        assert hashed["hashRevision"] == expected["revision"] and hashed["compactRevision"] == low
    shown = json.loads(harness.etcdutl("snapshot", "status", str(path), "-w", "json").stdout)
    assert shown["revision"] == expected["revision"]
    assert shown["version"] == "%d.%d.0" % harness.go_version()[:2]
    harness.etcdutl("defrag", "--data-dir", str(one.directory))
    with member("ours", one.directory, (one.client, one.peer)) as again:
        assert state(again, low) == expected
        again.stop()
    if harness.go_version() < (3, 7):
        return
    # Down to 3.6 and up again; not while the log has what 3.6 does not know.
    harness.etcdutl("migrate", "--data-dir", str(one.directory), "--target-version", "3.6")
    assert BoltFile(path).buckets()["meta"][b"storageVersion"] == b"3.6.0"
    harness.etcdutl("migrate", "--data-dir", str(one.directory), "--target-version", "3.7")
    assert BoltFile(path).buckets()["meta"][b"storageVersion"] == b"3.7.0"
    with member("ours", one.directory, (one.client, one.peer)) as again:
        assert state(again, low) == expected
        clear(again)
        again.put("on", "it goes")
