// The JSON gateway's mapping. Requests and answers marked "recorded" are what Go etcd 3.7.1 took and gave.

import Base
import EtcdWire
import SwiftProtobuf
import Testing

@Suite struct GatewayJSONTests {
    private func failure(_ body: Bytes, _ rpc: RPC = .put) -> EtcdError? {
        do throws(EtcdError) {
            _ = try GatewayJSON.request(body: body, of: rpc)
            return nil
        } catch {
            return error
        }
    }

    @Test func requests() throws {
        let body: Bytes = #"{"key":"YQ==","value":"Mg==","prev_kv":true,"lease":"12345"}"#
        #expect(
            try PutRequest(decoding: GatewayJSON.request(body: body, of: .put))
                == PutRequest(key: "a", value: "2", lease: 12345, prevKV: true)
        )
        #expect(try GatewayJSON.request(body: "  ", of: .put).isEmpty)
        #expect(try GatewayJSON.request(body: #"{"nokey": 1}"#, of: .put).isEmpty)
        #expect(try GatewayJSON.request(body: #"{"key":null} {"key":"YQ=="}"#, of: .put).isEmpty)
    }

    @Test(
        "a field that is said twice is refused, however it is spelled",
        arguments: [
            (#"{"key":"YQ==","key":"YQ=="}"#, RPC.put, #"(line 1:15): duplicate field "key""#),
            (#"{"range_end":"YQ==","rangeEnd":"YQ=="}"#, .range, #"(line 1:21): duplicate field "rangeEnd""#),
            (#"{"success":[{"request_put":{"key":"YQ==","key":"YQ=="}}]}"#, .txn, #"(line 1:42): duplicate field "key""#),
        ])
    func duplicates(body: String, rpc: RPC, sentence: String) {
        #expect(failure(Bytes(body), rpc) == EtcdError(code: .invalidArgument, message: "proto:\u{a0}" + sentence))
        // What is unknown or nothing may be there as often as it likes.
        #expect(failure(#"{"x":1,"x":2,"key":null,"key":"YQ=="}"#, .put) == nil)
    }

    @Test func namesNumbersAndAlphabets() throws {
        let body: Bytes = """
            {"key":"-_8=","rangeEnd":"AA","limit":3,"sort_order":7,"sortTarget":"MOD","keys_only":true}
            """
        let request = try RangeRequest(decoding: GatewayJSON.request(body: body, of: .range))
        #expect(request.key == [0xfb, 0xff])
        #expect(request.rangeEnd == [0])
        #expect(request.limit == 3)
        #expect(request.sortOrder.rawValue == 7)
        #expect(request.sortTarget == .mod)
        #expect(request.keysOnly)
    }

    @Test func transactions() throws {
        let body: Bytes = """
            {"compare":[{"key":"cQ==","target":"VERSION","result":"EQUAL","version":"0"}],
             "success":[{"request_put":{"key":"eGE=","value":"MQ=="}},{"requestRange":{"key":"cQ=="}}]}
            """
        #expect(
            try TxnRequest(decoding: GatewayJSON.request(body: body, of: .txn))
                == TxnRequest(
                    compare: [Compare(key: "q", targetUnion: .version(0))],
                    success: [.put(PutRequest(key: "xa", value: "1")), .range(RangeRequest(key: "q"))]
                )
        )
    }

    @Test("recorded answers")
    func responses() throws {
        let header = ResponseHeader(
            clusterID: 12_109_046_799_929_552_045, memberID: 12_589_253_333_016_518_851, revision: 4, raftTerm: 2
        )
        let headerText = #"{"cluster_id":"12109046799929552045","member_id":"12589253333016518851","#
            + #""revision":"4","raft_term":"2"}"#
        let previous = KeyValue(key: "a", createRevision: 2, modRevision: 2, version: 1, value: "1")
        #expect(
            try GatewayJSON.response(PutResponse(header: header, prevKV: previous.encoded()).encoded(), of: .put)
                == Bytes(#"{"header":\#(headerText),"prev_kv":{"key":"YQ==","create_revision":"2","#
                    + #""mod_revision":"2","version":"1","value":"MQ=="}}"#)
        )
        let grant = LeaseGrantResponse(header: header, id: 777, ttl: 100)
        #expect(
            try GatewayJSON.response(grant.encoded(), of: .leaseGrant)
                == Bytes(#"{"header":\#(headerText),"ID":"777","TTL":"100"}"#)
        )
        let range = RangeResponse(header: header, kvs: [KeyValue(key: "k").encoded()], more: true, count: 12)
        #expect(
            try GatewayJSON.response(range.encoded(), of: .range)
                == Bytes(#"{"header":\#(headerText),"kvs":[{"key":"aw=="}],"more":true,"count":"12"}"#)
        )
        #expect(try GatewayJSON.response(Bytes(), of: .defragment) == "{}")
        let renewal = LeaseKeepAliveResponse(header: header, id: 777, ttl: 100)
        #expect(
            try GatewayJSON.streamLine(renewal.encoded(), of: .leaseKeepAlive)
                == Bytes(#"{"result":{"header":\#(headerText),"ID":"777","TTL":"100"}}"# + "\n")
        )
    }

    @Test("recorded: an empty message is shown, a zero in it is not")
    func emptyMessages() throws {
        var status = Etcdserverpb_StatusResponse()
        status.version = "3.7.1"
        status.leader = 9
        status.downgradeInfo = .init()
        #expect(
            try GatewayJSON.response(status.encodedBytes(), of: .status)
                == #"{"version":"3.7.1","leader":"9","downgradeInfo":{}}"#
        )
    }

    @Test("recorded: enum names, and hashes as numbers")
    func enumsAndSmallNumbers() throws {
        var role = Etcdserverpb_AuthRoleGetResponse()
        role.perm = [.with { $0.key = Bytes("a").data }, .with { $0.permType = .readwrite }]
        #expect(
            try GatewayJSON.response(role.encodedBytes(), of: .authRoleGet)
                == #"{"perm":[{"key":"YQ=="},{"permType":"READWRITE"}]}"#
        )
        var hash = Etcdserverpb_HashKVResponse()
        hash.hash = 1_643_261_597
        hash.compactRevision = 22
        #expect(
            try GatewayJSON.response(hash.encodedBytes(), of: .hashKV)
                == #"{"hash":1643261597,"compact_revision":"22"}"#
        )
    }

    @Test("recorded: what is wrong with a request", arguments: [
        (#"{"key":"!!"}"#, "proto:\u{a0}(line 1:8): invalid value for bytes field key: \"!!\""),
        ("{bad", "invalid character 'b' looking for beginning of object key string"),
        ("[]", "proto:\u{a0}syntax error (line 1:1): unexpected token ["),
    ])
    func recordedFailures(body: String, sentence: String) {
        #expect(failure(Bytes(body)) == EtcdError(code: .invalidArgument, message: sentence))
    }

    @Test("what is wrong with a request, by Go's rules", arguments: [
        (RPC.put, #""text""#, "proto:\u{a0}syntax error (line 1:1): unexpected token \"text\""),
        (.put, #"{"key": "!!"}"#, "proto:\u{a0}(line 1:9): invalid value for bytes field key: \"!!\""),
        (.put, "null", "proto:\u{a0}syntax error (line 1:1): unexpected token null"),
        (.put, "{\"key\":\"YQ==\",\n \"lease\":\"x\"}",
            "proto:\u{a0}(line 2:10): invalid value for int64 field lease: \"x\""),
        (.put, #"{"ignore_value":1}"#, "proto:\u{a0}(line 1:17): invalid value for bool field ignoreValue: 1"),
        (.put, #"{"lease":1.5}"#, "proto:\u{a0}(line 1:10): invalid value for int64 field lease: 1.5"),
        (.put, #"{"value":{}}"#, "proto:\u{a0}(line 1:10): invalid value for bytes field value: {"),
        (.txn, #"{"success":{}}"#, "proto:\u{a0}syntax error (line 1:12): unexpected token {"),
        (.txn, #"{"success":[{"x":[{}],"request_put":{"key":5}}]}"#,
            "proto:\u{a0}(line 1:44): invalid value for bytes field key: 5"),
        (.txn, #"{"success":[3]}"#, "proto:\u{a0}syntax error (line 1:13): unexpected token 3"),
        (.txn, #"{"success":[{"request_put":{},"request_range":{}}]}"#,
            "proto:\u{a0}(line 1:31): error parsing \"request_range\", "
                + "oneof etcdserverpb.RequestOp.request is already set"),
        (.memberUpdate, #"{"ID":"-1"}"#, "proto:\u{a0}(line 1:7): invalid value for uint64 field ID: \"-1\""),
        (.memberUpdate, #"{"peerURLs":[1]}"#, "proto:\u{a0}(line 1:14): invalid value for string field peerURLs: 1"),
    ])
    func derivedFailures(rpc: RPC, body: String, sentence: String) {
        #expect(failure(Bytes(body), rpc) == EtcdError(code: .invalidArgument, message: sentence))
    }

    @Test func errorBodies() {
        #expect(
            GatewayJSON.errorBody(.missingLeaderKey) == #"{"code":2,"message":"\"leader\" field must be provided"}"#
        )
        #expect(GatewayJSON.errorBody(GatewayJSON.unknownPath) == #"{"code":5,"message":"Not Found"}"#)
        let odd = EtcdError(code: .unknown, message: "a\\b\n\u{1}ü")
        #expect(GatewayJSON.errorBody(odd) == Bytes(#"{"code":2,"message":"a\\b\n\u0001ü"}"#))
        #expect(
            GatewayJSON.streamErrorLine(.noLeader)
                == Bytes(#"{"error":{"code":14,"message":"etcdserver: no leader"}}"# + "\n")
        )
    }

    @Test func damagedBodiesNeverCrash() {
        let body: Bytes = """
            {"compare":[{"key":"cQ==","target":"VERSION","result":1,"version":"-0"}],"x":[true,null,1.5e3],
            "success":[{"request_put":{"key":"eGE=","value":"MQ==","lease":"12"}},
            {"requestRange":{"key":"c\\u0051=="}}]}
            """
        var messages = RandomMessages(seed: 6)
        var refused = 0
        for _ in 0..<3_000 where failure(messages.damaged(body), .txn) != nil { refused += 1 }
        #expect(refused > 100)
    }

    @Test func malformedResponseIsAnInternalError() {
        #expect(throws: EtcdError(code: .internalError, message: "failed to marshal response message")) {
            try GatewayJSON.response([0x0a, 9], of: .put)
        }
    }
}

@Suite struct JSONScannerTests {
    @Test func valuesOfAStream() throws {
        var scanner = JSONScanner(" {\"a\":[1,{}],\"b\":\"}\\\"\"}\n[]true -1.5e+3 \"x\" 0 ")
        var values: [Bytes] = []
        while let value = try scanner.next() { values.append(value) }
        #expect(values == ["{\"a\":[1,{}],\"b\":\"}\\\"\"}", "[]", "true", "-1.5e+3", "\"x\"", "0"])
    }

    @Test("a cut value waits for more", arguments: [
        "{", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":1", "[1,", "tr", "-", "\"\\u00", "1.",
    ])
    func cut(text: String) {
        var scanner = JSONScanner(Bytes(text))
        #expect(throws: JSONScanError.unexpectedEnd) { try scanner.next() }
    }

    @Test("Go's sentences", arguments: [
        ("x", "'x' looking for beginning of value"), ("{1}", "'1' looking for beginning of object key string"),
        ("{\"a\":1,}", "'}' looking for beginning of object key string"), ("{\"a\" 1}", "'1' after object key"),
        ("{\"a\":1 2}", "'2' after object key:value pair"), ("[1 2]", "'2' after array element"),
        ("[1,]", "']' looking for beginning of value"), ("[tru]", "']' in literal true (expecting 'e')"),
        ("[nul1]", "'1' in literal null (expecting 'l')"), ("\"\\x\"", "'x' in string escape code"),
        ("\"\\u00g0\"", "'g' in \\u hexadecimal character escape"), ("\"\n\"", "'\\n' in string literal"),
        ("\"\u{1}\"", "'\\x01' in string literal"), ("[-x]", "'x' in numeric literal"),
        ("[1.x]", "'x' after decimal point in numeric literal"), ("[1ex]", "'x' in exponent of numeric literal"),
        ("'a'", "'\\'' looking for beginning of value"), ("[\u{e9}]", "'Ã' looking for beginning of value"),
        ("[01]", "'1' after array element"),
    ])
    func sentences(text: String, sentence: String) {
        var scanner = JSONScanner(Bytes(text))
        #expect(throws: JSONScanError.malformed("invalid character " + sentence)) { try scanner.next() }
    }

    @Test func depthIsBounded() {
        var scanner = JSONScanner(Bytes(String(repeating: "[", count: 20_000)))
        #expect(throws: JSONScanError.malformed("exceeded max depth")) { try scanner.next() }
    }
}
