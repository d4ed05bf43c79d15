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
        root.addHelp("Help about any command", text: Etcdutl.help, usage: Etcdutl.help)
        return root
    }()

    private static let version = Command("version", "", "Prints the version of etcdutl") { _ in
        let version = SemanticVersion.server
        Terminal.out("etcdutl version: \(version)\nAPI version: \(version.minorDescription)\n")
    }

    private static let completion: Command = {
        var command = Command("completion", "[bash|zsh|fish|powershell]", "Generate completion script") { call in
            try exactly(1, call)
            guard let script = Completion.script(for: call.arguments[0], program: name) else {
                throw misuse(call, "invalid argument \(call.arguments[0].quoted) for \"etcdutl completion\"")
            }
            Terminal.out(script)
        }
        command.mentionsFlags = false
        return command
    }()

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
        if words.first != "__complete", case .failure(let message, let path) = Parser.parse(root, words) {
            let exit = complain(message, path.map { $0.count == 1 ? help($0) : Help.usage($0) })
            Terminal.error("Error: \(message)\n")
            return exit.code
        }
        return await Program.run(root, words)
    }

    /// Says what makes no sense in a call, before the usage and after it: the last line tells why the program ended.
    static func complain(_ message: String, _ usage: String?) -> CommandExit {
        Terminal.error("Error: \(message)\n")
        if let usage { Terminal.error(usage + "\n") }
        return CommandExit(ExitCode.error, message)
    }
}
