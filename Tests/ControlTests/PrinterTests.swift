// Answers in the five formats, byte by byte.

import CommandLineKit
import EtcdWire
import Foundation
import SwiftProtobuf
import Testing

@testable import Control

@Suite struct PrinterTests {
    private static let header = Etcdserverpb_ResponseHeader.with {
        $0.clusterID = 0xCD
        $0.memberID = 0xAB
        $0.revision = 7
        $0.raftTerm = 2
    }
    private static let pair = Mvccpb_KeyValue.with {
        $0.key = Data("k".utf8)
        $0.value = Data([0xFF, 0x22])
        $0.createRevision = 3
        $0.modRevision = 6
        $0.version = 2
        $0.lease = 0x1F
    }
    private static let range = Etcdserverpb_RangeResponse.with {
        $0.header = header
        $0.kvs = [pair]
        $0.count = 1
    }

    private func text(_ bytes: [UInt8]) -> String { String(rawBytes: bytes) }

    @Test func aRangeInEveryFormat() throws {
        #expect(try Printer(format: .simple).get(Self.range) == Array("k\n".utf8) + [0xFF, 0x22, 10])
        var values = Printer(format: .simple)
        values.valueOnly = true
        #expect(try values.get(Self.range) == [0xFF, 0x22, 10])
        #expect(text(try Printer(format: .simple, isHex: true).get(Self.range)) == "\\x6b\n\\xff\\x22\n")
        #expect(
            text(try Printer(format: .json).get(Self.range))
                == #"{"header":{"cluster_id":205,"member_id":171,"revision":7,"raft_term":2},"kvs":[{"key":"aw==","create_revision":3,"mod_revision":6,"version":2,"value":"/yI=","lease":31}],"count":1}"#
                + "\n"
        )
        #expect(
            text(try Printer(format: .fields).get(Self.range)) == """
                "ClusterID" : 205
                "MemberID" : 171
                "Revision" : 7
                "RaftTerm" : 2
                "Key" : "k"
                "CreateRevision" : 3
                "ModRevision" : 6
                "Version" : 2
                "Value" : "\\xff\\""
                "Lease" : 31
                "More" : false
                "Count" : 1

                """
        )
        #expect(text(try Printer(format: .fields, isHex: true).get(Self.range)).contains("\"ClusterID\" : cd\n"))
        #expect(
            text(try Printer(format: .fields, isHex: true).get(Self.range)).contains("\"Lease\" : 000000000000001f\n")
        )
        #expect(
            try Etcdserverpb_RangeResponse(serializedBytes: try Printer(format: .protobuf).get(Self.range))
                == Self.range
        )
        let refusal = #expect(throws: CommandExit.self) { try Printer(format: .table).get(Self.range) }
        #expect(refusal?.code == 4)
        #expect(refusal?.message == "table not supported as output format")
    }

    @Test func aTransactionWithOneInside() throws {
        let answer = Etcdserverpb_TxnResponse.with {
            $0.header = Self.header
            $0.succeeded = true
            $0.responses = [
                .with { $0.responsePut = .with { $0.header = .with { $0.revision = 7 } } },
                .with {
                    $0.responseTxn = .with {
                        $0.responses = [.with { $0.responseDeleteRange = .with { $0.deleted = 2 } }]
                    }
                },
            ]
        }
        #expect(
            text(try Printer(format: .json).txn(answer)).contains(
                #""succeeded":true,"responses":[{"Response":{"response_put":{"header":{"revision":7}}}},{"Response":{"response_txn":{"responses":[{"Response":{"response_delete_range":{"deleted":2}}}]}}}]"#
            )
        )
        #expect(text(try Printer(format: .simple).txn(answer)).hasPrefix("SUCCESS\n\nOK\n\n"))
    }

    @Test func watchedEvents() throws {
        let answer = Etcdserverpb_WatchResponse.with {
            $0.header = Self.header
            $0.events = [
                .with {
                    $0.kv = Self.pair
                    $0.prevKv = Self.pair
                },
                .with {
                    $0.type = .delete
                    $0.kv = .with { $0.key = Data("d".utf8) }
                },
            ]
        }
        #expect(
            try Printer(format: .simple).watch(answer) == Array("PUT\nk\n".utf8) + [0xFF, 0x22, 10] + Array("k\n".utf8)
                + [0xFF, 0x22, 10] + Array("DELETE\nd\n\n".utf8)
        )
        let json = text(try Printer(format: .json).watch(answer))
        #expect(json.hasPrefix(#"{"Header":{"cluster_id":205"#))
        #expect(
            json.hasSuffix(
                #"{"type":1,"kv":{"key":"ZA=="}}],"CompactRevision":0,"Canceled":false,"Created":false,"CancelReason":""}"#
                    + "\n"
            )
        )
    }

    @Test func leases() throws {
        let alive = Etcdserverpb_LeaseTimeToLiveResponse.with {
            $0.id = 0x1F
            $0.ttl = 9
            $0.grantedTtl = 10
            $0.keys = [Data("a".utf8), Data("b".utf8)]
        }
        #expect(
            text(try Printer(format: .simple).timeToLive(alive, keys: true))
                == "lease 000000000000001f granted with TTL(10s), remaining(9s), attached keys([a b])\n"
        )
        let gone = Etcdserverpb_LeaseTimeToLiveResponse.with {
            $0.id = 0x1F
            $0.ttl = -1
        }
        #expect(
            text(try Printer(format: .simple).timeToLive(gone, keys: false))
                == "lease 000000000000001f already expired\n"
        )
        #expect(
            text(try Printer(format: .json).timeToLive(gone, keys: false)).contains(
                #""ttl":-1,"granted-ttl":0,"keys":null"#
            )
        )
    }

    @Test func membersInATable() throws {
        let list = Etcdserverpb_MemberListResponse.with {
            $0.header = Self.header
            $0.members = [
                .with {
                    $0.id = 0xAB
                    $0.name = "m"
                    $0.peerUrls = ["http://p"]
                },
                .with {
                    $0.id = 1
                    $0.isLearner = true
                },
            ]
        }
        #expect(
            text(try Printer(format: .simple).members(list))
                == "ab, started, m, http://p, , false\n1, unstarted, , , , true\n"
        )
        #expect(
            text(try Printer(format: .table).members(list)) == """
                ┌────┬───────────┬──────┬────────────┬──────────────┬────────────┐
                │ ID │  STATUS   │ NAME │ PEER ADDRS │ CLIENT ADDRS │ IS LEARNER │
                ├────┼───────────┼──────┼────────────┼──────────────┼────────────┤
                │ ab │   started │    m │   http://p │              │      false │
                │  1 │ unstarted │      │            │              │       true │
                └────┴───────────┴──────┴────────────┴──────────────┴────────────┘

                """
        )
        #expect(
            text(try Printer(format: .json, isHex: true).members(list))
                == #"{"header":{"cluster_id":"cd","member_id":"ab","revision":7,"raft_term":2},"members":[{"ID":"ab","name":"m","peerURLs":["http://p"]},{"ID":"1","isLearner":true}]}"#
                + "\n"
        )
    }

    @Test func statusHasSixteenColumns() throws {
        let answer = Etcdserverpb_StatusResponse.with {
            $0.header = Self.header
            $0.version = "3.7.1"
            $0.storageVersion = "3.7.0"
            $0.dbSize = 20_480
            $0.dbSizeInUse = 16_384
            $0.dbSizeQuota = 2_147_483_648
            $0.leader = 0xAB
            $0.raftTerm = 2
            $0.raftIndex = 9
            $0.raftAppliedIndex = 8
            $0.errors = ["a", "b"]
            $0.downgradeInfo = .with {
                $0.enabled = true
                $0.targetVersion = "3.6"
            }
        }
        #expect(
            try Printer(format: .simple).status([("here", answer)])
                == "here, ab, 3.7.1, 3.7.0, 20 kB, 16 kB, 20%, 2.1 GB, true, false, 2, 9, 8, a, b, 3.6, true\n"
        )
        #expect(
            try Printer(format: .fields).status([("here", answer)]).contains(
                "\"Errors\" : [a b]\n\"Endpoint\" : \"here\"\n"
            )
        )
        // An answer without a size must not divide by it.
        #expect(try Printer(format: .simple).status([("here", .init())]).contains(", 0 B, 0 B, 0%, "))
    }

    @Test func healthGoesWhereItBelongs() throws {
        let list = [
            EndpointHealth(endpoint: "a", isHealthy: true, took: "1ms", error: ""),
            EndpointHealth(endpoint: "b", isHealthy: false, took: "2ms", error: "gone"),
        ]
        let simple = try Printer(format: .simple).health(list)
        #expect(simple.out == "a is healthy: successfully committed proposal: took = 1ms\n")
        #expect(simple.error == "b is unhealthy: failed to commit proposal: gone\n")
        #expect(
            try Printer(format: .json).health(list).out
                == #"[{"endpoint":"a","health":true,"took":"1ms"},{"endpoint":"b","health":false,"took":"2ms","error":"gone"}]"#
                + "\n"
        )
    }

    @Test func permissionsOfARole() throws {
        func permission(_ type: Authpb_Permission.TypeEnum, _ key: String, _ end: String = "") -> Authpb_Permission {
            .with {
                $0.permType = type
                $0.key = Data(key.utf8)
                $0.rangeEnd = Data(end.utf8)
            }
        }
        let answer = Etcdserverpb_AuthRoleGetResponse.with {
            $0.perm = [
                permission(.read, "a"), permission(.readwrite, "b", "c"), permission(.write, "d", "\0"),
                permission(.read, "x", "z"),
            ]
        }
        #expect(
            text(try AuthCommands.rolePrinted(Printer(format: .simple), "r", answer)) == """
                Role r
                KV Read:
                \ta
                \t[b, c) (prefix b)
                \t[x, z)
                KV Write:
                \t[b, c) (prefix b)
                \t[d, <open ended>

                """
        )
        #expect(
            text(try AuthCommands.rolePrinted(Printer(format: .simple), "root", .init()))
                == "Role root\nKV Read:\n\t[, <open ended>\nKV Write:\n\t[, <open ended>\n"
        )
    }

    @Test(
        "sizes",
        arguments: [
            (0, "0 B"), (9, "9 B"), (999, "999 B"), (1000, "1.0 kB"), (20_480, "20 kB"), (1_048_576, "1.0 MB"),
            (2_147_483_648, "2.1 GB"),
        ]
    )
    func sizes(bytes: Int64, text: String) { #expect(humanSize(bytes) == text) }

    @Test("lines of the log carry the time in full")
    func logLines() throws {
        let line = logLine("info", logger: "client", caller: "a.go:1", "x \"y\"", [("n", "3")])
        #expect(
            try #/\{"level":"info","ts":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z","logger":"client","caller":"a\.go:1","msg":"x \\"y\\"","n":3\}\n/#
                .wholeMatch(in: line) != nil
        )
    }

    @Test("white space at the ends goes", arguments: [("", ""), (" \t\r", ""), (" a b \n", "a b"), ("a", "a")])
    func trimming(text: String, rest: String) { #expect(trimmed(text) == rest) }

    @Test(
        "durations",
        arguments: [
            (Duration.zero, "0s"), (.nanoseconds(7), "7ns"), (.nanoseconds(1500), "1.5µs"),
            (.microseconds(12_300), "12.3ms"), (.milliseconds(62_500), "1m2.5s"),
            (.seconds(3600), "1h0m0s"), (.seconds(-2), "-2s"),
        ]
    )
    func durations(duration: Duration, text: String) { #expect(goText(duration) == text) }

    @Test func textOfJSONIsEscapedAsGoDoes() {
        #expect(jsonText("a\"\\\n<&>\u{1}\u{2028}é") == #""a\"\\\n\u003c\u0026\u003e\u0001\u2028é""#)
    }
}
