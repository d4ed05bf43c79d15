// What the differential tests cannot see: encodings written down, entries, encoders that share bytes, limits.

import Base
import EtcdWire
import SwiftProtobuf
import Testing
import Wire

@Suite struct MessageTests {
    @Test func keyValueBytes() throws {
        let pair = KeyValue(key: "a", createRevision: 2, modRevision: 300, version: 1, value: "v", lease: -1)
        let bytes: Bytes = [
            0x0a, 1, 0x61, 0x10, 2, 0x18, 0xac, 0x02, 0x20, 1, 0x2a, 1, 0x76,
            0x30, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
        ]
        #expect(pair.encoded() == bytes)
        #expect(pair.encodedSize == bytes.count)
        #expect(try KeyValue(decoding: bytes) == pair)
        #expect(KeyValue().encoded().isEmpty)
    }

    @Test func unnamedEnumNumbersAreKept() throws {
        let request = RangeRequest(key: "a", sortOrder: SortOrder(rawValue: 7), sortTarget: SortTarget(rawValue: -9))
        let decoded = try RangeRequest(decoding: request.encoded())
        #expect(decoded.sortOrder.rawValue == 7)
        #expect(decoded.sortTarget.rawValue == -9)
        #expect(!decoded.sortOrder.isKnown && !decoded.sortTarget.isKnown)
        #expect(SortTarget.value.isKnown && !SortTarget(rawValue: 5).isKnown)
    }

    @Test func emptyHeaderInsideTransactionIsPresent() throws {
        let response = TxnResponse(
            header: ResponseHeader(revision: 4),
            succeeded: true,
            responses: [.put(PutResponse(header: ResponseHeader())), .none]
        )
        let decoded = try TxnResponse(decoding: response.encoded())
        #expect(decoded == response)
        #expect(try Etcdserverpb_TxnResponse(decoding: response.encoded()).responses[0].responsePut.hasHeader)
    }

    @Test func repeatedPairsOfAResponseMerge() throws {
        var writer = WireWriter()
        writer.explicit(2, KeyValue(key: "a", modRevision: 5).encoded())
        writer.explicit(2, KeyValue(key: "b").encoded())
        let previous = try #require(try PutResponse(decoding: writer.bytes).prevKV)
        #expect(try KeyValue(decoding: previous) == KeyValue(key: "b", modRevision: 5))
    }

    @Test func malformedPairInsideAResponseIsRefused() {
        var writer = WireWriter()
        writer.explicit(2, Bytes([0x0a, 5]))
        #expect(throws: WireError.truncated) { try RangeResponse(decoding: writer.bytes) }
        #expect(throws: WireError.truncated) { try PutResponse(decoding: writer.bytes) }
    }

    @Test func textMustBeUnicode() {
        #expect(throws: WireError.malformedText) { try RequestHeader(decoding: [0x12, 2, 0xc3, 0x28]) }
    }

    @Test("nesting beyond the limit is refused, by both codecs at the same depth")
    func nesting() {
        func nested(_ transactions: Int) -> Bytes {
            var request = TxnRequest()
            for _ in 0..<transactions { request = TxnRequest(success: [.txn(request)]) }
            return request.encoded()
        }
        for transactions in 45..<55 {
            let bytes = nested(transactions)
            let ours = (try? TxnRequest(decoding: bytes)) != nil
            let theirs = (try? Etcdserverpb_TxnRequest(decoding: bytes)) != nil
            #expect(ours == theirs, "at \(transactions)")
        }
        #expect(throws: WireError.nestedTooDeeply) { try TxnRequest(decoding: nested(60)) }
    }

    @Test func streamedRangeEqualsTheWholeResponse() throws {
        let pairs = [KeyValue(key: "a", value: "1"), KeyValue(key: "b", value: "2", lease: 7), KeyValue(key: "c")]
        let response = RangeResponse(
            header: ResponseHeader(clusterID: 1, memberID: 2, revision: 3, raftTerm: 4),
            kvs: pairs.map { $0.encoded() }, more: true, count: 9
        )
        var frame = WireWriter()
        frame.array = [0, 0, 0, 0, 0]
        var encoder = RangeResponseEncoder(header: response.header, into: frame)
        encoder.append(encoded: pairs[0].encoded())
        pairs[1].encoded().withUnsafeBytes { encoder.append(encoded: $0) }
        encoder.append(pairs[2])
        let written = encoder.finish(more: true, count: 9).bytes
        #expect(written.dropFirst(5) == response.encoded())
        #expect(try response.decodedKVs() == pairs)
    }

    @Test func pairsWithoutValues() throws {
        let stored = KeyValue(key: "k", createRevision: 1, modRevision: 2, version: 3, value: "v", lease: 4)
        let kept = try KeyValue.withoutValue(encoded: stored.encoded(), keepingLease: true)
        #expect(kept == KeyValue(key: "k", createRevision: 1, modRevision: 2, version: 3, lease: 4))
        #expect(try KeyValue.withoutValue(encoded: stored.encoded(), keepingLease: false).lease == 0)
    }

