// Texts as Go's libraries print them, which scripts around etcdctl have come to expect.

import CommandLineKit
import FoundationEssentials
import SwiftProtobuf

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// An id as sixteen hexadecimal digits at least, zeros or blanks in front.
func hex(_ number: UInt64, width: Int = 0, pad: String = "0") -> String {
    let digits = String(number, radix: 16)
    return String(repeating: pad, count: max(0, width - digits.count)) + digits
}

func leaseText(_ id: Int64) -> String { hex(UInt64(bitPattern: id), width: 16) }

/// A size in decimal units, as `endpoint status` shows it.
func humanSize(_ bytes: Int64) -> String {
    guard bytes >= 10 else { return "\(bytes) B" }
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
    let power = min(units.count - 1, Int((log(Double(bytes)) / log(1000)).rounded(.down)))
    let value = (Double(bytes) / pow(1000, Double(power)) * 10 + 0.5).rounded(.down) / 10
    return "\(GoNumber.fixed(value, places: value < 10 ? 1 : 0)) \(units[power])"
}

/// A duration as Go prints it: 1m2.5s, 12.3ms, 4µs.
func goText(_ duration: Duration) -> String {
    if duration < .zero { return "-" + goText(.zero - duration) }
    let (seconds, attoseconds) = duration.components
    let nanoseconds = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    if nanoseconds == 0 { return "0s" }
    func trimmed(_ whole: Int64, _ part: Int64, _ digits: Int) -> String {
        var text = String(part)
        text = String(repeating: "0", count: digits - text.count) + text
        while text.hasSuffix("0") { text.removeLast() }
        return text.isEmpty ? "\(whole)" : "\(whole).\(text)"
    }
    if nanoseconds < 1000 { return "\(nanoseconds)ns" }
    if nanoseconds < 1_000_000 { return trimmed(nanoseconds / 1000, nanoseconds % 1000, 3) + "µs" }
    if nanoseconds < 1_000_000_000 { return trimmed(nanoseconds / 1_000_000, nanoseconds % 1_000_000, 6) + "ms" }
    let rest = nanoseconds % 60_000_000_000
    var text = trimmed(rest / 1_000_000_000, rest % 1_000_000_000, 9) + "s"
    let minutes = nanoseconds / 60_000_000_000
    if minutes > 0 { text = "\(minutes % 60)m" + text }
    if minutes >= 60 { text = "\(minutes / 60)h" + text }
    return text
}

extension Data {
    /// What a word of the command line or of a line of input stands for.
    init(word: String) { self.init(word.rawBytes) }
}

/// Bytes as `\x61\x62`.
func hexText(_ data: Data) -> [UInt8] {
    Array(data.map { "\\x" + hex(UInt64($0), width: 2) }.joined().utf8)
}

/// A JSON string with Go's escapes.
func jsonText(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": out += "\\\""
        case "\\": out += "\\\\"
        case "\n": out += "\\n"
        case "\r": out += "\\r"
        case "\t": out += "\\t"
        case "<", ">", "&", "\u{2028}", "\u{2029}": out += "\\u" + hex(UInt64(scalar.value), width: 4)
        case _ where scalar.value < 0x20: out += "\\u" + hex(UInt64(scalar.value), width: 4)
        default: out.unicodeScalars.append(scalar)
        }
    }
    return out + "\""
}

/// A message as Go's encoding/json prints its struct: names of the proto, numbers as numbers, zeros left out.
func json(_ message: some SwiftProtobuf.Message) throws -> String {
    var options = JSONEncodingOptions()
    options.alwaysPrintInt64sAsNumbers = true
    options.alwaysPrintEnumsAsInts = true
    options.preserveProtoFieldNames = true
    let text = try message.jsonString(options: options)
    // The three signs stand in strings only; Go writes them as escapes.
    return text.replacing("<", with: "\\u003c").replacing(">", with: "\\u003e")
        .replacing("&", with: "\\u0026")
}

/// The text without white space at its ends.
func trimmed(_ text: some StringProtocol) -> String {
    let front = text.drop(while: \.isWhitespace)
    return front.lastIndex { !$0.isWhitespace }.map { String(front[...$0]) } ?? ""
}

/// A table in a frame of lines.
func table(_ header: [String], _ rows: [[String]]) -> String {
    let titles = header.map { $0.uppercased().replacing("_", with: " ") }
    let widths = titles.indices.map { column in
        max(titles[column].count, rows.map { $0[column].count }.max() ?? 0)
    }
    func line(_ left: String, _ middle: String, _ right: String) -> String {
        left + widths.map { String(repeating: "─", count: $0 + 2) }.joined(separator: middle) + right + "\n"
    }
    func blanks(_ count: Int) -> String { String(repeating: " ", count: count) }
    let head = zip(titles, widths).map { title, width -> String in
        let free = width - title.count
        return " " + blanks(free / 2) + title + blanks(free - free / 2) + " "
    }
    var text = line("┌", "┬", "┐") + "│" + head.joined(separator: "│") + "│\n"
    if !rows.isEmpty { text += line("├", "┼", "┤") }
    for row in rows {
        text += "│" + zip(row, widths).map { " " + blanks($1 - $0.count) + $0 + " " }.joined(separator: "│") + "│\n"
    }
    return text + line("└", "┴", "┘")
}
