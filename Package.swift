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

let collections: Target.Dependency = .product(name: "Collections", package: "swift-collections")
let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

var targets: [Target] = [
    // Layer 0
    .target(name: "CChecksum"),
    room("Base", ["CChecksum"]),
    // Layer 1
    room("Wire", ["Base"]),
    room("FileIO", ["Base"]),
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
    room("StateMachine", ["Base", "Wire", "EtcdWire", "RaftWire", "Backend", "MVCC", "Lease", "Auth", "Membership", protobuf]),
    // Layer 7
    room(
        "Replica",
        ["Base", "Wire", "EtcdWire", "RaftWire", "FileIO", "Raft", "RaftLog", "BBolt", "Backend", "MVCC", "Lease", "Auth",
         "Membership", "StateMachine"]
    ),
    // Layer 8
    .systemLibrary(name: "CNGHTTP2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    room("HTTP2", ["CNGHTTP2", "CZlib", nioCore]),
    room("EtcdAPI", ["Base", "Wire", "EtcdWire", "BBolt", "MVCC", "Membership", "Raft", "StateMachine", "Replica"]),
    // Layer 9
    room("FrontDoor", ["Base", "Wire", "EtcdWire", "MVCC", "Membership", "Raft", "StateMachine", "EtcdAPI", "HTTP2", nioCore, nioHTTP1]),
    // Layer 10
    room("ServerConfiguration", ["ServerLog", yams]),
    room("ServerLog", []),
    room(
        "EtcdServer",
        ["Base", "EtcdWire", "FileIO", "Raft", "RaftLog", "BBolt", "Backend", "MVCC", "Membership", "StateMachine", "Replica",
         "EtcdAPI", "FrontDoor", "HTTP2", "ServerConfiguration", "ServerLog", nioCore, nioPosix]
    ),
    // Layer 12
    program("EtcdMain", ["EtcdServer", "ServerConfiguration", "ServerLog"]),
    // Side rooms
    room("SimulatedDisk", ["Base", "FileIO"]),
    room("DataDriven", []),
    room("RaftScenarios", ["Base", "RaftWire", "Raft", "DataDriven"]),
    program("raft-scenarios", ["RaftScenarios"]),
    program("load-generator", ["Base", "Wire", "HTTP2", nioCore, nioPosix]),

    tests("BaseTests", ["Base"]),
    tests("WireTests", ["Base", "Wire"]),
    tests("FileIOTests", ["Base", "FileIO", "SimulatedDisk"]),
    tests("RaftWireTests", ["Base", "Wire", "RaftWire"]),
    tests("EtcdWireTests", ["Base", "Wire", "EtcdWire", protobuf]),
    tests("RaftTests", ["Base", "RaftWire", "Raft", "DataDriven", "RaftScenarios"]),
    tests("SimulatedDiskTests", ["Base", "FileIO", "SimulatedDisk"]),
    tests("RaftLogTests", ["Base", "Wire", "RaftWire", "FileIO", "RaftLog", "SimulatedDisk"]),
    tests("BBoltTests", ["Base", "FileIO", "BBolt", "SimulatedDisk"]),
    tests("BackendTests", ["Base", "FileIO", "SimulatedDisk", "BBolt", "Backend"]),
    tests("MVCCTests", ["Base", "EtcdWire", "FileIO", "SimulatedDisk", "BBolt", "Backend", "MVCC"]),
    tests("LeaseTests", ["Base", "Lease"]),
    tests("AuthTests", ["Base", "Auth"]),
    tests("MembershipTests", ["Base", "Membership"]),
    tests(
        "StateMachineTests",
        ["Base", "EtcdWire", "RaftWire", "FileIO", "BBolt", "Backend", "MVCC", "Lease", "Auth", "Membership", "StateMachine", protobuf]
    ),
    tests("ReplicaTests", ["Base", "EtcdWire", "RaftWire", "FileIO", "Raft", "RaftLog", "Backend", "MVCC", "StateMachine", "Replica"]),
    tests("HTTP2Tests", ["HTTP2", nioCore, nioPosix, nioEmbedded]),
    tests("EtcdAPITests", ["Base", "EtcdWire", "EtcdAPI", protobuf]),
    tests("FrontDoorTests", ["Base", "EtcdWire", "EtcdAPI", "FrontDoor", nioCore, nioPosix, nioEmbedded, nioHTTP1, protobuf]),
    tests("ServerConfigurationTests", ["ServerConfiguration", "ServerLog"]),
    tests("ServerLogTests", ["ServerLog"]),
    tests("DataDrivenTests", ["DataDriven"]),
    tests("TidyTests", []),
]

// While the house is being built: only the rooms that stand, and of those only the ones asked for.
let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
let only = ProcessInfo.processInfo.environment["ROOMS"].map { Set($0.split(separator: ",").map(String.init)) }
func stands(_ name: String, test: Bool) -> Bool {
    FileManager.default.fileExists(atPath: here.appendingPathComponent(test ? "Tests" : "Sources").appendingPathComponent(name).path)
        && (only?.contains(name) ?? true || name == "CChecksum")
}
targets = targets.filter { stands($0.name, test: $0.type == .test) }
let standing = Set(targets.map(\.name))
let rooms: Set<String> = [
    "CChecksum", "Base", "Wire", "FileIO", "RaftWire", "EtcdWire", "Raft", "RaftLog", "BBolt", "Backend", "MVCC", "Lease", "Auth",
    "Membership", "StateMachine", "Replica", "CNGHTTP2", "CZlib", "HTTP2", "EtcdAPI", "FrontDoor", "ServerConfiguration",
    "ServerLog", "EtcdServer", "SimulatedDisk", "DataDriven", "RaftScenarios",
]
for target in targets {
    target.dependencies = target.dependencies.filter {
        if case .byNameItem(let name, _) = $0 { return !rooms.contains(name) || standing.contains(name) }
        return true
    }
}

let package = Package(
    name: "swift-etcd",
    products: standing.contains("EtcdMain") ? [.executable(name: "etcd", targets: ["EtcdMain"])] : [],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-system.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", "4.5.0"..<"5.0.0"),
        .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.2"),
    ],
    targets: targets
)
