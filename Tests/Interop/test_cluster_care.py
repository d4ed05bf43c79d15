"""What keeps a cluster honest and private: corruption checks, downgrades, TLS between members."""

import json
import time
import urllib.request

import pytest

import harness
from cluster import Cluster, retry
from harness import b64
from test_tls import Authority


class SecureCluster(Cluster):
    """Members that talk to each other over TLS, to clients without."""

    def __init__(self, folder, kinds, files):
        super().__init__(folder, kinds)
        for member in self.members:
            member.initial = member.initial.replace("http://", "https://")
            before = member.arguments
            member.arguments = lambda before=before, member=member: [
                text.replace(f"http://127.0.0.1:{member.peer}", f"https://127.0.0.1:{member.peer}") for text in before()
            ] + files(member)


def flags(certificate, key, ca):
    return ["--peer-cert-file", certificate, "--peer-key-file", key, "--peer-trusted-ca-file", ca, "--peer-client-cert-auth"]


@pytest.mark.parametrize("kinds", [("ours",) * 3, ("ours", "go", "go"), ("go", "ours", "ours")], ids="-".join)
def test_tls_between_members(tmp_path, kinds):
    authority = Authority(tmp_path)
    certificate, key, _ = authority.issue("peer")
    with SecureCluster(tmp_path, kinds, lambda _: flags(certificate, key, authority.path)) as cluster:
        for member in cluster.members:
            member.put(f"from-{member.name}", "1")
        cluster.wait_equal()
        cluster.leader().kill()
        for member in cluster.members:
            if member.process.poll() is None:
                retry(lambda: member.put("after", "1"))


def test_a_member_of_another_authority_stays_out(tmp_path):
    authority = Authority(tmp_path)
    other = Authority(tmp_path, "other")
    good, bad = authority.issue("good"), other.issue("bad")

    def files(member):
        chosen, ca = (bad, other) if member.name == "m2" else (good, authority)
        return flags(chosen[0], chosen[1], ca.path)

    cluster = SecureCluster(tmp_path, ("ours",) * 3, files)
    try:
        for member in cluster.members:
            member.start(wait=False)
        for member in cluster.members[:2]:
            member.wait_ready(30)
            member.put("a", "1")
        _rejected(cluster)
        # It belongs to no cluster, so that it serves nobody.
        assert not _answers(cluster.members[2])
    finally:
        cluster.__exit__()


@pytest.mark.parametrize("hosts,extra,passes", [
    ((), [], False), (("localhost",), [], True), (("elsewhere.invalid",), [], False), ((), ["--peer-skip-client-san-verification"], True)])
def test_certificates_name_where_they_are_shown_from(tmp_path, hosts, extra, passes):
    """What a member shows must name its address, or a host that leads there; what it serves with names all of ours."""
    authority = Authority(tmp_path)
    serving, shown = authority.issue("serving"), authority.issue("shown", hosts=hosts, address="127.0.0.9")

    def files(_):
        return flags(serving[0], serving[1], authority.path) + [
            "--peer-client-cert-file", shown[0], "--peer-client-key-file", shown[1]] + extra

    cluster = SecureCluster(tmp_path, ("ours",) * 2, files)
    if passes:
        with cluster:
            cluster.members[0].put("a", "1")
    else:
        try:
            for member in cluster.members:
                member.start(wait=False)
            retry(lambda: _rejected(cluster))
        finally:
            cluster.__exit__()


def _rejected(cluster):
    assert any("rejected connection on peer endpoint" in member.log() for member in cluster.members)


def _answers(member):
    try:
        member.request("/version", None, timeout=2)
        return True
    except OSError:
        return False


def test_self_made_certificates(tmp_path):
    with SecureCluster(tmp_path, ("ours",) * 3, lambda _: ["--peer-auto-tls"]) as cluster:
        for member in cluster.members:
            member.put(f"from-{member.name}", "1")
        cluster.wait_equal()


def spoil(member):
    """Changes a value in the file behind the member's back."""
    path = member.directory / "member" / "snap" / "db"
    content = path.read_bytes()
    assert b"sound-value" in content
    path.write_bytes(content.replace(b"sound-value", b"wrong-value"))


def test_a_spoiled_member_is_not_let_in(tmp_path):
    with Cluster(tmp_path) as cluster:
        victim = next(member for member in cluster.members if member is not cluster.leader())
        victim.put("key", "sound-value")
        cluster.wait_equal()
        victim.stop()
        spoil(victim)
        victim.extra += ["--feature-gates", "InitialCorruptCheck=true"]
        victim.start(wait=False)
        assert victim.process.wait(20) == 1
        assert "found data inconsistency with peers" in victim.log()
        # One that is sound passes.
        sound = next(member for member in cluster.members if member not in (victim, cluster.leader()))
        sound.stop()
        sound.extra += ["--feature-gates", "InitialCorruptCheck=true"]
        sound.start()
        assert "initial corruption checking passed" in sound.log()


