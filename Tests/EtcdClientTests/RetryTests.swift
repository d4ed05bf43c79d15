// What happens to a call when a member doesn't answer it: what may be repeated is, and nothing else.

import EtcdClient
import EtcdWire
import Foundation
import GRPCCore
import SwiftProtobuf
import Testing

@Suite("Retries", .timeLimit(.minutes(2)))
struct RetryTests {
    @Test("a write whose connection broke under way is not sent again")
    func ambiguousWrite() async throws {
        let sent = Tally()
        let first = Slot<ScriptedMember>()
        let broken = try await ScriptedMember.start([
            .unary(.put) { _, _ in
                sent.raise()
                first.value?.vanish()
                try await Task.sleep(for: .seconds(60))
                return .init()
            }
        ])
        first.value = broken
        let other = try await ScriptedMember.start([
            .unary(.put) { _, _ in
                sent.raise()
                return .init()
            }
        ])
        let client = try makeClient([broken.endpoint, other.endpoint])
        defer { client.close() }
        let failure = await #expect(throws: ClientError.self) { try await client.put("key", "value") }
        #expect(failure?.code == .unavailable)
        #expect(failure?.stage == .underWay)
        #expect(sent.value == 1)
        // The client is none the worse for it.
        try await client.put("key", "value")
        #expect(sent.value == 2)
    }

    @Test("a write that a member answers with Unavailable is not sent again, a read is")
    func answeredUnavailable() async throws {
        let writes = Tally(), reads = Tally()
        let scripts: [Script] = [
            .unary(.put) { _, _ in
                writes.raise()
                throw RPCError(code: .unavailable, message: "etcdserver: leader changed")
            },
            .unary(.range) { _, _ in
                if reads.raise() < 3 { throw RPCError(code: .unavailable, message: "etcdserver: no leader") }
                return .with { $0.header = header(7) }
            },
        ]
        let one = try await ScriptedMember.start(scripts), two = try await ScriptedMember.start(scripts)
        let client = try makeClient([one.endpoint, two.endpoint])
        defer { client.close() }
        let failure = await #expect(throws: ClientError.self) { try await client.put("key", "value") }
        #expect(failure?.message == "etcdserver: leader changed")
        #expect(writes.value == 1)
        let result: GetResult = try await client.get(.key("key"))
        #expect(result.header.revision == 7)
        #expect(reads.value == 3)
    }

    @Test("a read whose connection broke under way is asked elsewhere")
    func brokenRead() async throws {
        let first = Slot<ScriptedMember>()
        let broken = try await ScriptedMember.start([
            .unary(.range) { _, _ in
                first.value?.vanish()
                try await Task.sleep(for: .seconds(60))
                return .init()
            }
        ])
        first.value = broken
        let other = try await ScriptedMember.start([.unary(.range) { _, _ in .with { $0.header = header(3) } }])
        let client = try makeClient([broken.endpoint, other.endpoint])
        defer { client.close() }
        let result: GetResult = try await client.get(.key("key"))
        #expect(result.header.revision == 3)
    }

    @Test(
        "a write that never left goes to the next member",
        arguments: [ClientConfiguration.Balancing.roundRobin, .sticky]
    )
    func unsentWrite(balancing: ClientConfiguration.Balancing) async throws {
        let sent = Tally()
        let gone = try await ScriptedMember.start([])
        let silent = try SilentListener()
        let member = try await ScriptedMember.start([
            .unary(.put) { _, _ in
                sent.raise()
                return .init()
            }
        ])
        gone.vanish()
        let client = try makeClient([gone.endpoint, silent.endpoint, member.endpoint]) {
            $0.balancing = balancing
            $0.dialTimeout = .milliseconds(300)
        }
        defer { client.close() }
        for _ in 0..<5 { try await client.put("key", "value") }
        #expect(sent.value == 5)
    }

