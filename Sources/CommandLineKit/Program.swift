// Runs a program of commands: parses, runs, says what went wrong, and gives the exit code.

package enum Program {
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

    /// The path of commands that the words of `help` name.
    package static func path(_ root: Command, _ words: [String]) -> [Command]? {
        var path = [root]
        for word in words {
            guard let next = path[path.count - 1].child(word) else { return nil }
            path.append(next)
        }
        return path
    }
}
