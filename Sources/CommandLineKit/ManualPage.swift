// Manual pages in troff's man macros: from a tree of commands one page each, or from any program's own tables.

/// One page of the manual.
package struct ManualPage: Sendable {
    /// A heading and what stands under it, as paragraphs.
    package struct Section: Sendable {
        package enum Paragraph: Sendable {
            case text(String)
            /// Lines that stay as they are.
            case literal(String)
            /// What is explained, with the explanation.
            case item(String, String)
        }
        package let title: String
        package let paragraphs: [Paragraph]

        package init(_ title: String, _ paragraphs: [Paragraph]) {
            self.title = title
            self.paragraphs = paragraphs
        }
    }

    /// The page's name without the section's number: `etcdctl-get`.
    package let name: String
    package let summary: String
    /// The usage lines.
    package let synopsis: [String]
    package let sections: [Section]
    /// What the page belongs to, for its foot: `etcd 3.7.1`.
    package let source: String
    /// The part of the manual: 1 for programs of users.
    package let part: Int

    package init(
        name: String,
        summary: String,
        synopsis: [String],
        sections: [Section],
        source: String,
        part: Int = 1
    ) {
        self.name = name
        self.summary = summary
        self.synopsis = synopsis
        self.sections = sections
        self.source = source
        self.part = part
    }

    package var fileName: String { "\(name).\(part)" }

    /// The page's text.
    package var roff: String {
        var text = ".TH \"\(Self.escaped(name.uppercased()))\" \"\(part)\" \"\" \"\(Self.escaped(source))\" \"\"\n"
        text += ".SH NAME\n\(Self.escaped(name)) \\- \(Self.line(summary))\n.SH SYNOPSIS\n.nf\n"
        for usage in synopsis { text += Self.line(usage) + "\n" }
        text += ".fi\n"
        for section in sections where !section.paragraphs.isEmpty {
            text += ".SH \(Self.escaped(section.title.uppercased()))\n"
            for paragraph in section.paragraphs {
                switch paragraph {
                case .text(let words): text += ".PP\n" + Self.lines(words)
                case .literal(let lines): text += ".PP\n.nf\n.RS 4\n" + Self.lines(lines) + ".RE\n.fi\n"
                case .item(let term, let words): text += ".TP\n\\fB\(Self.escaped(term))\\fR\n" + Self.lines(words)
                }
            }
        }
        return text
    }

    private static func lines(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line(String($0)) + "\n" }.joined()
    }

    /// A line that troff must not take for a request.
    private static func line(_ text: String) -> String {
        let escaped = escaped(text)
        return escaped.hasPrefix(".") || escaped.hasPrefix("'") ? "\\&" + escaped : escaped
    }

    private static func escaped(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": out += "\\e"
            case "-": out += "\\-"
            case "\"": out += "\\(dq"
            case _ where scalar.isASCII: out.unicodeScalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16, uppercase: true)
                out += "\\[u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + "]"
            }
        }
        return out
    }
}

extension ManualPage {
    /// The pages of a program and all its commands, hidden ones left out.
    /// - Parameters:
    ///   - exits: the exit codes with their meanings, for the program's own page.
    ///   - environment: what the program reads from its environment, for its own page.
    package static func pages(
        of root: Command,
        globalFlags: [Flag] = [],
        source: String,
        environment: [(String, String)] = [],
        exits: [(String, String)] = []
    ) -> [ManualPage] {
        pages([root], globalFlags, source, environment, exits)
    }

    private static func pages(
        _ path: [Command],
        _ globalFlags: [Flag],
        _ source: String,
        _ environment: [(String, String)],
        _ exits: [(String, String)]
    ) -> [ManualPage] {
        let command = path[path.count - 1]
        let shown = command.commands.filter { !$0.isHidden }.sorted { $0.name < $1.name }
        let name = path.map(\.name).joined(separator: "-"), full = path.map(\.name).joined(separator: " ")
        var synopsis: [String] = []
        if command.run != nil { synopsis.append("\(full)\(command.usage.isEmpty ? "" : " " + command.usage) [flags]") }
        if !shown.isEmpty { synopsis.append("\(full) [command]") }
        var sections = [
            Section("Description", (command.long.isEmpty ? command.short : command.long).paragraphs.map { .text($0) }),
            Section("Commands", shown.map { .item("\(full) \($0.name)", $0.short) }),
            Section("Options", (command.flags + command.persistentFlags).filter { !$0.isHidden }.map(item)),
            Section("Inherited options", path.dropLast().flatMap(\.persistentFlags).filter { !$0.isHidden }.map(item)),
        ]
        if path.count == 1 {
            sections += [
                Section("Global options", globalFlags.sorted { $0.name < $1.name }.map(item)),
                Section("Environment", environment.map { .item($0.0, $0.1) }),
                Section("Exit status", exits.map { .item($0.0, $0.1) }),
            ]
        }
        if !command.example.isEmpty { sections.append(Section("Examples", [.literal(command.example)])) }
        let others =
            (path.count > 1 ? [path.dropLast().map(\.name).joined(separator: "-")] : [])
            + shown.map { "\(name)-\($0.name)" }
        if !others.isEmpty {
            sections.append(Section("See also", [.text(others.map { "\($0)(1)" }.joined(separator: ", "))]))
        }
        return [ManualPage(name: name, summary: command.short, synopsis: synopsis, sections: sections, source: source)]
            + shown.flatMap { pages(path + [$0], globalFlags, source, environment, exits) }
    }

    private static func item(_ flag: Flag) -> Section.Paragraph {
        let names =
            (flag.short.map { "-\($0), " } ?? "") + "--\(flag.name)"
            + (flag.typeWord.isEmpty ? "" : " \(flag.typeWord)")
        return .item(names, flag.usage + (flag.hasZeroDefault ? "" : " (default \(flag.defaultText))"))
    }
}

extension String {
    /// The parts between empty lines.
    fileprivate var paragraphs: [String] {
        var found: [String] = []
        var current: [Substring] = []
        let lines: [Substring] = split(separator: "\n", omittingEmptySubsequences: false) + [""]
        for line in lines {
            if !line.isEmpty {
                current.append(line)
            } else if !current.isEmpty {
                found.append(current.joined(separator: "\n"))
                current = []
            }
        }
        return found
    }
}
