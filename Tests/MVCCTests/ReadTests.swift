import BBolt
import Backend
import Base
import EtcdWire
import SimulatedDisk
import Testing

@testable import MVCC

@Suite("Streams, hashes and reads of a store")
struct ReadTests {
    /// Keys k000… in that order, each put twice; every tenth deleted.
    private static func view(keys count: Int, compactAt: Int64? = nil) throws -> (view: StoreView, model: HistoryModel) {
        let committer = try Committer(path: "db", fileSystem: SimulatedDisk(seed: 1))
        var backend = try Backend(reader: committer.beginRead())
        var store = Store()
        var model = HistoryModel()
        func name(_ number: Int) -> Bytes { Bytes("k" + String(1000 + number).dropFirst()) }
        for round in 0..<2 {
            for number in 0..<count {
                store.begin()
                let value = Bytes("value \(round)")
                store.put(name(number), value: value, lease: 5, to: &backend)
                _ = store.end()
                _ = model.apply([.put(name(number), value, 5)])
            }
        }
        for number in stride(from: 0, to: count, by: 10) {
            store.begin()
            _ = store.deleteRange(KeyRange(key: name(number)), in: &backend)
            _ = store.end()
            _ = model.apply([.delete(KeyRange(key: name(number)))])
        }
        if let compactAt {
            try store.compact(compactAt, in: &backend)
            model.compact(compactAt)
        }
        return (store.momentaryView(backend), model)
    }

    private static func pieces(_ request: RangeRequest, _ view: StoreView, targetSize: Int) throws -> [RangeAnswer] {
        var streamer = try RangeStreamer(request, on: view, targetSize: targetSize)
        var pieces: [RangeAnswer] = []
        while !streamer.isFinished { pieces.append(try streamer.next(on: view)) }
        return pieces
    }

    @Test("a stream's pieces make the answer of a range", arguments: [0, 1, 9, 10, 11, 95, 180, 181, 500] as [Int64])
    func streamEqualsRange(limit: Int64) throws {
        let (view, model) = try Self.view(keys: 200)
        for revision in [0, 300, 150] as [Int64] {
            for keysOnly in [false, true] {
                let request = RangeRequest(key: "k", rangeEnd: "l", limit: limit, revision: revision, keysOnly: keysOnly)
                let pieces = try Self.pieces(request, view, targetSize: 1000)
                let expected = try model.answer(request)
                let responses = try pieces.map { try RangeResponse(decoding: $0.body) }
                #expect(responses.flatMap(\.kvs) == expected.kvs)
                #expect(responses.last?.count == expected.count)
                #expect(responses.last?.more == expected.more)
                #expect(responses.dropLast().allSatisfy { $0.count == 0 && !$0.more })
                // The header tells where the store was, not what was read.
                #expect(pieces.last?.revision == model.current)
                #expect(responses[0].kvs.count <= 10)
                if limit == 0 { #expect(pieces.count > 3) }
            }
        }
    }

    @Test("a stream stays at its revision while the store goes on, and ends when that is compacted")
    func streamAtItsRevision() throws {
        let (old, model) = try Self.view(keys: 50)
        let (newer, _) = try Self.view(keys: 60)
        var streamer = try RangeStreamer(RangeRequest(key: "k", rangeEnd: "l"), on: old, targetSize: 100)
        _ = try streamer.next(on: old)
        let second = try RangeResponse(decoding: try streamer.next(on: newer).body)
        #expect(try second.decodedKVs().allSatisfy { $0.modRevision <= model.current })
        let (compacted, _) = try Self.view(keys: 60, compactAt: model.current + 1)
        #expect(throws: MVCCError.compacted) { _ = try streamer.next(on: compacted) }
    }

    @Test("counting only, a missing key and an empty range in a stream")
    func streamCorners() throws {
        let (view, model) = try Self.view(keys: 30)
        for request in [
            RangeRequest(key: "k", rangeEnd: "l", countOnly: true), RangeRequest(key: "nothing"), RangeRequest(key: "k005"),
            RangeRequest(key: "l", rangeEnd: "k"), RangeRequest(key: "k", rangeEnd: "l", limit: -5),
        ] {
            let responses = try Self.pieces(request, view, targetSize: 100).map { try RangeResponse(decoding: $0.body) }
            let expected = try model.answer(request)
            #expect(responses.flatMap(\.kvs) == expected.kvs)
            #expect(responses.last?.count == expected.count)
        }
    }

    @Test("sizes of pairs without their bytes")
    func sizes() throws {
        let (view, _) = try Self.view(keys: 30)
        for revision in [0, 20, 45] as [Int64] {
            for request in [
                RangeRequest(key: "k001", revision: revision), RangeRequest(key: "k000", revision: revision),
                RangeRequest(key: "nothing", revision: revision),
                RangeRequest(key: "k", rangeEnd: "k005", revision: revision), RangeRequest(key: "l", rangeEnd: "m", revision: revision),
            ] {
                let answer = try view.answer(request)
                let size = try #require(try view.sizes(request, keysMax: 10))
                #expect(size >= answer.body.count - 4 && size <= answer.body.count + 60, "\(request.key) at \(revision)")
                #expect((size == 0) == (try RangeResponse(decoding: answer.body).count == 0))
            }
            #expect(try view.sizes(RangeRequest(key: "k", rangeEnd: "l", revision: revision), keysMax: 10) == nil)
        }
        #expect(throws: MVCCError.futureRevision) { try view.sizes(RangeRequest(key: "k", revision: 1000), keysMax: 1) }
    }

    @Test("a hash does not count a compacted row that the hash revision would not keep")
    func hashJudgesByItsRevision() throws {
        // k001 is put at 3 and again later; a compaction between the two keeps the first, yet it must not count.
        let (view, model) = try Self.view(keys: 20, compactAt: 12)
        #expect(model.rows.contains { $0.revision.main == 3 })
        #expect(try view.hashKV(0).hash == model.hashKV(model.current))
        #expect(try view.hashKV(12).hash == model.hashKV(12))
        var everything = CRC32C()
        everything.update("key")
        for row in model.rows {
            everything.update(row.keyBytes)
            everything.update(row.value)
        }
        #expect(try view.hashKV(0).hash != everything.value)
        #expect(throws: MVCCError.compacted) { try view.hashKV(11) }
        #expect(throws: MVCCError.futureRevision) { try view.hashKV(model.current + 1) }
    }

    @Test("where nothing is alive any more, what compaction leaves counts")
    func hashWithoutLiveKeys() throws {
        let committer = try Committer(path: "db", fileSystem: SimulatedDisk(seed: 1))
        var backend = try Backend(reader: committer.beginRead())
        var store = Store()
        var model = HistoryModel()
        for key in ["a", "b"] as [Bytes] {
            store.begin()
            store.put(key, value: "1", lease: 0, to: &backend)
            _ = store.end()
            _ = model.apply([.put(key, "1", 0)])
        }
        try store.compact(3, in: &backend)
        model.compact(3)
        store.begin()
        _ = store.deleteRange(KeyRange(key: "a", end: "c"), in: &backend)
        _ = store.end()
        _ = model.apply([.delete(KeyRange(key: "a", end: "c"))])
        let view = store.momentaryView(backend)
        #expect(try view.hashKV(0).hash == model.hashKV(4))
    }
}
