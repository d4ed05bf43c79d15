// The program etcdctl: its tree of commands, and its manual.

package import CommandLineKit
import FoundationEssentials

package enum Etcdctl {
    /// The versions that `version` prints.
    private static let version = "3.7.1", apiVersion = "3.7"

    package static let root: Command = {
        var root = Command(
            "etcdctl",
            "",
            "A simple command line client for etcd3.",
            long: """
                etcdctl reads, writes and watches the keys of an etcd cluster, and looks after the cluster.

                Global options may stand anywhere; each has a variable in the environment, too: --write-out is ETCDCTL_WRITE_OUT.
                """,
            example: """
                  etcdctl put greeting "hello, world"
                  etcdctl get greeting
                  etcdctl endpoint health --cluster
                """
        )
        root.persistentFlags = globalFlags.map {
            Flag($0.name, $0.short, $0.kind, $0.defaultText, $0.usage, hidden: true, choices: $0.choices)
        }
        root.groups = [
            ("kv", "Key-value commands"), ("cluster maintenance", "Cluster maintenance commands"),
            ("concurrency", "Concurrency commands"), ("authentication", "Authentication commands"),
            ("utility", "Utility commands"),
        ]
        root.commands =
            KeyCommands.all + [WatchCommand.command, LeaseCommands.command] + ClusterCommands.all + [
                SnapshotCommand.command
            ]
            + ConcurrencyCommands.all + AuthCommands.all
            + [MirrorCommand.command, CheckCommand.command, versionCommand, completion, options]
        root.commands.sort { $0.name < $1.name }
        root.addHelp(
            "Tells about a command", group: "utility", text: { Help.text($0) + footer }, usage: { Help.usage($0) })
        return root
    }()

    /// What follows every help text, as the global flags are not shown in it.
    private static let footer =
        "Use \"etcdctl options\" for a list of global command-line options (applies to all commands).\n"

    private static let versionCommand = Command(
        "version",
        "",
        "Prints the version of etcdctl",
        example: "  etcdctl version",
        group: "utility"
    ) { _ in
        Terminal.out("etcdctl version: \(version)\nAPI version: \(apiVersion)\n")
    }

    private static let completion: Command = {
        var command = Command(
            "completion",
            "[bash|zsh|fish|powershell]",
            "Prints a script that completes commands in a shell",
            long:
                "Prints a script for the shell; once the shell has read it, the tabulator key completes commands, flags and values.",
            example: """
                  source <(etcdctl completion bash)
                  etcdctl completion zsh > "${fpath[1]}/_etcdctl"
                  etcdctl completion fish > ~/.config/fish/completions/etcdctl.fish
                """,
            group: "utility"
        ) { call in
            let words = call.arguments
            guard words.count == 1, let script = Completion.script(for: words[0], program: "etcdctl") else {
                Terminal.error(
                    words.count == 1
                        ? "Error: invalid argument \(words[0].quoted) for \"etcdctl completion\"\n"
                        : "Error: accepts 1 arg(s), received \(words.count)\n"
                )
                Terminal.error(Help.usage([root, call.command]) + "\n")
                throw CommandExit(ExitCode.error)
            }
            Terminal.out(script)
        }
        command.choices = Completion.shells
        command.mentionsFlags = false
        return command
    }()

    private static let options = Command(
        "options",
        "",
        "Lists the options that every command takes",
        example: "  etcdctl options",
        group: "utility"
    ) { _ in
        Terminal.out("The following options can be passed to any command:\n\n" + Help.table(globalFlags))
    }

    /// - Returns: the exit code.
    package static func main(_ words: [String]) async -> Int32 {
        if let folder = Program.manualFolder(words) { return writeManual(into: folder) }
        return await Program.run(root, words, helpFooter: footer)
    }

    // MARK: The manual

    private static let exits = [
        ("0", "all went well"), ("1", "an error, an unhealthy member, a check that was not passed"),
        ("2", "no connection, or credentials that are not accepted"),
        ("3", "a line of a transaction or of a watch makes no sense"),
        ("4", "a format or a mix of options that there is not"),
        ("5", "interrupted: a watch that was ended, a snapshot that was not saved"),
        ("6", "a file could not be read or written"), ("128", "arguments that make no sense"),
    ]

    /// The pages of the manual for the program and each command.
    package static var manual: [ManualPage] {
        let environment = [
            (
                "ETCDCTL_…",
                "each global option has a variable: its name in capitals, with lines for dashes. An option that is given twice, as a flag and as a variable, is an error."
            ),
            ("\(WatchCommand.keyVariable), \(WatchCommand.endVariable)", "the arguments of watch"),
        ]
        return ManualPage.pages(
            of: root,
            globalFlags: globalFlags,
            source: "etcd \(version)",
            environment: environment,
            exits: exits
        )
    }

    private static func writeManual(into folder: String) -> Int32 {
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for page in manual {
                try Data(page.roff.utf8).write(to: URL(fileURLWithPath: folder).appendingPathComponent(page.fileName))
            }
            return 0
        } catch {
            Terminal.error("Error: \(error)\n")
            return ExitCode.io
        }
    }
}
