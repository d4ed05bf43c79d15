// Bytes of a stream that have come and are not used yet.

import Base

/// Why a stream is given up.
package enum PeerStreamError: Error, Sendable, Hashable {
    /// An item longer than any that a member sends.
    case tooLong(UInt64)
    /// A msgappv2 item of a type that does not exist.
    case unknownType(UInt8)
    case undecodable
}

extension PeerStreamError: CustomStringConvertible {
    package var description: String {
        switch self {
        // etcd's two sentences.
        case .tooLong: "rafthttp: error limit exceeded"
        case .unknownType(let type): "failed to parse type \(type) in msgappv2 stream"
        case .undecodable: "malformed message in a peer stream"
        }
    }
}

/// The limit on one item, in bytes: etcd's `readBytesLimit`.
package let peerStreamItemSizeMax: UInt64 = 512 << 20

struct StreamBuffer: Sendable {
    /// What has been used is cut off once it is this much, and at least half.
    private static let cutSize = 64 << 10

    private var array: [UInt8] = []
    private var used = 0

    var count: Int { array.count - used }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if used == array.count {
            array.removeAll(keepingCapacity: array.count <= Self.cutSize)
            used = 0
        } else if used >= Self.cutSize && used >= count {
            array.removeSubrange(0..<used)
            used = 0
        }
        array.append(contentsOf: bytes)
    }

    /// The next byte; nil if it has not come yet.
    mutating func takeByte() -> UInt8? {
        guard count >= 1 else { return nil }
        defer { used += 1 }
        return array[used]
    }

    /// The next eight bytes as a number, high byte first.
    mutating func takeNumber() -> UInt64? {
        guard count >= 8 else { return nil }
        defer { used += 8 }
        return array.withUnsafeBytes {
            UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: used, as: UInt64.self))
        }
    }

    /// The next bytes in an array of their own: entries outlive the buffer.
    mutating func take(_ length: Int) -> Bytes? {
        guard count >= length else { return nil }
        defer { used += length }
        return Bytes(Array(array[used..<used + length]))
    }

    /// A length and that many bytes; nil until both are there.
    mutating func takeItem() throws(PeerStreamError) -> Bytes? {
        guard count >= 8 else { return nil }
        let start = used
        guard let length = takeNumber() else { return nil }
        if length > peerStreamItemSizeMax { throw .tooLong(length) }
        if let item = take(Int(length)) { return item }
        used = start
        return nil
    }
}
