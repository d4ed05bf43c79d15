// snapshot status, snapshot restore.

import BBolt
import CommandLineKit

enum SnapshotCommands {
    static let command: Command = {
        var command = Command("snapshot", "<subcommand>", "Manages etcd node snapshots")
        command.commands = [restore, status]
        return command
    }()

    private static let status: Command = {
        var command = Command("status", "<filename>", "Gets backend snapshot status of a given file") { call in
            guard call.arguments.count == 1 else { throw badArguments("snapshot status requires exactly one argument") }
            let path = call.arguments[0]
            try requireFile(path)
            let format = try OutputFormat(call)
            let status = try onFiles {
                let file = try SharedDatabase(path, call)
                return try SnapshotStatus(file.database.beginRead())
            }
            Terminal.out(try format.text(status))
        }
        command.long = """
            Checks the file and prints its hash, revision, number of keys, size and storage version,
            separated by commas if --write-out is simple.
            """
        return command
    }()

    private static let restore = Command(
        "restore",
        "<filename> --data-dir {output dir} [options]",
        "Restores an etcd member snapshot to an etcd directory",
        flags: [
            Flag("data-dir", nil, .string, "", "Path to the output data directory"),
            Flag("wal-dir", nil, .string, "", "Path to the WAL directory (use --data-dir if none given)"),
            Flag(
                "initial-cluster",
                nil,
                .string,
                "default=http://localhost:2380",
                "Initial cluster configuration for restore bootstrap"
            ),
            Flag(
                "initial-cluster-token",
                nil,
                .string,
                "etcd-cluster",
                "Initial cluster token for the etcd cluster during restore bootstrap"
            ),
            Flag(
                "initial-advertise-peer-urls",
                nil,
                .string,
                "http://localhost:2380",
                "List of this member's peer URLs to advertise to the rest of the cluster"
            ),
            Flag("name", nil, .string, "default", "Human-readable name for this member"),
            Flag(
                "skip-hash-check",
                nil,
                .bool,
                "",
                "Ignore snapshot integrity hash value (required if copied from data directory)"
            ),
            Flag(
                "initial-memory-map-size",
                nil,
                .uint,
                "\(SnapshotRestore.mapBytesDefault)",
                "Address space to reserve for the database in bytes (0: the default)"
            ),
            Flag("bump-revision", nil, .uint, "0", "How much to increase the latest revision after restore"),
            Flag(
                "mark-compacted",
                nil,
                .bool,
                "",
                "Mark the latest revision after restore as the point of scheduled compaction "
                    + "(required if --bump-revision > 0, disallowed otherwise)"
            ),
        ]
    ) { call in
        guard call.arguments.count == 1 else { throw badArguments("snapshot restore requires exactly one argument") }
        let bump = UInt64(call.string("bump-revision")) ?? 0
        guard (bump > 0) == call.bool("mark-compacted") else {
            throw badArguments("--mark-compacted required if --revision-bump > 0")
        }
        try SnapshotRestore(call, bump: bump).run()
    }
}
