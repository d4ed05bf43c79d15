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
        meta.commands = [update, validate]
        command.commands = [clearPage, clearElements, copyPage, freelist, meta, revert]
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

    private static let pageID = Flag("pageId", nil, .uint, "0", "page Id")

    private static let clearPage = Command(
        "clear-page",
        "<bbolt-file>",
        "Clears all elements from the given page, which can be a branch or leaf page",
        flags: [output, pageID]
    ) { call in
        try exactly(1, call)
        try require(["output", "pageId"], call)
        let page = try clearable(call)
        try clear(call, "clear-page", page, from: 0, to: nil)
        Terminal.out("The page (\(page)) was cleared\n")
    }

    private static let clearElements = Command(
        "clear-page-elements",
        "<bbolt-file>",
        "Clears elements from the given page, which can be a branch or leaf page",
        flags: [
            output, pageID, Flag("from-index", nil, .int, "0", "start element index (included) to clear, starting from 0"),
            Flag(
                "to-index", nil, .int, "0",
                "end element index (excluded) to clear, starting from 0, -1 means to the end of page"),
        ]
    ) { call in
        try exactly(1, call)
        try require(["output", "pageId", "from-index", "to-index"], call)
        let page = try clearable(call)
        let (start, end) = (Int(call.int("from-index")), Int(call.int("to-index")))
        try clear(call, "clear-page-element", page, from: start, to: end == -1 ? nil : end)
        Terminal.out("All elements in [\(start), \(end)) in page \(page) were cleared\n")
    }

    private static func clearable(_ call: Invocation) throws(CommandExit) -> UInt64 {
        let page = call.unsigned("pageId")
        if page < 2 { throw failure("the pageId must be at least 2, but got \(page)") }
        return page
    }

    private static func clear(
        _ call: Invocation, _ name: String, _ page: UInt64, from start: Int, to end: Int?
    ) throws(CommandExit) {
        let copy = try copy(call, name)
        var losesPages = false
        try operating(name) { () throws(BBoltError) in
            losesPages = try Surgery.clearElements(copy, page: page, from: start, to: end, fileSystem: disk)
        }
        guard losesPages else { return }
        Terminal.out(
            "WARNING: The clearing has abandoned some pages that are not yet referenced from free list.\n"
                + "Please consider executing `etcdutl bbolt surgery freelist abandon ...`\n")
    }

    private static let update = Command(
        "update",
        "<bbolt-file>",
        "Update fields in meta pages",
        flags: [
            output,
            Flag(
                "fields", nil, .stringList, "",
                "comma separated list of fields (supported fields: pageSize, root, freelist and pgid) to be updated, and each "
                    + "item is a colon-separated key-value pair"),
            Flag("meta-page", nil, .uint, "0", "the meta page ID to operate on, valid values are 0 and 1"),
        ]
    ) { call in
        try exactly(1, call)
        try require(["output"], call)
        let place = call.unsigned("meta-page")
        if place > 1 { throw failure("invalid meta page id: \(place)") }
        let changes = try metaChanges(call.list("fields"))
        let copy = try copy(call, "meta update")
        let result: (isChanged: Bool, pageSize: UInt32, firstPageSize: UInt32)
        do throws(BBoltError) {
            result = try Surgery.updateMeta(copy, place: place, changes, fileSystem: disk)
        } catch {
            throw failure("[meta update] meta page \(place) failed: \(PageCommands.reason(error))")
        }
        if place == 1, result.pageSize != result.firstPageSize {
            Terminal.out(
                "WARNING: The page size (\(result.firstPageSize)) in the first meta page doesn't match the second meta page "
                    + "(\(result.pageSize))\n")
        }
        Terminal.out(result.isChanged ? "The meta page \(place) has been updated!\n" : "Nothing changed!\n")
    }

    private static func metaChanges(_ fields: [String]) throws(CommandExit) -> MetaChanges {
        var changes = MetaChanges()
        for field in fields {
            let parts = field.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2 else { throw failure("invalid key-value pair: \(field)") }
            guard ["pageSize", "root", "freelist", "pgid"].contains(parts[0]) else {
                throw failure("field \(parts[0].quoted) isn't allowed to be updated")
            }
            guard let value = try? GoNumber.unsigned(parts[1]) else {
                throw failure("invalid value \(parts[1].quoted) for field \(parts[0].quoted)")
            }
            switch parts[0] {
            case "pageSize": changes.pageSize = UInt32(truncatingIfNeeded: value)
            case "root": changes.root = value
            case "freelist": changes.freelist = value
            default: changes.highWater = value
            }
        }
        return changes
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
