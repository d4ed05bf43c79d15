import BBolt
import Backend
import Base
import EtcdWire
import SimulatedDisk
import Testing

@testable import MVCC

@Suite("Restoring a store from its file")
struct RestoreTests {
    private struct Restored: ~Copyable {
        var backend: Backend
        var store: Store
        let attachments: [LeaseAttachment]

        var view: StoreView { store.momentaryView(backend) }

        mutating func compact(_ revision: Int64) throws(MVCCError) { try store.compact(revision, in: &backend) }
        mutating func slice() -> Int64? { store.compactionSlice(in: &backend) }
    }

    private typealias Row = (key: RevisionKey, pair: Bytes)

    private static func put(
        _ main: Int64, _ key: Bytes, created: Int64, version: Int64, sub: Int64 = 0, lease: LeaseID = 0
    ) -> Row {
        let pair = KeyValue(key: key, createRevision: created, modRevision: main, version: version, value: Bytes("v\(main)"), lease: lease)
        return (RevisionKey(Revision(main: main, sub: sub)), pair.encoded())
    }

    private static func delete(_ main: Int64, _ key: Bytes) -> Row {
        (RevisionKey(Revision(main: main), isTombstone: true), KeyValue(key: key).encoded())
    }

    private static func store(
        _ rows: [Row], scheduled: Int64? = nil, finished: Int64? = nil
    ) throws -> Restored {
        var committing = try Committer(path: "db", fileSystem: SimulatedDisk(seed: 1))
        var writer = try Backend(reader: committing.beginRead())
        for row in rows { writer.putRevision(row.key, value: row.pair) }
        if let scheduled {
            writer.put(.meta, key: MetaKey.scheduledCompactRevision, value: RevisionKey(Revision(main: scheduled)).bytes)
        }
        if let finished {
            writer.put(.meta, key: MetaKey.finishedCompactRevision, value: RevisionKey(Revision(main: finished)).bytes)
        }
        if let batch = writer.seal() { _ = try committing.commit([batch]) }
        let backend = try Backend(reader: committing.beginRead())
        var store = Store()
        let attachments = try store.restore(backend.fileReader)
        return Restored(backend: backend, store: store, attachments: attachments)
    }

    @Test("an encoded pair's parts are found, in optimized builds, too")
    func storedPair() throws {
        let pair = KeyValue(key: "alpha", createRevision: 2, modRevision: 300, version: 4, value: "one", lease: -7)
        pair.encoded().withUnsafeBytes { bytes in
            let parts = StoredPair(bytes)
            #expect(parts.map { Bytes(copying: $0.key) } == "alpha")
            #expect(parts.map { Bytes(copying: $0.value) } == "one")
            #expect(parts.map { [$0.createRevision, $0.modRevision, $0.version, $0.lease] } == [2, 300, 4, -7])
        }
    }

