import Base
import Testing

@testable import MVCC

/// What the index should say: of each key its changes, oldest first.
private struct IndexModel {
    var keys: [Bytes: [RevisionMark]] = [:]

    func revision(_ key: Bytes, at main: Int64) -> Revision? {
        guard let mark = keys[key]?.last(where: { $0.main <= main }), !mark.isTombstone else { return nil }
        return mark.revision
    }

    func live(_ range: KeyRange, at main: Int64) -> [Bytes] {
        keys.keys.filter { range.contains($0) && revision($0, at: main) != nil }.sorted()
    }

    /// - Returns: what goes, by key and revision.
    mutating func compact(at main: Int64) -> [Revision] {
        var dropped: [RevisionMark] = []
        for (key, marks) in keys {
            guard let last = marks.lastIndex(where: { $0.main <= main }) else { continue }
            let isGone = marks[last].isTombstone && marks[last].main < main
            dropped += isGone ? marks[...last] : marks[..<last]
            let kept = Array(isGone ? marks[(last + 1)...] : marks[last...])
            keys[key] = kept.isEmpty ? nil : kept
        }
        return dropped.map(\.revision).sorted()
    }
}

@Suite("Key index against a dictionary")
struct KeyIndexTests {
    private static func key(_ random: inout SeededRandom, of count: Int) -> Bytes {
        let number = Int.random(in: 0..<count, using: &random)
        // Keys of very different lengths, some a prefix of others, now and then longer than a node likes.
        switch number % 7 {
        case 0: return Bytes("k\(number)")
        case 1: return Bytes([UInt8](repeating: UInt8(number % 251), count: number % 40 + 1))
        case 2: return Bytes("k\(number)/" + String(repeating: "long", count: number % 97 == 2 ? 1500 : 3))
        default: return Bytes("registry/pods/namespace-\(number % 13)/\(number)")
        }
    }

    private static func apply(
        _ index: inout KeyIndex, _ model: inout IndexModel, _ key: Bytes, _ revision: Revision, isDelete: Bool
    ) {
        let isLive = model.keys[key]?.last?.isTombstone == false
        if isDelete && !isLive { return }
        model.keys[key, default: []].append(RevisionMark(revision, isTombstone: isDelete))
        index.update(key) { history in
            if isDelete {
                history?.delete(revision)
            } else if history == nil {
                history = KeyHistory(put: revision)
            } else {
                history?.put(revision)
            }
        }
    }

    private static func expectEqual(_ index: KeyIndex, _ model: IndexModel, at main: Int64, _ range: KeyRange) {
        var found: [Bytes] = []
        index.forEach(range) { key, history in
            if let revision = history.revision(at: main) {
                let key = Bytes(copying: key)
                found.append(key)
                #expect(revision == model.revision(key, at: main))
            }
            return true
        }
        #expect(found == model.live(range, at: main))
    }

    @Test("random changes, sliced compactions, and copies that stay as they were", arguments: [1, 2, 3] as [UInt64])
    func random(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var index = KeyIndex()
        var model = IndexModel()
        var held: [(KeyIndex, IndexModel, Int64)] = []
        var main: Int64 = 1
        let keyCount = [50, 1500, 6000][Int(seed) - 1]

        for round in 0..<60 {
            let deletesOften = round / 15 % 2 == 1
            for _ in 0..<Int.random(in: 1...400, using: &random) {
                main += 1
                Self.apply(
                    &index, &model, Self.key(&random, of: keyCount), Revision(main: main, sub: Int64.random(in: 0...2, using: &random)),
                    isDelete: Int.random(in: 0..<10, using: &random) < (deletesOften ? 8 : 2))
            }
            if Int.random(in: 0..<3, using: &random) == 0 { held.append((index, model, main)) }
            if held.count > 4 { held.remove(at: Int.random(in: 0..<4, using: &random)) }

            if Int.random(in: 0..<3, using: &random) == 0 {
                let at = Int64.random(in: max(1, main - 300)...main, using: &random)
                let expected = model.compact(at: at)
                var dropped: [Revision] = []
                var start: Bytes?
                while true {
                    let slice = KeyIndex.Slice(
                        keys: Int.random(in: 1...200, using: &random), rows: Int.random(in: 1...50, using: &random))
                    let before = dropped.count
                    let progress = index.compact(from: start, at: at, slice) { dropped.append($0.revision) }
                    #expect(dropped.count - before <= slice.rows)
                    guard case .more(let next) = progress else { break }
                    // Between slices the store goes on.
                    if Int.random(in: 0..<4, using: &random) == 0 {
                        main += 1
                        Self.apply(&index, &model, Self.key(&random, of: keyCount), Revision(main: main), isDelete: false)
                    }
                    start = next
                }
                #expect(dropped.sorted() == expected)
            }
            #expect(index.checkInvariants() == [])
            #expect(index.count == model.keys.count)
            let a = Self.key(&random, of: keyCount), b = Self.key(&random, of: keyCount)
            for range in [KeyRange(key: a, end: b), KeyRange(key: b, end: a), KeyRange(key: a), KeyRange(key: a, end: [0])] {
                Self.expectEqual(index, model, at: main, range)
                #expect(index.liveCount(in: range) == model.live(range, at: main).count)
            }
            for (index, model, main) in held {
                Self.expectEqual(index, model, at: main, KeyRange(key: [0], end: [0]))
                #expect(index.checkInvariants() == [])
            }
        }
    }

