// Requests as etcd's log shows them: protobuf's text, with the sizes of values in the place of values, and without
// passwords and tokens. People search logs for these lines, and programs read them.
//
// There are two kinds of text, as two of Go's libraries write them: what shows sizes has a space behind each field and
// octal escapes, everything else has spaces between fields, braces and hexadecimal escapes.

import Base
import SwiftProtobuf

/// Texts of requests for log lines.
package enum RequestText {
    package static func range(_ request: RangeRequest) -> String {
        var text = CompactText(.plain)
        text.bytes("key", request.key)
        text.bytes("range_end", request.rangeEnd)
        text.number("limit", request.limit)
        text.number("revision", request.revision)
        text.name("sort_order", request.sortOrder.rawValue, ["NONE", "ASCEND", "DESCEND"])
        text.name("sort_target", request.sortTarget.rawValue, ["KEY", "VERSION", "CREATE", "MOD", "VALUE"])
        text.flag("serializable", request.serializable)
        text.flag("keys_only", request.keysOnly)
        text.flag("count_only", request.countOnly)
        text.number("min_mod_revision", request.minModRevision)
        text.number("max_mod_revision", request.maxModRevision)
        text.number("min_create_revision", request.minCreateRevision)
        text.number("max_create_revision", request.maxCreateRevision)
        return text.text
    }

    package static func put(_ request: PutRequest) -> String {
        var text = CompactText(.sized)
        text.bytes("key", request.key)
        text.number("value_size", Int64(request.value.count))
        text.number("lease", request.lease)
        text.flag("prev_kv", request.prevKV)
        text.flag("ignore_value", request.ignoreValue)
        text.flag("ignore_lease", request.ignoreLease)
        return text.text
    }

    package static func deleteRange(_ request: DeleteRangeRequest) -> String {
        var text = CompactText(.plain)
        text.bytes("key", request.key)
        text.bytes("range_end", request.rangeEnd)
        text.flag("prev_kv", request.prevKV)
        return text.text
    }

    package static func txn(_ request: TxnRequest) -> String {
        let compares = request.compare.map(compare).joined(separator: " ")
        let success = request.success.map(operation).joined(separator: " ")
        let failure = request.failure.map(operation).joined(separator: " ")
        return "compare:<\(compares)> success:<\(success)> failure:<\(failure)>"
    }

    private static func compare(_ compare: Compare) -> String {
        var isValue = false
        if case .value? = compare.targetUnion { isValue = true }
        var text = CompactText(isValue ? .sized : .plain)
        text.name("result", compare.result.rawValue, ["EQUAL", "GREATER", "LESS", "NOT_EQUAL"])
        text.name("target", compare.target.rawValue, ["VERSION", "CREATE", "MOD", "VALUE", "LEASE"])
        text.bytes("key", compare.key)
        switch compare.targetUnion {
        case .version(let value): text.always("version", "\(value)")
        case .createRevision(let value): text.always("create_revision", "\(value)")
        case .modRevision(let value): text.always("mod_revision", "\(value)")
        case .value(let value): text.always("value_size", "\(value.count)")
        case .lease(let value): text.always("lease", "\(value)")
        case nil: break
        }
        text.bytes("range_end", compare.rangeEnd)
        return text.text
    }

    private static func operation(_ operation: RequestOp) -> String {
        switch operation {
        case .none: ""
        case .range(let request): "request_range:{\(range(request))}"
        case .put(let request): "request_put:<\(put(request))>"
        case .deleteRange(let request): "request_delete_range:{\(deleteRange(request))}"
        case .txn(let request): "request_txn:<\(txn(request))>"
        }
    }

    /// What a log entry asks for, and on whose behalf.
    package static func entry(_ request: InternalRaftRequest) -> String {
        var header = CompactText(.plain)
        header.unsigned("ID", request.header?.id ?? request.legacyID)
        header.string("username", request.header?.username ?? "")
        header.unsigned("auth_revision", request.header?.authRevision ?? 0)
        let (text, isRedacted) = body(request.body)
        if isRedacted { return "header:<\(header.text)> \(text)" }
        return "header:{\(header.text)}" + (text.isEmpty ? "" : " \(text)")
    }

    /// - Returns: whether something is left out of the text, too.
    private static func body(_ body: InternalRaftRequest.Body) -> (text: String, isRedacted: Bool) {
        switch body {
        case .none: return ("", false)
        case .range(let request): return ("range:{\(range(request))}", false)
        case .put(let request): return ("put:<\(put(request))>", true)
        case .deleteRange(let request): return ("delete_range:{\(deleteRange(request))}", false)
        case .txn(let request): return ("txn:<\(txn(request))>", true)
        case .leaseGrant(let request):
            return ("lease_grant:<ttl:\(request.ttl)-second id:\(leaseText(request.id))>", true)
        case .leaseRevoke(let request): return ("lease_revoke:<id:\(leaseText(request.id))>", true)
        case .encoded(let kind, _):
            let bytes = InternalRaftRequest(body: body).encoded()
            switch kind {
            case .put, .txn, .range, .deleteRange, .leaseGrant, .leaseRevoke:
                return (try? InternalRaftRequest(decoding: bytes)).map { self.body($0.body) } ?? ("", false)
            default: return rare(bytes)
            }
        default: return rare(InternalRaftRequest(body: body).encoded())
        }
    }

    /// Of a request, without its header, that the generated messages read; passwords stay out.
    private static func rare(_ bytes: Bytes) -> (text: String, isRedacted: Bool) {
        guard let request = try? Etcdserverpb_InternalRaftRequest(decoding: bytes) else { return ("", false) }
        if request.hasAuthenticate { return ("authenticate:<name:\(request.authenticate.name)>", true) }
        if request.hasAuthUserAdd { return ("auth_user_add:<name:\(request.authUserAdd.name)>", true) }
        if request.hasAuthUserChangePassword {
            return ("auth_user_change_password:<name:\(request.authUserChangePassword.name)>", true)
        }
        return (compact(request), false)
    }

    private static func leaseText(_ id: LeaseID) -> String {
        let digits = String(UInt64(bitPattern: id), radix: 16)
        return String(repeating: "0", count: max(0, 16 - digits.count)) + digits
    }

    /// The library's text, which has a line for each field, in one line as Go writes it.
    private static func compact(_ message: some SwiftProtobuf.Message) -> String {
        var text = ""
        for line in message.textFormatString().split(separator: "\n") {
            let line = line.drop { $0 == " " }
            if line == "}" {
                text += "}"
                continue
            }
            if !text.isEmpty, !text.hasSuffix("{") { text += " " }
            if line.hasSuffix(" {") {
                text += line.dropLast(2) + ":{"
            } else if let colon = line.firstIndex(of: ":") {
                text += line[..<colon] + ":" + line[line.index(after: colon)...].drop { $0 == " " }
            }
        }
        return text
    }
}

