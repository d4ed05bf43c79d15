// bbolt page, pages, dump: single pages in words, in a list, and as they stand on the disk.

import BBolt
import Base
import CommandLineKit

enum PageCommands {
    private static let separator = "===============================================\n"

    // MARK: page

    static let page = Command(
        "page",
        "<bbolt-file> [pageid...]",
        "page prints one or more pages in human readable format.",
        flags: [
            Flag("all", nil, .bool, "", "List all pages."),
            Flag(
                "format-value",
                nil,
                .string,
                "auto",
                "Output format one of: \(ByteFormat.names). Applies to values on the leaf page."
            ),
        ]
    ) { call in
        try atLeast(1, call)
        let wanted = try numbers(call)
        let all = call.bool("all")
        if wanted.isEmpty, !all { throw failure("page id required") }
        if !wanted.isEmpty, all { throw failure("invalid args: either use '--all' or 'pageid...'") }
        let format = try ByteFormat(call.string("format-value"))
        try inspecting(call) { file in
            if all {
                var id: UInt64 = 0
                while id < file.highWater {
                    if id > 0 { Terminal.out(separator) }
                    id += UInt64(show(id, of: file, format) ?? 0) + 1
                }
            } else {
                for (position, id) in wanted.enumerated() {
                    if position > 0 { Terminal.out(separator) }
                    _ = show(id, of: file, format)
                }
            }
        }
    }

    /// - Returns: how many overflow pages it has; nil where it is damaged.
    private static func show(_ id: UInt64, of file: PageInspection, _ format: ByteFormat) -> UInt32? {
        do throws(BBoltError) {
            let page = try file.page(id)
            Terminal.out(bytes: try text(page, format))
            return page.overflow
        } catch {
            Terminal.out("Printing page \(id) failed: \(reason(error)). Continuing...\n")
            return nil
        }
    }

    static func reason(_ error: BBoltError) -> String {
        if case .corrupt(_, _, _, let reason) = error { reason } else { bboltText(error) }
    }

    static func text(_ page: InspectedPage, _ format: ByteFormat) throws(BBoltError) -> [UInt8] {
        var out = Array(
            """
            Page ID:    \(page.id)
            Page Type:  \(page.kind.name)
            Total Size: \(page.bytes.count) bytes
            Overflow pages: \(page.overflow)

            """.utf8
        )
        switch page.kind {
        case .meta: out += metaText(page.meta).utf8
        case .leaf, .branch:
            out += "Item Count: \(page.count)\n\n".utf8
            for element in try page.elements() { out += line(element, format) }
            out.append(10)
        case .freelist:
            let free = try page.freePages()
            out += "Item Count: \(free.count)\nOverflow: \(page.overflow)\n\n".utf8
            out += free.map { "\($0)\n" }.joined().utf8
            out.append(10)
        case .unknown: break
        }
        return out
    }

    private static func line(_ element: InspectedPage.Element, _ format: ByteFormat) -> [UInt8] {
        func name(_ key: Bytes) -> String {
            ByteFormat.isPrintable(key.array) ? key.array.quoted : ByteFormat.hex(key.array)
        }
        switch element {
        case .pair(let key, let value): return Array("\(name(key)): ".utf8) + format.text(value.array) + [10]
        case .bucket(let key, let root, let sequence):
            return Array("\(name(key)): <pgid=\(root),seq=\(sequence)>\n".utf8)
        case .child(let key, let page): return Array("\(name(key)): <pgid=\(page)>\n".utf8)
        }
    }

    private static func metaText(_ meta: InspectedPage.MetaFields) -> String {
        let flags = String(meta.flags, radix: 16)
        return """
            Version:    \(meta.version)
            Page Size:  \(meta.pageSize) bytes
            Flags:      \(String(repeating: "0", count: max(0, 8 - flags.count)))\(flags)
            Root:       <pgid=\(meta.root)>
            Freelist:   <pgid=\(meta.freelist)>
            HWM:        <pgid=\(meta.highWater)>
            Txn ID:     \(meta.transaction)
            Checksum:   \(paddedHexadecimal(meta.checksum))


            """
    }

    // MARK: pages

