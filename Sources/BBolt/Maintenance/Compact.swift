// Copying all that a state holds into another file, densely: what defragmentation does.

import Base

/// Copies every bucket and key of `source` into `target`, committing whenever about `transactionBytesMax` are waiting.
/// Pages are filled to 90 %, as they come in order.
/// - Parameter synchronizesEach: after every commit, to a target that doesn't: so that a disk that others need, too, never
///   has much to write at once.
package func compactCopy(
    from source: ReadTransaction, to target: Database, transactionBytesMax: Int = 64 << 20, synchronizesEach: Bool = false
) throws(BBoltError) {
    var copy = CompactCopy(
        target: target, transactionBytesMax: transactionBytesMax, synchronizesEach: synchronizesEach,
        transaction: try target.beginWrite())
    for name in try source.bucketNames() {
        if let bucket = try source.bucket(name) { try copy.copy(bucket, path: [name], depth: 0) }
    }
    try copy.transaction.commit()
}

private struct CompactCopy {
    let target: Database
    let transactionBytesMax: Int
    let synchronizesEach: Bool
    var transaction: WriteTransaction
    var bytes = 0

    private func bucket(at path: [Bytes]) throws(BBoltError) -> WriteBucket {
        var bucket = try transaction.createBucketIfMissing(path[0])
        for name in path.dropFirst() { bucket = try bucket.createBucketIfMissing(name) }
        bucket.fillPercent = 0.9
        return bucket
    }

    mutating func copy(_ source: ReadBucket, path: [Bytes], depth: Int) throws(BBoltError) {
        guard depth < PageLayout.depthMax else {
            throw source.transaction.source.problem(source.root.page, "buckets nest too deeply")
        }
        var output = try bucket(at: path)
        if source.sequence != 0 { output.sequence = source.sequence }
        var cursor = source.cursor()
        var found = try cursor.first()
        while found {
            let key = Bytes(copying: cursor.key)
            if cursor.isBucket {
                try copy(try cursor.bucket(), path: path + [key], depth: depth + 1)
                output = try bucket(at: path)
            } else {
                try output.put(key, Bytes(copying: cursor.value))
                bytes += key.count + cursor.value.count
                if bytes >= transactionBytesMax {
                    try transaction.commit()
                    if synchronizesEach { try target.synchronize() }
                    transaction = try target.beginWrite()
                    output = try bucket(at: path)
                    bytes = 0
                }
            }
            found = try cursor.next()
        }
    }
}
