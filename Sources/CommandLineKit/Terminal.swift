// Standard output, error and input, unbuffered, and Go's ways of quoting text that etcd's tools print in.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

package enum Terminal {
    package static func out(_ text: String) { write(text.rawBytes, to: 1) }
    package static func out(bytes: [UInt8]) { write(bytes, to: 1) }
    package static func error(_ text: String) { write(text.rawBytes, to: 2) }
    package static var isErrorTerminal: Bool { isatty(2) == 1 }
    package static var isInputTerminal: Bool { isatty(0) == 1 }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var start = 0
        while start < bytes.count {
            let count = bytes[start...].withUnsafeBytes { unsafe_write(descriptor, $0) }
            if count <= 0 {
                // Whoever read us has gone: nothing is left to say to them.
                if errno == EINTR { continue }
                return
            }
            start += count
        }
    }

    private static func unsafe_write(_ descriptor: Int32, _ buffer: UnsafeRawBufferPointer) -> Int {
        #if canImport(Glibc)
        Glibc.write(descriptor, buffer.baseAddress, buffer.count)
        #else
        Musl.write(descriptor, buffer.baseAddress, buffer.count)
        #endif
    }

    /// All of standard input.
    package static func readAll() -> [UInt8] {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = chunk.withUnsafeMutableBytes { read(0, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return all }
            all += chunk[..<count]
        }
    }

    /// The next line of standard input, without its end; nil when there is none. Not a byte more is taken.
    /// - Parameter unfinished: whether what stands before the end of input counts though no line's end follows.
    package static func readLine(unfinished: Bool = true) -> String? {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while true {
            let count = read(0, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return unfinished && !line.isEmpty ? String(rawBytes: line) : nil }
            if byte == UInt8(ascii: "\n") { return String(rawBytes: line) }
            line.append(byte)
        }
    }

    /// Asks with the echo off, on standard output as Go's tools do; empty at the end of input.
    package static func readSecret(_ prompt: String) -> String {
        out(prompt)
        var before = termios()
        let hides = isInputTerminal && tcgetattr(0, &before) == 0
        if hides {
            var quiet = before
            quiet.c_lflag &= ~tcflag_t(ECHO)
            tcsetattr(0, TCSANOW, &quiet)
        }
        defer {
            if hides { tcsetattr(0, TCSANOW, &before) }
            out("\n")
        }
        return readLine() ?? ""
    }
}

extension Collection<UInt8> {
    /// In double quotes as Go's %q writes it.
    package var quoted: String {
        var text = "\""
        var rest = Array(self)[...]
        while let byte = rest.first {
            switch byte {
            case UInt8(ascii: "\""): text += "\\\""
            case UInt8(ascii: "\\"): text += "\\\\"
            case 7: text += "\\a"
            case 8: text += "\\b"
            case 12: text += "\\f"
            case 10: text += "\\n"
            case 13: text += "\\r"
            case 9: text += "\\t"
            case 11: text += "\\v"
            case 0..<0x20, 0x7F: text += "\\x" + Self.hex(byte)
            case 0x20..<0x7F: text.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let width = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2
                if let scalar = String(validating: rest.prefix(width), as: UTF8.self)?.unicodeScalars.first,
                    rest.count >= width
                {
                    if isPrintable(scalar) {
                        text.unicodeScalars.append(scalar)
                    } else {
                        let digits = String(scalar.value, radix: 16), length = scalar.value > 0xFFFF ? 8 : 4
                        text +=
                            (length == 8 ? "\\U" : "\\u") + String(repeating: "0", count: length - digits.count)
                            + digits
                    }
                    rest = rest.dropFirst(width)
                    continue
                }
                text += "\\x" + Self.hex(byte)
            }
            rest = rest.dropFirst()
        }
        return text + "\""
    }

    /// Letters, marks, numbers, punctuation and signs; of blanks only the plain one, which is ASCII.
    private func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            false
        default: true
        }
    }

    private static func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
}

extension String {
    package var quoted: String { rawBytes.quoted }
}
