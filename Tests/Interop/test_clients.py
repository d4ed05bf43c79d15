"""Client libraries as their users use them, against our member and Go's: what works there works here."""

import asyncio
import json
import queue
import threading
import time
import urllib.request

import pytest

import harness
from harness import b64


@pytest.fixture(params=["ours", "go"])
def either(request, tmp_path):
    program = None if request.param == "ours" else harness.go_program("etcd")
    with harness.Member(tmp_path / "data", program=program) as member:
        yield member


# etcd3gw: over the JSON gateway


def test_etcd3gw(either):
    import etcd3gw

    client = etcd3gw.client(host="127.0.0.1", port=either.client, timeout=10)
    assert client.api_path == "/v3/" and client.status()["leader"]
    assert [member["name"] for member in client.members()] == ["default"]
    client.put("gw/a", "1")
    client.put("gw/b", b"\x00\xff")
    assert client.get("gw/a") == [b"1"] and client.get("gw/b") == [b"\x00\xff"] and client.get("gw/none") == []
    (value, meta), = client.get("gw/a", metadata=True)
    assert value == b"1" and meta["key"] == b"gw/a" and meta["version"] == "1"
    assert [value for value, _ in client.get_prefix("gw/", sort_order="descend", sort_target="key")] == [b"\x00\xff", b"1"]
    assert len(client.get_all()) == 2
    assert client.create("gw/c", "new") and not client.create("gw/c", "again")
    assert client.replace("gw/c", "new", "newer") and not client.replace("gw/c", "new", "newest")
    assert client.delete("gw/c") and not client.delete("gw/c")
    answer = client.transaction({
        "compare": [{"key": b64("gw/a"), "result": "EQUAL", "target": "VALUE", "value": b64("1")}],
        "success": [{"request_put": {"key": b64("gw/a"), "value": b64("2")}}, {"request_range": {"key": b64("gw/a")}}],
        "failure": [],
    })
    assert answer["succeeded"] and answer["responses"][1]["response_range"]["kvs"][0]["value"] == b64("2")
    lease = client.lease(ttl=100)
    client.put("gw/leased", "v", lease=lease)
    assert 90 <= lease.ttl() <= 100 and lease.refresh() == 100 and lease.keys() == [b"gw/leased"]
    assert lease.revoke() and client.get("gw/leased") == []
    assert client.delete_prefix("gw/") and client.get_prefix("gw/") == []


def test_etcd3gw_watches_and_locks(either):
    import etcd3gw

    client = etcd3gw.client(host="127.0.0.1", port=either.client, timeout=10)
    seen = queue.Queue()
    events, cancel = client.watch_prefix("w/")
    threading.Thread(target=lambda: [seen.put(event) for event in events], daemon=True).start()
    # The library tells nobody when the watch stands: one that writes until something is seen.
    deadline = time.monotonic() + 10
    while seen.empty() and time.monotonic() < deadline:
        client.put("w/ready", "?")
        time.sleep(0.1)
    client.put("w/1", "one")
    client.delete("w/1")
    found = []
    while not found or found[-1].get("type") != "DELETE":
        event = seen.get(timeout=10)
        if event["kv"]["key"] == b"w/1":
            found.append(event)
    assert found[0]["kv"]["value"] == b"one" and len(found) == 2
    cancel()
    revision = int(client.get("w/ready", metadata=True)[0][1]["mod_revision"])
    assert client.watch_once("w/ready", timeout=10, start_revision=revision)["kv"]["mod_revision"] == str(revision)
    with client.lock("lock", ttl=60) as lock:
        assert lock.is_acquired() and not client.lock("lock", ttl=60).acquire() and lock.refresh() == 60
    other = client.lock("lock", ttl=60)
    assert other.acquire() and other.release()


# aetcd: gRPC with asyncio


def test_aetcd(either):
    import aetcd

    async def run():
        async with aetcd.Client(host="127.0.0.1", port=either.client, timeout=10) as client:
            await client.put(b"a/1", b"one")
            put = await client.put(b"a/1", b"uno", prev_kv=True)
            assert put.prev_kv.value == b"one"
            got = await client.get(b"a/1")
            assert (got.value, got.version, got.mod_revision) == (b"uno", 2, put.header.revision)
            assert await client.get(b"a/none") is None
            await client.put(b"a/2", b"two")
            keys = [pair.key for pair in await client.get_prefix(b"a/", sort_order="descend")]
            assert keys == [b"a/2", b"a/1"]
            assert await client.replace(b"a/2", b"two", b"dos") and not await client.replace(b"a/2", b"two", b"no")
            succeeded, answers = await client.transaction(
                compare=[client.transactions.value(b"a/1") == b"uno", client.transactions.version(b"a/1") > 1],
                success=[client.transactions.put(b"a/3", b"three"), client.transactions.get(b"a/3")],
                failure=[client.transactions.delete(b"a/1")])
            assert succeeded and answers[1][0][0] == b"three"
            lease = await client.lease(100)
            await client.put(b"a/leased", b"v", lease=lease)
            assert 90 <= await lease.remaining_ttl() <= 100 and await lease.granted_ttl() == 100
            assert await lease.keys() == [b"a/leased"]
            await lease.refresh()
            await lease.revoke()
            assert await client.get(b"a/leased") is None
            deleted = await client.delete_prefix(b"a/")
            assert deleted.deleted == 3
            status = await client.status()
            assert status.leader is not None and len([member async for member in client.members()]) == 1
            await client.compact(status.raft_index and (await client.put(b"k", b"v")).header.revision)
            await client.defragment()
            with open(either.directory.parent / "snapshot", "wb") as file:
                await client.snapshot(file)

    asyncio.run(run())
    assert (either.directory.parent / "snapshot").stat().st_size > 8192


