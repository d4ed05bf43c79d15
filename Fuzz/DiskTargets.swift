// Files: WAL segments, snapshot files, the database.

import BBolt
import Base
import FileIO
import RaftLog
import RaftWire
import SimulatedDisk

private func file(_ disk: SimulatedDisk, _ path: String) -> [UInt8] {
    guard let file = try? disk.open(path, .read), let size = try? file.size(), let bytes = try? file.read(count: Int(size), at: 0) else {
        preconditionFailure("\(path) cannot be read back")
    }
    return bytes
}

private func disk(with bytes: [UInt8], at path: String) -> SimulatedDisk {
    let disk = SimulatedDisk(seed: 1)
    do {
        var parent = ""
        for part in path.split(separator: "/").dropLast() {
            parent += "/" + part
            try disk.createDirectory(parent, mode: 0o700)
        }
        let file = try disk.open(path, .createNew)
        try file.write(Bytes(bytes), at: 0)
        file.close()
    } catch {
        preconditionFailure("the simulated disk refuses: \(error)")
    }
    return disk
}

// MARK: WAL

private let segmentPath = "/wal/0000000000000000-0000000000000000.wal"

/// A log as a member writes it, without the zeroes behind it.
private let wellFormedLog: [UInt8] = {
    let disk = SimulatedDisk(seed: 1)
    do {
        var log = try WriteAheadLog.create(disk, "/wal", metadata: Bytes("meta"), options: .init(segmentSizeBytes: 4096))
        for index in 1...9 {
            log.append([Entry(term: 1, index: UInt64(index), data: Bytes("entry \(index)"))], HardState(term: 1, vote: 1, commit: UInt64(index)))
            try log.commit()
        }
        try log.saveSnapshot(WALSnapshot(index: 5, term: 1, confState: ConfState(voters: [1])))
        try log.close()
    } catch {
        preconditionFailure("\(error)")
    }
    return file(disk, segmentPath)
}()

func fuzzWAL(_ input: UnsafeRawBufferPointer) {
    var choices = Choices(input)
    let kind = choices.byte()
    let bytes = kind & 1 == 0 ? choices.remaining() : edited(wellFormedLog, by: &choices)
    let disk = disk(with: bytes, at: segmentPath)
    _ = try? WriteAheadLog.validSnapshots(disk, "/wal")
    _ = try? WriteAheadLog.read(disk, "/wal", at: WALSnapshot())
    _ = try? WriteAheadLog.inspect(disk, "/wal", after: 3)
    _ = try? WriteAheadLog.forEachRecord(disk, "/wal") { _ in }
    guard var log = try? WriteAheadLog.open(disk, "/wal", at: WALSnapshot(), options: .init(segmentSizeBytes: 4096)) else { return }
    // What opens can be written to and reads back.
    log.append([Entry(term: 9, index: log.lastIndex + 1, data: Bytes("more"))], HardState(term: 9, vote: 0, commit: 0))
    _ = try? log.commit()
    try? log.close()
    precondition((try? WriteAheadLog.read(disk, "/wal", at: WALSnapshot())) != nil, "a log that was opened and written does not read back")
}

// MARK: Snapshot files

private let wellFormedSnapshot: (name: String, bytes: [UInt8]) = {
    let disk = SimulatedDisk(seed: 1)
    do {
        try disk.createDirectory("/snap", mode: 0o700)
        let metadata = SnapshotMetadata(confState: ConfState(voters: [1, 2]), index: 7, term: 3)
        try SnapshotFiles(disk, directory: "/snap").save(Snapshot(data: Bytes("{\"Root\":{}}"), metadata: metadata))
    } catch {
        preconditionFailure("\(error)")
    }
    let name = SnapshotFiles.name(term: 3, index: 7)
    return (name, file(disk, "/snap/\(name)"))
}()

