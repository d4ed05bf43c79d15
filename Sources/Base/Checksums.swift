// The checksums of etcd's formats: CRC-32C (WAL, snapshots, HashKV) and FNV-1a (bbolt's meta pages).

import CChecksum

/// CRC-32C (Castagnoli), updated piece by piece. The value of an empty input is 0.
package struct CRC32C: Sendable, Equatable {
    /// The checksum of everything fed so far.
    package private(set) var value: UInt32

    /// Continues from `value`, the finished checksum of what came before.
    package init(_ value: UInt32 = 0) {
        self.value = value
    }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        value = cchecksum_crc32c(value, base, bytes.count)
    }

    package mutating func update(_ bytes: Bytes) {
        bytes.withUnsafeBytes { update($0) }
    }

    package static func checksum(_ bytes: Bytes) -> UInt32 {
        var crc = CRC32C()
        crc.update(bytes)
        return crc.value
    }
}

/// FNV-1a, 64 bits wide.
package func fnv1a64(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes {
        hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
    }
    return hash
}
