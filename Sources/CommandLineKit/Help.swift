// Help and usage texts, laid out as users of etcd's tools know them.

package enum Help {
    /// The whole text for `--help`.
    package static func text(_ path: [Command]) -> String {
        let command = path[path.count - 1]
        let about = command.long.isEmpty ? command.short : command.long
        return (about.isEmpty ? "" : about + "\n\n") + usage(path)
    }

    /// The part that follows an error too.
    package static func usage(_ path: [Command]) -> String {
        let command = path[path.count - 1]
        let full = path.map(\.name).joined(separator: " ")
        let own = (command.flags + command.persistentFlags).filter { !$0.isHidden }
        var text = "Usage:\n"
        if command.run != nil {
            text += "  \(full)\(command.usage.isEmpty ? "" : " " + command.usage)\(command.mentionsFlags ? " [flags]" : "")\n"
        }
        let shown = command.commands.filter { !$0.isHidden }.sorted { $0.name < $1.name }
        if !shown.isEmpty { text += "  \(full) [command]\n" }
        if !command.example.isEmpty { text += "\nExamples:\n\(command.example)\n" }
        if !shown.isEmpty {
            let width = max(11, shown.map(\.name.count).max() ?? 0)
            func line(_ command: Command) -> String {
                "  \(command.name)\(String(repeating: " ", count: width - command.name.count)) \(command.short)\n"
            }
            if command.groups.isEmpty {
                text += "\nAvailable Commands:\n" + shown.map(line).joined()
            } else {
                for group in command.groups {
                    text += "\n\(group.title)\n" + shown.filter { $0.group == group.id }.map(line).joined()
                }
                let others = shown.filter { $0.group == nil }
                if !others.isEmpty { text += "\nAdditional Commands:\n" + others.map(line).joined() }
            }
        }
        let help = Flag("help", "h", .bool, "", "help for \(command.name)")
        if path.count > 1 { text += "\nFlags:\n" + table(own + [help]) }
        let above = path.dropLast().flatMap(\.persistentFlags).filter { !$0.isHidden }
        if !above.isEmpty { text += "\nGlobal Flags:\n" + table(above) }
        if !shown.isEmpty { text += "\nUse \"\(full) [command] --help\" for more information about a command.\n" }
        return text
    }

    /// Flags in columns, by name.
    package static func table(_ flags: [Flag]) -> String {
        let rows = flags.sorted { $0.name < $1.name }.map { flag -> (String, String) in
            var left = flag.short.map { "  -\($0), --\(flag.name)" } ?? "      --\(flag.name)"
            if !flag.typeWord.isEmpty { left += " \(flag.typeWord)" }
            var right = flag.usage
            if !flag.hasZeroDefault {
                switch flag.kind {
                case .string: right += " (default \"\(flag.defaultText)\")"
                case .stringList: right += " (default [\(flag.defaultText)])"
                default: right += " (default \(flag.defaultText))"
                }
            }
            return (left, right)
        }
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { "\($0.0)\(String(repeating: " ", count: width - $0.0.count))   \($0.1)\n" }.joined()
    }
}
