// The program etcdctl: its tree of commands.

package import CommandLineKit

package enum Etcdctl {
    /// The versions that `version` prints.
    private static let version = "3.7.1", apiVersion = "3.7"

    package static let root: Command = {
        var root = Command("etcdctl", "", "A simple command line client for etcd3.")
        root.persistentFlags = globalFlags.map {
            Flag($0.name, $0.short, $0.kind, $0.defaultText, $0.usage, hidden: true)
        }
        root.groups = [
            ("kv", "Key-value commands:"), ("cluster maintenance", "Cluster maintenance commands:"),
            ("concurrency", "Concurrency commands:"), ("authentication", "Authentication commands:"), ("utility", "Utility commands:"),
        ]
        root.commands =
            KeyCommands.all + [WatchCommand.command, LeaseCommands.command] + ClusterCommands.all + [SnapshotCommand.command]
            + ConcurrencyCommands.all + AuthCommands.all + [MirrorCommand.command, CheckCommand.command, versionCommand, completion, options]
        root.commands.sort { $0.name < $1.name }
        let tree = root
        root.commands.append(
            Command("help", "[command]", "Help about any command", group: "utility") { call in
                guard let path = Program.path(tree, call.arguments) else {
                    Terminal.error("Unknown help topic \(call.arguments.map { "`\($0)`" }.joined(separator: " "))\n")
                    Terminal.error(Help.usage([tree]))
                    return
                }
                Terminal.out(Help.text(path) + footer)
            })
        return root
    }()

    /// What follows every help text, as the global flags are not shown in it.
    private static let footer = "Use \"etcdctl options\" for a list of global command-line options (applies to all commands).\n"

    private static let versionCommand = Command("version", "", "Prints the version of etcdctl", group: "utility") { _ in
        Terminal.out("etcdctl version: \(version)\nAPI version: \(apiVersion)\n")
    }

    private static let completion = Command(
        "completion", "[bash|zsh|fish|powershell]", "Generate completion script", group: "utility"
    ) { call in
        guard call.arguments.count == 1 else {
            throw CommandExit(1, "accepts 1 arg(s), received \(call.arguments.count)")
        }
        guard let script = Completion.script(for: call.arguments[0], program: "etcdctl") else {
            throw CommandExit(1, "invalid argument \(call.arguments[0].quoted) for \"etcdctl completion\"")
        }
        Terminal.out(script)
    }

    private static let options = Command(
        "options", "", "Print the global options that can be applied to all etcdctl commands", group: "utility"
    ) { _ in
        Terminal.out("The following options can be passed to any command:\n\n" + Help.table(globalFlags))
    }

    /// - Returns: the exit code.
    package static func main(_ words: [String]) async -> Int32 {
        await Program.run(root, words, helpFooter: footer)
    }
}