/// Fields one after the other; those at their default are left out.
private struct CompactText {
    enum Kind {
        /// A space behind each field.
        case sized
        /// A space between fields.
        case plain
    }

    private let kind: Kind
    private(set) var text = ""

    init(_ kind: Kind) {
        self.kind = kind
    }

    mutating func always(_ name: String, _ value: String) {
        if kind == .plain, !text.isEmpty { text += " " }
        text += "\(name):\(value)" + (kind == .sized ? " " : "")
    }

    mutating func number(_ name: String, _ value: Int64) { if value != 0 { always(name, "\(value)") } }

    mutating func unsigned(_ name: String, _ value: UInt64) { if value != 0 { always(name, "\(value)") } }

    mutating func flag(_ name: String, _ value: Bool) { if value { always(name, "true") } }

    mutating func name(_ field: String, _ value: Int, _ names: [String]) {
        if value != 0 { always(field, names.indices.contains(value) ? names[value] : "\(value)") }
    }

    mutating func string(_ name: String, _ value: String) { bytes(name, Bytes(value)) }

    mutating func bytes(_ name: String, _ value: Bytes) {
        if !value.isEmpty { always(name, kind == .sized ? Self.octal(value.array) : Self.hexadecimal(value.array)) }
    }

    /// Text stays what it is; control characters and what is no UTF-8 are escaped.
    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        var quoted = "\""
        var rest = bytes[...]
        while let first = rest.first {
            // The longest sequence has four bytes.
            let scalar = (1...4).lazy.compactMap { length in
                String(validating: rest.prefix(length), as: UTF8.self)?.unicodeScalars.first
            }.first
            switch scalar {
            case "\n"?: quoted += "\\n"
            case "\r"?: quoted += "\\r"
            case "\t"?: quoted += "\\t"
            case "\""?: quoted += "\\\""
            case "\\"?: quoted += "\\\\"
            case let scalar? where scalar.value < 0x20 || scalar.value == 0x7f: quoted += "\\x" + digits(scalar.value, 2)
            case let scalar? where (0x80...0x9f).contains(scalar.value): quoted += "\\u" + digits(scalar.value, 4)
            case let scalar?: quoted.unicodeScalars.append(scalar)
            case nil: quoted += "\\x" + digits(UInt32(first), 2)
            }
            rest = rest.dropFirst(scalar.map { UTF8.width($0) } ?? 1)
        }
        return quoted + "\""
    }

    private static func digits(_ value: UInt32, _ count: Int) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: max(0, count - digits.count)) + digits
    }

    private static func octal(_ bytes: some Sequence<UInt8>) -> String {
        var quoted = "\""
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\n"): quoted += "\\n"
            case UInt8(ascii: "\r"): quoted += "\\r"
            case UInt8(ascii: "\t"): quoted += "\\t"
            case UInt8(ascii: "\""): quoted += "\\\""
            case UInt8(ascii: "\\"): quoted += "\\\\"
            case 0x20...0x7e: quoted.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let octal = String(byte, radix: 8)
                quoted += "\\" + String(repeating: "0", count: 3 - octal.count) + octal
            }
        }
        return quoted + "\""
    }
}
