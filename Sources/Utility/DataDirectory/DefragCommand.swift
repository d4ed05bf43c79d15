// defrag: a stopped member's database written anew, without its free pages.

import BBolt
import Backend
import CommandLineKit
import ServerLog

enum DefragCommand {
    static let command = Command(
        "defrag",
        "",
        "Defragments the storage of the etcd",
        flags: [Flag("data-dir", nil, .string, "", "Required. Defragments a data directory not in use by etcd.")]
    ) { call in
        try require(["data-dir"], call)
        let directory = call.string("data-dir")
        do throws(CommandExit) {
            try run(DataDirectory(directory), call)
        } catch {
            guard let message = error.message, error.code == ExitCode.error else { throw error }
            throw failure("Failed to defragment etcd data[\(directory)] (\(message))")
        }
    }

    private static func run(_ directory: DataDirectory, _ call: Invocation) throws(CommandExit) {
        try requireFile(directory.database)
        let start = ContinuousClock.now
        var committer = try openBackend(directory.database, call) { () throws(BBoltError) in
            try Committer(path: directory.database, fileSystem: disk)
        }
        let before = committer.statistics
        ConsoleLog.info(
            "defragmenting",
            [
                "path": .text(directory.database), "current-db-size-bytes": .number(Int64(before.sizeBytes)),
                "current-db-size": .text(humanizedBytes(before.sizeBytes)),
                "current-db-size-in-use-bytes": .number(Int64(before.sizeInUseBytes)),
                "current-db-size-in-use": .text(humanizedBytes(before.sizeInUseBytes)),
            ]
        )
        let after: DatabaseStatistics
        do throws(BBoltError) {
            after = try committer.defragment().statistics
        } catch {
            throw failure(bboltText(error))
        }
        committer.close()
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        let took = GoDuration(nanoseconds: seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
        ConsoleLog.info(
            "finished defragmenting directory",
            [
                "path": .text(directory.database),
                "current-db-size-bytes-diff": .number(Int64(after.sizeBytes) - Int64(before.sizeBytes)),
                "current-db-size-bytes": .number(Int64(after.sizeBytes)),
                "current-db-size": .text(humanizedBytes(after.sizeBytes)),
                "current-db-size-in-use-bytes-diff": .number(
                    Int64(after.sizeInUseBytes) - Int64(before.sizeInUseBytes)
                ),
                "current-db-size-in-use-bytes": .number(Int64(after.sizeInUseBytes)),
                "current-db-size-in-use": .text(humanizedBytes(after.sizeInUseBytes)), "took": .text(took.description),
            ]
        )
    }
}