    @Test("damaged pairs are refused or read as the codec reads them")
    func damagedPairs() {
        var random = SeededRandom(seed: 5)
        var accepted = 0
        for _ in 0..<20_000 {
            var bytes = KeyValue(
                key: "some/key", createRevision: 5, modRevision: 1 << 40, version: 3, value: "some value", lease: 9
            ).encoded().array
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.insert(UInt8.random(in: 0...255, using: &random), at: Int.random(in: 0...bytes.count, using: &random))
                default: bytes.removeLast(min(bytes.count - 1, Int.random(in: 0..<4, using: &random)))
                }
            }
            let decoded = try? KeyValue(decoding: Bytes(bytes))
            bytes.withUnsafeBytes { raw in
                guard let decoded, let parts = StoredPair(raw) else { return }
                accepted += 1
                #expect(Bytes(copying: parts.key) == decoded.key)
                #expect(Bytes(copying: parts.value) == decoded.value)
                #expect(parts.version == decoded.version && parts.lease == decoded.lease)
            }
        }
        #expect(accepted > 1000)
    }

    @Test("keys, lives, leases and the current revision come back")
    func plain() throws {
        let restored = try Self.store([
            Self.put(2, "a", created: 2, version: 1, lease: 7), Self.put(3, "b", created: 3, version: 1, lease: 8),
            Self.delete(4, "b"), Self.put(5, "a", created: 2, version: 2), Self.put(6, "c", created: 6, version: 1, lease: 9),
            Self.put(7, "d", created: 7, version: 1), Self.put(7, "e", created: 7, version: 1, sub: 1),
        ])
        let view = restored.view
        #expect(view.latestRevision == 7)
        #expect(view.compactRevision == -1)
        let (isCompacting, attachments) = (restored.store.isCompacting, restored.attachments)
        #expect(!isCompacting)
        #expect(attachments.map(\.key) == ["c"] && attachments.map(\.lease) == [9])
        #expect(view.liveCount(KeyRange(key: [0], end: [0])) == 4)
        #expect(try view.pair("a").map { try KeyValue(decoding: $0).version } == 2)
        #expect(view.contains("e") && !view.contains("b"))
        let old = try view.answer(RangeRequest(key: "b", revision: 3))
        #expect(try RangeResponse(decoding: old.body).count == 1)
    }

    @Test("a scheduled compaction goes on, and revisions never go back")
    func scheduled() throws {
        // Everything up to 9 was removed before the crash; only the marks know how far the store was.
        var restored = try Self.store([], scheduled: 9, finished: 5)
        let view = restored.view
        #expect(view.latestRevision == 9 && view.compactRevision == 9)
        var isCompacting = restored.store.isCompacting
        #expect(isCompacting)
        let finished = restored.slice()
        #expect(finished == 9)
        isCompacting = restored.store.isCompacting
        #expect(!isCompacting)
        #expect(throws: MVCCError.compacted) { try view.resolve(8) }
    }

    @Test("a finished compaction is just a fact, at 0 as well", arguments: [0, 4] as [Int64])
    func finished(revision: Int64) throws {
        let restored = try Self.store([Self.put(6, "a", created: 2, version: 3)], scheduled: revision, finished: revision)
        let (view, isCompacting) = (restored.view, restored.store.isCompacting)
        #expect(view.compactRevision == revision && view.latestRevision == 6)
        #expect(!isCompacting)
    }

    @Test("rows of an empty key, left by raising the revision by hand, are kept, compacted and in no range")
    func emptyKey() throws {
        let raised: Row = (RevisionKey(Revision(main: 1000)), Bytes())
        var restored = try Self.store([
            Self.put(2, "a", created: 2, version: 1), raised, (RevisionKey(Revision(main: 1001)), Bytes()),
        ])
        let view = restored.view
        #expect(view.latestRevision == 1001)
        #expect(view.liveCount(KeyRange(key: [0], end: [0])) == 1)
        try restored.compact(1001)
        let finished = restored.slice()
        #expect(finished == 1001)
        let sealed = restored.backend.seal()
        #expect(sealed?.removed.map(\.revision.main) == [1000])
    }

    @Test("compaction at 0 is taken once, at less never")
    func compactionAtZero() throws {
        var restored = try Self.store([])
        var outcomes: [MVCCError?] = []
        for revision in [-1, 0, 0, 2] as [Int64] {
            do throws(MVCCError) {
                try restored.compact(revision)
                outcomes.append(nil)
            } catch {
                outcomes.append(error)
            }
        }
        #expect(outcomes == [.compacted, nil, .compacted, .futureRevision])
        let view = restored.view
        #expect(view.compactRevision == 0)
    }

    @Test("a row that is no pair is named, not passed over")
    func corruptRow() {
        #expect(throws: MVCCError.corruptRow(Revision(main: 3))) {
            try Self.store([Self.put(2, "a", created: 2, version: 1), (RevisionKey(Revision(main: 3)), [0x0a, 0x7f])]).view.keyCount
        }
    }
}
