// hashkv: the hash of the history that members compare, of a file.

import BBolt
import Backend
import Base
import CommandLineKit
import MVCC

enum HashKVCommand {
    static let command = Command(
        "hashkv",
        "<filename>",
        "Prints the KV history hash of a given file",
        flags: [Flag("rev", nil, .int, "0", "maximum revision to hash (default: latest revision)")]
    ) { call in
        try exactly(1, call)
        let format = try OutputFormat(call)
        try requireFile(call.arguments[0])
        let hash = try onFiles {
            let file = try SharedDatabase(call.arguments[0], call)
            return try hashKV(file.database.beginRead(), revision: call.int("rev"))
        }
        Terminal.out(try format.text(hash))
    }

    /// - Parameter revision: 0: the newest.
    static func hashKV(_ reader: ReadTransaction, revision: Int64) throws -> HashKVResult {
        let backend = try Backend(reader: reader)
        var store = Store()
        do throws(MVCCError) {
            _ = try store.restore(reader)
            return try store.momentaryView(backend).hashKV(revision)
        } catch {
            switch error {
            case .compacted: throw failure("mvcc: required revision has been compacted")
            case .futureRevision: throw failure("mvcc: required revision is a future revision")
            case .backend(let error): throw error
            case .corruptRow(let revision):
                throw failure("the row of revision \(revision.main).\(revision.sub) is damaged")
            }
        }
    }
}
