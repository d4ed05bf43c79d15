// One case of a data-driven file: a command line, its input, and the output that is expected.
//
//     command argument key=value key=(value, value)
//     input
//     ----
//     expected output
//
// The output ends at a blank line; if it has blank lines itself it stands between doubled "----" lines. Lines that begin
// with # are comments. The format is that of github.com/cockroachdb/datadriven.

package struct Directive: Sendable, Equatable {
    package struct Argument: Sendable, Equatable {
        package var key: String
        /// None for a bare word.
        package var values: [String]
    }

    package var command: String
    package var arguments: [Argument]
    /// Without blanks around.
    package var input: String
    /// Complete lines, or nothing.
    package var expected: String
    /// Where the command is, from 1.
    package var line: Int
    /// Where the expected output begins.
    package var expectedLine: Int
}

/// Why a file cannot be run on.
package struct DataDrivenError: Error, Sendable, Equatable, CustomStringConvertible {
    /// From 1; 0 where the directive that is run says it.
    package var line: Int
    package var text: String

    package init(line: Int = 0, _ text: String) {
        self.line = line
        self.text = text
    }

    package var description: String { "line \(line): \(text)" }
}

extension Directive {
    /// The single value of an argument; nil if there is no such argument.
    package func value(_ key: String) throws(DataDrivenError) -> String? {
        guard let argument = arguments.first(where: { $0.key == key }) else { return nil }
        guard argument.values.count == 1 else { throw DataDrivenError("\(key) takes one value") }
        return argument.values[0]
    }

    /// Bare words that are numbers.
    package func numbers() throws(DataDrivenError) -> [Int] {
        var numbers: [Int] = []
        for argument in arguments where argument.values.isEmpty {
            guard let number = Int(argument.key) else { throw DataDrivenError("not a number: \(argument.key)") }
            numbers.append(number)
        }
        return numbers
    }

    /// The first argument, a number.
    package func firstNumber() throws(DataDrivenError) -> Int {
        guard let first = arguments.first, let number = Int(first.key) else {
            throw DataDrivenError("\(command) begins with a number")
        }
        return number
    }
}

extension Directive {
    /// What a command line's text says: the command and its arguments. An empty line has none.
    static func parse(_ line: String) -> (command: String, arguments: [Argument])? {
        var rest = trimmed(line[...])
        let command = take(&rest) { $0 == " " }
        guard !command.isEmpty else { return nil }
        var arguments: [Argument] = []
        while true {
            rest = trimmed(rest)
            if rest.isEmpty { return (command, arguments) }
            let key = take(&rest) { $0 == " " || $0 == "=" }
            if key.isEmpty { return nil }
            guard rest.first == "=" else {
                arguments.append(Argument(key: key, values: []))
                continue
            }
            rest.removeFirst()
            guard rest.first == "(" else {
                arguments.append(Argument(key: key, values: [take(&rest) { $0 == " " }]))
                continue
            }
            guard let values = takeList(&rest) else { return nil }
            arguments.append(Argument(key: key, values: values))
        }
    }

    private static func take(_ rest: inout Substring, until isEnd: (Character) -> Bool) -> String {
        let end = rest.firstIndex(where: isEnd) ?? rest.endIndex
        defer { rest = rest[end...] }
        return String(rest[..<end])
    }

    /// "(a, b)": commas within inner parentheses belong to the values.
    private static func takeList(_ rest: inout Substring) -> [String]? {
        rest.removeFirst()
        var values: [String] = []
        var value = ""
        var depth = 1
        while let character = rest.popFirst() {
            switch character {
            case "," where depth == 1:
                values.append(value)
                value = ""
                while rest.first == " " { rest.removeFirst() }
                continue
            case "(": depth += 1
            case ")":
                depth -= 1
                if depth == 0 { return values + [value] }
            default: break
            }
            value.append(character)
        }
        return nil
    }
}

/// The text without blanks around.
func trimmed(_ text: Substring) -> Substring {
    func isBlank(_ character: Character) -> Bool { character.isWhitespace }
    let start = text.drop(while: isBlank)
    guard let last = start.lastIndex(where: { !isBlank($0) }) else { return "" }
    return start[...last]
}
