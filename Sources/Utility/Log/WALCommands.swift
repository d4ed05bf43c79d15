// wal dump: what a member's log holds, one entry a line, in the form of etcd-dump-logs.

import Base
import CommandLineKit
import EtcdWire
import FileIO
import RaftLog
import RaftWire
import Wire

enum WALCommands {
    static let command: Command = {
        var command = Command("wal", "<subcommand>", "Shows what a member's write-ahead log holds")
        command.commands = [dump]
        return command
    }()

    private static let dump = Command(
        "dump",
        "<data dir>",
        "Prints the entries of the write-ahead log",
        flags: [
            Flag("wal-dir", nil, .string, "", "the log's directory (default: member/wal in the data directory)"),
            Flag("start-snap", nil, .string, "", "name of the snapshot file after which to begin"),
            Flag("start-index", nil, .uint, "0", "index of the first entry (default: after the newest snapshot)"),
            Flag("end-index", nil, .uint, "\(UInt64.max)", "index after the last entry"),
            Flag(
                "entry-type",
                nil,
                .string,
                EntryFilter.defaultNames,
                "which entries: \(EntryFilter.names.joined(separator: ", "))"
            ),
            Flag("raw", nil, .bool, "", "every record as it stands there, up to where the log is damaged"),
        ]
    ) { call in
        guard call.arguments.count == 1 else {
            throw failure("Must provide data-dir argument (got [\(call.arguments.joined(separator: " "))])")
        }
        if !call.string("start-snap").isEmpty, call.changed.contains("start-index") {
            throw failure("start-snap and start-index flags cannot be used together.")
        }
        let directory = DataDirectory(call.arguments[0])
        let walDirectory = call.string("wal-dir").isEmpty ? directory.wal : call.string("wal-dir")
        if call.bool("raw") {
            guard call.changed.isDisjoint(with: ["start-snap", "entry-type"]) else {
                throw failure("Flags --start-snap, --entry-type not supported in the RAW mode.")
            }
            return try showRecords(walDirectory, from: UInt64(call.string("start-index")) ?? 0)
        }
        let contents: WALContents
        if call.changed.contains("start-index") {
            let first = UInt64(call.string("start-index")) ?? 0
            Terminal.out("Start dumping log entries from index \(first).\n")
            contents = try reading { () throws(WALError) in
                try WriteAheadLog.inspect(disk, walDirectory, after: first > 0 ? first - 1 : 0)
            }
        } else {
            let start = try snapshot(directory, call.string("start-snap"))
            Terminal.out("Start dumping log entries from snapshot.\n")
            contents = try reading { () throws(WALError) in try WriteAheadLog.read(disk, walDirectory, at: start) }
        }
        let end = UInt64(call.string("end-index")) ?? .max
        try show(contents, entries: contents.entries.filter { $0.index < end }, call.string("entry-type"))
    }

    /// Every record, however little a member could do with the log.
    private static func showRecords(_ directory: String, from first: LogIndex) throws(CommandExit) {
        let torn: WALDamage?
        do throws(WALError) {
            torn = try WriteAheadLog.forEachRecord(disk, directory) { record in
                if let line = EntryText.line(record, from: first) { Terminal.out(line + "\n") }
            }
        } catch {
            throw failure("Reading failed: \(error)")
        }
        if let torn {
            Terminal.out("The last record is an unfinished write: \(torn)\n")
        } else {
            Terminal.out("EOF: All entries were processed.\n")
        }
    }

    private static func reading(_ body: () throws(WALError) -> WALContents) throws(CommandExit) -> WALContents {
        do throws(WALError) {
            return try body()
        } catch {
            throw failure("Failed reading WAL: \(error)")
        }
    }

    /// Says which snapshot the log is read from: the newest, unless one is named.
    private static func snapshot(_ directory: DataDirectory, _ name: String) throws(CommandExit) -> WALSnapshot {
        let files = SnapshotFiles(disk, directory: directory.snapshots)
        let found: Snapshot?
        if name.isEmpty {
            do throws(FileError) {
                found = try newest(files)
            } catch {
                throw failure("Failed loading snapshot: \(error)")
            }
        } else {
            do throws(SnapshotFiles.Fault) {
                found = try files.read(name)
            } catch {
                throw failure("Failed loading snapshot: \(error)")
            }
        }
        guard let found else {
            Terminal.out("Snapshot:\nempty\n")
            return WALSnapshot(index: 0, term: 0)
        }
        let (metadata, voters) = (found.metadata, found.metadata.confState.voters)
        let state = JSONValue.object([
            "voters": .array(voters.map { .unsigned($0) }),
            "learners": .array(metadata.confState.learners.map { .unsigned($0) }),
            "auto_leave": .bool(metadata.confState.autoLeave),
        ])
        Terminal.out(
            "Snapshot:\nterm=\(metadata.term) index=\(metadata.index) nodes=[\(voters.map(hexadecimal).joined(separator: " "))] "
                + "confstate=\(String(decoding: state.encoded, as: UTF8.self))\n"
        )
        return WALSnapshot(index: metadata.index, term: metadata.term)
    }

    /// Names sort by term and index. Nothing is renamed here: this directory is only looked at.
    private static func newest(_ files: SnapshotFiles) throws(FileError) -> Snapshot? {
        guard try disk.exists(files.directory) else { return nil }
        for name in try disk.list(files.directory).reversed() where name.hasSuffix(".snap") {
            if let snapshot = try? files.read(name) { return snapshot }
        }
        return nil
    }

    private static func show(_ contents: WALContents, entries: [Entry], _ types: String) throws(CommandExit) {
        let metadata = (try? LogMetadata(decoding: contents.metadata)) ?? LogMetadata()
        let state = contents.hardState
        Terminal.out(
            "WAL metadata:\nnodeID=\(hexadecimal(metadata.memberID)) clusterID=\(hexadecimal(metadata.clusterID)) "
                + "term=\(state.term) commitIndex=\(state.commit) vote=\(hexadecimal(state.vote))\n"
        )
        if let torn = contents.tornTail { Terminal.error("the log ends with an unfinished write: \(torn)\n") }
        var text = "WAL entries: \(entries.count)\n"
        if let last = entries.last { text += "lastIndex=\(last.index)\n" }
        text += "term\t     index\ttype\tdata\n"
        let filters = try EntryFilter.list(types)
        var count = 0
        for entry in entries where filters.contains(where: { $0.passes(entry) }) {
            text += EntryText.line(entry) + "\n"
            count += 1
            // Not all of a long log in memory at once.
            if text.utf8.count > 1 << 16 {
                Terminal.out(text)
                text = ""
            }
        }
        Terminal.out(text + "\nEntry types (\(types)) count is : \(count)\n")
    }
}
