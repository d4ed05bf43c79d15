// Command lines: which command, which flags, what is left, and the words for what makes no sense.

import Testing

@testable import CommandLineKit

@Suite struct ParserTests {
    private static let root: Command = {
        var root = Command("tool", "", "A tool")
        root.persistentFlags = [
            Flag("endpoints", nil, .stringList, "here", "where"),
            Flag("write-out", "w", .string, "simple", "how", choices: ["json", "fields"]),
            Flag("wait", nil, .duration, "2s", "how long"),
        ]
        var lease = Command("lease", "<subcommand>", "Leases")
        lease.commands = [
            Command("grant", "<ttl>", "Grants") { _ in },
            Command("list", "", "Lists", flags: [Flag("deep", "d", .bool, "", "all")]) { _ in },
        ]
        root.commands = [
            Command(
                "get",
                "<key>",
                "Gets",
                flags: [
                    Flag("limit", nil, .int, "0", "most"), Flag("prefix", "p", .bool, "", "all"),
                    Flag("most", nil, .uint, "7", "n"),
                ]
            ) { _ in }, Command("put", "<key>", "Puts") { _ in }, lease,
        ]
        return root
    }()

    private func run(_ line: String) throws -> Invocation {
        guard case .run(let call) = Parser.parse(Self.root, line.split(separator: " ").map(String.init)) else {
            throw CommandExit(1, "\(Parser.parse(Self.root, line.split(separator: " ").map(String.init)))")
        }
        return call
    }

    private func failure(_ line: String) -> String? {
        if case .failure(let message, _) = Parser.parse(Self.root, line.split(separator: " ").map(String.init)) {
            return message
        }
        return nil
    }

    @Test(
        "flags stand anywhere, with their values beside or behind a sign",
        arguments: [
            "--write-out json get a --limit 3 b", "get --write-out=json a --limit=3 b", "-w json get a b --limit 3",
            "get a -wjson b --limit 0x3",
            "get a --limit 3 -w=json -- b", "--limit 3 -w json get a b",
        ]
    )
    func placement(line: String) throws {
        let call = try run(line)
        #expect(call.command.name == "get")
        #expect(call.arguments == ["a", "b"])
        #expect(call.string("write-out") == "json")
        #expect(call.int("limit") == 3)
        #expect(call.changed == ["write-out", "limit"])
        #expect(call.unsigned("most") == 7)
    }

    @Test func whatComesAfterTwoDashesIsNoFlag() throws {
        let call = try run("put a -- -1 --limit")
        #expect(call.arguments == ["a", "-1", "--limit"])
        #expect(call.raw == ["put", "a", "--", "-1", "--limit"])
    }