def test_aetcd_watches_and_locks(either):
    import aetcd

    async def run():
        async with aetcd.Client(host="127.0.0.1", port=either.client, timeout=10) as client:
            watch = await client.watch_prefix(b"w/", prev_kv=True)
            await client.put(b"w/1", b"one")
            await client.put(b"w/1", b"uno")
            await client.delete(b"w/1")
            found = []
            async for event in watch:
                found.append((str(event.kind), event.kv.value, event.prev_kv.value if event.prev_kv else b""))
                if len(found) == 3:
                    break
            assert found == [("PUT", b"one", b""), ("PUT", b"uno", b"one"), ("DELETE", b"", b"uno")]
            await watch.cancel()
            lock = client.lock(b"lock", ttl=60)
            assert await lock.acquire() and await lock.is_acquired()
            waiter = asyncio.ensure_future(client.lock(b"lock", ttl=60).acquire(timeout=10))
            await asyncio.sleep(0.3)
            assert not waiter.done(), "it is taken"
            await lock.release()
            assert await waiter

    asyncio.run(run())


def test_aetcd_logs_in(either):
    import aetcd

    harness.etcdctl(either, "user", "add", "root:pw")
    harness.etcdctl(either, "auth", "enable")

    async def run():
        async with aetcd.Client(host="127.0.0.1", port=either.client, timeout=10, username="root", password="pw") as client:
            await client.put(b"k", b"v")
            assert (await client.get(b"k")).value == b"v"
        with pytest.raises(Exception, match="authentication failed"):
            await aetcd.Client(host="127.0.0.1", port=either.client, timeout=10, username="root", password="no").connect()
        async with aetcd.Client(host="127.0.0.1", port=either.client, timeout=10) as nobody:
            with pytest.raises(Exception, match="user name is empty"):
                await nobody.get(b"k")

    asyncio.run(run())


# etcd-client-py: Rust's library


def test_etcd_client_py(either):
    from etcd_client import Client, Compare, CompareOp, Txn, TxnOp, WatchEventType

    async def run():
        async with Client([f"http://{either.endpoint}"]).connect() as etcd:
            await etcd.put(b"r/1", b"one")
            assert bytes(await etcd.get(b"r/1")) == b"one" and await etcd.get(b"r/none") is None
            await etcd.put(b"r/2", b"two")
            assert [bytes(pair[0]) for pair in await etcd.get_prefix(b"r/")] == [b"r/1", b"r/2"]
            assert sorted(bytes(key) for key in await etcd.keys_prefix(b"r/")) == [b"r/1", b"r/2"]
            compare = Compare.value(b"r/1", CompareOp.EQUAL, b"one")
            await etcd.txn(Txn().when([compare]).and_then([TxnOp.put(b"r/3", b"yes")]).or_else([TxnOp.put(b"r/3", b"no")]))
            await etcd.txn(Txn().when([Compare.version(b"r/1", CompareOp.GREATER, 7)]).or_else([TxnOp.put(b"r/4", b"else")]))
            assert bytes(await etcd.get(b"r/3")) == b"yes" and bytes(await etcd.get(b"r/4")) == b"else"
            # The library does not say which lease it was granted.
            await etcd.lease_grant(100)
            seen = []

            async def listen():
                async for event in etcd.watch_prefix(b"w/"):
                    seen.append((event.event == WatchEventType.PUT, bytes(event.key)))
                    if bytes(event.key) == b"w/end":
                        return

            listener = asyncio.ensure_future(listen())
            deadline = time.monotonic() + 10
            while not seen and time.monotonic() < deadline:
                await etcd.put(b"w/ready", b"?")
                await asyncio.sleep(0.05)
            await etcd.put(b"w/1", b"v")
            await etcd.delete(b"w/1")
            await etcd.put(b"w/end", b"v")
            await asyncio.wait_for(listener, 10)
            assert [event for event in seen if event[1] == b"w/1"] == [(True, b"w/1"), (False, b"w/1")]
            await etcd.delete_prefix(b"r/")
            assert await etcd.get_prefix(b"r/") == []

    asyncio.run(run())


