// Text whose bytes are kept, UTF-8 or not: keys and values are bytes, and a command line must not change them.

/// Bytes that are no UTF-8 travel as private characters of plane 16, each as one; bytes that would spell such a
/// character travel the same way, so that every sequence of bytes has exactly one text, and comes back whole.
private enum Carrier {
    static let first: UInt32 = 0x10FE80
    static let last: UInt32 = 0x10FEFF

    static func scalar(for byte: UInt8) -> Unicode.Scalar? { Unicode.Scalar(first + UInt32(byte) - 0x80) }

    static func byte(of scalar: Unicode.Scalar) -> UInt8? {
        (first...last).contains(scalar.value) ? UInt8(scalar.value - first + 0x80) : nil
    }
}

extension String {
    /// A text that stands for the bytes, whatever they are; `rawBytes` has them again.
    package init(rawBytes bytes: some Collection<UInt8>) {
        if let whole = String(validating: bytes, as: UTF8.self),
            !whole.unicodeScalars.contains(where: { Carrier.byte(of: $0) != nil })
        {
            self = whole
            return
        }
        var text = UnicodeScalarView()
        var rest = Array(bytes)[...]
        while let byte = rest.first {
            let width = byte < 0x80 ? 1 : byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2
            if rest.count >= width, let piece = String(validating: rest.prefix(width), as: UTF8.self),
                piece.unicodeScalars.count == 1, let scalar = piece.unicodeScalars.first,
                Carrier.byte(of: scalar) == nil
            {
                text.append(scalar)
                rest = rest.dropFirst(width)
            } else {
                if let scalar = Carrier.scalar(for: byte) { text.append(scalar) }
                rest = rest.dropFirst()
            }
        }
        self = String(text)
    }

    /// The bytes that the text stands for; of ordinary text, its UTF-8.
    package var rawBytes: [UInt8] {
        guard unicodeScalars.contains(where: { Carrier.byte(of: $0) != nil }) else { return Array(utf8) }
        var bytes: [UInt8] = []
        for scalar in unicodeScalars {
            if let byte = Carrier.byte(of: scalar) {
                bytes.append(byte)
            } else {
                bytes += UTF8.encode(scalar).map { Array($0) } ?? []
            }
        }
        return bytes
    }
}
