// Lines of words and quotes, as transactions and interactive watches are typed: the reverse of Go's %q.

/// A quote whose inside is none.
package struct QuotedTextError: Error, Equatable, CustomStringConvertible {
    package let description = "invalid syntax"
}

package enum QuotedText {
    /// The words of a line: double quotes with escapes, single quotes as they are, anything else up to the next blank.
    /// A quote that is never closed is left out.
    package static func words(_ line: String) throws(QuotedTextError) -> [String] {
        var words: [String] = []
        var rest = line.rawBytes[...]
        while let byte = rest.first {
            if isBlank(byte) {
                rest.removeFirst()
            } else if byte == UInt8(ascii: "\"") {
                guard let end = closing(rest) else {
                    rest.removeFirst()
                    continue
                }
                guard let (bytes, _) = unquote(rest[...end]) else { throw QuotedTextError() }
                words.append(String(rawBytes: bytes))
                rest = rest[(end + 1)...]
            } else if byte == UInt8(ascii: "'") {
                guard let end = rest.dropFirst().firstIndex(of: byte) else {
                    rest.removeFirst()
                    continue
                }
                words.append(String(rawBytes: rest[(rest.startIndex + 1)..<end]))
                rest = rest[(end + 1)...]
            } else {
                let word = rest.prefix { !isBlank($0) }
                words.append(String(rawBytes: word))
                rest = rest.dropFirst(word.count)
            }
        }
        return words
    }

    /// The string that stands quoted at the beginning, in double quotes with escapes or in back quotes, and what follows it.
    /// - Returns: nil if there is none, or if it is malformed.
    package static func unquote(_ bytes: ArraySlice<UInt8>) -> (text: [UInt8], rest: ArraySlice<UInt8>)? {
        var rest = bytes
        switch rest.popFirst() {
        case UInt8(ascii: "`"):
            guard let end = rest.firstIndex(of: UInt8(ascii: "`")) else { return nil }
            return (Array(rest[..<end]), rest[(end + 1)...])
        case UInt8(ascii: "\""): break
        default: return nil
        }
        var out: [UInt8] = []
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return (out, rest)
            case UInt8(ascii: "\n"): return nil
            case UInt8(ascii: "\\"):
                guard let bytes = escape(&rest) else { return nil }
                out += bytes
            default: out.append(byte)
            }
        }
        return nil
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (9...13).contains(byte) && byte != 11 }

    /// Where the double quote at the beginning ends.
    private static func closing(_ bytes: ArraySlice<UInt8>) -> Int? {
        var index = bytes.startIndex + 1
        while index < bytes.endIndex {
            if bytes[index] == UInt8(ascii: "\"") { return index }
            index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        return nil
    }

    /// What follows a backslash.
    private static func escape(_ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
        func number(_ digits: Int, base: Int) -> UInt32? {
            let text = rest.prefix(digits)
            guard text.count == digits,
                text.allSatisfy({ UInt8($0) != UInt8(ascii: "+") && UInt8($0) != UInt8(ascii: "-") }),
                let value = UInt32(String(decoding: text, as: UTF8.self), radix: base)
            else { return nil }
            rest = rest.dropFirst(digits)
            return value
        }
        guard let kind = rest.first else { return nil }
        if (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(kind) {
            return number(3, base: 8).flatMap { $0 < 256 ? [UInt8($0)] : nil }
        }
        rest.removeFirst()
        switch kind {
        case UInt8(ascii: "a"): return [7]
        case UInt8(ascii: "b"): return [8]
        case UInt8(ascii: "f"): return [12]
        case UInt8(ascii: "n"): return [10]
        case UInt8(ascii: "r"): return [13]
        case UInt8(ascii: "t"): return [9]
        case UInt8(ascii: "v"): return [11]
        case UInt8(ascii: "\\"), UInt8(ascii: "\""): return [kind]
        case UInt8(ascii: "x"): return number(2, base: 16).map { [UInt8(truncatingIfNeeded: $0)] }
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            guard let scalar = number(kind == UInt8(ascii: "u") ? 4 : 8, base: 16).flatMap(Unicode.Scalar.init) else {
                return nil
            }
            return UTF8.encode(scalar).map { Array($0) }
        default: return nil
        }
    }
}
