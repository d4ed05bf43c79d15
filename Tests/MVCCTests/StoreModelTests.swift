import BBolt
import Backend
import Base
import EtcdWire
import FileIO
import SimulatedDisk
import Testing

@testable import MVCC

/// Small pages, so that a few hundred rows make a deep tree.
private func smallOptions() -> DatabaseOptions {
    var options = DatabaseOptions()
    options.pageSize = 1024
    options.reservedMapBytes = 1 << 22
    options.growStepBytes = 1 << 15
    return options
}

/// A member's storage: what the apply lane and the commit lane own, without the lanes.
private struct Member: ~Copyable {
    let disk: SimulatedDisk
    var committer: Committer
    var backend: Backend
    var store: Store
    /// Sealed, not yet given to the committer.
    var waiting: [SealedBatch] = []
    var attachments: [LeaseAttachment] = []

    init(_ disk: SimulatedDisk) throws {
        let committer = try Committer(path: "db", fileSystem: disk, options: smallOptions())
        let backend = try Backend(reader: committer.beginRead())
        var store = Store()
        let attachments = try store.restore(backend.fileReader, rowsPerChunk: 7)
        self.disk = disk
        self.committer = committer
        self.backend = backend
        self.store = store
        self.attachments = attachments
    }

    mutating func seal() {
        if let batch = backend.seal() { waiting.append(batch) }
    }

    mutating func commit(_ count: Int) throws {
        let batches = Array(waiting.prefix(count))
        waiting.removeFirst(batches.count)
        let result = try committer.commit(batches)
        backend.committed(through: result.through, reader: result.reader)
    }

    var view: StoreView { store.momentaryView(backend) }
}

@Suite("Store against a list of changes")
struct StoreModelTests {
    private struct Held {
        var view: StoreView
        var model: HistoryModel
    }

    private static func key(_ random: inout SeededRandom) -> Bytes {
        Bytes("key-\(Int.random(in: 0..<40, using: &random))")
    }

    private static func range(_ random: inout SeededRandom) -> KeyRange {
        let key = key(&random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: return KeyRange(key: key)
        case 1: return KeyRange(key: key, end: [0])
        case 2: return KeyRange(key: [0], end: [0])
        default: return KeyRange(key: key, end: Self.key(&random))
        }
    }

