// Makes the end of a log fit to be appended to.
//
// Behind the last good frame there must be zeroes only: frames are recognised as torn by the zeroes they did not fill,
// and old bytes that a new frame only half covers would read as damage.

import Base
import FileIO

enum WALRepair {
    /// Pieces in which files are copied and cleared.
    private static let pieceSize = 1 << 20

    /// Copies a segment beside itself before it is cut, as etcd's repair does. Durable when this returns.
    static func copyBroken(_ segment: OpenSegment, in fileSystem: any FileSystem) throws(FileError) -> String {
        let path = segment.path + WALFormat.brokenSuffix
        let copy = try fileSystem.open(
            path,
            OpenOptions(write: true, create: true, truncate: true, mode: WALFormat.fileMode)
        )
        defer { copy.close() }
        let size = try segment.file.size()
        try copy.truncate(to: size)
        try eachPieceInUse(of: segment.file, from: 0, size) { (offset, piece) throws(FileError) in
            try copy.write(piece, at: offset)
        }
        try copy.synchronizeData()
        try fileSystem.syncDirectory(parentDirectory(of: path))
        return path
    }

    /// Overwrites what is not zero from `offset` to the end. The disk blocks stay reserved.
    static func clear(_ file: any File, from offset: UInt64) throws(FileError) {
        var cleared = false
        try eachPieceInUse(of: file, from: offset, try file.size()) { (offset, piece) throws(FileError) in
            try file.write(Bytes([UInt8](repeating: 0, count: piece.count)), at: offset)
            cleared = true
        }
        if cleared { try file.synchronizeData() }
    }

    private static func eachPieceInUse(
        of file: any File,
        from start: UInt64,
        _ end: UInt64,
        _ body: (UInt64, Bytes) throws(FileError) -> Void
    ) throws(FileError) {
        var buffer = [UInt8](repeating: 0, count: pieceSize)
        var offset = start
        while offset < end {
            let wanted = Int(min(UInt64(pieceSize), end - offset))
            var failure: FileError?
            let count = buffer.withUnsafeMutableBytes { bytes -> Int in
                do throws(FileError) {
                    return try file.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[0..<wanted]), at: offset)
                } catch {
                    failure = error
                    return 0
                }
            }
            if let failure { throw failure }
            if count == 0 { return }
            if !buffer.withUnsafeBytes({ isZero(UnsafeRawBufferPointer(rebasing: $0[0..<count])) }) {
                try body(offset, Bytes(Array(buffer[0..<count])))
            }
            offset += UInt64(count)
        }
    }
}