    @Test("compacting away everything at the front takes as many slices as it needs")
    func compactionOfTheFirstLeaves() {
        var index = KeyIndex()
        let count = 5000
        for number in 0..<count {
            let key = Bytes("key-\(100_000 + number)")
            index.update(key) { $0 = KeyHistory(put: Revision(main: Int64(number + 2))) }
            index.update(key) { $0?.delete(Revision(main: Int64(count + number + 2))) }
        }
        var dropped = 0, slices = 0
        var start: Bytes?
        while true {
            slices += 1
            let progress = index.compact(from: start, at: Int64(3 * count), .init(keys: 100, rows: .max)) { _ in dropped += 1 }
            guard case .more(let next) = progress else { break }
            start = next
        }
        #expect(dropped == 2 * count)
        #expect(slices > 10)
        #expect(index.count == 0)
        #expect(index.checkInvariants() == [])
        // And it can be used again.
        index.update("again") { $0 = KeyHistory(put: Revision(main: 9)) }
        #expect(index.liveCount == 1)
        #expect(index.checkInvariants() == [])
    }

    @Test("one key with a long history is compacted in bounded slices")
    func longHistory() {
        var index = KeyIndex()
        index.update("hot") { $0 = KeyHistory(put: Revision(main: 2)) }
        for main in 3...5001 { index.update("hot") { $0?.put(Revision(main: Int64(main))) } }
        var slices = 0, dropped: [Int64] = []
        var start: Bytes?
        while true {
            slices += 1
            let progress = index.compact(from: start, at: 4001, .init(keys: 10, rows: 100)) { dropped.append($0.main) }
            guard case .more(let next) = progress else { break }
            start = next
        }
        #expect(dropped == Array(2...4000))
        #expect(slices == 40)
        #expect(index.history(of: "hot")?.revision(at: 4500) == Revision(main: 4500))
        #expect(index.history(of: "hot")?.version == 5000)
    }

    @Test("leaves that compaction empties join, so that a shrunken store does not stay wide")
    func joining() {
        var index = KeyIndex()
        for number in 0..<20_000 { index.update(Bytes("key-\(100_000 + number)")) { $0 = KeyHistory(put: Revision(main: 2)) } }
        for number in 0..<20_000 where number % 50 != 0 {
            index.update(Bytes("key-\(100_000 + number)")) { $0?.delete(Revision(main: 3)) }
        }
        _ = index.compact(from: nil, at: 4, .init(keys: .max, rows: .max)) { _ in }
        #expect(index.count == 400)
        #expect(index.checkInvariants() == [])
        func leaves(_ node: IndexNode) -> Int { node.isLeaf ? 1 : node.children.reduce(0) { $0 + leaves($1) } }
        #expect(leaves(index.root) < 60)
    }

    @Test("create revision and version of old revisions, where the index still knows them")
    func details() {
        var history = KeyHistory(put: Revision(main: 2))
        history.put(Revision(main: 3))
        history.delete(Revision(main: 4))
        history.put(Revision(main: 5))
        history.put(Revision(main: 7, sub: 3))
        #expect(history.details(at: Revision(main: 7, sub: 3)).map { [$0.createRevision, $0.version] } == [5, 2])
        #expect(history.details(at: Revision(main: 5)).map { [$0.createRevision, $0.version] } == [5, 1])
        #expect(history.details(at: Revision(main: 3)) == nil)
        #expect(history.details(at: Revision(main: 4)) == nil)
        history.delete(Revision(main: 9))
        #expect(history.details(at: Revision(main: 7, sub: 3)) == nil)
    }
}
