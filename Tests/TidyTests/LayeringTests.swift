// The house's walls as a test: which room may import which, what the pure rooms may not do, and how long files may get.

import Foundation
import Testing

@Suite("Layering")
struct LayeringTests {
    /// Layer and permitted imports of every room; system and package modules by name, `Testing` is for tests alone.
    static let rooms: [String: (layer: Int, imports: Set<String>)] = [
        "CChecksum": (0, []),
        "CProfiler": (0, []),
        "Base": (0, ["CChecksum", "Glibc", "Musl", "Darwin"]),
        "Wire": (1, ["Base"]),
        "Metrics": (1, []),
        "Tracing": (1, ["Base", "Wire"]),
        "FileIO": (1, ["Base", "Glibc", "Musl", "Synchronization"]),
        "RaftWire": (2, ["Base", "Wire"]),
        "EtcdWire": (2, ["Base", "Wire", "SwiftProtobuf", "Foundation", "FoundationEssentials"]),
        "Raft": (3, ["Base", "RaftWire"]),
        "RaftLog": (3, ["Base", "Wire", "RaftWire", "FileIO"]),
        "BBolt": (3, ["Base", "FileIO", "Synchronization"]),
        "Backend": (4, ["Base", "BBolt", "FileIO"]),
        "MVCC": (5, ["Base", "Wire", "EtcdWire", "Backend", "BBolt"]),
        "Lease": (5, ["Base", "Wire"]),
        "Auth": (5, ["Base", "Wire"]),
        "Membership": (5, ["Base"]),
        "StateMachine": (
            6, ["Base", "Wire", "EtcdWire", "RaftWire", "BBolt", "Backend", "MVCC", "Lease", "Auth", "Membership"]
        ),
        "Replica": (
            7,
            [
                "Base", "Wire", "EtcdWire", "RaftWire", "FileIO", "Raft", "RaftLog", "BBolt", "Backend", "MVCC", "Lease",
                "Auth", "Membership", "StateMachine",
            ]
        ),
        "CNGHTTP2": (8, []),
        "CZlib": (8, []),
        "CCrypt": (8, []),
        "CAllocator": (8, []),
        "CResolver": (8, []),
        "ServiceLookup": (8, ["CResolver"]),
        "Threads": (8, ["Glibc", "Musl"]),
        "Profiling": (8, ["Base", "Wire", "CProfiler", "CZlib", "Synchronization", "Glibc", "Musl"]),
        "Credentials": (
            8, ["Base", "Auth", "CCrypt", "Crypto", "CryptoExtras", "FoundationEssentials", "Glibc", "Musl", "SwiftASN1", "X509"]
        ),
        "HTTP2": (8, ["Base", "CNGHTTP2", "CZlib", "NIOCore"]),
        "PeerTransport": (
            8,
            ["Base", "Wire", "RaftWire", "Raft", "NIOCore", "NIOPosix", "NIOHTTP1", "Synchronization", "Glibc", "Musl"]
        ),
        "TransportSecurity": (
            8, ["Base", "NIOCore", "NIOPosix", "NIOSSL", "NIOTLS", "X509", "SwiftASN1", "Crypto", "FoundationEssentials", "Glibc", "Musl"]
        ),
        "EtcdAPI": (
            8,
            [
                "Base", "Wire", "Tracing", "EtcdWire", "RaftWire", "BBolt", "MVCC", "Lease", "Auth", "Membership", "Raft",
                "StateMachine", "Replica",
            ]
        ),
        "TraceExport": (
            8,
            ["Base", "Tracing", "GRPCCore", "GRPCNIOTransportHTTP2Posix", "NIOCore", "NIOPosix", "Dispatch", "Synchronization"]
        ),
        "FrontDoor": (
            9,
            [
                "Base", "Wire", "Tracing", "EtcdWire", "MVCC", "Membership", "Raft", "StateMachine", "EtcdAPI", "HTTP2", "Profiling",
                "NIOCore", "NIOHTTP1", "NIOWebSocket",
            ]
        ),
        "ServerLog": (9, ["CZlib", "Dispatch", "FoundationEssentials", "Glibc", "Musl", "Synchronization"]),
        "CYAML": (8, []),
        "ServerConfiguration": (9, ["ServerLog", "CYAML", "FoundationEssentials", "Glibc", "Musl"]),
        "EtcdServer": (
            10,
            [
                "Base", "EtcdWire", "FileIO", "Raft", "RaftLog", "BBolt", "Backend", "MVCC", "Lease", "Auth", "Membership", "StateMachine",
                "CAllocator", "Wire", "RaftWire", "ServiceLookup", "Threads", "Profiling", "Replica", "Credentials", "EtcdAPI", "FrontDoor", "PeerTransport", "HTTP2", "Metrics",
                "TransportSecurity", "Tracing", "TraceExport", "ServerConfiguration", "ServerLog", "NIOCore", "NIOPosix", "NIOHTTP1",
                "FoundationEssentials", "Dispatch", "Synchronization", "Glibc", "Musl",
            ]
        ),
        "EtcdClient": (
            4,
            [
                "Base", "EtcdWire", "SwiftProtobuf", "GRPCCore", "GRPCNIOTransportHTTP2Posix", "NIOCore", "NIOHTTP2", "NIOSSL", "AsyncAlgorithms",
                "FoundationEssentials", "Synchronization",
            ]
        ),
        "CommandLineKit": (11, ["Glibc", "Musl"]),
        "Control": (
            11,
            [
                "CommandLineKit", "EtcdClient", "EtcdWire", "ServerConfiguration", "ServiceLookup", "Threads", "SwiftProtobuf", "NIOCore",
                "NIOPosix", "NIOSSL", "FoundationEssentials", "Dispatch", "Synchronization", "Glibc", "Musl",
            ]
        ),
        "TCPGateway": (10, ["NIOCore", "NIOPosix", "Synchronization"]),
        "GRPCProxy": (
            11,
            [
                "Base", "EtcdWire", "EtcdClient", "HTTP2", "Metrics", "Profiling", "ServiceLookup", "TransportSecurity", "ServerConfiguration",
                "ServerLog", "CommandLineKit", "TCPGateway", "SwiftProtobuf", "NIOCore", "NIOPosix", "NIOHTTP1", "NIOTLS",
                "FoundationEssentials", "Dispatch", "Synchronization", "Glibc", "Musl",
            ]
        ),
        "EtcdctlMain": (12, ["CommandLineKit", "Control", "Glibc", "Musl"]),
        "Utility": (
            11,
            [
                "CommandLineKit", "Base", "Wire", "FileIO", "RaftWire", "EtcdWire", "RaftLog", "BBolt", "Backend", "MVCC", "Membership",
                "ServerLog", "ServerConfiguration", "SwiftProtobuf", "Crypto", "Glibc", "Musl",
            ]
        ),
        "EtcdutlMain": (12, ["Utility", "Glibc", "Musl"]),
        "EtcdProgram": (
            11,
            [
                "CommandLineKit", "EtcdServer", "FileIO", "GRPCProxy", "ServerConfiguration", "ServerLog", "Threads",
                "FoundationEssentials", "Dispatch", "Synchronization", "Glibc", "Musl",
            ]
        ),
        "EtcdMain": (12, ["EtcdProgram"]),
        "EtcdProgramsMain": (12, ["CommandLineKit", "Control", "EtcdProgram", "Utility", "Dispatch", "Glibc", "Musl"]),
    ]

