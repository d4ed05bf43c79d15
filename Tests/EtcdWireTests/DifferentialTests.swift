// The direct codec against swift-protobuf: the same bytes mean the same to both.

import Base
import EtcdWire
import SwiftProtobuf
import Testing
import Wire

/// One hot message, as both codecs know it.
struct Pair: Sendable, CustomTestStringConvertible {
    let name: String
    /// Decodes and encodes with the direct codec.
    let direct: @Sendable (Bytes) throws(WireError) -> Bytes
    /// Decodes and encodes with swift-protobuf, unknown fields left out.
    let generated: @Sendable (Bytes) throws -> Bytes

    var testDescription: String { name }

    init<G: SwiftProtobuf.Message>(_ type: G.Type, _ direct: @escaping @Sendable (Bytes) throws(WireError) -> Bytes) {
        name = G.protoMessageName
        self.direct = direct
        generated = { bytes in
            var options = BinaryDecodingOptions()
            options.discardUnknownFields = true
            let array: [UInt8] = try G(serializedBytes: bytes.array, options: options).serializedBytes()
            return Bytes(array)
        }
    }

    static let all: [Pair] = [
        Pair(Mvccpb_KeyValue.self) { (b) throws(WireError) in try KeyValue(decoding: b).encoded() },
        Pair(Mvccpb_Event.self) { (b) throws(WireError) in try Event(decoding: b).encoded() },
        Pair(Etcdserverpb_ResponseHeader.self) { (b) throws(WireError) in try ResponseHeader(decoding: b).encoded() },
        Pair(Etcdserverpb_RangeRequest.self) { (b) throws(WireError) in try RangeRequest(decoding: b).encoded() },
        Pair(Etcdserverpb_RangeResponse.self) { (b) throws(WireError) in try RangeResponse(decoding: b).encoded() },
        Pair(Etcdserverpb_PutRequest.self) { (b) throws(WireError) in try PutRequest(decoding: b).encoded() },
        Pair(Etcdserverpb_PutResponse.self) { (b) throws(WireError) in try PutResponse(decoding: b).encoded() },
        Pair(Etcdserverpb_DeleteRangeRequest.self) { (b) throws(WireError) in
            try DeleteRangeRequest(decoding: b).encoded()
        },
        Pair(Etcdserverpb_DeleteRangeResponse.self) { (b) throws(WireError) in
            try DeleteRangeResponse(decoding: b).encoded()
        },
        Pair(Etcdserverpb_Compare.self) { (b) throws(WireError) in try Compare(decoding: b).encoded() },
        Pair(Etcdserverpb_RequestOp.self) { (b) throws(WireError) in try RequestOp(decoding: b).encoded() },
        Pair(Etcdserverpb_ResponseOp.self) { (b) throws(WireError) in try ResponseOp(decoding: b).encoded() },
        Pair(Etcdserverpb_TxnRequest.self) { (b) throws(WireError) in try TxnRequest(decoding: b).encoded() },
        Pair(Etcdserverpb_TxnResponse.self) { (b) throws(WireError) in try TxnResponse(decoding: b).encoded() },
        Pair(Etcdserverpb_CompactionRequest.self) { (b) throws(WireError) in
            try CompactionRequest(decoding: b).encoded()
        },
        Pair(Etcdserverpb_CompactionResponse.self) { (b) throws(WireError) in
            try CompactionResponse(decoding: b).encoded()
        },
        Pair(Etcdserverpb_WatchRequest.self) { (b) throws(WireError) in try WatchRequest(decoding: b).encoded() },
        Pair(Etcdserverpb_WatchResponse.self) { (b) throws(WireError) in try WatchResponse(decoding: b).encoded() },
        Pair(Etcdserverpb_LeaseGrantRequest.self) { (b) throws(WireError) in
            try LeaseGrantRequest(decoding: b).encoded()
        },
        Pair(Etcdserverpb_LeaseGrantResponse.self) { (b) throws(WireError) in
            try LeaseGrantResponse(decoding: b).encoded()
        },
        Pair(Etcdserverpb_LeaseRevokeRequest.self) { (b) throws(WireError) in
            try LeaseRevokeRequest(decoding: b).encoded()
        },
        Pair(Etcdserverpb_LeaseCheckpointRequest.self) { (b) throws(WireError) in
            try LeaseCheckpointRequest(decoding: b).encoded()
        },
        Pair(Etcdserverpb_LeaseKeepAliveRequest.self) { (b) throws(WireError) in
            try LeaseKeepAliveRequest(decoding: b).encoded()
        },
        Pair(Etcdserverpb_LeaseKeepAliveResponse.self) { (b) throws(WireError) in
            try LeaseKeepAliveResponse(decoding: b).encoded()
        },
        Pair(Leasepb_Lease.self) { (b) throws(WireError) in try LeaseRecord(decoding: b).encoded() },
        Pair(Etcdserverpb_AlarmRequest.self) { (b) throws(WireError) in try AlarmRequest(decoding: b).encoded() },
        Pair(Etcdserverpb_AlarmResponse.self) { (b) throws(WireError) in try AlarmResponse(decoding: b).encoded() },
        Pair(Membershippb_ClusterVersionSetRequest.self) { (b) throws(WireError) in
            try ClusterVersionSetRequest(decoding: b).encoded()
        },
        Pair(Membershippb_ClusterMemberAttrSetRequest.self) { (b) throws(WireError) in
            try ClusterMemberAttributesSetRequest(decoding: b).encoded()
        },
        Pair(Membershippb_DowngradeInfoSetRequest.self) { (b) throws(WireError) in
            try DowngradeInfoSetRequest(decoding: b).encoded()
        },
        Pair(Etcdserverpb_RequestHeader.self) { (b) throws(WireError) in try RequestHeader(decoding: b).encoded() },
    ]
}

@Suite struct DifferentialTests {
    @Test("canonical bytes survive unchanged", arguments: Pair.all)
    func canonical(pair: Pair) throws {
        var messages = RandomMessages(seed: 1)
        for _ in 0..<200 {
            let canonical = try pair.generated(messages.encoding(of: pair.name))
            #expect(try pair.direct(canonical) == canonical)
        }
    }

    @Test("any order, repetition, unknown fields and wrong types mean the same to both", arguments: Pair.all)
    func anyShape(pair: Pair) throws {
        var messages = RandomMessages(seed: 2)
        for _ in 0..<200 {
            let encoding = messages.encoding(of: pair.name)
            #expect(try pair.generated(pair.direct(encoding)) == pair.generated(encoding))
        }
    }

    @Test("damaged bytes: both accept with one meaning, or both refuse", arguments: Pair.all)
    func damaged(pair: Pair) throws {
        var messages = RandomMessages(seed: 3)
        var accepted = 0
        for _ in 0..<600 {
            let encoding = messages.encoding(of: pair.name)
            let bytes = messages.damaged(encoding)
            let expected = try? pair.generated(bytes)
            let answer: Bytes
            do {
                answer = try pair.direct(bytes)
            } catch {
                // The one difference: like Go's library ours refuses a varint of more than 64 bits.
                #expect(expected == nil || error == .malformedVarint, "ours: \(error), bytes: \(bytes.array)")
                continue
            }
            accepted += 1
            #expect(expected != nil, "theirs refuses \(bytes.array)")
            if let expected { #expect(try pair.generated(answer) == expected, "bytes: \(bytes.array)") }
        }
        #expect(accepted > 0)
    }
}
