import Base
import RaftWire
import Testing
import Wire

@Suite("Raft's messages as bytes")
struct CodecTests {
    @Test("numbers are written even if zero, as members before 3.7 do")
    func zeroesAreWritten() {
        #expect(Entry().encoded() == bytes("0800 1000 1800"))
        #expect(Entry(term: 1, index: 300, data: "a").encoded() == bytes("0800 1001 18ac02 220161"))
        #expect(HardState().encoded() == bytes("0800 1000 1800"))
        #expect(ConfState().encoded() == bytes("2800"))
        #expect(
            ConfState(voters: [1, 300], learners: [2], autoLeave: true).encoded() == bytes("0801 08ac02 1002 2801")
        )
        #expect(Snapshot().encoded() == bytes("1208 0a02 2800 1000 1800"))
        #expect(ConfChange(type: .removeNode, nodeID: 5).encoded() == bytes("0800 1001 1805"))
        #expect(ConfChangeV2(changes: [ConfChangeSingle(nodeID: 5)]).encoded() == bytes("0800 1204 0800 1005"))
        #expect(WALMetadata(nodeID: 1).encoded() == bytes("0801 1000"))
        #expect(WALSnapshot().encoded() == bytes("0800 1000"))
        #expect(
            Message(type: .heartbeat, to: 2, from: 1, term: 3).encoded()
                == bytes("0808 1002 1801 2003 2800 3000 4000 5000 5800")
        )
    }

    @Test("fields of local storage are not sent to members that do not know them")
    func localFields() {
        let message = Message(type: .append, to: 2, from: 1, term: 3, entries: [Entry(term: 3, index: 1)], context: "c")
        #expect(message.encoded() == bytes("0803 1002 1801 2003 2800 3000 3a06 0800 1003 1801 4000 5000 5800 620163"))
    }

    @Test("the sparse form of 3.7 is read")
    func sparse() throws {
        #expect(try Entry(decoding: bytes("1003 1807 220161")) == Entry(term: 3, index: 7, data: "a"))
        #expect(try HardState(decoding: Bytes()) == HardState())
        #expect(try Message(decoding: bytes("0808 1802")) == Message(type: .heartbeat, from: 2))
        #expect(try Snapshot(decoding: bytes("1202 1005")).metadata.index == 5)
    }

    @Test("an empty snapshot, which 3.5 adds to every message, is none")
    func emptySnapshot() throws {
        let message = try Message(decoding: bytes("0808 4a0a 1208 0a02 2800 1000 1800"))
        #expect(message.snapshot == nil)
        #expect(!message.hasSnapshot)
    }

    @Test("lists of members may come packed")
    func packed() throws {
        #expect(try ConfState(decoding: bytes("0a03 01ac02 0805")) == ConfState(voters: [1, 300, 5]))
    }

    @Test("unknown fields are passed over")
    func unknownFields() throws {
        #expect(try Entry(decoding: bytes("7a0161 1003 a00601 1807")) == Entry(term: 3, index: 7))
    }

    @Test("values nobody knows are refused")
    func unknownValues() {
        #expect(throws: WireError.self) { try Entry(decoding: bytes("0803")) }
        #expect(throws: WireError.self) { try Message(decoding: bytes("0818")) }
        #expect(throws: WireError.self) { try ConfChange(decoding: bytes("1004")) }
        #expect(throws: WireError.self) { try ConfChangeV2(decoding: bytes("0803")) }
    }

    @Test("responses within responses are refused")
    func nesting() {
        var message = Message(type: .storageAppend)
        message.responses = [Message(type: .appendResponse)]
        #expect(throws: Never.self) { try Message(decoding: message.encoded()) }
        message.responses[0].responses = [Message(type: .appendResponse)]
        #expect(throws: WireError.self) { try Message(decoding: message.encoded()) }
    }

    @Test("everything comes back from its bytes")
    func roundTrips() throws {
        var samples = Samples(seed: 1)
        for _ in 0..<300 {
            for value in samples.all() { try expectRoundTrip(value) }
        }
    }

    @Test("damaged bytes are refused or understood, never more")
    func mutations() {
        var samples = Samples(seed: 2)
        for _ in 0..<300 {
            for value in samples.all() {
                var array = value.encoded().array
                for _ in 0..<1 + samples.random.next() % 4 where !array.isEmpty {
                    let position = Int(samples.random.next() % UInt64(array.count))
                    switch samples.random.next() % 3 {
                    case 0: array[position] = UInt8(truncatingIfNeeded: samples.random.next())
                    case 1: array.remove(at: position)
                    default: array.insert(UInt8(truncatingIfNeeded: samples.random.next()), at: position)
                    }
                }
                let damaged = Bytes(array)
                func expectSoundToo<Value: WireMessage>(_: Value) { expectSound(Value.self, damaged) }
                expectSoundToo(value)
                expectSound(Message.self, damaged)
            }
        }
    }

    @Test("decoded data shares the input's bytes")
    func sharing() throws {
        let encoded = Entry(term: 1, index: 1, data: "some data").encoded()
        let decoded = try Entry(decoding: encoded)
        let isShared = encoded.storage.withUnsafeBufferPointer { whole in
            decoded.data.storage.withUnsafeBufferPointer { $0.baseAddress == whole.baseAddress }
        }
        #expect(isShared)
    }
}

@Suite("Changes of configurations")
struct ConfChangeTests {
    @Test("more than one change goes through a joint configuration")
    func joint() {
        let one = [ConfChangeSingle(nodeID: 1)]
        let two = [ConfChangeSingle(nodeID: 1), ConfChangeSingle(nodeID: 2)]
        #expect(ConfChangeV2(changes: one).jointAutoLeave == nil)
        #expect(ConfChangeV2(changes: two).jointAutoLeave == true)
        #expect(ConfChangeV2(transition: .jointImplicit, changes: one).jointAutoLeave == true)
        #expect(ConfChangeV2(transition: .jointExplicit, changes: one).jointAutoLeave == false)
        #expect(ConfChangeV2(transition: .jointExplicit).jointAutoLeave == false)
    }

    @Test("the empty change leaves a joint configuration")
    func leaving() {
        #expect(ConfChangeV2().leavesJoint)
        #expect(ConfChangeV2(context: "why").leavesJoint)
        #expect(!ConfChangeV2(transition: .jointExplicit).leavesJoint)
        #expect(!ConfChange(type: .updateNode, nodeID: 0).asV2.leavesJoint)
    }
}