@pytest.mark.parametrize("kinds", [("ours",) * 3, ("ours", "go", "go")], ids="-".join)
def test_the_leader_finds_a_spoiled_follower(tmp_path, kinds):
    with Cluster(tmp_path, kinds) as cluster:
        leader = cluster.members[0]
        if cluster.leader() is not leader:
            cluster.move_leader(leader)
        leader.put("key", "sound-value")
        cluster.wait_equal()
        victim = cluster.members[1]
        victim.stop()
        spoil(victim)
        victim.start()
        number = cluster.id(victim)
        leader.stop()
        leader.extra += ["--corrupt-check-time", "1s"] if leader.kind == "ours" else []
        leader.start()
        if cluster.leader() is not leader:
            retry(lambda: cluster.move_leader(leader))
        retry(lambda: _alarmed(cluster, number))
        refused = harness.etcdctl(leader, "put", "more", "1", check=False)
        assert "corrupt cluster" in refused.stderr


def test_compactions_are_compared(tmp_path):
    cluster = Cluster(tmp_path, extra=["--feature-gates", "CompactHashCheck=true", "--compact-hash-check-time", "1s"])
    with cluster:
        leader = cluster.leader()
        for number in range(5):
            leader.put("key", f"value-{number}")
        leader.put("other", "sound-value")
        harness.etcdctl(leader, "compaction", "4")
        retry(lambda: _said(cluster, "successfully checked hash on whole cluster"))
        # One member's row is changed behind its back: the next compaction shows it.
        victim = next(member for member in cluster.members if member is not leader)
        number = cluster.id(victim)
        victim.stop()
        spoil(victim)
        victim.start()
        cluster.wait_ready_all()
        cluster.leader().put("key", "last")
        harness.etcdctl(cluster.leader(), "compaction", "7")
        retry(lambda: _alarmed(cluster, number))


@pytest.mark.parametrize("kind", ["ours", "go"])
def test_hash_of_a_compaction(tmp_path, kind):
    """At the revision of a compaction a member tells the hash of what that left, for as long as it runs: the leader of any make
    compares it with its own. To clients and on the peer port, whether compactions are checked here or not."""
    if kind == "go" and harness.go_version() < (3, 5, 30):
        pytest.skip("keeps none, or others")
    with harness.Member(tmp_path / "data", program=harness.go_program("etcd") if kind == "go" else None) as member:
        for number in range(1, 9):
            member.put(f"k{number % 3}", f"v{number}")
        member.post("/v3/kv/deleterange", {"key": b64("k1")})
        member.post("/v3/kv/compaction", {"revision": "6", "physical": True})
        assert _hashes(member, 6) == (770320016, -1)
        assert _hashes(member, 7) == (1272422686, 6)
        member.post("/v3/kv/compaction", {"revision": "9", "physical": True})
        assert _hashes(member, 9)[1] == 6
        # Kept, though compacted since.
        assert _hashes(member, 6) == (770320016, -1)
        member.stop()
        member.start()
        assert _hashes(member, 9)[1] == 9
        status, body = member.post("/v3/maintenance/hashkv", {"revision": "6"})
        assert status == 400 and "compacted" in body["message"]