    /// Rooms beside the house, which the house never imports.
    static let sideRooms: Set<String> = ["DataDriven", "RaftScenarios", "raft-scenarios", "SimulatedDisk", "Simulation", "simulate"]

    /// Deterministic rooms: no clock, thread, task, chance or terminal of their own.
    static var pureRooms: Set<String> {
        Set(rooms.filter { $0.value.layer <= 7 && !["EtcdWire", "EtcdClient"].contains($0.key) }.keys).union(["EtcdAPI"])
    }

    static let banned = [
        " Date(", "ContinuousClock", "SuspendingClock", "SystemRandomNumberGenerator", ".random(in:", "Task {", "Task(", "Task.",
        "DispatchQueue", "import Foundation", "import Dispatch", "print(", "fatalError(", "try!", "Thread",
    ]

    struct Source {
        let room: String
        let name: String
        let lines: [Substring]
    }

    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func sources() throws -> [Source] {
        let folder = root.appendingPathComponent("Sources")
        var found: [Source] = []
        for room in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            let files = FileManager.default.enumerator(atPath: folder.appendingPathComponent(room).path)
            while let path = files?.nextObject() as? String {
                guard path.hasSuffix(".swift") else { continue }
                let text = try String(contentsOf: folder.appendingPathComponent(room).appendingPathComponent(path), encoding: .utf8)
                found.append(
                    Source(room: room, name: "\(room)/\(path)", lines: text.split(separator: "\n", omittingEmptySubsequences: false))
                )
            }
        }
        return found
    }

    static func isGenerated(_ source: Source) -> Bool { source.name.contains("/Generated/") }

    @Test("a room imports only what its row allows, and every room has a row")
    func imports() throws {
        let sources = try Self.sources()
        #expect(!sources.isEmpty)
        for source in sources where !Self.sideRooms.contains(source.room) {
            guard let row = Self.rooms[source.room] else {
                Issue.record("\(source.room) has no row in the layering table")
                continue
            }
            for line in source.lines {
                let words = line.split(separator: " ").filter {
                    !["package", "internal", "public", "private", "fileprivate", "@preconcurrency", "@usableFromInline"].contains($0)
                }
                guard words.first == "import", words.count >= 2 else { continue }
                let module = String(words[words.count == 2 ? 1 : 2].split(separator: ".")[0])
                #expect(row.imports.contains(module), "\(source.name) imports \(module)")
            }
        }
    }

    @Test("rows point downwards")
    func rows() {
        for (room, row) in Self.rooms {
            for name in row.imports {
                guard let other = Self.rooms[name] else { continue }
                let isPairInOneLayer = (room, name) == ("Base", "CChecksum") || other.layer == row.layer
                #expect(other.layer < row.layer || (isPairInOneLayer && !(other.imports.contains(room))), "\(room) → \(name)")
            }
        }
    }

    @Test("pure rooms know no clock, thread, task, chance or terminal")
    func purity() throws {
        for source in try Self.sources() where Self.pureRooms.contains(source.room) {
            for (number, line) in source.lines.enumerated() {
                guard let code = line.split(separator: "//", maxSplits: 1, omittingEmptySubsequences: false).first else { continue }
                for word in Self.banned where code.contains(word) {
                    if word == ".random(in:" && code.contains("using:") { continue }
                    Issue.record("\(source.name):\(number + 1): \(word)")
                }
            }
        }
    }

    @Test("files stay readable")
    func fileLength() throws {
        for source in try Self.sources() where !Self.isGenerated(source) {
            #expect(source.lines.count <= 700, "\(source.name) has \(source.lines.count) lines")
            #expect(source.lines.first?.hasPrefix("//") == true, "\(source.name) does not say what it is")
        }
    }

    @Test("unchecked sendability is counted, and each says why")
    func uncheckedSendable() throws {
        var places = 0
        for source in try Self.sources() where !Self.isGenerated(source) {
            for (number, line) in source.lines.enumerated() where line.contains("@unchecked Sendable {") {
                places += 1
                let before = source.lines[max(0, number - 12)..<number].joined(separator: "\n")
                #expect(before.contains("SAFETY"), "\(source.name):\(number + 1) does not prove its safety")
            }
        }
        #expect(places <= 5, "\(places) places")
    }
}
