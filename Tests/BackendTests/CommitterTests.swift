import BBolt
import Base
import FileIO
import SimulatedDisk
import Testing

@testable import Backend

private func smallOptions() -> DatabaseOptions {
    var options = DatabaseOptions()
    options.pageSize = 1024
    options.reservedMapBytes = 1 << 21
    options.growStepBytes = 1 << 14
    return options
}

/// Entry `index` writes row `index` and its number into bucket `lease`, so that the file shows what it has applied.
private func apply(_ index: LogIndex, to backend: inout Backend) {
    let value = Bytes("\(index)" + String(repeating: "x", count: Int(index * 37 % 300)))
    backend.putRevision(RevisionKey(Revision(main: Int64(index))), value: value)
    backend.put(.lease, key: "last", value: Bytes("\(index)"))
    if index % 3 == 0 { backend.removeRevision(RevisionKey(Revision(main: Int64(index - 2)))) }
    backend.setConsistentIndex(index, term: 1)
}

/// The file is exactly the state after some entry, which it names; that entry's index.
private func expectOneEntry(_ disk: SimulatedDisk) throws -> LogIndex {
    let committer = try Committer(path: "db", fileSystem: disk, options: smallOptions())
    let backend = try Backend(reader: committer.beginRead())
    let index = backend.consistentIndex
    #expect(backend.fileReader.check() == [])
    var rows: [LogIndex] = []
    try backend.momentaryView.forEachRow(from: RevisionKey(Revision(main: 0))) { key, _, _ in
        rows.append(UInt64(key.revision.main))
        return true
    }
    let removed = Set(stride(from: 3, through: index, by: 3).map { $0 - 2 })
    #expect(rows == (0..<index).map { $0 + 1 }.filter { !removed.contains($0) })
    #expect(try backend.fileReader.rows(of: .lease).map(\.value) == (index == 0 ? [] : [Bytes("\(index)")]))
    committer.close()
    return index
}

@Suite("Committer: durability and defragmentation")
struct CommitterTests {
    /// Commits and defragments; notes what was promised.
    private static func work(_ disk: SimulatedDisk, _ promised: inout LogIndex) throws {
        var committer = try Committer(path: "db", fileSystem: disk, options: smallOptions())
        var backend = try Backend(reader: committer.beginRead())
        var index: LogIndex = 0
        for round in 1...6 {
            var batches: [SealedBatch] = []
            for _ in 0..<2 {
                for _ in 0..<7 {
                    index += 1
                    apply(index, to: &backend)
                }
                if let batch = backend.seal() { batches.append(batch) }
            }
            let result = try committer.commit(batches)
            #expect(result.consistentIndex == index)
            promised = index
            backend.committed(through: result.through, reader: result.reader)
            if round % 2 == 0 {
                let result = try committer.defragment()
                backend.committed(through: result.through, reader: result.reader)
            }
        }
    }

    @Test("the power fails at every operation: the file is the state after one entry, none promised is lost")
    func powerFailures() throws {
        let whole = SimulatedDisk(seed: 1)
        var promised: LogIndex = 0
        try Self.work(whole, &promised)
        #expect(promised == 84)
        #expect(whole.operationCount > 40)
        for operation in 1...whole.operationCount {
            let disk = SimulatedDisk(seed: 2, faults: DiskFaults(powerFailsAtOperation: operation, tearsSectors: true))
            var promised: LogIndex = 0
            do { try Self.work(disk, &promised) } catch {}
            for seed in 0..<3 as Range<UInt64> {
                let index: LogIndex
                do {
                    index = try expectOneEntry(disk.possibleCrash(seed: seed))
                } catch BBoltError.noValidMeta where promised == 0 {
                    continue  // The file itself was not made yet.
                }
                #expect(index >= promised, "operation \(operation)")
            }
        }
    }

    @Test("a sync that fails is final: nothing is promised and nothing written after it")
    func failingSynchronization() throws {
        let whole = SimulatedDisk(seed: 1)
        var all: LogIndex = 0
        try Self.work(whole, &all)
        for number in 1...whole.synchronizationCount {
            let disk = SimulatedDisk(seed: 3, faults: DiskFaults(failingSynchronization: number))
            var promised: LogIndex = 0
            #expect(throws: (any Error).self) { try Self.work(disk, &promised) }
            do {
                #expect(try expectOneEntry(disk.crash(seed: 4)) >= promised, "synchronization \(number)")
            } catch BBoltError.noValidMeta where promised == 0 {
            }
        }
    }

    @Test("writing goes on while a dense copy is made, and old readers stay whole, on a real disk")
    func defragmentation() throws {
        let file = try TemporaryFile("defragmentation")
        var committer = try Committer(path: file.path, fileSystem: POSIXFileSystem())
        var backend = try Backend(reader: committer.beginRead())
        for main in 1...3000 as ClosedRange<Int64> {
            backend.putRevision(RevisionKey(Revision(main: main)), value: Bytes([UInt8](repeating: 120, count: 500)))
        }
        var sealed = backend.seal()
        var result = try committer.commit([try #require(sealed)])
        backend.committed(through: result.through, reader: result.reader)
        let old = backend.momentaryView
        for main in 1...2900 as ClosedRange<Int64> { backend.removeRevision(RevisionKey(Revision(main: main))) }
        sealed = backend.seal()
        result = try committer.commit([try #require(sealed)])
        let before = result.statistics
        // This batch is sealed before the copy is made and committed after it.
        backend.putRevision(RevisionKey(Revision(main: 4000)), value: "late")
        let late = backend.seal()

        result = try committer.defragment()
        backend.committed(through: result.through, reader: result.reader)
        #expect(result.statistics.sizeBytes < before.sizeBytes / 4)
        #expect(result.reader.check() == [])
        var reader = try backend.momentaryView.rowReader()
        #expect(try reader.value(at: Revision(main: 4000)) == "late")
        #expect(try reader.value(at: Revision(main: 2950))?.count == 500)
        #expect(try reader.value(at: Revision(main: 100)) == nil)
        var oldReader = try old.rowReader()
        #expect(try oldReader.value(at: Revision(main: 100))?.count == 500)
        result = try committer.commit([try #require(late)])
        #expect(try file.names() == ["db"])
        committer.close()
        // In the file that has the name now.
        let again = try Database.open(file.path, fileSystem: POSIXFileSystem(), options: { var o = DatabaseOptions(); o.readOnly = true; return o }())
        #expect(try again.beginRead().bucket("key")?.get(RevisionKey(Revision(main: 4000)).bytes) == "late")
    }

    @Test("after the new file has the name, an error ends the writing: nothing goes into a file without one")
    func failureAfterRenaming() throws {
        let disk = SimulatedDisk(seed: 1)
        var committer = try Committer(path: "db", fileSystem: disk, options: smallOptions())
        var backend = try Backend(reader: committer.beginRead())
        apply(1, to: &backend)
        var sealed = backend.seal()
        _ = try committer.commit([try #require(sealed)])
        // The last synchronization of a defragmentation is the directory's.
        let dry = disk.copy()
        var trial = try Committer(path: "db", fileSystem: dry, options: smallOptions())
        let before = dry.synchronizationCount
        _ = try trial.defragment()
        disk.plan(DiskFaults(failingSynchronization: disk.synchronizationCount + dry.synchronizationCount - before))
        var failures = 0
        do { _ = try committer.defragment() } catch { failures += 1 }
        apply(2, to: &backend)
        sealed = backend.seal()
        do { _ = try committer.commit([try #require(sealed)]) } catch { failures += 1 }
        #expect(failures == 2)
    }
}
