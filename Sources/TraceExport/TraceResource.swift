// Who the spans come from: what the flags say, and what the environment says of every program that is traced.

package import Tracing

package enum TraceResource {
    /// The environment's variable for attributes, as `key=value,key=value` with percent signs before what is no plain text.
    package static let variable = "OTEL_RESOURCE_ATTRIBUTES"

    /// - Parameters:
    ///   - instance: left out if empty, since all members would have the same.
    ///   - environment: the variable's text; the flags come before it. Of what is malformed only the rest counts.
    package static func attributes(service: String, instance: String, environment: String?) -> [SpanAttribute] {
        var values: [String: String] = [:]
        for pair in (environment ?? "").split(separator: ",") {
            guard let equals = pair.firstIndex(of: "=") else { continue }
            let key = trimmed(pair[..<equals])
            guard !key.isEmpty else { continue }
            let value = trimmed(pair[pair.index(after: equals)...])
            values[key] = decoded(value) ?? value
        }
        values["service.name"] = service
        if !instance.isEmpty { values["service.instance.id"] = instance }
        return values.sorted { $0.key < $1.key }.map { SpanAttribute($0.key, $0.value) }
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return String(text)
    }

    private static func decoded(_ text: String) -> String? {
        var bytes: [UInt8] = []
        var rest = Substring(text).utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, digits.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }),
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