func fuzzSnapshotFile(_ input: UnsafeRawBufferPointer) {
    var choices = Choices(input)
    let kind = choices.byte()
    let bytes = kind & 1 == 0 ? choices.remaining() : edited(wellFormedSnapshot.bytes, by: &choices)
    let disk = disk(with: bytes, at: "/snap/\(wellFormedSnapshot.name)")
    let files = SnapshotFiles(disk, directory: "/snap")
    _ = try? files.read(wellFormedSnapshot.name)
    _ = try? files.loadNewest(matching: nil)
}

// MARK: Database

private let databaseOptions: DatabaseOptions = {
    var options = DatabaseOptions()
    options.reservedMapBytes = 1 << 22
    options.pageSize = 1024
    options.growStepBytes = 1 << 14
    return options
}()

/// A tree of two levels, an inline bucket, overflow pages and free pages.
private let wellFormedDatabase: [UInt8] = {
    let disk = SimulatedDisk(seed: 1)
    do {
        let database = try Database.open("/db", fileSystem: disk, options: databaseOptions)
        for round in 0..<3 {
            let transaction = try database.beginWrite()
            let bucket = try transaction.createBucketIfMissing(Bytes("key"))
            for index in 0..<40 { try bucket.put(Bytes("k\(index * (round + 1))"), Bytes([UInt8](repeating: UInt8(index), count: 30))) }
            try bucket.put(Bytes("long"), Bytes([UInt8](repeating: 7, count: 3000)))
            let small = try transaction.createBucketIfMissing(Bytes("small"))
            try small.put(Bytes("a"), Bytes("1"))
            try transaction.commit()
        }
        database.close()
    } catch {
        preconditionFailure("\(error)")
    }
    return file(disk, "/db")
}()

func fuzzBBolt(_ input: UnsafeRawBufferPointer) {
    var choices = Choices(input)
    let kind = choices.byte()
    let bytes = kind & 7 == 0 ? choices.remaining() : edited(wellFormedDatabase, by: &choices)
    let disk = disk(with: bytes, at: "/db")
    inspect(disk)
    var options = databaseOptions
    options.readOnly = kind & 8 != 0
    guard let database = try? Database.open("/db", fileSystem: disk, options: options) else { return }
    defer { database.close() }
    let reader = database.beginRead()
    let problems = reader.check()
    walk(reader)
    guard !options.readOnly, problems.isEmpty, let transaction = try? database.beginWrite() else { return }
    do {
        let bucket = try transaction.createBucketIfMissing(Bytes("key"))
        for index in 0..<20 { try bucket.put(Bytes("n\(index)"), Bytes([UInt8](repeating: 1, count: 100))) }
        try bucket.delete(Bytes("k3"))
        try transaction.commit()
    } catch {
        transaction.rollback()
        return
    }
    let after = database.beginRead().check()
    precondition(after.isEmpty, "a sound database is not sound after a write: \(after)")
}

/// Every page as the tools for a file in doubt look at it, whether the file can be opened or not.
private func inspect(_ disk: SimulatedDisk) {
    guard let file = try? PageInspection("/db", fileSystem: disk) else { return }
    defer { file.close() }
    for place: UInt64 in 0...1 { _ = try? file.problem(ofMeta: place) }
    // A damaged meta may promise more pages than the file has.
    for id in 0..<min(file.highWater, 64) {
        guard let page = try? file.page(id) else { continue }
        switch page.kind {
        case .branch, .leaf: _ = try? page.elements()
        case .freelist: _ = try? page.freePages()
        case .meta: _ = page.meta
        case .unknown: break
        }
    }
}

private func walk(_ reader: ReadTransaction) {
    _ = try? reader.pages()
    for name in ["key", "small"] {
        guard let bucket = try? reader.bucket(Bytes(name)) else { continue }
        var cursor = bucket.cursor()
        var found = (try? cursor.first()) ?? false
        var seen = 0
        while found, seen < 10_000 {
            _ = (cursor.key.count, cursor.value.count)
            seen += 1
            found = (try? cursor.next()) ?? false
        }
        _ = try? cursor.seek(Bytes("k2"))
    }
}
