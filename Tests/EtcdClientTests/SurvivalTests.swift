// What the client survives, with real processes: a member killed, the leader moved, the list of endpoints changed, a token
// that ends, compaction under a watch. `ETCD_UNDER_TEST` names the program.

import Foundation
import Synchronization
import Testing

@testable import EtcdClient

/// Writes key after key until it is stopped, and remembers what was acknowledged and what nobody knows.
private final class Writer: Sendable {
    private struct State {
        var acknowledged: [String: Int64] = [:]
        var unknown: Set<String> = []
        var isOver = false
    }
    private let state = Mutex(State())
    private let task: Slot<Task<Void, Never>> = Slot()

    init(_ client: Client, prefix: String) {
        task.value = Task { [self] in
            var number = 0
            while !state.withLock({ $0.isOver }) {
                let key = "\(prefix)\(number)"
                do {
                    let revision = try await client.put(key, "value").header.revision
                    state.withLock { $0.acknowledged[key] = revision }
                } catch {
                    state.withLock { _ = $0.unknown.insert(key) }
                }
                number += 1
                try? await Task.sleep(for: .milliseconds(2))
            }
        }
    }

    var count: Int { state.withLock { $0.acknowledged.count } }

    /// Waits for so many more acknowledged writes.
    func go(on count: Int) async throws {
        let goal = self.count + count
        let deadline = ContinuousClock.now + .seconds(30)
        while self.count < goal {
            try #require(ContinuousClock.now < deadline, "writes no longer get through")
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    func stop() async -> (acknowledged: [String: Int64], unknown: Set<String>) {
        state.withLock { $0.isOver = true }
        await task.value?.value
        return state.withLock { ($0.acknowledged, $0.unknown) }
    }
}

/// Reads a watch and remembers every event.
private final class Reader: Sendable {
    private let events = Mutex<[(key: String, revision: Int64)]>([])
    private let task: Slot<Task<Void, Never>> = Slot()

    init(_ watch: WatchSequence) {
        task.value = Task { [self] in
            do {
                for try await event in watch {
                    events.withLock { $0.append((event.pair.name, event.pair.modRevision)) }
                }
            } catch { Issue.record("the watch ended: \(error)") }
        }
    }

    func waitFor(_ key: String) async throws -> [(key: String, revision: Int64)] {
        let deadline = ContinuousClock.now + .seconds(30)
        while !events.withLock({ $0.contains { $0.key == key } }) {
            try #require(ContinuousClock.now < deadline, "the watch no longer gets events")
            try await Task.sleep(for: .milliseconds(10))
        }
        task.value?.cancel()
        return events.withLock { $0 }
    }
}

@Suite("Survival with real members", .serialized, .timeLimit(.minutes(3)), .enabled(if: RealMember.program != nil))
struct SurvivalTests {
    /// A watch saw every acknowledged write once, at its revision, in order, and nothing that was not written.
    private func check(
        _ seen: [(key: String, revision: Int64)],
        _ written: (acknowledged: [String: Int64], unknown: Set<String>)
    ) {
        let own = seen.filter { $0.key != "load/end" }
        #expect(Set(own.map(\.key)).count == own.count, "an event came twice, or a write was sent twice")
        #expect(zip(own, own.dropFirst()).allSatisfy { $0.revision < $1.revision })
        for (key, revision) in written.acknowledged where own.first(where: { $0.key == key })?.revision != revision {
            Issue.record("\(key) at \(revision) is missing")
        }
        for event in own where written.acknowledged[event.key] == nil && !written.unknown.contains(event.key) {
            Issue.record("\(event.key) was never written")
        }
    }

    @Test("three members: killed, leader moved, endpoints changed, under writes, a watch and a lock")
    func cluster() async throws {
        let members = try (0..<3).map { try RealMember(name: "m\($0)") }
        defer { for member in members { member.kill() } }
        for member in members { try member.start(cluster: members) }
        // It knows one member and learns of the others.
        let client = try makeClient([members[0].clientURL]) {
            $0.balancing = .roundRobin
            $0.requestTimeout = .seconds(10)
        }
        defer { client.close() }
        try await waitUntilReady(client)
        try await client.sync()
        #expect(Set(client.endpoints) == Set(members.map(\.clientURL)))

        let session = try await Session.start(on: client, timeToLive: 20)
        let lock = DistributedLock(session: session, name: "lock")
        let grip = try await lock.lock()
        let reader = Reader(client.watch(.prefix("load/")))
        // The watch must be there before the first write.
        try await Task.sleep(for: .milliseconds(300))
        let writer = Writer(client, prefix: "load/")
        try await writer.go(on: 20)

        // The leader moves.
        var leader = try await findLeader(of: members, client)
        let target = try #require(members.first { $0 !== leader })
        let id = try await client.status(of: target.clientURL).header.memberID
        try await client.moveLeader(to: id, at: leader.clientURL)
        try await writer.go(on: 50)
        leader = try await findLeader(of: members, client)

        // It is killed, and comes back.
        leader.kill()
        try await writer.go(on: 50)
        try leader.start(cluster: members)
        try await writer.go(on: 50)

        // The list of endpoints changes, and who is no longer on it may go.
        let remaining = members.dropFirst().map(\.clientURL)
        client.endpoints = remaining
        try await writer.go(on: 20)
        members[0].kill()
        try await writer.go(on: 50)

        let written = await writer.stop()
        try await client.put("load/end", "")
        check(try await reader.waitFor("load/end"), written)
        // Writes under way at a kill may be lost to us, no more than these.
        #expect(written.unknown.count <= 10)
        #expect(!session.isExpired)
        let stillHeld = try await client.commit(Transaction().when(grip.isHeld))
        #expect(stillHeld.succeeded)
        try await lock.unlock(grip)
        try await session.close()
    }

    private func findLeader(of members: [RealMember], _ client: Client) async throws -> RealMember {
        let deadline = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < deadline {
            for member in members {
                if let status = try? await client.status(of: member.clientURL), status.isLeader { return member }
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw ClientError(code: .unavailable, message: "no leader")
    }

    @Test("a token that ended is replaced, for calls and for a watch")
    func token() async throws {
        // The shortest life that etcd grants a token.
        let member = try RealMember(arguments: ["--auth-token-ttl", "1"])
        defer { member.kill() }
        try member.start()
        let root = try makeClient([member.clientURL]) { $0.credentials = .password(user: "root", password: "secret") }
        defer { root.close() }
        try await waitUntilReady(root)
        try await root.addUser("root", password: "secret")
        try await root.grantRole("root", to: "root")
        try await root.addUser("guest", password: "guest")
        try await root.addRole("part")
        try await root.grant(Permission(.readWrite, .prefix("part/")), to: "part")
        try await root.grantRole("part", to: "guest")
        try await root.enableAuthentication()
        #expect(try await root.authenticationStatus().isEnabled)

        let guest = try makeClient([member.clientURL]) { $0.credentials = .password(user: "guest", password: "guest") }
        defer { guest.close() }
        try await guest.put("part/a", "1")
        let denied = await #expect(throws: ClientError.self) { try await guest.put("other", "1") }
        #expect(denied?.message == "etcdserver: permission denied")

        let before = guest.state.withLock { $0.token }
        // Unused tokens end after a second or two; the watch's new stream needs a good one, too.
        try await Task.sleep(for: .seconds(4))
        try await guest.put("part/b", "2")
        #expect(guest.state.withLock { $0.token } != before)

        let reader = Reader(guest.watch(.prefix("part/"), WatchOptions(startRevision: 1)))
        _ = try await reader.waitFor("part/b")
        // A restart forgets all tokens.
        let second = Reader(guest.watch(.prefix("part/"), WatchOptions(startRevision: 1)))
        _ = try await second.waitForFirst()
        member.kill()
        try member.start()
        try await guest.put("part/c", "3")
        #expect(try await second.waitFor("part/c").map(\.key) == ["part/a", "part/b", "part/c"])
        try await root.disableAuthentication()
    }

    @Test("compaction during a watch is reported, or the watch goes on from there")
    func compaction() async throws {
        let member = try RealMember()
        defer { member.kill() }
        try member.start()
        let client = try makeClient([member.clientURL])
        defer { client.close() }
        try await waitUntilReady(client)
        var revision: Int64 = 0
        for number in 0..<10 { revision = try await client.put("key", "\(number)").header.revision }
        var running = client.watch(.key("key"), WatchOptions(startRevision: 2)).makeAsyncIterator()
        #expect(try await running.next()?.pair.text == "0")
        try await client.compact(revision - 2, isPhysical: true)

        var late = client.watch(.key("key"), WatchOptions(startRevision: 2)).makeAsyncIterator()
        do {
            _ = try await late.next()
            Issue.record("the compaction was not reported")
        } catch let error as ClientError {
            #expect(error.compactRevision == revision - 2)
            #expect(error.message == "etcdserver: mvcc: required revision has been compacted")
        }
        var resumed = client.watch(.key("key"), WatchOptions(startRevision: 2, onCompaction: .resume))
            .makeAsyncIterator()
        #expect(try await resumed.next()?.pair.modRevision == revision - 2)
        member.kill()
        try member.start()
        #expect(try await resumed.next()?.pair.modRevision == revision - 1)
        #expect(try await resumed.next()?.pair.modRevision == revision)
        try await waitUntilReady(client)
        try await client.put("key", "after")
        #expect(try await resumed.next()?.pair.text == "after")
        // The watch that was under way missed nothing.
        for number in 1..<10 { #expect(try await running.next()?.pair.text == "\(number)") }
        #expect(try await running.next()?.pair.text == "after")
    }
}

extension Reader {
    fileprivate func waitForFirst() async throws -> String {
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            if let first = first { return first }
            try #require(ContinuousClock.now < deadline)
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private var first: String? { events.withLock { $0.first?.key } }
}
