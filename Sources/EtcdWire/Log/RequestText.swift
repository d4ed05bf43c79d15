// Requests as etcd's log shows them: protobuf's compact text, with the sizes of values in the place of values, and without
// passwords and tokens. People search logs for these lines, and programs read them.

import Base
import SwiftProtobuf

/// Texts of requests for log lines.
package enum RequestText {
    package static func range(_ request: RangeRequest) -> String {
        var text = CompactText()
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
        var text = CompactText()
        text.bytes("key", request.key)
        text.number("value_size", Int64(request.value.count))
        text.number("lease", request.lease)
        text.flag("prev_kv", request.prevKV)
        text.flag("ignore_value", request.ignoreValue)
        text.flag("ignore_lease", request.ignoreLease)
        return text.text
    }

    package static func deleteRange(_ request: DeleteRangeRequest) -> String {
        var text = CompactText()
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
        var text = CompactText()
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
        case .range(let request): "request_range:<\(range(request))> "
        case .put(let request): "request_put:<\(put(request))>"
        case .deleteRange(let request): "request_delete_range:<\(deleteRange(request))> "
        case .txn(let request): "request_txn:<\(txn(request))>"
        }
    }

    /// What a log entry asks for, and on whose behalf.
    package static func entry(_ request: InternalRaftRequest) -> String {
        var header = CompactText()
        header.unsigned("ID", request.header?.id ?? request.legacyID)
        header.string("username", request.header?.username ?? "")
        header.unsigned("auth_revision", request.header?.authRevision ?? 0)
        return "header:<\(header.text)> " + body(request.body)
    }

    private static func body(_ body: InternalRaftRequest.Body) -> String {
        switch body {
        case .none: return ""
        case .range(let request): return "range:<\(range(request))> "
        case .put(let request): return "put:<\(put(request))>"
        case .deleteRange(let request): return "delete_range:<\(deleteRange(request))> "
        case .txn(let request): return "txn:<\(txn(request))>"
        case .leaseGrant(let request): return "lease_grant:<ttl:\(request.ttl)-second id:\(leaseText(request.id))>"
        case .leaseRevoke(let request): return "lease_revoke:<id:\(leaseText(request.id))>"
        case .encoded(let kind, _):
            let bytes = InternalRaftRequest(body: body).encoded()
            switch kind {
            case .put, .txn, .range, .deleteRange, .leaseGrant, .leaseRevoke:
                return (try? InternalRaftRequest(decoding: bytes)).map { self.body($0.body) } ?? ""
            default: return rare(bytes)
            }
        default: return rare(InternalRaftRequest(body: body).encoded())
        }
    }

    /// Of a request, without its header, that the generated messages read; passwords stay out.
    private static func rare(_ bytes: Bytes) -> String {
        guard let request = try? Etcdserverpb_InternalRaftRequest(decoding: bytes) else { return "" }
        if request.hasAuthenticate { return "authenticate:<name:\(request.authenticate.name)>" }
        if request.hasAuthUserAdd { return "auth_user_add:<name:\(request.authUserAdd.name)>" }
        if request.hasAuthUserChangePassword {
            return "auth_user_change_password:<name:\(request.authUserChangePassword.name)>"
        }
        return compact(request)
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
                text += "> "
            } else if line.hasSuffix(" {") {
                text += line.dropLast(2) + ":<"
            } else if let colon = line.firstIndex(of: ":") {
                text += line[..<colon] + ":" + line[line.index(after: colon)...].drop { $0 == " " } + " "
            }
        }
        return text
    }
}

/// Fields one after the other, each with a space behind it; those at their default are left out.
private struct CompactText {
    private(set) var text = ""

    mutating func always(_ name: String, _ value: String) { text += "\(name):\(value) " }

    mutating func number(_ name: String, _ value: Int64) { if value != 0 { always(name, "\(value)") } }

    mutating func unsigned(_ name: String, _ value: UInt64) { if value != 0 { always(name, "\(value)") } }

    mutating func flag(_ name: String, _ value: Bool) { if value { always(name, "true") } }

    mutating func name(_ field: String, _ value: Int, _ names: [String]) {
        if value != 0 { always(field, names.indices.contains(value) ? names[value] : "\(value)") }
    }

    mutating func string(_ name: String, _ value: String) { if !value.isEmpty { always(name, Self.quoted(value.utf8)) } }

    mutating func bytes(_ name: String, _ value: Bytes) { if !value.isEmpty { always(name, Self.quoted(value.array)) } }

    private static func quoted(_ bytes: some Sequence<UInt8>) -> String {
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
