// The numbers of the bbolt file format (github.com/etcd-io/bbolt, version 2 of the format). Little endian throughout.

import Base

typealias PageID = UInt64
typealias TransactionID = UInt64

enum PageLayout {
    /// Of a page: id u64, flags u16, count u16, overflow u32.
    static let headerSize = 16
    /// Of an element in a branch (pos u32, ksize u32, pgid u64) and in a leaf (flags, pos, ksize, vsize, u32 each).
    static let elementSize = 16
    /// Of a bucket's value: root page u64, sequence u64. An inline bucket's page follows.
    static let bucketHeaderSize = 16
    static let metaSize = 64

    static let branchFlag: UInt16 = 0x01
    static let leafFlag: UInt16 = 0x02
    static let metaFlag: UInt16 = 0x04
    static let freelistFlag: UInt16 = 0x10
    /// On a leaf's element: the value is a bucket.
    static let bucketElementFlag: UInt32 = 0x01

    /// A freelist page's count that says the real one is the first number of its body.
    static let manyFreePages: UInt16 = 0xFFFF
    /// Sizes of keys and values, as bbolt limits them.
    static let keySizeMax = 32768
    static let valueSizeMax = (1 << 31) - 2
    /// A node must keep this many keys to be split off.
    static let keysPerPageMin = 2
    /// Deeper than any tree of a 2^63-byte file with two keys a page: a cycle.
    static let depthMax = 64
    static let fillPercentDefault = 0.5
}

/// Little-endian numbers at a byte offset, which need not be aligned.
extension UnsafeRawBufferPointer {
    @inline(__always)
    func number<T: FixedWidthInteger>(_ offset: Int, as type: T.Type = T.self) -> T {
        T(littleEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
    }
}

extension Array where Element == UInt8 {
    @inline(__always)
    mutating func store<T: FixedWidthInteger>(_ value: T, at offset: Int) {
        precondition(offset + MemoryLayout<T>.size <= count)
        withUnsafeMutableBytes { $0.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self) }
    }
}
