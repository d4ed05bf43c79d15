// Results in the formats that etcdutl has.

import Base
import CommandLineKit
import MVCC
import ServerLog

enum OutputFormat: String {
    case simple, json, fields, protobuf, table

    init(_ call: Invocation) throws(CommandExit) {
        guard let format = OutputFormat(rawValue: call.string("write-out")) else {
            throw CommandExit(ExitCode.badFeature, "unsupported output format")
        }
        self = format
    }

    /// - Parameters:
    ///   - row: with the table's titles.
    ///   - fields: with their names.
    ///   - json: all of them.
    func text(
        row: KeyValuePairs<String, String>,
        fields: KeyValuePairs<String, String>,
        json: JSONValue
    ) throws(CommandExit) -> String {
        switch self {
        case .simple: row.map(\.value).joined(separator: ", ") + "\n"
        case .json: String(decoding: json.encoded, as: UTF8.self) + "\n"
        case .fields: fields.map { "\"\($0.key)\" : \($0.value)\n" }.joined()
        case .table: TextTable.drawing(row.map(\.key), [row.map(\.value)])
        case .protobuf: throw CommandExit(ExitCode.badFeature, "protobuf not supported as output format")
        }
    }

    func text(_ status: SnapshotStatus) throws(CommandExit) -> String {
        try text(
            row: [
                "hash": hexadecimal(UInt64(status.hash)), "revision": "\(status.revision)",
                "total keys": "\(status.keyCount)",
                "total size": humanizedBytes(status.sizeBytes), "version": status.version,
            ],
            fields: [
                "Hash": "\(status.hash)", "Revision": "\(status.revision)", "Keys": "\(status.keyCount)",
                "Size": "\(status.sizeBytes)", "Version": status.version,
            ],
            json: .object([
                "hash": .unsigned(UInt64(status.hash)), "revision": .signed(status.revision),
                "totalKey": .unsigned(UInt64(status.keyCount)), "totalSize": .unsigned(status.sizeBytes),
                "version": .string(status.version),
            ])
        )
    }

    func text(_ hash: HashKVResult) throws(CommandExit) -> String {
        try text(
            row: [
                "hash": "\(hash.hash)", "hash revision": "\(hash.revision)",
                "compact revision": "\(hash.compactRevision)",
            ],
            fields: [
                "Hash": "\(hash.hash)", "Hash revision": "\(hash.revision)",
                "Compact revision": "\(hash.compactRevision)",
            ],
            json: .object([
                "hash": .unsigned(UInt64(hash.hash)), "hashRevision": .signed(hash.revision),
                "compactRevision": .signed(hash.compactRevision),
            ])
        )
    }
}
