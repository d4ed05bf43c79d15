// From words to an invocation: which command is meant, which flags it was given, what is left.

/// What the words on the command line come to.
package enum Parsed: Sendable {
    case run(Invocation)
    /// Help was asked for, or the command is only a folder of others.
    case help(path: [Command])
    /// The command line makes no sense: the message, and the usage to show, if any.
    case failure(message: String, path: [Command]?)
}

package enum Parser {
    package static func parse(_ root: Command, _ words: [String]) -> Parsed {
        var path = [root]
        var rest = words[...]
        var early: [String] = []
        // The command is found by its words; flags before them, with their values, are set aside.
        while let word = rest.first {
            let current = path[path.count - 1]
            if word == "--" { break }
            if word.hasPrefix("-"), word != "-" {
                early.append(word)
                rest.removeFirst()
                if takesNext(word, path), let value = rest.popFirst() { early.append(value) }
                continue
            }
            guard let next = current.child(word) else { break }
            path.append(next)
            rest.removeFirst()
        }
        let command = path[path.count - 1]
        if path.count == 1, !command.commands.isEmpty, let word = rest.first(where: { !$0.hasPrefix("-") }) {
            return .failure(message: unknownCommand(word, root), path: nil)
        }
        return parseFlags(early + rest, path, words)
    }

    private static func parseFlags(_ given: [String], _ path: [Command], _ raw: [String]) -> Parsed {
        let command = path[path.count - 1]
        let known = flags(of: path)
        var values: [String: String] = [:]
        for flag in known { values[flag.name] = flag.defaultText }
        var changed: Set<String> = []
        var arguments: [String] = []
        var index = 0

        func set(_ flag: Flag, _ value: String, as shown: String) -> String? {
            if let problem = flag.problem(with: value) {
                return "invalid argument \"\(value)\" for \"\(shown)\" flag: \(problem)"
            }
            if flag.kind == .stringList, changed.contains(flag.name) {
                values[flag.name, default: ""] += "," + value
            } else {
                values[flag.name] = value
            }
            changed.insert(flag.name)
            return nil
        }

        while index < given.count {
            let word = given[index]
            index += 1
            if word == "--" {
                arguments += given[index...]
                break
            }
            guard word.hasPrefix("-"), word != "-" else {
                arguments.append(word)
                if command.stopsAtArguments {
                    arguments += given[index...]
                    break
                }
                continue
            }
            if word.hasPrefix("--") {
                let body = word.dropFirst(2)
                let parts = body.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                let name = String(parts[0])
                if name.isEmpty || name.hasPrefix("-") {
                    return .failure(message: "bad flag syntax: \(word)", path: path)
                }
                if name == "help" { return .help(path: path) }
                guard let flag = known.first(where: { $0.name == name }) else {
                    return .failure(message: "unknown flag: --\(name)", path: path)
                }
                let shown = flag.short.map { "-\($0), --\(name)" } ?? "--\(name)"
                let value: String
                if parts.count == 2 {
                    value = String(parts[1])
                } else if flag.kind == .bool {
                    value = "true"
                } else if index < given.count {
                    value = given[index]
                    index += 1
                } else {
                    return .failure(message: "flag needs an argument: --\(name)", path: path)
                }
                if let problem = set(flag, value, as: shown) { return .failure(message: problem, path: path) }
                continue
            }
            var letters = word.dropFirst()
            while let letter = letters.popFirst() {
                if letter == "h", !known.contains(where: { $0.short == "h" }) { return .help(path: path) }
                guard let flag = known.first(where: { $0.short == letter }) else {
                    return .failure(message: "unknown shorthand flag: '\(letter)' in \(word)", path: path)
                }
                var value = "true"
                if flag.kind != .bool || letters.first == "=" {
                    if letters.first == "=" { letters.removeFirst() }
                    if !letters.isEmpty {
                        value = String(letters)
                    } else if index < given.count {
                        value = given[index]
                        index += 1
                    } else {
                        return .failure(message: "flag needs an argument: '\(letter)' in \(word)", path: path)
                    }
                    letters = ""
                }
                if let problem = set(flag, value, as: "-\(letter), --\(flag.name)") {
                    return .failure(message: problem, path: path)
                }
            }
        }
        guard command.run != nil else { return .help(path: path) }
        return .run(Invocation(command: command, arguments: arguments, values: values, changed: changed, raw: raw))
    }

    static func flags(of path: [Command]) -> [Flag] {
        path[path.count - 1].flags + path.flatMap(\.persistentFlags)
    }

    /// Whether the word after a flag is the flag's value. Of a flag that a command further down may define only that much is
    /// known that most have one: `--consistency s get a` is a get, and `--prefix get a` an unknown command, as etcdctl has it.
    private static func takesNext(_ word: String, _ path: [Command]) -> Bool {
        guard !word.contains("="), word.hasPrefix("--") || word.count == 2 else { return false }
        let all = flags(of: path)
        let found = all.first { word.hasPrefix("--") ? $0.name == word.dropFirst(2) : $0.short == word.last }
        return found.map { $0.kind != .bool } ?? true
    }

    private static func unknownCommand(_ word: String, _ root: Command) -> String {
        var text = "unknown command \"\(word)\" for \"\(root.name)\"\n"
        let near = root.commands.filter {
            !$0.isHidden
                && (distance(word.lowercased(), $0.name.lowercased()) <= 2
                    || $0.name.lowercased().hasPrefix(word.lowercased()))
        }
        if !near.isEmpty {
            text += "\nDid you mean this?\n" + near.map { "\t\($0.name)\n" }.joined()
        }
        return text + (near.isEmpty ? "" : "\n") + "Run '\(root.name) --help' for usage."
    }

    /// Levenshtein's distance.
    static func distance(_ left: String, _ right: String) -> Int {
        let left = Array(left), right = Array(right)
        var row = Array(0...right.count)
        for i in 0..<left.count {
            var diagonal = row[0]
            row[0] = i + 1
            for j in 0..<right.count {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (left[i] == right[j] ? 0 : 1))
                diagonal = above
            }
        }
        return row[right.count]
    }
}
