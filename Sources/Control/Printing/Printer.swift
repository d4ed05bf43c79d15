// The five formats of etcdctl's answers, as functions from messages to bytes: nothing here talks to anybody.

package import CommandLineKit
package import EtcdWire
import FoundationEssentials
package import SwiftProtobuf

/// Answers in the format that was asked for.
package struct Printer: Sendable {
    package enum Format: String, Sendable { case simple, json, protobuf, table, fields }

    package let format: Format
    package let isHex: Bool
    package var valueOnly = false

    package init(format: Format, isHex: Bool = false) {
        self.format = format
        self.isHex = isHex
    }

    /// One of the formats' exit codes: what was asked for doesn't exist.
    package static let badFeature: Int32 = 4

    package func unsupported() -> CommandExit {
        CommandExit(Self.badFeature, "\(format.rawValue) not supported as output format")
    }

    /// Prints a message: what the format has no text of its own for is refused.
    package func bytes<M: SwiftProtobuf.Message>(
        _ message: M,
        simple: String? = nil,
        simpleBytes: (() -> [UInt8])? = nil,
        fields: (() -> String)? = nil,
        table: (() -> String)? = nil,
        json custom: (() throws -> String)? = nil
    ) throws -> [UInt8] {
        switch format {
        case .simple:
            if let simpleBytes { return simpleBytes() }
            return (simple ?? "").rawBytes
        case .json: return Array(((try custom?() ?? json(message)) + "\n").utf8)
        case .protobuf: return try message.serializedBytes()
        case .fields:
            guard let fields else { throw unsupported() }
            return fields().rawBytes
        case .table:
            guard let table else { throw unsupported() }
            return Array(table().utf8)
        }
    }

    // MARK: Pieces

    package func pair(_ pair: Mvccpb_KeyValue) -> [UInt8] {
        let key = isHex ? hexText(pair.key) : Array(pair.key)
        let value = isHex ? hexText(pair.value) : Array(pair.value)
        return (valueOnly ? [] : key + [10]) + value + [10]
    }

    func id(_ number: UInt64) -> String { isHex ? hex(number) : "\(number)" }

    func header(_ header: Etcdserverpb_ResponseHeader) -> String {
        var text = "\"ClusterID\" : \(id(header.clusterID))\n\"MemberID\" : \(id(header.memberID))\n"
        if header.revision > 0 { text += "\"Revision\" : \(header.revision)\n" }
        return text + "\"RaftTerm\" : \(header.raftTerm)\n"
    }

    func fields(_ prefix: String, _ pair: Mvccpb_KeyValue) -> String {
        "\"\(prefix)Key\" : \(pair.key.quoted)\n\"\(prefix)CreateRevision\" : \(pair.createRevision)\n"
            + "\"\(prefix)ModRevision\" : \(pair.modRevision)\n\"\(prefix)Version\" : \(pair.version)\n"
            + "\"\(prefix)Value\" : \(pair.value.quoted)\n"
            + "\"\(prefix)Lease\" : \(isHex ? leaseText(pair.lease) : "\(pair.lease)")\n"
    }

    /// The header's own fields, for answers in which Go embeds it.
    func flatHeader(_ header: Etcdserverpb_ResponseHeader) throws -> String {
        String(try json(header).dropFirst().dropLast())
    }

    /// A list of values; one that nothing was put into is null in Go's JSON.
    func list(_ values: [String]) -> String { values.isEmpty ? "null" : "[\(values.joined(separator: ","))]" }

    // MARK: Keys

    package func get(_ answer: Etcdserverpb_RangeResponse) throws -> [UInt8] {
        try bytes(answer, simpleBytes: { answer.kvs.flatMap(pair) }, fields: { rangeFields(answer) })
    }

    func rangeFields(_ answer: Etcdserverpb_RangeResponse) -> String {
        header(answer.header) + answer.kvs.map { fields("", $0) }.joined()
            + "\"More\" : \(answer.more)\n\"Count\" : \(answer.count)\n"
    }

    package func put(_ answer: Etcdserverpb_PutResponse) throws -> [UInt8] {
        try bytes(answer, simpleBytes: { putSimple(answer) }, fields: { putFields(answer) })
    }

    func putSimple(_ answer: Etcdserverpb_PutResponse) -> [UInt8] {
        Array("OK\n".utf8) + (answer.hasPrevKv ? pair(answer.prevKv) : [])
    }

    func putFields(_ answer: Etcdserverpb_PutResponse) -> String {
        header(answer.header) + (answer.hasPrevKv ? fields("Prev", answer.prevKv) : "")
    }

    package func delete(_ answer: Etcdserverpb_DeleteRangeResponse) throws -> [UInt8] {
        try bytes(answer, simpleBytes: { deleteSimple(answer) }, fields: { deleteFields(answer) })
    }

    func deleteSimple(_ answer: Etcdserverpb_DeleteRangeResponse) -> [UInt8] {
        Array("\(answer.deleted)\n".utf8) + answer.prevKvs.flatMap(pair)
    }

    func deleteFields(_ answer: Etcdserverpb_DeleteRangeResponse) -> String {
        header(answer.header) + "\"Deleted\" : \(answer.deleted)\n" + answer.prevKvs.map { fields("Prev", $0) }.joined()
    }

    package func txn(_ answer: Etcdserverpb_TxnResponse) throws -> [UInt8] {
        try bytes(
            answer,
            simpleBytes: {
                var out = Array((answer.succeeded ? "SUCCESS\n" : "FAILURE\n").utf8)
                for response in answer.responses {
                    out.append(10)
                    switch response.response {
                    case .responseRange(let range): out += range.kvs.flatMap(pair)
                    case .responsePut(let put): out += putSimple(put)
                    case .responseDeleteRange(let delete): out += deleteSimple(delete)
                    default: out += Array("unexpected response \(response)\n".utf8)
                    }
                }
                return out
            },
            fields: {
                header(answer.header) + "\"Succeeded\" : \(answer.succeeded)\n"
                    + answer.responses.map { response -> String in
                        switch response.response {
                        case .responseRange(let range): rangeFields(range)
                        case .responsePut(let put): putFields(put)
                        case .responseDeleteRange(let delete): deleteFields(delete)
                        default: "\"Unknown\" : \"\(response)\"\n"
                        }
                    }.joined()
            },
            json: { try txnJSON(answer) }
        )
    }

    func txnJSON(_ answer: Etcdserverpb_TxnResponse) throws -> String {
        var parts: [String] = []
        if answer.hasHeader { parts.append("\"header\":\(try json(answer.header))") }
        if answer.succeeded { parts.append("\"succeeded\":true") }
        if !answer.responses.isEmpty {
            let responses = try answer.responses.map { response -> String in
                let inner: String
                switch response.response {
                case .responseRange(let range)?: inner = "\"response_range\":\(try json(range))"
                case .responsePut(let put)?: inner = "\"response_put\":\(try json(put))"
                case .responseDeleteRange(let delete)?: inner = "\"response_delete_range\":\(try json(delete))"
                case .responseTxn(let txn)?: inner = "\"response_txn\":\(try txnJSON(txn))"
                case nil: inner = ""
                }
                return "{\"Response\":{\(inner)}}"
            }
            parts.append("\"responses\":[\(responses.joined(separator: ","))]")
        }
        return "{\(parts.joined(separator: ","))}"
    }

    package func watch(_ answer: Etcdserverpb_WatchResponse) throws -> [UInt8] {
        try bytes(
            answer,
            simpleBytes: {
                answer.events.flatMap { event in
                    Array((event.type == .delete ? "DELETE\n" : "PUT\n").utf8)
                        + (event.hasPrevKv ? pair(event.prevKv) : [])
                        + pair(event.kv)
                }
            },
            fields: {
                header(answer.header)
                    + answer.events.map { event in
                        "\"Type\" : \(event.type == .delete ? "DELETE" : "PUT")\n"
                            + (event.hasPrevKv ? fields("Prev", event.prevKv) : "") + fields("", event.kv)
                    }.joined()
            },
            json: {
                let events = try list(answer.events.map { try json($0) })
                return
                    "{\"Header\":\(try json(answer.header)),\"Events\":\(events),\"CompactRevision\":\(answer.compactRevision),"
                    + "\"Canceled\":\(answer.canceled),\"Created\":\(answer.created),\"CancelReason\":\(jsonText(answer.cancelReason))}"
            }
        )
    }

    // MARK: Leases

    private func lease(
        _ message: some SwiftProtobuf.Message,
        _ head: Etcdserverpb_ResponseHeader,
        id number: Int64,
        simple: String,
        rest: String,
        jsonRest: String
    ) throws -> [UInt8] {
        if format == .protobuf { throw unsupported() }
        return try bytes(
            message,
            simple: simple,
            fields: { header(head) + "\"ID\" : \(isHex ? leaseText(number) : "\(number)")\n" + rest },
            json: { "{\(try flatHeader(head)),\(jsonRest)}" }
        )
    }

    package func grant(_ answer: Etcdserverpb_LeaseGrantResponse) throws -> [UInt8] {
        try lease(
            answer,
            answer.header,
            id: answer.id,
            simple: "lease \(leaseText(answer.id)) granted with TTL(\(answer.ttl)s)\n",
            rest: "\"TTL\" : \(answer.ttl)\n",
            jsonRest: "\"ID\":\(answer.id),\"TTL\":\(answer.ttl),\"Error\":\(jsonText(answer.error))"
        )
    }

    package func keepAlive(_ answer: Etcdserverpb_LeaseKeepAliveResponse) throws -> [UInt8] {
        try lease(
            answer,
            answer.header,
            id: answer.id,
            simple: "lease \(leaseText(answer.id)) keepalived with TTL(\(answer.ttl))\n",
            rest: "\"TTL\" : \(answer.ttl)\n",
            jsonRest: "\"ID\":\(answer.id),\"TTL\":\(answer.ttl)"
        )
    }

    package func timeToLive(_ answer: Etcdserverpb_LeaseTimeToLiveResponse, keys: Bool) throws -> [UInt8] {
        var text = "lease \(leaseText(answer.id)) already expired\n"
        if answer.grantedTtl != 0 || answer.ttl != -1 {
            text = "lease \(leaseText(answer.id)) granted with TTL(\(answer.grantedTtl)s), remaining(\(answer.ttl)s)"
            if keys {
                text += ", attached keys([\(answer.keys.map { String(rawBytes: $0) }.joined(separator: " "))])"
            }
            text += "\n"
        }
        let list =
            answer.keys.isEmpty
            ? "null" : "[\(answer.keys.map { "\"\($0.base64EncodedString())\"" }.joined(separator: ","))]"
        return try lease(
            answer,
            answer.header,
            id: answer.id,
            simple: text,
            rest: "\"TTL\" : \(answer.ttl)\n\"GrantedTTL\" : \(answer.grantedTtl)\n"
                + answer.keys.map { "\"Key\" : \($0.quoted)\n" }.joined(),
            jsonRest: "\"id\":\(answer.id),\"ttl\":\(answer.ttl),\"granted-ttl\":\(answer.grantedTtl),\"keys\":\(list)"
        )
    }

    package func leases(_ answer: Etcdserverpb_LeaseLeasesResponse) throws -> [UInt8] {
        // As etcdctl: the header's bytes, which stand in place of the answer's in Go.
        if format == .protobuf { return try answer.header.serializedBytes() }
        let list = answer.leases.map { "{\"id\":\($0.id)}" }.joined(separator: ",")
        return try bytes(
            answer,
            simple: "found \(answer.leases.count) leases\n" + answer.leases.map { leaseText($0.id) + "\n" }.joined(),
            fields: {
                header(answer.header)
                    + answer.leases.map { "\"ID\" : \(isHex ? leaseText($0.id) : "\($0.id)")\n" }.joined()
            },
            json: { "{\(try flatHeader(answer.header)),\"leases\":[\(list)]}" }
        )
    }
}
