import BBolt
import Base
import FileIO
import SimulatedDisk
import Testing

/// Buckets and their rows, as the file should hold them.
private typealias Model = [Bytes: [Bytes: Bytes]]

@Suite("Database against a model")
struct DatabaseModelTests {
    private func contents(_ transaction: ReadTransaction) throws -> Model {
        var model: Model = [:]
        for name in try transaction.bucketNames() {
            var rows: [Bytes: Bytes] = [:]
            let bucket = try #require(try transaction.bucket(name))
            var cursor = bucket.cursor()
            var found = try cursor.first()
            var previous: Bytes?
            while found {
                let key = Bytes(copying: cursor.key)
                if let previous { #expect(previous < key) }
                previous = key
                rows[key] = Bytes(copying: cursor.value)
                found = try cursor.next()
            }
            model[name] = rows
        }
        return model
    }

    private func value(_ random: inout SeededRandom, pageSize: Int) -> Bytes {
        // Mostly small, now and then over several pages.
        let size = Int.random(in: 0..<20, using: &random) == 0
            ? Int.random(in: pageSize...pageSize * 4, using: &random) : Int.random(in: 0...60, using: &random)
        return Bytes([UInt8](repeating: UInt8.random(in: 0...255, using: &random), count: size))
    }

    private func options(pageSize: Int, storesFreelist: Bool = false) -> DatabaseOptions {
        var options = DatabaseOptions()
        options.pageSize = pageSize
        options.storesFreelist = storesFreelist
        options.reservedMapBytes = 1 << 16
        options.growStepBytes = 1 << 14
        return options
    }

    @Test("random changes, commits, rollbacks, pinned readers and reopenings", arguments: [512, 1024, 4096], [false, true])
    func random(pageSize: Int, storesFreelist: Bool) throws {
        var random = SeededRandom(seed: UInt64(pageSize) + (storesFreelist ? 1 : 0))
        let disk = SimulatedDisk(seed: 1)
        let options = options(pageSize: pageSize, storesFreelist: storesFreelist)
        var database = try Database.open("db", fileSystem: disk, options: options)
        var model: Model = [:]
        var pinned: [(ReadTransaction, Model)] = []
        let names: [Bytes] = ["alpha", "beta", "gamma"]

        for round in 0..<120 {
            var next = model
            let transaction = try database.beginWrite()
            for _ in 0..<Int.random(in: 1...120, using: &random) {
                let name = names[Int.random(in: 0..<names.count, using: &random)]
                let bucket = try transaction.createBucketIfMissing(name)
                let key = Bytes("key-\(Int.random(in: 0..<600, using: &random))")
                // Phases of growing and of shrinking, so that pages split and merge.
                if Int.random(in: 0..<10, using: &random) < (round / 20 % 2 == 0 ? 8 : 2) {
                    let value = value(&random, pageSize: pageSize)
                    try bucket.put(key, value)
                    next[name, default: [:]][key] = value
                } else {
                    try bucket.delete(key)
                    next[name, default: [:]][key] = nil
                }
                #expect(try bucket.get(key) == next[name]?[key])
            }
            if Int.random(in: 0..<12, using: &random) == 0, let name = next.keys.sorted().first {
                try transaction.deleteBucket(name)
                next[name] = nil
            }
            if Int.random(in: 0..<8, using: &random) == 0 {
                transaction.rollback()
            } else {
                try transaction.commit()
                model = next
            }

            let reader = database.beginRead()
            #expect(reader.check() == [])
            #expect(try contents(reader) == model)
            if Int.random(in: 0..<4, using: &random) == 0 { pinned.append((reader, model)) }
            for (old, expected) in pinned { #expect(try contents(old) == expected) }
            if pinned.count > 3 { pinned.remove(at: Int.random(in: 0..<pinned.count, using: &random)) }
            if Int.random(in: 0..<15, using: &random) == 0 {
                pinned = []
                database.close()
                database = try Database.open("db", fileSystem: disk, options: options)
                #expect(try contents(database.beginRead()) == model)
            }
        }
    }

    @Test("seeking, stepping back and forth agree with the sorted keys")
    func cursors() throws {
        var random = SeededRandom(seed: 5)
        let database = try Database.open("db", fileSystem: SimulatedDisk(seed: 1), options: options(pageSize: 512))
        let transaction = try database.beginWrite()
        let bucket = try transaction.createBucketIfMissing("b")
        var keys: Set<Bytes> = []
        for _ in 0..<800 {
            let key = Bytes("k\(Int.random(in: 0..<5000, using: &random))")
            keys.insert(key)
            try bucket.put(key, key)
        }
        try transaction.commit()
        let sorted = keys.sorted()
        let read = try #require(try database.beginRead().bucket("b"))
        var cursor = read.cursor()
        for _ in 0..<2000 {
            let wanted = Bytes("k\(Int.random(in: 0..<5000, using: &random))")
            let expected = sorted.first { $0 >= wanted }
            #expect(try cursor.seek(wanted) == (expected != nil))
            if let expected { #expect(Bytes(copying: cursor.key) == expected && Bytes(copying: cursor.value) == expected) }
            #expect(try read.get(wanted) == (keys.contains(wanted) ? wanted : nil))
        }
        var found = try cursor.last()
        var backwards: [Bytes] = []
        while found {
            backwards.append(Bytes(copying: cursor.key))
            found = try cursor.previous()
        }
        #expect(backwards == sorted.reversed())
    }

    @Test("buckets within buckets, and sequences")
    func nesting() throws {
        let disk = SimulatedDisk(seed: 1)
        var database = try Database.open("db", fileSystem: disk, options: options(pageSize: 512))
        for round in 0..<3 {
            let transaction = try database.beginWrite()
            let outer = try transaction.createBucketIfMissing("outer")
            try outer.put("plain", "value")
            let inner = try outer.createBucketIfMissing("inner")
            inner.sequence = UInt64(round + 1)
            for number in 0..<(round * 100 + 1) { try inner.put(Bytes("row-\(number)"), "x") }
            #expect(throws: BBoltError.incompatibleValue(key: "inner")) { try outer.put("inner", "no") }
            try transaction.commit()
            #expect(database.beginRead().check() == [])
        }
        database.close()
        database = try Database.open("db", fileSystem: disk, options: options(pageSize: 512))
        let outer = try #require(try database.beginRead().bucket("outer"))
        #expect(try outer.get("plain") == "value")
        #expect(try outer.get("inner") == nil)
        let inner = try #require(try outer.bucket("inner"))
        #expect(inner.sequence == 3)
        #expect(try inner.get("row-200") == "x")
    }

    @Test("a dense copy holds the same and is smaller; an image of a state is a database")
    func copies() throws {
        let disk = SimulatedDisk(seed: 1)
        let database = try Database.open("db", fileSystem: disk, options: options(pageSize: 512))
        for round in 0..<20 {
            let transaction = try database.beginWrite()
            let bucket = try transaction.createBucketIfMissing("b")
            for number in 0..<50 { try bucket.put(Bytes("\(round)-\(number)"), Bytes([UInt8](repeating: 1, count: 100))) }
            try transaction.commit()
        }
        let thinning = try database.beginWrite()
        for round in 0..<19 {
            for number in 0..<50 { try thinning.bucket("b")?.delete(Bytes("\(round)-\(number)")) }
        }
        try thinning.commit()

        let reader = database.beginRead()
        let copy = try Database.open("copy", fileSystem: disk, options: options(pageSize: 512))
        try compactCopy(from: reader, to: copy, transactionBytesMax: 2000)
        #expect(try contents(copy.beginRead()) == contents(reader))
        #expect(copy.beginRead().check() == [])
        #expect(copy.statistics.sizeBytes < database.statistics.sizeBytes / 2)

        let image = DatabaseImage(of: reader)
        let expected = try contents(reader)
        let later = try database.beginWrite()
        try later.bucket("b")?.put("later", "x")
        try later.commit()
        let file = try disk.open("image", .createNew)
        var offset: UInt64 = 0
        while offset < image.sizeBytes {
            let chunk = image.read(from: offset, count: 700)
            try file.write(Bytes(chunk), at: offset)
            offset += UInt64(chunk.count)
        }
        file.close()
        let restored = try Database.open("image", fileSystem: disk, options: options(pageSize: 512))
        #expect(try contents(restored.beginRead()) == expected)
        #expect(restored.beginRead().check() == [])
    }

    @Test("a second opening of a locked file is refused")
    func lock() throws {
        let disk = SimulatedDisk(seed: 1)
        let database = try Database.open("db", fileSystem: disk, options: options(pageSize: 512))
        #expect(throws: BBoltError.locked(path: "db")) {
            try Database.open("db", fileSystem: disk, options: options(pageSize: 512))
        }
        database.close()
        _ = try Database.open("db", fileSystem: disk, options: options(pageSize: 512))
    }
}
