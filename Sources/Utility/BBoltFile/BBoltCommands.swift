// bbolt …: a database file looked at as bbolt's own program does, for the time when it is in doubt.

import BBolt
import Base
import CommandLineKit
import FileIO

enum BBoltCommands {
    static let command: Command = {
        var command = Command("bbolt", "", "A simple command line tool for inspecting bbolt databases.")
        command.commands = [
            buckets, check, compact, PageCommands.dump, get, info, inspect, keys, PageCommands.page, PageCommands.item,
            PageCommands.pages, stats, SurgeryCommands.command,
        ]
        return command
    }()

    /// Gives the state of the file at the first argument to `body`.
    static func reading(_ call: Invocation, _ body: (ReadTransaction) throws -> Void) throws(CommandExit) {
        let path = call.arguments[0]
        try requireSource(path)
        try onFiles {
            let file = try SharedDatabase(path, call)
            try body(file.database.beginRead())
        }
    }

    static func requireSource(_ path: String) throws(CommandExit) {
        guard (try? disk.exists(path)) == true else {
            throw failure("source database file \(path.quoted) doesn't exist")
        }
    }

    private static let check = Command("check", "<bbolt-file>", "verify integrity of bbolt database data") { call in
        try exactly(1, call)
        try reading(call) { reader in
            let problems = reader.check()
            if problems.isEmpty { return Terminal.out("OK\n") }
            Terminal.out(problems.map { $0 + "\n" }.joined() + "\(problems.count) errors found\n")
            throw failure("invalid value")
        }
    }

    private static let buckets = Command("buckets", "<bbolt-file>", "print a list of buckets in bbolt database") {
        call in
        try exactly(1, call)
        try reading(call) { reader in
            for name in try reader.bucketNames() { Terminal.out(bytes: name.array + [10]) }
        }
    }

    private static let info = Command("info", "<bbolt-file>", "prints basic information about the bbolt database.") {
        call in
        try exactly(1, call)
        try reading(call) { Terminal.out("Page Size: \($0.pageSize)\n") }
    }

    private static let inspect = Command("inspect", "<bbolt-file>", "inspect the structure of the database") { call in
        try exactly(1, call)
        try reading(call) { Terminal.out(json(try $0.structure(), indent: "") + "\n") }
    }

    /// As Go's library writes it with four spaces a level.
    static func json(_ bucket: BucketStructure, indent: String) -> String {
        let inner = indent + "    "
        let name = String(decoding: JSONValue.string(String(decoding: bucket.name.array, as: UTF8.self)).encoded, as: UTF8.self)
        var fields = ["\"name\": \(name)", "\"keyN\": \(bucket.pairs)"]
        if !bucket.children.isEmpty {
            let below = bucket.children.map { inner + "    " + json($0, indent: inner + "    ") }
            fields.append("\"buckets\": [\n\(below.joined(separator: ",\n"))\n\(inner)]")
        }
        return "{\n" + fields.map { inner + $0 }.joined(separator: ",\n") + "\n\(indent)}"
    }

    private static let keys = Command(
        "keys",
        "<bbolt-file> <buckets>",
        "print a list of keys in the given (sub)bucket in bbolt database",
        flags: [Flag("format", "f", .string, "auto", "Output format one of: \(ByteFormat.names)")]
    ) { call in
        try atLeast(2, call)
        let format = try ByteFormat(call.string("format"))
        try reading(call) { reader in
            var cursor = try bucket(reader, call.arguments[1...]).cursor()
            var found = try cursor.first()
            while found {
                Terminal.out(bytes: format.text(Array(cursor.key)) + [10])
                found = try cursor.next()
            }
        }
    }

    private static let get = Command(
        "get",
        "PATH [BUCKET..] KEY",
        "get the value of a key from a (sub)bucket in a bbolt database",
        flags: [
            Flag("parse-format", nil, .string, "ascii-encoded", "Input format one of: ascii-encoded|hex"),
            Flag("format", nil, .string, "auto", "Output format one of: \(ByteFormat.names)"),
        ]
    ) { call in
        try atLeast(3, call)
        let format = try ByteFormat(call.string("format"))
        let key = try ByteFormat.parsed(call.arguments[call.arguments.count - 1], call.string("parse-format"))
        if key.isEmpty { throw failure("key is required: key required") }
        try reading(call) { reader in
            guard let value = try bucket(reader, call.arguments[1..<call.arguments.count - 1]).get(Bytes(key)) else {
                throw failure("Error key not found for key: \(key.quoted) hex: \"\(ByteFormat.hex(key))\"")
            }
            Terminal.out(bytes: format.text(value.array) + [10])
        }
    }

