// How the bytes of the fuzzer become choices and edits.

import Base

/// Takes an input apart from the front.
struct Choices {
    private var rest: Slice<UnsafeRawBufferPointer>

    init(_ bytes: UnsafeRawBufferPointer) {
        rest = bytes[...]
    }

    var isEmpty: Bool { rest.isEmpty }

    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    mutating func number(below limit: Int) -> Int {
        let value = Int(byte()) | Int(byte()) << 8 | Int(byte()) << 16
        return limit > 0 ? value % limit : 0
    }

    mutating func remaining() -> [UInt8] {
        defer { rest = rest[rest.endIndex...] }
        return [UInt8](rest)
    }
}

/// A well-formed file with a few changes: where a checksum or a structure guards a format, bytes of pure chance never
/// get past the first line of its reader.
func edited(_ original: [UInt8], by choices: inout Choices) -> [UInt8] {
    var bytes = original
    while !choices.isEmpty, !bytes.isEmpty {
        let (kind, place) = (choices.byte(), choices.number(below: bytes.count))
        switch kind % 6 {
        case 0: bytes.removeSubrange(place...)
        case 1: bytes[place] ^= 1 << (choices.byte() & 7)
        case 2:
            for offset in 0..<8 where place + offset < bytes.count { bytes[place + offset] = choices.byte() }
        case 3: bytes[place] = 0xff
        default: bytes[place] = choices.byte()
        }
    }
    return bytes
}
