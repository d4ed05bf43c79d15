// What the proxy's cache may answer, and what takes an answer away.

import Foundation
import Testing

@testable import GRPCProxy

@Suite("gRPC proxy: the cache of ranges")
struct RangeCacheTests {
    func question(_ key: String, _ end: String = "", revision: Int64 = 0, asker: String = "") -> RangeCache.Question {
        RangeCache.Question(
            asker: asker,
            request: Data("\(key)|\(end)|\(revision)".utf8),
            key: Data(key.utf8),
            end: Data(end.utf8),
            revision: revision
        )
    }

    func fill(_ cache: inout RangeCache, _ question: RangeCache.Question, _ answer: String) {
        let fill = cache.begin(question)
        cache.end(fill, Array(answer.utf8))
    }

    func answer(_ cache: inout RangeCache, _ question: RangeCache.Question) -> String? {
        guard case .answer(let bytes)? = cache.find(question) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("a known answer is given again, to the same asker only")
    func hit() {
        var cache = RangeCache()
        fill(&cache, question("a"), "1")
        #expect(answer(&cache, question("a")) == "1")
        #expect(answer(&cache, question("a", asker: "somebody")) == nil)
        #expect(cache.hits == 1 && cache.misses == 1)
    }

    @Test(
        "a write takes away what overlaps it",
        arguments: [
            ("b", "", "b", "", true), ("b", "", "c", "", false), ("a", "c", "b", "", true), ("a", "c", "c", "", false),
            ("b", "", "a", "c", true), ("a", "c", "b", "d", true), ("a", "c", "c", "d", false),
            ("b", "\0", "z", "", true),
            ("b", "\0", "a", "", false), ("x", "", "b", "\0", true), ("a", "", "b", "\0", false),
        ]
    )
    func invalidation(_ key: String, _ end: String, _ writtenKey: String, _ writtenEnd: String, _ isGone: Bool) {
        var cache = RangeCache()
        fill(&cache, question(key, end), "1")
        cache.invalidate(key: Data(writtenKey.utf8), end: Data(writtenEnd.utf8))
        #expect((answer(&cache, question(key, end)) == nil) == isGone)
    }

    @Test("an answer that was under way during a write is not kept")
    func race() {
        var cache = RangeCache()
        let stale = cache.begin(question("a"))
        cache.invalidate(key: Data("a".utf8), end: Data())
        cache.end(stale, Array("old".utf8))
        #expect(answer(&cache, question("a")) == nil)
        let other = cache.begin(question("a"))
        cache.invalidate(key: Data("b".utf8), end: Data())
        cache.end(other, Array("new".utf8))
        #expect(answer(&cache, question("a")) == "new")
    }

    @Test("answers about the past outlive writes, until a compaction")
    func past() {
        var cache = RangeCache()
        fill(&cache, question("a", revision: 5), "5")
        cache.invalidate(key: Data("a".utf8), end: Data())
        #expect(answer(&cache, question("a", revision: 5)) == "5")
        cache.compact(6)
        guard case .compacted? = cache.find(question("a", revision: 5)) else {
            Issue.record("the revision is compacted")
            return
        }
    }

    @Test("the space is bounded, and the longest unused goes first")
    func bounds() {
        var cache = RangeCache(countMax: 8, bytesMax: 1 << 20)
        for number in 0..<8 { fill(&cache, question("k\(number)"), "v") }
        _ = answer(&cache, question("k0"))
        fill(&cache, question("k8"), "v")
        #expect(cache.count <= 8)
        #expect(answer(&cache, question("k0")) == "v")
        #expect(answer(&cache, question("k1")) == nil)
        var small = RangeCache(countMax: 8, bytesMax: 64)
        fill(&small, question("big"), String(repeating: "x", count: 9))
        #expect(small.count == 0)
    }
}
