// Reads a file of directives, runs them one after another, and says where the output differs.

package struct DataDrivenFile: Sendable {
    package let name: String
    package let directives: [Directive]

    /// - Throws: where the text is no file of directives.
    package init(name: String, text: String) throws(DataDrivenError) {
        self.name = name
        var reader = DirectiveReader(text)
        var directives: [Directive] = []
        while let directive = try reader.next() { directives.append(directive) }
        self.directives = directives
    }

    /// Runs every directive.
    /// - Parameter handle: gives a directive's output. An error stops the run.
    /// - Returns: a unified diff from what is expected to what came; empty if they agree. A failure stands below it.
    package func run(_ handle: (Directive) throws(DataDrivenError) -> String) -> String {
        var hunks = ""
        var shift = 0
        var failure = ""
        for directive in directives {
            let output: String
            do throws(DataDrivenError) {
                output = try handle(directive)
            } catch {
                failure = "\(name):\(directive.line): \(error.text)\n"
                break
            }
            let expected = lines(directive.expected)
            let found = lines(output)
            if expected == found { continue }
            hunks += hunk(expected, found, at: directive.expectedLine, shift)
            shift += found.count - expected.count
        }
        return hunks.isEmpty ? failure : "--- \(name)\n+++ \(name)\n" + hunks + failure
    }

    private func lines(_ text: String) -> [Substring] {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last == "" { lines.removeLast() }
        return lines
    }

    /// One directive's difference: its whole output is the context.
    private func hunk(_ expected: [Substring], _ found: [Substring], at line: Int, _ shift: Int) -> String {
        let difference = found.difference(from: expected)
        var removed: Set<Int> = []
        var inserted: Set<Int> = []
        for change in difference {
            switch change {
            case .remove(let offset, _, _): removed.insert(offset)
            case .insert(let offset, _, _): inserted.insert(offset)
            }
        }
        // A range without lines names the line before it.
        func range(_ start: Int, _ count: Int) -> String { "\(count == 0 ? start - 1 : start),\(count)" }
        var text = "@@ -\(range(line, expected.count)) +\(range(line + shift, found.count)) @@\n"
        var (old, new) = (0, 0)
        while old < expected.count || new < found.count {
            if old < expected.count && removed.contains(old) {
                text += "-\(expected[old])\n"
                old += 1
            } else if new < found.count && inserted.contains(new) {
                text += "+\(found[new])\n"
                new += 1
            } else {
                text += " \(expected[old])\n"
                old += 1
                new += 1
            }
        }
        return text
    }
}

/// Walks over the lines of a file.
private struct DirectiveReader {
    private static let separator = "----"

    private let lines: [Substring]
    private var position = 0

    init(_ text: String) {
        var lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        if lines.last == "" { lines.removeLast() }
        self.lines = lines
    }

    private mutating func nextLine() -> Substring? {
        guard position < lines.count else { return nil }
        defer { position += 1 }
        return lines[position]
    }

    mutating func next() throws(DataDrivenError) -> Directive? {
        while let first = nextLine() {
            var line = String(trimmed(first))
            let number = position
            if line.hasPrefix("#") || line.isEmpty { continue }
            while line.hasSuffix("\\"), let continuation = nextLine() {
                line = line.dropLast() + " " + trimmed(continuation)
            }
            guard let (command, arguments) = Directive.parse(line) else {
                throw DataDrivenError(line: number, "cannot parse directive: \(line)")
            }
            // Names a group of directives; it has neither input nor output.
            if command == "subtest" { continue }
            let (input, hasOutput) = readInput()
            let expectedLine = position + 1
            let (expected, isDoubled) = hasOutput ? try readExpected() : ("", false)
            return Directive(
                command: command,
                arguments: arguments,
                input: input,
                expected: expected,
                line: number,
                expectedLine: expectedLine + (isDoubled ? 1 : 0)
            )
        }
        return nil
    }

    private mutating func readInput() -> (input: String, hasOutput: Bool) {
        var input: [Substring] = []
        while let line = nextLine() {
            if line == Self.separator { return (text(input), true) }
            input.append(line)
        }
        return (text(input), false)
    }

    private func text(_ lines: [Substring]) -> String {
        String(trimmed(lines.joined(separator: "\n")[...]))
    }

    private mutating func readExpected() throws(DataDrivenError) -> (expected: String, isDoubled: Bool) {
        var expected = ""
        if position < lines.count && lines[position] == Self.separator {
            position += 1
            while let line = nextLine() {
                if line == Self.separator && position < lines.count && lines[position] == Self.separator {
                    position += 1
                    if let behind = nextLine(), !behind.isEmpty {
                        throw DataDrivenError(line: position, "no blank line behind doubled separators")
                    }
                    return (expected, true)
                }
                expected += line + "\n"
            }
            return (expected, true)
        }
        while let line = nextLine(), !trimmed(line).isEmpty { expected += line + "\n" }
        return (expected, false)
    }
}
