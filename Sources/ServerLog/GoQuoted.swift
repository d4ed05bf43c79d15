// Quoting as Go's %q verb does it. etcd's error sentences quote what the person typed in this form.

/// `text` between double quotes, control characters and quotes escaped as in a Go string literal.
package func goQuoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\u{07}": result += "\\a"
        case "\u{08}": result += "\\b"
        case "\u{0C}": result += "\\f"
        case "\n": result += "\\n"
        case "\r": result += "\\r"
        case "\t": result += "\\t"
        case "\u{0B}": result += "\\v"
        default:
            if scalar.value < 0x20 || scalar.value == 0x7F {
                result += "\\x" + hexadecimal(scalar.value, width: 2)
            } else if isPrintable(scalar) {
                result.unicodeScalars.append(scalar)
            } else if scalar.value < 0x10000 {
                result += "\\u" + hexadecimal(scalar.value, width: 4)
            } else {
                result += "\\U" + hexadecimal(scalar.value, width: 8)
            }
        }
    }
    return result + "\""
}

private func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    if scalar == " " { return true }
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
        .spaceSeparator:
        return false
    default:
        return true
    }
}

private func hexadecimal(_ value: UInt32, width: Int) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
