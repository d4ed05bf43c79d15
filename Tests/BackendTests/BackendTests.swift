import BBolt
import Base
import FileIO
import Testing

@testable import Backend

/// A file of its own in the system's temporary directory: locks and mappings behave there as they do in earnest.
final class TemporaryFile {
    let directory: String
    var path: String { directory + "/db" }
    private let disk = POSIXFileSystem()

    init(_ name: String) throws {
        directory = "/tmp/swift-etcd-backend-tests-" + name
        try disk.removeTree(directory)
        try disk.createDirectory(directory, mode: 0o700)
    }

    deinit { try? disk.removeTree(directory) }

    func names() throws -> [String] { try disk.list(directory) }
}

private func row(_ main: Int64, sub: Int64 = 0) -> (RevisionKey, Bytes) {
    (RevisionKey(Revision(main: main, sub: sub)), Bytes("value \(main).\(sub)"))
}

@Suite("Backend: what waits and what is written")
struct BackendTests {
    private func values(_ view: BackendView, _ revisions: some Sequence<Int64>) throws -> [String?] {
        var reader = try view.rowReader()
        return try revisions.map { try reader.value(at: Revision(main: $0))?.description }
    }

    private func scanned(_ view: BackendView, from main: Int64 = 0) throws -> [Int64] {
        var found: [Int64] = []
        try view.forEachRow(from: RevisionKey(Revision(main: main))) { key, bytes, value in
            #expect(RevisionKey(bytes) == key)
            #expect(Bytes(copying: value).description == "value \(key.revision.main).0")
            found.append(key.revision.main)
            return true
        }
        return found
    }

    @Test("a row reads the same while it gathers, waits and is in the file, and a view never changes")
    func readThrough() throws {
        let file = try TemporaryFile("read-through")
        var committer = try Committer(path: file.path, fileSystem: POSIXFileSystem())
        var backend = try Backend(reader: committer.beginRead())
        var waiting: [SealedBatch] = []
        var views: [(BackendView, Int64)] = [(backend.momentaryView, 0)]
        var random = SeededRandom(seed: 1)
        var last: Int64 = 0
        for _ in 0..<60 {
            // Across the borders of pieces, which are of 256 rows.
            for _ in 0..<Int.random(in: 1...300, using: &random) {
                last += 1
                let (key, value) = row(last)
                backend.putRevision(key, value: value)
            }
            views.append((backend.momentaryView, last))
            if Int.random(in: 0..<2, using: &random) == 0, let batch = backend.seal() { waiting.append(batch) }
            if Int.random(in: 0..<4, using: &random) == 0 {
                let count = Int.random(in: 0...waiting.count, using: &random)
                let result = try committer.commit(Array(waiting.prefix(count)))
                waiting.removeFirst(count)
                backend.committed(through: result.through, reader: result.reader)
            }
            for (view, last) in views.suffix(4) + views.prefix(1) {
                let wanted = (0..<20).map { _ in Int64.random(in: 0...last + 2, using: &random) }
                #expect(try values(view, wanted) == wanted.map { (1...max(1, last)).contains($0) && last > 0 ? "value \($0).0" : nil })
            }
        }
        for (view, last) in views {
            #expect(try scanned(view) == Array(0..<last).map { $0 + 1 })
            #expect(try scanned(view, from: last - 100) == Array(max(1, last - 100)..<max(1, last + 1)))
        }
    }

    @Test("rows of one transaction, tombstones among them, are told apart by sub revision")
    func subRevisions() throws {
        let file = try TemporaryFile("sub-revisions")
        var committer = try Committer(path: file.path, fileSystem: POSIXFileSystem())
        var backend = try Backend(reader: committer.beginRead())
        for sub in 0..<600 as Range<Int64> {
            backend.putRevision(RevisionKey(Revision(main: 2, sub: sub), isTombstone: sub % 7 == 0), value: Bytes("\(sub)"))
        }
        let before = backend.momentaryView
        let sealed = backend.seal()
        let result = try committer.commit([try #require(sealed)])
        backend.committed(through: result.through, reader: result.reader)
        for view in [before, backend.momentaryView] {
            var reader = try view.rowReader()
            for sub in [1, 255, 256, 257, 510, 512, 599] as [Int64] {
                #expect(try reader.value(at: Revision(main: 2, sub: sub)) == Bytes("\(sub)"))
            }
            #expect(try reader.value(at: Revision(main: 2, sub: 600)) == nil)
            var tombstones = 0, count = 0
            try view.forEachRow(from: RevisionKey(Revision(main: 0))) { key, _, _ in
                count += 1
                tombstones += key.isTombstone ? 1 : 0
                return true
            }
            #expect(count == 600 && tombstones == 86)
        }
    }

    @Test("every batch stores the index and term of its last entry; nothing to store is no batch")
    func consistentIndex() throws {
        let file = try TemporaryFile("index")
        var committer = try Committer(path: file.path, fileSystem: POSIXFileSystem())
        var backend = try Backend(reader: committer.beginRead())
        let nothing = backend.seal()
        #expect(nothing == nil)
        backend.setConsistentIndex(7, term: 2)
        backend.put(.lease, key: "l", value: "1")
        backend.put(.meta, key: MetaKey.confState, value: "{}")
        let first = backend.seal()
        backend.setConsistentIndex(9, term: 3)
        backend.delete(.lease, key: "l")
        let second = backend.seal()
        let half = try committer.commit([try #require(first)])
        #expect(half.consistentIndex == 7)
        var meta = try StoredMeta(half.reader)
        #expect(meta.consistentIndex == 7 && meta.term == 2 && meta.hasTerm && meta.confState == "{}")
        #expect(try half.reader.rows(of: .lease).map(\.key) == ["l"])
        let whole = try committer.commit([try #require(second)])
        meta = try StoredMeta(whole.reader)
        #expect(meta.consistentIndex == 9 && meta.term == 3)
        #expect(try whole.reader.rows(of: .lease).isEmpty)
        #expect(try half.reader.rows(of: .lease).count == 1)
    }

    @Test("removed rows go, even those that were never in the file")
    func removal() throws {
        let file = try TemporaryFile("removal")
        var committer = try Committer(path: file.path, fileSystem: POSIXFileSystem())
        var backend = try Backend(reader: committer.beginRead())
        for main in 1...10 as ClosedRange<Int64> {
            let (key, value) = row(main)
            backend.putRevision(key, value: value)
            if main % 2 == 0 { backend.removeRevision(key) }
        }
        let sealed = backend.seal()
        let result = try committer.commit([try #require(sealed)])
        backend.committed(through: result.through, reader: result.reader)
        #expect(try scanned(backend.momentaryView) == [1, 3, 5, 7, 9])
    }

    @Test("the hash of the file leaves out what changes without a request")
    func backendHash() throws {
        let file = try TemporaryFile("hash")
        var committer = try Committer(path: file.path, fileSystem: POSIXFileSystem())
        var backend = try Backend(reader: committer.beginRead())
        func hash(_ change: (inout Backend) -> Void) throws -> UInt32 {
            change(&backend)
            let sealed = backend.seal()
            return try committer.commit([sealed].compactMap { $0 }).reader.backendHash()
        }
        let first = try hash { $0.put(.members, key: "1", value: "{}") }
        #expect(try hash { $0.setConsistentIndex(5, term: 1) } == first)
        #expect(try hash { $0.put(.meta, key: MetaKey.storageVersion, value: "3.7.0") } == first)
        #expect(try hash { $0.put(.meta, key: MetaKey.confState, value: "{}") } != first)
    }
}
