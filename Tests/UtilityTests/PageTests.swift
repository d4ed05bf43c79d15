import BBolt
import Base
import FileIO
import Testing

@testable import Utility

/// A directory of its own in the system's temporary one.
final class TemporaryDirectory {
    let path: String

    init(_ name: String) throws {
        path = "/tmp/swift-etcd-utility-tests-" + name
        try disk.removeTree(path)
        try disk.createDirectory(path, mode: 0o700)
    }

    deinit { try? disk.removeTree(path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// A database with buckets `small` (inline) and `large` (several leaves), written in two transactions.
    func database(storesFreelist: Bool = false) throws -> String {
        var options = DatabaseOptions()
        options.storesFreelist = storesFreelist
        options.growStepBytes = 4096
        let path = file("db")
        let database = try Database.open(path, fileSystem: disk, options: options)
        var transaction = try database.beginWrite()
        let large = try transaction.createBucketIfMissing("large")
        for number in 100..<400 {
            try large.put(Bytes("key\(number)"), Bytes([UInt8](repeating: UInt8(ascii: "v"), count: 100)))
        }
        try transaction.commit()
        transaction = try database.beginWrite()
        try transaction.createBucketIfMissing("small").put("a", "1")
        try transaction.commit()
        database.close()
        return path
    }

    func overwrite(_ path: String, at offset: UInt64, _ bytes: [UInt8]) throws {
        let file = try disk.open(path, .readWrite)
        defer { file.close() }
        try file.write(Bytes(bytes), at: offset)
    }
}

private func problems(_ path: String) throws -> [String] {
    let database = try Database.open(path, fileSystem: disk)
    defer { database.close() }
    return database.beginRead().check()
}

private func hasSmallBucket(_ path: String) throws -> Bool {
    let database = try Database.open(path, fileSystem: disk)
    defer { database.close() }
    return try database.beginRead().bucket("small") != nil
}

@Suite("bbolt: looking at pages and repairing")
struct PageTests {
    @Test("the figures of a bucket count its pages, keys and inline buckets")
    func statistics() throws {
        let directory = try TemporaryDirectory("statistics")
        let database = try Database.open(try directory.database(), fileSystem: disk)
        defer { database.close() }
        let reader = database.beginRead()
        let large = try #require(try reader.bucket("large")).statistics()
        #expect(large.keys == 300 && large.buckets == 1 && large.inlineBuckets == 0)
        #expect(large.branchPages == 1 && large.depth == 2 && large.leafPages > 5)
        #expect(large.leafBytesAllocated == large.leafPages * 4096 && large.leafBytesUsed < large.leafBytesAllocated)
        let small = try #require(try reader.bucket("small")).statistics()
        // A page header, one element, one byte of key and one of value.
        #expect(small.inlineBuckets == 1 && small.leafPages == 0 && small.inlineBytesUsed == 34)

        let pages = try reader.pages()
        #expect(pages.prefix(2).allSatisfy { $0.kind == .meta })
        #expect(pages.count(where: { !$0.isFree && $0.kind == .branch }) == 1)
        #expect(pages.contains { $0.isFree })
    }

    @Test("a page's elements are what was put, and a damaged page is named, not trusted")
    func elements() throws {
        let directory = try TemporaryDirectory("elements")
        let path = try directory.database()
        let file = try PageInspection(path, fileSystem: disk)
        defer { file.close() }
        let root = try file.page(
            [try file.page(0).meta, try file.page(1).meta].max { $0.transaction < $1.transaction }!.root
        )
        let names = try root.elements().map { element -> String in
            guard case .bucket(let key, _, _) = element else { return "?" }
            return key.description
        }
        #expect(names == ["large", "small"])

        try directory.overwrite(path, at: root.id * 4096 + 12, [0xFF, 0xFF, 0xFF, 0x7F])
        #expect(throws: BBoltError.self) { try file.page(root.id) }
        try directory.overwrite(path, at: root.id * 4096 + 12, [0, 0, 0, 0])
        try directory.overwrite(path, at: root.id * 4096 + 16 + 4, [0xFF, 0xFF, 0xFF, 0x7F])
        #expect(throws: BBoltError.self) { try file.page(root.id).elements() }
    }

    @Test("buckets in buckets, as Go's library writes them")
    func structure() throws {
        let inner = BucketStructure(name: "a<\"", pairs: 2, children: [])
        let outer = BucketStructure(name: "root", pairs: 1, children: [inner, BucketStructure(name: "b", pairs: 0, children: [inner])])
        #expect(
            BBoltCommands.json(outer, indent: "") == """
                {
                    "name": "root",
                    "keyN": 1,
                    "buckets": [
                        {
                            "name": "a\\u003c\\"",
                            "keyN": 2
                        },
                        {
                            "name": "b",
                            "keyN": 0,
                            "buckets": [
                                {
                                    "name": "a\\u003c\\"",
                                    "keyN": 2
                                }
                            ]
                        }
                    ]
                }
                """)
        let directory = try TemporaryDirectory("structure")
        let database = try Database.open(try directory.database(), fileSystem: disk)
        defer { database.close() }
        let found = try database.beginRead().structure()
        #expect(found.children.map(\.name) == ["large", "small"] && found.children.map(\.pairs) == [300, 1])
    }

    @Test("a page that is cleared gives up its overflow pages; a damaged one can be cleared whole, but not in part")
    func clearing() throws {
        let directory = try TemporaryDirectory("clearing")
        let path = try directory.database()
        let database = try Database.open(path, fileSystem: disk)
        let transaction = try database.beginWrite()
        try transaction.createBucketIfMissing("wide").put("a", Bytes([UInt8](repeating: 1, count: 9000)))
        try transaction.commit()
        let pages = try database.beginRead().pages()
        let wide = try #require(pages.first { !$0.isFree && $0.kind == .leaf && $0.overflow == 2 }).id
        let leaf = try #require(pages.first { !$0.isFree && $0.kind == .leaf && $0.count > 10 }).id
        database.close()
        #expect(try Surgery.clearElements(path, page: wide, from: 0, to: nil, fileSystem: disk))
        // The second time there is nothing to clear.
        #expect(try !Surgery.clearElements(path, page: wide, from: 0, to: nil, fileSystem: disk))
        let reopened = try Database.open(path, fileSystem: disk)
        #expect(try #require(try reopened.beginRead().bucket("wide")).get("a") == nil)
        reopened.close()
        #expect(try !Surgery.clearElements(path, page: leaf, from: 1, to: 2, fileSystem: disk))
        #expect(throws: BBoltError.self) { try Surgery.clearElements(path, page: 0, from: 0, to: nil, fileSystem: disk) }
        #expect(throws: BBoltError.self) { try Surgery.clearElements(path, page: 1 << 50, from: 0, to: nil, fileSystem: disk) }
        #expect(throws: BBoltError.self) { try Surgery.clearElements(path, page: leaf, from: -1, to: 1, fileSystem: disk) }
        // Its first element reaches far outside.
        try directory.overwrite(path, at: leaf * 4096 + 16 + 4, [0xFF, 0xFF, 0xFF, 0x7F])
        #expect(throws: BBoltError.self) { try Surgery.clearElements(path, page: leaf, from: 1, to: 2, fileSystem: disk) }
        #expect(try !Surgery.clearElements(path, page: leaf, from: 0, to: 1, fileSystem: disk))
        #expect(try !Surgery.clearElements(path, page: leaf, from: 0, to: nil, fileSystem: disk))
    }

    @Test("a file whose metas are both gone can still be looked at")
    func withoutMeta() throws {
        let directory = try TemporaryDirectory("without-meta")
        let path = try directory.database()
        for place: UInt64 in 0...1 {
            try directory.overwrite(path, at: place * 4096 + 16, [UInt8](repeating: 0xFF, count: 64))
        }
        let file = try PageInspection(path, fileSystem: disk)
        defer { file.close() }
        #expect(try file.problem(ofMeta: 0) == "invalid database" && file.problem(ofMeta: 1) == "invalid database")
        #expect(file.pageSize == 4096 && file.highWater > 4)
    }

    @Test("reverting the meta undoes the last commit, once")
    func revert() throws {
        let directory = try TemporaryDirectory("revert")
        let path = try directory.database()
        #expect(try hasSmallBucket(path))
        _ = try Surgery.revertMeta(path, fileSystem: disk)
        #expect(try !hasSmallBucket(path))
        #expect(try problems(path).isEmpty)
    }

    @Test("a meta that a torn write left is no state to go back to")
    func revertWithoutSecondMeta() throws {
        let directory = try TemporaryDirectory("revert-torn")
        let path = try directory.database()
        try directory.overwrite(path, at: 4096 + 16 + 40, [0xFF])
        #expect(throws: BBoltError.self) { try Surgery.revertMeta(path, fileSystem: disk) }
    }

    @Test("a damaged freelist is found, and rebuilt from the tree")
    func freelist() throws {
        let directory = try TemporaryDirectory("freelist")
        let path = try directory.database(storesFreelist: true)
        #expect(try problems(path).isEmpty)
        let file = try PageInspection(path, fileSystem: disk)
        defer { file.close() }
        let list = [try file.page(0).meta, try file.page(1).meta].max { $0.transaction < $1.transaction }!.freelist
        let before = try file.page(list).freePages()
        #expect(!before.isEmpty)
        // Nothing is free, it says from now on.
        try directory.overwrite(path, at: list * 4096 + 10, [0, 0])
        #expect(try problems(path).contains { $0.hasSuffix("unreachable unfreed") })
        try Surgery.rebuildFreelist(path, fileSystem: disk)
        #expect(try problems(path).isEmpty)
        try Surgery.abandonFreelist(path, fileSystem: disk)
        let database = try Database.open(path, fileSystem: disk)
        defer { database.close() }
        #expect(!database.beginRead().storesFreelist)
    }

    @Test("a copied page carries the number of its new place")
    func copyPage() throws {
        let directory = try TemporaryDirectory("copy-page")
        let path = try directory.database()
        try Surgery.copyPage(path, from: 0, to: 1, fileSystem: disk)
        let file = try PageInspection(path, fileSystem: disk)
        defer { file.close() }
        #expect(try file.page(1).meta == file.page(0).meta)
        #expect(throws: BBoltError.self) { try Surgery.copyPage(path, from: 0, to: 1 << 60, fileSystem: disk) }
    }

    @Test("equal lines of a dump are left out, but for the last")
    func hexadecimalDump() {
        let bytes = [UInt8](repeating: 1, count: 16) + [UInt8](repeating: 0, count: 64)
        #expect(
            PageCommands.hexadecimalDump(bytes, at: 0x2000) == """
                0002000 0101 0101 0101 0101 0101 0101 0101 0101
                0002010 0000 0000 0000 0000 0000 0000 0000 0000
                0002020 *
                0002040 0000 0000 0000 0000 0000 0000 0000 0000


                """
        )
    }

    @Test("bytes are text where all of it can be printed")
    func formats() throws {
        #expect(String(decoding: ByteFormat.auto.text(Array("héllo w".utf8)), as: UTF8.self) == "héllo w")
        #expect(String(decoding: ByteFormat.auto.text([0x61, 0x0A]), as: UTF8.self) == "610a")
        #expect(String(decoding: ByteFormat.auto.text([0xFF]), as: UTF8.self) == "ff")
        #expect(
            String(decoding: ByteFormat.redacted.text(Array("a".utf8)), as: UTF8.self)
                == "<redacted len:1 sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb>"
        )
        #expect(try ByteFormat.parsed("00ff", "hex") == [0, 0xFF])
        #expect(throws: (any Error).self) { try ByteFormat.parsed("0g", "hex") }
    }
}
