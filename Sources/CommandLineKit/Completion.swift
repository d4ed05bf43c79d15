// Completion for shells: short scripts that ask the program itself, so that they never grow stale.

package enum Completion {
    package static let shells = ["bash", "zsh", "fish", "powershell"]

    /// What could follow the given words, one a line.
    package static func candidates(_ root: Command, _ words: [String]) -> [String] {
        var path = [root]
        for word in words.dropLast() {
            if let next = path[path.count - 1].child(word) { path.append(next) }
        }
        let last = words.last ?? ""
        let known = Parser.flags(of: path)
        // The value of a flag: as a word of its own, or after the sign.
        if last.hasPrefix("--"), let sign = last.firstIndex(of: "=") {
            let flag = known.first { $0.name == last[..<sign].dropFirst(2) }
            return (flag?.choices ?? []).map { last[...sign] + $0 }.filter { $0.hasPrefix(last) }
        }
        if words.count > 1, let flag = known.first(where: { isNamed($0, by: words[words.count - 2]) }),
            flag.kind != .bool
        {
            return flag.choices.filter { $0.hasPrefix(last) }
        }
        if last.hasPrefix("-") {
            let names = known.map { "--\($0.name)" } + ["--help"]
            return names.filter { $0.hasPrefix(last) }.sorted()
        }
        let command = path[path.count - 1]
        return command.commands.filter { !$0.isHidden && $0.name.hasPrefix(last) }.map(\.name)
            + command.choices.filter { $0.hasPrefix(last) }
    }

    private static func isNamed(_ flag: Flag, by word: String) -> Bool {
        word == "--\(flag.name)" || flag.short.map { word == "-\($0)" } ?? false
    }

    package static func script(for shell: String, program: String) -> String? {
        let name = "__\(program)_complete"
        switch shell {
        case "bash":
            return """
                # bash completion for \(program)
                \(name)() {
                    local IFS=$'\\n'
                    COMPREPLY=( $("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) )
                }
                complete -o default -F \(name) \(program)

                """
        case "zsh":
            return """
                #compdef \(program)
                \(name)() {
                    local -a found
                    found=( ${(f)"$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)"} )
                    if (( ${#found} )); then compadd -a found; else _files; fi
                }
                compdef \(name) \(program)

                """
        case "fish":
            return """
                # fish completion for \(program)
                function \(name)
                    set -l words (commandline -opc) (commandline -ct)
                    command $words[1] __complete $words[2..-1] 2>/dev/null
                end
                complete -c \(program) -a '(\(name))'

                """
        case "powershell":
            return """
                # powershell completion for \(program)
                Register-ArgumentCompleter -Native -CommandName '\(program)' -ScriptBlock {
                    param($wordToComplete, $commandAst, $cursorPosition)
                    $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
                    if ($wordToComplete -eq '') { $words += '""' }
                    & \(program) __complete @words 2>$null | ForEach-Object {
                        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
                    }
                }

                """
        default: return nil
        }
    }
}
