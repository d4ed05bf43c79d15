// How keys and values of a database are shown.

import CommandLineKit
import Crypto

enum ByteFormat: String {
    case auto, ascii = "ascii-encoded", hex, bytes, redacted

    static let names = "auto|ascii-encoded|hex|bytes|redacted"

    init(_ name: String) throws(CommandExit) {
        guard let format = ByteFormat(rawValue: name) else { throw failure("formatBytes: unsupported format: \(name)") }
        self = format
    }

    func text(_ bytes: [UInt8]) -> [UInt8] {
        switch self {
        case .auto: Self.isPrintable(bytes) ? bytes : Array(Self.hex(bytes).utf8)
        case .ascii: Array(bytes.quoted.utf8)
        case .hex: Array(Self.hex(bytes).utf8)
        case .bytes: bytes
        case .redacted: Array("<redacted len:\(bytes.count) sha256:\(Self.hex(Array(SHA256.hash(data: bytes))))>".utf8)
        }
    }

    static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    static func isPrintable(_ bytes: [UInt8]) -> Bool {
        guard let text = String(validating: bytes, as: UTF8.self) else { return false }
        return text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
            case .spaceSeparator: scalar == " "
            default: true
            }
        }
    }

    /// The bytes that an argument means.
    static func parsed(_ text: String, _ format: String) throws(CommandExit) -> [UInt8] {
        switch format {
        case "ascii-encoded": return Array(text.utf8)
        case "hex":
            let digits = Array(text.utf8)
            guard digits.count.isMultiple(of: 2) else { throw failure("encoding/hex: odd length hex string") }
            var bytes: [UInt8] = []
            for start in stride(from: 0, to: digits.count, by: 2) {
                guard let high = Character(Unicode.Scalar(digits[start])).hexDigitValue,
                    let low = Character(Unicode.Scalar(digits[start + 1])).hexDigitValue
                else { throw failure("encoding/hex: invalid byte in \(text.quoted)") }
                bytes.append(UInt8(high << 4 | low))
            }
            return bytes
        default: throw failure("parseBytes: unsupported format: \(format)")
        }
    }
}
