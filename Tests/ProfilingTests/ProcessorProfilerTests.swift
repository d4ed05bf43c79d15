// The process' own profile: a thread that never rests is most of it, and its calls are there one above the other.

import Base
import Synchronization
import Testing
import Threads

@testable import Profiling

/// Calls itself to a depth, then works until it is told to end.
@inline(never)
private func descend(_ depth: Int, _ isEnding: borrowing Atomic<Bool>) -> UInt64 {
    if depth > 0 { return descend(depth - 1, isEnding) &+ 1 }
    var value: UInt64 = 1
    while !isEnding.load(ordering: .relaxed) {
        for _ in 0..<10_000 { value = value &* 6_364_136_223_846_793_005 &+ 1 }
    }
    return value
}

private final class BusyThread: Sendable {
    private let isEnding = Atomic(false)
    let result = Atomic<UInt64>(0)

    init() {
        startThread(named: "busy-loop") { [self] in result.store(descend(8, isEnding), ordering: .relaxed) }
    }

    func end() { isEnding.store(true, ordering: .relaxed) }
}

// One timer and one signal in a process: one after the other.
@Suite("Profiles of the process", .serialized, .timeLimit(.minutes(2)))
struct ProcessorProfilerTests {
    private func get(_ uri: String, method: String = "GET", body: String = "") async throws -> ProfilePage {
        try await ProfilePages.answer(ProfileRequest(method: method, uri: "/debug/pprof" + uri, body: Bytes(body)))
    }

    private func decoded(_ uri: String) async throws -> DecodedProfile {
        let page = try await get(uri)
        #expect(page.status == 200)
        return try DecodedProfile(try gunzip(page.body.array))
    }

    @Test func aBusyThreadIsMostOfTheProfile() async throws {
        let thread = BusyThread()
        defer { thread.end() }
        // Other tests may have the processors: until there is enough to judge by.
        var profile = try await decoded("/profile?seconds=1")
        for _ in 0..<20 where profile.busy.reduce(0, { $0 + $1.values[0] }) < 20 {
            profile = try await decoded("/profile?seconds=1")
        }
        let (busy, all) = (profile.busy, profile.samples)
        #expect(profile.types == [["samples", "count"], ["cpu", "nanoseconds"]] && profile.numbers[12] == 10_000_000)
        #expect(busy.reduce(0) { $0 + $1.values[0] } >= 20)
        #expect(all.allSatisfy { $0.values[1] == $0.values[0] * 10_000_000 })
        // The recursion: the same place again and again.
        let deepest = busy.map { sample in
            Dictionary(sample.frames.map { ($0.address, 1) }, uniquingKeysWith: +).values.max() ?? 0
        }.max()
        #expect((deepest ?? 0) >= 7)
        // Where it is, in a file that is mapped there.
        let own = try #require(busy.max { $0.values[0] < $1.values[0] }?.frames.first)
        let mapping = try #require(profile.mappings[own.mapping])
        #expect(mapping.start <= own.address && own.address < mapping.limit && mapping.file.hasPrefix("/"))
        // Tests are not stripped.
        #expect(busy.contains { $0.frames.contains { $0.name?.contains("descend") == true } })
    }

    @Test func thereIsOneAtATime() async throws {
        let first = Task {
            // Until it is this one that has it.
            while try await get("/profile?seconds=600").status != 200 {}
        }
        // It has begun when another cannot.
        var second = try await get("/profile?seconds=1")
        for _ in 0..<10 where second.status == 200 { second = try await get("/profile?seconds=1") }
        #expect(second.status == 500)
        #expect(second.body.description == "Could not enable CPU profiling: cpu profiling already in use\n")
        #expect(second.fields.contains { $0 == ("x-go-pprof", "1") })
        // Nobody waits for it any more: it ends at once, and another may begin.
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        #expect(try await get("/profile?seconds=1").status == 200)
    }

