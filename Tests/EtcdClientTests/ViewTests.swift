// Views with scripted members, where a real cluster would have to be unlucky.

import EtcdClient
import EtcdWire
import SwiftProtobuf
import Testing

@Suite("Views", .timeLimit(.minutes(1)))
struct ViewTests {
    @Test("an ordered view asks on until a member knows as much as was seen")
    func ordered() async throws {
        let stale = Tally()
        let fresh = try await ScriptedMember.start([.unary(.range) { _, _ in .with { $0.header = header(10) } }])
        let behind = try await ScriptedMember.start([
            .unary(.range) { _, _ in
                stale.raise()
                return .with { $0.header = header(5) }
            }
        ])
        let client = try makeClient([fresh.endpoint, behind.endpoint]) { $0.balancing = .roundRobin }
        defer { client.close() }
        let ordered = OrderedKV(client)
        for _ in 0..<4 {
            let result = try await ordered.get(GetRequest(.key("key"), isSerializable: true))
            #expect(result.header.revision == 10)
        }
        #expect(stale.value >= 2)
        // A read of the past is the same everywhere.
        let past = try await ordered.get(GetRequest(.key("key"), revision: 3))
        #expect(past.header.revision > 0)
    }

    @Test("an ordered view fails when no member knows enough")
    func unordered() async throws {
        let calls = Tally()
        let member = try await ScriptedMember.start([
            .unary(.range) { _, _ in .with { $0.header = header(calls.raise() == 1 ? 10 : 5) } }
        ])
        let client = try makeClient([member.endpoint])
        defer { client.close() }
        let ordered = OrderedKV(client)
        _ = try await ordered.get(GetRequest(.key("key")))
        let failure = await #expect(throws: ClientError.self) { try await ordered.get(GetRequest(.key("key"))) }
        #expect(failure?.message.contains("no cluster members have a revision higher") == true)
    }
}