    private static func changes(_ random: inout SeededRandom) -> [HistoryModel.Change] {
        var keys: Set<Bytes> = []
        var changes: [HistoryModel.Change] = []
        // Like etcd's transactions: no key is put twice or put and deleted.
        let isDeleting = Int.random(in: 0..<4, using: &random) == 0
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let key = key(&random)
            guard keys.insert(key).inserted else { continue }
            if isDeleting {
                changes.append(.delete(Int.random(in: 0..<12, using: &random) == 0 ? range(&random) : KeyRange(key: key)))
            } else {
                let size = Int.random(in: 0..<30, using: &random) == 0 ? 3000 : Int.random(in: 0...40, using: &random)
                let value = Bytes([UInt8](repeating: UInt8.random(in: 97...122, using: &random), count: size))
                changes.append(.put(key, value, LeaseID(max(0, Int.random(in: -3...3, using: &random)))))
            }
        }
        return changes
    }

    private static func request(_ random: inout SeededRandom, _ model: HistoryModel) -> RangeRequest {
        let range = range(&random)
        var request = RangeRequest(key: range.key, rangeEnd: range.end)
        func oneIn(_ number: Int) -> Bool { Int.random(in: 0..<number, using: &random) == 0 }
        func revision() -> Int64 { Int64.random(in: max(1, model.compacted - 2)...model.current + 2, using: &random) }
        if oneIn(2) { request.revision = revision() }
        if oneIn(2) { request.limit = Int64.random(in: -1...12, using: &random) }
        if oneIn(3) { request.sortOrder = SortOrder(rawValue: Int.random(in: 0...2, using: &random)) }
        if oneIn(3) { request.sortTarget = SortTarget(rawValue: Int.random(in: 0...4, using: &random)) }
        request.keysOnly = oneIn(4)
        request.countOnly = oneIn(8)
        if oneIn(6) { request.minModRevision = revision() }
        if oneIn(6) { request.maxModRevision = revision() }
        if oneIn(6) { request.minCreateRevision = revision() }
        if oneIn(6) { request.maxCreateRevision = revision() }
        return request
    }

    private static func expectSameAnswers(_ view: StoreView, _ model: HistoryModel, _ random: inout SeededRandom, _ count: Int) {
        for _ in 0..<count {
            let request = request(&random, model)
            let expected: Result<RangeResponse, MVCCError>, actual: Result<RangeResponse, MVCCError>
            do throws(MVCCError) { expected = .success(try model.answer(request)) } catch { expected = .failure(error) }
            do throws(MVCCError) {
                let answer = try view.answer(request)
                #expect(answer.revision == model.current)
                actual = .success((try? RangeResponse(decoding: answer.body)) ?? RangeResponse(count: -1))
            } catch {
                actual = .failure(error)
            }
            #expect(actual == expected, "\(request)")
        }
    }

    private static func expectSameHash(_ view: StoreView, _ model: HistoryModel, _ random: inout SeededRandom) throws {
        let revision = Int64.random(in: max(1, model.compacted)...model.current, using: &random)
        for revision in [0, revision] {
            let upTo = revision == 0 ? model.current : revision
            let expected = HashKVResult(hash: model.hashKV(upTo), compactRevision: model.compacted, revision: upTo)
            #expect(try view.hashKV(revision) == expected)
            var scan = try HashKVScan(view, revision: revision)
            var result: HashKVResult?
            while result == nil { result = try scan.step(rowsMax: Int.random(in: 1...20, using: &random)) }
            #expect(result == expected)
        }
    }

    @Test("transactions, reads, compactions, commits, defragmentations and restarts", arguments: 1...12 as ClosedRange<UInt64>)
    func random(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var member = try Member(SimulatedDisk(seed: seed))
        var model = HistoryModel()
        var index: LogIndex = 0
        /// What the store should be at each consistent index.
        var past: [LogIndex: HistoryModel] = [0: model]
        var held: [Held] = []

        for _ in 0..<500 {
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<50:
                index += 1
                let changes = Self.changes(&random)
                let expected = model.apply(changes)
                member.store.begin()
                var deleted: [[Bytes]] = []
                for change in changes {
                    switch change {
                    case .put(let key, let value, let lease):
                        member.store.put(key, value: value, lease: lease, to: &member.backend)
                        // A read within the transaction sees its own write.
                        let view = member.view
                        #expect(try view.pair(key).map { try KeyValue(decoding: $0).value } == value)
                    case .delete(let range): deleted.append(member.store.deleteRange(range, in: &member.backend))
                    }
                }
                let made = member.store.end()
                #expect(deleted == expected)
                #expect(made.map(\.revision.sub) == (0..<made.count).map(Int64.init))
                #expect(made.allSatisfy { $0.revision.main == model.current })
                member.backend.setConsistentIndex(index, term: 1)
                past[index] = model
            case 50..<58:
                let at = Int64.random(in: model.current - 12...model.current + 1, using: &random)
                index += 1
                let expected: MVCCError? =
                    at <= model.compacted ? .compacted : (at > model.current ? .futureRevision : nil)
                do throws(MVCCError) {
                    try member.store.compact(at, in: &member.backend)
                    #expect(expected == nil)
                    model.compact(at)
                } catch {
                    #expect(error == expected)
                }
                member.backend.setConsistentIndex(index, term: 1)
                past[index] = model
            case 58..<70:
                let slice = KeyIndex.Slice(
                    keys: Int.random(in: 1...20, using: &random), rows: Int.random(in: 1...10, using: &random))
                _ = member.store.compactionSlice(slice, in: &member.backend)
            case 70..<80: member.seal()
            case 80..<86: try member.commit(Int.random(in: 1...max(1, member.waiting.count), using: &random))
            case 86..<90: held.append(Held(view: member.view, model: model))
            case 90..<92:
                let result = try member.committer.defragment()
                member.backend.committed(through: result.through, reader: result.reader)
            case 92..<94:
                // The machine stops: what was not committed is applied again from the log, here simply not there.
                let disk = member.disk.crash(seed: random.next())
                held = []
                member = try Member(disk)
                index = member.backend.consistentIndex
                model = past[index] ?? model
                #expect(member.backend.fileReader.check() == [])
                #expect(
                    Dictionary(uniqueKeysWithValues: member.attachments.map { ($0.key, $0.lease) }) == model.leases)
            default: break
            }
            if held.count > 3 { held.removeFirst() }
            #expect(member.store.currentRevision == model.current)
            #expect(member.store.compactRevision == model.compacted)
            Self.expectSameAnswers(member.view, model, &random, 2)
            for held in held { Self.expectSameAnswers(held.view, held.model, &random, 1) }
            if Int.random(in: 0..<10, using: &random) == 0 {
                try Self.expectSameHash(member.view, model, &random)
                for held in held { try Self.expectSameHash(held.view, held.model, &random) }
            }
        }
        #expect(member.view.index.checkInvariants() == [])
        // At last everything is finished and written: the file holds the model's rows and no others.
        while member.store.isCompacting { _ = member.store.compactionSlice(in: &member.backend) }
        member.seal()
        try member.commit(.max)
        var rows: [Bytes] = []
        try member.view.rows.forEachRow(from: RevisionKey(Revision(main: 0))) { _, key, _ in
            rows.append(Bytes(copying: key))
            return true
        }
        #expect(rows == model.rows.map(\.keyBytes))
    }
}
