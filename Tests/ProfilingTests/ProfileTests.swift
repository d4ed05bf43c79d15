// Profiles decoded again: what pprof's tools would read.

import Base
import CZlib
import Testing
import Wire

@testable import Profiling

/// As much of the message as the tests look at, with numbers of strings resolved.
struct DecodedProfile {
    struct Sample {
        var frames: [Location]
        var values: [Int64]
        var labels: [String: String]
    }

    struct Location {
        var address: UInt64 = 0
        var mapping: UInt64 = 0
        var name: String?
    }

    struct Mapping {
        var start: UInt64 = 0
        var limit: UInt64 = 0
        var file = ""
        var buildID = ""
        var hasFunctions = false
    }

    var types: [[String]] = []
    var samples: [Sample] = []
    var mappings: [UInt64: Mapping] = [:]
    var strings: [String] = []
    var periodType: [String] = []
    var numbers: [Int: UInt64] = [:]
    var comments: [String] = []

    init(_ bytes: [UInt8]) throws {
        var parts: [Int: [Bytes]] = [:]
        var reader = WireReader(Bytes(bytes))
        while let field = try reader.next() {
            if field.type == .varint {
                numbers[field.number] = try reader.varint()
            } else {
                parts[field.number, default: []].append(try reader.bytes(field))
            }
        }
        strings = (parts[6] ?? []).map(\.description)
        #expect(strings.first == "")
        func text(_ fields: [Int: [UInt64]], _ number: Int) -> String { strings[Int(fields[number]?.first ?? 0)] }
        func pair(_ message: Bytes) throws -> [String] {
            let fields = try Self.numbers(message)
            return [text(fields, 1), text(fields, 2)]
        }
        types = try (parts[1] ?? []).map(pair)
        periodType = try (parts[11] ?? []).map(pair).first ?? []
        var functions: [UInt64: String] = [:]
        for message in parts[5] ?? [] {
            let fields = try Self.numbers(message)
            functions[fields[1]?.first ?? 0] = text(fields, 2)
        }
        for message in parts[3] ?? [] {
            let fields = try Self.numbers(message)
            mappings[fields[1]?.first ?? 0] = Mapping(
                start: fields[2]?.first ?? 0,
                limit: fields[3]?.first ?? 0,
                file: text(fields, 5),
                buildID: text(fields, 6),
                hasFunctions: fields[7]?.first == 1
            )
        }
        var locations: [UInt64: Location] = [:]
        for message in parts[4] ?? [] {
            var (id, location) = (UInt64(0), Location())
            var reader = WireReader(message)
            while let field = try reader.next() {
                switch field.number {
                case 1: id = try reader.varint()
                case 2: location.mapping = try reader.varint()
                case 3: location.address = try reader.varint()
                default: location.name = functions[try Self.numbers(try reader.bytes(field))[1]?.first ?? 0]
                }
            }
            locations[id] = location
        }
        for message in parts[2] ?? [] {
            var sample = Sample(frames: [], values: [], labels: [:])
            var reader = WireReader(message)
            while let field = try reader.next() {
                let body = try reader.bytes(field)
                switch field.number {
                case 1: sample.frames = try Self.packed(body).map { try #require(locations[$0]) }
                case 2: sample.values = try Self.packed(body).map { Int64(bitPattern: $0) }
                default:
                    let label = try pair(body)
                    sample.labels[label[0]] = label[1]
                }
            }
            samples.append(sample)
        }
        comments = try (parts[13] ?? []).flatMap { try Self.packed($0) }.map { strings[Int($0)] }
    }

    private static func packed(_ bytes: Bytes) throws -> [UInt64] {
        var reader = WireReader(bytes)
        var values: [UInt64] = []
        while !reader.isAtEnd { values.append(try reader.varint()) }
        return values
    }

    private static func numbers(_ bytes: Bytes) throws -> [Int: [UInt64]] {
        var reader = WireReader(bytes)
        var values: [Int: [UInt64]] = [:]
        while let field = try reader.next() { values[field.number, default: []].append(try reader.varint()) }
        return values
    }
}

func gunzip(_ bytes: [UInt8]) throws -> [UInt8] {
    var stream = z_stream()
    try #require(czlib_inflate_init_gzip(&stream) == Z_OK)
    defer { inflateEnd(&stream) }
    var (input, output) = (bytes, [UInt8](repeating: 0, count: 32 << 20))
    let status = input.withUnsafeMutableBufferPointer { source in
        output.withUnsafeMutableBufferPointer { target in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(source.count)
            stream.next_out = target.baseAddress
            stream.avail_out = UInt32(target.count)
            return CZlib.inflate(&stream, Z_FINISH)
        }
    }
    try #require(status == Z_STREAM_END)
    return Array(output.dropLast(Int(stream.avail_out)))
}

@Suite("Profiles as messages")
struct ProfileTests {
    private var example: Profile {
        var profile = Profile(
            sampleTypes: [.init("samples", "count"), .init("cpu", "nanoseconds")],
            periodType: .init("cpu", "nanoseconds"),
            period: 10_000_000
        )
        profile.nanoseconds = 1_700_000_000_000_000_000
        profile.durationNanoseconds = 5
        profile.mappings = [
            .init(start: 0x1000, limit: 0x2000, offset: 0x100, file: "/bin/a", buildID: "c0ffee"),
            .init(start: 0x3000, limit: 0x4000, offset: 0, file: "/lib/b"),
            .init(start: 0x9000, limit: 0xa000, offset: 0, file: "/lib/stripped"),
        ]
        profile.names = [0x1800: "main", 0x3001: "deep"]
        profile.samples = [
            (
                .init(stack: [.address(0x1234), .address(0x1800)], labels: [.init(key: "thread", text: "etcd-log")]),
                [3, 30_000_000]
            ),
            (.init(stack: [.address(0x3001), .address(0x1800)]), [1, -1]),
            (.init(stack: [.address(0x9999), .name("x")]), [1, 1]),
        ]
        profile.comments = ["one", "two"]
        return profile
    }

