// Reads one file front to back in chunks, handing out slices: entries that are kept share the chunk they came in.

import Base
import FileIO

/// A file's bytes as slices of chunks.
struct SegmentBytes {
    /// Large enough that entries of usual size seldom straddle two chunks, small enough to be pinned by a few of them.
    private static let chunkSize = 256 << 10

    let file: any File
    let size: UInt64
    private var chunk = Bytes()
    private var chunkStart: UInt64 = 0

    init(_ file: any File) throws(WALError) {
        self.file = file
        size = try disk { () throws(FileError) in try file.size() }
    }

    /// The `count` bytes at `offset`; the caller has checked them against `size`.
    mutating func bytes(at offset: UInt64, count: Int) throws(WALError) -> Bytes {
        precondition(offset + UInt64(count) <= size)
        if offset < chunkStart || offset + UInt64(count) > chunkStart + UInt64(chunk.count) {
            let wanted = Int(min(UInt64(max(count, Self.chunkSize)), size - offset))
            let file = file
            chunk = Bytes(try disk { () throws(FileError) in try file.read(count: wanted, at: offset) })
            chunkStart = offset
            guard chunk.count >= count else {
                throw .file(FileError(operation: "read", path: file.path, number: 0, reason: "unexpected EOF"))
            }
        }
        let start = Int(offset - chunkStart)
        return chunk[start..<start + count]
    }
}
