// One entry of the log in a line, and which entries are asked for.

import Base
import CommandLineKit
import EtcdWire
import RaftLog
import RaftWire
import SwiftProtobuf

enum EntryText {
    static func line(_ entry: Entry) -> String {
        let place = "\(padded(entry.term, 4))\t\(padded(entry.index, 10))"
        switch entry.type {
        case .confChange:
            guard let change = try? ConfChange(decoding: entry.data) else { return "\(place)\tconf\t???" }
            return "\(place)\tconf\tmethod=\(method(change.type)) id=\(hexadecimal(change.nodeID))"
        case .confChangeV2:
            guard let change = try? ConfChangeV2(decoding: entry.data) else { return "\(place)\tconf\t???" }
            return "\(place)\tconf\t"
                + change.changes.map { "method=\(method($0.type)) id=\(hexadecimal($0.nodeID))" }.joined(separator: " ")
        case .normal:
            guard let request = request(entry) else { return "\(place)\tnorm\t\(legacy(entry))" }
            return "\(place)\tnorm\t\(oneLine(request))"
        }
    }

    /// A record of the log in a line; nil for entries and snapshots before `first`.
    static func line(_ record: LoggedRecord, from first: LogIndex) -> String? {
        switch record {
        case .metadata(let bytes):
            guard let metadata = try? LogMetadata(decoding: bytes) else { return "Metadata: ???" }
            return "Metadata: NodeID:\(metadata.memberID) ClusterID:\(metadata.clusterID)"
        case .entry(let entry):
            guard entry.index >= first else { return nil }
            let type =
                switch entry.type {
                case .normal: ""
                case .confChange: " Type:EntryConfChange"
                case .confChangeV2: " Type:EntryConfChangeV2"
                }
            let data = entry.data.isEmpty ? "" : " Data:\(octal(entry.data.array))"
            return "Entry: Term:\(entry.term) Index:\(entry.index)\(type)\(data)"
        case .hardState(let state): return "HardState: Term:\(state.term) Vote:\(state.vote) Commit:\(state.commit)"
        case .checksum(let checksum): return "CRC: \(checksum)"
        case .snapshot(let snapshot):
            return snapshot.index >= first ? "Snapshot: index:\(snapshot.index) term:\(snapshot.term)" : nil
        case .unknown(let type, let data): return "Unexpected WAL record type \(type) with \(data.count) bytes"
        }
    }

    /// In quotes, with protobuf's escapes.
    private static func octal(_ bytes: [UInt8]) -> String {
        var text = "\""
        for byte in bytes {
            switch byte {
            case 10: text += "\\n"
            case 13: text += "\\r"
            case 9: text += "\\t"
            case UInt8(ascii: "\""): text += "\\\""
            case UInt8(ascii: "\\"): text += "\\\\"
            case 0x20..<0x7F: text.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 8)
                text += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
            }
        }
        return text + "\""
    }

    /// Nil where the entry is none.
    static func request(_ entry: Entry) -> Etcdserverpb_InternalRaftRequest? {
        entry.type == .normal ? try? Etcdserverpb_InternalRaftRequest(serializedBytes: entry.data.array) : nil
    }

    /// A request of the v2 store, which members before 3.6 wrote.
    private static func legacy(_ entry: Entry) -> String {
        guard let request = try? LegacyRequest(decoding: entry.data) else { return "???" }
        return "method=\(request.method) path=\(request.path.quoted) val=\(request.value.quoted)"
    }

    private static func method(_ type: ConfChangeType) -> String {
        switch type {
        case .addNode: "ConfChangeAddNode"
        case .removeNode: "ConfChangeRemoveNode"
        case .updateNode: "ConfChangeUpdateNode"
        case .addLearnerNode: "ConfChangeAddLearnerNode"
        }
    }

    private static let removed = "<value removed>"

    /// The request's fields, without passwords.
    static func oneLine(_ request: Etcdserverpb_InternalRaftRequest) -> String {
        var request = request
        if request.hasAuthUserChangePassword {
            request.authUserChangePassword.password = removed
            request.authUserChangePassword.hashedPassword = removed
        }
        if request.hasAuthUserAdd {
            request.authUserAdd.password = removed
            request.authUserAdd.hashedPassword = removed
        }
        if request.hasAuthenticate { request.authenticate.password = removed }
        var words: [String] = []
        for line in request.textFormatString().split(separator: "\n") {
            let word = line.drop { $0 == " " }
            if word.hasSuffix(" {") {
                words.append("\(word.dropLast(2)):{")
            } else if let colon = word.firstIndex(of: ":"), word[word.index(after: colon)...].hasPrefix(" ") {
                words.append("\(word[...colon])\(word[word.index(colon, offsetBy: 2)...])")
            } else {
                words.append(String(word))
            }
        }
        return words.joined(separator: " ")
    }

    private static func padded(_ number: UInt64, _ width: Int) -> String {
        let digits = "\(number)"
        return String(repeating: " ", count: max(0, width - digits.count)) + digits
    }
}

/// The kinds of entries that can be asked for.
enum EntryFilter: String, CaseIterable {
    case configChange = "ConfigChange", normal = "Normal", request = "Request", internalRaftRequest =
        "InternalRaftRequest"
    case range = "IRRRange", put = "IRRPut", deleteRange = "IRRDeleteRange", txn = "IRRTxn", compaction =
        "IRRCompaction"
    case leaseGrant = "IRRLeaseGrant", leaseRevoke = "IRRLeaseRevoke", leaseCheckpoint = "IRRLeaseCheckpoint"

    static let defaultNames = "Normal,ConfigChange"
    static var names: [String] { allCases.map(\.rawValue) }

    static func list(_ names: String) throws(CommandExit) -> [EntryFilter] {
        var filters: [EntryFilter] = []
        for name in names.split(separator: ",") {
            guard let filter = EntryFilter(rawValue: String(name)) else {
                Terminal.error(
                    "[\(name)] is not a valid entry-type, ignored. Valid ones: \(Self.names.joined(separator: ", "))\n"
                )
                continue
            }
            filters.append(filter)
        }
        return filters
    }

    func passes(_ entry: Entry) -> Bool {
        switch self {
        case .configChange: return entry.type != .normal
        case .normal: return entry.type == .normal
        case .request: return entry.type == .normal && EntryText.request(entry) == nil
        default: break
        }
        guard let request = EntryText.request(entry) else { return false }
        return switch self {
        case .range: request.hasRange
        case .put: request.hasPut
        case .deleteRange: request.hasDeleteRange
        case .txn: request.hasTxn
        case .compaction: request.hasCompaction
        case .leaseGrant: request.hasLeaseGrant
        case .leaseRevoke: request.hasLeaseRevoke
        case .leaseCheckpoint: request.hasLeaseCheckpoint
        default: true
        }
    }
}