    @Test func comesBackAsItWas() throws {
        let packed = try #require(gzip(example.encoded))
        let decoded = try DecodedProfile(try gunzip(packed))
        #expect(decoded.types == [["samples", "count"], ["cpu", "nanoseconds"]])
        #expect(decoded.periodType == ["cpu", "nanoseconds"])
        #expect(decoded.numbers == [9: 1_700_000_000_000_000_000, 10: 5, 12: 10_000_000])
        #expect(
            decoded.samples.map { $0.frames.map(\.address) } == [[0x1234, 0x1800], [0x3001, 0x1800], [0x9999, 0]]
        )
        #expect(decoded.samples.map { $0.frames.map(\.mapping) } == [[1, 1], [2, 1], [3, 0]])
        #expect(decoded.samples.map { $0.frames.map(\.name) } == [[nil, "main"], ["deep", "main"], [nil, "x"]])
        #expect(decoded.samples.map(\.values) == [[3, 30_000_000], [1, -1], [1, 1]])
        #expect(decoded.samples[0].labels == ["thread": "etcd-log"] && decoded.samples[1].labels.isEmpty)
        #expect(decoded.mappings[1]?.file == "/bin/a" && decoded.mappings[1]?.buildID == "c0ffee")
        #expect(decoded.mappings[1]?.start == 0x1000 && decoded.mappings[1]?.limit == 0x2000)
        // Tools look for names only where there are none.
        #expect((1...3).map { decoded.mappings[$0]?.hasFunctions } == [true, true, false])
        #expect(decoded.comments == ["one", "two"])
    }

    @Test func differencesHaveWhatChanged() {
        func profile(_ values: [String: Int64], at nanoseconds: Int64) -> Profile {
            var profile = Profile(sampleTypes: [.init("goroutine", "count")], periodType: .init("goroutine", "count"))
            profile.samples = values.map { (.init(stack: [.name($0.key)]), [$0.value]) }
            profile.nanoseconds = nanoseconds
            return profile
        }
        let difference = profile(["same": 2, "more": 5, "new": 1], at: 30).since(
            profile(["same": 2, "more": 3, "gone": 4], at: 10)
        )
        let values = Dictionary(uniqueKeysWithValues: difference.samples.map { ($0.place.stack, $0.values) })
        #expect(values == [[.name("more")]: [2], [.name("new")]: [1], [.name("gone")]: [-4]])
        #expect(difference.durationNanoseconds == 20 && difference.nanoseconds == 30)
    }

    @Test func stacksAreCountedByThread() throws {
        var stacks = RecordedStacks()
        // Two of thread 7, one of thread 8, and one that was cut off.
        stacks.note([2, 7, 0x10, 0x21, 2, 7, 0x10, 0x21, 1, 8, 0x10, 9, 7, 1][...])
        let profile = stacks.profile(period: 10, dropped: 2)
        let counts = profile.samples.map { ($0.place.stack, $0.values) }.sorted { $0.1[0] > $1.1[0] }
        #expect(
            counts.map(\.0) == [[.address(0x10), .address(0x20)], [.address(0x10)]],
            "callers are before where they go on"
        )
        #expect(counts.map(\.1) == [[2, 20], [1, 10]])
        #expect(profile.comments.count == 1 && profile.comments[0].hasPrefix("2 samples"))
    }

    @Test func mappingsAreReadFromTheSystemsTable() {
        let found = ProcessFacts.parse(
            maps: """
                55d0c0000000-55d0c0001000 r--p 00000000 fe:00 123   /usr/bin/a program
                55d0c0001000-55d0c0004000 r-xp 00001000 fe:00 123                        /usr/bin/a program
                7f0000000000-7f0000001000 rw-p 00000000 00:00 0 
                7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]
                ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0
                nonsense
                """
        )
        #expect(found.map(\.file) == ["/usr/bin/a program", "[vdso]", ""])
        #expect(found[0].start == 0x55d0_c000_1000 && found[0].limit == 0x55d0_c000_4000 && found[0].offset == 0x1000)
    }

    @Test func damagedFilesHaveNoNames() {
        var random = SeededRandom(seed: 7)
        for round in 0..<2000 {
            // A header that leads anywhere.
            var bytes = (0..<Int.random(in: 0..<400, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            for (offset, byte) in [0x7f, 0x45, 0x4c, 0x46, 2].enumerated() where offset < bytes.count {
                bytes[offset] = UInt8(byte)
            }
            if bytes.count > 64, round.isMultiple(of: 2) {
                for (offset, value) in [
                    (40, UInt8(64)), (41, 0), (42, 0), (43, 0), (44, 0), (45, 0), (46, 0), (47, 0), (58, 64), (59, 0),
                    (60, 4), (61, 0),
                ] {
                    bytes[offset] = value
                }
                if bytes.count > 72 { bytes[68] = 2 }
            }
            bytes.withUnsafeBytes { raw in
                for (address, _) in ELFImage(bytes: raw).names(of: [1, 5, 1 << 40]) {
                    #expect([1, 5, 1 << 40].contains(address))
                }
            }
        }
    }
}