def _hashes(member, revision):
    """As clients and as members are told."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{member.peer}/members/hashkv", data=json.dumps({"revision": revision}).encode(), method="GET")
    with urllib.request.urlopen(request, timeout=10) as response:
        raw = response.read()
    told = json.loads(raw)
    assert raw == json.dumps(told, separators=(",", ":")).encode()
    status, body = member.post("/v3/maintenance/hashkv", {"revision": str(revision)})
    assert status == 200
    assert (body["hash"], int(body["compact_revision"])) == (told["hash"], told["compact_revision"])
    # Go has told it since 3.6.
    assert int(body.get("hash_revision", revision)) == told.get("hash_revision", revision) == revision
    return told["hash"], told["compact_revision"]


def _said(cluster, text):
    assert any(text in member.log() for member in cluster.members)


def _alarmed(cluster, number):
    assert f"memberID:{number} alarm:CORRUPT" in cluster.ctl("alarm", "list").stdout


def test_the_hash_at_a_compaction_is_of_what_it_found(tmp_path):
    """Members compact at different moments, and one that is done must not seem to differ; here at a tombstone, of which nothing
    stays behind. The hashes are those of 3.7.1."""
    with harness.Member(tmp_path / "m") as member:
        def hashes(*revisions):
            shown = [member.post("/v3/maintenance/hashkv", {"revision": revision})[1] for revision in revisions]
            return [(answer["hash"], answer.get("compact_revision"), answer["hash_revision"]) for answer in shown]

        for count in range(1, 16):
            if count == 10:
                member.post("/v3/kv/deleterange", {"key": b64("key0")})
            else:
                member.put("key0", str(count))
        assert hashes(11, 15) == [(217501712, "-1", "11"), (4197409583, "-1", "15")]
        member.post("/v3/kv/compaction", {"revision": 11, "physical": True})
        assert hashes(11, 12, 15) == [(217501712, "-1", "11"), (3180204327, "11", "12"), (779058534, "11", "15")]
        harness.wait_for(lambda: "finished scheduled compaction" in member.log())
        said = [json.loads(line) for line in member.log().splitlines() if "finished scheduled compaction" in line][0]
        assert (said["compact-revision"], said["number-of-keys-compacted"], said["hash"]) == (11, 9, 217501712)
        assert said["took"].endswith("s") and said["current-db-size-bytes"] >= said["current-db-size-in-use-bytes"] > 0
        assert '"msg":"storing new hash","hash":217501712,"revision":11,"compact-revision":-1' in member.log()
        member.post("/v3/kv/compaction", {"revision": 12, "physical": True})
        assert hashes(11, 12) == [(217501712, "-1", "11"), (3180204327, "11", "12")]


def test_downgrade_and_back(tmp_path):
    """To 3.6: the cluster's and the files' version follow, and cancelling lets them rise again."""
    cluster = Cluster(tmp_path)
    for member in cluster.members:
        member.extra = []
    with cluster:
        leader = cluster.leader()
        retry(lambda: _at(cluster, "3.7.0"))

        def downgrade(action, version=""):
            return leader.post("/v3/maintenance/downgrade", {"action": action, "version": version})

        assert downgrade("VALIDATE", "3.5")[0] == 400
        assert downgrade("VALIDATE", "3.6")[0] == 200
        assert downgrade("ENABLE", "3.6")[0] == 200
        retry(lambda: _at(cluster, "3.6.0"))
        for member in cluster.members:
            retry(lambda: _stored(member, "3.6.0"))
        assert downgrade("ENABLE", "3.6")[0] == 400
        assert downgrade("CANCEL")[0] == 200
        retry(lambda: _at(cluster, "3.7.0"))


def test_downgrade_under_a_ceiling(tmp_path):
    """A cluster of 3.7's held at 3.6 takes a downgrade to 3.5 on, stays where it is, as no 3.5 is there, and outlives its
    leader with it; without the ceiling it rises."""
    cluster = Cluster(tmp_path)
    for member in cluster.members:
        member.extra = ["--cluster-version-ceiling", "3.6"]
    with cluster:
        leader = cluster.leader()
        retry(lambda: _at(cluster, "3.6.0"))

        def downgrade(action, version="", member=leader):
            status, body = member.post("/v3/maintenance/downgrade", {"action": action, "version": version})
            return status == 200 or body["message"]

        for version in ("3.7", "3.6", "3.4", "4.0"):
            assert downgrade("VALIDATE", version) == "etcdserver: invalid downgrade target version"
            assert downgrade("ENABLE", version) == "etcdserver: invalid downgrade target version"
        assert downgrade("VALIDATE", "three") == "etcdserver: wrong downgrade target version format"
        # 3.7.1 has nothing against it.
        assert downgrade("CANCEL") is True
        # Any member may be asked.
        follower = next(member for member in cluster.members if member is not leader)
        assert downgrade("VALIDATE", "3.5", follower) is True
        assert downgrade("ENABLE", "3.5", follower) is True
        for action in ("VALIDATE", "ENABLE"):
            assert downgrade(action, "3.5") == "etcdserver: cluster has a downgrade job in progress"
        # It outlives its leader.
        leader.kill()
        retry(lambda: follower.put("a", "1"))
        leader.start()
        retry(lambda: _at(cluster, "3.6.0"))
        assert downgrade("ENABLE", "3.5") == "etcdserver: cluster has a downgrade job in progress"
        assert downgrade("CANCEL") is True
        assert downgrade("VALIDATE", "3.5") is True
        for member in cluster.members:
            member.kill()
            member.extra = []
            member.start(wait=False)
        cluster.wait_ready_all()
        retry(lambda: _at(cluster, "3.7.0"))


def _at(cluster, version):
    for member in cluster.members:
        assert member.get("/version")[1]["etcdcluster"] == version


def _stored(member, version):
    assert member.get("/version")[1]["storage"] == version
