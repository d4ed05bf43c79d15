// bbolt surgery …: repairs of a damaged file, always on a copy.

import BBolt
import Base
import CommandLineKit
import FileIO

enum SurgeryCommands {
    static let command: Command = {
        var command = Command("surgery", "<subcommand>", "surgery related commands")
        var freelist = Command("freelist", "<subcommand>", "freelist related surgery commands")
        freelist.commands = [abandon, rebuild]
        var meta = Command("meta", "<subcommand>", "meta page related surgery commands")
        meta.commands = [validate]
        command.commands = [copyPage, freelist, meta, revert]
        return command
    }()

    private static let output = Flag("output", nil, .string, "", "path to the repaired copy of the file")

    private static let revert = Command(
        "revert-meta-page",
        "<bbolt-file>",
        "Revert the meta page to revert the changes performed by the latest transaction",
        flags: [output]
    ) { call in
        let copy = try copy(call, "revert-meta-page")
        try operating("revert-meta-page") { () throws(BBoltError) in _ = try Surgery.revertMeta(copy, fileSystem: disk)
        }
        Terminal.out("The meta page is reverted.\n")
    }

    private static let abandon = Command(
        "abandon",
        "<bbolt-file>",
        "Abandon the freelist from both meta pages",
        flags: [output]
    ) { call in
        let copy = try copy(call, "freelist abandon")
        try operating("abandon-freelist") { () throws(BBoltError) in try Surgery.abandonFreelist(copy, fileSystem: disk)
        }
        Terminal.out(
            "The freelist was abandoned in both meta pages.\nIt may cause some delay on next startup because bbolt needs to "
                + "scan the whole db to reconstruct the free list.\n"
        )
    }

    private static let rebuild = Command("rebuild", "<bbolt-file>", "Rebuild the freelist", flags: [output]) { call in
        try exactly(1, call)
        try BBoltCommands.requireSource(call.arguments[0])
        let hasFreelist = try onFiles {
            try SharedDatabase(call.arguments[0], call).database.beginRead().storesFreelist
        }
        if hasFreelist {
            throw failure(
                "the file already has freelist, please consider to abandon the freelist to forcibly rebuild it"
            )
        }
        let copy = try copy(call, "freelist rebuild")
        try operating("[freelist rebuild] open db file failed", isCommand: false) { () throws(BBoltError) in
            try Surgery.rebuildFreelist(copy, fileSystem: disk)
        }
        Terminal.out("The freelist was successfully rebuilt.\n")
    }

    private static let copyPage = Command(
        "copy-page",
        "<bbolt-file>",
        "Copy page from the source page Id to the destination page Id",
        flags: [
            output, Flag("from-page", nil, .uint, "0", "source page Id"),
            Flag("to-page", nil, .uint, "0", "destination page Id"),
        ]
    ) { call in
        try exactly(1, call)
        try require(["output", "from-page", "to-page"], call)
        let (source, target) = (UInt64(call.string("from-page")) ?? 0, UInt64(call.string("to-page")) ?? 0)
        if source == target { throw failure("'--from-page' and '--to-page' have the same value: \(source)") }
        let copy = try copy(call, "copy-page")
        try operating("copy-page") { () throws(BBoltError) in
            try Surgery.copyPage(copy, from: source, to: target, fileSystem: disk)
        }
        Terminal.out("The page \(source) was successfully copied to page \(target)\n")
    }

    private static let validate = Command("validate", "<bbolt-file>", "Validate both meta pages") { call in
        try exactly(1, call)
        try BBoltCommands.requireSource(call.arguments[0])
        try onFiles {
            let file = try PageInspection(call.arguments[0], fileSystem: disk)
            defer { file.close() }
            for place: UInt64 in 0...1 {
                if let problem = try file.problem(ofMeta: place) {
                    Terminal.out("WARNING: The meta page \(place) isn't valid: \(problem)!\n")
                } else {
                    Terminal.out("The meta page \(place) is valid!\n")
                }
            }
        }
    }

    // MARK: Pieces

    /// Copies the file to where `--output` says.
    private static func copy(_ call: Invocation, _ name: String) throws(CommandExit) -> String {
        try exactly(1, call)
        try require(["output"], call)
        let output = call.string("output")
        if output.isEmpty {
            throw failure("output database path wasn't given, specify output database file path with --output option")
        }
        let source = call.arguments[0]
        try BBoltCommands.requireSource(source)
        // The copy is emptied before it is written.
        if isSameFile(source, output) { throw failure("--output must not be the file itself") }
        do throws(FileError) {
            try copyFile(source, to: output)
        } catch {
            throw failure("[\(name)] copy file failed: \(error)")
        }
        return output
    }

    private static let pieceBytes = 1 << 20

    private static func copyFile(_ source: String, to target: String) throws(FileError) {
        let input = try disk.open(source, .read)
        defer { input.close() }
        let output = try disk.open(target, OpenOptions(write: true, create: true, truncate: true, mode: 0o600))
        defer { output.close() }
        var offset: UInt64 = 0
        while true {
            let piece = try input.read(count: pieceBytes, at: offset)
            if piece.isEmpty { return try output.synchronizeData() }
            try output.write(Bytes(piece), at: offset)
            offset += UInt64(piece.count)
        }
    }

    private static func operating(
        _ name: String,
        isCommand: Bool = true,
        _ body: () throws(BBoltError) -> Void
    ) throws(CommandExit) {
        do throws(BBoltError) {
            try body()
        } catch {
            throw failure("\(name)\(isCommand ? " command failed" : ""): \(PageCommands.reason(error))")
        }
    }
}
