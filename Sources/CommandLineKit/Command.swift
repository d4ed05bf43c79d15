// A tree of commands, in the manner that users of etcd's tools know: persistent flags that every command below takes,
// commands named by a unique beginning, groups of commands in the help.

/// How a command ends when it doesn't end well.
package struct CommandExit: Error, Sendable {
    /// The process's exit code.
    package let code: Int32
    /// What standard error is told after `Error: `; nil for nothing.
    package let message: String?

    package init(_ code: Int32, _ message: String? = nil) {
        self.code = code
        self.message = message
    }
}

/// What a command was called with.
package struct Invocation: Sendable {
    package let command: Command
    package let arguments: [String]
    private(set) var values: [String: String]
    /// The flags that were given, not left at their defaults.
    package private(set) var changed: Set<String>
    /// Everything after the program's name, as it was given.
    package let raw: [String]

    package func string(_ name: String) -> String { values[name] ?? "" }
    package func bool(_ name: String) -> Bool { Flag.bool(string(name)) ?? false }
    package func int(_ name: String) -> Int64 { (try? GoNumber.int(string(name), base: 0)) ?? 0 }
    package func unsigned(_ name: String) -> UInt64 { (try? GoNumber.unsigned(string(name), base: 0)) ?? 0 }
    package func duration(_ name: String) -> Duration { Duration(goText: string(name)) ?? .zero }
    package func list(_ name: String) -> [String] {
        let text = string(name)
        return text.isEmpty ? [] : text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
}

extension Invocation {
    /// As if the flag had been given with this value.
    /// - Returns: nil if the value is none for this flag.
    package func setting(_ flag: Flag, to text: String) -> Invocation? {
        guard flag.problem(with: text) == nil else { return nil }
        var copy = self
        copy.values[flag.name] = text
        copy.changed.insert(flag.name)
        return copy
    }
}

/// One command and what is below it.
package struct Command: Sendable {
    package let name: String
    /// The rest of the usage line, after the name.
    package let usage: String
    package let short: String
    package var long = ""
    package var example = ""
    package var group: String?
    package var aliases: [String] = []
    package var flags: [Flag] = []
    /// Flags that the commands below take too.
    package var persistentFlags: [Flag] = []
    package var commands: [Command] = []
    /// Group names in their order, with their headings; for the root.
    package var groups: [(id: String, title: String)] = []
    package var isHidden = false
    /// Whether its usage line says that there are flags.
    package var mentionsFlags = true
    /// The words that a shell may offer as the first argument.
    package var choices: [String] = []
    /// Arguments that look like flags are arguments once the first plain one was seen.
    package var stopsAtArguments = false
    package var run: (@Sendable (Invocation) async throws -> Void)?

    package init(
        _ name: String,
        _ usage: String = "",
        _ short: String,
        long: String = "",
        example: String = "",
        flags: [Flag] = [],
        commands: [Command] = [],
        group: String? = nil,
        run: (@Sendable (Invocation) async throws -> Void)? = nil
    ) {
        self.name = name
        self.usage = usage
        self.short = short
        self.long = long
        self.example = example
        self.flags = flags
        self.commands = commands
        self.group = group
        self.run = run
    }

    func child(_ word: String) -> Command? {
        if let exact = commands.first(where: { $0.name == word || $0.aliases.contains(word) }) { return exact }
        let begins = commands.filter { !word.isEmpty && $0.name.hasPrefix(word) }
        return begins.count == 1 ? begins[0] : nil
    }
}
