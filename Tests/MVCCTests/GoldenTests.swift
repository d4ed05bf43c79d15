// Files that Go's etcd wrote. They are not part of the repository: ETCD_GOLDEN names the directory that has them.

import BBolt
import Backend
import Base
import EtcdWire
import FileIO
import Foundation
import Testing

@testable import MVCC

private let golden = ProcessInfo.processInfo.environment["ETCD_GOLDEN"]

@Suite("Files of Go members", .enabled(if: golden != nil))
struct GoldenTests {
    private struct Expected: Decodable {
        struct Keys: Decodable {
            struct Pair: Decodable {
                var key: Data
                var create_revision: String
                var mod_revision: String
                var version: String
                var value: Data?
                var lease: String?
            }
            var kvs: [Pair]
        }
        var keys: Keys
    }

    @Test(arguments: ["3.5.1", "3.5.30", "3.6.14", "3.7.1"], ["killed", "stopped"])
    func goFilesAreReadHashedAndGoneOnWith(version: String, ending: String) throws {
        let folder = "\(golden ?? "")/\(version)"
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("mvcc-golden-\(version)-\(ending)").path
        try? FileManager.default.removeItem(atPath: root)
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        let unpack = Process()
        unpack.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        unpack.arguments = ["tar", "xzf", "\(folder)/datadir-\(ending).tar.gz", "-C", root]
        try unpack.run()
        unpack.waitUntilExit()

        var committer = try Committer(path: root + "/golden.etcd/member/snap/db", fileSystem: POSIXFileSystem())
        let backend = try Backend(reader: committer.beginRead())
        var store = Store()
        _ = try store.restore(backend.fileReader)
        let view = store.momentaryView(backend)
        let expected = try JSONDecoder().decode(
            Expected.self, from: try Data(contentsOf: URL(fileURLWithPath: folder + "/expected.json")))
        // 3.5.1 let a compaction pass that later versions refuse, and had no path to ask it for a hash.
        let isOldest = version == "3.5.1"
        #expect(view.compactRevision == (isOldest ? 30 : 22))
        #expect(view.latestRevision == 79)
        if !isOldest {
            #expect(try view.hashKV(0) == HashKVResult(hash: 1_643_261_597, compactRevision: 22, revision: 79))
            // Recorded while the store was there.
            #expect(try view.hashKV(33) == HashKVResult(hash: 611_102_487, compactRevision: 22, revision: 33))
        }
        let answer = try RangeResponse(decoding: try view.answer(RangeRequest(key: [0], rangeEnd: [0])).body)
        let pairs = try answer.decodedKVs()
        #expect(pairs.map { Data($0.key.array) } == expected.keys.kvs.map(\.key))
        #expect(pairs.map { Data($0.value.array) } == expected.keys.kvs.map { $0.value ?? Data() })
        #expect(pairs.map { "\($0.modRevision)" } == expected.keys.kvs.map(\.mod_revision))
        #expect(pairs.map { "\($0.createRevision)" } == expected.keys.kvs.map(\.create_revision))
        #expect(pairs.map { "\($0.version)" } == expected.keys.kvs.map(\.version))
        #expect(pairs.map { "\($0.lease)" } == expected.keys.kvs.map { $0.lease ?? "0" })

        // A dense copy says the same.
        let result = try committer.defragment()
        var again = Store()
        _ = try again.restore(result.reader)
        let copied = try again.momentaryView(try Backend(reader: result.reader)).hashKV(0)
        #expect(try view.hashKV(0) == copied)
        #expect(result.reader.check() == [])
        committer.close()
    }
}
