import EtcdWire
import SwiftProtobuf
import Testing

@Suite struct RPCTests {
    @Test func lookUpByPath() {
        #expect(RPC(path: "/etcdserverpb.KV/Range") == .range)
        #expect(RPC(path: "/etcdserverpb.KV/range") == nil)
        #expect(RPC(path: "/grpc.health.v1.Health/Watch") == .healthWatch)
        #expect(RPC.range.definition.service == "etcdserverpb.KV")
        #expect(RPC.range.definition.method == "Range")
    }

    @Test func lookUpByGatewayPath() {
        #expect(RPC(gatewayPath: "/v3/kv/range") == .range)
        #expect(RPC(gatewayPath: "/v3beta/kv/range") == .range)
        #expect(RPC(gatewayPath: "/v3/kv/lease/revoke") == .leaseRevoke)
        #expect(RPC(gatewayPath: "/v3/lease/revoke") == .leaseRevoke)
        #expect(RPC(gatewayPath: "/v3alpha/kv/range") == nil)
        #expect(RPC(gatewayPath: "/v3/kv/nothing") == nil)
    }

    @Test("the table agrees with the descriptors of the services")
    func table() throws {
        var described: [String: Google_Protobuf_MethodDescriptorProto] = [:]
        for name in ServerDescriptors.shared.fileNames {
            let encoded = try #require(ServerDescriptors.shared.file(named: name)?.first)
            let file = try Google_Protobuf_FileDescriptorProto(decoding: encoded)
            for service in file.service {
                for method in service.method { described["/\(file.package).\(service.name)/\(method.name)"] = method }
            }
        }
        #expect(described.count == RPC.allCases.count)
        for rpc in RPC.allCases {
            let method = try #require(described[rpc.definition.path], "\(rpc)")
            #expect(method.inputType == "." + rpc.definition.request.protoMessageName)
            #expect(method.outputType == "." + rpc.definition.response.protoMessageName)
            #expect(method.clientStreaming == (rpc.definition.streaming == .bidirectional))
            #expect(method.serverStreaming == (rpc.definition.streaming != .unary))
            #expect(RPC(path: rpc.definition.path) == rpc)
        }
    }

    @Test func services() {
        #expect(
            RPC.services == [
                "etcdserverpb.KV", "etcdserverpb.Watch", "etcdserverpb.Lease", "etcdserverpb.Cluster",
                "etcdserverpb.Maintenance", "etcdserverpb.Auth", "v3electionpb.Election", "v3lockpb.Lock",
                "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                "grpc.reflection.v1alpha.ServerReflection",
            ]
        )
    }
}

@Suite struct ServerDescriptorsTests {
    @Test func filesComeWithWhatTheyImport() throws {
        let files = try #require(ServerDescriptors.shared.file(named: "etcd/api/etcdserverpb/rpc.proto"))
        let names = try files.map { try Google_Protobuf_FileDescriptorProto(decoding: $0).name }
        #expect(names == ["etcd/api/etcdserverpb/rpc.proto", "etcd/api/authpb/auth.proto", "etcd/api/mvccpb/kv.proto"])
        #expect(ServerDescriptors.shared.file(named: "rpc.proto") == nil)
        #expect(ServerDescriptors.shared.fileNames.count == 12)
    }

    @Test(arguments: [
        ("etcdserverpb.KV", "etcd/api/etcdserverpb/rpc.proto"),
        ("etcdserverpb.KV.Range", "etcd/api/etcdserverpb/rpc.proto"),
        ("mvccpb.Event.EventType", "etcd/api/mvccpb/kv.proto"), ("mvccpb.Event.PUT", "etcd/api/mvccpb/kv.proto"),
        ("mvccpb.KeyValue.lease", "etcd/api/mvccpb/kv.proto"),
        ("etcdserverpb.RequestOp.request", "etcd/api/etcdserverpb/rpc.proto"),
        ("grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"),
    ])
    func symbols(symbol: String, file: String) throws {
        let files = try #require(ServerDescriptors.shared.file(containing: symbol))
        #expect(try Google_Protobuf_FileDescriptorProto(decoding: files[0]).name == file)
    }

    @Test func unknownSymbol() {
        #expect(ServerDescriptors.shared.file(containing: "etcdserverpb.Nothing") == nil)
    }
}