def test_etcd_client_py_locks(either):
    from etcd_client import Client, EtcdLockOption

    async def run():
        order = []

        async def holder(name, wait):
            await asyncio.sleep(wait)
            async with Client([f"http://{either.endpoint}"]).with_lock(EtcdLockOption(lock_name=b"lock", timeout=10.0)) as etcd:
                order.append(name + " in")
                await etcd.put(b"held by", name.encode())
                await asyncio.sleep(0.5)
                assert bytes(await etcd.get(b"held by")) == name.encode()
                order.append(name + " out")

        await asyncio.gather(holder("first", 0), holder("second", 0.2))
        assert order == ["first in", "first out", "second in", "second out"]

    asyncio.run(run())


# What Patroni does, over the gateway


class Patroni:
    """A node of a database cluster that wants to lead, as Patroni's etcd3 module goes about it."""

    def __init__(self, member, user, password):
        self.member, self.user, self.password = member, user, password
        self.token = None

    def call(self, path, body):
        for attempt in (1, 2):
            headers = {"authorization": self.token} if self.token else {}
            status, answer = self.member.request(path, json.dumps(body).encode(), headers=headers)
            # What is said where there is no token, and where it is too old.
            if status in (400, 401, 403) and attempt == 1 and path != "/v3/auth/authenticate" and answer["code"] in (3, 16):
                self.token = self.call("/v3/auth/authenticate", {"name": self.user, "password": self.password})["token"]
                continue
            assert status == 200, answer
            return answer

    def cas(self, key, revision, value, lease):
        """Takes or keeps a key that has not changed since; revision 0 means that it must not exist."""
        target = {"target": "MOD", "mod_revision": str(revision)} if revision else {"target": "CREATE", "create_revision": "0"}
        return self.call("/v3/kv/txn", {
            "compare": [{"key": b64(key), "result": "EQUAL", **target}],
            "success": [{"request_put": {"key": b64(key), "value": b64(value), "lease": lease}}], "failure": [],
        })


def test_patroni(either):
    ctl = lambda *arguments: harness.etcdctl(either, *arguments)
    ctl("user", "add", "root:pw")
    ctl("user", "add", "patroni:pw")
    ctl("role", "add", "postgres")
    ctl("role", "grant-permission", "--prefix", "postgres", "readwrite", "/service/")
    ctl("user", "grant-role", "patroni", "postgres")
    ctl("auth", "enable")
    first, second = Patroni(either, "patroni", "pw"), Patroni(either, "patroni", "pw")
    leader, everything = "/service/batman/leader", {"key": b64("/service/batman/"), "range_end": b64("/service/batman0")}
    assert first.call("/v3/kv/range", everything).get("kvs", []) == []
    lease = first.call("/v3/lease/grant", {"TTL": "30"})["ID"]
    other = second.call("/v3/lease/grant", {"TTL": "30"})["ID"]

    # Both run for it, one gets it.
    took = first.cas(leader, 0, "node1", lease)
    assert took["succeeded"] is True and not second.cas(leader, 0, "node2", other).get("succeeded")
    revision = took["header"]["revision"]

    # The other one listens.
    events, body = queue.Queue(), {"create_request": {**everything, "start_revision": revision, "progress_notify": True}}

    def listen():
        request = urllib.request.Request(
            f"http://{either.endpoint}/v3/watch", json.dumps(body).encode(), {"authorization": second.token})
        with urllib.request.urlopen(request, timeout=20) as stream:
            for line in stream:
                for event in json.loads(line)["result"].get("events", []):
                    events.put(event)
                    if event.get("type") == "DELETE":
                        return

    listener = threading.Thread(target=listen)
    listener.start()
    assert events.get(timeout=10)["kv"]["value"] == b64("node1"), "from the past"

    # The leader goes on: its lease, its state, its key again where it must be moved to a new lease.
    answer = first.call("/v3/lease/keepalive", {"ID": lease})
    assert answer["result"]["TTL"] == "30"
    status = first.cas("/service/batman/status", 0, '{"optime": 1}', "0")
    assert status["succeeded"] is True and events.get(timeout=10)["kv"]["key"] == b64("/service/batman/status")
    again = first.cas(leader, revision, "node1", lease)
    assert again["succeeded"] is True and not first.cas(leader, revision, "node1", lease).get("succeeded"), "too late"
    assert events.get(timeout=10)["kv"]["version"] == "2"
    found = second.call("/v3/kv/range", everything)
    assert {pair["key"]: pair.get("lease") for pair in found["kvs"]}[b64(leader)] == lease

    # Nobody may do more than the role allows.
    for path, body_ in (
            ("/v3/kv/put", {"key": b64("/other"), "value": b64("v")}), ("/v3/kv/range", {"key": "AA==", "range_end": "AA=="})):
        status_, refused = either.request(path, json.dumps(body_).encode(), headers={"authorization": first.token})
        assert refused["code"] == 7 and "permission denied" in refused["message"], refused

    # A token that ended is asked for anew.
    first.token = "nonsense.1"
    assert first.call("/v3/kv/range", everything)["count"] == "2"

    # It goes, and the other takes over.
    first.call("/v3/lease/revoke", {"ID": lease})
    gone = events.get(timeout=10)
    assert gone["type"] == "DELETE" and gone["kv"]["key"] == b64(leader)
    listener.join(10)
    assert second.cas(leader, 0, "node2", other)["succeeded"] is True
