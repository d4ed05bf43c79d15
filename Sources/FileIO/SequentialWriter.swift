// A long file that is written once, from its start to its end, without getting into others' way.
//
// Gigabytes written through the page cache leave as a burst when somebody syncs, and whoever syncs a small file on the
// same file system meanwhile (a log!) waits behind them: journals sync the data of all files in one transaction. What
// goes past the cache leaves in steps of a block and takes no memory. Where a file system can't do that, the writer
// syncs every few blocks instead.

package import Base

package struct SequentialWriter: ~Copyable {
    /// Whole pages of any system, and of the sectors that direct writes are made of.
    private static let blockBytes = 1 << 20
    private static let alignment = 4096
    /// Synced this often, so that no sync is long.
    private static let syncIntervalBytes = (direct: UInt64(64 << 20), cached: UInt64(4 << 20))

    private let file: any File
    private let block: UnsafeMutableRawBufferPointer
    private var filled = 0
    private var isDirect: Bool
    private var writtenBytes: UInt64 = 0
    private var syncedBytes: UInt64 = 0

    /// What has been appended so far.
    package var sizeBytes: UInt64 { writtenBytes + UInt64(filled) }

    /// - Parameter file: empty, open for writing, and nobody else's until `finish`.
    package init(_ file: any File) {
        self.file = file
        isDirect = file.bypassCache(true)
        block = .allocate(byteCount: Self.blockBytes, alignment: Self.alignment)
    }

    deinit { block.deallocate() }

    package mutating func append(_ bytes: Bytes) throws(FileError) {
        try bytes.withUnsafeBytes { (source) throws(FileError) in
            var rest = source[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Self.blockBytes - filled)
                UnsafeMutableRawBufferPointer(rebasing: block[filled...]).copyMemory(from: UnsafeRawBufferPointer(rebasing: piece))
                filled += piece.count
                rest = rest.dropFirst(piece.count)
                if filled == Self.blockBytes { try writeBlock() }
            }
        }
    }

    /// Writes what is left, and makes all of it durable. The file stays open, and is an ordinary one again; nothing may be appended.
    package mutating func finish() throws(FileError) {
        // A file's end is no whole sector.
        if isDirect { _ = file.bypassCache(false) }
        isDirect = false
        if filled > 0 { try writeBlock() }
        try file.synchronizeData()
    }

    private mutating func writeBlock() throws(FileError) {
        let bytes = UnsafeRawBufferPointer(rebasing: block[..<filled])
        do throws(FileError) {
            try file.write(bytes, at: writtenBytes)
        } catch where isDirect && error.isInvalidArgument {
            // It took the flag, but wants other sectors than ours.
            isDirect = file.bypassCache(false)
            try file.write(bytes, at: writtenBytes)
        }
        writtenBytes += UInt64(filled)
        filled = 0
        if writtenBytes - syncedBytes >= (isDirect ? Self.syncIntervalBytes.direct : Self.syncIntervalBytes.cached) {
            try file.synchronizeData()
            syncedBytes = writtenBytes
        }
    }
}
