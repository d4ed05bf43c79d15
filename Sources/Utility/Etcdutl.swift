// The program etcdutl: work on a member's files while no member uses them. Nothing here talks to a server.

import Base
package import CommandLineKit

package enum Etcdutl {
    static let name = "etcdutl"

    package static let root: Command = {
        var root = Command(name, "", "An administrative command line tool for etcd3.")
        root.persistentFlags = [
            Flag("write-out", "w", .string, "simple", "set the output format (fields, json, protobuf, simple, table)"),
            Flag(
                "timeout",
                nil,
                .duration,
                "10s",
                "time to wait to obtain a file lock on db file, 0 to block indefinitely"
            ),
        ]
        root.commands = [
            BBoltCommands.command, completion, DefragCommand.command, HashKVCommand.command, MigrateCommand.command,
            SnapshotCommands.command, version, WALCommands.command,
        ]
        root.commands.sort { $0.name < $1.name }
        let tree = root
        root.commands.append(
            Command("help", "[command]", "Help about any command") { call in
                guard let path = Program.path(tree, call.arguments) else {
                    Terminal.error("Unknown help topic \(call.arguments.map { "`\($0)`" }.joined(separator: " "))\n")
                    Terminal.error(help([tree]))
                    return
                }
                Terminal.out(help(path))
            }
        )
        return root
    }()

    private static let version = Command("version", "", "Prints the version of etcdutl") { _ in
        let version = SemanticVersion.server
        Terminal.out("etcdutl version: \(version)\nAPI version: \(version.minorDescription)\n")
    }

    private static let completion = Command(
        "completion",
        "[bash|zsh|fish|powershell]",
        "Generate completion script"
    ) { call in
        try exactly(1, call)
        guard let script = Completion.script(for: call.arguments[0], program: name) else {
            throw CommandExit(ExitCode.error, "invalid argument \(call.arguments[0].quoted) for \"etcdutl completion\"")
        }
        Terminal.out(script)
    }

    /// As etcdutl shows it: without the commands' descriptions, and the global flags at the root.
    static func help(_ path: [Command]) -> String {
        let usage = Help.usage(path)
        guard path.count == 1 else { return usage }
        let flags = [Flag("help", "h", .bool, "", "help for \(name)")] + path[0].persistentFlags
        return usage.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.hasPrefix("Use \"") ? "Flags:\n\(Help.table(flags))\n\(line)" : String(line)
        }.joined(separator: "\n")
    }

    /// - Returns: the exit code.
    package static func main(_ words: [String]) async -> Int32 {
        if words.first != "__complete", case .help(let path) = Parser.parse(root, words) {
            Terminal.out(help(path))
            return 0
        }
        return await Program.run(root, words)
    }
}