    @Test func framedEventsCompleteAWatchResponse() {
        let events = [
            Event(type: .put, kv: KeyValue(key: "a", createRevision: 2, modRevision: 2, version: 1, value: "x")),
            Event(type: .delete, kv: KeyValue(key: "b", modRevision: 3)),
        ].map { $0.encoded() }
        var head = WatchResponse(header: ResponseHeader(revision: 3), watchID: 5)
        var shared = WireWriter()
        for event in events { WatchResponse.frame(event: event, into: &shared) }
        #expect(shared.count == events.reduce(0) { $0 + WatchResponse.framedSize(ofEvent: $1.count) })
        var whole = WireWriter()
        head.encode(into: &whole)
        whole.append(shared.bytes)
        head.events = events
        #expect(whole.bytes == head.encoded())
    }

    @Test func watchRequests() throws {
        let create = WatchCreateRequest(key: "a", filters: [.noPut, .noDelete], watchID: 3)
        for request in [WatchRequest.none, .create(create), .cancel(watchID: 0), .cancel(watchID: 7), .progress] {
            #expect(try WatchRequest(decoding: request.encoded()) == request)
        }
        #expect(try WatchCreateRequest(decoding: [0x28, 1, 0x2a, 2, 0, 1]).filters == [.noDelete, .noPut, .noDelete])
    }

    @Test func generatedMessagesConvert() throws {
        var put = Etcdserverpb_PutRequest()
        put.key = Bytes("k").data
        put.lease = 9
        var operation = Etcdserverpb_RequestOp()
        operation.requestPut = put
        var generated = Etcdserverpb_TxnRequest()
        generated.failure = [operation]
        #expect(try TxnRequest(generated) == TxnRequest(failure: [.put(PutRequest(key: "k", lease: 9))]))
        #expect(Etcdserverpb_ResponseHeader(ResponseHeader(clusterID: 3, revision: 8)).revision == 8)
    }
}

@Suite struct InternalRaftRequestTests {
    private let header = RequestHeader(id: 77, username: "root", authRevision: 3)

    @Test("every kind is read and written as swift-protobuf does", arguments: RaftRequestKind.allCases)
    func kinds(kind: RaftRequestKind) throws {
        let withoutText: Set<RaftRequestKind> = [
            .authEnable, .authDisable, .authStatus, .authUserList, .authRoleList, .clusterMemberAttributesSet,
            .downgradeInfoSet,
        ]
        let hasText = kind.rawValue >= 1000 && !withoutText.contains(kind)
        let request: Bytes = hasText ? [0x0a, 1, 0x78] : []
        let bytes = InternalRaftRequest.encode(header: header, kind: kind, request: request)
        let theirs = try Etcdserverpb_InternalRaftRequest(decoding: bytes)
        #expect(theirs.header.id == 77)
        #expect(theirs.unknownFields.data.isEmpty)
        #expect(try theirs.encodedBytes() == bytes)
        let ours = try InternalRaftRequest(decoding: bytes)
        #expect(ours.body.kind == kind)
        #expect(ours.header == header)
        #expect(ours.requestID == 77)
        #expect(ours.encoded() == bytes)
    }

    @Test func randomEntriesOfOneRequest() throws {
        let requests: [(RaftRequestKind, String)] = [
            (.range, "RangeRequest"), (.put, "PutRequest"), (.deleteRange, "DeleteRangeRequest"), (.txn, "TxnRequest"),
            (.compaction, "CompactionRequest"), (.leaseGrant, "LeaseGrantRequest"), (.alarm, "AlarmRequest"),
            (.leaseRevoke, "LeaseRevokeRequest"), (.leaseCheckpoint, "LeaseCheckpointRequest"),
            (.authUserAdd, "AuthUserAddRequest"), (.authRoleGrantPermission, "AuthRoleGrantPermissionRequest"),
        ]
        var messages = RandomMessages(seed: 4)
        for (kind, name) in requests {
            for _ in 0..<50 {
                // Twice the same field: protobuf merges.
                var writer = WireWriter()
                writer.explicit(kind.rawValue, messages.encoding(of: "etcdserverpb." + name))
                writer.explicit(kind.rawValue, messages.encoding(of: "etcdserverpb." + name))
                var options = BinaryDecodingOptions()
                options.discardUnknownFields = true
                let theirs = try Etcdserverpb_InternalRaftRequest(serializedBytes: writer.array, options: options)
                let ours = try InternalRaftRequest(decoding: writer.bytes)
                #expect(ours.body.kind == kind)
                let again = try Etcdserverpb_InternalRaftRequest(
                    serializedBytes: ours.encoded().array, options: options
                )
                #expect(again == theirs)
            }
        }
    }