    static let pages: Command = {
        var command = Command("pages", "<bbolt-file>", "print a list of pages in bbolt database") { call in
            try exactly(1, call)
            try BBoltCommands.reading(call) { reader in
                Terminal.out("ID       TYPE       ITEMS  OVRFLW\n======== ========== ====== ======\n")
                for page in try reader.pages() {
                    let cells =
                        page.isFree
                        ? ["\(page.id)", "free", "", ""]
                        : ["\(page.id)", page.kind.name, "\(page.count)", page.overflow > 0 ? "\(page.overflow)" : ""]
                    let padded = zip(cells, [8, 10, 6, 6]).map {
                        $0 + String(repeating: " ", count: max(0, $1 - $0.count))
                    }
                    Terminal.out(padded.joined(separator: " ") + "\n")
                }
            }
        }
        command.long = """
            Lists the pages with their type (meta, leaf, branch, freelist or free), the number of their items
            and, where an item is too large for one, of the further pages they take.
            """
        return command
    }()

    // MARK: page-item

    static let item = Command(
        "page-item",
        "[options] <bbolt-file> pageid itemid",
        "print a page item key and value in a bbolt database",
        flags: [
            Flag("key-only", nil, .bool, "", "Print only the key"), Flag("value-only", nil, .bool, "", "Print only the value"),
            Flag("format", nil, .string, "auto", "Output format one of: \(ByteFormat.names)"),
        ]
    ) { call in
        try exactly(3, call)
        let wanted = try call.arguments.dropFirst().map { text throws(CommandExit) in
            do { return try GoNumber.unsigned(text) } catch { throw failure("\(error)") }
        }
        if call.bool("key-only"), call.bool("value-only") {
            throw failure("the --key-only or --value-only flag may be set, but not both")
        }
        try inspecting(call) { file in
            let page: InspectedPage
            do throws(BBoltError) { page = try file.page(wanted[0]) } catch { throw failure(reason(error)) }
            // Items are numbered with sixteen bits.
            let index = Int(UInt16(truncatingIfNeeded: wanted[1]))
            guard index < page.count else {
                throw failure("leafPageElement: expected item index less than \(page.count), but got \(index)")
            }
            guard page.kind == .leaf else {
                throw failure("leafPageElement: expected page type of 'leaf', but got '\(page.kind.name)'")
            }
            let format = try ByteFormat(call.string("format"))
            let (key, value) = try page.leafElement(index)
            if !call.bool("value-only") { Terminal.out(bytes: format.text(key.array) + [10]) }
            if !call.bool("key-only") { Terminal.out(bytes: format.text(value.array) + [10]) }
        }
    }

    // MARK: dump

    static let dump = Command(
        "dump",
        "<bbolt-file> pageid [pageid...]",
        "prints a hexadecimal dump of one or more pages of bbolt database."
    ) { call in
        try atLeast(2, call)
        let wanted = try numbers(call)
        try inspecting(call) { file in
            for (position, id) in wanted.enumerated() {
                if position > 0 { Terminal.out(separator) }
                let block: [UInt8]
                do throws(BBoltError) { block = try file.block(id) } catch { throw failure(reason(error)) }
                Terminal.out(hexadecimalDump(block, at: id * UInt64(file.pageSize)))
            }
        }
    }

    /// Sixteen bytes a line; lines like the one before are left out, but for the last.
    static func hexadecimalDump(_ bytes: [UInt8], at address: UInt64) -> String {
        let width = 16
        var text = ""
        var previous: ArraySlice<UInt8> = []
        var isSkipping = false
        for start in stride(from: 0, to: bytes.count, by: width) {
            let line = bytes[start..<min(start + width, bytes.count)]
            let digits = hexadecimal(address + UInt64(start))
            let place = String(repeating: "0", count: max(0, 7 - digits.count)) + digits
            if line.elementsEqual(previous), start + width < bytes.count {
                if !isSkipping { text += "\(place) *\n" }
                isSkipping = true
            } else {
                let pairs = stride(from: line.startIndex, to: line.endIndex, by: 2).map { at in
                    ByteFormat.hex(Array(line[at..<min(at + 2, line.endIndex)]))
                }
                text += "\(place) \(pairs.joined(separator: " "))\n"
                isSkipping = false
            }
            previous = line
        }
        return text + "\n"
    }

    // MARK: Both

    private static func numbers(_ call: Invocation) throws(CommandExit) -> [UInt64] {
        var numbers: [UInt64] = []
        for text in call.arguments.dropFirst() where !text.isEmpty {
            guard let number = UInt64(text) else {
                throw failure("strconv.ParseUint: parsing \(text.quoted): invalid syntax")
            }
            numbers.append(number)
        }
        return numbers
    }

    private static func inspecting(_ call: Invocation, _ body: (PageInspection) throws -> Void) throws(CommandExit) {
        try BBoltCommands.requireSource(call.arguments[0])
        try onFiles {
            let file = try PageInspection(call.arguments[0], fileSystem: disk)
            defer { file.close() }
            try body(file)
        }
    }
}
