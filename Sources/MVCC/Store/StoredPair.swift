// The parts of an encoded `KeyValue`, found without copying: rows are read far more often than they are understood.

import Base

/// Windows on an encoded `mvccpb.KeyValue`; valid as long as its bytes are.
struct StoredPair {
    let key: UnsafeRawBufferPointer
    let value: UnsafeRawBufferPointer
    let createRevision: Int64
    let modRevision: Int64
    let version: Int64
    let lease: LeaseID

    /// Nil where the bytes are no such message.
    init?(_ bytes: UnsafeRawBufferPointer) {
        // Everything is gathered in locals and stored at the end: Swift 6.3.1 with -O loses stores to properties of two
        // words that are made within this loop, so that keys came out empty. `RestoreTests` holds it to that in release.
        let empty = UnsafeRawBufferPointer(start: nil, count: 0)
        var (key, value) = (empty, empty)
        var (createRevision, modRevision, version, lease): (Int64, Int64, Int64, LeaseID) = (0, 0, 0, 0)
        var position = 0
        while position < bytes.count {
            guard let tag = Self.varint(bytes, &position) else { return nil }
            switch tag & 7 {
            case 0:
                guard let number = Self.varint(bytes, &position) else { return nil }
                switch tag >> 3 {
                case 2: createRevision = Int64(bitPattern: number)
                case 3: modRevision = Int64(bitPattern: number)
                case 4: version = Int64(bitPattern: number)
                case 6: lease = Int64(bitPattern: number)
                default: break
                }
            case 2:
                guard let length = Self.varint(bytes, &position), length <= UInt64(bytes.count - position) else { return nil }
                let slice = UnsafeRawBufferPointer(rebasing: bytes[position..<position + Int(length)])
                position += Int(length)
                switch tag >> 3 {
                case 1: key = slice
                case 5: value = slice
                default: break
                }
            case 1:
                guard bytes.count - position >= 8 else { return nil }
                position += 8
            case 5:
                guard bytes.count - position >= 4 else { return nil }
                position += 4
            default:
                return nil
            }
        }
        self.key = key
        self.value = value
        self.createRevision = createRevision
        self.modRevision = modRevision
        self.version = version
        self.lease = lease
    }

    private static func varint(_ bytes: UnsafeRawBufferPointer, _ position: inout Int) -> UInt64? {
        var (result, shift): (UInt64, UInt64) = (0, 0)
        while position < bytes.count, shift < 64 {
            let byte = bytes[position]
            position += 1
            result |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return result }
            shift += 7
        }
        return nil
    }
}
