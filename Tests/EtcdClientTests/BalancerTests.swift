// Which member is asked next, and how members' addresses are read.

import Testing

@testable import EtcdClient

@Suite("Balancer and endpoints")
struct BalancerTests {
    private let start = ContinuousClock.now

    private func balancer(_ policy: ClientConfiguration.Balancing) -> Balancer {
        Balancer(endpoints: ["a:1", "b:1", "c:1"].map(Endpoint.init), policy: policy)
    }

    @Test("round robin asks one after the other, and passes over who failed until it has rested")
    func roundRobin() {
        var balancer = balancer(.roundRobin)
        #expect((0..<4).map { _ in balancer.pick(now: start)?.text } == ["a:1", "b:1", "c:1", "a:1"])
        balancer.failed(Endpoint("b:1"), now: start)
        #expect((0..<4).map { _ in balancer.pick(now: start)?.text } == ["c:1", "a:1", "c:1", "a:1"])
        let later = start + Balancer.rest
        #expect((0..<3).map { _ in balancer.pick(now: later)?.text } == ["b:1", "c:1", "a:1"])
    }

    @Test("sticky stays with one until it fails")
    func sticky() {
        var balancer = balancer(.sticky)
        #expect((0..<3).map { _ in balancer.pick(now: start)?.text } == ["a:1", "a:1", "a:1"])
        balancer.failed(Endpoint("a:1"), now: start)
        #expect((0..<2).map { _ in balancer.pick(now: start)?.text } == ["b:1", "b:1"])
        balancer.replace(["d:1", "b:1"].map(Endpoint.init))
        #expect(balancer.pick(now: start)?.text == "b:1")
    }

    @Test("when all have failed somebody is asked all the same")
    func allFailed() {
        var balancer = balancer(.roundRobin)
        for endpoint in balancer.endpoints { balancer.failed(endpoint, now: start) }
        #expect(Set((0..<3).compactMap { _ in balancer.pick(now: start)?.text }).count == 3)
    }

    @Test(
        "addresses",
        arguments: [
            ("127.0.0.1:2379", "127.0.0.1:2379", nil), ("host", "host:2379", nil), ("http://host:1", "host:1", false),
            ("https://host:1/path", "host:1", true), ("[::1]:2379", "[::1]:2379", nil),
            ("https://[fe80::1]:9", "[fe80::1]:9", true),
            ("::1", "[::1]:2379", nil), ("unix:///run/etcd.sock", "/run/etcd.sock", false),
            ("unixs:///run/etcd.sock", "/run/etcd.sock", true),
            ("unix:etcd.sock", "etcd.sock", false), ("unixs:etcd.sock", "etcd.sock", true),
        ] as [(String, String, Bool?)]
    )
    func addresses(text: String, address: String, isSecure: Bool?) {
        let endpoint = Endpoint(text)
        #expect(endpoint.hostAndPort == address)
        #expect(endpoint.isSecure == isSecure)
    }

    @Test("parts of the store map ranges both ways")
    func prefixes() {
        let part = Array("p/".utf8)
        #expect(KeyRange.key("a").prefixed(part) == .key("p/a"))
        #expect(KeyRange.all.prefixed(part) == .range("p/", "p0"))
        #expect(KeyRange.from("b").prefixed(part) == .range("p/b", "p0"))
        #expect(KeyRange.prefix("b").prefixed(part) == .range("p/b", "p/c"))
        #expect(KeyRange.prefix([0xFF, 0xFF] as [UInt8]).end == [0])
        #expect(KeyRange.prefix("b").contains(Array("bz".utf8)) && !KeyRange.prefix("b").contains(Array("c".utf8)))
    }
}
