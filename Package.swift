// swift-tools-version: 6.2
import Foundation
import PackageDescription

// The rooms of the house, bottom to top. `Documentation/ARCHITECTURE.md` says what each is for;
// `Tests/TidyTests` checks that no source file imports more than its row allows.

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioWebSocket: Target.Dependency = .product(name: "NIOWebSocket", package: "swift-nio")
let nioHTTP2: Target.Dependency = .product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let x509: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let swiftASN1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let grpcCore: Target.Dependency = .product(name: "GRPCCore", package: "grpc-swift-2")
let grpcTransport: Target.Dependency = .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport")
let asyncAlgorithms: Target.Dependency = .product(name: "AsyncAlgorithms", package: "swift-async-algorithms")

func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

let targets: [Target] = [
    // Layer 0
    .target(name: "CChecksum"),
    .target(name: "CProfiler"),
    room("Base", ["CChecksum"]),
    // Layer 1
    room("Wire", ["Base"]),
    room("Tracing", ["Base", "Wire"]),
    room("FileIO", ["Base"]),
    room("Metrics", []),
    // Layer 2
    room("RaftWire", ["Base", "Wire"]),
    room("EtcdWire", ["Base", "Wire", protobuf]),
    // Layer 3
    room("Raft", ["Base", "RaftWire"]),
    room("RaftLog", ["Base", "Wire", "RaftWire", "FileIO"]),
    room("BBolt", ["Base", "FileIO"]),
    // Layer 4
    room("Backend", ["Base", "BBolt", "FileIO"]),
    // Layer 5
    room("MVCC", ["Base", "Wire", "EtcdWire", "BBolt", "Backend"]),
    room("Lease", ["Base", "Wire"]),
    room("Auth", ["Base", "Wire"]),
    room("Membership", ["Base"]),
    // Layer 6
    room("StateMachine", ["Base", "Wire", "EtcdWire", "RaftWire", "BBolt", "Backend", "MVCC", "Lease", "Auth", "Membership"]),
    // Layer 7
    room(
        "Replica",
        ["Base", "Wire", "EtcdWire", "RaftWire", "FileIO", "Raft", "RaftLog", "BBolt", "Backend", "Membership", "StateMachine"]
    ),
    // Layer 8
    .systemLibrary(name: "CNGHTTP2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CResolver"),
    room("Threads", []),
    .systemLibrary(name: "CAllocator"),
    room("Profiling", ["Base", "Wire", "CProfiler", "CZlib"]),
    room("ServiceLookup", ["CResolver"]),
    .systemLibrary(name: "CCrypt", providers: [.apt(["libcrypt-dev"])]),
    room("Credentials", ["Base", "Auth", "CCrypt", crypto, cryptoExtras, x509, swiftASN1]),
    room("HTTP2", ["Base", "CNGHTTP2", "CZlib", nioCore]),
    room("PeerTransport", ["Base", "Wire", "RaftWire", "Raft", nioCore, nioPosix, nioHTTP1]),
    room("TransportSecurity", ["Base", nioCore, nioPosix, nioSSL, nioTLS, x509, swiftASN1, crypto]),
    room(
        "EtcdAPI",
        ["Base", "Wire", "Tracing", "EtcdWire", "RaftWire", "BBolt", "MVCC", "Lease", "Auth", "Membership", "Raft", "StateMachine", "Replica"]
    ),
    room("TraceExport", ["Base", "Tracing", grpcCore, grpcTransport, nioCore, nioPosix]),
    // Layer 9
    room("FrontDoor", ["Base", "Wire", "Tracing", "EtcdWire", "MVCC", "Membership", "Raft", "StateMachine", "EtcdAPI", "HTTP2", "Profiling", nioCore, nioHTTP1, nioWebSocket]),
    // Layer 10
    .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    room("ServerConfiguration", ["ServerLog", "CYAML"]),
    room("ServerLog", ["CZlib"]),
    room(
        "EtcdServer",
        ["Base", "EtcdWire", "FileIO", "Raft", "RaftLog", "BBolt", "Backend", "MVCC", "Lease", "Auth", "Membership", "StateMachine", "Replica",
         "CAllocator", "Wire", "RaftWire", "ServiceLookup", "Threads", "Profiling", "Credentials", "EtcdAPI", "FrontDoor", "PeerTransport", "HTTP2", "Metrics",
         "TransportSecurity", "Tracing", "TraceExport", "ServerConfiguration", "ServerLog", nioCore, nioPosix, nioHTTP1]
    ),
    // Layer 4, beside the rooms of the member: it shares nothing with them but the messages
    room("EtcdClient", ["Base", "EtcdWire", protobuf, grpcCore, grpcTransport, nioCore, nioHTTP2, nioSSL, asyncAlgorithms]),
    // Layer 11
    room("CommandLineKit", []),
    room("Control", ["CommandLineKit", "EtcdClient", "EtcdWire", "ServerConfiguration", "ServiceLookup", "Threads", protobuf, nioCore, nioPosix, nioSSL]),
    room(
        "Utility",
        ["CommandLineKit", "Base", "Wire", "FileIO", "RaftWire", "EtcdWire", "RaftLog", "BBolt", "Backend", "MVCC", "Membership",
         "ServerLog", "ServerConfiguration", protobuf, crypto]
    ),
    room("TCPGateway", [nioCore, nioPosix]),
    room(
        "GRPCProxy",
        ["Base", "EtcdWire", "EtcdClient", "HTTP2", "Metrics", "Profiling", "ServiceLookup", "TransportSecurity", "ServerConfiguration",
         "ServerLog", "CommandLineKit", "TCPGateway", protobuf, nioCore, nioPosix, nioHTTP1, nioTLS]
    ),
    room("EtcdProgram", ["CommandLineKit", "EtcdServer", "FileIO", "GRPCProxy", "ServerConfiguration", "ServerLog", "Threads"]),
    // Layer 12
    program("EtcdctlMain", ["CommandLineKit", "Control"]),
    program("EtcdutlMain", ["Utility"]),
    program("EtcdMain", ["EtcdProgram"]),
    program("EtcdProgramsMain", ["CommandLineKit", "Control", "EtcdProgram", "Utility"]),
    // Side rooms
    room("SimulatedDisk", ["Base", "FileIO"]),
    room(
        "Simulation",
        ["Base", "Wire", "EtcdWire", "FileIO", "RaftWire", "Raft", "BBolt", "Backend", "MVCC", "Lease", "Auth", "Membership",
         "StateMachine", "Replica", "EtcdAPI", "SimulatedDisk"]
    ),
    program("simulate", ["Simulation"]),
    room("DataDriven", []),
    room("RaftScenarios", ["Base", "RaftWire", "Raft", "DataDriven"]),
    program("raft-scenarios", ["RaftScenarios"]),

    tests("BaseTests", ["Base", "CChecksum"]),
    tests("MetricsTests", ["Metrics"]),
    tests("WireTests", ["Base", "Wire"]),
    tests("TracingTests", ["Base", "Wire", "Tracing"]),
    tests("TraceExportTests", ["Tracing", "TraceExport"]),
    tests("FileIOTests", ["Base", "FileIO", "SimulatedDisk"]),
    tests("RaftWireTests", ["Base", "Wire", "RaftWire"]),
    tests("EtcdWireTests", ["Base", "Wire", "EtcdWire", protobuf]),
    tests("RaftTests", ["Base", "RaftWire", "Raft", "DataDriven", "RaftScenarios"], exclude: ["Scenarios"]),
    tests("SimulatedDiskTests", ["Base", "FileIO", "SimulatedDisk"]),
    tests("SimulationTests", ["Base", "EtcdWire", "RaftWire", "Simulation"]),
    tests("RaftLogTests", ["Base", "Wire", "RaftWire", "FileIO", "RaftLog", "SimulatedDisk"]),
    tests("BBoltTests", ["Base", "FileIO", "BBolt", "SimulatedDisk"]),
    tests("BackendTests", ["Base", "FileIO", "SimulatedDisk", "BBolt", "Backend"]),
    tests("MVCCTests", ["Base", "EtcdWire", "FileIO", "SimulatedDisk", "BBolt", "Backend", "MVCC"]),
    tests("LeaseTests", ["Base", "Lease"]),
    tests("AuthTests", ["Base", "Auth"]),
    tests("MembershipTests", ["Base", "Membership"]),
    tests(
        "ReplicaTests",
        ["Base", "EtcdWire", "RaftWire", "FileIO", "SimulatedDisk", "Raft", "RaftLog", "Backend", "MVCC", "Auth", "StateMachine",
         "Replica"]
    ),
    tests("FrontDoorTests", ["FrontDoor", "TransportSecurity", nioCore, nioPosix, .product(name: "NIOEmbedded", package: "swift-nio")]),
    tests("HTTP2Tests", ["Base", "HTTP2", "CNGHTTP2", nioCore, .product(name: "NIOEmbedded", package: "swift-nio")]),
    tests("PeerTransportTests", ["Base", "RaftWire", "Membership", "PeerTransport", nioCore, nioPosix, nioHTTP1]),
    tests("EtcdServerTests", ["Base", "FileIO", "Metrics", "EtcdServer", "ServerConfiguration", "ServerLog"]),
    tests("EtcdAPITests", ["Base", "EtcdWire", "EtcdAPI", protobuf]),
    tests("CredentialsTests", ["Base", "Auth", "Credentials", crypto, cryptoExtras, x509, swiftASN1]),
    tests("ThreadsTests", ["Threads"]),
    tests("ProfilingTests", ["Base", "Wire", "Threads", "Profiling", "CZlib"]),
    tests("ServiceLookupTests", ["ServiceLookup"]),
    tests("CommandLineKitTests", ["CommandLineKit"]),
    tests("ControlTests", ["CommandLineKit", "Control", "EtcdWire", protobuf]),
    tests("ServerConfigurationTests", ["ServerConfiguration", "ServerLog"]),
    tests("ServerLogTests", ["ServerLog", "CZlib"]),
    tests(
        "EtcdClientTests",
        ["EtcdClient", "EtcdWire", protobuf, grpcCore, grpcTransport, nioCore, .product(name: "NIOEmbedded", package: "swift-nio")]
    ),
    tests(
        "UtilityTests",
        ["CommandLineKit", "Base", "EtcdWire", "FileIO", "RaftWire", "RaftLog", "BBolt", "Backend", "Membership", "Utility", protobuf]
    ),
    tests("TCPGatewayTests", ["TCPGateway"]),
    tests("GRPCProxyTests", ["EtcdWire", "GRPCProxy", protobuf]),
    tests("DataDrivenTests", ["DataDriven"]),
    tests("TidyTests", []),
]