    @Test func threadsAreNamed() async throws {
        let thread = BusyThread()
        defer { thread.end() }
        // It names itself when it runs.
        while !ProcessFacts.threads().contains(where: { $0.name == "busy-loop" }) { await Task.yield() }
        let profile = try await decoded("/goroutine")
        #expect(profile.types == [["goroutine", "count"]])
        #expect(profile.samples.contains { $0.frames.map(\.name) == ["busy-loop"] && $0.values == [1] })
        #expect(try await get("/goroutine?debug=1").body.description.contains("1 @\n#\tbusy-loop\n"))
        #expect(try await get("/goroutine?debug=2").body.description.contains("]:\nbusy-loop\n"))
        #expect(try await decoded("/threadcreate").types == [["threadcreate", "count"]])
    }

    @Test func memoryIsCounted() async throws {
        func inUse(_ profile: DecodedProfile) -> Int64 { profile.samples.reduce(0) { $0 + $1.values[3] } }
        let before = try await decoded("/heap")
        #expect(
            before.types == [
                ["alloc_objects", "count"], ["alloc_space", "bytes"], ["inuse_objects", "count"],
                ["inuse_space", "bytes"],
            ]
        )
        let space = UnsafeMutableRawPointer.allocate(byteCount: 256 << 20, alignment: 16)
        let after = try await decoded("/heap")
        space.deallocate()
        #expect(inUse(after) - inUse(before) > 200 << 20)
        #expect(try await get("/heap?debug=1").body.description.hasPrefix("heap profile: "))
        #expect(try await decoded("/block").samples.isEmpty)
        #expect(try await decoded("/mutex").types == [["contentions", "count"], ["delay", "nanoseconds"]])
    }

    @Test func symbols() async throws {
        #expect(try await get("/symbol").body.description == "num_symbols: 1\n")
        #expect(try await get("/symbol?1+x+").body.description == "num_symbols: 1\n")
        let thread = BusyThread()
        defer { thread.end() }
        var known: UInt64?
        for _ in 0..<20 where known == nil {
            known = try await decoded("/profile?seconds=1").busy.flatMap(\.frames).first {
                $0.name?.contains("descend") == true
            }?.address
        }
        let text = "0x" + String(try #require(known), radix: 16)
        let page = try await get("/symbol", method: "POST", body: "0x1+\(text)").body.description
        #expect(page.hasPrefix("num_symbols: 1\n\(text) ") && page.contains("descend"))
    }

    @Test(arguments: [
        ("/nothing", 404, "Unknown profile\n"),
        ("/heap?seconds=x", 400, "invalid value for \"seconds\" - must be a positive integer\n"),
        ("/heap?seconds=-1", 400, "invalid value for \"seconds\" - must be a positive integer\n"),
        ("/heap?seconds=1&debug=1", 400, "seconds and debug params are incompatible\n"),
        ("/trace", 501, "Could not enable tracing: this is not a program of Go, whose scheduler would be traced\n"),
    ])
    func refusals(uri: String, status: Int, sentence: String) async throws {
        let page = try await get(uri)
        #expect(page.status == status && page.body.description == sentence)
        #expect(page.fields.contains { $0 == ("x-go-pprof", "1") })
    }

    @Test func otherPages() async throws {
        let index = try await get("/")
        for name in ["allocs", "block", "cmdline", "goroutine", "heap", "mutex", "profile", "threadcreate", "trace"] {
            #expect(index.body.description.contains("<a href='\(name)?debug=1'>\(name)</a>"))
        }
        let moved = try await get("?a=b")
        #expect(moved.status == 307 && moved.fields.contains { $0 == ("location", "/debug/pprof/?a=b") })
        #expect(
            try await get("/cmdline").body.description.split(separator: "\0") == CommandLine.arguments.map { $0[...] }
        )
        #expect(
            try await get("/heap?seconds=1").fields.contains {
                $0 == ("content-disposition", "attachment; filename=\"heap-delta\"")
            }
        )
    }
}

extension DecodedProfile {
    fileprivate var busy: [Sample] { samples.filter { $0.labels["thread"] == "busy-loop" } }
}