    @Test func damagedEntriesNeverCrash() {
        var messages = RandomMessages(seed: 5)
        for _ in 0..<2_000 {
            let entry = InternalRaftRequest.encode(
                header: header, kind: .txn, request: messages.encoding(of: "etcdserverpb.TxnRequest")
            )
            let bytes = messages.damaged(entry)
            guard let decoded = try? InternalRaftRequest(decoding: bytes) else { continue }
            #expect((try? InternalRaftRequest(decoding: decoded.encoded())) == decoded)
        }
    }

    @Test("recorded: entries of Go members are read and written to the byte", arguments: [
        ("3.5.1", "22060a0161120131a2060b0886c0aaa3aec1e89e9701"),
        ("3.5.1", "22080a01621201322001a2060b0887c0aaa3aec1e89e9701"),
        ("3.6.14", "a2060b0881b889a7aec1a8c5f501aa512d088aebf3d5a3bbb3a2cf0112200a06676f6c64656e121668747470"
            + "3a2f2f3132372e302e302e313a3339323331"),
        ("3.6.14", "a2060b0882b889a7aec1a8c5f501a251070a05332e362e30"),
        ("3.7.1", "a2060a0881c6a3a6aec1e8e120aa512d08c3c1e8aecae680dbae0112200a06676f6c64656e1216687474703a"
            + "2f2f3132372e302e302e313a3338313037"),
        ("3.7.1", "a2060a0882c6a3a6aec1e8e120a251070a05332e372e30"),
        ("3.7.1", "22080a01611201332001a2060a0886c6a3a6aec1e8e120"),
    ])
    func recorded(version: String, entry: String) throws {
        let bytes = bytes(hexadecimal: entry)
        let request = try InternalRaftRequest(decoding: bytes)
        #expect(request.body != .none)
        #expect(request.requestID != 0)
        #expect(request.encoded() == bytes)
    }

    @Test("recorded: 3.5 publishes itself and the cluster version through the v2 store", arguments: [
        ("0881c0aaa3aec1e89e970112035055541a262f302f6d656d626572732f626132613937313930333539393733"
            + "642f6174747269627574657322397b226e616d65223a22676f6c64656e222c22636c69656e7455524c73223a"
            + "5b22687474703a2f2f3132372e302e302e313a3531363133225d7d2800320038004800500058006000680070"
            + "007800800100",
            "/0/members/ba2a97190359973d/attributes"),
        ("0884c0aaa3aec1e89e970112035055541a0a2f302f76657273696f6e2205332e352e30280032003800480050"
            + "0058006000680070007800800100", "/0/version"),
    ])
    func recordedLegacy(entry: String, path: String) throws {
        let bytes = bytes(hexadecimal: entry)
        #expect(throws: WireError.self) { try InternalRaftRequest(decoding: bytes) }
        let request = try LegacyRequest(decoding: bytes)
        #expect(request.method == "PUT" && request.path == path && request.id != 0 && !request.value.isEmpty)
    }

    @Test func legacyRequestWithoutPath() {
        // ID 1, method SYNC, empty path and value, dir false.
        let bytes: Bytes = [0x08, 1, 0x12, 4, 0x53, 0x59, 0x4e, 0x43, 0x1a, 0, 0x22, 0, 0x28, 0]
        #expect(throws: WireError.unexpectedWireType) { try InternalRaftRequest(decoding: bytes) }
    }

    private func bytes(hexadecimal text: String) -> Bytes {
        var result: [UInt8] = []
        var digits = Substring(text)
        while !digits.isEmpty {
            result.append(UInt8(digits.prefix(2), radix: 16) ?? 0)
            digits = digits.dropFirst(2)
        }
        return Bytes(result)
    }

    @Test func oldIdentifierCountsFirst() {
        #expect(InternalRaftRequest(header: header, legacyID: 5).requestID == 5)
        #expect(InternalRaftRequest().requestID == 0)
    }

    @Test("a request of the v2 store is not taken for an entry of today")
    func legacyRequest() throws {
        var theirs = Etcdserverpb_Request()
        theirs.id = 12
        theirs.method = "PUT"
        theirs.path = "/0/members/aeb8cf52f5d5a283/attributes"
        theirs.val = #"{"name":"m1"}"#
        theirs.dir = false
        theirs.time = 0
        let bytes = try theirs.encodedBytes()
        #expect(throws: WireError.self) { try InternalRaftRequest(decoding: bytes) }
        #expect(
            try LegacyRequest(decoding: bytes)
                == LegacyRequest(id: 12, method: "PUT", path: theirs.path, value: theirs.val)
        )
    }

    @Test func logMetadataWritesZeros() throws {
        #expect(LogMetadata(memberID: 0, clusterID: 1).encoded() == [0x08, 0, 0x10, 1])
        let theirs = try Etcdserverpb_Metadata(decoding: LogMetadata(memberID: 8, clusterID: .max).encoded())
        #expect(theirs.nodeID == 8 && theirs.clusterID == .max)
    }
}
