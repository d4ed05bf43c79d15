// Keys on their way into a namespace and out of it.

import EtcdWire
import Foundation
import SwiftProtobuf
import Testing

@testable import GRPCProxy

@Suite("gRPC proxy: namespaces")
struct KeyNamespaceTests {
    func data(_ text: String) -> Data { Data(text.utf8) }

    @Test(
        "ranges stay inside",
        arguments: [
            ("n/", "a", "", "n/a", ""), ("n/", "a", "c", "n/a", "n/c"), ("n/", "a", "\0", "n/a", "n0"),
            ("n/", "\0", "\0", "n/\0", "n0"),
            ("n/", "", "", "", ""), ("", "a", "\0", "a", "\0"),
        ]
    )
    func ranges(_ prefix: String, _ key: String, _ end: String, _ insideKey: String, _ insideEnd: String) {
        let inside = KeyNamespace(prefix).inside(key: data(key), end: data(end))
        #expect(inside.key == data(insideKey) && inside.end == data(insideEnd))
    }

    @Test("a transaction is mapped in all its parts, and back")
    func transactions() {
        let namespace = KeyNamespace("n/")
        var request = Etcdserverpb_TxnRequest.with {
            $0.compare = [
                .with {
                    $0.key = data("a")
                    $0.rangeEnd = data("b")
                }
            ]
            $0.success = [
                .with { $0.requestPut = .with { $0.key = data("a") } },
                .with {
                    $0.requestTxn = .with {
                        $0.failure = [.with { $0.requestDeleteRange = .with { $0.key = data("z") } }]
                    }
                },
            ]
            $0.failure = [
                .with {
                    $0.requestRange = .with {
                        $0.key = data("a")
                        $0.rangeEnd = data("\0")
                    }
                }
            ]
        }
        namespace.enter(&request)
        #expect(request.compare[0].key == data("n/a") && request.compare[0].rangeEnd == data("n/b"))
        #expect(request.success[0].requestPut.key == data("n/a"))
        #expect(request.success[1].requestTxn.failure[0].requestDeleteRange.key == data("n/z"))
        #expect(request.failure[0].requestRange.rangeEnd == data("n0"))
        var answer = Etcdserverpb_TxnResponse.with {
            $0.responses = [
                .with { $0.responseRange = .with { $0.kvs = [.with { $0.key = data("n/a") }] } },
                .with {
                    $0.responseTxn = .with {
                        $0.responses = [
                            .with { $0.responseDeleteRange = .with { $0.prevKvs = [.with { $0.key = data("n/z") }] } }
                        ]
                    }
                },
            ]
        }
        namespace.leave(&answer)
        #expect(answer.responses[0].responseRange.kvs[0].key == data("a"))
        #expect(answer.responses[1].responseTxn.responses[0].responseDeleteRange.prevKvs[0].key == data("z"))
    }

    @Test("a lease shows the keys of the namespace and no others")
    func leases() {
        var answer = Etcdserverpb_LeaseTimeToLiveResponse.with { $0.keys = [data("n/a"), data("m/b"), data("n/")] }
        KeyNamespace("n/").leave(&answer)
        #expect(answer.keys == [data("a"), data("")])
    }

    @Test("addresses, as flags write them")
    func addresses() {
        #expect(HostAndPort("127.0.0.1:80")?.port == 80)
        #expect(HostAndPort("[::1]:80")?.host == "::1")
        #expect(HostAndPort("localhost") == nil && HostAndPort("::1:x") == nil && HostAndPort("a:b:1") == nil)
        #expect(HostAndPort(endpoint: "https://example.com")?.port == 2379)
        #expect(HostAndPort(endpoint: "http://127.0.0.1:1/metrics")?.port == 1)
    }
}
