// Runs a program of commands: parses, runs, says what went wrong, and gives the exit code.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

package enum Program {
    /// What the process was called by, without folders: the last part of its name.
    package static var name: String {
        CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? ""
    }

    /// What the process was called with, after its name; bytes that are no UTF-8 are kept (``Swift/String/rawBytes``).
    package static var arguments: [String] {
        (1..<max(1, Int(CommandLine.argc))).compactMap { index in
            CommandLine.unsafeArgv[index].map { pointer in
                String(
                    rawBytes: UnsafeBufferPointer(start: pointer, count: strlen(pointer)).map { UInt8(bitPattern: $0) }
                )
            }
        }
    }

    /// The folder that `PROGRAM __manual FOLDER` asks pages of the manual for; nil for any other call.
    package static func manualFolder(_ words: [String]) -> String? {
        words.count == 2 && words[0] == "__manual" ? words[1] : nil
    }

    /// - Returns: the process's exit code.
    package static func run(_ root: Command, _ words: [String], helpFooter: String = "") async -> Int32 {
        if words.first == "__complete" {
            for line in Completion.candidates(root, Array(words.dropFirst())) { Terminal.out(line + "\n") }
            return 0
        }
        switch Parser.parse(root, words) {
        case .help(let path):
            Terminal.out(Help.text(path) + helpFooter)
            return 0
        case .failure(let message, let path):
            Terminal.error("Error: \(message)\n")
            if let path { Terminal.error(Help.usage(path) + "\n") }
            return 1
        case .run(let invocation):
            do {
                guard let body = invocation.command.run else { return 0 }
                try await body(invocation)
                return 0
            } catch let exit as CommandExit {
                if let message = exit.message { Terminal.error("Error: \(message)\n") }
                return exit.code
            } catch {
                Terminal.error("Error: \(error)\n")
                return 1
            }
        }
    }

    /// The path of commands that the words of `help` name, as far as they name any; nil if already the first doesn't.
    package static func path(_ root: Command, _ words: [String]) -> [Command]? {
        var path = [root]
        for word in words {
            guard let next = path[path.count - 1].child(word) else { break }
            path.append(next)
        }
        return path.count == 1 && !words.isEmpty ? nil : path
    }
}

extension Command {
    /// Adds `help`, which tells about the commands of this program, itself among them; the last to be added.
    /// - Parameters:
    ///   - text: what is told of the command at a path.
    ///   - usage: what is shown of the program where nothing is known of the words.
    package mutating func addHelp(
        _ short: String, group: String? = nil, text: @escaping @Sendable ([Command]) -> String,
        usage: @escaping @Sendable ([Command]) -> String
    ) {
        var help = Command("help", "[command]", short, group: group)
        let bare = self, silent = help
        help.run = { call in
            // The tree that is shown has a help of its own, which is only shown.
            var tree = bare
            tree.commands.append(silent)
            guard let path = Program.path(tree, call.arguments) else {
                Terminal.error("Unknown help topic [\(call.arguments.map { "`\($0)`" }.joined(separator: " "))]\n")
                Terminal.error(usage([tree]))
                return
            }
            Terminal.out(text(path))
        }
        commands.append(help)
    }
}