    @Test("a call ends by its deadline whatever the members do")
    func deadline() async throws {
        let silent = try SilentListener()
        let client = try makeClient([silent.endpoint]) { $0.requestTimeout = .milliseconds(300) }
        defer { client.close() }
        let failure = await #expect(throws: ClientError.self) { try await client.put("key", "value") }
        #expect(failure?.code == .deadlineExceeded)
    }

    @Test("one exchange renews a refused token for all calls, and the refused calls are repeated")
    func tokenRenewal() async throws {
        let exchanges = Tally(), written = Tally()
        let member = try await ScriptedMember.start([
            .unary(.authenticate) { request, _ in
                #expect(request.name == "user" && request.password == "secret")
                return .with { $0.token = "token-\(exchanges.raise())" }
            },
            .unary(.put) { _, metadata in
                guard metadata.contains(where: { $0.key == "token" && $0.value == .string("token-2") }) else {
                    throw RPCError(code: .unauthenticated, message: "etcdserver: invalid auth token")
                }
                written.raise()
                return .init()
            },
        ])
        let client = try makeClient([member.endpoint]) { $0.credentials = .password(user: "user", password: "secret") }
        defer { client.close() }
        try await client.authenticate()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<20 { group.addTask { try await client.put("key\(number)", "value") } }
            try await group.waitForAll()
        }
        #expect(written.value == 20)
        #expect(exchanges.value == 2)
    }

    @Test("who is known by a certificate repeats a call that users' changes overtook", arguments: [3, 100])
    func oldRevision(refusals: Int) async throws {
        let asked = Tally()
        let member = try await ScriptedMember.start([
            .unary(.put) { _, _ in
                guard asked.raise() > refusals else {
                    throw RPCError(code: .invalidArgument, message: "etcdserver: revision of auth store is old")
                }
                return .init()
            }
        ])
        let client = try makeClient([member.endpoint])
        defer { client.close() }
        if refusals < 10 { return _ = try await client.put("key", "value") }
        let failure = await #expect(throws: ClientError.self) { try await client.put("key", "value") }
        #expect(failure?.message == "etcdserver: revision of auth store is old" && asked.value == 11)
    }

    @Test("a signed token that is refused is replaced by its source")
    func tokenSource() async throws {
        let asked = Tally()
        let member = try await ScriptedMember.start([
            .unary(.put) { _, metadata in
                guard metadata.contains(where: { $0.key == "token" && $0.value == .string("new") }) else {
                    throw RPCError(code: .unauthenticated, message: "etcdserver: invalid auth token")
                }
                return .init()
            }
        ])
        let client = try makeClient([member.endpoint]) {
            $0.credentials = .token("old")
            $0.tokenSource = {
                asked.raise()
                return "new"
            }
        }
        defer { client.close() }
        try await client.put("key", "value")
        try await client.put("key", "value")
        #expect(asked.value == 1)
    }

    @Test("a call under way at a member that leaves the list is answered by it")
    func endpointsChangeUnderWay() async throws {
        let arrived = Latch(), goOn = Latch()
        let old = try await ScriptedMember.start([
            .unary(.put) { _, _ in
                arrived.open()
                await goOn.wait()
                return .with { $0.header = header(11) }
            }
        ])
        let new = try await ScriptedMember.start([.unary(.put) { _, _ in .with { $0.header = header(22) } }])
        let client = try makeClient([old.endpoint])
        defer { client.close() }
        async let first = client.put("key", "value")
        await arrived.wait()
        client.endpoints = [new.endpoint]
        #expect(try await client.put("key", "value").header.revision == 22)
        goOn.open()
        #expect(try await first.header.revision == 11)
    }

    @Test("requests larger than the limit are refused here")
    func requestSize() async throws {
        let client = try makeClient(["127.0.0.1:1"]) { $0.requestBytesMax = 100 }
        defer { client.close() }
        let failure = await #expect(throws: ClientError.self) {
            try await client.put("key", String(repeating: "x", count: 200))
        }
        #expect(failure?.code == .resourceExhausted)
    }
}
