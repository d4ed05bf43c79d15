// The bytes of one simulated file, sparse: a preallocated segment of 64 MB costs nothing until it is written.
//
// Invariant: bytes of a stored block at or beyond `size` are zero, so that growing needs no clean-up.

/// A file's bytes in copy-on-write blocks: the durable and the visible state share what is equal.
struct FileContents: Sendable {
    static let blockSize = 4096
    static let sectorSize = 512

    private(set) var size = 0
    private var blocks: [Int: [UInt8]] = [:]

    /// Fills `buffer` from `offset` on, as far as the file goes.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        let count = max(0, min(buffer.count, size - offset))
        var done = 0
        while done < count {
            let block = (offset + done) / Self.blockSize
            let within = (offset + done) % Self.blockSize
            let length = min(Self.blockSize - within, count - done)
            let target = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + length])
            if let bytes = blocks[block] {
                bytes.withUnsafeBytes {
                    target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[within..<within + length]))
                }
            } else {
                target.initializeMemory(as: UInt8.self, repeating: 0)
            }
            done += length
        }
        return count
    }

    /// Writes `source` at `offset`, growing the file if it ends before.
    mutating func write(_ source: UnsafeRawBufferPointer, at offset: Int) {
        var done = 0
        while done < source.count {
            let block = (offset + done) / Self.blockSize
            let within = (offset + done) % Self.blockSize
            let length = min(Self.blockSize - within, source.count - done)
            let piece = UnsafeRawBufferPointer(rebasing: source[done..<done + length])
            blocks[block, default: [UInt8](repeating: 0, count: Self.blockSize)].withUnsafeMutableBytes {
                UnsafeMutableRawBufferPointer(rebasing: $0[within..<within + length]).copyMemory(from: piece)
            }
            done += length
        }
        size = max(size, offset + source.count)
    }

    mutating func resize(to newSize: Int) {
        if newSize < size {
            let firstGone = (newSize + Self.blockSize - 1) / Self.blockSize
            blocks = blocks.filter { $0.key < firstGone }
            let within = newSize % Self.blockSize
            if within != 0, blocks[newSize / Self.blockSize] != nil {
                blocks[newSize / Self.blockSize]?.replaceSubrange(
                    within..<Self.blockSize,
                    with: repeatElement(0, count: Self.blockSize - within)
                )
            }
        }
        size = newSize
    }

    /// The sectors from `offset` on that hold stored bytes: what a truncation there takes away.
    func storedSectors(from offset: Int) -> [Int] {
        let perBlock = Self.blockSize / Self.sectorSize
        let first = offset / Self.sectorSize
        let last = (size + Self.sectorSize - 1) / Self.sectorSize
        return blocks.keys.flatMap { ($0 * perBlock)..<(($0 + 1) * perBlock) }.filter { $0 >= first && $0 < last }
    }

    /// The 512 bytes of a sector, zero beyond the end.
    func sector(_ index: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.sectorSize)
        _ = bytes.withUnsafeMutableBytes { read(into: $0, at: index * Self.sectorSize) }
        return bytes
    }

    /// Replaces a sector as far as the file goes; never grows it.
    mutating func setSector(_ index: Int, _ bytes: [UInt8]) {
        let count = min(Self.sectorSize, size - index * Self.sectorSize)
        guard count > 0 else { return }
        bytes.withUnsafeBytes { write(UnsafeRawBufferPointer(rebasing: $0[0..<count]), at: index * Self.sectorSize) }
    }

    /// Takes over whole blocks of another state of the file of the same size.
    mutating func takeBlock(_ block: Int, from other: FileContents) {
        blocks[block] = other.blocks[block]
    }
}
