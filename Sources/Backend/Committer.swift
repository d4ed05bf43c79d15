// The commit lane's side of the file: puts sealed batches into it, one write transaction for all that wait.

package import BBolt
package import Base
package import FileIO

/// What a commit leaves behind.
package struct CommitResult: Sendable {
    /// The last batch that is in the file now.
    package var through: BatchNumber
    package var consistentIndex: LogIndex
    package var reader: ReadTransaction
    package var statistics: DatabaseStatistics
}

package struct Committer: ~Copyable {
    private var database: Database
    private let path: String
    private let fileSystem: any FileSystem
    private let options: DatabaseOptions
    private var lastBatch: BatchNumber = 0
    private var lastIndex: LogIndex = 0

    /// Opens the file and makes sure that all buckets are there.
    package init(path: String, fileSystem: any FileSystem, options: DatabaseOptions = DatabaseOptions()) throws(BBoltError) {
        self.path = path
        self.fileSystem = fileSystem
        self.options = options
        let database = try Database.open(path, fileSystem: fileSystem, options: options)
        let names = try database.beginRead().bucketNames()
        if Bucket.allCases.contains(where: { !names.contains($0.name) }) {
            let transaction = try database.beginWrite()
            for bucket in Bucket.allCases { _ = try transaction.createBucketIfMissing(bucket.name) }
            try transaction.commit()
        }
        lastIndex = try StoredMeta(database.beginRead()).consistentIndex
        self.database = database
    }

    package func beginRead() -> ReadTransaction { database.beginRead() }
    package var statistics: DatabaseStatistics { database.statistics }

    /// Commits the batches; when it returns, they are durable. An error is final.
    /// - Parameter reached: called at the end of each phase of the file's commit.
    package mutating func commit(
        _ batches: [SealedBatch],
        reached: (CommitPhase) -> Void = { _ in }
    ) throws(BBoltError) -> CommitResult {
        if let last = batches.last {
            let transaction = try database.beginWrite()
            try write(batches, to: transaction)
            if last.consistentIndex > 0 {
                let meta = try transaction.createBucketIfMissing(Bucket.meta.name)
                try meta.put(MetaKey.consistentIndex, storedNumber(last.consistentIndex))
                try meta.put(MetaKey.term, storedNumber(last.term))
                lastIndex = last.consistentIndex
            }
            try transaction.commit(reached: reached)
            lastBatch = last.number
        }
        return result()
    }

    private func result() -> CommitResult {
        CommitResult(
            through: lastBatch, consistentIndex: lastIndex, reader: database.beginRead(), statistics: database.statistics)
    }

    private func write(_ batches: [SealedBatch], to transaction: WriteTransaction) throws(BBoltError) {
        if batches.contains(where: { !$0.rows.isEmpty || !$0.removed.isEmpty }) {
            let keys = try transaction.createBucketIfMissing(Bucket.key.name)
            // Revisions only grow: pages that were filled once stay as they are.
            keys.fillPercent = 0.9
            for batch in batches {
                // One array for all keys of the batch, of which each is a window.
                var storage: [UInt8] = []
                storage.reserveCapacity(batch.rows.count * (RevisionKey.size + 1))
                _ = batch.rows.forEach { row in
                    row.key.append(to: &storage)
                    return true
                }
                var offset = 0
                _ = try batch.rows.forEach { (row) throws(BBoltError) in
                    let size = row.key.isTombstone ? RevisionKey.size + 1 : RevisionKey.size
                    try keys.put(Bytes(storage: storage, lower: offset, upper: offset + size), row.value)
                    offset += size
                    return true
                }
            }
            // A row may be written and removed by compaction before it ever was in the file.
            for batch in batches {
                for key in batch.removed { try keys.delete(key.bytes) }
            }
        }
        for batch in batches {
            for change in batch.changes {
                let bucket = try transaction.createBucketIfMissing(change.bucket.name)
                if let value = change.value {
                    try bucket.put(change.key, value)
                } else {
                    try bucket.delete(change.key)
                }
            }
        }
    }

    /// Copies what is alive into a new file and puts it in the old one's place. Reads of the old file go on until their
    /// transactions end; batches that arrive meanwhile wait in front of the lane.
    package mutating func defragment() throws(BBoltError) -> CommitResult {
        let temporary = path + ".tmp.\(lastBatch)"
        do throws(FileError) {
            try fileSystem.removeTree(temporary)
        } catch {
            throw .file(error)
        }
        do throws(BBoltError) {
            try writeCopy(to: temporary)
        } catch {
            try? fileSystem.removeTree(temporary)
            throw error
        }
        do throws(FileError) {
            try fileSystem.rename(temporary, to: path)
        } catch {
            try? fileSystem.removeTree(temporary)
            throw .file(error)
        }
        // From here on `database` is a file without a name: what it took would be lost. On an error it takes no more.
        do throws(BBoltError) {
            do throws(FileError) {
                try fileSystem.syncDirectory(parentDirectory(of: path))
            } catch {
                throw .file(error)
            }
            let old = database
            database = try Database.open(path, fileSystem: fileSystem, options: options)
            old.close()
        } catch {
            database.close()
            throw error
        }
        return result()
    }

    /// What a dense copy may leave for the disk to write at once: the log's syncs, which clients wait for, queue behind it.
    private static let copyStepBytes = 4 << 20

    /// A function of its own, so that the copy is gone when it returns: as long as a mapping of it is left, so is its
    /// lock, closed or not, and the file could not be opened again.
    private func writeCopy(to temporary: String) throws(BBoltError) {
        var copyOptions = options
        copyOptions.noSync = true
        copyOptions.locksMemory = false
        let copy = try Database.open(temporary, fileSystem: fileSystem, options: copyOptions)
        defer { copy.close() }
        try compactCopy(
            from: database.beginRead(), to: copy, transactionBytesMax: Self.copyStepBytes, synchronizesEach: true)
        try copy.synchronize()
    }

    package consuming func close() {
        database.close()
    }
}