// `make fuzz` asks for the fuzz targets; they need libFuzzer and are of no use without it.
let fuzzing: [Target] =
    ProcessInfo.processInfo.environment["SWIFT_ETCD_FUZZ"] == nil
    ? []
    : [
        .executableTarget(
            name: "etcd-fuzz",
            dependencies: [
                "Base", "Wire", "Tracing", "RaftWire", "EtcdWire", "FileIO", "RaftLog", "BBolt", "HTTP2", "ServerConfiguration",
                "ServiceLookup", "CommandLineKit", "SimulatedDisk", "Auth", "Credentials", "TransportSecurity", "EtcdClient",
                nioCore, .product(name: "NIOEmbedded", package: "swift-nio"),
            ],
            path: "Fuzz", swiftSettings: strict)
    ]

// `make microbench` asks for the measurements of single pieces.
let measuring: [Target] =
    ProcessInfo.processInfo.environment["SWIFT_ETCD_MICROBENCH"] == nil
    ? []
    : [
        .target(name: "CAllocations", path: "Benchmarks/CAllocations"),
        .executableTarget(
            name: "microbench",
            dependencies: [
                "CAllocations", "Base", "Wire", "RaftWire", "EtcdWire", "FileIO", "BBolt", "Backend", "MVCC", "SimulatedDisk",
            ],
            path: "Benchmarks/Micro", swiftSettings: strict),
    ]

let package = Package(
    name: "swift-etcd",
    products: [
        .library(name: "EtcdClient", targets: ["EtcdClient"]),
        .executable(name: "etcd", targets: ["EtcdMain"]),
        .executable(name: "etcdctl", targets: ["EtcdctlMain"]),
        .executable(name: "etcdutl", targets: ["EtcdutlMain"]),
        // The three in one file, for images and packages.
        .executable(name: "etcd-programs", targets: ["EtcdProgramsMain"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-http2.git", from: "1.35.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-certificates.git", from: "1.10.0"),
        .package(url: "https://github.com/apple/swift-asn1.git", from: "1.3.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.0.0"),
        // Without its streams of messages, the only part of it that would need all of Foundation.
        .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0", traits: []),
        .package(url: "https://github.com/grpc/grpc-swift-2.git", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport.git", from: "2.9.2"),
        .package(url: "https://github.com/apple/swift-async-algorithms.git", from: "1.0.0"),
    ],
    targets: targets + fuzzing + measuring
)