    @Test func aLoneDashIsAnArgument() throws { #expect(try run("put -").arguments == ["-"]) }

    @Test func listsAdd() throws {
        #expect(try run("get a --endpoints x,y --endpoints z").list("endpoints") == ["x", "y", "z"])
        #expect(try run("get a").list("endpoints") == ["here"])
    }

    @Test func switchesTakeAWordOnlyBehindASign() throws {
        #expect(try run("get --prefix false").arguments == ["false"])
        #expect(try run("get --prefix=false a").bool("prefix") == false)
        #expect(try run("get -p a").bool("prefix"))
    }

    @Test func aBeginningNamesACommand() throws {
        #expect(try run("lease gr 5").command.name == "grant")
        #expect(try run("ge a").command.name == "get")
    }

    @Test(
        "what makes no sense is told in the known words",
        arguments: [
            ("get --bogus", "unknown flag: --bogus"), ("get -x", "unknown shorthand flag: 'x' in -x"),
            ("get --limit", "flag needs an argument: --limit"), ("get -w", "flag needs an argument: 'w' in -w"),
            (
                "get --limit x",
                "invalid argument \"x\" for \"--limit\" flag: strconv.ParseInt: parsing \"x\": invalid syntax"
            ),
            (
                "get --limit 9223372036854775808",
                "invalid argument \"9223372036854775808\" for \"--limit\" flag: strconv.ParseInt: parsing \"9223372036854775808\": value out of range"
            ),
            (
                "get --most -1",
                "invalid argument \"-1\" for \"--most\" flag: strconv.ParseUint: parsing \"-1\": invalid syntax"
            ),
            (
                "get --prefix=maybe",
                "invalid argument \"maybe\" for \"-p, --prefix\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax"
            ),
            ("get --wait 5", "invalid argument \"5\" for \"--wait\" flag: time: missing unit in duration \"5\""),
            ("get ---a", "bad flag syntax: ---a"),
            (
                "gte",
                "unknown command \"gte\" for \"tool\"\n\nDid you mean this?\n\tget\n\nRun 'tool --help' for usage."
            ),
            ("--prefix get zzzzzz", "unknown command \"zzzzzz\" for \"tool\"\nRun 'tool --help' for usage."),
            ("zzzzzz", "unknown command \"zzzzzz\" for \"tool\"\nRun 'tool --help' for usage."),
        ]
    )
    func failures(line: String, message: String) { #expect(failure(line) == message) }

    @Test(
        "help is asked for by flag, or by naming a folder",
        arguments: [("get --help", 2), ("get -h a", 2), ("lease", 2), ("lease bogus", 2), ("", 1)]
    )
    func help(line: String, depth: Int) {
        guard case .help(let path) = Parser.parse(Self.root, line.split(separator: " ").map(String.init)) else {
            Issue.record("no help for \(line)")
            return
        }
        #expect(path.count == depth)
    }

    @Test func helpListsFlagsWithDefaults() {
        let text = Help.text([Self.root, Self.root.commands[0]])
        #expect(text.contains("  tool get <key> [flags]"))
        #expect(text.contains("-p, --prefix      all"))
        #expect(text.contains("--most uint   n (default 7)"))
        #expect(text.contains("--endpoints strings   where (default [here])"))
    }

    @Test func aFlagTakesOnlyWhatItCanHold() throws {
        let call = try run("get a")
        let flag = Flag("wait", nil, .duration, "2s", "")
        #expect(call.setting(flag, to: "3s")?.duration("wait") == .seconds(3))
        #expect(call.setting(flag, to: "3s")?.changed == ["wait"])
        #expect(call.setting(flag, to: "soon") == nil)
    }

    @Test(
        "shells are offered commands, flags and values",
        arguments: [
            (["g"], ["get"]), (["lease", ""], ["grant", "list"]), (["lease", "list", "--d"], ["--deep"]),
            (["get", "-w", "j"], ["json"]),
            (["get", "--write-out=f"], ["--write-out=fields"]), (["get", "--li"], ["--limit"]),
            (["put", "--limit", ""], []),
        ]
    )
    func completion(words: [String], offered: [String]) { #expect(Completion.candidates(Self.root, words) == offered) }

    @Test("every shell's script asks the program itself", arguments: Completion.shells)
    func scripts(shell: String) throws {
        let script = try #require(Completion.script(for: shell, program: "tool"))
        #expect(script.contains("__complete"))
    }

    @Test func theManualHasAPageForEachCommand() throws {
        var root = Self.root
        root.example = "  .tool 'get' \\ -x"
        let pages = ManualPage.pages(
            of: root,
            globalFlags: root.persistentFlags,
            source: "tool 1",
            exits: [("0", "well")]
        )
        #expect(
            pages.map(\.fileName) == [
                "tool.1", "tool-get.1", "tool-lease.1", "tool-lease-grant.1", "tool-lease-list.1", "tool-put.1",
            ]
        )
        let first = pages[0].roff
        #expect(first.hasPrefix(".TH \"TOOL\" \"1\""))
        #expect(first.contains(".SH EXIT STATUS\n.TP\n\\fB0\\fR\nwell\n"))
        #expect(first.contains("  .tool 'get' \\e \\-x"))
        #expect(pages[1].roff.contains("\\fB\\-p, \\-\\-prefix\\fR\nall\n"))
        #expect(pages[3].roff.contains("tool\\-lease(1)"))
    }

    @Test func lineOfTheManualIsNoRequest() {
        let page = ManualPage(
            name: "a",
            summary: ".b",
            synopsis: ["'c"],
            sections: [.init("x", [.literal(".d\n\"e\" …")])],
            source: "s"
        )
        #expect(page.roff.contains("\n\\&'c\n"))
        #expect(page.roff.contains("\n\\&.d\n\\(dqe\\(dq \\[u2026]\n"))
    }
}