    private static func bucket(_ reader: ReadTransaction, _ names: ArraySlice<String>) throws -> ReadBucket {
        var found: ReadBucket?
        for (position, name) in names.enumerated() {
            found = position == 0 ? try reader.bucket(Bytes(name)) : try found?.bucket(Bytes(name))
        }
        guard let found else { throw failure("bucket not found") }
        return found
    }

    private static let compact = Command(
        "compact",
        "[options] -o <dst-bbolt-file> <src-bbolt-file>",
        "creates a compacted copy of the database from source path to the destination path, preserving the original.",
        flags: [
            Flag("output", "o", .string, "", "the compacted copy"),
            Flag("tx-max-size", nil, .int, "65536", "bytes that one transaction of the copy may have"),
            Flag("no-sync", nil, .bool, "", "leave it to the system when the copy is durable"),
        ]
    ) { call in
        try atLeast(1, call)
        let output = call.string("output")
        if output.isEmpty { throw failure("output file required") }
        try reading(call) { reader in
            let before = try disk.status(call.arguments[0])?.sizeBytes ?? 0
            if before == 0 { throw failure("zero db size") }
            var options = DatabaseOptions()
            options.noSync = true
            options.storesFreelist = true
            options.pageSize = reader.pageSize
            // A copy that nobody writes to needs no room to grow.
            options.growStepBytes = UInt64(reader.pageSize)
            let copy = try Database.open(output, fileSystem: disk, options: options)
            defer { copy.close() }
            try compactCopy(from: reader, to: copy, transactionBytesMax: max(1, Int(call.int("tx-max-size"))))
            if !call.bool("no-sync") { try copy.synchronize() }
            let after = try disk.status(output)?.sizeBytes ?? 0
            if after == 0 { throw failure("zero db size") }
            Terminal.out("\(before) -> \(after) bytes (gain=\(ratio(before, after))x)\n")
        }
    }

    /// With two decimals.
    static func ratio(_ whole: UInt64, _ part: UInt64) -> String {
        let hundredths = Int((Double(whole) / Double(part) * 100).rounded())
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
    }

    private static let stats = Command("stats", "<bbolt-file> [bucket prefix]", "print stats of bbolt database") {
        call in
        guard (1...2).contains(call.arguments.count) else {
            throw failure("accepts between 1 and 2 arg(s), received \(call.arguments.count)")
        }
        let prefix = Array((call.arguments.count > 1 ? call.arguments[1] : "").utf8)
        try reading(call) { reader in
            var sum = BucketStatistics()
            var count = 0
            for name in try reader.bucketNames() where name.array.starts(with: prefix) {
                if let bucket = try reader.bucket(name) { sum.add(try bucket.statistics()) }
                count += 1
            }
            Terminal.out(text(sum, buckets: count))
        }
    }

    static func text(_ sum: BucketStatistics, buckets: Int) -> String {
        func percent(_ part: Int, _ whole: Int) -> Int { whole == 0 ? 0 : Int(Float(part) * 100 / Float(whole)) }
        return """
            Aggregate statistics for \(buckets) buckets

            Page count statistics
            \tNumber of logical branch pages: \(sum.branchPages)
            \tNumber of physical branch overflow pages: \(sum.branchOverflowPages)
            \tNumber of logical leaf pages: \(sum.leafPages)
            \tNumber of physical leaf overflow pages: \(sum.leafOverflowPages)
            Tree statistics
            \tNumber of keys/value pairs: \(sum.keys)
            \tNumber of levels in B+tree: \(sum.depth)
            Page size utilization
            \tBytes allocated for physical branch pages: \(sum.branchBytesAllocated)
            \tBytes actually used for branch data: \(sum.branchBytesUsed) (\(percent(sum.branchBytesUsed, sum.branchBytesAllocated))%)
            \tBytes allocated for physical leaf pages: \(sum.leafBytesAllocated)
            \tBytes actually used for leaf data: \(sum.leafBytesUsed) (\(percent(sum.leafBytesUsed, sum.leafBytesAllocated))%)
            Bucket statistics
            \tTotal number of buckets: \(sum.buckets)
            \tTotal number on inlined buckets: \(sum.inlineBuckets) (\(percent(sum.inlineBuckets, sum.buckets))%)
            \tBytes used for inlined buckets: \(sum.inlineBytesUsed) (\(percent(sum.inlineBytesUsed, sum.leafBytesUsed))%)

            """
    }
}
