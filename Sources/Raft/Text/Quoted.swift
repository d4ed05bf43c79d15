// Bytes between double quotes, as Go's %q writes them: text as it is, the rest escaped.

package import Base

package func quoted(_ bytes: Bytes) -> String {
    var text = "\""
    var rest = bytes.array[...]
    while let first = rest.first {
        if first < 0x80 {
            rest.removeFirst()
            text += escaped(ascii: first)
            continue
        }
        // The longest prefix that is one character of UTF-8; bytes that begin none are written as they are.
        var length = 0
        for candidate in 2...4 where candidate <= rest.count && length == 0 {
            if String(validating: rest.prefix(candidate), as: UTF8.self) != nil { length = candidate }
        }
        guard length > 0, let scalar = String(decoding: rest.prefix(length), as: UTF8.self).unicodeScalars.first else {
            rest.removeFirst()
            text += "\\x" + padded(UInt32(first), 2)
            continue
        }
        rest.removeFirst(length)
        if isPrintable(scalar) {
            text.unicodeScalars.append(scalar)
        } else if scalar.value < 0x10000 {
            text += "\\u" + padded(scalar.value, 4)
        } else {
            text += "\\U" + padded(scalar.value, 8)
        }
    }
    return text + "\""
}

private func escaped(ascii byte: UInt8) -> String {
    switch byte {
    case 0x07: "\\a"
    case 0x08: "\\b"
    case 0x09: "\\t"
    case 0x0a: "\\n"
    case 0x0b: "\\v"
    case 0x0c: "\\f"
    case 0x0d: "\\r"
    case UInt8(ascii: "\""): "\\\""
    case UInt8(ascii: "\\"): "\\\\"
    case 0x20..<0x7f: String(UnicodeScalar(byte))
    default: "\\x" + padded(UInt32(byte), 2)
    }
}

private func padded(_ value: UInt32, _ width: Int) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}

private func isPrintable(_ scalar: UnicodeScalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .spaceSeparator, .lineSeparator,
        .paragraphSeparator:
        false
    default: true
    }
}
